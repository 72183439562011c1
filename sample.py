"""Draws images from a trained run.

python sample.py --run_dir=runs/blog-mnist-clip                  a grid of 8 x 8
python sample.py --run_dir=runs/blog-mnist-clip --interpolate    each row walks from one image to another
python sample.py --run_dir=runs/blog-mnist-clip --seed=1 --rows=4 --columns=16 --out=more.png

What was trained is read from the run directory; nothing in it is changed but for the new picture.
"""

import os

import numpy as np
from absl import flags

from wgan_tf1 import UserError
from wgan_tf1 import cli
from wgan_tf1 import config
from wgan_tf1 import data
from wgan_tf1 import images

FLAGS = flags.FLAGS

BATCH_SIZE = 64  # images generated at once, however many are asked for


def _define_flags():
  flags.DEFINE_string('run_dir', os.path.join('runs', 'blog-mnist-clip'), 'directory of the run.')
  flags.DEFINE_integer('checkpoint_step', None, 'generator step to draw at. Default: the newest.')
  flags.DEFINE_integer('rows', 8, 'rows of the grid.', lower_bound=1)
  flags.DEFINE_integer('columns', 8, 'images in a row.', lower_bound=1)
  flags.DEFINE_integer('seed', 0, 'of the latents.', lower_bound=0, upper_bound=2**32 - 1)
  flags.DEFINE_boolean('interpolate', False, 'draw in each row the way from one latent to another.')
  flags.DEFINE_string('out', None, 'PNG file to write. Default: in RUN_DIR/samples, named after step and seed.')


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


def draw_latents(latent_size):
  random = np.random.RandomState(FLAGS.seed)
  if FLAGS.interpolate:
    start, end = random.normal(size=[2, FLAGS.rows, latent_size])
    return interpolate(start, end, FLAGS.columns)
  return random.normal(size=[FLAGS.rows * FLAGS.columns, latent_size])


def main():
  run_config = config.load(FLAGS.run_dir)
  latents = draw_latents(run_config.latent_size)
  with cli.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import checkpoints
    from wgan_tf1.graph import build_graph

  with tf.Graph().as_default(), tf.Session() as session:
    graph = build_graph(run_config)
    saver = tf.train.Saver(graph.generator_variables + [graph.global_step])
    if not checkpoints.restore(session, saver, FLAGS.run_dir, FLAGS.checkpoint_step):
      raise UserError('%s has no checkpoint yet: train it for longer' % FLAGS.run_dir)
    step = session.run(graph.global_step)
    batches = [
      session.run(graph.samples, {graph.sample_latents: latents[i : i + BATCH_SIZE]})
      for i in range(0, len(latents), BATCH_SIZE)
    ]
  grid = images.grid(images.to_uint8(np.concatenate(batches)), FLAGS.columns)
  name = '%d-seed%d%s.png' % (step, FLAGS.seed, '-interpolation' if FLAGS.interpolate else '')
  path = FLAGS.out or os.path.join(FLAGS.run_dir, 'samples', name)
  try:
    data.write_file(path, images.encode_png(grid))
  except OSError as e:
    raise UserError('out=%s cannot be written: %s' % (path, e))
  print('Generator step %d: %d images in %s' % (step, len(latents), path))


if __name__ == '__main__':
  _define_flags()
  cli.run(main)
