"""The generators and critics, by name. Variables live under `generator/` and `critic/` and are shared by scope.

generator(latents, *, shape, width, norm, training) -> samples
  latents   float32 [N, Z]
  shape     of one sample; an image's size is one of `presets.IMAGE_SIZES`
  width     filters of the narrowest layer, or units of a hidden layer; other layers have multiples of it
  norm      'none' or 'batch'
  training  whether batch norm uses the statistics of the batch, or its moving averages
  samples   float32 [N, *shape]

critic(samples, *, width, norm) -> scores
  norm      'none', 'batch' or 'layer'. Batch norm always uses the batch's own statistics, of real or of fake samples
  scores    float32 [N], raw

The class-conditional pair also takes class_count. Its generator takes labels, int32 [N] below class_count; its critic
returns (scores, logits), the logits float32 [N, class_count].
"""

import functools
from typing import Any, Callable, Dict, Optional, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1.classes import sample_classes
from wgan_tf1.config import Config
from wgan_tf1.errors import UserError
from wgan_tf1.kernels import precision
from wgan_tf1.networks import blog, dcgan, keras, mlp, resnet, text, upsample

Architecture = Tuple[Callable[..., Any], Callable[..., Any]]  # (generator, critic)

ARCHITECTURES: Dict[str, Architecture] = {
  'blog': (blog.generator, blog.critic),
  'mlp': (mlp.generator, mlp.critic),
  'keras': (keras.generator, keras.critic),
  'upsample': (
    functools.partial(upsample.generator, multiples=(2, 1)),
    functools.partial(dcgan.conv5_critic, init='glorot'),
  ),
  'upsample-gp': (
    functools.partial(upsample.generator, multiples=(2, 2)),
    functools.partial(dcgan.conv5_critic, init='glorot', bias=False),
  ),
  'crop': (
    functools.partial(dcgan.dcgan5_generator, output=tf.sigmoid),
    functools.partial(dcgan.conv5_critic, init='he'),
  ),
  'dcgan5': (
    functools.partial(dcgan.dcgan5_generator, output=tf.tanh),
    functools.partial(dcgan.conv5_critic, init='he'),
  ),
  'dcgan4': (dcgan.dcgan4_generator, dcgan.dcgan4_critic),
  'dcgan4-constant': (functools.partial(dcgan.dcgan4_generator, constant=True), dcgan.dcgan4_critic),
  'mlp-dcgan4': (functools.partial(mlp.generator, init='normal', multiple=8), dcgan.dcgan4_critic),
  'resnet': (resnet.generator, resnet.critic),
  'resnet128': (resnet.generator128, resnet.critic128),
  'text': (text.generator, text.critic),
  'toy': (mlp.toy_generator, mlp.toy_critic),
}

NOMINAL_VOCABULARY = 96  # newline and printable ASCII, to count parameters before a text is loaded
SAMPLE_ROWS = 8  # in the grid of samples
SAMPLE_POINTS = 512  # samples of a run on points, and held-out samples in its summaries


def sample_shape(config: Config) -> Tuple[Any, ...]:
  """Returns the shape of one sample: (H, W, C), (L, V) or (2,)."""
  if config.form == 'image':
    return config.image_size, config.image_size, config.image_channels
  if config.form == 'text':
    return config.text_length, len(config.vocabulary) if config.vocabulary else NOMINAL_VOCABULARY
  return (2,)


def sample_count(config: Config) -> int:
  """Returns how many samples the run draws from its fixed latents: 8 rows of 8 or of one per class, or points."""
  if config.form == 'points':
    return SAMPLE_POINTS
  return SAMPLE_ROWS * (len(sample_classes(config)) if config.class_count else 8)


def networks_of(
  config: Config, architecture: Optional[Architecture] = None
) -> Tuple[Callable[..., Any], Callable[..., Any]]:
  """Returns the functions that build a run's generator and critic, with its settings filled in.

  Args:
    config: the run.
    architecture: the pair to build; None builds `config.architecture`.

  Returns:
    (generate, score): generate(latents float32 [N, Z], labels int32 [N] or None, training) -> float32 [N, ...];
    score(samples float32 [N, ...]) -> (float32 [N], logits float32 [N, classes] or None).

  Raises:
    UserError: if a config.json from elsewhere names an unknown architecture.
  """
  if architecture is None and config.architecture not in ARCHITECTURES:
    raise UserError('architecture=%s: must be one of %s' % (config.architecture, ', '.join(ARCHITECTURES)))
  generator, critic = architecture or ARCHITECTURES[config.architecture]
  classes = {'class_count': config.class_count} if config.class_count else {}

  def generate(latents: Any, labels: Any, training: bool) -> Any:
    labelled = dict(classes, labels=labels) if classes else {}
    shape = sample_shape(config)
    with precision.arithmetic(config.precision):
      return generator(
        latents, shape=shape, width=config.width, norm=config.generator_norm, training=training, **labelled
      )

  def score(samples: Any) -> Tuple[Any, Any]:
    with precision.arithmetic(config.precision):
      scores = critic(samples, width=config.width, norm=config.critic_norm, **classes)
    return scores if classes else (scores, None)

  return generate, score


def count_parameters(config: Config) -> Tuple[int, int]:
  """Returns the numbers of trainable parameters of a run's generator and critic."""
  generate, score = networks_of(config)
  with tf.Graph().as_default():
    labels = tf.zeros([1], tf.int32) if config.class_count else None
    generate(tf.zeros([1, config.latent_size]), labels, training=False)
    score(tf.zeros([1, *sample_shape(config)]))
    counts = [sum(v.shape.num_elements() for v in tf.trainable_variables(scope)) for scope in ('generator/', 'critic/')]
  return counts[0], counts[1]
