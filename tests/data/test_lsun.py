import concurrent.futures
import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from wgan_tf1.data import lsun
from wgan_tf1.data.collection import Fit
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError


def _put(path, items):
  """Writes an environment with the items {key: value}."""
  lmdb = pytest.importorskip('lmdb')
  os.makedirs(str(path))
  environment = lmdb.open(str(path), map_size=1 << 26)
  with environment.begin(write=True) as transaction:
    for key, value in items.items():
      transaction.put(key, value)
  environment.close()


def _image(value, kind='WEBP'):
  content = io.BytesIO()
  Image.new('RGB', (24, 16), (value,) * 3).save(content, kind, lossless=True)
  return content.getvalue()


def test_the_environment_is_read_with_its_validation_environment(tmp_path):
  _put(tmp_path / 'bedroom_train_lmdb', {b'key%d' % i: _image(10 * i) for i in range(5)})
  _put(tmp_path / 'bedroom_val_lmdb', {b'v': _image(99)})
  for path in (tmp_path, tmp_path / 'bedroom_train_lmdb', str(tmp_path / 'bedroom_train_lmdb') + os.sep):
    train, validation, fingerprint = lsun.load(str(path), Fit(8, 3))  # the same environment, opened once
    assert (len(train), len(validation)) == (5, 1) and len(fingerprint) == 32
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
      batches = list(pool.map(train.__getitem__, [np.array([4, 0, 2])] * 20))
    assert all(batch.shape == (3, 8, 8, 3) and batch[:, 4, 4, 1].tolist() == [40, 0, 20] for batch in batches)
    assert (validation[:] == 99).all()


def test_without_a_validation_environment_every_fiftieth_image_is_held_out(tmp_path):
  _put(tmp_path / 'church_train_lmdb', {b'%03d' % i: _image(i) for i in range(120)})
  train, validation, _ = lsun.load(str(tmp_path), Fit(8, 1))
  assert len(train) == 118 and validation[:][:, 0, 0, 0].tolist() == [49, 99]


@pytest.mark.parametrize('damaged', [0, 8, 9])
def test_one_damaged_image_decides_nothing(tmp_path, damaged):
  folder = tmp_path / ('%d_train_lmdb' % damaged)  # an environment stays open, and pytest may reuse its directory
  _put(folder, {b'%03d' % i: _image(i) if i != damaged else b'x' for i in range(10)})
  train, validation, _ = lsun.load(str(tmp_path), Fit(8, 1))
  found = [part[:][:, 0, 0, 0].tolist() for part in (train, validation)]
  assert (len(train), len(validation)) == (9, 1) and set(found[0] + found[1]) == set(range(10)) - {damaged}


@pytest.mark.parametrize('name', [b'a[b]:c', b'a\\b\nc', b'\xff'])
def test_an_environment_may_have_any_name(tmp_path, name):
  _put(tmp_path / 'e', {b'%d' % i: _image(i) for i in range(3)})
  folder = os.path.join(str(tmp_path), os.fsdecode(name))
  os.rename(str(tmp_path / 'e'), folder)
  assert lsun.load(folder, Fit(8, 1))[0][:][:, 0, 0, 0].tolist() == [0, 1]


def test_keys_are_arbitrary_and_values_may_be_png(tmp_path, capsys):
  items = {b'\x00': _image(1), b'\x00\x00': _image(2, 'PNG'), b'\x00\x01\x00': _image(3, 'PNG'), b'__len__': b'3'}
  _put(tmp_path / 'mine', items)
  train, validation, _ = lsun.load(str(tmp_path / 'mine'), Fit(8, 1))
  # What is no image was to be held out: it changes places with the first image, and the second stands in for it.
  assert (train[:][:, 0, 0, 0].tolist(), validation[:][:, 0, 0, 0].tolist()) == ([2, 2, 3], [1])
  (line,) = capsys.readouterr().err.splitlines()
  assert '__len__ of %s' % (tmp_path / 'mine') in line


def test_the_fingerprint_depends_on_the_keys(tmp_path):
  for name, keys in (('a', b'ab'), ('b', b'ab'), ('c', b'ac')):
    _put(tmp_path / name, {bytes([key]): _image(1) for key in keys})
  a, b, c = (lsun.load(str(tmp_path / name), Fit(8, 1))[2] for name in 'abc')
  assert a == b != c


def test_several_environments_are_refused(tmp_path):
  for name in ('bedroom_train_lmdb', 'tower_train_lmdb'):
    _put(tmp_path / name, {b'k': _image(1), b'l': _image(2)})
  with pytest.raises(UserError, match='bedroom_train_lmdb, tower_train_lmdb. Name one of them with --data_path'):
    lsun.load(str(tmp_path), Fit(8, 3))
  assert len(lsun.load(str(tmp_path / 'tower_train_lmdb'), Fit(8, 3))[0]) == 1


def test_a_damaged_environment_is_refused(tmp_path):
  path = tmp_path / 'a_train_lmdb'
  _put(path, {b'%d' % i: os.urandom(5000) for i in range(40)})
  content = (path / 'data.mdb').read_bytes()
  (path / 'data.mdb').write_bytes(content[:100000])
  with pytest.raises(UserError, match='truncated: 100000 bytes, expected '):
    lsun.load(str(tmp_path), Fit(8, 3))
  for content in (b'', b'not LMDB' * 2000):
    (path / 'data.mdb').write_bytes(content)
    with pytest.raises(UserError, match='a_train_lmdb cannot be opened as an LMDB environment'):
      lsun.load(str(tmp_path), Fit(8, 3))
  _put(tmp_path / 'b', {})
  with pytest.raises(UserError, match='b is empty'):
    lsun.load(str(tmp_path / 'b'), Fit(8, 3))


def test_a_missing_environment_is_refused(tmp_path):
  with pytest.raises(Missing, match='holds no .*_train_lmdb. Download bedroom_train_lmdb.zip'):
    lsun.load(str(tmp_path / 'lsun'), Fit(8, 3))


def test_the_package_must_be_installed(tmp_path, monkeypatch):
  (tmp_path / 'bedroom_train_lmdb').mkdir()
  monkeypatch.setitem(sys.modules, 'lmdb', None)
  with pytest.raises(UserError, match='dataset=lsun needs the package lmdb, .* Run pip install lmdb'):
    lsun.load(str(tmp_path), Fit(8, 3))


def _written(tmp_path, items):
  """Writes an environment; returns its resolved path and its file."""
  path = str(tmp_path / 'environment')
  _put(path, items)
  return os.path.realpath(path), os.path.join(path, 'data.mdb')


def _refused(path):
  with pytest.raises(UserError, match='cannot be opened as an LMDB environment') as e:
    lsun.environment(path)
  return str(e.value)


def test_keys_and_values_are_those_that_were_written(tmp_path):
  items = {b'%03d' % i + b'\0' * (i % 3): bytes([i]) * size for i, size in enumerate((0, 1, 700, 5000, 70000) * 20)}
  path, file = _written(tmp_path, items)
  for place in (path, os.path.realpath(file)):
    environment, keys = lsun.environment(place)
    assert [key[:-1] for key in keys.tolist()] == sorted(items)
    with environment.begin() as transaction:
      assert dict(transaction.cursor()) == items
    environment.close()


def test_a_value_beyond_the_end_of_the_file_kills_only_the_reader(tmp_path):
  path, file = _written(tmp_path, {b'key': b'x' * 50000})
  with open(file, 'r+b') as f:
    f.seek(f.read().index(b'key') - 8)  # the node: the value's size in two halves, flags, the key's size
    f.write((60000).to_bytes(2, 'little'))
  assert 'by signal' in _refused(path)


def test_a_file_with_damaged_pointers_kills_only_the_reader(tmp_path):
  path, file = _written(tmp_path, {b'%04d' % i: b'x' * 500 for i in range(100)})
  size = os.path.getsize(file)
  with open(file, 'r+b') as f:
    for page in range(2, size // 4096):
      f.seek(page * 4096 + 16)
      f.write(b'\xff' * 4080)  # every pointer of every page
  _refused(path)


def test_keys_out_of_order_are_refused(tmp_path):
  path, file = _written(tmp_path, {b'a': b'1', b'b': b'2'})
  with open(file, 'r+b') as f:
    content = f.read()
    f.seek(0)
    f.write(content.replace(b'\x01\0b2', b'\x01\0A2'))
  assert 'its keys are out of order' in _refused(path)
