"""The whole static graph of a run: placeholders, networks, losses, optimizers and their order."""

from typing import Any
from typing import Dict
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import layers
from wgan_tf1 import losses
from wgan_tf1 import models
from wgan_tf1 import towers
from wgan_tf1.config import sample_classes

# Every check of the graph says this first, so that the training loop knows its own alarm.
NOT_FINITE = 'not finite: '


class Graph(NamedTuple):
  """The tensors and ops of a run. N is any batch size, B the configured one, Z the latent size.

  A sample is float32: an image [H, W, C], a text [L, V] of one-hot characters or their probabilities, a point [2].

  Field                  Shape, dtype      Meaning
  global_step            int64             generator updates so far
  critic_step            int64             critic updates so far
  real                   float32 [N, ...]  placeholder: real samples
  real_labels            int32 [N]         placeholder, for class-conditional networks: their labels
  fake_count             int32             how many latents are drawn; B, unless another number is fed
  latents                float32 [N, Z]    drawn anew for each update; can be fed
  labels                 int32 [N]         likewise, for class-conditional networks; else None
  interpolation_weights  float32 [N]       likewise, [B]; used by gp
  sample_latents         float32 [N, Z]    drawn once for a seed, `models.sample_count` of them; can be fed
  sample_labels          int32 [N]         each class in turn; can be fed; else None
  samples                float32 [N, ...]  what the generator makes of them; needs `real` with a fixed generator
  fake                   float32 [N, ...]  what it makes of `latents`; needs `real` with a fixed generator
  real_scores            float32 [N]       f(real)
  fake_scores            float32 [N]       f(fake)
  train_critic           op                one critic update; needs `real`; counts in critic_step
  train_generator        op                one generator update; needs no data; counts in global_step
  before_critic          op                run before each critic update: clips if clip_order is 'before'; else None
  check_weights          op                fails if a weight is not finite
  scalars                float32 each      summary tag -> value, on the batch at hand; needs `real`
  estimate               str               the tag of the distance that the variant estimates
  histograms             string            serialized summary of weights and gradients; needs `real`
  generator_variables    list              trainable variables under generator/
  critic_variables       list              trainable variables under critic/
  """

  global_step: Any
  critic_step: Any
  real: Any
  real_labels: Any
  fake_count: Any
  latents: Any
  labels: Any
  interpolation_weights: Any
  sample_latents: Any
  sample_labels: Any
  samples: Any
  fake: Any
  real_scores: Any
  fake_scores: Any
  train_critic: Any
  train_generator: Any
  before_critic: Any
  check_weights: Any
  scalars: Dict[str, Any]
  estimate: str
  histograms: Any
  generator_variables: list
  critic_variables: list


class _Tower(NamedTuple):
  """What one device makes of its part of a batch: N rows. Fields as in `Graph`; what a run does not have is None.

  Field                Shape, dtype          Meaning
  real_logits          float32 [N, classes]  of the class-conditional critic
  fake_logits          float32 [N, classes]
  norms                float32 [N]           norms of the critic's gradients between real and fake samples
  """

  real: Any
  fake: Any
  real_scores: Any
  fake_scores: Any
  real_labels: Any
  labels: Any
  real_logits: Any
  fake_logits: Any
  norms: Any


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


def _checked_gradient(gradient, variable):
  return _checked(gradient, 'gradient of ' + variable.op.name)


def _update(config, learning_rate, loss, gradients, variables, step, limit=None):
  """One update of `variables` alone, counted in `step`; with a `limit` it fails with OutOfRange once that is reached.

  No variable changes before the loss and every gradient are there and finite. Without that, nothing orders one
  variable's update after another's gradient, or the loss, has read it.
  """
  optimizer = make_optimizer(config, learning_rate)
  gradients = [_checked_gradient(g, v) for g, v in zip(gradients, variables)]
  with tf.control_dependencies([loss] + gradients):
    if limit is None:
      return optimizer.apply_gradients(list(zip(gradients, variables)), step)
    # Counted first, in one piece: of several processes at the last step but one, one makes the last.
    with tf.control_dependencies([step.count_up_to(limit)]):
      return optimizer.apply_gradients(list(zip(gradients, variables)))


def _combined(combine, name, loss, tensors):
  """Returns (loss, tensors), or where there is a `combine` their means over the processes.

  What they combine is checked afterwards, so that all of them stop alike, and all at once, before any variable
  changes: one that is lost leaves the others with a whole update or none.
  """
  if not combine:
    return loss, tensors
  loss, *tensors = combine([loss] + tensors)
  return _checked(loss, name), tensors


def _accuracy(logits, labels):
  """Share of the samples whose largest logit is that of their label."""
  return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels), tf.float32))


def _from_averages(averages):
  """A scope in which a variable is its moving average, if it has one."""

  def average(getter, name, *args, **kwargs):
    variable = getter(name, *args, **kwargs)
    moving = averages and averages.average(variable)
    return variable if moving is None else moving

  return tf.variable_scope(tf.get_variable_scope(), custom_getter=average)


def _step_counter(name):
  return tf.get_variable(
    name, [], tf.int64, tf.zeros_initializer(), trainable=False, use_resource=True,
    collections=[tf.GraphKeys.GLOBAL_VARIABLES],
  )  # fmt: skip


def _draws(config, updates, count, replica):
  """What an update draws: functions of (seed, updates so far) alone, so that a resumed run repeats none and skips none.

  The streams 0, 2, 4... are latents, 1, 3, 5... interpolation weights, -1 the samples' latents, -2, -3, -4... labels.
  Processes that combine their gradients each take their piece of what one would draw for all; those that do not
  take streams of their own.

  Returns:
    (latents, interpolation weights, samples' latents, labels or None, samples' labels or None).
  """
  seed, z = config.seed, config.latent_size
  pieces = replica.count if replica.combine else 1
  if not replica.combine:
    updates = updates * replica.count + replica.index
  mine = lambda drawn: tf.split(drawn, pieces)[replica.index] if replica.combine else drawn
  latents = mine(tf.random.stateless_normal([count * pieces, z], tf.stack([seed, 2 * updates])))
  weights = mine(tf.random.stateless_uniform([config.batch_size * pieces], tf.stack([seed, 2 * updates + 1])))
  sample_latents = tf.random.stateless_normal([models.sample_count(config), z], [seed, -1])
  if not config.class_count:
    return latents, weights, sample_latents, None, None
  classes = tf.constant(sample_classes(config), tf.int32)
  drawn = tf.random.stateless_uniform(
    [count * pieces], tf.stack([seed, -2 - updates]), minval=0, maxval=int(classes.shape[0]), dtype=tf.int32
  )
  return latents, weights, sample_latents, tf.gather(classes, mine(drawn)), tf.tile(classes, [8])


def _histograms(gradients, variables):
  """One serialized summary of every variable and its gradient, under weights/ and gradients/."""
  with tf.name_scope('weights'):
    weights = [tf.summary.histogram(v.op.name, v.read_value()) for v in variables]
  with tf.name_scope('gradients'):
    gradients = [tf.summary.histogram(v.op.name, _checked_gradient(g, v)) for g, v in zip(gradients, variables)]
  with tf.name_scope('summaries'):
    return tf.summary.merge(weights + gradients, collections=[])


def _learning_rate(config, rate, global_step):
  """`rate`, or what is left of it on the line to zero at `learning_rate_decay_steps` generator updates."""
  if not config.learning_rate_decay_steps:
    return rate
  done = tf.cast(global_step.read_value(), tf.float32) / config.learning_rate_decay_steps
  return rate * tf.maximum(0.0, 1 - done)


def _tower(config, generate, score, real, real_labels, latents, labels, interpolation_weights):
  """Builds both networks on one part of a batch; returns a `_Tower`.

  One generator and one critic: their variables are made at the first call and shared by scope at the others.
  """
  with tf.name_scope('fake'):
    fake = real + latents if config.fixed_generator else generate(latents, labels, training=True)
    fake_scores, fake_logits = score(fake)
  with tf.name_scope('real'):
    real_scores, real_logits = score(real)
  norms = None
  if config.variant == 'gp':
    with tf.name_scope('penalty'):
      interpolates = losses.interpolate(real, fake, interpolation_weights)
      norms = losses.gradient_norms(score(interpolates)[0], interpolates)
  return _Tower(real, fake, real_scores, fake_scores, real_labels, labels, real_logits, fake_logits, norms)


def _losses(config, tower, check):
  """Returns (critic's loss, generator's loss, {summary tag: scalar}, the estimate's tag) of a `_Tower`.

  With `check` the losses are finite.
  """
  scalars = {}
  with tf.name_scope('losses'):
    if config.variant == 'gan':
      estimate = 'js_estimate'
      scalars[estimate] = losses.js_estimate(tower.real_scores, tower.fake_scores)
      critic_loss = losses.gan_critic_loss(tower.real_scores, tower.fake_scores)
      generator_loss = losses.gan_generator_loss(tower.fake_scores)
    else:
      estimate = 'wasserstein_estimate'
      scalars[estimate] = losses.wasserstein_estimate(tower.real_scores, tower.fake_scores)
      critic_loss = -scalars[estimate]
      generator_loss = losses.generator_loss(tower.fake_scores)
    if config.variant == 'gp':
      scalars['gradient_penalty'] = losses.gradient_penalty(tower.norms, config.penalty)
      scalars['gradient_norm/mean'] = tf.reduce_mean(tower.norms)
      scalars['gradient_norm/maximum'] = tf.reduce_max(tower.norms)
      critic_loss += config.penalty_weight * scalars['gradient_penalty']
    if config.class_count:
      scalars['class_loss/real'] = losses.class_loss(tower.real_logits, tower.real_labels)
      scalars['class_loss/fake'] = losses.class_loss(tower.fake_logits, tower.labels)
      scalars['class_accuracy/real'] = _accuracy(tower.real_logits, tower.real_labels)
      scalars['class_accuracy/fake'] = _accuracy(tower.fake_logits, tower.labels)
      critic_loss += config.critic_class_weight * scalars['class_loss/real']
      generator_loss += config.generator_class_weight * scalars['class_loss/fake']
    if check:
      critic_loss = _checked(critic_loss, 'critic_loss')
      generator_loss = _checked(generator_loss, 'generator_loss')
  scalars['critic_loss'] = critic_loss
  if not config.fixed_generator:
    scalars['generator_loss'] = generator_loss
  return critic_loss, generator_loss, scalars, estimate


def build_graph(config, devices=('',), replica=towers.ALONE):
  """Adds a run's networks, losses and updates to the default graph.

  Args:
    config: a `config.Config`, with the vocabulary if it is of texts.
    devices: names of those that share each batch, '' being the one in force. Batch norm looks at one device's part.
    replica: a `towers.Replica`: the part of this process, if several train the same networks. `combine` is called
      once for the critic's loss and gradients, and then once for the generator's with batch norm's new statistics,
      never in what only looks. Those that do not combine make `generator_steps` updates in all.

  Returns:
    A `Graph`.
  """
  tf.set_random_seed(config.seed)
  generate, score = models.networks_of(config)
  global_step = _step_counter('global_step')
  critic_step = _step_counter('critic_step')

  with tf.name_scope('inputs'):
    fake_count = tf.placeholder_with_default(config.batch_size, [], 'fake_count')
    draws = _draws(config, global_step.read_value() + critic_step.read_value(), fake_count, replica)
    latents = tf.placeholder_with_default(draws[0], [None, config.latent_size], 'latents')
    interpolation_weights = tf.placeholder_with_default(draws[1], [None], 'interpolation_weights')
    sample_latents = tf.placeholder_with_default(draws[2], [None, config.latent_size], 'sample_latents')
    real = tf.placeholder(tf.float32, [None, *models.sample_shape(config)], 'real')
    real_labels = labels = sample_labels = None
    if config.class_count:
      real_labels = tf.placeholder(tf.int32, [None], 'real_labels')
      labels = tf.placeholder_with_default(draws[3], [None], 'labels')
      sample_labels = tf.placeholder_with_default(draws[4], [None], 'sample_labels')

  parts = zip(*[
    towers.split(t, len(devices)) for t in (real, real_labels, latents, labels, interpolation_weights)
  ])  # fmt: skip
  check = replica.combine is None  # else when they are combined
  tower_list, critic_gradients, generator_gradients = [], [], []
  for i, (device, part) in enumerate(zip(devices, parts)):
    with tf.device(device), tf.name_scope('tower_%d' % i if len(devices) > 1 else ''):
      tower = _tower(config, generate, score, *part)
      critic_loss, generator_loss, scalars, estimate = _losses(config, tower, check)
      tower_list.append(tower)
      generator_variables = tf.trainable_variables('generator/')
      critic_variables = tf.trainable_variables('critic/')
      with tf.name_scope('train_critic/'):  # with the slash it is the scope below, not another of a like name
        critic_gradients.append(tf.gradients(critic_loss, critic_variables))
      if not config.fixed_generator:
        with tf.name_scope('train_generator/'):
          generator_gradients.append(tf.gradients(generator_loss, generator_variables))
  whole = _Tower(*map(towers.join, zip(*tower_list)))
  if len(devices) > 1:
    critic_loss, generator_loss, scalars, estimate = _losses(config, whole, check)
  critic_gradients, generator_gradients = towers.mean(critic_gradients), towers.mean(generator_gradients)
  state = tf.global_variables('generator/') + critic_variables  # before there are slots

  # Each optimizer is given its own network's variables alone.
  with tf.name_scope('train_critic'):
    rate = _learning_rate(config, config.critic_learning_rate, global_step)
    critic_loss, gradients = _combined(replica.combine, 'critic_loss', critic_loss, critic_gradients)
    train_critic = _update(config, rate, critic_loss, gradients, critic_variables, critic_step)
    before_critic = None
    if config.clip_order == 'after':
      with tf.control_dependencies([train_critic]):
        train_critic = losses.clip(critic_variables, config.clip_value)
    elif config.clip_order == 'before':
      before_critic = losses.clip(critic_variables, config.clip_value)
  with tf.name_scope('train_generator'):
    asynchronous = replica.count > 1 and replica.combine is None
    limit = config.generator_steps if asynchronous else None
    if config.fixed_generator:
      train_generator = tf.group(global_step.count_up_to(limit) if limit else global_step.assign_add(1))
    else:
      rate = _learning_rate(config, config.generator_learning_rate, global_step)
      moving, new = layers.new_statistics()
      generator_loss, means = _combined(replica.combine, 'generator_loss', generator_loss, generator_gradients + new)
      gradients, new = means[: len(generator_variables)], means[len(generator_variables) :]
      train_generator = _update(config, rate, generator_loss, gradients, generator_variables, global_step, limit)
      with tf.control_dependencies([train_generator] + new):
        train_generator = layers.update_moving_averages(moving, new, global_step.read_value())
  averages = None
  if config.ema_decay:
    # Of the first updates it takes more than decay says, so that it does not stay near the initial weights.
    averages = tf.train.ExponentialMovingAverage(config.ema_decay, global_step)
    with tf.control_dependencies([train_generator]):
      train_generator = averages.apply(generator_variables)
  with tf.name_scope('samples'), _from_averages(averages):
    samples = (
      real + sample_latents if config.fixed_generator else generate(sample_latents, sample_labels, training=False)
    )

  with tf.name_scope('checks'):
    check_weights = tf.group(*[_checked(v.read_value(), v.op.name) for v in state])
    if config.variant == 'clip':
      weights = tf.concat([tf.reshape(v.read_value(), [-1]) for v in critic_variables], 0)
      scalars['clip/share_at_bound'] = tf.reduce_mean(tf.cast(tf.abs(weights) >= config.clip_value, tf.float32))

  return Graph(
    global_step=global_step,
    critic_step=critic_step,
    real=real,
    real_labels=real_labels,
    fake_count=fake_count,
    latents=latents,
    labels=labels,
    interpolation_weights=interpolation_weights,
    sample_latents=sample_latents,
    sample_labels=sample_labels,
    samples=samples,
    fake=whole.fake,
    real_scores=whole.real_scores,
    fake_scores=whole.fake_scores,
    train_critic=train_critic,
    train_generator=train_generator,
    before_critic=before_critic,
    check_weights=check_weights,
    scalars=scalars,
    estimate=estimate,
    histograms=_histograms(generator_gradients + critic_gradients, generator_variables + critic_variables),
    generator_variables=generator_variables,
    critic_variables=critic_variables,
  )
