"""The matrix products and convolutions under the layers, in float32 or bfloat16, and their filters' gradients.

Weights are float32 always, and cast where they are used; so their gradients, the optimizer and the clip are float32.
"""

import contextlib

import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1 import towers

_DTYPES = {'fp32': tf.float32, 'bf16': tf.bfloat16}
_BF16_INSTRUCTIONS = {'avx512_bf16', 'amx_bf16'}
# Weights from which on a float32 filter gradient is made of patches: see `_filter_gradient`.
_PATCHES_FROM = 2**20
# An image's channels, which leave a network, are at most so many: float32 from the last convolution on.
_NARROW = 16

_arithmetic = ['fp32']  # the innermost `arithmetic` is the last


def processor_flags():
  """Returns the names of the processor's instruction sets as Linux lists them; none on another system."""
  try:
    with open('/proc/cpuinfo') as f:
      return next((set(line.split(':')[1].split()) for line in f if line.startswith('flags')), set())
  except OSError:
    return set()


def check(precision, version=tf.__version__, instructions=None):
  """Refuses bfloat16 where it cannot be had or gains nothing.

  Args:
    precision: 'fp32' or 'bf16'.
    version: TensorFlow's.
    instructions: what the processor has; None looks.

  Raises:
    UserError: for 'bf16' with TensorFlow 1, or with neither a processor that multiplies bfloat16 nor a GPU.
  """
  if precision != 'bf16':
    return
  if version.startswith('1.'):
    raise UserError('precision=bf16 needs TensorFlow 2, and this is %s: leave it out' % version)
  instructions = processor_flags() if instructions is None else instructions
  if not instructions & _BF16_INSTRUCTIONS and not towers.gpus():
    raise UserError(
      'precision=bf16 gains nothing here: the processor has neither %s, and there is no GPU: leave it out'
      % ' nor '.join(sorted(_BF16_INSTRUCTIONS))
    )


@contextlib.contextmanager
def arithmetic(precision):
  """A scope in which products are built in a precision, 'fp32' or 'bf16'; float32 outside of any."""
  _arithmetic.append(precision)
  try:
    yield
  finally:
    _arithmetic.pop()


def _cast(*tensors):
  dtype = _DTYPES[_arithmetic[-1]]
  return [t if t.dtype.base_dtype == dtype else tf.cast(t, dtype) for t in tensors]


def _result(y):
  return tf.cast(y, tf.float32) if int(y.shape[-1]) <= _NARROW else y


def matmul(x, weights):
  """[N, D] times [D, F] in the scope's precision: float32 [N, F]."""
  return tf.cast(tf.matmul(*_cast(x, weights)), tf.float32)


def conv2d(x, weights, stride):
  """SAME convolution of [N, H, W, C] with [K, L, C, F], of the scope's precision, but float32 for a few F."""
  x, weights = _cast(x, weights)
  with _filter_gradients(weights):
    return _result(tf.nn.conv2d(x, weights, strides=[1, stride, stride, 1], padding='SAME'))


def conv2d_transpose(x, weights, shape, stride):
  """Its transpose, of [N, H, W, C] with [K, L, F, C] to `shape`, an int32 tensor [4]; dtypes as there."""
  x, weights = _cast(x, weights)
  with _filter_gradients(weights):
    y = tf.nn.conv2d_transpose(x, weights, shape, strides=[1, stride, stride, 1], padding='SAME')
  y.set_shape([None, None, None, weights.shape[2]])
  return _result(y)


def _filter_gradients(weights):
  """A scope whose convolutions with `weights` have the gradients below, if that is the faster way."""
  by_patches = not towers.gpus() and (weights.dtype == tf.bfloat16 or weights.shape.num_elements() >= _PATCHES_FROM)
  names = ('Conv2D', 'Conv2DBackpropInput') if by_patches else ()
  return tf.get_default_graph().gradient_override_map({name: name + 'ByPatches' for name in names})


@tf.RegisterGradient('Conv2DByPatches')
def _conv2d_grad(op, grad):
  x, weights = op.inputs
  strides = op.get_attr('strides')
  with _filter_gradients(weights):
    to_x = tf.nn.conv2d_backprop_input(tf.shape(x), weights, grad, strides, 'SAME')
  return to_x, _filter_gradient(x, grad, weights.shape, strides)


@tf.RegisterGradient('Conv2DBackpropInputByPatches')
def _conv2d_backprop_input_grad(op, grad):
  _, weights, y = op.inputs
  strides = op.get_attr('strides')
  with _filter_gradients(weights):
    to_y = tf.nn.conv2d(grad, weights, strides=strides, padding='SAME')
  return None, _filter_gradient(grad, y, weights.shape, strides), to_y


def _filter_gradient(x, y_gradient, shape, strides):
  """The gradient of a convolution's weights, as one product of the patches that they saw and what came of each.

  oneDNN's own kernel gains nothing from bfloat16. In float32 on AVX2, where its accumulators outgrow the cache, it
  takes two to three times as long as this; with fewer weights copying the patches costs what the product saves.

  Args:
    x: [N, H, W, C], the larger side of the convolution.
    y_gradient: [N, H / stride, W / stride, F], of the smaller.
    shape: of the weights, [K, L, C, F].
    strides: of the convolution, a list of 4.

  Returns:
    `shape`, of the dtype of `x`. It can be differentiated again, slowly; the penalty does not need that.
  """
  height, width, channels, filters = shape.as_list()
  patches = tf.image.extract_patches(x, [1, height, width, 1], strides, [1, 1, 1, 1], 'SAME')
  patches = tf.reshape(patches, [-1, height * width * channels])
  return tf.reshape(tf.matmul(patches, tf.reshape(y_gradient, [-1, filters]), transpose_a=True), shape)
