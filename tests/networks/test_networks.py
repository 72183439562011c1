import functools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.test_layers import randomize
from tests.test_layers import slow_batch_norm
from tests.test_layers import slow_conv2d
from tests.test_layers import slow_conv2d_transpose
from tests.test_layers import slow_downsample
from tests.test_layers import slow_layer_norm
from tests.test_layers import slow_upsample_bilinear
from tests.test_layers import slow_upsample_nearest
from wgan_tf1 import networks
from wgan_tf1.networks import blog
from wgan_tf1.networks import resnet


class SlowLayers:
  """The layers of one network in NumPy, by their variables' names below `scope`."""

  def __init__(self, variables, scope):
    self._variables, self._scope = variables, scope
    self.used = set()

  def below(self, scope):
    inner = SlowLayers(self._variables, self._scope + '/' + scope)
    inner.used = self.used
    return inner

  def _get(self, *names):
    names = [self._scope + '/' + name for name in names]
    self.used.update(names)
    return [self._variables[name] for name in names]

  def dense(self, x, name='dense', bias=True):
    weights, biases = self._get(name + '/weights', name + '/biases') if bias else self._get(name + '/weights') + [0]
    return x @ weights + biases

  def conv(self, x, name, stride, bias=True):
    weights, biases = self._get(name + '/weights', name + '/biases') if bias else self._get(name + '/weights') + [0]
    return slow_conv2d(x, weights, biases, stride)

  def conv_transpose(self, x, name, stride=2, bias=False):
    biases = self._get(name + '/biases')[0] if bias else 0
    return slow_conv2d_transpose(x, self._get(name + '/weights')[0], stride) + biases

  def batch_norm(self, x, name):
    return slow_batch_norm(x, *self._get(name + '/gamma', name + '/beta'))

  def conditional_batch_norm(self, x, name, labels):
    gamma, beta = self._get(name + '/gamma', name + '/beta')
    rows = [-1] + [1] * (x.ndim - 2) + [x.shape[-1]]
    plain = slow_batch_norm(x, np.ones(x.shape[-1]), np.zeros(x.shape[-1]))
    return plain * gamma[labels].reshape(rows) + beta[labels].reshape(rows)

  def layer_norm(self, x, name):
    return slow_layer_norm(x, *self._get(name + '/gamma', name + '/beta'))


def relu(x):
  return np.maximum(x, 0)


def leaky_relu(x):
  return np.where(x > 0, x, 0.2 * x)


def run(network, scope, *inputs):
  """Returns (what the network makes of `inputs`, its random variables as `SlowLayers`)."""
  with tf.Graph().as_default(), tf.Session() as session:
    y = network(*[tf.constant(x) for x in inputs])
    variables = randomize(session)
    slow = SlowLayers(variables, scope)
    slow.trainable = {v.op.name for v in tf.trainable_variables()}
    return session.run(y), slow


def same(y, slow_y, slow):
  assert y.shape == slow_y.shape
  assert slow_y.std() > 1e-3  # not all one: there is something to compare
  np.testing.assert_allclose(y, slow_y, rtol=1e-5, atol=2e-3 * slow_y.std())
  assert slow.used == slow.trainable  # each variable has its place


def generate(name, shape, width, norm, z=5, n=3, **kwargs):
  """Returns (latents, samples, `SlowLayers`) of the generator of architecture `name`."""
  latents = np.random.RandomState(0).normal(size=[n, z]).astype(np.float32)
  generator = functools.partial(networks.ARCHITECTURES[name][0], shape=shape, width=width, norm=norm, training=True)
  return (latents, *run(lambda z: generator(z, **kwargs), 'generator', latents))


def score(name, shape, width, norm, n=3, **kwargs):
  """Returns (samples, scores, `SlowLayers`) of the critic of architecture `name`."""
  samples = np.random.RandomState(0).uniform(-1, 1, [n, *shape]).astype(np.float32)
  critic = functools.partial(networks.ARCHITECTURES[name][1], width=width, norm=norm)
  return (samples, *run(lambda x: critic(x, **kwargs), 'critic', samples))


def flat(x):
  return x.reshape(len(x), -1)


@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_the_posts_generator(norm):
  z, y, v = generate('blog', (32, 32, 1), 4, norm, z=128)
  normalize = v.batch_norm if norm == 'batch' else lambda x, name: x
  x = relu(normalize(v.dense(z), 'norm')).reshape(3, 4, 4, 32)
  for i in (1, 2, 3):
    x = relu(normalize(v.conv_transpose(x, 'conv_transpose_%d' % i), 'norm_%d' % i))
  same(y, np.tanh(v.conv_transpose(x, 'conv_transpose_4', stride=1)), v)


@pytest.mark.parametrize('norm', ['none', 'batch', 'layer'])
def test_the_posts_critic(norm):
  x, y, v = score('blog', (32, 32, 1), 4, norm)
  normalize = {'none': lambda x, name: x, 'batch': v.batch_norm, 'layer': v.layer_norm}[norm]
  x = relu(v.conv(x, 'conv_1', 2))
  for i in (2, 3, 4):
    x = relu(normalize(v.conv(x, 'conv_%d' % i, 2), 'norm_%d' % i))
  same(y, v.dense(flat(x))[:, 0], v)


@pytest.mark.parametrize('name', ['mlp', 'toy'])
def test_fully_connected_pairs(name):
  hidden, shape = (4, (6, 6, 2)) if name == 'mlp' else (3, (2,))
  z, y, v = generate(name, shape, 9, 'none')
  for i in range(1, hidden + 1):
    z = relu(v.dense(z, 'dense_%d' % i))
  z = v.dense(z)
  same(y, np.tanh(z).reshape(3, 6, 6, 2) if name == 'mlp' else z, v)
  x, y, v = score(name, shape, 9, 'none')
  x = flat(x)
  for i in range(1, hidden + 1):
    x = relu(v.dense(x, 'dense_%d' % i))
  same(y, v.dense(x)[:, 0], v)


def test_the_keras_posts_pair():
  z, y, v = generate('keras', (28, 28, 1), 2, 'batch')
  x = leaky_relu(v.dense(z)).reshape(3, 7, 7, 4)
  for i in (1, 2):
    x = leaky_relu(v.batch_norm(v.conv_transpose(x, 'conv_transpose_%d' % i, bias=True), 'norm_%d' % i))
  same(y, np.tanh(v.conv(x, 'conv', 1)), v)
  x, y, v = score('keras', (28, 28, 1), 3, 'batch')
  for i in (1, 2):
    x = leaky_relu(v.batch_norm(v.conv(x, 'conv_%d' % i, 2), 'norm_%d' % i))
  same(y, v.dense(flat(x))[:, 0], v)


@pytest.mark.parametrize('name, filters', [('upsample', [8, 4, 1]), ('upsample-gp', [8, 8, 1])])
def test_the_fashion_mnist_posts_generator(name, filters):
  z, y, v = generate(name, (32, 32, 1), 4, 'batch')
  x = relu(v.batch_norm(v.dense(z), 'norm')).reshape(3, 4, 4, 16)
  for i in (1, 2, 3):
    x = v.conv(slow_upsample_bilinear(x), 'conv_%d' % i, 1)
    assert x.shape[3] == filters[i - 1]
    x = np.tanh(x) if i == 3 else relu(v.batch_norm(x, 'norm_%d' % i))
  same(y, x, v)


@pytest.mark.parametrize('norm', ['none', 'batch'])
@pytest.mark.parametrize('name', ['upsample', 'upsample-gp', 'crop', 'dcgan5'])
def test_the_conv5_critic_has_norms_on_the_second_and_third_convolution_only(name, norm):
  x, y, v = score(name, (28, 28, 1) if name == 'crop' else (32, 32, 3), 2, norm)
  x = leaky_relu(v.conv(x, 'conv_1', 2, bias=name != 'upsample-gp'))
  for i in (2, 3):
    x = v.conv(x, 'conv_%d' % i, 2, bias=name != 'upsample-gp')
    x = leaky_relu(v.batch_norm(x, 'norm_%d' % i) if norm == 'batch' else x)
  same(y, v.dense(flat(x))[:, 0], v)


@pytest.mark.parametrize('norm', ['none', 'batch'])
@pytest.mark.parametrize('name', ['crop', 'dcgan5'])
def test_the_conv5_generator_crops_to_seven_for_28_pixels(name, norm):
  z, y, v = generate(name, (28, 28, 1) if name == 'crop' else (32, 32, 3), 2, norm)
  normalize = v.batch_norm if norm == 'batch' else lambda x, name: x
  x = relu(normalize(v.dense(z), 'norm')).reshape(3, 4, 4, 8)
  x = relu(normalize(v.conv_transpose(x, 'conv_transpose_1', bias=True), 'norm_1'))
  x = x[:, :7, :7] if name == 'crop' else x
  x = relu(normalize(v.conv_transpose(x, 'conv_transpose_2', bias=True), 'norm_2'))
  x = v.conv_transpose(x, 'conv_transpose_3', bias=True)
  same(y, 1 / (1 + np.exp(-x)) if name == 'crop' else np.tanh(x), v)


@pytest.mark.parametrize('name', ['dcgan4', 'dcgan4-constant'])
def test_the_dcgan_generator_of_64_pixels(name):
  norm = 'batch' if name == 'dcgan4' else 'none'
  z, y, v = generate(name, (64, 64, 3), 2, norm)
  normalize = v.batch_norm if norm == 'batch' else lambda x, name: x
  x = v.dense(z, bias=False).reshape(3, 4, 4, 16 if name == 'dcgan4' else 2)
  x = relu(normalize(x, 'norm'))
  for i in (1, 2, 3):
    x = relu(normalize(v.conv_transpose(x, 'conv_transpose_%d' % i), 'norm_%d' % i))
    assert x.shape[3] == ((8, 4, 2)[i - 1] if name == 'dcgan4' else 2)
  same(y, np.tanh(v.conv_transpose(x, 'conv_transpose_4')), v)


def test_the_mlp_generator_of_64_pixels_has_eight_times_the_critics_width():
  z, y, v = generate('mlp-dcgan4', (64, 64, 3), 2, 'none')
  for i in (1, 2, 3, 4):
    z = relu(v.dense(z, 'dense_%d' % i))
    assert z.shape == (3, 16)
  same(y, np.tanh(v.dense(z)).reshape(3, 64, 64, 3), v)


@pytest.mark.parametrize('name', ['dcgan4', 'dcgan4-constant', 'mlp-dcgan4'])
def test_the_dcgan_critic_has_no_norm_on_its_first_and_last_layer(name):
  x, y, v = score(name, (64, 64, 3), 2, 'batch')
  x = leaky_relu(v.conv(x, 'conv_1', 2, bias=False))
  for i in (2, 3, 4):
    x = leaky_relu(v.batch_norm(v.conv(x, 'conv_%d' % i, 2, bias=False), 'norm_%d' % i))
  same(y, v.dense(flat(x), bias=False)[:, 0], v)


def slow_block(x, v, normalize, resample=None, shortcut=True, leading=True, first_bias=True):
  """A residual block, its shortcut's convolution always on the larger side."""
  up = slow_upsample_nearest if resample == 'up' else lambda y: y
  down = slow_downsample if resample == 'down' else lambda y: y
  y = relu(normalize(v, x, 'norm_1')) if leading else x
  y = v.conv(up(y), 'conv_1', 1, bias=first_bias)
  y = relu(normalize(v, y, 'norm_2') if leading else y)
  y = down(v.conv(y, 'conv_2', 1))
  return y + (down(v.conv(up(x), 'shortcut', 1)) if shortcut else x)


def _plain(v, x, name):
  del v, name
  return x


def _batch(v, x, name):
  return v.batch_norm(x, name)


def _layer(v, x, name):
  return v.layer_norm(x, name)


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
  normalize = lambda y, name: networks.layers.normalize(y, norm, name)
  y, v = run(lambda x: resnet._residual_block(x, filters, 'b', normalize=normalize, **kwargs), 'b', x)
  assert v._variables['b/conv_1/weights'].shape == (3, 3, 3, middle)
  kwargs = {name: value for name, value in kwargs.items() if name != 'middle'}
  slow = slow_block(x, v, _layer if norm == 'layer' else _plain, shortcut=shortcut, **kwargs)
  assert slow.shape[3] == filters
  same(y, slow, v)


@pytest.mark.parametrize('conditional', [False, True])
def test_the_residual_generator_of_32_pixels(conditional):
  if conditional:
    labels = np.array([2, 0, 2], np.int32)
    z, y, v = generate('resnet', (32, 32, 3), 4, 'batch', labels=labels, class_count=3)
    normalize = lambda v, x, name: v.conditional_batch_norm(x, name, labels)
  else:
    z, y, v = generate('resnet', (32, 32, 3), 4, 'batch')
    normalize = _batch
  x = v.dense(z).reshape(3, 4, 4, 4)
  for i in (1, 2, 3):
    x = slow_block(x, v.below('block_%d' % i), normalize, 'up')
  same(y, np.tanh(v.conv(relu(v.batch_norm(x, 'norm')), 'conv', 1)), v)


@pytest.mark.parametrize('class_count', [None, 5])
def test_the_residual_critic_of_32_pixels(class_count):
  x, y, v = score('resnet', (32, 32, 3), 4, 'none', **({'class_count': class_count} if class_count else {}))
  x = slow_block(x, v.below('block_1'), _plain, 'down', leading=False)
  x = slow_block(x, v.below('block_2'), _plain, 'down')
  for i in (3, 4):
    x = slow_block(x, v.below('block_%d' % i), _plain, shortcut=False)
  x = relu(x).mean(axis=(1, 2))
  if class_count:
    y, logits = y
    np.testing.assert_allclose(logits, v.dense(x, 'classes'), rtol=1e-4, atol=1e-4)
    assert logits.shape == (3, 5)
  same(y, v.dense(x)[:, 0], v)


def test_the_residual_pair_of_128_pixels():
  z, y, v = generate('resnet128', (128, 128, 3), 2, 'batch', n=2)
  x = v.dense(z).reshape(2, 4, 4, 16)
  for i, filters in enumerate((16, 8, 4, 2, 2), 1):
    x = slow_block(x, v.below('block_%d' % i), _batch, 'up', first_bias=False)
    assert x.shape[3] == filters
  same(y, np.tanh(v.conv(relu(v.batch_norm(x, 'norm')), 'conv', 1)), v)
  x, y, v = score('resnet128', (128, 128, 3), 2, 'layer', n=2)
  x = v.conv(x, 'conv', 1)
  for i, filters in enumerate((2, 4, 8, 16, 16), 1):
    x = slow_block(x, v.below('block_%d' % i), _layer, 'down', first_bias=False)
    assert x.shape[1:] == (128 // 2**i, 128 // 2**i, filters)
  same(y, v.dense(flat(x))[:, 0], v)


@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_a_network_used_again_shares_its_variables(norm):
  with tf.Graph().as_default():
    for i in range(3):
      images = blog.generator(tf.ones([2, 8]), shape=(32, 32, 1), width=4, norm=norm, training=i < 2)
      blog.critic(images, width=4, norm=norm)
    generator, critic = (6, 10) if norm == 'none' else (6 + 2 * 4, 10 + 2 * 3)
    assert len(tf.trainable_variables('generator/')) == generator
    assert len(tf.trainable_variables('critic/')) == critic
    moving = [v.op.name for v in tf.global_variables() if v not in tf.trainable_variables()]
    assert len(moving) == (0 if norm == 'none' else 8)
    assert all(name.startswith('generator/') for name in moving)
