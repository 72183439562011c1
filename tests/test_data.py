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
from wgan_tf1 import data


@pytest.fixture
def small_mnist(monkeypatch):
  """Makes a few random images pass for MNIST's; returns {file name: uncompressed bytes}."""
  files = {}
  for name, n in (('train-images-idx3-ubyte', 6), ('t10k-images-idx3-ubyte', 3)):
    pixels = np.random.RandomState(n).randint(0, 256, [n, 28, 28]).astype(np.uint8)
    files[name] = struct.pack('>IIII', 0x803, n, 28, 28) + pixels.tobytes()
  monkeypatch.setattr(data, 'MNIST_MD5', {name: hashlib.md5(content).hexdigest() for name, content in files.items()})
  monkeypatch.setattr(data, 'MNIST_MIRRORS', ())
  return files


@pytest.fixture
def mirror(tmp_path, monkeypatch):
  """A server on the loopback interface; returns (its folder, its address)."""
  folder = tmp_path / 'mirror'
  folder.mkdir()
  handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
  server = http.server.HTTPServer(('127.0.0.1', 0), handler)
  monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, 'log_message', lambda *args: None)
  monkeypatch.setenv('no_proxy', '127.0.0.1')
  thread = threading.Thread(target=server.serve_forever)
  thread.start()
  yield folder, 'http://127.0.0.1:%d/' % server.server_port
  server.shutdown()
  thread.join()
  server.server_close()


def _put(folder, files, compress=False):
  os.makedirs(str(folder), exist_ok=True)
  for name, content in files.items():
    path = os.path.join(str(folder), name + ('.gz' if compress else ''))
    with open(path, 'wb') as f:
      f.write(gzip.compress(content) if compress else content)


@pytest.mark.parametrize('compress', [False, True])
def test_mnist_is_read_and_padded_with_black(tmp_path, small_mnist, compress):
  _put(tmp_path / 'mnist', small_mnist, compress)
  dataset = data.load('mnist', str(tmp_path), 32)
  assert (dataset.name, dataset.train.shape, dataset.validation.shape) == ('mnist', (6, 32, 32, 1), (3, 32, 32, 1))
  pixels = np.frombuffer(small_mnist['train-images-idx3-ubyte'][16:], np.uint8).reshape(6, 28, 28)
  assert np.array_equal(dataset.train[:, 2:30, 2:30, 0], pixels)
  border = np.ones([32, 32], bool)
  border[2:30, 2:30] = False
  assert (data.to_float(dataset.train)[:, border] == -1).all()


@pytest.mark.parametrize('name', ['mnist', 'auto'])
@pytest.mark.parametrize('damage', [lambda b: b[:-1], lambda b: b'', lambda b: b[:50] + b'\xff' + b[51:]])
@pytest.mark.parametrize('compress', [False, True])
def test_a_damaged_file_is_named_whatever_was_asked(tmp_path, small_mnist, name, damage, compress):
  _put(tmp_path / 'mnist', small_mnist, compress)
  ending = '.gz' if compress else ''
  path = tmp_path / 'mnist' / ('t10k-images-idx3-ubyte' + ending)
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(UserError, match='t10k-images-idx3-ubyte%s cannot be used .* delete it' % ending):
    data.load(name, str(tmp_path), 32)


def test_a_missing_file_comes_from_the_first_mirror_that_has_it(tmp_path, small_mnist, mirror, monkeypatch, capsys):
  folder, url = mirror
  names = sorted(small_mnist)
  for broken in ('wrong', 'cut', 'empty', 'plain'):
    (folder / broken).mkdir()
    for name in names:
      good = gzip.compress(small_mnist[name])
      content = {'wrong': gzip.compress(b'x'), 'cut': good[:-20], 'empty': b'', 'plain': b'<html>'}[broken]
      (folder / broken / (name + '.gz')).write_bytes(content)
  _put(folder / 'good', small_mnist, compress=True)
  tried = [url + d + '/' for d in ('absent', 'wrong', 'cut', 'empty', 'plain', 'good')]
  monkeypatch.setattr(data, 'MNIST_MIRRORS', ['http://127.0.0.1:1/', *tried])
  dataset = data.load('auto', str(tmp_path), 32)
  assert (dataset.name, len(dataset.train)) == ('mnist', 6)
  assert sorted(os.listdir(str(tmp_path / 'mnist'))) == [name + '.gz' for name in names]
  monkeypatch.setattr(data, 'MNIST_MIRRORS', ())
  assert np.array_equal(data.load('mnist', str(tmp_path), 32).train, dataset.train)
  assert 'warning' not in capsys.readouterr().err


def test_a_failed_download_leaves_nothing_and_says_why(tmp_path, small_mnist, mirror, monkeypatch):
  folder, url = mirror
  _put(folder, {name: b'x' for name in small_mnist}, compress=True)
  monkeypatch.setattr(data, 'MNIST_MIRRORS', [url, url])
  with pytest.raises(UserError) as e:
    data.load('mnist', str(tmp_path / 'data'), 32)
  assert 'MD5' in str(e.value) and '--dataset=digits' in str(e.value) and '\n' not in str(e.value)
  assert not (tmp_path / 'data').exists()


def test_auto_falls_back_to_digits_after_one_warning(tmp_path, small_mnist, capsys):
  assert data.load('auto', str(tmp_path), 32).name == 'digits'
  warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith('warning')]
  assert len(warnings) == 1 and 'digits' in warnings[0] and 'MNIST' in warnings[0]


def test_digits(tmp_path):
  dataset = data.load('digits', str(tmp_path), 32)
  assert dataset.train.shape == (1500, 32, 32, 1) and dataset.validation.shape == (297, 32, 32, 1)
  assert dataset.train.dtype == np.uint8 and dataset.train.min() == 0 and dataset.train.max() == 255


@pytest.mark.parametrize('n, batch_size', [(10, 4), (12, 4), (3, 8), (1, 1)])
def test_batches_lay_shuffled_epochs_end_to_end(n, batch_size):
  slow = np.concatenate([np.random.RandomState([5, epoch]).permutation(n) for epoch in range(40)])
  steps = 40 * n // batch_size
  for step in reversed(range(steps)):  # not in order: nothing is remembered from one call to the next
    expected = slow[step * batch_size : (step + 1) * batch_size]
    assert np.array_equal(data.batch_indices(n, batch_size, 5, step), expected)
  for epoch in range(40):
    assert sorted(slow[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_epochs_and_seeds_differ():
  first = data.batch_indices(100, 100, 0, 0)
  assert not np.array_equal(first, data.batch_indices(100, 100, 0, 1))
  assert not np.array_equal(first, data.batch_indices(100, 100, 1, 0))


def test_a_batch_is_scaled_to_the_range_of_tanh():
  images = np.arange(256, dtype=np.uint8).reshape(64, 2, 2, 1)
  batch = data.batch(images, 64, 0, 3)
  assert batch.dtype == np.float32 and batch.shape == (64, 2, 2, 1)
  assert batch.min() == -1 and batch.max() == 1
  expected = images[data.batch_indices(64, 64, 0, 3)].astype(np.float64) * 2 / 255 - 1
  assert np.allclose(batch, expected, atol=1e-6)


def test_a_written_file_is_whole_or_not_there(tmp_path, monkeypatch):
  path = tmp_path / 'new' / 'file'
  data.write_file(str(path), b'first')
  assert path.read_bytes() == b'first'
  assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600

  def fail(*args):
    raise OSError('disk')

  monkeypatch.setattr(os, 'replace', fail)
  with pytest.raises(OSError):
    data.write_file(str(path), b'second')
  assert path.read_bytes() == b'first' and os.listdir(str(path.parent)) == ['file']
