"""The pair of networks that a run's settings ask for, and its generator alone, for sampling."""

from typing import Any
from typing import Dict
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1 import networks
from wgan_tf1 import precision
from wgan_tf1.config import sample_classes

NOMINAL_VOCABULARY = 96  # characters: a newline and printable ASCII; for counts before there is a text


class Sampler(NamedTuple):
  """A generator alone, as a trained run samples from it.

  Field      Shape, dtype      Meaning
  latents    float32 [N, Z]    placeholder
  labels     int32 [N]         placeholder, for class-conditional networks; else None
  samples    float32 [N, ...]  the generator's, by its moving averages
  variables  dict              name in a checkpoint -> variable
  """

  latents: Any
  labels: Any
  samples: Any
  variables: Dict[str, Any]


def sample_shape(config):
  """Returns the shape of one sample: (H, W, C), (L, V) or (2,)."""
  if config.form == 'image':
    return config.image_size, config.image_size, config.image_channels
  if config.form == 'text':
    return config.text_length, len(config.vocabulary) if config.vocabulary else NOMINAL_VOCABULARY
  return (2,)


def sample_count(config):
  """Returns how many samples are drawn from the run's fixed latents: a grid of 8 rows, or a cloud of points."""
  if config.form == 'points':
    return 512  # as many as are held out for summaries: a fixed generator adds each latent to a real point
  return 8 * (len(sample_classes(config)) if config.class_count else 8)


def networks_of(config):
  """Returns the functions that build a run's generator and critic, with its settings filled in.

  Args:
    config: a `config.Config`.

  Returns:
    (generate, score): generate(latents float32 [N, Z], labels int32 [N] or None, training) -> float32 [N, ...];
    score(samples float32 [N, ...]) -> (float32 [N], logits float32 [N, classes] or None).

  Raises:
    UserError: if the settings, of a config.json from elsewhere, name no architecture or not its shape.
  """
  if config.architecture not in networks.ARCHITECTURES:  # of a config.json from elsewhere
    known = ', '.join(networks.ARCHITECTURES)
    raise UserError('architecture=%s is unknown: it is one of %s' % (config.architecture, known))
  generator, critic = networks.ARCHITECTURES[config.architecture]
  classes = {'class_count': config.class_count} if config.class_count else {}

  def generate(latents, labels, training):
    labelled = dict(classes, labels=labels) if classes else {}
    shape = sample_shape(config)
    with precision.arithmetic(config.precision):
      made = generator(
        latents, shape=shape, width=config.width, norm=config.generator_norm, training=training, **labelled
      )
    if made.shape.as_list()[1:] != list(shape):
      raise UserError(
        'architecture=%s makes samples of shape %s, and the settings say %s: correct them'
        % (config.architecture, made.shape.as_list()[1:], list(shape))
      )
    return made

  def score(samples):
    with precision.arithmetic(config.precision):
      scores = critic(samples, width=config.width, norm=config.critic_norm, **classes)
    return scores if classes else (scores, None)

  return generate, score


def count_parameters(config):
  """Returns the numbers of trainable parameters of a run's generator and critic."""
  generate, score = networks_of(config)
  with tf.Graph().as_default():
    labels = tf.zeros([1], tf.int32) if config.class_count else None
    generate(tf.zeros([1, config.latent_size]), labels, training=False)
    score(tf.zeros([1, *sample_shape(config)]))
    count = lambda scope: sum(v.shape.num_elements() for v in tf.trainable_variables(scope))
    return count('generator/'), count('critic/')


def build_sampler(config):
  """Adds a run's generator, for sampling alone, to the default graph.

  Args:
    config: a `config.Config` as a run directory has it.

  Returns:
    A `Sampler`.
  """
  generate, _ = networks_of(config)
  latents = tf.placeholder(tf.float32, [None, config.latent_size], 'latents')
  labels = tf.placeholder(tf.int32, [None], 'labels') if config.class_count else None
  samples = generate(latents, labels, training=False)
  variables = {v.op.name: v for v in tf.global_variables()}
  if config.ema_decay:
    averages = tf.train.ExponentialMovingAverage(config.ema_decay)
    variables.update({averages.average_name(v): v for v in tf.trainable_variables()})
    for v in tf.trainable_variables():
      del variables[v.op.name]
  return Sampler(latents, labels, samples, variables)
