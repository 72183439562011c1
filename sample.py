"""Draws from a trained run: a grid of images, lines of text, or a plot of points. Or exports its generator.

python sample.py --run_dir=runs/blog-mnist-clip                  a grid of 8 x 8
python sample.py --run_dir=runs/blog-mnist-clip --interpolate    each row walks from one image to another
python sample.py --run_dir=runs/blog-mnist-clip --seed=1 --rows=4 --columns=16 --out=more.png
python sample.py --run_dir=runs/cifar10-resnet-acgan-gp          a column for each class; --class=3 for one alone
python sample.py --run_dir=runs/text-char-gp --count=1000        lines, to standard output
python sample.py --run_dir=runs/toy-8gaussians-gp                generated and real points, and the critic
python sample.py --run_dir=runs/blog-mnist-clip --export=model   a SavedModel, to be served

What was trained is read from the run directory; nothing in it is changed but for the new picture.
"""

import os
import sys

import numpy as np
from absl import flags

from wgan_tf1 import config
from wgan_tf1 import console
from wgan_tf1 import files
from wgan_tf1 import images
from wgan_tf1.errors import UserError

FLAGS = flags.FLAGS

SIDE = 8  # rows, and columns, unless asked for or given by the classes
COUNTS = {'text': 64, 'points': 512}


def _define_flags():
  flags.DEFINE_string('run_dir', os.path.join('runs', 'blog-mnist-clip'), 'directory of the run.')
  flags.DEFINE_integer('checkpoint_step', None, 'generator step to draw at. Default: the newest.')
  flags.DEFINE_integer(
    'rows', None, 'rows of the grid. Default: 8, or with --interpolate one for each class.', lower_bound=1
  )
  flags.DEFINE_integer('columns', None, 'samples in a row. Default: 8, or one for each class.', lower_bound=1)
  flags.DEFINE_integer('count', None, 'lines or points to draw. Default: 64 lines, 512 points.', lower_bound=1)
  flags.DEFINE_integer('class', None, 'class-conditional runs: the class to draw. Default: each in turn.')
  flags.DEFINE_integer('seed', 0, 'of the latents.', lower_bound=0, upper_bound=2**32 - 1)
  flags.DEFINE_boolean('interpolate', False, 'draw in each row the way from one latent to another.')
  flags.DEFINE_string(
    'out', None, 'file to write. Default: a PNG in RUN_DIR/samples, named after step and seed; for text, none.'
  )
  flags.DEFINE_string('export', None, 'directory to write the generator to, as a SavedModel; nothing is drawn.')


def interpolate(start, end, columns):
  """Walks from each start to its end on the great circle, where Gaussian latents of one length lie.

  A straight line would pass through latents shorter than any that the generator saw (1609.04468).

  Args:
    start: float [N, Z].
    end: float [N, Z].
    columns: points on the way, both ends included.

  Returns:
    float [N * columns, Z], each row's points one after the other.
  """
  unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)
  angle = np.arccos(np.sum(unit(start) * unit(end), axis=1))[:, None, None]
  t = np.linspace(0, 1, columns)[None, :, None]
  points = (np.sin((1 - t) * angle) * start[:, None] + np.sin(t * angle) * end[:, None]) / np.sin(angle)
  return points.reshape(-1, start.shape[1])


def _check_flags(run_config):
  """Refuses flags that the run, or each other, leave without effect."""
  form = run_config.form
  for names, there, where in (
    (('rows', 'columns', 'count', 'class', 'seed', 'interpolate', 'out'), not FLAGS.export, 'with --export'),
    (('interpolate',), form != 'points', 'on points'),
    (('count',), form != 'image', 'on images: take --rows and --columns'),
    (('count',), not FLAGS.interpolate, 'with --interpolate: take --rows and --columns'),
    (('rows', 'columns'), form == 'image' or FLAGS.interpolate, 'on %s: take --count' % form),
  ):
    for name in names:
      if FLAGS[name].present and not there:
        raise UserError('--%s has no effect %s' % (name, where))
  if FLAGS.export:
    if run_config.fixed_generator:
      raise UserError('%s trained a critic alone (fixed_generator): there is no generator to export' % FLAGS.run_dir)
    if os.path.lexists(FLAGS.export) and not (os.path.isdir(FLAGS.export) and not os.listdir(FLAGS.export)):
      raise UserError('export=%s is there already, and not an empty directory: name another one' % FLAGS.export)


def _classes(run_config):
  """Returns the classes to draw, in turn; None if the run has none.

  Raises:
    UserError: if --class is not one of them.
  """
  wanted = FLAGS['class'].value
  if not run_config.class_count:
    if wanted is not None:
      raise UserError(
        '--class=%d: preset=%s does not tell its generator a class; cifar10-resnet-acgan does'
        % (wanted, run_config.preset)
      )
    return None
  trained = config.sample_classes(run_config)
  if wanted is None:
    return list(trained)
  if wanted not in trained:
    raise UserError('--class=%d: %s was trained on %s' % (wanted, FLAGS.run_dir, ', '.join(map(str, trained))))
  return [wanted]


def _draw(run_config, classes):
  """Returns (latents float64 [N, Z], labels int [N] or None, columns); a row of interpolation has one class."""
  random, latent_size = np.random.RandomState(FLAGS.seed), run_config.latent_size
  in_turn = SIDE if classes is None or FLAGS['class'].present else len(classes)
  rows = FLAGS.rows or (in_turn if FLAGS.interpolate else SIDE)
  columns = FLAGS.columns or (SIDE if FLAGS.interpolate else in_turn)
  if FLAGS.interpolate:
    start, end = random.normal(size=[2, rows, latent_size])
    latents = interpolate(start, end, columns)
  else:
    count = rows * columns if run_config.form == 'image' else FLAGS.count or COUNTS[run_config.form]
    latents = random.normal(size=[count, latent_size])
  if classes is None:
    return latents, None, columns
  row, column = np.divmod(np.arange(len(latents)), columns)
  return latents, np.take(classes, row if FLAGS.interpolate else column, mode='wrap'), columns


def _print(content):
  """Writes bytes to standard output; whoever reads it may have had enough."""
  try:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
  except BrokenPipeError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at the end
  except OSError as e:
    raise UserError('standard output cannot be written: %s' % e)


def _write(run_config, step, what, content):
  name = '%d-seed%d' % (step, FLAGS.seed)
  if FLAGS['class'].present:
    name += '-class%d' % FLAGS['class'].value
  if FLAGS.interpolate:
    name += '-interpolation'
  path = FLAGS.out or os.path.join(FLAGS.run_dir, 'samples', name + '.png')
  try:
    files.write_file(path, content)
  except OSError as e:
    raise UserError('out=%s cannot be written: %s' % (path, e))
  print('Generator step %d: %s in %s' % (step, what, path))


def main():
  run_config = config.load(FLAGS.run_dir)
  _check_flags(run_config)
  classes = _classes(run_config)
  with console.quiet_tensorflow():
    from wgan_tf1 import sampling

  if FLAGS.export:
    step = sampling.export(run_config, FLAGS.export, FLAGS.checkpoint_step)
    print('Generator step %d: a SavedModel in %s' % (step, FLAGS.export))
    return
  latents, labels, columns = _draw(run_config, classes)
  if run_config.form == 'points':
    step, plot = sampling.plot_points(run_config, latents, FLAGS.checkpoint_step)
    return _write(run_config, step, '%d points' % len(latents), images.encode_png(plot))
  step, samples = sampling.generate(run_config, latents, labels, FLAGS.checkpoint_step)
  if run_config.form == 'image':
    grid = images.grid(np.stack(samples), columns)
    return _write(run_config, step, '%d images' % len(samples), images.encode_png(grid))
  lines = ''.join(line + '\n' for line in samples).encode()
  if FLAGS.out:
    return _write(run_config, step, '%d lines' % len(samples), lines)
  _print(lines)


if __name__ == '__main__':
  _define_flags()
  console.run(main)
