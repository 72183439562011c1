"""The DCGANs of the WGAN-GP code and of the WGAN authors; arguments as in `networks`."""

from typing import Any, Callable, Tuple

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
  rows = -(-shape[0] // 8)
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = layers.dense(latents, rows * rows * 4 * width, 'dense', init='glorot')
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    x = tf.reshape(x, [-1, rows, rows, 4 * width])  # [N, 4, 4, 512]
    for i, filters in ((1, 2 * width), (2, width)):  # [N, 8, 8, 256], [N, 16, 16, 128]
      x = layers.conv2d_transpose(x, filters, 'conv_transpose_%d' % i, size=5, init='he', bias=True)
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
      if i == 1:
        x = x[:, : shape[0] // 4, : shape[1] // 4]
    return output(layers.conv2d_transpose(x, shape[2], 'conv_transpose_3', size=5, init='he', bias=True))


def dcgan4_generator(
  latents: Any, *, shape: Tuple[int, ...], width: int, norm: str, training: bool, constant: bool = False
) -> Any:
  """WGAN figures 5 and 6: the authors' DCGAN, with 4x4 kernels and no biases.

  Each layer doubles the image, from 4x4 pixels, and halves the filters, down to `width`; with `constant`, as in figure
  6, all layers have `width`.
  """
  levels = layers.doublings(shape[0])
  filters = [width if constant else 2 ** (levels - i) * width for i in range(1, levels + 1)]
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    # The authors' first layer, a transposed convolution of one pixel, is a dense layer.
    x = layers.dense(latents, 4 * 4 * filters[0], 'dense', init='normal', bias=False)
    x = tf.reshape(x, [-1, 4, 4, filters[0]])  # 64 pixels: [N, 4, 4, 512]
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    for i in range(1, levels):  # [N, 8, 8, 256], [N, 16, 16, 128], [N, 32, 32, 64]
      x = layers.conv2d_transpose(x, filters[i], 'conv_transpose_%d' % i, size=4, init='normal')
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
    return tf.tanh(layers.conv2d_transpose(x, shape[2], 'conv_transpose_%d' % levels, size=4, init='normal'))


def dcgan4_critic(images: Any, *, width: int, norm: str) -> Any:
  """WGAN figures 5 to 7: the authors' DCGAN, with 4x4 kernels, no biases, and no norm after the first layer.

  Each layer halves the image, down to 4x4 pixels, and doubles the filters, from `width` on.
  """
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = layers.leaky_relu(layers.conv2d(images, width, 'conv_1', size=4, init='normal', bias=False))  # [N, 32, 32, 64]
    for i in range(2, layers.doublings(int(images.shape[1])) + 1):  # [N, 16, 16, 128] to [N, 4, 4, 512]
      x = layers.conv2d(x, 2 ** (i - 1) * width, 'conv_%d' % i, size=4, init='normal', bias=False)
      x = layers.leaky_relu(layers.normalize(x, norm, 'norm_%d' % i))
    return layers.score(layers.flatten(x), init='normal', bias=False)  # the authors' is a 4x4 convolution to one pixel
