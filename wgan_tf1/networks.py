"""The generators and critics, by name. Variables live under `generator/` and `critic/` and are shared by scope.

generator(latents, *, shape, width, norm, training) -> samples
  latents   float32 [N, Z]
  shape     of one sample; where an image's size is not named, it is a multiple of what the layers enlarge it by
  width     filters of the narrowest layer, or units of a hidden one; the others are multiples of it
  norm      'none' or 'batch'
  training  whether batch norm uses the statistics of the batch, or its moving averages
  samples   float32 [N, *shape]

critic(samples, *, width, norm) -> scores
  norm      'none', 'batch' or 'layer'. Batch norm always uses the statistics of the batch, of real samples or of fake
  scores    float32 [N], raw

The class-conditional pair also takes class_count, its generator labels, int32 [N] below it, and its critic returns
(scores, logits), the logits float32 [N, class_count].
"""

import functools

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers
from wgan_tf1 import text_networks


def _leaky_relu(x):
  return tf.nn.leaky_relu(x, 0.2)


def _score(x, **kwargs):
  """The last layer of a critic: [N, D] -> [N]."""
  return tf.squeeze(layers.dense(x, 1, 'dense', **kwargs), axis=1)


def blog_generator(latents, *, shape, width, norm, training):
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


def blog_critic(images, *, width, norm):
  """The MNIST post's: four stride-2 convolutions and a dense layer. Normalised, the first is not."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = tf.nn.relu(layers.conv2d(images, width, 'conv_1'))  # [N, 16, 16, 64]
    for i, filters in ((2, 2 * width), (3, 4 * width), (4, 8 * width)):  # [N, 8, 8, 128] to [N, 2, 2, 512]
      x = tf.nn.relu(layers.normalize(layers.conv2d(x, filters, 'conv_%d' % i), norm, 'norm_%d' % i))
    return _score(layers.flatten(x))


def _mlp(x, width, count, norm, training, init):
  """`count` hidden layers of `width` ReLUs: [N, D] -> [N, width]."""
  for i in range(1, count + 1):
    x = layers.dense(x, width, 'dense_%d' % i, init=init)
    x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
  return x


def mlp_generator(latents, *, shape, width, norm, training, init='default', multiple=1):
  """Four hidden layers of ReLUs: the MNIST post's remark 5.3; with 'normal', WGAN (1701.07875) figure 7."""
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = _mlp(latents, multiple * width, 4, norm, training, init)
    x = layers.dense(x, shape[0] * shape[1] * shape[2], 'dense', init=init)
    return tf.tanh(tf.reshape(x, [-1, *shape]))


def mlp_critic(images, *, width, norm):
  """Four hidden layers of ReLUs: the MNIST post's remark 5.3."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    return _score(_mlp(layers.flatten(images), width, 4, norm, None, 'default'))


def toy_generator(latents, *, shape, width, norm, training):
  """Three hidden layers of ReLUs and a linear one, to points: the WGAN-GP code's toy."""
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    return layers.dense(_mlp(latents, width, 3, norm, training, 'he_in'), shape[0], 'dense', init='glorot')


def toy_critic(points, *, width, norm):
  """Three hidden layers of ReLUs and a linear one, from points: the WGAN-GP code's toy."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    return _score(_mlp(points, width, 3, norm, None, 'he_in'), init='glorot')


def keras_generator(latents, *, shape, width, norm, training):
  """The Keras post's: dense, two 4x4 stride-2 transposed convolutions, a 7x7 convolution."""
  rows = shape[0] // 4
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = _leaky_relu(layers.dense(latents, rows * rows * 2 * width, 'dense', init='normal'))
    x = tf.reshape(x, [-1, rows, rows, 2 * width])  # [N, 7, 7, 128]
    for i in (1, 2):  # [N, 14, 14, 128], [N, 28, 28, 128]
      x = layers.conv2d_transpose(x, 2 * width, 'conv_transpose_%d' % i, size=4, init='normal', bias=True)
      x = _leaky_relu(layers.normalize(x, norm, 'norm_%d' % i, training))
    return tf.tanh(layers.conv2d(x, shape[2], 'conv', size=7, stride=1, init='normal'))


def keras_critic(images, *, width, norm):
  """The Keras post's: two 4x4 stride-2 convolutions and a dense layer, whose initializer the post leaves to Keras."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = images
    for i in (1, 2):  # [N, 14, 14, 64], [N, 7, 7, 64]
      x = layers.conv2d(x, width, 'conv_%d' % i, size=4, init='normal')
      x = _leaky_relu(layers.normalize(x, norm, 'norm_%d' % i))
    return _score(layers.flatten(x), init='glorot')


def upsample_generator(latents, *, shape, width, norm, training, multiples):
  """The Fashion-MNIST post's: bilinear enlarging and 5x5 convolutions, of `multiples` of the width."""
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


def conv5_critic(images, *, width, norm, init, bias=True):
  """Three 5x5 stride-2 convolutions and a dense layer: the Fashion-MNIST post's, and the WGAN-GP code's DCGAN.

  Both have it with batch norm on the second and third convolution, and for the penalty without any.
  """
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = _leaky_relu(layers.conv2d(images, width, 'conv_1', size=5, init=init, bias=bias))
    for i, filters in ((2, 2 * width), (3, 4 * width)):
      x = layers.conv2d(x, filters, 'conv_%d' % i, size=5, init=init, bias=bias)
      x = _leaky_relu(layers.normalize(x, norm, 'norm_%d' % i))
    return _score(layers.flatten(x), init='glorot')


def dcgan5_generator(latents, *, shape, width, norm, training, output):
  """The WGAN-GP code's DCGAN: dense, three 5x5 stride-2 transposed convolutions, to pixels of `output`'s range.

  For 28 pixels, the 8 rows and columns after the first are cropped to 7.
  """
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = layers.dense(latents, 4 * 4 * 4 * width, 'dense', init='glorot')
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    x = tf.reshape(x, [-1, 4, 4, 4 * width])
    for i, filters in ((1, 2 * width), (2, width)):  # [N, 8, 8, 2 width], [N, 16, 16, width]
      x = layers.conv2d_transpose(x, filters, 'conv_transpose_%d' % i, size=5, init='he', bias=True)
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
      if i == 1:
        x = x[:, : shape[0] // 4, : shape[1] // 4]
    return output(layers.conv2d_transpose(x, shape[2], 'conv_transpose_3', size=5, init='he', bias=True))


def dcgan4_generator(latents, *, shape, width, norm, training, multiples=(8, 4, 2, 1)):
  """WGAN figures 5 and 6: the authors' DCGAN, 4x4 kernels without biases, of `multiples` of the width."""
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    # Their first layer, a transposed convolution of one pixel, is a dense one.
    x = layers.dense(latents, 4 * 4 * multiples[0] * width, 'dense', init='normal', bias=False)
    x = tf.reshape(x, [-1, 4, 4, multiples[0] * width])
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    for i, multiple in enumerate(multiples[1:], 1):  # [N, 8, 8, 256], [N, 16, 16, 128], [N, 32, 32, 64]
      x = layers.conv2d_transpose(x, multiple * width, 'conv_transpose_%d' % i, size=4, init='normal')
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
    return tf.tanh(layers.conv2d_transpose(x, shape[2], 'conv_transpose_4', size=4, init='normal'))


def dcgan4_critic(images, *, width, norm):
  """WGAN figures 5 to 7: the authors' DCGAN, 4x4 kernels without biases, the first and last layer not normalised."""
  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = _leaky_relu(layers.conv2d(images, width, 'conv_1', size=4, init='normal', bias=False))  # [N, 32, 32, 64]
    for i, filters in ((2, 2 * width), (3, 4 * width), (4, 8 * width)):  # [N, 16, 16, 128] to [N, 4, 4, 512]
      x = layers.conv2d(x, filters, 'conv_%d' % i, size=4, init='normal', bias=False)
      x = _leaky_relu(layers.normalize(x, norm, 'norm_%d' % i))
    return _score(layers.flatten(x), init='normal', bias=False)  # their 4x4 convolution to one pixel


def _residual_block(x, filters, name, *, normalize, resample=None, middle=None, leading=True, first_bias=True):
  """norm, ReLU, 3x3 convolution, norm, ReLU, 3x3 convolution, beside a 1x1 one: WGAN-GP (1704.00028) appendix F.

  The 1x1 convolution is made on the smaller side of the enlarging or halving, whichever the source has first: with
  either order it gives the same.

  Args:
    x: float32 [N, H, W, C].
    filters: of the output.
    name: scope of the block.
    normalize: function of (x, name).
    resample: 'up' doubles H and W before the first convolution, 'down' halves them after the second, None keeps them.
    middle: filters of the first convolution; `filters` if None.
    leading: False for a critic's first block, which has no norms, and no ReLU before its first convolution.
    first_bias: whether the first convolution has biases.

  Returns:
    float32 [N, H', W', filters].
  """
  up = layers.upsample_nearest if resample == 'up' else lambda y: y
  down = layers.downsample if resample == 'down' else lambda y: y
  with tf.variable_scope(name):
    shortcut = x
    if resample or int(x.shape[3]) != filters:
      shortcut = up(layers.conv2d(down(x), filters, 'shortcut', size=1, stride=1, init='glorot'))
    y = tf.nn.relu(normalize(x, 'norm_1')) if leading else x
    y = layers.conv2d(up(y), middle or filters, 'conv_1', size=3, stride=1, init='he', bias=first_bias)
    y = tf.nn.relu(normalize(y, 'norm_2') if leading else y)
    return shortcut + down(layers.conv2d(y, filters, 'conv_2', size=3, stride=1, init='he'))


def resnet_generator(latents, *, shape, width, norm, training, labels=None, class_count=None):
  """WGAN-GP appendix F, for 32x32 pixels; with labels, section 5.4: conditional batch norm inside the blocks."""

  def normalize(x, name):
    return layers.normalize(x, norm, name, training, labels, class_count)

  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = tf.reshape(layers.dense(latents, 4 * 4 * width, 'dense', init='glorot'), [-1, 4, 4, width])
    for i in (1, 2, 3):  # [N, 8, 8, 128], [N, 16, 16, 128], [N, 32, 32, 128]
      x = _residual_block(x, width, 'block_%d' % i, normalize=normalize, resample='up')
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    return tf.tanh(layers.conv2d(x, shape[2], 'conv', size=3, stride=1, init='glorot'))


def resnet_critic(images, *, width, norm, class_count=None):
  """WGAN-GP appendix F; with class_count, section 5.4: (scores, logits of the classes)."""

  def normalize(x, name):
    return layers.normalize(x, norm, name)

  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = _residual_block(images, width, 'block_1', normalize=normalize, resample='down', leading=False)
    x = _residual_block(x, width, 'block_2', normalize=normalize, resample='down')  # [N, 8, 8, 128]
    for i in (3, 4):
      x = _residual_block(x, width, 'block_%d' % i, normalize=normalize)
    x = tf.reduce_mean(tf.nn.relu(x), axis=[1, 2])  # [N, 128]
    scores = _score(x, init='glorot')
    return (scores, layers.dense(x, class_count, 'classes', init='glorot')) if class_count else scores


def resnet128_generator(latents, *, shape, width, norm, training):
  """The WGAN-GP code's residual generator of 64x64 pixels, with one more block of the least width, for 128x128."""

  def normalize(x, name):
    return layers.normalize(x, norm, name, training)

  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = tf.reshape(layers.dense(latents, 4 * 4 * 8 * width, 'dense', init='glorot'), [-1, 4, 4, 8 * width])
    for i, multiple in enumerate((8, 4, 2, 1, 1), 1):  # [N, 8, 8, 512] to [N, 128, 128, 64]
      block = 'block_%d' % i
      x = _residual_block(x, multiple * width, block, normalize=normalize, resample='up', first_bias=False)
    x = tf.nn.relu(normalize(x, 'norm'))
    return tf.tanh(layers.conv2d(x, shape[2], 'conv', size=3, stride=1, init='he'))


def resnet128_critic(images, *, width, norm):
  """The WGAN-GP code's residual critic of 64x64 pixels, with one more block of the least width, for 128x128."""

  def normalize(x, name):
    return layers.normalize(x, norm, name)

  with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
    x = layers.conv2d(images, width, 'conv', size=3, stride=1, init='glorot')  # [N, 128, 128, 64]
    for i, multiple in enumerate((1, 2, 4, 8, 8), 1):  # [N, 64, 64, 64] to [N, 4, 4, 512]
      x = _residual_block(x, multiple * width, 'block_%d' % i, normalize=normalize, resample='down',
                          middle=int(x.shape[3]), first_bias=False)  # fmt: skip
    return _score(layers.flatten(x), init='glorot')


# name -> (generator, critic)
ARCHITECTURES = {
  'blog': (blog_generator, blog_critic),
  'mlp': (mlp_generator, mlp_critic),
  'keras': (keras_generator, keras_critic),
  'upsample': (
    functools.partial(upsample_generator, multiples=(2, 1)),
    functools.partial(conv5_critic, init='glorot'),
  ),
  'upsample-gp': (
    functools.partial(upsample_generator, multiples=(2, 2)),
    functools.partial(conv5_critic, init='glorot', bias=False),
  ),
  'crop': (functools.partial(dcgan5_generator, output=tf.sigmoid), functools.partial(conv5_critic, init='he')),
  'dcgan5': (functools.partial(dcgan5_generator, output=tf.tanh), functools.partial(conv5_critic, init='he')),
  'dcgan4': (dcgan4_generator, dcgan4_critic),
  'dcgan4-constant': (functools.partial(dcgan4_generator, multiples=(1, 1, 1, 1)), dcgan4_critic),
  'mlp-dcgan4': (functools.partial(mlp_generator, init='normal', multiple=8), dcgan4_critic),
  'resnet': (resnet_generator, resnet_critic),
  'resnet128': (resnet128_generator, resnet128_critic),
  'text': (text_networks.text_generator, text_networks.text_critic),
  'toy': (toy_generator, toy_critic),
}
