"""How several processes train one run, and how their updates are combined.

Without TF_CONFIG a process is `Alone`. With it, the processes build the same graph and run it in sessions of
TensorFlow's own servers, in one of two ways:

- `Synchronous`, without a parameter server: each process has the variables and its part of every batch. TensorFlow's
  collective all-reduce averages the gradients before every update, so that the variables stay equal.
- `Asynchronous`, with one: the parameter server has the variables, and each process updates them at its own pace.

The first chief, or worker 0 without one, is the chief: only the chief writes to the run directory. When a process loses
another one that it needs, it restarts and waits for it; see `peers`.
"""

import contextlib
import dataclasses
import functools
import json
import signal
import time
import zlib
from typing import Any, Callable, Iterator, List, Optional, Set, Tuple, Union

import tensorflow.compat.v1 as tf
from tensorflow.python.ops import collective_ops

from wgan_tf1 import config as configs
from wgan_tf1.distributed import peers, server, tf_config, towers
from wgan_tf1.distributed.peers import PeerLost, restart
from wgan_tf1.distributed.server import ParameterServer
from wgan_tf1.errors import UserError

__all__ = ['Alone', 'Asynchronous', 'ParameterServer', 'PeerLost', 'Synchronous', 'join', 'restart']


def join(session_config: Any, wait_seconds: float) -> Union['Alone', ParameterServer]:
  """Starts this process's server if TF_CONFIG describes a cluster.

  Args:
    session_config: a `tf.ConfigProto`.
    wait_seconds: how long to wait for a process that does not answer.

  Returns:
    An `Alone`, `Synchronous`, `Asynchronous` or `ParameterServer`.

  Raises:
    UserError: if TF_CONFIG is wrong, or another process uses the port.
  """
  where = tf_config.place()
  if where is None:
    return Alone(session_config)
  if where.job == 'ps':
    return ParameterServer(where, session_config)
  return (Asynchronous if 'ps' in where.jobs else Synchronous)(where, session_config, wait_seconds)


def _checksum(config: configs.Config) -> int:
  """Returns a positive number that differs if a setting differs that must be the same in all processes."""
  own = configs.CHANGEABLE - {'generator_steps'}
  settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in own}
  return 1 + zlib.crc32(json.dumps(settings, sort_keys=True).encode())


class Alone:
  """The only process of a run. `Synchronous` and `Asynchronous` have the same interface."""

  chief = True  # only the chief writes to the run directory
  replica = towers.ALONE
  device: Any = ''  # for `tf.device`, around the graph
  own_variables = True  # whether this process has the variables
  cluster: Optional[str] = None  # describes the cluster in one line

  def __init__(self, session_config: Any = None):
    self._session_config = session_config

  @contextlib.contextmanager
  def session(self) -> Iterator[Any]:
    """Yields the `tf.Session` to train in."""
    with tf.Session(config=self._session_config) as session:
      yield session

  def agree(self, session: Any, config: configs.Config, first_values: Callable[[], Any]) -> None:
    """Gives the variables of all processes the values that first_values() sets at the chief.

    Raises:
      UserError: if a process does not connect, or has other settings or data.
      PeerLost: if a process is lost.
    """
    del session, config
    first_values()

  def stopped(self, signals: List[int]) -> List[int]:
    """Returns a list to which this process's signal is added once it is to stop; `signals` are those it received."""
    return signals

  def share(self, step: int) -> Tuple[Any, ...]:
    """Returns the last arguments of `batches.batch` for this process's critic update `step`: step, or step and part."""
    return (step,)

  def own_updates(self, critic_step: int) -> int:
    """Returns how many of the first `critic_step` critic updates are this process's."""
    return critic_step

  def due(self, config: configs.Config, step: int, critic_step: int) -> int:
    """Returns how many critic updates must be done, in all, before the generator update that follows `step`."""
    del critic_step
    return configs.critic_updates(config, step + 1)

  def update_critic(self, run: Callable[..., Any], fetches: List[Any], feed: Any) -> List[Any]:
    """Makes the critic update that is among `fetches`; returns the values of `fetches`.

    Args:
      run: called as `session.run` is: run(fetches, feed_dict).
      fetches: tensors and ops.
      feed: {placeholder: value}.
    """
    return run(fetches, feed)

  def update_generator(self, run: Callable[..., Any], graph: Any, step: int) -> int:
    """Makes a generator update by `run(graph.train_generator)`; returns how many all processes have made."""
    run(graph.train_generator)
    return step + 1

  def last_update(self) -> None:
    """Returns once no process changes the variables any more."""

  def end(self, session: Any) -> None:
    """Tells the parameter servers that the run is over."""


class _Member(Alone):
  """What `Synchronous` and `Asynchronous` share."""

  def __init__(self, where: tf_config.Place, session_config: Any, wait_seconds: float):
    super(_Member, self).__init__(session_config)
    trainers = where.trainers()
    self._where = where
    self._wait_seconds = wait_seconds
    self._peers = peers.Peers(where, wait_seconds)
    self._index = trainers.index(where.name())
    self._count = len(trainers)
    self._chief = trainers[0]
    self._others = [name for name in trainers if name != where.name()]
    self.chief = self._index == 0
    counts = ', '.join('%d %s' % (len(where.jobs[job]), job) for job in tf_config.JOBS if job in where.jobs)
    self.cluster = '%s; this is %s at %s' % (counts, where.name(), where.address(where.name()))
    self._server = server.start(where, session_config)

  @contextlib.contextmanager
  def session(self) -> Iterator[Any]:
    # It is not closed: that would wait for whatever the loss of another process has blocked.
    yield tf.Session(self._server.target, config=self._session_config)


class Synchronous(_Member):
  """Each process has the variables, and makes the same updates from the gradients of all."""

  def __init__(self, where: tf_config.Place, session_config: Any, wait_seconds: float):
    session_config.experimental.collective_group_leader = where.device(where.trainers()[0])
    session_config.device_filters.append(where.device(where.name()))
    super(Synchronous, self).__init__(where, session_config, wait_seconds)
    self.device = where.device(where.name())
    self.replica = towers.Replica(self._index, self._count, self._combine)
    self._sums = 0
    self._stop = None  # float32 scalar: fed 1 if this process is to stop
    self._votes = None  # float32 scalar: how many processes are to stop, as of a critic update
    self._signals: List[int] = []
    self._stopped: List[int] = []

  def _sum(self, vector: Any) -> Any:
    """Returns the sum of the processes' vectors. Every process must build the same sums in the same order."""
    self._sums += 1
    with tf.device('/cpu:0'):  # it passes through the CPU anyway to be sent
      return collective_ops.all_reduce(vector, self._count, 1, self._sums, 'Add', 'Id')

  def _combine(self, tensors: List[Any]) -> List[Any]:
    """See `towers.Replica`. All tensors go in one vector, because every collective waits for the slowest process."""
    if self._stop is None:
      self._stop = tf.placeholder_with_default(0.0, [], 'stop')
    flat = tf.concat([tf.reshape(t, [-1]) for t in tensors] + [[self._stop]], 0)
    *parts, votes = tf.split(self._sum(flat), [t.shape.num_elements() for t in tensors] + [1])
    if self._votes is None:  # the critic's update is built first
      self._votes = votes
    return [tf.reshape(part, t.shape) / self._count for part, t in zip(parts, tensors)]

  def agree(self, session: Any, config: configs.Config, first_values: Callable[[], Any]) -> None:
    first_values()
    self._peers.depend_on(self._others)
    with tf.device(self.device):
      mine = tf.one_hot(self._index, self._count, tf.constant(_checksum(config), tf.int64), dtype=tf.int64)
      all_checksums = self._sum(mine)
      assigns = []
      for dtype in (tf.float32, tf.int64):
        variables = [v for v in tf.global_variables() if v.dtype.base_dtype == dtype]
        values = tf.concat([tf.reshape(v.read_value(), [-1]) for v in variables], 0)
        values = self._sum(values if self.chief else tf.zeros_like(values))
        parts = tf.split(values, [v.shape.num_elements() for v in variables])
        assigns += [v.assign(tf.reshape(part, v.shape)) for v, part in zip(variables, parts)]
    checksums = self._peers.guarded(session.run, all_checksums).tolist()
    different = [name for name, c in zip(self._where.trainers(), checksums) if c != checksums[0]]
    if different:
      raise UserError(
        '%s has other settings or data than %s. Give all processes the same flags and data'
        % (different[0], self._chief)
      )
    self._peers.guarded(session.run, tf.group(*assigns))

  def stopped(self, signals: List[int]) -> List[int]:
    self._signals = signals
    return self._stopped

  def share(self, step: int) -> Tuple[Any, ...]:
    return step, (self._index, self._count)

  def update_critic(self, run: Callable[..., Any], fetches: List[Any], feed: Any) -> List[Any]:
    feed = dict(feed)
    feed[self._stop] = float(bool(self._signals))
    values, votes = self._peers.guarded(run, [fetches, self._votes], feed)
    if votes[0] and not self._stopped:
      self._stopped.append(self._signals[0] if self._signals else signal.SIGTERM)
    return values

  def update_generator(self, run: Callable[..., Any], graph: Any, step: int) -> int:
    self._peers.guarded(run, graph.train_generator)
    return step + 1


class Asynchronous(_Member):
  """The parameter servers have the variables, and each process updates them at its own pace."""

  own_variables = False

  def __init__(self, where: tf_config.Place, session_config: Any, wait_seconds: float):
    session_config.device_filters.extend(['/job:ps', where.device(where.name())])
    super(Asynchronous, self).__init__(where, session_config, wait_seconds)
    self.device = tf.train.replica_device_setter(
      worker_device=where.device(where.name()), cluster=tf.train.ClusterSpec(where.jobs)
    )
    self.replica = towers.Replica(self._index, self._count, None)
    self._here: Set[str] = set()  # the other processes that train now
    self._session: Any = None

  @contextlib.contextmanager
  def session(self) -> Iterator[Any]:
    guarded = self._peers.guarded

    class Session(tf.Session):
      def run(self, *args: Any, **kwargs: Any) -> Any:
        return guarded(functools.partial(super(Session, self).run, *args, **kwargs))

    self._session = Session(self._server.target, config=self._session_config)
    yield self._session

  def agree(self, session: Any, config: configs.Config, first_values: Callable[[], Any]) -> None:
    self._peers.depend_on(self._where.servers())
    with tf.device(self.device):
      # The checksum of the settings once the variables have their values, 0 before. It is in no checkpoint.
      settings = tf.get_variable(
        'settings', [], tf.int64, tf.zeros_initializer(), trainable=False, use_resource=True, collections=[]
      )
      missing = tf.report_uninitialized_variables(tf.global_variables() + [settings])

    def agreed() -> int:
      return 0 if len(session.run(missing)) else int(session.run(settings))

    if not self.chief:
      while not agreed():
        peers.wait_for(self._where, [self._chief], self._wait_seconds)
        time.sleep(0.5)
    elif not agreed():  # otherwise only the chief was restarted, and the servers still have the variables
      session.run(settings.initializer)
      first_values()
      session.run(settings.assign(_checksum(config)))
    if agreed() != _checksum(config):
      raise UserError(
        '%s has other settings or data than the run in progress. Give it the same flags and data, or stop the other '
        'processes' % self._where.name()
      )
    for name in self._others if self.chief else [self._chief]:
      peers.watch(self._where.address(name), functools.partial(self._tell, name), known=False)

  def _tell(self, name: str, here: bool) -> None:
    """Says that another process that trains has come or gone."""
    if here:
      self._here.add(name)
      what = 'connected'
    else:
      self._here.discard(name)
      what = 'is gone; nothing is saved until it is back' if name == self._chief else 'is gone; the others continue'
    print('%s at %s %s' % (name, self._where.address(name), what), flush=True)

  def share(self, step: int) -> Tuple[Any, ...]:
    return (step * self._count + self._index,)

  def own_updates(self, critic_step: int) -> int:
    return critic_step // self._count

  def due(self, config: configs.Config, step: int, critic_step: int) -> int:
    return critic_step + configs.critic_updates(config, step + 1) - configs.critic_updates(config, step)

  def update_generator(self, run: Callable[..., Any], graph: Any, step: int) -> int:
    with contextlib.suppress(tf.errors.OutOfRangeError):  # another process has made the last update
      run(graph.train_generator)
    return int(self._session.run(graph.global_step))

  def last_update(self) -> None:
    deadline = time.monotonic() + self._wait_seconds
    while self.chief and self._here and time.monotonic() < deadline:
      time.sleep(0.2)

  def end(self, session: Any) -> None:
    if self.chief:
      server.end_all(self._where, session)
