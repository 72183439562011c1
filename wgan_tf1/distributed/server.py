"""The TensorFlow server of each process of a cluster, and the process that is nothing but a parameter server."""

import signal
import socket
import threading
import time
from typing import Any, List, Optional

import tensorflow.compat.v1 as tf

from wgan_tf1.distributed import peers, tf_config
from wgan_tf1.errors import UserError

_LAST_SECONDS = 10  # how long a parameter server waits, after the run, for the other processes to end


def start(where: tf_config.Place, session_config: Any) -> Any:
  """Returns the running `tf.train.Server` of this process.

  Args:
    where: the place of this process.
    session_config: a `tf.ConfigProto`.

  Raises:
    UserError: if another process uses its port.
  """
  port = int(where.address(where.name()).rpartition(':')[2])
  with socket.socket() as probe:  # TensorFlow's server would share the port with another process
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
      probe.bind(('', port))
    except OSError as e:
      raise UserError(
        'port %d, which TF_CONFIG gives %s, cannot be opened (%s). End the process that uses it, or use another port'
        % (port, where.name(), e.strerror)
      ) from e
  cluster = tf.train.ClusterSpec(where.jobs)
  return tf.train.Server(cluster, job_name=where.job, task_index=where.index, config=session_config)


def _end_of_run(where: tf_config.Place, name: str) -> Any:
  """The queue on the parameter server `name` that the chief writes to when the run is over."""
  with tf.device(where.device(name)), tf.device('/cpu:0'):
    return tf.FIFOQueue(1, tf.bool, [[]], shared_name='farewell')


def end_all(where: tf_config.Place, session: Any) -> None:
  """Tells every parameter server that the run is over."""
  session.run([_end_of_run(where, name).enqueue(True) for name in where.servers()])


class ParameterServer:
  """Holds variables, and trains nothing."""

  def __init__(self, where: tf_config.Place, session_config: Any):
    session_config.device_filters.append(where.device(where.name()))
    session_config.device_count['GPU'] = 0
    self._where = where
    self._session_config = session_config
    self._server = start(where, session_config)

  def serve(self) -> Optional[int]:
    """Serves until the chief says that the run is over, or a signal comes.

    Returns:
      The signal, SIGINT or SIGTERM; None if the run is over.
    """
    signals: List[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
      signal.signal(number, lambda number, frame: signals.append(number))
    where = self._where
    address = where.address(where.name())
    print('%s at %s serves until the run is over. Press Ctrl-C to stop it' % (where.name(), address), flush=True)
    with tf.Graph().as_default():
      over = _end_of_run(where, where.name()).dequeue()
      session = tf.Session(self._server.target, config=self._session_config)
    thread = threading.Thread(target=session.run, args=(over,), daemon=True)
    thread.start()
    while thread.is_alive() and not signals:
      thread.join(0.5)
    # By now the other processes have read all that they need, and are about to end.
    trainers = [where.address(name) for name in where.trainers()]
    deadline = time.monotonic() + _LAST_SECONDS
    while not signals and any(map(peers.answers, trainers)) and time.monotonic() < deadline:
      time.sleep(0.2)
    print('Stopped.' if signals else 'The run is over.')
    return signals[0] if signals else None
