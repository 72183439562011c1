"""The whole static graph of a run: placeholders, networks, losses, optimizers and their order."""

from typing import Any
from typing import Dict
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import losses
from wgan_tf1 import networks

# Every check of the graph says this first, so that the training loop knows its own alarm.
NOT_FINITE = 'not finite: '

SAMPLES = 64  # in the grid that is drawn from one fixed batch of latents


class Graph(NamedTuple):
  """The tensors and ops of a run. N is any batch size, B the configured one, Z the latent size.

  Field                  Shape, dtype          Meaning
  global_step            int64                 generator updates so far
  critic_step            int64                 critic updates so far
  real                   float32 [N, H, W, C]  placeholder: real images in [-1, 1]
  latents                float32 [N, Z]        drawn anew for each update, [B, Z]; can be fed
  interpolation_weights  float32 [N]           likewise, [B]; used by gp
  sample_latents         float32 [N, Z]        drawn once for a seed, [SAMPLES, Z]; can be fed
  samples                float32 [N, H, W, C]  the generator's images of `sample_latents`
  fake                   float32 [N, H, W, C]  the generator's images of `latents`
  real_scores            float32 [N]           f(real)
  fake_scores            float32 [N]           f(fake)
  train_critic           op                    one critic update; needs `real`; counts in critic_step
  train_generator        op                    one generator update; needs no images; counts in global_step
  before_critic          op                    run before each critic update: clips if clip_order is 'before'
  check_weights          op                    fails if a weight is not finite
  scalars                float32 each          summary tag -> value, on the batch at hand; needs `real`
  histograms             string                serialized summary of weights and gradients; needs `real`
  generator_variables    list                  trainable variables under generator/
  critic_variables       list                  trainable variables under critic/
  """

  global_step: Any
  critic_step: Any
  real: Any
  latents: Any
  interpolation_weights: Any
  sample_latents: Any
  samples: Any
  fake: Any
  real_scores: Any
  fake_scores: Any
  train_critic: Any
  train_generator: Any
  before_critic: Any
  check_weights: Any
  scalars: Dict[str, Any]
  histograms: Any
  generator_variables: list
  critic_variables: list


class TorchRMSProp(tf.train.Optimizer):
  """RMSProp as PyTorch, and so the WGAN authors' code, computes it.

  ms <- 0.99 ms + 0.01 g^2, from ms = 0;  w <- w - lr * g / (sqrt(ms) + 1e-8).

  TensorFlow's starts from ms = 1, decays by 0.9 and has its 1e-10 inside the root. So its first steps are
  about lr * g, where these are about 10 * lr * sign(g).
  """

  def __init__(self, learning_rate, decay=0.99, epsilon=1e-8, name='TorchRMSProp'):
    super(TorchRMSProp, self).__init__(use_locking=False, name=name)
    self._learning_rate = learning_rate
    self._decay = decay
    self._epsilon = epsilon

  def _create_slots(self, var_list):
    for v in var_list:
      self._zeros_slot(v, 'mean_square', self._name)

  def _resource_apply_dense(self, grad, var):
    slot = self.get_slot(var, 'mean_square')
    mean_square = self._decay * slot.read_value() + (1 - self._decay) * tf.square(grad)
    step = self._learning_rate * grad / (tf.sqrt(mean_square) + self._epsilon)
    return tf.group(slot.assign(mean_square), var.assign_sub(step))


def make_optimizer(config, learning_rate):
  """Returns the optimizer that `config.optimizer` names, at a learning rate."""
  if config.optimizer == 'adam':
    return tf.train.AdamOptimizer(learning_rate, config.beta1, config.beta2)
  if config.optimizer == 'rmsprop_torch':
    return TorchRMSProp(learning_rate)
  return tf.train.RMSPropOptimizer(learning_rate, decay=0.9, epsilon=1e-10)


def _checked(tensor, name):
  return tf.check_numerics(tensor, NOT_FINITE + name)


def _update(config, learning_rate, loss, variables, step):
  """One update of `variables` alone, counted in `step`; returns (op, [(gradient, variable)]).

  No variable changes before the loss and every gradient are there and finite. Without that, nothing orders one
  variable's update after another's gradient, or the loss, has read it.
  """
  optimizer = make_optimizer(config, learning_rate)
  gradients = [(_checked(g, 'gradient of ' + v.op.name), v) for g, v in optimizer.compute_gradients(loss, variables)]
  with tf.control_dependencies([loss] + [g for g, _ in gradients]):
    return optimizer.apply_gradients(gradients, step), gradients


def _step_counter(name):
  return tf.get_variable(
    name, [], tf.int64, tf.zeros_initializer(), trainable=False, use_resource=True,
    collections=[tf.GraphKeys.GLOBAL_VARIABLES],
  )  # fmt: skip


def _draws(config, updates):
  """Latents, interpolation weights and the samples' latents: functions of (seed, updates so far) alone.

  So a resumed run repeats none and skips none. The streams 0, 2, 4... are latents, 1, 3, 5... weights, -1 the samples'.
  """
  seed, n, z = config.seed, config.batch_size, config.latent_size
  latents = tf.random.stateless_normal([n, z], tf.stack([seed, 2 * updates]))
  weights = tf.random.stateless_uniform([n], tf.stack([seed, 2 * updates + 1]))
  sample_latents = tf.random.stateless_normal([SAMPLES, z], [seed, -1])
  return latents, weights, sample_latents


def _histograms(gradients):
  """One serialized summary of every variable and its gradient, under weights/ and gradients/."""
  with tf.name_scope('weights'):
    weights = [tf.summary.histogram(v.op.name, v.read_value()) for _, v in gradients]
  with tf.name_scope('gradients'):
    gradients = [tf.summary.histogram(v.op.name, g) for g, v in gradients]
  with tf.name_scope('summaries'):
    return tf.summary.merge(weights + gradients, collections=[])


def build_graph(config):
  """Adds a run's networks, losses and updates to the default graph.

  Args:
    config: a `config.Config`.

  Returns:
    A `Graph`.
  """
  tf.set_random_seed(config.seed)
  generator, critic = networks.ARCHITECTURES[config.architecture]
  image_shape = [config.image_size, config.image_size, config.image_channels]
  global_step = _step_counter('global_step')
  critic_step = _step_counter('critic_step')

  with tf.name_scope('inputs'):
    draws = _draws(config, global_step.read_value() + critic_step.read_value())
    latents = tf.placeholder_with_default(draws[0], [None, config.latent_size], 'latents')
    interpolation_weights = tf.placeholder_with_default(draws[1], [None], 'interpolation_weights')
    sample_latents = tf.placeholder_with_default(draws[2], [None, config.latent_size], 'sample_latents')
    real = tf.placeholder(tf.float32, [None, *image_shape], 'real')

  # One generator and one critic: their variables are made at the first call and shared by scope at the others.
  with tf.name_scope('fake'):
    fake = generator(latents, image_shape=image_shape, training=True)
    fake_scores = critic(fake, training=True)
  with tf.name_scope('real'):
    real_scores = critic(real, training=True)
  with tf.name_scope('samples'):
    samples = generator(sample_latents, image_shape=image_shape, training=False)
  generator_variables = tf.trainable_variables('generator/')
  critic_variables = tf.trainable_variables('critic/')

  scalars = {}
  if config.variant == 'gp':
    with tf.name_scope('penalty'):
      interpolates = losses.interpolate(real, fake, interpolation_weights)
      norms = losses.gradient_norms(critic(interpolates, training=True), interpolates)
      scalars['gradient_penalty'] = losses.gradient_penalty(norms)
      scalars['gradient_norm/mean'] = tf.reduce_mean(norms)
      scalars['gradient_norm/maximum'] = tf.reduce_max(norms)
  with tf.name_scope('losses'):
    wasserstein_estimate = losses.wasserstein_estimate(real_scores, fake_scores)
    critic_loss = -wasserstein_estimate
    if config.variant == 'gp':
      critic_loss += config.penalty_weight * scalars['gradient_penalty']
    critic_loss = _checked(critic_loss, 'critic_loss')
    generator_loss = _checked(losses.generator_loss(fake_scores), 'generator_loss')
  scalars.update(wasserstein_estimate=wasserstein_estimate, critic_loss=critic_loss, generator_loss=generator_loss)

  # Each optimizer is given its own network's variables alone.
  with tf.name_scope('train_critic'):
    train_critic, critic_gradients = _update(
      config, config.critic_learning_rate, critic_loss, critic_variables, critic_step
    )
    before_critic = tf.no_op()
    if config.clip_order == 'after':
      with tf.control_dependencies([train_critic]):
        train_critic = losses.clip(critic_variables, config.clip_value)
    elif config.clip_order == 'before':
      before_critic = losses.clip(critic_variables, config.clip_value)
  with tf.name_scope('train_generator'):
    train_generator, generator_gradients = _update(
      config, config.generator_learning_rate, generator_loss, generator_variables, global_step
    )

  with tf.name_scope('checks'):
    check_weights = tf.group(*[_checked(v.read_value(), v.op.name) for v in generator_variables + critic_variables])
    if config.variant == 'clip':
      weights = tf.concat([tf.reshape(v.read_value(), [-1]) for v in critic_variables], 0)
      scalars['clip/share_at_bound'] = tf.reduce_mean(tf.cast(tf.abs(weights) >= config.clip_value, tf.float32))
  histograms = _histograms(generator_gradients + critic_gradients)

  return Graph(
    global_step=global_step,
    critic_step=critic_step,
    real=real,
    latents=latents,
    interpolation_weights=interpolation_weights,
    sample_latents=sample_latents,
    samples=samples,
    fake=fake,
    real_scores=real_scores,
    fake_scores=fake_scores,
    train_critic=train_critic,
    train_generator=train_generator,
    before_critic=before_critic,
    check_weights=check_weights,
    scalars=scalars,
    histograms=histograms,
    generator_variables=generator_variables,
    critic_variables=critic_variables,
  )
