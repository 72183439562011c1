import socket
from typing import Tuple

import pytest

from wgan_tf1.distributed import tf_config


@pytest.fixture
def listen():
  """Listens at a port of this machine, a free one unless it is given: `server, port = listen()`."""

  def start(port: int = 0) -> Tuple[socket.socket, int]:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(('127.0.0.1', port))
    server.listen(5)
    return server, server.getsockname()[1]

  return start


@pytest.fixture
def two_workers():
  """Makes the `Place` of one of two workers, of which worker 1 is at a port: `two_workers(port, index=1)`."""

  def make(port: int = 1, index: int = 0) -> tf_config.Place:
    return tf_config.Place({'worker': ['127.0.0.1:1', '127.0.0.1:%d' % port]}, 'worker', index)

  return make
