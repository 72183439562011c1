"""The character-level pair of WGAN-GP (1704.00028) section 5.5.

Arguments are as in `networks`, with shape (L, V) for a text of L characters out of V: real ones are one-hot,
generated ones are probabilities.
"""

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers

_BLOCKS = 5


def _block(x, norm, name, training=None):
  """ReLU, 5-wide convolution, twice, of which 0.3 is added: [N, L, C] -> [N, L, C]."""
  with tf.variable_scope(name):
    y = x
    for i in (1, 2):
      y = tf.nn.relu(layers.normalize(y, norm, 'norm_%d' % i, training))
      y = layers.conv1d(y, int(x.shape[2]), 'conv_%d' % i, size=5)
    return x + 0.3 * y


def generator(latents, *, shape, width, norm, training):
  """Dense, five residual blocks, 1-wide convolution, softmax: float32 [N, L, V]."""
  length, vocabulary_size = shape
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = tf.reshape(layers.dense(latents, length * width, 'dense', init='glorot'), [-1, length, width])
    for i in range(1, _BLOCKS + 1):
      x = _block(x, norm, 'block_%d' % i, training)
    return tf.nn.softmax(layers.conv1d(x, vocabulary_size, 'conv', size=1))


def critic(texts, *, width, norm):
  """1-wide convolution, five residual blocks, dense."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = layers.conv1d(texts, width, 'conv', size=1)
    for i in range(1, _BLOCKS + 1):
      x = _block(x, norm, 'block_%d' % i)
    return layers.score(layers.flatten(x), init='glorot')
