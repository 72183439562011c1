"""The MNIST post's networks; arguments as in `networks`."""

from typing import Any, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers


def generator(latents: Any, *, shape: Tuple[int, ...], width: int, norm: str, training: bool) -> Any:
  """A dense layer, three stride-2 transposed convolutions and one of stride 1."""
  rows = shape[0] // 8
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = layers.dense(latents, rows * rows * 8 * width, 'dense')
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    x = tf.reshape(x, [-1, rows, rows, 8 * width])  # [N, 4, 4, 512]
    for i, filters in enumerate((4 * width, 2 * width, width), 1):  # [N, 8, 8, 256] to [N, 32, 32, 64]
      x = layers.conv2d_transpose(x, filters, 'conv_transpose_%d' % i)
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
    return tf.tanh(layers.conv2d_transpose(x, shape[2], 'conv_transpose_4', stride=1))


def critic(images: Any, *, width: int, norm: str) -> Any:
  """Four stride-2 convolutions and a dense layer; a norm follows every convolution but the first."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = tf.nn.relu(layers.conv2d(images, width, 'conv_1'))  # [N, 16, 16, 64]
    for i, filters in ((2, 2 * width), (3, 4 * width), (4, 8 * width)):  # [N, 8, 8, 128] to [N, 2, 2, 512]
      x = tf.nn.relu(layers.normalize(layers.conv2d(x, filters, 'conv_%d' % i), norm, 'norm_%d' % i))
    return layers.score(layers.flatten(x))
