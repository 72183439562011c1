import numpy as np
import pytest

from tests.networks.test_networks import SlowLayers
from tests.networks.test_networks import generate
from tests.networks.test_networks import relu
from tests.networks.test_networks import same
from tests.networks.test_networks import score
from tests.test_layers import slow_conv1d

LENGTH, VOCABULARY = 7, 5


def _conv(v, x, name):
  return slow_conv1d(x, *v._get(name + '/weights', name + '/biases'))


def _blocks(v, x, normalize):
  """Five residual blocks; what a block adds is times 0.3."""
  for i in range(1, 6):
    block = v.below('block_%d' % i)
    y = x
    for j in (1, 2):
      y = _conv(block, relu(normalize(block, y, 'norm_%d' % j)), 'conv_%d' % j)
    x = x + 0.3 * y
  return x


NORMS = {'none': lambda v, x, name: x, 'batch': SlowLayers.batch_norm, 'layer': SlowLayers.layer_norm}


@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_the_text_generator(norm):
  z, y, v = generate('text', (LENGTH, VOCABULARY), 3, norm)
  x = _blocks(v, v.dense(z).reshape(3, LENGTH, 3), NORMS[norm])
  logits = _conv(v, x, 'conv')
  exponentials = np.exp(logits - logits.max(axis=2, keepdims=True))
  same(y, exponentials / exponentials.sum(axis=2, keepdims=True), v)
  np.testing.assert_allclose(y.sum(axis=2), 1, rtol=1e-5)
  assert y.shape == (3, LENGTH, VOCABULARY)


@pytest.mark.parametrize('norm', ['none', 'batch', 'layer'])
def test_the_text_critic(norm):
  x, y, v = score('text', (LENGTH, VOCABULARY), 3, norm)
  x = _blocks(v, _conv(v, x, 'conv'), NORMS[norm])
  same(y, v.dense(x.reshape(3, -1))[:, 0], v)


def test_the_convolutions_of_a_block_are_five_wide():
  _, _, v = score('text', (LENGTH, VOCABULARY), 3, 'none')
  sizes = {name: value.shape[0] for name, value in v._variables.items() if 'conv' in name and 'weights' in name}
  assert sizes.pop('critic/conv/weights') == 1
  assert sorted(sizes) == sorted('critic/block_%d/conv_%d/weights' % (i, j) for i in range(1, 6) for j in (1, 2))
  assert set(sizes.values()) == {5}
