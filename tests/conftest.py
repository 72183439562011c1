"""Small settings that every test shares."""

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
