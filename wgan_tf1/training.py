"""Trainer, which owns a training step; and the loop over steps, which reads like Algorithm 1 of both papers."""

import contextlib
import dataclasses
import re
from typing import Any, Callable, Iterator, List, Optional

import tensorflow.compat.v1 as tf

from wgan_tf1 import console, files, networks, recording, sampling
from wgan_tf1.config import Config
from wgan_tf1.data import batches, datasets, prefetch
from wgan_tf1.distributed import cluster
from wgan_tf1.errors import UserError, warn
from wgan_tf1.graph import NOT_FINITE, Graph, build_graph
from wgan_tf1.kernels import devices, precision, xla
from wgan_tf1.runs import checkpoints, directory, starting


class Trainer(sampling.Model):
  """A run in training. It knows what each update needs: its batch and labels, the clip before it, the step counters.

  A context manager, which makes batches ahead of time in threads and stops them at its end.

  Attributes:
    dataset: a `datasets.Dataset`.
    strategy: what differs between one process and a cluster; see `cluster`.
    global_step: generator updates so far.
    critic_step: critic updates so far.
  """

  def __init__(self, config: Config, dataset: datasets.Dataset, graph: Graph, session: Any, strategy: Any = None):
    """Continues from the values that the session has for the variables."""
    super().__init__(config, graph, session)
    self.dataset = dataset
    self.strategy = strategy or cluster.Alone()
    self.global_step, self.critic_step = (int(n) for n in session.run([graph.global_step, graph.critic_step]))
    self._due = self.strategy.due(config, self.global_step, self.critic_step)
    self._batches: Optional[prefetch.Prefetcher] = None

  def __enter__(self) -> 'Trainer':
    return self

  def __exit__(self, *exception: Any) -> None:
    if self._batches is not None:
      self._batches.__exit__(*exception)

  @property
  def critic_updates_left(self) -> int:
    """Critic updates that are due before the next generator update."""
    return self._due - self.critic_step

  def feed(self) -> Any:
    """Returns the feed of the critic update to come."""
    return self.critic_feed(*self._ahead().peek())

  def critic_update(self, fetches: Any = None, feed: Any = None, run: Optional[Callable[..., Any]] = None) -> Any:
    """Makes a critic update: lines 3 to 7 of WGAN's Algorithm 1, 4 to 9 of WGAN-GP's.

    Args:
      fetches: tensors to evaluate on the same samples, before the update; None is the estimate.
      feed: the samples; None is the next batch.
      run: used instead of `session.run`.

    Returns:
      The values of `fetches`.

    Raises:
      UserError: if the data cannot be read.
    """
    feed = self.critic_feed(*self._ahead().next()) if feed is None else feed
    if self.graph.before_critic is not None:
      self.session.run(self.graph.before_critic)
    fetches = self.graph.scalars[self.graph.estimate] if fetches is None else fetches
    _, values = self.strategy.update_critic(run or self.session.run, [self.graph.train_critic, fetches], feed)
    self.critic_step += 1
    return values

  def generator_update(self, run: Optional[Callable[..., Any]] = None) -> None:
    """Makes a generator update: lines 9 to 11 of WGAN's Algorithm 1; `run` as in `critic_update`."""
    self.global_step = self.strategy.update_generator(run or self.session.run, self.graph, self.global_step)
    self._due = self.strategy.due(self.config, self.global_step, self.critic_step)

  def step(self, fetches: Any = None) -> Any:
    """Makes the critic updates that are due and a generator update; returns the last values of `fetches`."""
    values = None
    while self.critic_updates_left > 0:
      values = self.critic_update(fetches)
    self.generator_update()
    return values

  def _ahead(self) -> prefetch.Prefetcher:
    """The batches to come; the first call starts to make them."""
    if self._batches is None:
      config, dataset, share = self.config, self.dataset, self.strategy.share
      self._batches = prefetch.Prefetcher(
        lambda step: batches.batch(config, dataset, *share(step)), self.strategy.own_updates(self.critic_step)
      )
    return self._batches


@contextlib.contextmanager
def new_trainer(
  config: Config,
  dataset: Optional[datasets.Dataset] = None,
  architecture: Optional[networks.Architecture] = None,
  change: Optional[Callable[[Graph], Graph]] = None,
  session_config: Any = None,
) -> Iterator[Trainer]:
  """Yields a `Trainer` at its initial weights, in a new graph and session, without a run directory.

  Args:
    config: the run.
    dataset: to train on; None loads the config's.
    architecture: (generator, critic) to train instead of `config.architecture`.
    change: function of the `Graph` that returns the one to train; None trains it as it is.
    session_config: a `tf.ConfigProto`; None has TensorFlow's defaults.
  """
  dataset = dataset or datasets.load(config)
  config = datasets.found(config, dataset)
  with tf.Graph().as_default(), tf.Session(config=session_config) as session:
    graph = build_graph(config, architecture=architecture)
    graph = change(graph) if change else graph
    session.run(tf.global_variables_initializer())
    with Trainer(config, dataset, graph, session) as trainer:
      yield trainer


def train(config: Config, dataset: Optional[datasets.Dataset] = None) -> Optional[int]:
  """Starts the run in `config.run_dir`, or resumes it from its newest checkpoint.

  With TF_CONFIG this process is one of several that train the run together; see `cluster`.

  Args:
    config: the run.
    dataset: its data, if both were returned by `starting.resolved`; None calls that.

  Returns:
    The signal, SIGINT or SIGTERM, that ended the run early; None if it was trained to its end.

  Raises:
    UserError: if the machine lacks the precision or XLA, the data cannot be loaded, the directory holds another run or
      another process trains in it, training diverged, or a process of the cluster does not connect.
  """
  precision.check(config.precision)
  strategy = cluster.join(devices.session_options(config), config.cluster_wait_seconds)
  if isinstance(strategy, cluster.ParameterServer):
    return strategy.serve()
  try:
    return _train(config, dataset, strategy)
  except cluster.PeerLost as e:
    warn('%s. Restarting, to wait for it' % e)
  cluster.restart()
  return None


def _train(config: Config, dataset: Optional[datasets.Dataset], strategy: Any) -> Optional[int]:
  """See `train`."""
  if dataset is None:
    config, dataset = starting.resolved(config, strategy.chief)
  config = dataclasses.replace(config, xla=xla.resolved(config))
  with contextlib.ExitStack() as stack:
    if strategy.chief:
      stack.enter_context(directory.only_process(config.run_dir))
    stack.enter_context(tf.Graph().as_default())
    with tf.device(strategy.device):
      graph = build_graph(config, devices.towers(config.num_gpus), strategy.replica)
    saver = tf.train.Saver(max_to_keep=config.keep_checkpoints)
    session = stack.enter_context(strategy.session())
    _give_values(config, session, saver, strategy)
    trainer = stack.enter_context(Trainer(config, dataset, graph, session, strategy))
    if trainer.global_step >= config.generator_steps:
      if strategy.chief:  # a parameter server may have finished the run after the last checkpoint
        checkpoints.save(session, saver, config.run_dir, trainer.global_step)
        # Its data may have moved.
        previous = directory.previous(config)
        steps = max(trainer.global_step, previous.generator_steps if previous else 0)  # its goal is not given up
        directory.write_config(dataclasses.replace(config, generator_steps=steps))
      advice = 'Raise --generator_steps to train it further'
      if trainer.global_step == config.learning_rate_decay_steps:
        advice = 'Its learning rates are zero. To train for longer, start a new run from its weights: '
        advice += '--init_from=%s and another --run_dir' % files.pasted(config.run_dir)
      print('%s is already at generator step %d. %s' % (config.run_dir, trainer.global_step, advice))
      strategy.end(session)
      return None
    signals = stack.enter_context(console.stop_signals())
    stopped = strategy.stopped(signals)
    print(console.opening_block(trainer), flush=True)
    records = stack.enter_context(recording.recorder(trainer, saver)) if strategy.chief else None
    _train_to_the_end(trainer, records, signals, stopped)
  return _say_the_end(trainer, stopped)


def _give_values(config: Config, session: Any, saver: Any, strategy: Any) -> None:
  """Gives the variables their first values: of the newest checkpoint, if there is one, or of another run's."""

  def first_values() -> None:
    # Not tf.global_variables_initializer: TensorBoard's graph would show its NoOp among auxiliary nodes.
    session.run([v.initializer for v in tf.global_variables()])
    if strategy.chief:
      checkpoints.remove_unfinished(config.run_dir)
      restored = checkpoints.restore(session, saver, config.run_dir)
      if config.init_from is not None and config.init_step is not None and not restored:
        checkpoints.start_from(session, config.init_from, config.init_step, config.init_optimizers)

  strategy.agree(session, config, first_values)
  if strategy.chief and not saver.last_checkpoints:  # a parameter server had the variables all along
    # The newest checkpoint may be torn: it was not read.
    checkpoints.remember(saver, list(directory.checkpoint_paths(config.run_dir).values())[:-1])


def _train_to_the_end(
  trainer: Trainer, records: Optional[recording.Recorder], signals: List[int], stopped: List[int]
) -> None:
  """Runs the loop. If data, a file or a process fails, saves what was trained; the networks are not affected."""
  config, session, strategy = trainer.config, trainer.session, trainer.strategy
  try:
    _train_loop(trainer, records, stopped)
    if records and trainer.global_step == config.generator_steps:
      records.end()
      strategy.end(session)
  except (UserError, cluster.PeerLost) as e:
    if records and (strategy.own_variables or isinstance(e, UserError)):
      trainer.global_step = int(session.run(trainer.graph.global_step))
      records.save()
    if isinstance(e, UserError) or not signals:
      raise
    stopped.append(signals[0])
  except tf.errors.InvalidArgumentError as e:
    diverged = _diverged(trainer, e)
    if diverged:
      raise diverged from e
    raise


def _say_the_end(trainer: Trainer, stopped: List[int]) -> Optional[int]:
  """Prints how the run ended; returns the signal that stopped it early, or None."""
  config, step, chief = trainer.config, trainer.global_step, trainer.strategy.chief
  if stopped and step < config.generator_steps:
    stopped_at = 'Stopped at generator step %d of %d; %s. Run the same command to resume.'
    print(stopped_at % (step, config.generator_steps, 'saved' if chief else 'the chief has the checkpoints'))
    return stopped[0]
  where = directory.sample_path(config, step) if chief else 'the run directory of the chief'
  print('Trained %s. See %s' % (console.count(step, 'generator step'), where))
  return None


def _train_loop(trainer: Trainer, records: Optional[recording.Recorder], stopped: List[int]) -> None:
  """WGAN (1701.07875) and WGAN-GP (1704.00028), Algorithm 1, until the last generator step or a signal."""
  config = trainer.config
  estimate = float('nan')  # a resumed run may have no critic update left before the next generator update
  stopping = False
  if records and trainer.global_step == 0:
    records.write_samples()
  with console.progress_bar(config, trainer.global_step, shown=records is not None) as bar:
    while trainer.global_step < config.generator_steps and not stopping:
      before = trainer.global_step
      while trainer.critic_updates_left > 0 and not stopped:  # lines 2 to 8
        if records and trainer.critic_updates_left == 1:
          estimate = records.last_critic_update()
        else:
          trainer.critic_update(records.fetches if records else None)
      if trainer.critic_updates_left <= 0:
        if records:
          records.summarise()
        trainer.generator_update(records.traced('generator') if records else None)  # lines 9 to 11
        console.advance(bar, trainer, estimate, trainer.global_step - before)
      last = trainer.global_step >= config.generator_steps
      stopping = bool(stopped)  # read once: a later signal ends the next step, after which it is saved
      if last:
        trainer.strategy.last_update()
      if records:
        records.keep(before, last, stopping)


def _diverged(trainer: Trainer, error: Any) -> Optional[UserError]:
  """Returns an error that names the step and the tensor if a check of the graph raised `error`; else None."""
  match = re.search(re.escape(NOT_FINITE) + '(.*?) : Tensor had (.*?) values', error.message)
  if not match:
    return None
  graph, session, run_dir = trainer.graph, trainer.session, trainer.config.run_dir
  step, critic_step = session.run([graph.global_step, graph.critic_step])
  good = ['in the run directory of the chief']
  if trainer.strategy.chief:
    good = list(directory.checkpoint_paths(run_dir).values())
  checkpoint = 'the last good checkpoint is ' + good[-1] if good else 'there is no checkpoint'
  return UserError(
    'training diverged after %d generator and %d critic steps: %s has %s values; %s. Use another --run_dir and smaller '
    'learning rates' % (step, critic_step, *match.groups(), checkpoint)
  )
