"""Several processes that train one run: TF_CONFIG, the server, the chief, and how their updates are combined.

Without TF_CONFIG a process is `Alone`. With it, the processes build the same graph and run it in sessions of
TensorFlow's own servers, in one of two ways:

- `Synchronous`, without a parameter server: each process has the variables, and its part of every batch. The gradients
  are averaged by TensorFlow's collective all-reduce before every update, so all of them stay equal.
- `Asynchronous`, with one: it has the variables, and each process updates them at its own pace.

The first chief, or worker 0 without one, is the chief: it alone has the run directory. Every process holds a connection
to each that it needs. When one of those is lost, the others start themselves anew and wait for it.
"""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import sys
import threading
import time
import zlib

import tensorflow.compat.v1 as tf
from tensorflow.python.ops import collective_ops

from wgan_tf1 import UserError
from wgan_tf1 import config as configs
from wgan_tf1 import peers
from wgan_tf1 import towers

_GRACE = 10  # seconds: by then an update that needs a lost process is blocked for good, and any other is over
_LOST_AT = 'WGAN_PEER_LOST_AT'  # environment variable of a process that starts anew: time.monotonic()

# What TensorFlow 2 raises when a process that it talks to has gone; TensorFlow 1 may wait for it without end.
_CONNECTION_ERRORS = (
  tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError,
  tf.errors.FailedPreconditionError, tf.errors.DeadlineExceededError, tf.errors.UnknownError, tf.errors.NotFoundError,
)  # fmt: skip


class PeerLost(Exception):
  """A process that this one cannot go on without has gone."""


def _start_server(where, session_config):
  port = int(where.address(where.name()).rpartition(':')[2])
  with socket.socket() as probe:  # TensorFlow's server would share the port with another
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
      probe.bind(('', port))
    except OSError as e:
      raise UserError(
        'port %d, which TF_CONFIG gives %s, cannot be had (%s): end what uses it, or name another'
        % (port, where.name(), e.strerror)
      )
  return tf.train.Server(
    tf.train.ClusterSpec(where.jobs), job_name=where.job, task_index=where.index, config=session_config
  )  # fmt: skip


def _checksum(config):
  """Returns a number above 0 that changes with what all processes must have alike."""
  own = configs.CHANGEABLE - {'generator_steps'}
  settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in own}
  return 1 + zlib.crc32(json.dumps(settings, sort_keys=True).encode())


def _farewell(where, name):
  """The queue on a parameter server by which it learns that the run is over."""
  with tf.device(where.device(name)), tf.device('/cpu:0'):
    return tf.FIFOQueue(1, tf.bool, [[]], shared_name='farewell')


def join(session_config, wait_seconds):
  """Starts this process's server, if there is a cluster.

  Args:
    session_config: a `tf.ConfigProto`.
    wait_seconds: how long to wait for a process that is not there.

  Returns:
    An `Alone`, `Synchronous`, `Asynchronous` or `ParameterServer`.

  Raises:
    UserError: if TF_CONFIG is wrong, or the port is taken.
  """
  where = peers.place()
  if where is None:
    return Alone(session_config)
  if where.job == 'ps':
    return ParameterServer(where, session_config)
  return (Asynchronous if 'ps' in where.jobs else Synchronous)(where, session_config, wait_seconds)


def start_anew():
  """Replaces this process, which has lost another one, by a new one of the same command.

  Nothing is left of what may be blocked in TensorFlow, and nothing has to be forgotten by hand.
  """
  sys.stdout.flush()
  sys.stderr.flush()
  if os.environ.get('TF_CPP_MIN_LOG_LEVEL') == '3':  # else cli.quiet_tensorflow would take it for the user's
    del os.environ['TF_CPP_MIN_LOG_LEVEL']
  os.environ[_LOST_AT] = str(time.monotonic())  # the same clock for all processes of a machine
  os.execv(sys.executable, getattr(sys, 'orig_argv', [sys.executable] + sys.argv))


class Alone:
  """One process. The other two have the same interface."""

  chief = True  # it alone has the run directory
  replica = towers.ALONE
  device = ''  # for `tf.device`, around the graph
  own_variables = True  # they are in this process
  cluster = None  # what a line says of it

  def __init__(self, session_config):
    self._session_config = session_config

  @contextlib.contextmanager
  def session(self):
    with tf.Session(config=self._session_config) as session:
      yield session

  def agree(self, session, config, first_values):
    """Gives the variables their first values: those that first_values() gives them at the chief.

    Raises:
      UserError: if a process does not come, or has other settings or data.
      PeerLost: if one goes again.
    """
    del session, config
    first_values()

  def stopped(self, signals):
    """Returns the list that is no longer empty once this process is to stop; `signals` are those that it got."""
    return signals

  def share(self, step):
    """Returns what `data.batch` takes for this process's critic update `step`: (step,) or (step, part)."""
    return (step,)

  def own_updates(self, critic_step):
    """Returns how many of so many critic updates are this process's."""
    return critic_step

  def due(self, config, step, critic_step):
    """Returns how many critic updates, in all, go before the generator update after `step`."""
    del critic_step
    return configs.critic_updates(config, step + 1)

  def update_critic(self, run, fetches, feed):
    """Makes a critic update, which is among `fetches`, by `session.run` or its like; returns their values."""
    return run(fetches, feed)

  def update_generator(self, run, graph, feed, step):
    """Makes a generator update; returns how many have been made, by all processes."""
    run(graph.train_generator, feed)
    return step + 1

  def last_update(self):
    """Returns when no process changes the variables any more."""

  def end(self, session):
    """Tells the parameter servers that the run is over."""


class _Member(Alone):
  """What is the same in both kinds of cluster."""

  def __init__(self, where, session_config, wait_seconds):
    super(_Member, self).__init__(session_config)
    trainers = where.trainers()
    self._where = where
    self._wait_seconds = wait_seconds
    self._index = trainers.index(where.name())
    self._count = len(trainers)
    self._chief = trainers[0]
    self._others = [name for name in trainers if name != where.name()]
    self._lost = []
    self.chief = self._index == 0
    self.cluster = '%s; this is %s at %s' % (
      ', '.join('%d %s' % (len(where.jobs[job]), job) for job in peers.JOBS if job in where.jobs), where.name(),
      where.address(where.name()),
    )  # fmt: skip
    self._server = _start_server(where, session_config)

  @contextlib.contextmanager
  def session(self):
    # It is not closed: that would wait for what the loss of another process has blocked.
    yield tf.Session(self._server.target, config=self._session_config)

  def _depend_on(self, names):
    """Waits for processes, and from then on sees to it that the loss of one is noticed."""
    lost_at = float(os.environ.pop(_LOST_AT, time.monotonic()))  # to load TensorFlow again has taken its time
    peers.wait_for(self._where, names, self._wait_seconds - (time.monotonic() - lost_at))
    for name in names:
      peers.watch(self._where.address(name), lambda there, name=name: there or self._lost.append(name), there=True)

  def _guarded(self, run, *args):
    """Returns run(*args). It is made by another thread, for it may block in TensorFlow for good.

    Raises:
      PeerLost: if it fails or blocks because a process has gone.
    """
    outcome = []

    def work():
      try:
        outcome.append((run(*args), None))
      except BaseException as e:
        outcome.append((None, e))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive() and not self._lost:
      thread.join(0.5)
    thread.join(_GRACE)
    value, error = outcome[0] if outcome else (None, None)
    if isinstance(error, _CONNECTION_ERRORS):
      deadline = time.monotonic() + _GRACE
      while not self._lost and time.monotonic() < deadline:
        time.sleep(0.1)
    if self._lost and (not outcome or isinstance(error, _CONNECTION_ERRORS)):
      raise PeerLost('%s at %s has gone' % (self._lost[0], self._where.address(self._lost[0])))
    if error:
      raise error
    return value


class Synchronous(_Member):
  """Each process has the variables and makes the same updates, of the gradients of all."""

  def __init__(self, where, session_config, wait_seconds):
    session_config.experimental.collective_group_leader = where.device(where.trainers()[0])
    session_config.device_filters.append(where.device(where.name()))
    super(Synchronous, self).__init__(where, session_config, wait_seconds)
    self.device = where.device(where.name())
    self.replica = towers.Replica(self._index, self._count, self._combine)
    self._sums = 0
    self._stop = None  # float32 scalar: fed 1 if this process is to stop
    self._votes = None  # float32 scalar: how many are, as of a critic update
    self._signals = []
    self._stopped = []

  def _sum(self, vector):
    """The sum of the processes' vectors. Each of them builds the same sums in the same order."""
    self._sums += 1
    with tf.device('/cpu:0'):  # to be sent, it is brought there in any case
      return collective_ops.all_reduce(vector, self._count, 1, self._sums, 'Add', 'Id')

  def _combine(self, tensors):
    """See `towers.Replica`. All in one vector, as every collective waits for the slowest process anew."""
    if self._stop is None:
      self._stop = tf.placeholder_with_default(0.0, [], 'stop')
    flat = tf.concat([tf.reshape(t, [-1]) for t in tensors] + [[self._stop]], 0)
    *parts, votes = tf.split(self._sum(flat), [t.shape.num_elements() for t in tensors] + [1])
    if self._votes is None:  # the critic's update is built first
      self._votes = votes
    return [tf.reshape(part, t.shape) / self._count for part, t in zip(parts, tensors)]

  def agree(self, session, config, first_values):
    first_values()
    self._depend_on(self._others)
    with tf.device(self.device):
      mine = tf.one_hot(self._index, self._count, tf.constant(_checksum(config), tf.int64), dtype=tf.int64)
      checksums = self._sum(mine)
      assigns = []
      for dtype in (tf.float32, tf.int64):
        variables = [v for v in tf.global_variables() if v.dtype.base_dtype == dtype]
        values = tf.concat([tf.reshape(v.read_value(), [-1]) for v in variables], 0)
        values = self._sum(values if self.chief else tf.zeros_like(values))
        parts = tf.split(values, [v.shape.num_elements() for v in variables])
        assigns += [v.assign(tf.reshape(part, v.shape)) for v, part in zip(variables, parts)]
    checksums = self._guarded(session.run, checksums).tolist()
    different = [name for name, c in zip(self._where.trainers(), checksums) if c != checksums[0]]
    if different:
      raise UserError(
        '%s has other settings or data than %s: give all processes the same flags' % (different[0], self._chief)
      )
    self._guarded(session.run, tf.group(*assigns))

  def stopped(self, signals):
    self._signals = signals
    return self._stopped

  def share(self, step):
    return step, (self._index, self._count)

  def update_critic(self, run, fetches, feed):
    feed = dict(feed)
    feed[self._stop] = float(bool(self._signals))
    values, votes = self._guarded(run, [fetches, self._votes], feed)
    if votes[0] and not self._stopped:
      self._stopped.append(self._signals[0] if self._signals else signal.SIGTERM)
    return values

  def update_generator(self, run, graph, feed, step):
    self._guarded(run, graph.train_generator, feed)
    return step + 1


class Asynchronous(_Member):
  """The parameter servers have the variables, which each process updates at its own pace."""

  own_variables = False

  def __init__(self, where, session_config, wait_seconds):
    session_config.device_filters.extend(['/job:ps', where.device(where.name())])
    super(Asynchronous, self).__init__(where, session_config, wait_seconds)
    self.device = tf.train.replica_device_setter(
      worker_device=where.device(where.name()), cluster=tf.train.ClusterSpec(where.jobs)
    )
    self.replica = towers.Replica(self._index, self._count, None)
    self._servers = [name for name in where.names() if name.startswith('ps ')]
    self._here = set()  # the others that train
    self._session = None

  @contextlib.contextmanager
  def session(self):
    member = self

    class Session(tf.Session):
      def run(self, *args, **kwargs):
        return member._guarded(lambda: super(Session, self).run(*args, **kwargs))

    self._session = Session(self._server.target, config=self._session_config)
    yield self._session

  def agree(self, session, config, first_values):
    self._depend_on(self._servers)
    with tf.device(self.device):
      # The checksum of the settings once the variables have their values, before that 0. No checkpoint has it.
      settings = tf.get_variable(
        'settings', [], tf.int64, tf.zeros_initializer(), trainable=False, use_resource=True, collections=[]
      )
      missing = tf.report_uninitialized_variables(tf.global_variables() + [settings])
    known = lambda: 0 if len(session.run(missing)) else int(session.run(settings))
    if not self.chief:
      while not known():
        peers.wait_for(self._where, [self._chief], self._wait_seconds)
        time.sleep(0.5)
    elif not known():  # else it is the chief alone that starts again
      session.run(settings.initializer)
      first_values()
      session.run(settings.assign(_checksum(config)))
    if known() != _checksum(config):
      raise UserError(
        '%s has other settings or data than the run that is going on: give it the same flags, or stop the others'
        % self._where.name()
      )
    for name in self._others if self.chief else [self._chief]:
      peers.watch(self._where.address(name), lambda there, name=name: self._tell(name, there), there=False)

  def _tell(self, name, there):
    if there:
      self._here.add(name)
      what = 'come'
    else:
      self._here.discard(name)
      what = 'gone: nothing is saved until it is back' if name == self._chief else 'left; the others go on'
    print('%s at %s has %s' % (name, self._where.address(name), what), flush=True)

  def share(self, step):
    return (step * self._count + self._index,)

  def own_updates(self, critic_step):
    return critic_step // self._count

  def due(self, config, step, critic_step):
    return critic_step + configs.critic_updates(config, step + 1) - configs.critic_updates(config, step)

  def update_generator(self, run, graph, feed, step):
    with contextlib.suppress(tf.errors.OutOfRangeError):  # the last one has been made meanwhile
      run(graph.train_generator, feed)
    return int(self._session.run(graph.global_step))

  def last_update(self):
    deadline = time.monotonic() + self._wait_seconds
    while self.chief and self._here and time.monotonic() < deadline:
      time.sleep(0.2)

  def end(self, session):
    if self.chief:
      session.run([_farewell(self._where, name).enqueue(True) for name in self._servers])


class ParameterServer:
  """Has variables, and trains nothing."""

  def __init__(self, where, session_config):
    session_config.device_filters.append(where.device(where.name()))
    session_config.device_count['GPU'] = 0
    self._where = where
    self._session_config = session_config
    self._server = _start_server(where, session_config)

  def serve(self):
    """Serves until the chief says that the run is over, or a signal comes.

    Returns:
      The signal, SIGINT or SIGTERM; None if the run is over.
    """
    signals = []
    for number in (signal.SIGINT, signal.SIGTERM):
      signal.signal(number, lambda number, frame: signals.append(number))
    where = self._where
    print(
      '%s at %s: serves until the run is over; Ctrl-C stops it' % (where.name(), where.address(where.name())),
      flush=True,
    )
    with tf.Graph().as_default():
      over = _farewell(where, where.name()).dequeue()
      session = tf.Session(self._server.target, config=self._session_config)
    thread = threading.Thread(target=lambda: session.run(over), daemon=True)
    thread.start()
    while thread.is_alive() and not signals:
      thread.join(0.5)
    deadline = time.monotonic() + _GRACE  # they have read all that they need, and are about to end
    while (
      not signals and any(peers.answers(where.address(n)) for n in where.trainers()) and time.monotonic() < deadline
    ):
      time.sleep(0.2)
    print('Stopped.' if signals else 'The run is over.')
    return signals[0] if signals else None
