"""The Keras post's networks; arguments as in `networks`."""

from typing import Any, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers


def generator(latents: Any, *, shape: Tuple[int, ...], width: int, norm: str, training: bool) -> Any:
  """A dense layer, two 4x4 stride-2 transposed convolutions and a 7x7 convolution."""
  rows = shape[0] // 4
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = layers.leaky_relu(layers.dense(latents, rows * rows * 2 * width, 'dense', init='normal'))
    x = tf.reshape(x, [-1, rows, rows, 2 * width])  # [N, 7, 7, 128]
    for i in (1, 2):  # [N, 14, 14, 128], [N, 28, 28, 128]
      x = layers.conv2d_transpose(x, 2 * width, 'conv_transpose_%d' % i, size=4, init='normal', bias=True)
      x = layers.leaky_relu(layers.normalize(x, norm, 'norm_%d' % i, training))
    return tf.tanh(layers.conv2d(x, shape[2], 'conv', size=7, stride=1, init='normal'))


def critic(images: Any, *, width: int, norm: str) -> Any:
  """Two 4x4 stride-2 convolutions and a dense layer, whose initializer is Keras's default."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = images
    for i in (1, 2):  # [N, 14, 14, 64], [N, 7, 7, 64]
      x = layers.conv2d(x, width, 'conv_%d' % i, size=4, init='normal')
      x = layers.leaky_relu(layers.normalize(x, norm, 'norm_%d' % i))
    return layers.score(layers.flatten(x), init='glorot')
