"""The residual networks of WGAN-GP (1704.00028); arguments as in `networks`."""

from typing import Any, Callable, Optional, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers

Norm = Callable[[Any, str], Any]  # (x, name) -> normalised x


def _unchanged(x: Any) -> Any:
  return x


def _residual_block(
  x: Any,
  filters: int,
  name: str,
  *,
  normalize: Norm,
  resample: Optional[str] = None,
  middle: Optional[int] = None,
  leading: bool = True,
  first_bias: bool = True,
) -> Any:
  """Norm, ReLU and 3x3 convolution, twice, plus a shortcut with a 1x1 convolution: WGAN-GP (1704.00028) appendix F.

  The shortcut's convolution runs on the smaller image, before upsampling or after downsampling. The sources have it on
  either side; the results are the same.

  Args:
    x: float32 [N, H, W, C].
    filters: channels of the output.
    name: scope of the block.
    normalize: the norms of the block.
    resample: 'up' doubles H and W before the first convolution, 'down' halves them after the second, None keeps them.
    middle: filters of the first convolution; None is `filters`.
    leading: False for a critic's first block, which has no norms, and no ReLU before its first convolution.
    first_bias: whether the first convolution has biases.

  Returns:
    float32 [N, H', W', filters].
  """
  up = layers.upsample_nearest if resample == 'up' else _unchanged
  down = layers.downsample if resample == 'down' else _unchanged
  with tf.variable_scope(name):
    shortcut = x
    if resample or int(x.shape[3]) != filters:
      shortcut = up(layers.conv2d(down(x), filters, 'shortcut', size=1, stride=1, init='glorot'))
    y = tf.nn.relu(normalize(x, 'norm_1')) if leading else x
    y = layers.conv2d(up(y), middle or filters, 'conv_1', size=3, stride=1, init='he', bias=first_bias)
    y = tf.nn.relu(normalize(y, 'norm_2') if leading else y)
    return shortcut + down(layers.conv2d(y, filters, 'conv_2', size=3, stride=1, init='he'))


def generator(
  latents: Any,
  *,
  shape: Tuple[int, ...],
  width: int,
  norm: str,
  training: bool,
  labels: Any = None,
  class_count: Optional[int] = None,
) -> Any:
  """WGAN-GP appendix F, for 32x32 pixels. With labels, section 5.4: the blocks have conditional batch norm."""

  def normalize(x: Any, name: str) -> Any:
    return layers.normalize(x, norm, name, training, labels, class_count)

  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = tf.reshape(layers.dense(latents, 4 * 4 * width, 'dense', init='glorot'), [-1, 4, 4, width])
    for i in (1, 2, 3):  # [N, 8, 8, 128], [N, 16, 16, 128], [N, 32, 32, 128]
      x = _residual_block(x, width, 'block_%d' % i, normalize=normalize, resample='up')
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    return tf.tanh(layers.conv2d(x, shape[2], 'conv', size=3, stride=1, init='glorot'))


def critic(images: Any, *, width: int, norm: str, class_count: Optional[int] = None) -> Any:
  """WGAN-GP appendix F. With class_count, section 5.4: returns (scores, logits of the classes)."""

  def normalize(x: Any, name: str) -> Any:
    return layers.normalize(x, norm, name)

  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = _residual_block(images, width, 'block_1', normalize=normalize, resample='down', leading=False)
    x = _residual_block(x, width, 'block_2', normalize=normalize, resample='down')  # [N, 8, 8, 128]
    for i in (3, 4):
      x = _residual_block(x, width, 'block_%d' % i, normalize=normalize)
    x = tf.reduce_mean(tf.nn.relu(x), axis=[1, 2])  # [N, 128]
    scores = layers.score(x, init='glorot')
    return (scores, layers.dense(x, class_count, 'classes', init='glorot')) if class_count else scores


def generator128(latents: Any, *, shape: Tuple[int, ...], width: int, norm: str, training: bool) -> Any:
  """The WGAN-GP code's generator for 64x64 pixels, with one more block of the smallest width for each doubling."""

  def normalize(x: Any, name: str) -> Any:
    return layers.normalize(x, norm, name, training)

  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = tf.reshape(layers.dense(latents, 4 * 4 * 8 * width, 'dense', init='glorot'), [-1, 4, 4, 8 * width])
    multiples = (8, 4, 2, 1, 1, 1)[: layers.doublings(shape[0])]
    for i, multiple in enumerate(multiples, 1):  # [N, 8, 8, 512] to [N, 128, 128, 64]
      block = 'block_%d' % i
      x = _residual_block(x, multiple * width, block, normalize=normalize, resample='up', first_bias=False)
    x = tf.nn.relu(normalize(x, 'norm'))
    return tf.tanh(layers.conv2d(x, shape[2], 'conv', size=3, stride=1, init='he'))


def critic128(images: Any, *, width: int, norm: str) -> Any:
  """The WGAN-GP code's critic for 64x64 pixels, with one more block of the smallest width for each doubling."""

  def normalize(x: Any, name: str) -> Any:
    return layers.normalize(x, norm, name)

  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = layers.conv2d(images, width, 'conv', size=3, stride=1, init='glorot')  # [N, 128, 128, 64]
    for i, multiple in enumerate((1, 1, 2, 4, 8, 8)[-layers.doublings(int(images.shape[1])) :], 1):  # to [N, 4, 4, 512]
      block, middle = 'block_%d' % i, int(x.shape[3])
      x = _residual_block(
        x, multiple * width, block, normalize=normalize, resample='down', middle=middle, first_bias=False
      )
    return layers.score(layers.flatten(x), init='glorot')
