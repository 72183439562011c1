"""The MNIST post's networks; arguments as in `networks`."""

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers


def generator(latents, *, shape, width, norm, training):
  """The MNIST post's: a dense layer, three stride-2 transposed convolutions, one of stride 1."""
  rows = shape[0] // 8
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = layers.dense(latents, rows * rows * 8 * width, 'dense')
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    x = tf.reshape(x, [-1, rows, rows, 8 * width])  # [N, 4, 4, 512]
    for i, filters in enumerate((4 * width, 2 * width, width), 1):  # [N, 8, 8, 256], [N, 16, 16, 128], [N, 32, 32, 64]
      x = layers.conv2d_transpose(x, filters, 'conv_transpose_%d' % i)
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
    return tf.tanh(layers.conv2d_transpose(x, shape[2], 'conv_transpose_4', stride=1))


def critic(images, *, width, norm):
  """The MNIST post's: four stride-2 convolutions and a dense layer. Normalised, the first is not."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = tf.nn.relu(layers.conv2d(images, width, 'conv_1'))  # [N, 16, 16, 64]
    for i, filters in ((2, 2 * width), (3, 4 * width), (4, 8 * width)):  # [N, 8, 8, 128] to [N, 2, 2, 512]
      x = tf.nn.relu(layers.normalize(layers.conv2d(x, filters, 'conv_%d' % i), norm, 'norm_%d' % i))
    return layers.score(layers.flatten(x))
