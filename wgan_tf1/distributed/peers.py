"""How a process notices that another one comes or goes, and what it does when it loses one."""

import contextlib
import functools
import os
import socket
import sys
import threading
import time
from typing import Any, Callable, List, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1.distributed import tf_config
from wgan_tf1.errors import UserError

GRACE_SECONDS = 10  # after a loss: by then an update is either over or blocked for good
_LOST_AT = 'WGAN_PEER_LOST_AT'  # environment variable of a restarted process: time.monotonic() of the loss

# What TensorFlow 2 raises when a process that it talks to is gone. TensorFlow 1 may wait for that process forever.
_CONNECTION_ERRORS = (
  tf.errors.UnavailableError,
  tf.errors.AbortedError,
  tf.errors.CancelledError,
  tf.errors.InternalError,
  tf.errors.FailedPreconditionError,
  tf.errors.DeadlineExceededError,
  tf.errors.UnknownError,
  tf.errors.NotFoundError,
)


class PeerLost(Exception):
  """This process cannot train without another one, which is gone."""


def answers(address: str) -> bool:
  """Whether a process listens at host:port."""
  with contextlib.suppress(OSError):
    _connect(address).close()
    return True
  return False


def _connect(address: str) -> socket.socket:
  host, _, port = address.rpartition(':')
  connection = socket.create_connection((host.strip('[]'), int(port)), timeout=5)
  if connection.getsockname() == connection.getpeername():  # by chance, Linux may connect a free port to itself
    connection.close()
    raise ConnectionRefusedError(address)
  return connection


def wait_for(where: tf_config.Place, names: Sequence[str], seconds: float, since: Optional[float] = None) -> None:
  """Returns once each of the processes has answered.

  Args:
    where: the place of this process.
    names: the processes to wait for.
    seconds: how long to wait.
    since: time.monotonic() when the wait began; None is now.

  Raises:
    UserError: naming a process that did not answer in time.
  """
  deadline = (time.monotonic() if since is None else since) + seconds
  told = False
  while True:
    names = [name for name in names if not answers(where.address(name))]
    if not names:
      return
    left = deadline - time.monotonic()
    if left < 0:
      raise UserError(
        '%s at %s did not connect within %d s. Start it, then rerun every process that stopped'
        % (names[0], where.address(names[0]), seconds)
      )
    if not told:
      missing = ', '.join('%s at %s' % (name, where.address(name)) for name in names)
      print('waiting up to %d s for %s' % (left, missing), flush=True)
      told = True
    time.sleep(0.5)


def watch(address: str, tell: Callable[[bool], Any], known: bool) -> None:
  """Calls tell(True) when a process comes and tell(False) when it goes, for as long as this process lives.

  It holds a connection open: the kernel closes it when the other process ends, so that no restart goes unnoticed,
  however quick. Keepalive packets notice within half a minute that a whole machine is gone.

  Args:
    address: host:port.
    tell: function of a bool; another thread calls it.
    known: whether the process is known to be running now.
  """
  threading.Thread(target=_hold, args=(address, tell, known), daemon=True).start()


def _hold(address: str, tell: Callable[[bool], Any], known: bool) -> None:
  """See `watch`. This never returns."""
  while True:
    try:
      with _connect(address) as connection:
        if not known:
          known = True
          tell(True)
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (('TCP_KEEPIDLE', 10), ('TCP_KEEPINTVL', 5), ('TCP_KEEPCNT', 3)):
          if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        while connection.recv(4096):
          pass
    except OSError:
      if known:
        known = False
        tell(False)
    # After some minutes a server closes a connection on which nothing is sent; it is then opened again. This pause
    # cannot hide a restart: a process needs longer than that to load TensorFlow.
    time.sleep(0.2)


class Peers:
  """The processes that this one cannot train without."""

  def __init__(self, where: tf_config.Place, wait_seconds: float):
    self._where = where
    self._wait_seconds = wait_seconds
    self._lost: List[str] = []

  def depend_on(self, names: Sequence[str]) -> None:
    """Waits for processes, and from then on notices the loss of any of them.

    Raises:
      UserError: if one does not answer in time.
    """
    # A restarted process has spent part of the time on loading TensorFlow.
    lost_at = float(os.environ.pop(_LOST_AT, time.monotonic()))
    wait_for(self._where, names, self._wait_seconds, since=lost_at)
    for name in names:
      watch(self._where.address(name), functools.partial(self._note, name), known=True)

  def _note(self, name: str, here: bool) -> None:
    if not here:
      self._lost.append(name)

  def guarded(self, run: Callable[..., Any], *args: Any) -> Any:
    """Returns run(*args). Another thread calls it, because it may block in TensorFlow forever.

    Raises:
      PeerLost: if it fails or blocks because a process is gone.
    """
    outcome: List[Tuple[Any, Optional[BaseException]]] = []

    def work() -> None:
      try:
        outcome.append((run(*args), None))
      except BaseException as e:
        outcome.append((None, e))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive() and not self._lost:
      thread.join(0.5)
    thread.join(GRACE_SECONDS)
    value, error = outcome[0] if outcome else (None, None)
    if isinstance(error, _CONNECTION_ERRORS):  # TensorFlow may notice the loss before `watch` does
      deadline = time.monotonic() + GRACE_SECONDS
      while not self._lost and time.monotonic() < deadline:
        time.sleep(0.1)
    if self._lost and (not outcome or isinstance(error, _CONNECTION_ERRORS)):
      raise PeerLost('lost %s at %s' % (self._lost[0], self._where.address(self._lost[0]))) from error
    if error:
      raise error
    return value


def restart() -> None:
  """Replaces this process by a new one of the same command, which then waits for the lost process.

  A new process is free of whatever is blocked in TensorFlow.
  """
  sys.stdout.flush()
  sys.stderr.flush()
  if os.environ.get('TF_CPP_MIN_LOG_LEVEL') == '3':  # set by console.quiet_tensorflow, not by the user
    del os.environ['TF_CPP_MIN_LOG_LEVEL']
  os.environ[_LOST_AT] = str(time.monotonic())  # all processes of a machine share this clock
  os.execv(sys.executable, getattr(sys, 'orig_argv', [sys.executable] + sys.argv))
