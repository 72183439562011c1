"""The generators and critics. Variables live under `generator/` and `critic/` and are shared by scope."""

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers


def blog_generator(latents, *, image_shape, training):
  """The MNIST post's generator: a dense layer, three stride-2 transposed convolutions, one of stride 1.

  Args:
    latents: float32 [N, Z].
    image_shape: (H, W, C); H and W are multiples of 8.
    training: has no effect here.

  Returns:
    float32 [N, H, W, C] in [-1, 1].
  """
  del training
  height, width, channels = image_shape
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = tf.nn.relu(layers.dense(latents, height // 8 * (width // 8) * 512, 'dense'))
    x = tf.reshape(x, [-1, height // 8, width // 8, 512])  # [N, 4, 4, 512]
    x = tf.nn.relu(layers.conv2d_transpose(x, 256, 'conv_transpose_1'))  # [N, 8, 8, 256]
    x = tf.nn.relu(layers.conv2d_transpose(x, 128, 'conv_transpose_2'))  # [N, 16, 16, 128]
    x = tf.nn.relu(layers.conv2d_transpose(x, 64, 'conv_transpose_3'))  # [N, 32, 32, 64]
    return tf.tanh(layers.conv2d_transpose(x, channels, 'conv_transpose_4', stride=1))


def blog_critic(images, *, training):
  """The MNIST post's critic: four stride-2 convolutions and a dense layer, no activation on the score.

  Args:
    images: float32 [N, H, W, C]; H and W are multiples of 16.
    training: has no effect here.

  Returns:
    float32 [N], raw scores.
  """
  del training
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = tf.nn.relu(layers.conv2d(images, 64, 'conv_1'))  # [N, 16, 16, 64]
    x = tf.nn.relu(layers.conv2d(x, 128, 'conv_2'))  # [N, 8, 8, 128]
    x = tf.nn.relu(layers.conv2d(x, 256, 'conv_3'))  # [N, 4, 4, 256]
    x = tf.nn.relu(layers.conv2d(x, 512, 'conv_4'))  # [N, 2, 2, 512]
    x = tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])  # [N, 2048]
    return tf.squeeze(layers.dense(x, 1, 'dense'), axis=1)


# name -> (generator(latents, *, image_shape, training) -> images, critic(images, *, training) -> scores)
ARCHITECTURES = {'blog': (blog_generator, blog_critic)}
