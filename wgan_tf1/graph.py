"""The whole static graph of a run, in four stages: inputs -> towers -> updates -> samples.

Stage 1 is `inputs`; the others are below. The file is longer than most, because nobody should have to look elsewhere
for what waits for what.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1 import inputs, layers, losses, networks, optimizers
from wgan_tf1.config import Config
from wgan_tf1.distributed import towers
from wgan_tf1.kernels import xla

# Every check in the graph starts its message with this, so that the training loop recognises it.
NOT_FINITE = 'not finite: '
_LARGE = 2**14  # values: below, a second op would cost more than it saves
# Scopes of the updates, with the slash by which a scope is entered again.
_CRITIC_SCOPE, _GENERATOR_SCOPE = 'train_critic/', 'train_generator/'


class Graph(NamedTuple):
  """The tensors and ops of a run. N is any batch size, B the configured one, Z the latent size.

  A sample is float32: an image [H, W, C], a text [L, V] of one-hot characters or their probabilities, a point [2].
  """

  global_step: tf.Variable  # int64: generator updates so far
  critic_step: tf.Variable  # int64: critic updates so far
  # Inputs. Latents, fake labels and interpolation weights are drawn for each update unless they are fed.
  real: tf.Tensor  # float32 [N, ...], placeholder: real samples
  real_labels: Optional[tf.Tensor]  # int32 [N], placeholder: their labels, for class-conditional networks
  fake_count: tf.Tensor  # int32: number of latents to draw; the generator update's batch size unless fed
  latents: tf.Tensor  # float32 [N, Z]
  labels: Optional[tf.Tensor]  # int32 [N], of the fake samples, for class-conditional networks
  interpolation_weights: tf.Tensor  # float32 [B], used by gp
  sample_latents: tf.Tensor  # float32 [N, Z]: `networks.sample_count` of them, the same throughout a run
  sample_labels: Optional[tf.Tensor]  # int32 [N], each class in turn, for class-conditional networks
  # What the networks make of them. With a fixed generator, samples and fake need `real`.
  samples: tf.Tensor  # float32 [N, ...], the generator's of `sample_latents`
  fake: tf.Tensor  # float32 [N, ...], the generator's of `latents`
  real_scores: tf.Tensor  # float32 [N], f(real)
  fake_scores: tf.Tensor  # float32 [N], f(fake)
  # Updates.
  train_critic: tf.Operation  # one critic update, counted in critic_step; needs `real`, and as many fake samples
  train_generator: tf.Operation  # one generator update, counted in global_step; needs no feeds
  before_critic: Optional[tf.Operation]  # to run before each critic update: the clip, if clip_order is 'before'
  check_weights: tf.Operation  # fails if a weight is not finite
  # What is shown; it needs `real`.
  scalars: Dict[str, tf.Tensor]  # name in `summaries.SCALARS` -> float32 scalar, on the batch that is fed
  estimate: str  # the name of the distance that the variant estimates
  histograms: tf.Tensor  # string: serialized summary of weights, gradients and scores
  # Trainable variables.
  generator_variables: List[tf.Variable]  # under generator/
  critic_variables: List[tf.Variable]  # under critic/


class _Tower(NamedTuple):
  """What one device makes of its part of a batch, N rows. Fields as in `Graph`; None where a run has no such thing."""

  real: tf.Tensor
  fake: tf.Tensor
  real_scores: tf.Tensor
  fake_scores: tf.Tensor
  real_labels: Optional[tf.Tensor]
  labels: Optional[tf.Tensor]
  real_logits: Optional[tf.Tensor]  # float32 [N, classes] of the class-conditional critic
  fake_logits: Optional[tf.Tensor]  # float32 [N, classes]
  norms: Optional[tf.Tensor]  # float32 [N]: norms of the critic's gradients between real and fake samples


class _Batch(NamedTuple):
  """What all towers together make of a batch. Fields as in `Graph`; gradients are in the order of the variables."""

  tower: _Tower
  scalars: Dict[str, tf.Tensor]
  critic_gradients: List[tf.Tensor]
  generator_gradients: List[tf.Tensor]
  critic_variables: List[tf.Variable]
  generator_variables: List[tf.Variable]


def build_graph(
  config: Config,
  devices: Sequence[str] = ('',),
  replica: towers.Replica = towers.ALONE,
  architecture: Optional[networks.Architecture] = None,
) -> Graph:
  """Adds a run's networks, losses and updates to the default graph.

  Args:
    config: with the vocabulary if it is of texts.
    devices: names of the devices that share each batch; '' is the current one. Batch norm sees one device's part.
    replica: the part of this process, if several train the same networks. `combine` is called once for the critic's
      loss and gradients, then once for the generator's with batch norm's new statistics, and for nothing that is only
      looked at. Processes without `combine` make `generator_steps` updates together.
    architecture: (generator, critic) to build instead of `config.architecture`.
  """
  with xla.compiled(config):
    return _built(config, devices, replica, architecture)


def _built(
  config: Config, devices: Sequence[str], replica: towers.Replica, architecture: Optional[networks.Architecture]
) -> Graph:
  """See `build_graph`."""
  tf.set_random_seed(config.seed)
  pair = networks.networks_of(config, architecture)
  counters = inputs.step_counter('global_step'), inputs.step_counter('critic_step')
  fed = inputs.make(config, *counters, replica)
  batch = _towers(config, pair, fed, devices, check=replica.combine is None)
  state = tf.global_variables('generator/') + batch.critic_variables  # listed before the optimizers add their slots
  scalars = dict(batch.scalars)
  train_critic, before_critic, scalars['learning_rate/critic'] = _critic_update(config, batch, fed, *counters, replica)
  train_generator, averages, rate = _generator_update(config, batch, counters[0], replica)
  samples = _samples(config, pair, fed, averages)
  if config.fixed_generator:
    del scalars['generator_loss']  # nothing minimises it
  else:
    scalars['learning_rate/generator'] = rate
  with tf.name_scope('checks') as scope:
    check_weights = tf.group(*[_checked(v.read_value(), v.op.name, scope + v.op.name) for v in state])
    if config.variant == 'clip':
      weights = tf.concat([tf.reshape(v.read_value(), [-1]) for v in batch.critic_variables], 0)
      scalars['clip/share_at_bound'] = tf.reduce_mean(tf.cast(tf.abs(weights) >= config.clip_value, tf.float32))
  return Graph(
    **fed,
    global_step=counters[0],
    critic_step=counters[1],
    samples=samples,
    fake=batch.tower.fake,
    real_scores=batch.tower.real_scores,
    fake_scores=batch.tower.fake_scores,
    train_critic=train_critic,
    train_generator=train_generator,
    before_critic=before_critic,
    check_weights=check_weights,
    scalars=scalars,
    estimate='js_estimate' if config.variant == 'gan' else 'wasserstein_estimate',
    histograms=_histograms(batch),
    generator_variables=batch.generator_variables,
    critic_variables=batch.critic_variables,
  )


# Stage 2: towers.


def _towers(
  config: Config, pair: networks.Architecture, fed: Dict[str, Any], devices: Sequence[str], check: bool
) -> _Batch:
  """Builds networks, losses and gradients on each device's part of a batch; `check` as in `_losses`."""
  names = ('real', 'real_labels', 'latents', 'labels', 'interpolation_weights')
  parts = zip(*[towers.split(fed[name], len(devices)) for name in names])
  found, critic_gradients, generator_gradients = [], [], []
  for i, (device, part) in enumerate(zip(devices, parts)):
    with tf.device(device), tf.name_scope('tower_%d' % i if len(devices) > 1 else ''):
      tower = _tower(config, pair, *part)
      scalars = _losses(config, tower, check)
      found.append(tower)
      generator_variables = tf.trainable_variables('generator/')
      critic_variables = tf.trainable_variables('critic/')
      with tf.name_scope(_CRITIC_SCOPE):
        critic_gradients.append(tf.gradients(scalars['critic_loss'], critic_variables))
      if not config.fixed_generator:
        with tf.name_scope(_GENERATOR_SCOPE):
          generator_gradients.append(tf.gradients(scalars['generator_loss'], generator_variables))
  whole = _Tower(*map(towers.join, zip(*found)))
  if len(devices) > 1:
    scalars = _losses(config, whole, check)
  with tf.name_scope(_CRITIC_SCOPE + 'mean_of_towers/'):
    mean_critic_gradients = towers.mean(critic_gradients)
  with tf.name_scope(_GENERATOR_SCOPE + 'mean_of_towers/'):
    mean_generator_gradients = towers.mean(generator_gradients)
  return _Batch(whole, scalars, mean_critic_gradients, mean_generator_gradients, critic_variables, generator_variables)


def _tower(
  config: Config,
  pair: networks.Architecture,
  real: Any,
  real_labels: Any,
  latents: Any,
  labels: Any,
  interpolation_weights: Any,
) -> _Tower:
  """Builds both networks on one part of a batch.

  There is one generator and one critic: the first call makes their variables, the others share them by scope.
  """
  generate, score = pair
  with tf.name_scope('fake'):
    fake = real + latents if config.fixed_generator else generate(latents, labels, training=True)
    fake_scores, fake_logits = score(fake)
  with tf.name_scope('real'):
    real_scores, real_logits = score(real)
  norms = None
  if config.variant == 'gp':
    # In a scope of the losses: TensorBoard takes busy nodes, such as train_critic, out of a graph of 15 nodes or more.
    with tf.name_scope('losses/penalty'):
      interpolates = losses.interpolate(real, fake, interpolation_weights)
      norms = losses.gradient_norms(score(interpolates)[0], interpolates)
  return _Tower(real, fake, real_scores, fake_scores, real_labels, labels, real_logits, fake_logits, norms)


def _losses(config: Config, tower: _Tower, check: bool) -> Dict[str, Any]:
  """Returns {name: scalar}: both networks' losses, which with `check` must be finite, and their parts."""
  scalars = {}
  with tf.name_scope('losses') as scope:
    scalars['critic/real_score'] = tf.reduce_mean(tower.real_scores)
    scalars['critic/fake_score'] = tf.reduce_mean(tower.fake_scores)
    if config.variant == 'gan':
      scalars['js_estimate'] = losses.js_estimate(tower.real_scores, tower.fake_scores)
      critic_loss = losses.gan_critic_loss(tower.real_scores, tower.fake_scores)
      generator_loss = losses.gan_generator_loss(tower.fake_scores)
    else:
      scalars['wasserstein_estimate'] = losses.wasserstein_estimate(tower.real_scores, tower.fake_scores)
      critic_loss = -scalars['wasserstein_estimate']
      generator_loss = losses.generator_loss(tower.fake_scores)
    if config.variant == 'gp':
      scalars['gradient_penalty'] = losses.gradient_penalty(tower.norms, config.penalty)
      scalars['gradient_norm/mean'] = tf.reduce_mean(tower.norms)
      scalars['gradient_norm/maximum'] = tf.reduce_max(tower.norms)
      critic_loss += config.penalty_weight * scalars['gradient_penalty']
    if config.class_count:
      scalars['class_loss/real'] = losses.class_loss(tower.real_logits, tower.real_labels)
      scalars['class_loss/fake'] = losses.class_loss(tower.fake_logits, tower.labels)
      scalars['class_accuracy/real'] = losses.class_accuracy(tower.real_logits, tower.real_labels)
      scalars['class_accuracy/fake'] = losses.class_accuracy(tower.fake_logits, tower.labels)
      critic_loss += config.critic_class_weight * scalars['class_loss/real']
      generator_loss += config.generator_class_weight * scalars['class_loss/fake']
    for name, loss in (('critic_loss', critic_loss), ('generator_loss', generator_loss)):
      scalars[name] = _checked(loss, name, scope + 'checks/' + name) if check else loss
  return scalars


def _checked(tensor: Any, name: str, op_name: str) -> Any:
  """Returns a tensor that fails, by name, unless it is finite; the check is an op called exactly `op_name`."""
  with tf.name_scope(None):
    return tf.check_numerics(tensor, NOT_FINITE + name, op_name)


def _check(tensor: Any, name: str, op_name: str) -> Any:
  """Returns an op that fails as `_checked` does.

  CheckNumerics reads with one thread. So of a large tensor it reads only half the sum of squares, which is not finite
  either, and which all cores compute. That sum overflows too if a finite value is beyond 1e19; so would the optimizers'
  mean square.
  """
  if tensor.shape.num_elements() and tensor.shape.num_elements() >= _LARGE:
    with tf.name_scope(None):
      tensor = tf.nn.l2_loss(tensor, op_name + '/square')
  return _checked(tensor, name, op_name)


# Stage 3: updates. Each optimizer is given its own network's variables alone.


def _critic_update(
  config: Config, batch: _Batch, fed: Dict[str, Any], global_step: Any, critic_step: Any, replica: towers.Replica
) -> Tuple[Any, Any, Any]:
  """Algorithm 1, lines 3 to 7 of WGAN, 4 to 9 of WGAN-GP. TensorBoard shows gradients -> checks -> optimizer -> clip.

  Returns:
    (train_critic, before_critic, learning rate).
  """
  with tf.name_scope(_CRITIC_SCOPE):
    with tf.name_scope('learning_rate'):
      rate = tf.convert_to_tensor(
        optimizers.decayed(config.critic_learning_rate, config.learning_rate_decay_steps, global_step)
      )
    loss, gradients = _combined(replica.combine, batch, 'critic_loss', batch.critic_gradients, _CRITIC_SCOPE)
    # The inputs' rows are counted: another use of the samples would change how TensorFlow 2 fuses the layers.
    ready = [loss, _same_count(fed['real'], fed['latents'])]
    optimizer = optimizers.make(config, rate)
    train = _update(optimizer, ready, gradients, batch.critic_variables, critic_step, _CRITIC_SCOPE)
    if config.clip_order == 'after':
      # The clip's reads and assigns are created here, so that they wait for the update.
      with tf.control_dependencies([train]):
        return losses.clip(batch.critic_variables, config.clip_value), None, rate
    before = losses.clip(batch.critic_variables, config.clip_value) if config.clip_order == 'before' else None
    return train, before, rate


def _generator_update(
  config: Config, batch: _Batch, global_step: Any, replica: towers.Replica
) -> Tuple[Any, Any, Optional[Any]]:
  """Algorithm 1, lines 9 to 11 of WGAN.

  Returns:
    (train_generator, the moving averages of its weights or None, learning rate or None).
  """
  rate = None
  with tf.name_scope(_GENERATOR_SCOPE):
    asynchronous = replica.count > 1 and replica.combine is None
    limit = config.generator_steps if asynchronous else None
    if config.fixed_generator:
      train = tf.group(global_step.count_up_to(limit) if limit else global_step.assign_add(1))
    else:
      with tf.name_scope('learning_rate'):
        decay = config.learning_rate_decay_steps
        rate = tf.convert_to_tensor(
          optimizers.decayed(config.generator_learning_rate, decay, global_step, of_generator=True)
        )
      variables = batch.generator_variables
      moving, new = layers.new_statistics()
      tensors = batch.generator_gradients + new
      loss, tensors = _combined(replica.combine, batch, 'generator_loss', tensors, _GENERATOR_SCOPE)
      gradients, new = tensors[: len(variables)], tensors[len(variables) :]
      optimizer = optimizers.make(config, rate)
      train = _update(optimizer, [loss], gradients, variables, global_step, _GENERATOR_SCOPE, limit)
      with tf.control_dependencies([train] + new):
        train = layers.update_moving_averages(moving, new, global_step.read_value())
  if not config.ema_decay:
    return train, None, rate
  # The first updates count for more than the decay says, so that the average does not stay near the initial weights.
  averages = tf.train.ExponentialMovingAverage(config.ema_decay, global_step)
  with tf.name_scope(_GENERATOR_SCOPE + 'averages/'), tf.control_dependencies([train]):
    return averages.apply(batch.generator_variables), averages, rate


def _update(
  optimizer: Any,
  ready: List[Any],
  gradients: List[Any],
  variables: List[Any],
  step: Any,
  scope: str,
  limit: Optional[int] = None,
) -> Any:
  """One update of `variables` alone, counted in `step`; with a `limit`, it fails with OutOfRange at that step.

  No variable changes before `ready`, the loss, and every gradient are computed and finite. Otherwise a variable could
  change before another's gradient, or the loss, has read it.
  """
  checks = []
  for g, v in zip(gradients, variables):
    checks.append(_check(g, 'gradient of ' + v.op.name, scope + 'checks/' + losses.name_in_network(v)))
  with tf.control_dependencies(ready + gradients + checks):
    if limit is None:
      return optimizer.apply_gradients(list(zip(gradients, variables)), step)
    # The step is counted first, and atomically: of several processes one step before the limit, one makes the last.
    with tf.control_dependencies([step.count_up_to(limit)]):
      return optimizer.apply_gradients(list(zip(gradients, variables)))


def _combined(combine: Any, batch: _Batch, loss_name: str, tensors: List[Any], scope: str) -> Tuple[Any, List[Any]]:
  """Returns (loss, tensors), or with `combine` their means over the processes.

  The means are checked, not what each process has, so that all processes stop alike. They are combined in one call,
  before any variable changes: if a process fails, the others have made the whole update or none of it.
  """
  loss = batch.scalars[loss_name]
  if not combine:
    return loss, tensors
  loss, *tensors = combine([loss] + tensors)
  return _checked(loss, loss_name, scope + 'checks/loss'), tensors


def _same_count(real: Any, latents: Any) -> Any:
  """An op that fails unless there are as many fake samples, and so latents, as real samples."""
  message = 'a critic update needs as many fake samples as real ones: feed fake_count'
  with tf.name_scope(_CRITIC_SCOPE + 'checks/same_count/'):
    counts = [tf.shape(real)[0], tf.shape(latents)[0]]
    # The raw op: tf.Assert's conditional would make TensorFlow 2 start its devices before the session's options apply.
    return tf.raw_ops.Assert(condition=tf.equal(*counts), data=[message, *counts])


# Stage 4: samples and summaries.


def _samples(config: Config, pair: networks.Architecture, fed: Dict[str, Any], averages: Any) -> Any:
  """Returns what the generator makes of the latents that stay the same throughout a run."""
  with tf.name_scope('samples'), _from_averages(averages):
    if config.fixed_generator:
      return fed['real'] + fed['sample_latents']
    return pair[0](fed['sample_latents'], fed['sample_labels'], training=False)


def _from_averages(averages: Any) -> Any:
  """A scope in which `tf.get_variable` returns a variable's moving average, if it has one."""

  def average(getter: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    variable = getter(name, *args, **kwargs)
    moving = averages and averages.average(variable)
    return variable if moving is None else moving

  return tf.variable_scope(tf.get_variable_scope(), custom_getter=average)


def _histograms(batch: _Batch) -> Any:
  """One serialized summary: every variable and its gradient, under weights/ and gradients/, and the critic's scores."""
  variables = batch.generator_variables + batch.critic_variables
  gradients = batch.generator_gradients + batch.critic_gradients
  with tf.name_scope('histograms') as scope:
    shown = {'weights/' + v.op.name: v.read_value() for v in variables}
    for g, v in zip(gradients, variables):
      name = 'gradients/' + v.op.name
      shown[name] = _checked(g, 'gradient of ' + v.op.name, scope + 'checks/' + name)
    # A tag that is a scalar's too would show nothing: so real_scores, beside the mean critic/real_score.
    shown['critic/real_scores'], shown['critic/fake_scores'] = batch.tower.real_scores, batch.tower.fake_scores
    # The raw op: its tag does not have the scope.
    ops = [tf.raw_ops.HistogramSummary(tag=tag, values=values, name=tag) for tag, values in shown.items()]
    return tf.summary.merge(ops, collections=[], name='all')
