import queue
import threading
import time

import pytest

from wgan_tf1.distributed import peers
from wgan_tf1.errors import UserError


def test_a_process_that_does_not_connect_is_named(listen, two_workers, capsys):
  server, port = listen()
  where = two_workers(port)
  with server:
    peers.wait_for(where, ['worker 1'], 0)
  with pytest.raises(UserError, match='worker 1 at 127.0.0.1:%d did not connect within 45 s. Start it, ' % port):
    peers.wait_for(where, ['worker 1'], 45, since=time.monotonic() - 45)
  with pytest.raises(UserError, match='did not connect within 0 s'):
    peers.wait_for(where, ['worker 1'], 0.01)
  assert capsys.readouterr().out == 'waiting up to 0 s for worker 1 at 127.0.0.1:%d\n' % port


def test_coming_and_going_is_told(listen):
  told = queue.Queue()
  server, port = listen()
  peers.watch('127.0.0.1:%d' % port, told.put, known=False)
  assert told.get(timeout=60) is True
  connection, _ = server.accept()
  server.close()
  connection.close()
  assert told.get(timeout=60) is False
  with listen(port)[0]:
    assert told.get(timeout=60) is True


def test_an_update_that_a_lost_process_blocks_is_abandoned(monkeypatch, two_workers):
  monkeypatch.setattr(peers, 'GRACE_SECONDS', 0.1)
  others = peers.Peers(two_workers(), 45)
  assert others.guarded(max, 1, 2) == 2
  with pytest.raises(ZeroDivisionError):
    others.guarded(divmod, 1, 0)
  never = threading.Event()
  threading.Timer(0.1, others._note, ['worker 1', False]).start()
  with pytest.raises(peers.PeerLost, match='^lost worker 1 at 127.0.0.1:1$'):
    others.guarded(never.wait)
  monkeypatch.setattr(peers, 'GRACE_SECONDS', 60)  # it ends as soon as the update does
  assert others.guarded(max, 1, 2) == 2  # an update that does not need the lost process succeeds
  never.set()
