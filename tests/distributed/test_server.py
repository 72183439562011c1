import pytest

from wgan_tf1.distributed import server
from wgan_tf1.errors import UserError


def test_a_port_in_use_is_one_line(listen, two_workers):
  listening, port = listen()
  with listening, pytest.raises(UserError, match='port %d, which TF_CONFIG gives worker 1, cannot be opened' % port):
    server.start(two_workers(port, index=1), None)
