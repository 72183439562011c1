"""Draws samples from a trained run: a grid of images, lines of text, or a plot of points. Or exports its generator.

python sample.py --run_dir=runs/blog-mnist-clip                  a grid of 8 x 8
python sample.py --run_dir=runs/blog-mnist-clip --interpolate    each row walks from one image to another
python sample.py --run_dir=runs/blog-mnist-clip --seed=1 --rows=4 --columns=16 --out=more.png
python sample.py --run_dir=runs/cifar10-resnet-acgan-gp          a column for each class; --class=3 for one alone
python sample.py --run_dir=runs/text-char-gp --count=1000        lines, to standard output
python sample.py --run_dir=runs/toy-8gaussians-gp                generated and real points, and the critic
python sample.py --run_dir=runs/blog-mnist-clip --export=model   a SavedModel for serving

Everything about the run is read from its directory. Nothing there changes, except that the new picture is added.
"""

import wgan_tf1.packages  # isort: skip  # noqa: F401

import os
import sys
from typing import Any, List, Optional, Tuple

import numpy as np
from absl import flags

from wgan_tf1 import config as configs
from wgan_tf1 import console, files, images
from wgan_tf1.config import Config
from wgan_tf1.errors import UserError

FLAGS = flags.FLAGS

SIDE = 8  # default rows and columns of a grid; classes replace the columns
COUNTS = {'text': 64, 'points': 512}  # default numbers of samples


def _define_flags() -> None:
  flags.DEFINE_string('run_dir', os.path.join('runs', 'blog-mnist-clip'), 'directory of the run.')
  flags.DEFINE_integer('checkpoint_step', None, 'generator step of the checkpoint to use. Default: the newest.')
  flags.DEFINE_integer(
    'rows', None, 'rows of the grid. Default: 8, or with --interpolate one for each class.', lower_bound=1
  )
  flags.DEFINE_integer('columns', None, 'samples in a row. Default: 8, or one for each class.', lower_bound=1)
  flags.DEFINE_integer('count', None, 'lines or points to draw. Default: 64 lines, 512 points.', lower_bound=1)
  flags.DEFINE_integer('class', None, 'class-conditional runs: the only class to draw. Default: each class in turn.')
  flags.DEFINE_integer('seed', 0, 'seed of the latents.', lower_bound=0, upper_bound=2**32 - 1)
  flags.DEFINE_boolean('interpolate', False, 'draw in each row the path from one latent to another.')
  flags.DEFINE_string(
    'out',
    None,
    'file to write. Default: a PNG in RUN_DIR/samples, named after step and seed; for text, standard output.',
  )
  flags.DEFINE_string('export', None, 'directory to write the generator to, as a SavedModel. No samples are drawn.')


def interpolate(start: np.ndarray, end: np.ndarray, columns: int) -> np.ndarray:
  """Walks from each start to its end along the great circle.

  A straight line would pass through latents shorter than any that the generator was trained on (1609.04468).

  Args:
    start: float [N, Z].
    end: float [N, Z].
    columns: points on each path, both ends included.

  Returns:
    float [N * columns, Z], path after path.
  """
  units = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (start, end)]
  angle = np.arccos(np.sum(units[0] * units[1], axis=1))[:, None, None]
  t = np.linspace(0, 1, columns)[None, :, None]
  points = (np.sin((1 - t) * angle) * start[:, None] + np.sin(t * angle) * end[:, None]) / np.sin(angle)
  return points.reshape(-1, start.shape[1])


def _check_flags(config: Config) -> None:
  """Refuses flags that would have no effect on this run, or with the other flags."""
  form = config.form
  for names, allowed, where in (
    (('rows', 'columns', 'count', 'class', 'seed', 'interpolate', 'out'), not FLAGS.export, 'with --export'),
    (('interpolate',), form != 'points', 'on points'),
    (('count',), form != 'image', 'on images. Use --rows and --columns'),
    (('count',), not FLAGS.interpolate, 'with --interpolate. Use --rows and --columns'),
    (('rows', 'columns'), form == 'image' or FLAGS.interpolate, 'on %s. Use --count' % form),
  ):
    for name in names:
      if FLAGS[name].present and not allowed:
        raise UserError('--%s has no effect %s' % (name, where))
  if FLAGS.out:
    advice = 'Name a file' + (', or leave --out out for standard output' if form == 'text' else '')
    with files.user_errors('out=%s cannot be written' % FLAGS.out, advice):
      files.resolved(FLAGS.out)
  if FLAGS.export:
    if config.fixed_generator:
      raise UserError('%s trained only a critic (fixed_generator): it has no generator to export' % FLAGS.run_dir)
    if os.path.lexists(FLAGS.export) and not (os.path.isdir(FLAGS.export) and not os.listdir(FLAGS.export)):
      raise UserError('export=%s already exists and is not an empty directory. Use another one' % FLAGS.export)


def _classes(config: Config) -> Optional[List[int]]:
  """Returns the classes to draw, in turn; None if the run is not class-conditional.

  Raises:
    UserError: if the run was not trained on --class.
  """
  wanted = FLAGS['class'].value
  if not config.class_count:
    if wanted is not None:
      raise UserError(
        '--class=%d: preset=%s is not class-conditional. Leave it out, or use a run of cifar10-resnet-acgan'
        % (wanted, config.preset)
      )
    return None
  trained = configs.sample_classes(config)
  if wanted is None:
    return list(trained)
  if wanted not in trained:
    raise UserError(
      '--class=%d: must be one of %s, the classes of %s' % (wanted, ', '.join(map(str, trained)), FLAGS.run_dir)
    )
  return [wanted]


def _draw(config: Config, classes: Optional[List[int]]) -> Tuple[np.ndarray, Any, int]:
  """Returns (latents float64 [N, Z], labels int [N] or None, columns). A row of an interpolation has one class."""
  random, latent_size = np.random.RandomState(FLAGS.seed), config.latent_size
  in_turn = SIDE if classes is None or FLAGS['class'].present else len(classes)
  rows = FLAGS.rows or (in_turn if FLAGS.interpolate else SIDE)
  columns = FLAGS.columns or (SIDE if FLAGS.interpolate else in_turn)
  if FLAGS.interpolate:
    start, end = random.normal(size=[2, rows, latent_size])
    latents = interpolate(start, end, columns)
  else:
    count = rows * columns if config.form == 'image' else FLAGS.count or COUNTS[config.form]
    latents = random.normal(size=[count, latent_size])
  if classes is None:
    return latents, None, columns
  row, column = np.divmod(np.arange(len(latents)), columns)
  return latents, np.take(classes, row if FLAGS.interpolate else column, mode='wrap'), columns


def _print(content: bytes) -> None:
  """Writes bytes to standard output. A reader that has closed it, such as `head`, is no error."""
  try:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
  except BrokenPipeError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its exit
  except OSError as e:
    raise UserError('standard output cannot be written: %s' % e) from e


def _write(step: int, what: str, content: bytes) -> None:
  """Writes `content`, which is `what` of a generator step, to --out or its default."""
  name = '%d-seed%d' % (step, FLAGS.seed)
  if FLAGS['class'].present:
    name += '-class%d' % FLAGS['class'].value
  if FLAGS.interpolate:
    name += '-interpolation'
  path = FLAGS.out or os.path.join(FLAGS.run_dir, 'samples', name + '.png')
  with files.user_errors('out=%s cannot be written' % path):
    files.write_file(path, content)
  print('Generator step %d: %s in %s' % (step, what, path))


def main() -> None:
  config = configs.load(FLAGS.run_dir)
  _check_flags(config)
  classes = _classes(config)
  with console.quiet_tensorflow():  # imported after the checks, so that --help and mistakes answer at once
    from wgan_tf1 import sampling

  if FLAGS.export:
    step = sampling.export(config, FLAGS.export, FLAGS.checkpoint_step)
    print('Generator step %d: a SavedModel in %s' % (step, FLAGS.export))
    return
  latents, labels, columns = _draw(config, classes)
  if config.form == 'points':
    step, plot = sampling.plot_points(config, latents, FLAGS.checkpoint_step)
    _write(step, '%d points' % len(latents), images.encode_png(plot))
    return
  step, samples = sampling.generate(config, latents, labels, FLAGS.checkpoint_step)
  if config.form == 'image':
    _write(step, '%d images' % len(samples), images.encode_png(images.grid(np.stack(samples), columns)))
    return
  lines = ''.join(line + '\n' for line in samples).encode()
  if FLAGS.out:
    _write(step, '%d lines' % len(samples), lines)
  else:
    _print(lines)


if __name__ == '__main__':
  _define_flags()
  console.run(main)
