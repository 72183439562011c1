import functools

import numpy as np
import pytest

from tests.helpers.references import (
  NORMS,
  SlowLayers,
  flat,
  generate,
  relu,
  run,
  same,
  score,
  slow_downsample,
  slow_upsample_nearest,
)
from wgan_tf1 import layers
from wgan_tf1.networks import resnet


def slow_block(x, v, normalize, resample=None, shortcut=True, leading=True, first_bias=True):
  """A residual block, whose shortcut is convolved on the larger side always; `normalize` as in `NORMS`."""

  def up(x):
    return slow_upsample_nearest(x) if resample == 'up' else x

  def down(x):
    return slow_downsample(x) if resample == 'down' else x

  y = relu(normalize(v, x, 'norm_1')) if leading else x
  y = v.conv(up(y), 'conv_1', 1, bias=first_bias)
  y = relu(normalize(v, y, 'norm_2') if leading else y)
  y = down(v.conv(y, 'conv_2', 1))
  return y + (down(v.conv(up(x), 'shortcut', 1)) if shortcut else x)


@pytest.mark.parametrize(
  'filters, middle, kwargs, shortcut',
  [
    (3, 3, dict(), False),
    (5, 5, dict(), True),
    (3, 3, dict(resample='up'), True),
    (2, 2, dict(resample='up', first_bias=False), True),
    (3, 3, dict(resample='down'), True),
    (5, 3, dict(resample='down', middle=3, first_bias=False), True),
    (5, 5, dict(resample='down', leading=False), True),
  ],
)
@pytest.mark.parametrize('norm', ['none', 'layer'])
def test_a_residual_block(filters, middle, kwargs, shortcut, norm):
  x = np.random.RandomState(0).normal(size=[2, 4, 6, 3]).astype(np.float32)

  def normalize(y, name):
    return layers.normalize(y, norm, name)

  y, v = run(lambda x: resnet._residual_block(x, filters, 'b', normalize=normalize, **kwargs), 'b', x)
  assert v.values['b/conv_1/weights'].shape == (3, 3, 3, middle)
  kwargs = {name: value for name, value in kwargs.items() if name != 'middle'}
  slow = slow_block(x, v, NORMS[norm], shortcut=shortcut, **kwargs)
  assert slow.shape[3] == filters
  same(y, slow, v)


@pytest.mark.parametrize('conditional', [False, True])
def test_the_generator_of_32_pixels(conditional):
  labels = np.array([2, 0, 2], np.int32)
  classes = dict(labels=labels, class_count=3) if conditional else {}
  normalize = functools.partial(SlowLayers.conditional_batch_norm, labels=labels) if conditional else NORMS['batch']
  z, y, v = generate('resnet', (32, 32, 3), 4, 'batch', **classes)
  x = v.dense(z).reshape(3, 4, 4, 4)
  for i in (1, 2, 3):
    x = slow_block(x, v.below('block_%d' % i), normalize, 'up')
  same(y, np.tanh(v.conv(relu(v.batch_norm(x, 'norm')), 'conv', 1)), v)


@pytest.mark.parametrize('class_count', [None, 5])
def test_the_critic_of_32_pixels(class_count):
  x, y, v = score('resnet', (32, 32, 3), 4, 'none', **({'class_count': class_count} if class_count else {}))
  x = slow_block(x, v.below('block_1'), NORMS['none'], 'down', leading=False)
  x = slow_block(x, v.below('block_2'), NORMS['none'], 'down')
  for i in (3, 4):
    x = slow_block(x, v.below('block_%d' % i), NORMS['none'], shortcut=False)
  x = relu(x).mean(axis=(1, 2))
  if class_count:
    y, logits = y
    np.testing.assert_allclose(logits, v.dense(x, 'classes'), rtol=1e-4, atol=1e-4)
    assert logits.shape == (3, 5)
  same(y, v.dense(x)[:, 0], v)


def test_the_generator_of_128_pixels():
  z, y, v = generate('resnet128', (128, 128, 3), 2, 'batch', n=2)
  x = v.dense(z).reshape(2, 4, 4, 16)
  for i, filters in enumerate((16, 8, 4, 2, 2), 1):
    x = slow_block(x, v.below('block_%d' % i), NORMS['batch'], 'up', first_bias=False)
    assert x.shape[3] == filters
  same(y, np.tanh(v.conv(relu(v.batch_norm(x, 'norm')), 'conv', 1)), v)


def test_the_critic_of_128_pixels():
  x, y, v = score('resnet128', (128, 128, 3), 2, 'layer', n=2)
  x = v.conv(x, 'conv', 1)
  for i, filters in enumerate((2, 4, 8, 16, 16), 1):
    x = slow_block(x, v.below('block_%d' % i), NORMS['layer'], 'down', first_bias=False)
    assert x.shape[1:] == (128 // 2**i, 128 // 2**i, filters)
  same(y, v.dense(flat(x))[:, 0], v)
