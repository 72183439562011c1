"""A server of files, for downloads. A conftest.py imports the fixture."""

import functools
import http.server
import threading

import pytest


@pytest.fixture
def mirror(tmp_path, monkeypatch):
  """Serves a folder on the loopback interface; returns (the folder, its address)."""
  folder = tmp_path / 'mirror'
  folder.mkdir()
  handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
  server = http.server.HTTPServer(('127.0.0.1', 0), handler)
  monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, 'log_message', lambda *args: None)
  monkeypatch.setenv('no_proxy', '127.0.0.1')
  thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
  thread.start()
  yield folder, 'http://127.0.0.1:%d/' % server.server_port
  server.shutdown()
  thread.join()
  server.server_close()
