"""Draws samples from a trained run: pictures, files of arrays, lines of text, or points. Or exports its generator.

python sample.py --run_dir=runs/blog-mnist-clip                  a grid of 8 x 8
python sample.py --run_dir=runs/blog-mnist-clip --interpolate    each row walks from one image to another
python sample.py --interpolate --output=walk.gif                 the same as an animation
python sample.py --timelapse --output=training.webp              the grids that the run left, step by step
python sample.py --seed=1 --rows=4 --columns=16 --output=more.png
python sample.py --num_images=50000 --output=samples.npz         an array; .npy, too. FOLDER/ has a PNG file for each
python sample.py --run_dir=runs/cifar10-resnet-acgan-gp          a column for each class; --class=3 for one alone
python sample.py --run_dir=runs/text-char-gp --num_images=1000   lines, to standard output
python sample.py --run_dir=runs/toy-8gaussians-gp                generated and real points, and the critic
python sample.py --run_dir=runs/blog-mnist-clip --export=model   a SavedModel for serving

Everything about the run is read from its directory. Nothing there changes, except that the new picture is added.
"""

import wgan_tf1.packages  # isort: skip  # noqa: F401

import os
import sys
from typing import Any, Callable, Iterator, List, NamedTuple, Optional

import numpy as np
from absl import flags

from wgan_tf1 import config as configs
from wgan_tf1 import console, images, latents, outputs
from wgan_tf1.classes import class_names, class_number, first_names, sample_classes
from wgan_tf1.config import Config
from wgan_tf1.errors import UserError, warn
from wgan_tf1.progress import progress
from wgan_tf1.runs import directory

FLAGS = flags.FLAGS

SIDE = 8  # default rows and columns of a grid; classes replace the columns
WALK_FRAMES = 32  # default columns of a walk that is an animation
COUNTS = {'text': 64, 'points': 512}  # default numbers of samples
UNITS = {'image': 'images', 'text': 'lines', 'points': 'points'}
RENAMED = {'count': 'num_images', 'out': 'output'}
# What a sample is -> the kinds of file that can have samples.
KINDS = {
  'image': (*outputs.PICTURES, '.gif', *outputs.ARRAYS, outputs.FOLDER),
  'text': ('.txt',),
  'points': (*outputs.PICTURES, *outputs.ARRAYS),
}

# The order of --help.
GROUPS = {
  'run': ['run_dir', 'checkpoint_step', 'data_path', 'version'],
  'what to draw': ['num_images', 'rows', 'columns', 'class', 'seed', 'latents', 'interpolate', 'timelapse'],
  'where to': ['output', 'scale', 'export'],
  'old names': list(RENAMED),
}


def _define_flags() -> None:
  flags.DEFINE_string('run_dir', os.path.join('runs', 'blog-mnist-clip'), 'directory of the run.')
  flags.DEFINE_string(
    'data_path', None, 'accepted as train.py and evaluate.py accept it. It has no effect: samples need no data.'
  )
  flags.DEFINE_integer('checkpoint_step', None, 'generator step of the checkpoint to use. Default: the newest.')
  flags.DEFINE_integer(
    'num_images',
    None,
    'images, lines or points to draw. Default: rows x columns images, 64 lines, 512 points.',
    lower_bound=1,
    upper_bound=10**8,
  )
  for name, words in (
    ('rows', 'rows of the grid. Default: 8, or with --interpolate one for each class.'),
    ('columns', 'samples in a row. Default: 8, or one for each class; 32 frames of an animated walk.'),
  ):
    flags.DEFINE_integer(name, None, words, lower_bound=1, upper_bound=2**16)
  flags.DEFINE_string(
    'class', None, 'class-conditional runs: the only class to draw, by number or name. Default: each class in turn.'
  )
  flags.DEFINE_integer('seed', 0, 'seed of the latents.', lower_bound=0, upper_bound=2**32 - 1)
  flags.DEFINE_string(
    'latents', None, 'file of latents to use, a .npy array [N, Z]; with --interpolate, each row walks to the next one.'
  )
  flags.DEFINE_boolean('interpolate', False, 'draw in each row the path from one latent to another.')
  flags.DEFINE_boolean('timelapse', False, 'animate the grids in RUN_DIR/samples that training left.')
  flags.DEFINE_string(
    'output',
    None,
    'file to write; its suffix says the format: %s; .gif or .webp of a walk or a time lapse is an animation. A name '
    'with a slash at its end is a folder, with a PNG file for each image. Default: a picture in RUN_DIR/samples, named '
    'after step and seed; for text, standard output.' % ', '.join(['.png', '.jpg', '.webp', '.npz', '.npy', '.txt']),
  )
  flags.DEFINE_integer(
    'scale',
    None,
    'enlarge each pixel this many times. Default: a grid is at least %d pixels wide; 1 for the files of a folder.'
    % outputs.SHOWN_WIDTH,
    lower_bound=1,
    upper_bound=64,
  )
  flags.DEFINE_string('export', None, 'directory to write the generator to, as a SavedModel. No samples are drawn.')
  flags.DEFINE_integer('count', None, 'old name of --num_images.', lower_bound=1)
  flags.DEFINE_string('out', None, 'old name of --output.')


class Plan(NamedTuple):
  """What to draw."""

  total: int  # samples
  columns: int  # samples in a row, or in a walk
  latents: Iterator[np.ndarray]  # batches [N, Z]
  labels: Optional[np.ndarray]  # int32 [total], if the run is class-conditional


def _given(name: str) -> bool:
  return not FLAGS[name].using_default_value


def _rename_flags() -> List[str]:
  """Gives the values of flags with old names to the new ones; returns a notice of each."""
  notices = []
  for old, new in RENAMED.items():
    if _given(old):
      if _given(new):
        raise UserError('--%s is the old name of --%s. Leave it out' % (old, new))
      setattr(FLAGS, new, FLAGS[old].value)
      notices.append('--%s is now --%s. The next version will not have the old name' % (old, new))
  return notices


def _check_flags(config: Config) -> None:
  """Refuses flags that would have no effect on this run, or with the other flags."""
  form, what = config.form, UNITS[config.form]
  drawn = ('num_images', 'rows', 'columns', 'class', 'seed', 'latents', 'interpolate')
  of_images = 'with --interpolate. Use --rows and --columns'
  for names, allowed, where in (
    ((*drawn, 'timelapse', 'output', 'scale'), not FLAGS.export, 'with --export'),
    ((*drawn, 'checkpoint_step'), not FLAGS.timelapse, 'with --timelapse'),
    (('timelapse',), form != 'text', 'on text'),
    (('interpolate',), form != 'points', 'on points'),
    (('num_images',), not FLAGS.interpolate, of_images),
    (('num_images',), not _given('rows'), 'with --rows. Leave one of them out'),
    (('num_images', 'rows', 'seed'), not _given('latents'), 'with --latents. Leave one of them out'),
    (('rows', 'columns'), form == 'image' or FLAGS.interpolate, 'on %s. Use --num_images' % form),
    (('scale',), form == 'image' or FLAGS.timelapse, 'on %s' % what),
  ):
    for name in names:
      if _given(name) and not allowed:
        raise UserError('--%s has no effect %s%s' % (name, where, '' if '. ' in where else '. Leave it out'))
  if FLAGS.export:
    if config.fixed_generator:
      raise UserError(
        '%s trained only a critic (fixed_generator): it has no generator to export. Use another run' % FLAGS.run_dir
      )
    if os.path.lexists(FLAGS.export) and not (os.path.isdir(FLAGS.export) and not os.listdir(FLAGS.export)):
      raise UserError('export=%s already exists and is not an empty directory. Use another one' % FLAGS.export)


def _kind(config: Config) -> str:
  """Returns the kind of file to write, '' for standard output; refuses a name that says nothing of use."""
  if not _given('output'):
    return '.gif' if FLAGS.timelapse else '' if config.form == 'text' else '.png'
  allowed = outputs.ANIMATIONS if FLAGS.timelapse else KINDS[config.form]
  kind = outputs.kind(FLAGS.output, allowed, '. Without --output, lines go to standard output' * (allowed == ('.txt',)))
  if kind in outputs.ARRAYS and _given('scale'):
    raise UserError('--scale has no effect on %s. Leave it out' % kind)
  if kind in outputs.ARRAYS and config.fixed_generator:
    raise UserError(
      '%s trained only a critic (fixed_generator): its points can only be plotted. Use a name that ends with .png'
      % FLAGS.run_dir
    )
  return kind


def _classes(config: Config) -> Optional[List[int]]:
  """Returns the classes to draw, in turn; None if the run is not class-conditional.

  Raises:
    UserError: if the run was not trained on --class.
  """
  wanted = FLAGS['class'].value
  if not config.class_count:
    if wanted is not None:
      raise UserError(
        '--class=%s: preset=%s is not class-conditional. Leave it out, or use a run of cifar10-resnet-acgan'
        % (wanted, config.preset)
      )
    return None
  trained = sample_classes(config)
  if wanted is None:
    return list(trained)
  names = class_names(config)
  number = class_number(names, wanted)
  if number not in trained:
    known = first_names([names[i] if names else str(i) for i in trained])
    raise UserError('--class=%s: must be one of %s, the classes of %s' % (wanted, known, FLAGS.run_dir))
  return [number]


def _plan(config: Config, animated: bool) -> Plan:
  """Chooses latents and labels. A row of an interpolation has one class."""
  classes, size = _classes(config), config.latent_size
  in_turn = SIDE if classes is None or FLAGS['class'].present else len(classes)
  file = latents.read(FLAGS.latents, size) if _given('latents') else None
  if FLAGS.interpolate:
    columns = FLAGS.columns or (WALK_FRAMES if animated else SIDE)
    if file is not None and len(file) < 2:
      raise UserError('latents=%s: must have two rows or more with --interpolate' % FLAGS.latents)
    start, end = np.random.RandomState(FLAGS.seed).normal(size=[2, FLAGS.rows or in_turn, size])
    start, end = (start, end) if file is None else (file[:-1], file[1:])
    count, source = len(start) * columns, latents.walks(start, end, columns)
  else:
    columns = FLAGS.columns or in_turn
    count = FLAGS.num_images or COUNTS.get(config.form) or (FLAGS.rows or SIDE) * columns
    count = count if file is None else len(file)
    if not _given('columns') and in_turn == SIDE:
      columns = max(SIDE, int(np.ceil(np.sqrt(count))))
    columns = min(columns, count)
    source = latents.batches(file) if file is not None else latents.normal(count, size, FLAGS.seed)
  if classes is None:
    return Plan(count, columns, source, None)
  row, column = np.divmod(np.arange(count), columns)
  labels = np.take(classes, row if FLAGS.interpolate else column, mode='wrap')
  return Plan(count, columns, source, labels.astype(np.int32))


def _path(step: int, kind: str, plan: Plan) -> str:
  """Returns --output, or its default for a generator step."""
  name = '%d-%s' % (step, 'latents' if _given('latents') else 'seed%d' % FLAGS.seed)
  if _given('class') and plan.labels is not None:
    name += '-class%d' % plan.labels[0]  # its name may have characters that a file must not have
  if FLAGS.interpolate:
    name += '-interpolation'
  return FLAGS.output or os.path.join(FLAGS.run_dir, 'samples', name + kind)


def _scale(config: Config, kind: str, plan: Plan, animated: bool) -> int:
  """Returns how many times each pixel is enlarged; refuses a picture that would be too large."""
  if config.form != 'image' or kind in outputs.ARRAYS or kind == outputs.FOLDER:
    return FLAGS.scale or 1
  frames = plan.columns if animated else 1
  count = plan.total // frames
  columns = outputs.walk_columns(count) if animated else plan.columns
  return outputs.grid_scale(FLAGS.output, kind, config.image_size or 0, count, columns, frames, FLAGS.scale)


def _file_names(plan: Plan) -> Iterator[str]:
  """Yields the name of each image in a folder: its class, if there are classes, its seed and its number."""
  source = 'latents' if _given('latents') else 'seed%d' % FLAGS.seed
  digits = max(5, len(str(plan.total - 1)))
  for i in range(plan.total):
    number = '%0*d' % (digits, i)
    if FLAGS.interpolate:
      row, column = divmod(i, plan.columns)
      number = 'walk%d-%0*d' % (row, digits, column)
    label = '' if plan.labels is None else 'class%d-' % plan.labels[i]
    yield '%s%s-%s.png' % (label, source, number)


def _of_classes(config: Config, plan: Plan) -> str:
  """Returns ' of cat, dog': the classes of the samples in the order of their columns. '' without names."""
  names = class_names(config)
  drawn = [] if plan.labels is None else dict.fromkeys(plan.labels.tolist())
  return ' of ' + first_names([names[label] for label in drawn]) if names and drawn else ''


def _drawn(plan: Plan, draw: Callable[..., Any], advance: Callable[[int], Any]) -> Iterator[Any]:
  """Yields batches of samples."""
  start = 0
  for batch in plan.latents:
    labels = None if plan.labels is None else plan.labels[start : start + len(batch)]
    yield draw(batch, labels)
    start += len(batch)
    advance(len(batch))


def _write(config: Config, kind: str, plan: Plan, scale: int, path: str, samples: Iterator[Any]) -> None:
  """Writes batches of samples to a file or folder, batch by batch where that can be done."""
  if kind == '.txt':
    outputs.write_lines(path, samples)
  elif kind in outputs.ARRAYS:
    outputs.write_array(path, kind, UNITS[config.form], samples, plan.total, plan.labels)
  elif kind == outputs.FOLDER:
    outputs.write_folder(path, zip(_file_names(plan), (sample for batch in samples for sample in batch)), scale)
  elif FLAGS.interpolate and kind in outputs.ANIMATIONS:
    outputs.write_walk(path, kind, np.concatenate(list(samples)), plan.total // plan.columns, scale)
  else:
    outputs.write_picture(path, kind, images.grid(np.concatenate(list(samples)), plan.columns), scale)


def _time_lapse(kind: str, notices: List[str]) -> None:
  steps = outputs.sample_grids(FLAGS.run_dir, FLAGS.scale)
  for notice in notices:
    warn(notice)
  path = FLAGS.output or os.path.join(FLAGS.run_dir, 'samples', 'timelapse.gif')
  with progress('reading samples', len(steps), 'pictures') as advance:
    outputs.write_time_lapse(path, kind, FLAGS.run_dir, steps, FLAGS.scale, advance)
  print('Generator steps %d to %d: %s in %s' % (steps[0], steps[-1], console.count(len(steps), 'frame'), path))


def main() -> None:
  notices = _rename_flags()
  config = configs.load(FLAGS.run_dir)
  _check_flags(config)
  kind = _kind(config)
  if FLAGS.timelapse:
    _time_lapse(kind, notices)
    return
  plan = _plan(config, animated=kind in outputs.ANIMATIONS)
  scale = _scale(config, kind, plan, FLAGS.interpolate and kind in outputs.ANIMATIONS)
  directory.existing_step(FLAGS.run_dir, FLAGS.checkpoint_step)  # refused here if there is none
  for notice in notices:  # after the checks, whose message is one line
    warn(notice)
  with console.quiet_tensorflow():  # imported after the checks, so that --help and mistakes answer at once
    from wgan_tf1 import sampling

  if FLAGS.export:
    step = sampling.export(config, FLAGS.export, FLAGS.checkpoint_step)
    print('Generator step %d: a SavedModel in %s' % (step, FLAGS.export))
    return
  if config.form == 'points' and kind not in outputs.ARRAYS:
    step, plot = sampling.plot_points(config, np.concatenate(list(plan.latents)), FLAGS.checkpoint_step)
    outputs.write_picture(_path(step, kind, plan), kind, plot)
  else:
    with sampling.generator(config, FLAGS.checkpoint_step) as (step, draw):
      if not kind:
        sys.stdout.reconfigure(encoding='utf-8', newline='\n')  # type: ignore[union-attr]  # as a file has it
        for lines in _drawn(plan, draw, lambda _: None):
          print(''.join(line + '\n' for line in lines), end='')
          if console.output_failed():  # `| head` has read enough
            break
        return
      with progress('drawing samples', plan.total, UNITS[config.form]) as advance:
        _write(config, kind, plan, scale, _path(step, kind, plan), _drawn(plan, draw, advance))
  what = console.count(plan.total, UNITS[config.form][:-1]) + _of_classes(config, plan)
  print('Generator step %d: %s in %s' % (step, what, _path(step, kind, plan)))


if __name__ == '__main__':
  _define_flags()
  console.run(main, GROUPS)
