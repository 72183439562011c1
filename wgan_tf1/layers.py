"""Layers over tf.get_variable and tf.nn: the only place that makes a network's variables.

Images are [N, H, W, C], text is [N, L, C], points and latents are [N, D]. All are float32, with one exception: within
`precision.arithmetic('bf16')` the output of a wide 2-D convolution without a norm is bfloat16 until the next layer.
"""

import math
import zlib
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1.kernels import precision

# The posts' and the papers' code use this; only the Keras post has another value, Keras's 1e-3.
NORM_EPSILON = 1e-5
# The weight of the past in the moving averages: PyTorch's default, which the WGAN authors use.
MOVING_DECAY = 0.9
_NEW_STATISTICS = 'new_statistics'  # a graph's collection of pairs (moving average, its value for the batch)

Initializer = Callable[[int], Any]  # seed -> TensorFlow initializer


def _glorot(seed: int) -> Any:
  return tf.glorot_uniform_initializer(seed)  # get_variable's default


def _zeros(seed: int) -> Any:
  del seed
  return tf.zeros_initializer()


def _ones(seed: int) -> Any:
  del seed
  return tf.ones_initializer()


def _variable(name: str, shape: Sequence[int], initializer: Initializer = _glorot, trainable: bool = True) -> Any:
  """Returns a float32 resource variable.

  Its seed follows from the graph's seed and the variable's full name, so that a network starts from the same weights
  whatever else the graph has. A resource variable is read by an op, which control dependencies can order; the read of
  a reference variable is only an alias.
  """
  full_name = tf.get_variable_scope().name + '/' + name
  seed = zlib.crc32(full_name.encode()) & 0x7FFFFFFF
  return tf.get_variable(name, shape, tf.float32, initializer(seed), use_resource=True, trainable=trainable)


def _weights(shape: Sequence[int], fan_in: int, fan_out: int, init: str) -> Any:
  """Returns a layer's weights.

  Args:
    shape: of the variable.
    fan_in: number of inputs of one output.
    fan_out: number of outputs of one input.
    init: 'default' and 'glorot' are Glorot uniform. 'normal' is DCGAN's N(0, 0.02). 'he' is uniform of variance
      4 / (fan_in + fan_out), and 'he_in' is uniform of variance 2 / fan_in: the WGAN-GP code has them before ReLUs.
  """
  if init in ('default', 'glorot'):
    return _variable('weights', shape)
  if init == 'normal':
    return _variable('weights', shape, lambda seed: tf.random_normal_initializer(0.0, 0.02, seed))
  variance = 2 / fan_in if init == 'he_in' else 4 / (fan_in + fan_out)
  limit = math.sqrt(3 * variance)
  return _variable('weights', shape, lambda seed: tf.random_uniform_initializer(-limit, limit, seed))


def _add_bias(x: Any, init: str) -> Any:
  """Adds a bias per channel, which starts from zero; with 'default' from Glorot uniform, as with get_variable."""
  biases = _variable('biases', [int(x.shape[-1])], _glorot if init == 'default' else _zeros)
  return tf.nn.bias_add(x, biases if x.dtype == tf.float32 else tf.cast(biases, x.dtype))


def dense(x: Any, units: int, name: str, init: str = 'default', bias: bool = True) -> Any:
  """Affine map: [N, D] -> [N, units]; `init` as in `_weights`."""
  with tf.variable_scope(name):
    inputs = int(x.shape[1])
    y = precision.matmul(x, _weights([inputs, units], inputs, units, init))
    return _add_bias(y, init) if bias else y


def score(x: Any, init: str = 'default', bias: bool = True) -> Any:
  """A critic's last layer: [N, D] -> [N]."""
  return tf.squeeze(dense(x, 1, 'dense', init, bias), axis=1)


def conv2d(
  x: Any, filters: int, name: str, size: int = 3, stride: int = 2, init: str = 'default', bias: bool = True
) -> Any:
  """Convolution, SAME padding: [N, H, W, C] -> [N, H / stride, W / stride, filters]."""
  with tf.variable_scope(name):
    channels = int(x.shape[3])
    weights = _weights([size, size, channels, filters], size**2 * channels, size**2 * filters // stride**2, init)
    y = precision.conv2d(x, weights, stride)
    return _add_bias(y, init) if bias else y


def conv2d_transpose(
  x: Any, filters: int, name: str, size: int = 3, stride: int = 2, init: str = 'default', bias: bool = False
) -> Any:
  """Transposed convolution, SAME padding: [N, H, W, C] -> [N, H * stride, W * stride, filters]."""
  with tf.variable_scope(name):
    channels = int(x.shape[3])
    weights = _weights([size, size, filters, channels], size**2 * channels // stride**2, size**2 * filters, init)
    y = precision.conv2d_transpose(x, weights, stride)
    return _add_bias(y, init) if bias else y


def conv1d(x: Any, filters: int, name: str, size: int, init: str = 'he') -> Any:
  """Convolution along a text, with bias, stride 1, SAME padding: [N, L, C] -> [N, L, filters]."""
  with tf.variable_scope(name):
    channels = int(x.shape[2])
    weights = _weights([size, channels, filters], size * channels, size * filters, init)
    y = precision.conv2d(tf.expand_dims(x, 1), tf.expand_dims(weights, 0), 1)  # [N, 1, L, filters]
    return _add_bias(tf.cast(tf.squeeze(y, axis=1), tf.float32), init)  # float32 for residual sums and softmax


def leaky_relu(x: Any) -> Any:
  """max(x, 0.2 x), of any shape."""
  return tf.nn.leaky_relu(x, 0.2)


def flatten(x: Any) -> Any:
  """[N, ...] -> [N, D]."""
  return tf.reshape(x, [-1, x.shape[1:].num_elements()])


def upsample_nearest(x: Any) -> Any:
  """Repeats each pixel in both directions: [N, H, W, C] -> [N, 2 H, 2 W, C]."""
  return tf.depth_to_space(tf.concat([x] * 4, axis=3), 2)


def upsample_bilinear(x: Any) -> Any:
  """Interpolates between the centres of pixels, as Keras's layer does: [N, H, W, C] -> [N, 2 H, 2 W, C]."""
  height, width = (2 * int(d) for d in x.shape[1:3])
  return tf.image.resize_bilinear(x, [height, width], half_pixel_centers=True)


def downsample(x: Any) -> Any:
  """Means of 2 x 2 pixels: [N, H, W, C] -> [N, H / 2, W / 2, C]."""
  return tf.nn.avg_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding='VALID')


def normalize(
  x: Any, norm: str, name: str, training: Optional[bool] = None, labels: Any = None, class_count: Optional[int] = None
) -> Any:
  """Applies the norm that a setting names: 'none', 'batch' or 'layer'. The other arguments are `batch_norm`'s."""
  if norm == 'batch':
    return batch_norm(x, name, training, labels, class_count)
  return layer_norm(x, name) if norm == 'layer' else x


def _scale_and_offset(channels: int, labels: Any = None, class_count: Optional[int] = None) -> Tuple[Any, Any]:
  """Returns gamma, which starts from 1, and beta, from 0: [C], or with labels [N] the rows of their classes [N, C]."""
  shape = [channels] if labels is None else [class_count, channels]
  gamma = _variable('gamma', shape, _ones)
  beta = _variable('beta', shape, _zeros)
  if labels is None:
    return gamma, beta
  # A product, not a lookup: its gradient is dense, and adds in a fixed order.
  rows = tf.one_hot(labels, class_count)
  return tf.matmul(rows, gamma), tf.matmul(rows, beta)


def batch_norm(
  x: Any, name: str, training: Optional[bool] = None, labels: Any = None, class_count: Optional[int] = None
) -> Any:
  """Batch normalisation (1502.03167) over every axis but the last; with labels, the conditional one (1610.07629).

  Args:
    x: float32 [N, ..., C].
    name: scope of gamma and beta.
    training: None uses the batch's mean and variance, and no moving averages: for a critic. True uses them too, and
      passes them on to `new_statistics`. False uses the moving averages, so that a row does not depend on the others.
    labels: int32 [N]; None has one gamma and beta for all.
    class_count: number of classes, with labels.

  Returns:
    float32, of the shape of `x`.
  """
  x = tf.cast(x, tf.float32)
  with tf.variable_scope(name):
    channels = int(x.shape[-1])
    inner = [1] * (4 - x.shape.ndims) + [int(d) for d in x.shape[1:]]  # the kernel needs four axes
    y = tf.reshape(x, [-1] + inner)
    gamma, beta = _scale_and_offset(channels, labels, class_count)
    scale, offset = (gamma, beta) if labels is None else (tf.ones([channels]), tf.zeros([channels]))
    if training is not None:
      moving_mean = _variable('moving_mean', [channels], _zeros, trainable=False)
      moving_variance = _variable('moving_variance', [channels], _ones, trainable=False)
    if training is False:
      given = moving_mean.read_value(), moving_variance.read_value()
    else:
      given = tf.constant([]), tf.constant([])
    # Not tf.nn.fused_batch_norm, which raises epsilon to 1.001e-5 in TensorFlow 1.15.
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
      x=y, scale=scale, offset=offset, mean=given[0], variance=given[1], epsilon=NORM_EPSILON,
      is_training=training is not False,
    )  # fmt: skip
    if training:
      for pair in ((moving_mean, mean), (moving_variance, variance)):
        tf.add_to_collection(_NEW_STATISTICS, pair)
    if labels is not None:
      gamma, beta = (tf.reshape(t, [-1, 1, 1, channels]) for t in (gamma, beta))
      y = y * gamma + beta
    return tf.reshape(y, tf.shape(x)) if x.shape.ndims < 4 else y


def new_statistics() -> Tuple[List[Any], List[Any]]:
  """Returns ([moving average], [its new value, float32]) of every batch norm built for training.

  The new value is the batch's mean or variance. If several towers share a batch, it is the mean over the towers.
  """
  found: Dict[str, Tuple[Any, List[Any]]] = {}  # name -> (moving average, its new value in each tower)
  for moving, new in tf.get_collection(_NEW_STATISTICS):
    found.setdefault(moving.op.name, (moving, []))[1].append(new)
  values = [tf.add_n(new) / len(new) if len(new) > 1 else new[0] for _, new in found.values()]
  return [moving for moving, _ in found.values()], values


def update_moving_averages(moving: Sequence[Any], new: Sequence[Any], updates: Any) -> Any:
  """Moves the moving averages towards their new values.

  During the first ten updates an average is the plain mean of the batches so far, so that samples never show its
  initial 0 or 1. After that it keeps `MOVING_DECAY` of its past.

  Args:
    moving: variables, from `new_statistics`.
    new: their new values, from `new_statistics`.
    updates: int64 scalar, generator updates done, including this one: 1 at the first.

  Returns:
    An op.
  """
  with tf.name_scope('moving_averages'):
    new_share = tf.maximum(1 - MOVING_DECAY, 1 / tf.cast(updates, tf.float32))
    return tf.group(*[m.assign_sub(new_share * (m.read_value() - value)) for m, value in zip(moving, new)])


def layer_norm(x: Any, name: str) -> Any:
  """Layer normalisation (1607.06450) of each sample over every axis but the first, with a gamma and beta per channel.

  Args:
    x: float32 [N, ..., C].
    name: scope of gamma and beta.

  Returns:
    float32, of the shape of `x`.
  """
  x = tf.cast(x, tf.float32)
  with tf.variable_scope(name):
    gamma, beta = _scale_and_offset(int(x.shape[-1]))
    mean, variance = tf.nn.moments(x, list(range(1, x.shape.ndims)), keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, NORM_EPSILON)


def doublings(size: int) -> int:
  """Returns how often 4 pixels are doubled to give `size`: 64 -> 4."""
  return (size // 4).bit_length() - 1
