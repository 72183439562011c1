import numpy as np
import tensorflow.compat.v1 as tf

from tests.test_layers import slow_conv2d
from tests.test_layers import slow_conv2d_transpose
from wgan_tf1 import networks


def _values(session):
  session.run(tf.global_variables_initializer())
  return session.run({v.op.name: v for v in tf.trainable_variables()})


def test_the_posts_generator():
  z = np.random.RandomState(0).normal(size=[2, 128]).astype(np.float32)
  with tf.Graph().as_default(), tf.Session() as session:
    y = networks.blog_generator(tf.constant(z), image_shape=(32, 32, 1), training=True)
    v = _values(session)
    y = session.run(y)
  assert {name: value.shape for name, value in v.items()} == {
    'generator/dense/weights': (128, 8192),
    'generator/dense/biases': (8192,),
    'generator/conv_transpose_1/weights': (3, 3, 256, 512),
    'generator/conv_transpose_2/weights': (3, 3, 128, 256),
    'generator/conv_transpose_3/weights': (3, 3, 64, 128),
    'generator/conv_transpose_4/weights': (3, 3, 1, 64),
  }
  x = np.maximum(z @ v['generator/dense/weights'] + v['generator/dense/biases'], 0).reshape(2, 4, 4, 512)
  for i in (1, 2, 3):
    x = np.maximum(slow_conv2d_transpose(x, v['generator/conv_transpose_%d/weights' % i], 2), 0)
  slow = np.tanh(slow_conv2d_transpose(x, v['generator/conv_transpose_4/weights'], 1))
  assert y.shape == (2, 32, 32, 1)
  np.testing.assert_allclose(y, slow, atol=1e-5)


def test_the_posts_critic():
  images = np.random.RandomState(0).uniform(-1, 1, [2, 32, 32, 1]).astype(np.float32)
  with tf.Graph().as_default(), tf.Session() as session:
    scores = networks.blog_critic(tf.constant(images), training=True)
    v = _values(session)
    scores = session.run(scores)
  assert {name: value.shape for name, value in v.items()} == {
    'critic/conv_1/weights': (3, 3, 1, 64), 'critic/conv_1/biases': (64,),
    'critic/conv_2/weights': (3, 3, 64, 128), 'critic/conv_2/biases': (128,),
    'critic/conv_3/weights': (3, 3, 128, 256), 'critic/conv_3/biases': (256,),
    'critic/conv_4/weights': (3, 3, 256, 512), 'critic/conv_4/biases': (512,),
    'critic/dense/weights': (2048, 1), 'critic/dense/biases': (1,),
  }  # fmt: skip
  x = images
  for i in (1, 2, 3, 4):
    x = np.maximum(slow_conv2d(x, v['critic/conv_%d/weights' % i], v['critic/conv_%d/biases' % i], 2), 0)
  slow = x.reshape(2, 2048) @ v['critic/dense/weights'] + v['critic/dense/biases']
  assert scores.shape == (2,)
  np.testing.assert_allclose(scores, slow[:, 0], rtol=1e-4, atol=1e-5)


def test_a_network_used_again_shares_its_variables():
  with tf.Graph().as_default():
    for _ in range(3):
      images = networks.blog_generator(tf.ones([1, 128]), image_shape=(32, 32, 1), training=False)
      networks.blog_critic(images, training=False)
    assert len(tf.trainable_variables('generator/')) == 6 and len(tf.trainable_variables('critic/')) == 10
    assert len(tf.global_variables()) == 16
