"""The matrix products and convolutions under the layers, in float32 or bfloat16.

Weights are always float32, and are cast where they are used, so that their gradients, the optimizers and the clip are
float32. Convolutions, or the gradients of their filters alone, are products of patches where that is faster.
"""

import contextlib
from typing import Any, Iterator, List, Optional, Set, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1.errors import UserError
from wgan_tf1.kernels import devices, patches

_DTYPES = {'fp32': tf.float32, 'bf16': tf.bfloat16}
_BF16_INSTRUCTIONS = {'avx512_bf16', 'amx_bf16'}
# A convolution with at least so many weights, at no more than so many pixels, is a product of patches: see `_is_deep`.
_DEEP_WEIGHTS, _DEEP_PIXELS = (2**17, 64) if tf.__version__.startswith('1.') else (2**20, 16)
# The most pixels at which a filter's gradient is a product of patches: see `_by_patches`.
_PATCHED_PIXELS = {'fp32': 32, 'bf16': 64}
# A convolution with no more channels than this makes images, which leave the network: its output is float32.
_NARROW = 16
# A convolution with no more channels than this makes images as `_to_image` does.
_IMAGE = 4

# A collection of the graph under construction. Its last item is the precision of the innermost `arithmetic`.
_SCOPES = 'precision_scopes'


def check(precision: str, version: str = tf.__version__, instructions: Optional[Set[str]] = None) -> None:
  """Refuses bfloat16 where it is not supported or not faster.

  Args:
    precision: 'fp32' or 'bf16'.
    version: TensorFlow's.
    instructions: the processor's instruction sets; None looks them up.

  Raises:
    UserError: for 'bf16' with TensorFlow 1, or with neither a processor that multiplies bfloat16 nor a GPU.
  """
  if precision != 'bf16':
    return
  check_version(precision, version, 'Start a run without it')
  instructions = devices.processor_flags() if instructions is None else instructions
  if not instructions & _BF16_INSTRUCTIONS and not devices.gpus():
    raise UserError(
      'precision=bf16 gains nothing here: the processor has neither %s, and there is no GPU. Start a run without it'
      % ' nor '.join(sorted(_BF16_INSTRUCTIONS))
    )


def check_version(precision: str, version: str = tf.__version__, advice: str = 'Install it') -> None:
  """Raises a `UserError`, which ends with the advice, for 'bf16' with TensorFlow 1: it lacks the operations."""
  if precision == 'bf16' and version.startswith('1.'):
    raise UserError('precision=bf16 needs TensorFlow 2, but this is %s. %s' % (version, advice))


@contextlib.contextmanager
def arithmetic(precision: str) -> Iterator[None]:
  """A scope in which the default graph's products are in a precision, 'fp32' or 'bf16'. Without it they are float32."""
  graph = tf.get_default_graph()
  graph.add_to_collection(_SCOPES, precision)
  try:
    yield
  finally:
    scopes = graph.get_collection_ref(_SCOPES)
    scopes.pop()
    if not scopes:
      graph.clear_collection(_SCOPES)  # otherwise an exported graph has an empty collection


def _cast(*tensors: Any) -> List[Any]:
  scopes = tf.get_collection(_SCOPES)
  dtype = _DTYPES[scopes[-1] if scopes else 'fp32']
  return [t if t.dtype.base_dtype == dtype else tf.cast(t, dtype) for t in tensors]


def _result(y: Any) -> Any:
  return tf.cast(y, tf.float32) if int(y.shape[-1]) <= _NARROW else y


def matmul(x: Any, weights: Any) -> Any:
  """[N, D] times [D, F] in the scope's precision; returns float32 [N, F]."""
  return tf.cast(tf.matmul(*_cast(x, weights)), tf.float32)


def conv2d(x: Any, weights: Any, stride: int) -> Any:
  """SAME convolution of [N, H, W, C] with [K, L, C, F] in the scope's precision; float32 if F is small."""
  x, weights = _cast(x, weights)
  if _makes_images(int(weights.shape[3]), stride):
    return _to_image(x, tf.transpose(weights, [0, 1, 3, 2]), transposed=False)
  height, width = (-(-int(d) // stride) for d in x.shape[1:3])
  if _is_deep(weights, height * width):
    y = tf.matmul(patches.extract(x, weights.shape, stride), _as_matrix(weights))
    return _result(tf.reshape(y, [-1, height, width, int(weights.shape[3])]))
  with _filter_gradients(weights, height * width):
    return _result(tf.nn.conv2d(x, weights, strides=[1, stride, stride, 1], padding='SAME'))


def conv2d_transpose(x: Any, weights: Any, stride: int) -> Any:
  """The transpose of `conv2d`, of [N, H, W, C] with [K, L, F, C]: [N, H * stride, W * stride, F]; dtypes as there."""
  x, weights = _cast(x, weights)
  if _makes_images(int(weights.shape[2]), stride):
    return _to_image(x, weights, transposed=True)
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


def _makes_images(channels: int, stride: int) -> bool:
  """Whether a convolution makes images, as `_to_image` does.

  oneDNN's convolutions are slow where they make few channels: with its gradients, the sum takes a quarter of the time
  for one channel, and half of it for three. On TensorFlow 1, a seventh of the time at most.
  """
  return not devices.gpus() and stride == 1 and channels <= _IMAGE


def _to_image(x: Any, weights: Any, transposed: bool) -> Any:
  """One product of all pixels and all taps, and the sum of the taps' maps, each shifted by its place in the filter.

  Args:
    x: [N, H, W, C].
    weights: of a SAME convolution of stride 1, in the order [K, L, F, C].
    transposed: whether it is the transposed convolution.

  Returns:
    float32 [N, H, W, F]. The sum is float32 even if the product is bfloat16.
  """
  size, channels = (int(weights.shape[0]), int(weights.shape[1])), int(weights.shape[3])
  maps = tf.matmul(tf.reshape(weights, [-1, channels]), tf.reshape(x, [-1, channels]), transpose_b=True)
  height, width = (int(d) for d in x.shape[1:3])
  maps = tf.cast(tf.reshape(maps, [size[0] * size[1], -1, height, width]), tf.float32)  # [K * L, F * N, H, W]
  y = tf.reshape(patches.add_shifted(maps, size, transposed), [int(weights.shape[2]), -1, height, width])
  return tf.transpose(y, [1, 2, 3, 0])


def _is_deep(weights: Any, pixels: int) -> bool:
  """Whether a convolution, and with it its gradients, is a product of patches.

  oneDNN multiplies one row of the smaller side at a time by all the weights. If rows are short and the weights do not
  fit into the cache, it waits for memory: the product takes a third to three quarters of the time, copies included.
  TensorFlow 1 has no oneDNN. Its gradient of the larger side takes two to twenty times as long as the product.

  Args:
    weights: [K, L, C, F].
    pixels: number of pixels, or characters, of the convolution's smaller side.
  """
  return not devices.gpus() and pixels <= _DEEP_PIXELS and weights.shape.num_elements() >= _DEEP_WEIGHTS


def _by_patches(weights: Any, pixels: int) -> bool:
  """Whether the filter gradient of a convolution that is not deep is a product of patches; arguments as in `_is_deep`.

  oneDNN's own kernel gains little from bfloat16, and less at fewer pixels. In float32 it is as fast as the product on
  AVX-512; on AVX2 its accumulators do not fit into the cache.
  """
  if devices.gpus():
    return False
  if weights.dtype == tf.bfloat16:
    return pixels <= _PATCHED_PIXELS['bf16']
  deep = weights.shape.num_elements() >= _DEEP_WEIGHTS
  return deep and pixels <= _PATCHED_PIXELS['fp32'] and 'avx512f' not in devices.processor_flags()


def _filter_gradients(weights: Any, pixels: int) -> Any:
  """A scope in which convolutions with `weights` have the gradients below, if those are faster."""
  names = ('Conv2D', 'Conv2DBackpropInput') if _by_patches(weights, pixels) else ()
  return tf.get_default_graph().gradient_override_map({name: name + 'ByPatches' for name in names})


@tf.RegisterGradient('Conv2DByPatches')
def _conv2d_grad(op: Any, grad: Any) -> Tuple[Any, Any]:
  x, weights = op.inputs
  strides = op.get_attr('strides')
  with _filter_gradients(weights, int(np.prod(grad.shape.as_list()[1:3]))):
    to_x = tf.nn.conv2d_backprop_input(tf.shape(x), weights, grad, strides, 'SAME')
  to_x.set_shape(x.shape)
  return to_x, _filter_gradient(x, grad, weights.shape, strides[1])


@tf.RegisterGradient('Conv2DBackpropInputByPatches')
def _conv2d_backprop_input_grad(op: Any, grad: Any) -> Tuple[None, Any, Any]:
  _, weights, y = op.inputs
  strides = op.get_attr('strides')
  with _filter_gradients(weights, int(np.prod(y.shape.as_list()[1:3]))):
    to_y = tf.nn.conv2d(grad, weights, strides=strides, padding='SAME')
  return None, _filter_gradient(grad, y, weights.shape, strides[1]), to_y


def _filter_gradient(x: Any, y_gradient: Any, shape: Any, stride: int) -> Any:
  """The gradient of a convolution's weights: one product of the patches and the output's gradients.

  Args:
    x: [N, H, W, C], the convolution's larger side.
    y_gradient: [N, H / stride, W / stride, F], the gradient of its smaller side.
    shape: of the weights, [K, L, C, F].
    stride: of the convolution.

  Returns:
    `shape`, of the dtype of `x`.
  """
  y_gradient = tf.reshape(y_gradient, [-1, int(shape[3])])
  return tf.reshape(tf.matmul(patches.extract(x, shape, stride), y_gradient, transpose_a=True), shape)


def _as_matrix(weights: Any) -> Any:
  """[K, L, C, F] -> [K * L * C, F]."""
  return tf.reshape(weights, [-1, int(weights.shape[3])])
