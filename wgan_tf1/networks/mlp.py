"""Multilayer perceptrons, for images and for points; arguments as in `networks`."""

from typing import Any, Optional, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers


def _mlp(x: Any, width: int, count: int, norm: str, training: Optional[bool], init: str) -> Any:
  """Applies `count` hidden layers of `width` ReLUs: [N, D] -> [N, width]."""
  for i in range(1, count + 1):
    x = layers.dense(x, width, 'dense_%d' % i, init=init)
    x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
  return x


def generator(
  latents: Any,
  *,
  shape: Tuple[int, ...],
  width: int,
  norm: str,
  training: bool,
  init: str = 'default',
  multiple: int = 1,
) -> Any:
  """Four hidden layers of ReLUs: the MNIST post, remark 5.3; with init 'normal', WGAN (1701.07875) figure 7."""
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = _mlp(latents, multiple * width, 4, norm, training, init)
    x = layers.dense(x, shape[0] * shape[1] * shape[2], 'dense', init=init)
    return tf.tanh(tf.reshape(x, [-1, *shape]))


def critic(images: Any, *, width: int, norm: str) -> Any:
  """Four hidden layers of ReLUs: the MNIST post, remark 5.3."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    return layers.score(_mlp(layers.flatten(images), width, 4, norm, None, 'default'))


def toy_generator(latents: Any, *, shape: Tuple[int, ...], width: int, norm: str, training: bool) -> Any:
  """Three hidden layers of ReLUs and a linear layer, from latents to points: gan_toy.py of the WGAN-GP code."""
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    return layers.dense(_mlp(latents, width, 3, norm, training, 'he_in'), shape[0], 'dense', init='glorot')


def toy_critic(points: Any, *, width: int, norm: str) -> Any:
  """Three hidden layers of ReLUs and a linear layer, from points to scores: gan_toy.py of the WGAN-GP code."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    return layers.score(_mlp(points, width, 3, norm, None, 'he_in'), init='glorot')
