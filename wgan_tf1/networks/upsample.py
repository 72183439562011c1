"""The Fashion-MNIST post's generator; arguments as in `networks`."""

from typing import Any, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers


def generator(
  latents: Any, *, shape: Tuple[int, ...], width: int, norm: str, training: bool, multiples: Tuple[int, ...]
) -> Any:
  """A dense layer, then bilinear upsampling and 5x5 convolutions, whose filters are `multiples` of the width."""
  rows = shape[0] // 8
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = layers.dense(latents, rows * rows * 4 * width, 'dense', init='glorot')
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    x = tf.reshape(x, [-1, rows, rows, 4 * width])  # [N, 4, 4, 512]
    for i, multiple in enumerate(multiples, 1):  # [N, 8, 8, 256], [N, 16, 16, 128 or 256]
      x = layers.conv2d(layers.upsample_bilinear(x), multiple * width, 'conv_%d' % i, size=5, stride=1, init='glorot')
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
    x = layers.upsample_bilinear(x)  # [N, 32, 32, 128 or 256]
    return tf.tanh(layers.conv2d(x, shape[2], 'conv_3', size=5, stride=1, init='glorot'))
