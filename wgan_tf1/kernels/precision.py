"""The matrix products and convolutions under the layers, in float32 or bfloat16, and their filters' gradients.

Weights are float32 always, and cast where they are used; so their gradients, the optimizer and the clip are float32.
"""

import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1.errors import UserError
from wgan_tf1.kernels import devices, patches

_DTYPES = {'fp32': tf.float32, 'bf16': tf.bfloat16}
_BF16_INSTRUCTIONS = {'avx512_bf16', 'amx_bf16'}
# A convolution of so many weights or more, at so many pixels or fewer, is a product of patches: see `_is_deep`.
_DEEP_WEIGHTS, _DEEP_PIXELS = (2**17, 64) if tf.__version__.startswith('1.') else (2**20, 16)
# Pixels up to which a filter gradient is a product of patches: see `_by_patches`.
_PATCHED_PIXELS = {'fp32': 32, 'bf16': 64}
# An image's channels, which leave a network, are at most so many: float32 from the last convolution on.
_NARROW = 16

_SCOPES = 'precision_scopes'  # a collection of the graph under construction: the innermost `arithmetic` is the last


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
  instructions = devices.processor_flags() if instructions is None else instructions
  if not instructions & _BF16_INSTRUCTIONS and not devices.gpus():
    raise UserError(
      'precision=bf16 gains nothing here: the processor has neither %s, and there is no GPU: leave it out'
      % ' nor '.join(sorted(_BF16_INSTRUCTIONS))
    )


@contextlib.contextmanager
def arithmetic(precision):
  """A scope in which the default graph's products are built in a precision, 'fp32' or 'bf16'; outside, in float32."""
  graph = tf.get_default_graph()
  graph.add_to_collection(_SCOPES, precision)
  try:
    yield
  finally:
    scopes = graph.get_collection_ref(_SCOPES)
    scopes.pop()
    if not scopes:
      graph.clear_collection(_SCOPES)  # or an exported graph would have an empty collection


def _cast(*tensors):
  scopes = tf.get_collection(_SCOPES)
  dtype = _DTYPES[scopes[-1] if scopes else 'fp32']
  return [t if t.dtype.base_dtype == dtype else tf.cast(t, dtype) for t in tensors]


def _result(y):
  return tf.cast(y, tf.float32) if int(y.shape[-1]) <= _NARROW else y


def matmul(x, weights):
  """[N, D] times [D, F] in the scope's precision: float32 [N, F]."""
  return tf.cast(tf.matmul(*_cast(x, weights)), tf.float32)


def conv2d(x, weights, stride):
  """SAME convolution of [N, H, W, C] with [K, L, C, F], of the scope's precision, but float32 for a few F."""
  x, weights = _cast(x, weights)
  height, width = (-(-int(d) // stride) for d in x.shape[1:3])
  if _is_deep(weights, height * width):
    y = tf.matmul(patches.extract(x, weights.shape, stride), _as_matrix(weights))
    return _result(tf.reshape(y, [-1, height, width, int(weights.shape[3])]))
  with _filter_gradients(weights, height * width):
    return _result(tf.nn.conv2d(x, weights, strides=[1, stride, stride, 1], padding='SAME'))


def conv2d_transpose(x, weights, stride):
  """Its transpose, of [N, H, W, C] with [K, L, F, C]: [N, H * stride, W * stride, F]; dtypes as there."""
  x, weights = _cast(x, weights)
  height, width = (int(d) for d in x.shape[1:3])
  size = [stride * height, stride * width, int(weights.shape[2])]
  if _is_deep(weights, height * width):
    y = tf.matmul(tf.reshape(x, [-1, int(x.shape[3])]), _as_matrix(weights), transpose_b=True)
    return _result(patches.fold(y, size, weights.shape, stride))
  with _filter_gradients(weights, height * width):
    shape = tf.stack([tf.shape(x)[0], *size])
    y = tf.nn.conv2d_transpose(x, weights, shape, strides=[1, stride, stride, 1], padding='SAME')
  y.set_shape([None, *size])
  return _result(y)


def _is_deep(weights, pixels):
  """Whether a convolution is to be a product of patches, and so its gradients, as TensorFlow differentiates that.

  oneDNN multiplies one row of the smaller side at a time, by all the weights. Where rows are short and the weights
  outgrow the cache, it waits for them: the product takes a third to three quarters of the time, copies included.
  TensorFlow 1 has no oneDNN. It takes two to twenty times as long as the product for the gradient of the larger side.

  Args:
    weights: [K, L, C, F].
    pixels: of the convolution's smaller side, or characters.
  """
  return not devices.gpus() and pixels <= _DEEP_PIXELS and weights.shape.num_elements() >= _DEEP_WEIGHTS


def _by_patches(weights, pixels):
  """Whether another convolution's filter gradient is to be a product of patches.

  oneDNN's own kernel gains little from bfloat16, the less the fewer the pixels. In float32 it is as good as the product
  on AVX-512; on AVX2 its accumulators outgrow the cache.

  Args:
    weights, pixels: as in `_is_deep`.
  """
  if devices.gpus():
    return False
  if weights.dtype == tf.bfloat16:
    return pixels <= _PATCHED_PIXELS['bf16']
  deep = weights.shape.num_elements() >= _DEEP_WEIGHTS
  return deep and pixels <= _PATCHED_PIXELS['fp32'] and 'avx512f' not in devices.processor_flags()


def _filter_gradients(weights, pixels):
  """A scope whose convolutions with `weights` have the gradients below, if that is the faster way."""
  names = ('Conv2D', 'Conv2DBackpropInput') if _by_patches(weights, pixels) else ()
  return tf.get_default_graph().gradient_override_map({name: name + 'ByPatches' for name in names})


@tf.RegisterGradient('Conv2DByPatches')
def _conv2d_grad(op, grad):
  x, weights = op.inputs
  strides = op.get_attr('strides')
  with _filter_gradients(weights, int(np.prod(grad.shape.as_list()[1:3]))):
    to_x = tf.nn.conv2d_backprop_input(tf.shape(x), weights, grad, strides, 'SAME')
  to_x.set_shape(x.shape)
  return to_x, _filter_gradient(x, grad, weights.shape, strides[1])


@tf.RegisterGradient('Conv2DBackpropInputByPatches')
def _conv2d_backprop_input_grad(op, grad):
  _, weights, y = op.inputs
  strides = op.get_attr('strides')
  with _filter_gradients(weights, int(np.prod(y.shape.as_list()[1:3]))):
    to_y = tf.nn.conv2d(grad, weights, strides=strides, padding='SAME')
  return None, _filter_gradient(grad, y, weights.shape, strides[1]), to_y


def _filter_gradient(x, y_gradient, shape, stride):
  """The gradient of a convolution's weights, as one product of the patches that they saw and what came of each.

  Args:
    x: [N, H, W, C], the larger side of the convolution.
    y_gradient: [N, H / stride, W / stride, F], of the smaller.
    shape: of the weights, [K, L, C, F].
    stride: of the convolution.

  Returns:
    `shape`, of the dtype of `x`.
  """
  y_gradient = tf.reshape(y_gradient, [-1, int(shape[3])])
  return tf.reshape(tf.matmul(patches.extract(x, shape, stride), y_gradient, transpose_a=True), shape)


def _as_matrix(weights):
  """[K, L, C, F] -> [K * L * C, F]."""
  return tf.reshape(weights, [-1, int(weights.shape[3])])
