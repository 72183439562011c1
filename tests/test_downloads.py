import functools
import gzip
import hashlib
import http.server
import os
import stat
import struct
import threading

import numpy as np
import pytest

from wgan_tf1 import UserError
from wgan_tf1 import downloads

CONTENT = bytes(range(200))
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def mirror(tmp_path, monkeypatch):
  """A server on the loopback interface; returns (its folder, its address)."""
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


def test_a_file_comes_from_the_first_mirror_that_has_it(tmp_path, mirror):
  folder, url = mirror
  good = gzip.compress(CONTENT)
  contents = {'wrong': gzip.compress(b'x'), 'cut': good[:-20], 'empty': b'', 'plain': b'<html>', 'good': good}
  for name, content in contents.items():
    (folder / name).mkdir()
    (folder / name / 'file.gz').write_bytes(content)
  mirrors = ['http://127.0.0.1:1/', *(url + d + '/' for d in ('absent', 'wrong', 'cut', 'empty', 'plain', 'good'))]
  kept = tmp_path / 'data' / 'set'
  assert downloads.download(str(kept), 'file', MD5, mirrors) == CONTENT
  assert os.listdir(str(kept)) == ['file.gz']
  assert downloads.read_checked(str(kept), 'file', MD5) == CONTENT


def test_a_failed_download_leaves_nothing_and_gives_each_reason_once(tmp_path, mirror):
  folder, url = mirror
  (folder / 'file.gz').write_bytes(gzip.compress(b'x'))
  with pytest.raises(OSError) as e:
    downloads.download(str(tmp_path / 'data'), 'file', MD5, [url + 'absent/', url + 'absent/', url])
  assert str(e.value).count('File not found') == 1 and 'MD5' in str(e.value)
  assert not (tmp_path / 'data').exists()


@pytest.mark.parametrize('damage', [lambda b: b[:-1], lambda b: b'', lambda b: b[:50] + b'\xff' + b[51:]])
@pytest.mark.parametrize('ending', ['', '.gz'])
def test_a_damaged_file_is_named(tmp_path, damage, ending):
  path = tmp_path / ('file' + ending)
  path.write_bytes(damage(gzip.compress(CONTENT) if ending else CONTENT))
  with pytest.raises(UserError, match='file%s cannot be used .* delete it' % ending):
    downloads.read_checked(str(tmp_path), 'file', MD5)


def test_a_file_that_is_not_there_is_none(tmp_path):
  assert downloads.read_checked(str(tmp_path), 'file', MD5) is None


def test_idx_files_have_any_shape():
  pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
  assert np.array_equal(downloads.parse_idx(struct.pack('>IIII', 0x803, 2, 3, 4) + pixels.tobytes()), pixels)
  assert downloads.parse_idx(struct.pack('>II', 0x801, 3) + b'\x05\x00\x09').tolist() == [5, 0, 9]


def test_a_written_file_is_whole_or_not_there(tmp_path, monkeypatch):
  path = tmp_path / 'new' / 'file'
  downloads.write_file(str(path), b'first')
  assert path.read_bytes() == b'first'
  assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600

  def fail(*args):
    raise OSError('disk')

  monkeypatch.setattr(os, 'replace', fail)
  with pytest.raises(OSError):
    downloads.write_file(str(path), b'second')
  assert path.read_bytes() == b'first' and os.listdir(str(path.parent)) == ['file']
