"""Small settings that every test shares."""

import contextlib
import logging
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
logging.getLogger('tensorflow').setLevel(logging.ERROR)

import pytest  # noqa: E402

from wgan_tf1 import config  # noqa: E402


@pytest.fixture
def tiny():
  """Makes the `Config` of a real preset with batches of 4: `tiny('gp', seed=1)`."""

  def make(variant='clip', preset='blog-mnist', **overrides):
    defaults = {'dataset': 'digits' if preset.startswith('blog') else 'auto', 'batch_size': 4, 'critic_steps': 2}
    return config.make(preset, variant, **{**defaults, **overrides})

  return make


@pytest.fixture
def running():
  """Yields (graph, session) of a `Config`, with the variables initialised: `with running(config) as ...`."""
  import tensorflow.compat.v1 as tf  # slow, and not every test needs it

  from wgan_tf1 import graph as graphs

  @contextlib.contextmanager
  def run(config):
    with tf.Graph().as_default(), tf.Session() as session:
      graph = graphs.build_graph(config)
      session.run(tf.global_variables_initializer())
      yield graph, session

  return run
