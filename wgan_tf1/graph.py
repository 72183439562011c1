"""The whole static graph of a run: placeholders, networks, losses, optimizers and their order."""

from typing import Any
from typing import Dict
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import losses
from wgan_tf1 import networks

# Every check of the graph says this first, so that the training loop knows its own alarm.
NOT_FINITE = 'not finite: '


class Graph(NamedTuple):
  """The tensors and ops of a run. N is any batch size, B the configured one, Z the latent size.

  Field                  Shape, dtype          Meaning
  global_step            int64                 generator updates so far
  critic_step            int64                 critic updates so far
  real                   float32 [N, H, W, C]  placeholder: real images in [-1, 1]
  latents                float32 [N, Z]        drawn anew for each update, [B, Z]; can be fed
  interpolation_weights  float32 [N]           likewise (gp; else None)
  sample_latents         float32 [N, Z]        drawn once for a seed, [64, Z]; can be fed
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


def _checked_gradients(optimizer, loss, variables):
  """The gradients of `loss` by `variables` alone, which stop the run where they are not finite."""
  return [
    (tf.check_numerics(gradient, NOT_FINITE + 'gradient of ' + variable.op.name), variable)
    for gradient, variable in optimizer.compute_gradients(loss, variables)
  ]


def _step_counter(name):
  return tf.get_variable(
    name, [], tf.int64, tf.zeros_initializer(), trainable=False, use_resource=True,
    collections=[tf.GraphKeys.GLOBAL_VARIABLES],
  )  # fmt: skip


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
  batch, latent_size = config.batch_size, config.latent_size

  global_step = _step_counter('global_step')
  critic_step = _step_counter('critic_step')

  # Random draws are functions of (seed, updates so far), so that a resumed run repeats none and skips none.
  # Even numbers are the latents' streams, odd ones the interpolation weights', -1 the fixed samples'.
  with tf.name_scope('inputs'):
    updates = global_step.read_value() + critic_step.read_value()
    latents = tf.placeholder_with_default(
      tf.random.stateless_normal([batch, latent_size], tf.stack([config.seed, 2 * updates])),
      [None, latent_size], 'latents',
    )  # fmt: skip
    sample_latents = tf.placeholder_with_default(
      tf.random.stateless_normal([64, latent_size], [config.seed, -1]), [None, latent_size], 'sample_latents'
    )
    real = tf.placeholder(tf.float32, [None, *image_shape], 'real')

  # Networks: one generator and one critic, each variable made once and shared by scope.
  with tf.name_scope('fake'):
    fake = generator(latents, image_shape=image_shape, training=True)
    fake_scores = critic(fake, training=True)
  with tf.name_scope('real'):
    real_scores = critic(real, training=True)
  with tf.name_scope('samples'):
    samples = generator(sample_latents, image_shape=image_shape, training=False)
  generator_variables = tf.trainable_variables('generator/')
  critic_variables = tf.trainable_variables('critic/')

  # Losses.
  with tf.name_scope('losses'):
    wasserstein_estimate = losses.wasserstein_estimate(real_scores, fake_scores)
    critic_loss = -wasserstein_estimate
    generator_loss = losses.generator_loss(fake_scores)
  scalars = {'wasserstein_estimate': wasserstein_estimate}
  interpolation_weights = None
  if config.variant == 'gp':
    with tf.name_scope('interpolates'):
      interpolation_weights = tf.placeholder_with_default(
        tf.random.stateless_uniform([batch], tf.stack([config.seed, 2 * updates + 1])), [None], 'weights'
      )
      interpolates = losses.interpolate(real, fake, interpolation_weights)
      norms = losses.gradient_norms(critic(interpolates, training=True), interpolates)
    with tf.name_scope('penalty'):
      penalty = losses.gradient_penalty(norms)
      critic_loss += config.penalty_weight * penalty
    scalars['gradient_penalty'] = penalty
    scalars['gradient_norm/mean'] = tf.reduce_mean(norms)
    scalars['gradient_norm/maximum'] = tf.reduce_max(norms)
  scalars['critic_loss'] = critic_loss = tf.check_numerics(critic_loss, NOT_FINITE + 'critic_loss')
  scalars['generator_loss'] = generator_loss = tf.check_numerics(generator_loss, NOT_FINITE + 'generator_loss')

  # Updates: each optimizer has only its own network's variables.
  with tf.name_scope('train_critic'):
    optimizer = make_optimizer(config, config.critic_learning_rate)
    critic_gradients = _checked_gradients(optimizer, critic_loss, critic_variables)
    train_critic = optimizer.apply_gradients(critic_gradients, critic_step)
    before_critic = tf.no_op()
    if config.clip_order == 'after':
      with tf.control_dependencies([train_critic]):
        train_critic = losses.clip(critic_variables, config.clip_value)
    elif config.clip_order == 'before':
      before_critic = losses.clip(critic_variables, config.clip_value)
  with tf.name_scope('train_generator'):
    optimizer = make_optimizer(config, config.generator_learning_rate)
    generator_gradients = _checked_gradients(optimizer, generator_loss, generator_variables)
    train_generator = optimizer.apply_gradients(generator_gradients, global_step)

  # What to look at.
  with tf.name_scope('checks'):
    check_weights = tf.group(*[
      tf.check_numerics(v.read_value(), NOT_FINITE + v.op.name) for v in generator_variables + critic_variables
    ])  # fmt: skip
    if config.variant == 'clip':
      flat = tf.concat([tf.reshape(v.read_value(), [-1]) for v in critic_variables], 0)
      scalars['clip/share_at_bound'] = tf.reduce_mean(tf.cast(tf.abs(flat) >= config.clip_value, tf.float32))
  histograms = tf.summary.merge(
    [tf.summary.histogram('weights/' + v.op.name, v.read_value()) for v in generator_variables + critic_variables]
    + [tf.summary.histogram('gradients/' + v.op.name, g) for g, v in generator_gradients + critic_gradients],
    collections=[],
  )

  return Graph(
    global_step, critic_step, real, latents, interpolation_weights, sample_latents, samples, fake, real_scores,
    fake_scores, train_critic, train_generator, before_critic, check_weights, scalars, histograms,
    generator_variables, critic_variables,
  )  # fmt: skip
