"""The character-level pair of WGAN-GP (1704.00028) section 5.5.

Arguments are as in `networks`. The shape (L, V) is a text of L characters from a vocabulary of V; real texts are
one-hot, generated texts are probabilities.
"""

from typing import Any, Optional, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers

_BLOCKS = 5


def _block(x: Any, norm: str, name: str, training: Optional[bool] = None) -> Any:
  """Adds 0.3 times the output of ReLU, 5-wide convolution, ReLU, 5-wide convolution: [N, L, C] -> [N, L, C]."""
  with tf.variable_scope(name):
    y = x
    for i in (1, 2):
      y = tf.nn.relu(layers.normalize(y, norm, 'norm_%d' % i, training))
      y = layers.conv1d(y, int(x.shape[2]), 'conv_%d' % i, size=5)
    return x + 0.3 * y


def generator(latents: Any, *, shape: Tuple[int, int], width: int, norm: str, training: bool) -> Any:
  """A dense layer, five residual blocks, a 1-wide convolution and a softmax: float32 [N, L, V]."""
  length, vocabulary_size = shape
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = tf.reshape(layers.dense(latents, length * width, 'dense', init='glorot'), [-1, length, width])
    for i in range(1, _BLOCKS + 1):
      x = _block(x, norm, 'block_%d' % i, training)
    return tf.nn.softmax(layers.conv1d(x, vocabulary_size, 'conv', size=1))


def critic(texts: Any, *, width: int, norm: str) -> Any:
  """A 1-wide convolution, five residual blocks and a dense layer."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = layers.conv1d(texts, width, 'conv', size=1)
    for i in range(1, _BLOCKS + 1):
      x = _block(x, norm, 'block_%d' % i)
    return layers.score(layers.flatten(x), init='glorot')
