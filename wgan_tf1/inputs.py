"""The inputs of a run's graph: step counters, placeholders, and the random numbers of each update."""

from typing import Any, Dict

import tensorflow.compat.v1 as tf

from wgan_tf1 import networks
from wgan_tf1.classes import sample_classes
from wgan_tf1.config import Config
from wgan_tf1.distributed import towers


def step_counter(name: str) -> Any:
  """Returns an int64 resource variable that starts from 0 and is not trained."""
  zero, saved = tf.zeros_initializer(), [tf.GraphKeys.GLOBAL_VARIABLES]
  return tf.get_variable(name, [], tf.int64, zero, trainable=False, use_resource=True, collections=saved)


def make(config: Config, global_step: Any, critic_step: Any, replica: towers.Replica) -> Dict[str, Any]:
  """Returns the inputs among the fields of `Graph`, by name."""
  with tf.name_scope('inputs'):
    # A generator update is fed nothing and draws its own batch. A critic update is fed its number of real samples.
    fake_count = tf.placeholder_with_default(config.generator_batch_size, [], 'fake_count')
    draws = _draws(config, global_step.read_value() + critic_step.read_value(), fake_count, replica)
    found = dict(
      fake_count=fake_count,
      latents=tf.placeholder_with_default(draws['latents'], [None, config.latent_size], 'latents'),
      interpolation_weights=tf.placeholder_with_default(draws['weights'], [None], 'interpolation_weights'),
      sample_latents=tf.placeholder_with_default(draws['sample_latents'], [None, config.latent_size], 'sample_latents'),
      real=tf.placeholder(tf.float32, [None, *networks.sample_shape(config)], 'real'),
      real_labels=None,
      labels=None,
      sample_labels=None,
    )
    if config.class_count:
      found['real_labels'] = tf.placeholder(tf.int32, [None], 'real_labels')
      found['labels'] = tf.placeholder_with_default(draws['labels'], [None], 'labels')
      found['sample_labels'] = tf.placeholder_with_default(draws['sample_labels'], [None], 'sample_labels')
    return found


def _draws(config: Config, updates: Any, count: Any, replica: towers.Replica) -> Dict[str, Any]:
  """Returns an update's random numbers, which depend on the seed and the updates so far alone.

  So a resumed run neither repeats nor skips any. Streams 0, 2, 4... are latents; 1, 3, 5... interpolation weights; -1
  the samples' latents; -2, -3, -4... labels. Processes that combine their gradients each use their piece of what one
  process would draw for all. Processes that do not combine them have different streams.
  """
  seed, z = config.seed, config.latent_size
  pieces = replica.count if replica.combine else 1
  if not replica.combine:
    updates = updates * replica.count + replica.index

  def mine(drawn: Any) -> Any:
    return tf.split(drawn, pieces)[replica.index] if replica.combine else drawn

  draws = dict(
    latents=mine(tf.random.stateless_normal([count * pieces, z], tf.stack([seed, 2 * updates]))),
    weights=mine(tf.random.stateless_uniform([config.batch_size * pieces], tf.stack([seed, 2 * updates + 1]))),
    sample_latents=tf.random.stateless_normal([networks.sample_count(config), z], [seed, -1]),
  )
  if config.class_count:
    classes = tf.constant(sample_classes(config), tf.int32)
    drawn = tf.random.stateless_uniform(
      [count * pieces], tf.stack([seed, -2 - updates]), minval=0, maxval=int(classes.shape[0]), dtype=tf.int32
    )
    draws.update(labels=tf.gather(classes, mine(drawn)), sample_labels=tf.tile(classes, [networks.SAMPLE_ROWS]))
  return draws
