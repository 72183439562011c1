import numpy as np
import pytest

from tests.helpers.references import NORMS, flat, generate, relu, same, score

LENGTH, VOCABULARY = 7, 5


def _blocks(v, x, normalize):
  """Five residual blocks; each adds 0.3 times its output."""
  for i in range(1, 6):
    block = v.below('block_%d' % i)
    y = x
    for j in (1, 2):
      y = block.conv1d(relu(normalize(block, y, 'norm_%d' % j)), 'conv_%d' % j)
    x = x + 0.3 * y
  return x


@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_the_generator(norm):
  z, y, v = generate('text', (LENGTH, VOCABULARY), 3, norm)
  x = _blocks(v, v.dense(z).reshape(3, LENGTH, 3), NORMS[norm])
  logits = v.conv1d(x, 'conv')
  exponentials = np.exp(logits - logits.max(axis=2, keepdims=True))
  same(y, exponentials / exponentials.sum(axis=2, keepdims=True), v)
  np.testing.assert_allclose(y.sum(axis=2), 1, rtol=1e-5)
  assert y.shape == (3, LENGTH, VOCABULARY)


@pytest.mark.parametrize('norm', ['none', 'batch', 'layer'])
def test_the_critic(norm):
  x, y, v = score('text', (LENGTH, VOCABULARY), 3, norm)
  x = _blocks(v, v.conv1d(x, 'conv'), NORMS[norm])
  same(y, v.dense(flat(x))[:, 0], v)


def test_the_convolutions_of_a_block_are_five_wide():
  _, _, v = score('text', (LENGTH, VOCABULARY), 3, 'none')
  sizes = {name: value.shape[0] for name, value in v.values.items() if 'conv' in name and 'weights' in name}
  assert sizes.pop('critic/conv/weights') == 1
  assert sorted(sizes) == sorted('critic/block_%d/conv_%d/weights' % (i, j) for i in range(1, 6) for j in (1, 2))
  assert set(sizes.values()) == {5}
