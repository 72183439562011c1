"""The DCGANs of the WGAN-GP code and of the WGAN authors; arguments as in `networks`."""

from typing import Any, Callable, Sequence, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers


def conv5_critic(images: Any, *, width: int, norm: str, init: str, bias: bool = True) -> Any:
  """Three 5x5 stride-2 convolutions and a dense layer: the Fashion-MNIST post and the WGAN-GP code.

  In both, batch norm follows the second and third convolution, but no norm with the gradient penalty.
  """
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = layers.leaky_relu(layers.conv2d(images, width, 'conv_1', size=5, init=init, bias=bias))
    for i, filters in ((2, 2 * width), (3, 4 * width)):
      x = layers.conv2d(x, filters, 'conv_%d' % i, size=5, init=init, bias=bias)
      x = layers.leaky_relu(layers.normalize(x, norm, 'norm_%d' % i))
    return layers.score(layers.flatten(x), init='glorot')


def dcgan5_generator(
  latents: Any, *, shape: Tuple[int, ...], width: int, norm: str, training: bool, output: Callable[[Any], Any]
) -> Any:
  """A dense layer and three 5x5 stride-2 transposed convolutions, the last through `output`: the WGAN-GP code.

  For images of 28 pixels, the first transposed convolution's 8 rows and columns are cropped to 7.
  """
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = layers.dense(latents, 4 * 4 * 4 * width, 'dense', init='glorot')
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    x = tf.reshape(x, [-1, 4, 4, 4 * width])
    for i, filters in ((1, 2 * width), (2, width)):  # [N, 8, 8, 2 width], [N, 16, 16, width]
      x = layers.conv2d_transpose(x, filters, 'conv_transpose_%d' % i, size=5, init='he', bias=True)
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
      if i == 1:
        x = x[:, : shape[0] // 4, : shape[1] // 4]
    return output(layers.conv2d_transpose(x, shape[2], 'conv_transpose_3', size=5, init='he', bias=True))


def dcgan4_generator(
  latents: Any,
  *,
  shape: Tuple[int, ...],
  width: int,
  norm: str,
  training: bool,
  multiples: Sequence[int] = (8, 4, 2, 1),
) -> Any:
  """WGAN figures 5 and 6: the authors' DCGAN, with 4x4 kernels, no biases, and `multiples` of the width."""
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    # The authors' first layer, a transposed convolution of one pixel, is a dense layer.
    x = layers.dense(latents, 4 * 4 * multiples[0] * width, 'dense', init='normal', bias=False)
    x = tf.reshape(x, [-1, 4, 4, multiples[0] * width])
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    for i, multiple in enumerate(multiples[1:], 1):  # [N, 8, 8, 256], [N, 16, 16, 128], [N, 32, 32, 64]
      x = layers.conv2d_transpose(x, multiple * width, 'conv_transpose_%d' % i, size=4, init='normal')
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
    return tf.tanh(layers.conv2d_transpose(x, shape[2], 'conv_transpose_4', size=4, init='normal'))


def dcgan4_critic(images: Any, *, width: int, norm: str) -> Any:
  """WGAN figures 5 to 7: the authors' DCGAN, with 4x4 kernels, no biases, and no norm after the first layer."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = layers.leaky_relu(layers.conv2d(images, width, 'conv_1', size=4, init='normal', bias=False))  # [N, 32, 32, 64]
    for i, filters in ((2, 2 * width), (3, 4 * width), (4, 8 * width)):  # [N, 16, 16, 128] to [N, 4, 4, 512]
      x = layers.conv2d(x, filters, 'conv_%d' % i, size=4, init='normal', bias=False)
      x = layers.leaky_relu(layers.normalize(x, norm, 'norm_%d' % i))
    return layers.score(layers.flatten(x), init='normal', bias=False)  # the authors' is a 4x4 convolution to one pixel
