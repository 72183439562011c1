"""Every pair but the residual and the text networks, against NumPy, from random weights at a small width."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.references import NORMS, flat, generate, leaky_relu, relu, same, score, slow_upsample_bilinear
from wgan_tf1.networks import blog


@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_the_mnist_posts_generator(norm):
  z, y, v = generate('blog', (32, 32, 1), 4, norm, z=128)
  x = relu(NORMS[norm](v, v.dense(z), 'norm')).reshape(3, 4, 4, 32)
  for i in (1, 2, 3):
    x = relu(NORMS[norm](v, v.conv_transpose(x, 'conv_transpose_%d' % i), 'norm_%d' % i))
  same(y, np.tanh(v.conv_transpose(x, 'conv_transpose_4', stride=1)), v)


@pytest.mark.parametrize('norm', ['none', 'batch', 'layer'])
def test_the_mnist_posts_critic(norm):
  x, y, v = score('blog', (32, 32, 1), 4, norm)
  x = relu(v.conv(x, 'conv_1', 2))
  for i in (2, 3, 4):
    x = relu(NORMS[norm](v, v.conv(x, 'conv_%d' % i, 2), 'norm_%d' % i))
  same(y, v.dense(flat(x))[:, 0], v)


@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_calls_share_the_variables(norm):
  with tf.Graph().as_default():
    for i in range(3):
      images = blog.generator(tf.ones([2, 8]), shape=(32, 32, 1), width=4, norm=norm, training=i < 2)
      blog.critic(images, width=4, norm=norm)
    generator, critic = (6, 10) if norm == 'none' else (6 + 2 * 4, 10 + 2 * 3)
    assert len(tf.trainable_variables('generator/')) == generator
    assert len(tf.trainable_variables('critic/')) == critic
    moving = [v.op.name for v in tf.global_variables() if v not in tf.trainable_variables()]
    assert len(moving) == (0 if norm == 'none' else 8)
    assert all(name.startswith('generator/') for name in moving)


@pytest.mark.parametrize('name', ['mlp', 'toy'])
def test_fully_connected_pairs(name):
  hidden, shape = (4, (6, 6, 2)) if name == 'mlp' else (3, (2,))
  z, y, v = generate(name, shape, 9, 'none')
  for i in range(1, hidden + 1):
    z = relu(v.dense(z, 'dense_%d' % i))
  z = v.dense(z)
  same(y, np.tanh(z).reshape(3, 6, 6, 2) if name == 'mlp' else z, v)
  x, y, v = score(name, shape, 9, 'none')
  x = flat(x)
  for i in range(1, hidden + 1):
    x = relu(v.dense(x, 'dense_%d' % i))
  same(y, v.dense(x)[:, 0], v)


def test_the_keras_posts_pair():
  z, y, v = generate('keras', (28, 28, 1), 2, 'batch')
  x = leaky_relu(v.dense(z)).reshape(3, 7, 7, 4)
  for i in (1, 2):
    x = leaky_relu(v.batch_norm(v.conv_transpose(x, 'conv_transpose_%d' % i, bias=True), 'norm_%d' % i))
  same(y, np.tanh(v.conv(x, 'conv', 1)), v)
  x, y, v = score('keras', (28, 28, 1), 3, 'batch')
  for i in (1, 2):
    x = leaky_relu(v.batch_norm(v.conv(x, 'conv_%d' % i, 2), 'norm_%d' % i))
  same(y, v.dense(flat(x))[:, 0], v)


@pytest.mark.parametrize('name, filters', [('upsample', [8, 4, 1]), ('upsample-gp', [8, 8, 1])])
def test_the_fashion_mnist_posts_generator(name, filters):
  z, y, v = generate(name, (32, 32, 1), 4, 'batch')
  x = relu(v.batch_norm(v.dense(z), 'norm')).reshape(3, 4, 4, 16)
  for i in (1, 2, 3):
    x = v.conv(slow_upsample_bilinear(x), 'conv_%d' % i, 1)
    assert x.shape[3] == filters[i - 1]
    x = np.tanh(x) if i == 3 else relu(v.batch_norm(x, 'norm_%d' % i))
  same(y, x, v)


@pytest.mark.parametrize('norm', ['none', 'batch'])
@pytest.mark.parametrize('name', ['upsample', 'upsample-gp', 'crop', 'dcgan5'])
def test_the_conv5_critic_normalises_its_second_and_third_convolution_only(name, norm):
  x, y, v = score(name, (28, 28, 1) if name == 'crop' else (32, 32, 3), 2, norm)
  x = leaky_relu(v.conv(x, 'conv_1', 2, bias=name != 'upsample-gp'))
  for i in (2, 3):
    x = leaky_relu(NORMS[norm](v, v.conv(x, 'conv_%d' % i, 2, bias=name != 'upsample-gp'), 'norm_%d' % i))
  same(y, v.dense(flat(x))[:, 0], v)


@pytest.mark.parametrize('norm', ['none', 'batch'])
@pytest.mark.parametrize('name', ['crop', 'dcgan5'])
def test_the_conv5_generator_crops_to_seven_for_28_pixels(name, norm):
  z, y, v = generate(name, (28, 28, 1) if name == 'crop' else (32, 32, 3), 2, norm)
  x = relu(NORMS[norm](v, v.dense(z), 'norm')).reshape(3, 4, 4, 8)
  x = relu(NORMS[norm](v, v.conv_transpose(x, 'conv_transpose_1', bias=True), 'norm_1'))
  x = x[:, :7, :7] if name == 'crop' else x
  x = relu(NORMS[norm](v, v.conv_transpose(x, 'conv_transpose_2', bias=True), 'norm_2'))
  x = v.conv_transpose(x, 'conv_transpose_3', bias=True)
  same(y, 1 / (1 + np.exp(-x)) if name == 'crop' else np.tanh(x), v)


@pytest.mark.parametrize('name', ['dcgan4', 'dcgan4-constant'])
def test_the_dcgan_generator_of_64_pixels(name):
  norm = 'batch' if name == 'dcgan4' else 'none'
  z, y, v = generate(name, (64, 64, 3), 2, norm)
  x = v.dense(z, bias=False).reshape(3, 4, 4, 16 if name == 'dcgan4' else 2)
  x = relu(NORMS[norm](v, x, 'norm'))
  for i in (1, 2, 3):
    x = relu(NORMS[norm](v, v.conv_transpose(x, 'conv_transpose_%d' % i), 'norm_%d' % i))
    assert x.shape[3] == ((8, 4, 2)[i - 1] if name == 'dcgan4' else 2)
  same(y, np.tanh(v.conv_transpose(x, 'conv_transpose_4')), v)


def test_the_mlp_generator_of_64_pixels_has_eight_times_the_critics_width():
  z, y, v = generate('mlp-dcgan4', (64, 64, 3), 2, 'none')
  for i in (1, 2, 3, 4):
    z = relu(v.dense(z, 'dense_%d' % i))
    assert z.shape == (3, 16)
  same(y, np.tanh(v.dense(z)).reshape(3, 64, 64, 3), v)


@pytest.mark.parametrize('name', ['dcgan4', 'dcgan4-constant', 'mlp-dcgan4'])
def test_the_dcgan_critic_does_not_normalise_its_first_and_last_layer(name):
  x, y, v = score(name, (64, 64, 3), 2, 'batch')
  x = leaky_relu(v.conv(x, 'conv_1', 2, bias=False))
  for i in (2, 3, 4):
    x = leaky_relu(v.batch_norm(v.conv(x, 'conv_%d' % i, 2, bias=False), 'norm_%d' % i))
  same(y, v.dense(flat(x), bias=False)[:, 0], v)
