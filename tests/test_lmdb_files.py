import os

import pytest

from wgan_tf1 import UserError
from wgan_tf1 import lmdb_files

lmdb = pytest.importorskip('lmdb')


@pytest.fixture
def write(tmp_path):
  """Returns a function that puts items into an environment, and returns its path and its file."""

  def write(items):
    path = str(tmp_path / 'environment')
    environment = lmdb.open(path, map_size=1 << 26)
    with environment.begin(write=True) as transaction:
      for key, value in items.items():
        transaction.put(key, value)
    environment.close()
    return os.path.realpath(path), os.path.join(path, 'data.mdb')

  return write


def _refused(path):
  with pytest.raises(UserError, match='cannot be opened as an LMDB environment') as e:
    lmdb_files.environment(path)
  return str(e.value)


def test_keys_and_values_are_the_librarys(write):
  items = {b'%03d' % i + b'\0' * (i % 3): bytes([i]) * size for i, size in enumerate((0, 1, 700, 5000, 70000) * 20)}
  path, file = write(items)
  for place in (path, os.path.realpath(file)):
    environment, keys = lmdb_files.environment(place)
    assert [key[:-1] for key in keys.tolist()] == sorted(items)
    with environment.begin() as transaction:
      assert dict(transaction.cursor()) == items
    environment.close()


def test_a_value_beyond_the_end_of_the_file_does_not_kill_this_process(write):
  path, file = write({b'key': b'x' * 50000})
  with open(file, 'r+b') as f:
    f.seek(f.read().index(b'key') - 8)  # the node: size of the value in two halves, flags, size of the key
    f.write((60000).to_bytes(2, 'little'))
  assert 'by signal' in _refused(path)


def test_a_file_that_kills_its_reader_does_not_kill_this_process(write):
  path, file = write({b'%04d' % i: b'x' * 500 for i in range(100)})
  size = os.path.getsize(file)
  with open(file, 'r+b') as f:
    for page in range(2, size // 4096):
      f.seek(page * 4096 + 16)
      f.write(b'\xff' * 4080)  # every pointer of every page
  _refused(path)


def test_keys_out_of_order_are_refused(write):
  path, file = write({b'a': b'1', b'b': b'2'})
  with open(file, 'r+b') as f:
    content = f.read()
    f.seek(0)
    f.write(content.replace(b'\x01\0b2', b'\x01\0A2'))
  assert 'its keys are out of order' in _refused(path)
