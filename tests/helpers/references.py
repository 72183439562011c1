"""NumPy versions of layers, losses and optimizers, written to be obviously right; and comparisons with networks."""

import functools

import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1 import networks

NORM_EPSILON = 1e-5


def same_padding(size, kernel, stride):
  """TensorFlow's SAME: (output size, (padding before the first pixel, padding after the last))."""
  outputs = -(-size // stride)
  padding = max((outputs - 1) * stride + kernel - size, 0)
  return outputs, (padding // 2, padding - padding // 2)


def _taps(kernel, sizes, stride):
  """Yields (row, column) of each tap of a kernel, and the slices of the padded image that it meets."""
  for row in range(kernel[0]):
    for column in range(kernel[1]):
      starts = (row, column)
      yield row, column, tuple(slice(s, s + stride * n, stride) for s, n in zip(starts, sizes))


def slow_conv2d(x, weights, biases, stride):
  """[N, H, W, C] with [K, L, C, F], tap by tap."""
  (height, above), (width, left) = (same_padding(x.shape[i + 1], weights.shape[i], stride) for i in (0, 1))
  padded = np.pad(x, [(0, 0), above, left, (0, 0)], mode='constant')
  y = np.zeros([len(x), height, width, weights.shape[3]])
  for row, column, (rows, columns) in _taps(weights.shape, (height, width), stride):
    y += padded[:, rows, columns] @ weights[row, column]
  return y + biases


def slow_conv2d_transpose(x, weights, stride):
  """The adjoint of `slow_conv2d`: each input pixel adds its kernel where the convolution read it."""
  height, width = x.shape[1:3]
  (_, above), (_, left) = (same_padding(stride * x.shape[i + 1], weights.shape[i], stride) for i in (0, 1))
  padded = np.zeros([len(x), stride * height + sum(above), stride * width + sum(left), weights.shape[2]])
  for row, column, (rows, columns) in _taps(weights.shape, (height, width), stride):
    padded[:, rows, columns] += x @ weights[row, column].T
  return padded[:, above[0] :, left[0] :][:, : stride * height, : stride * width]


def slow_conv1d(x, weights, biases):
  """[N, L, C] with [K, C, F]: a convolution of an image of one row."""
  return slow_conv2d(x[:, None], weights[None], biases, 1)[:, 0]


def slow_batch_norm(x, gamma, beta, mean=None, variance=None):
  """By the given mean and variance of each channel, or by those of the batch."""
  rows = x.astype(float).reshape(-1, x.shape[-1])
  mean, variance = (rows.mean(axis=0), rows.var(axis=0)) if mean is None else (mean, variance)
  return ((rows - mean) / np.sqrt(variance + NORM_EPSILON) * gamma + beta).reshape(x.shape)


def slow_layer_norm(x, gamma, beta):
  return np.stack([(row - row.mean()) / np.sqrt(row.var() + NORM_EPSILON) * gamma + beta for row in x.astype(float)])


def slow_upsample_nearest(x):
  return x.repeat(2, axis=1).repeat(2, axis=2)


def slow_upsample_bilinear(x):
  """Output pixel i is centred at (i + 1/2) / 2 - 1/2 of the input. Beyond the outermost pixel all values equal it."""

  def along(x, axis):
    size, rows = x.shape[axis], []
    for i in range(2 * size):
      at = min(max((i + 0.5) / 2 - 0.5, 0), size - 1)
      low = int(at)
      high = min(low + 1, size - 1)
      rows.append((1 - (at - low)) * x.take(low, axis) + (at - low) * x.take(high, axis))
    return np.stack(rows, axis)

  return along(along(x, 1), 2)


def slow_downsample(x):
  return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def relu(x):
  return np.maximum(x, 0)


def leaky_relu(x):
  return np.where(x > 0, x, 0.2 * x)


def flat(x):
  return x.reshape(len(x), -1)


def log_sigmoid(x):
  return -np.logaddexp(0, -np.asarray(x, float))


def slow_gradient_norms(weights, rows):
  """Norms of the gradient, weights * x, of f(x) = sum over i of weights_i * x_i^2 / 2."""
  norms = []
  for row in rows:
    total = 0.0
    for w, x in zip(weights.ravel(), row.ravel()):
      total += (w * x) ** 2
    norms.append(total**0.5)
  return norms


class SlowOptimizer:
  """The update rules of `config.optimizer`, in float64, for one variable."""

  def __init__(self, config, learning_rate, shape):
    self.config, self.learning_rate, self.t = config, learning_rate, 0
    self.mean_square = np.ones(shape) if config.optimizer == 'rmsprop' else np.zeros(shape)
    self.mean = np.zeros(shape)

  def step(self, w, g):
    """Returns the variable's new value."""
    lr, config = self.learning_rate, self.config
    self.t += 1
    if config.optimizer == 'rmsprop':
      self.mean_square = 0.9 * self.mean_square + 0.1 * g**2
      return w - lr * g / np.sqrt(self.mean_square + 1e-10)
    if config.optimizer == 'rmsprop_torch':
      self.mean_square = 0.99 * self.mean_square + 0.01 * g**2
      return w - lr * g / (np.sqrt(self.mean_square) + 1e-8)
    self.mean = config.beta1 * self.mean + (1 - config.beta1) * g
    self.mean_square = config.beta2 * self.mean_square + (1 - config.beta2) * g**2
    lr *= np.sqrt(1 - config.beta2**self.t) / (1 - config.beta1**self.t)
    return w - lr * self.mean / (np.sqrt(self.mean_square) + 1e-8)


class SlowLayers:
  """The layers of one network, by the names of their variables below `scope`.

  Attributes:
    values: {name: value} of all variables.
    used: names of the variables that a layer has used.
  """

  def __init__(self, values, scope):
    self.values, self._scope = values, scope
    self.used = set()

  def below(self, scope):
    inner = SlowLayers(self.values, self._scope + '/' + scope)
    inner.used = self.used
    return inner

  def _get(self, layer, *variables):
    names = ['/'.join([self._scope, layer, v]) for v in variables]
    self.used.update(names)
    return [self.values[name] for name in names]

  def _weights(self, layer, bias):
    return self._get(layer, 'weights', 'biases') if bias else (*self._get(layer, 'weights'), 0)

  def dense(self, x, name='dense', bias=True):
    weights, biases = self._weights(name, bias)
    return x @ weights + biases

  def conv(self, x, name, stride, bias=True):
    return slow_conv2d(x, *self._weights(name, bias), stride)

  def conv_transpose(self, x, name, stride=2, bias=False):
    weights, biases = self._weights(name, bias)
    return slow_conv2d_transpose(x, weights, stride) + biases

  def conv1d(self, x, name):
    return slow_conv1d(x, *self._weights(name, True))

  def no_norm(self, x, name):
    del name
    return x

  def batch_norm(self, x, name):
    return slow_batch_norm(x, *self._get(name, 'gamma', 'beta'))

  def layer_norm(self, x, name):
    return slow_layer_norm(x, *self._get(name, 'gamma', 'beta'))

  def conditional_batch_norm(self, x, name, labels):
    gamma, beta = self._get(name, 'gamma', 'beta')
    rows = [-1] + [1] * (x.ndim - 2) + [x.shape[-1]]
    plain = slow_batch_norm(x, np.ones(x.shape[-1]), np.zeros(x.shape[-1]))
    return plain * gamma[labels].reshape(rows) + beta[labels].reshape(rows)


# What a network calls a norm -> the method of `SlowLayers`, a function of (layers, x, name).
NORMS = {'none': SlowLayers.no_norm, 'batch': SlowLayers.batch_norm, 'layer': SlowLayers.layer_norm}


def randomize(session, variables=None):
  """Gives variables, all by default, random values, none of them special such as 0 or 1; returns {name: value}."""
  random = np.random.RandomState(0)
  values, feed = {}, {}
  variables = sorted(variables or tf.global_variables(), key=lambda v: v.op.name)
  for v in variables:
    shape = v.shape.as_list()
    if v.op.name.endswith(('gamma', 'moving_variance')):
      value = random.uniform(0.5, 2, shape)
    elif v.op.name.endswith('weights'):
      value = random.normal(size=shape) * np.prod(shape[:-1]) ** -0.5
    else:
      value = random.normal(size=shape) * 0.5
    values[v.op.name] = feed[v.initializer.inputs[1]] = value.astype(np.float32)
  session.run([v.initializer for v in variables], feed)
  return values


def run(network, scope, *inputs):
  """Returns (what the network makes of `inputs`, its random variables as `SlowLayers`)."""
  with tf.Graph().as_default(), tf.Session() as session:
    y = network(*[tf.constant(x) for x in inputs])
    slow = SlowLayers(randomize(session), scope)
    slow.trainable = {v.op.name for v in tf.trainable_variables()}
    return session.run(y), slow


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


def same(y, slow_y, slow):
  """Checks a network's output against the reference's, and that the reference has used every variable."""
  assert y.shape == slow_y.shape
  assert slow_y.std() > 1e-3  # the values differ, so that there is something to compare
  np.testing.assert_allclose(y, slow_y, rtol=1e-5, atol=2e-3 * slow_y.std())
  assert slow.used == slow.trainable
