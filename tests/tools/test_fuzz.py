"""A few of the files of `python -m tools.fuzz`; files that would fill the memory; a check that nothing is unpickled."""

import ast
import glob
import gzip
import io
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.helpers.processes import ROOT
from tools import fuzz
from wgan_tf1.data import arrays, decoding, downloads, folders, own_arrays, text
from wgan_tf1.data.collection import Fit
from wgan_tf1.errors import UserError

MEGABYTE = 2**20


def _folders(tmp_path, count):
  for i in range(count):
    folder = tmp_path / str(i)
    folder.mkdir()
    yield i, str(folder)


@pytest.mark.parametrize('kind', list(fuzz.KINDS))
def test_damaged_files_give_the_right_data_or_a_user_error(tmp_path, kind):
  if kind == 'lmdb':
    pytest.importorskip('lmdb')
  found = [fuzz.one(kind, seed, folder) for seed, folder in _folders(tmp_path, 8)]
  assert fuzz.REFUSED in found


@pytest.mark.parametrize('kind', list(fuzz.KINDS))
def test_intact_files_are_right(tmp_path, monkeypatch, kind):
  if kind == 'lmdb':
    pytest.importorskip('lmdb')
  monkeypatch.setattr(fuzz, 'damage', lambda content, chance: content)
  found = [fuzz.one(kind, seed, folder) for seed, folder in _folders(tmp_path, 4)]
  assert fuzz.RIGHT in found and (kind == 'config.json' or set(found) == {fuzz.RIGHT})


@pytest.mark.parametrize('error', [KeyError, AssertionError])
def test_another_answer_of_a_reader_is_a_defect(tmp_path, monkeypatch, error):
  def read_checked(*args):
    if error is KeyError:
      raise KeyError
    return b'other data'

  monkeypatch.setattr(downloads, 'read_checked', read_checked)
  monkeypatch.setattr(arrays, 'parse_idx', lambda content: np.zeros(1))
  with pytest.raises(error):
    fuzz.one('idx', 0, str(tmp_path))


@pytest.fixture
def peak():
  """Returns a function that returns the most bytes that Python and NumPy have held since the test began."""
  tracemalloc.start()
  yield lambda: tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()


def test_a_gzip_bomb_is_unpacked_only_up_to_the_largest_size(tmp_path, monkeypatch, peak):
  monkeypatch.setattr(downloads, 'LARGEST_BYTES', MEGABYTE)
  header = b'\0\0\x08\x03' + struct.pack('>3I', 1, 8, 8)  # for 64 bytes, but 50 million follow
  with gzip.open(str(tmp_path / 'images.gz'), 'wb') as f:
    f.write(header)
    for _ in range(50):
      f.write(bytes(MEGABYTE))
  with pytest.raises(UserError, match='images has MD5 .*, expected ffff'):
    downloads.read_checked(str(tmp_path), 'images', 'f' * 32)
  assert peak() < 6 * MEGABYTE


def test_a_download_is_unpacked_only_up_to_the_largest_size(tmp_path, monkeypatch, peak):
  monkeypatch.setattr(downloads, 'LARGEST_BYTES', MEGABYTE)
  zeros = zlib.compressobj(wbits=31)
  content = b''.join(zeros.compress(bytes(MEGABYTE)) for _ in range(50)) + zeros.flush()
  monkeypatch.setattr(downloads.urllib.request, 'urlopen', lambda url, timeout: io.BytesIO(content))
  with pytest.raises(OSError, match='images has MD5 .*, expected ffff'):
    downloads.download(str(tmp_path), 'images', 'f' * 32, ['http://host/'])
  assert peak() < 6 * MEGABYTE and os.listdir(str(tmp_path)) == []


def test_an_idx_file_of_ones_own_is_unpacked_only_as_far_as_its_shape_says(tmp_path, peak):
  with gzip.open(str(tmp_path / 'train-images-idx3-ubyte.gz'), 'wb') as f:
    f.write(b'\0\0\x08\x03' + struct.pack('>3I', 2, 8, 8))
    for _ in range(50):
      f.write(bytes(MEGABYTE))
  with pytest.raises(UserError, match='it has more bytes than its shape needs'):
    own_arrays.load_idx(str(tmp_path), Fit(8, 1, 'pad', 1))
  assert peak() < 2 * MEGABYTE


def test_a_file_of_records_that_is_too_large_is_not_read(tmp_path, peak):
  with open(str(tmp_path / 'data_batch_1.bin'), 'wb') as f:
    f.truncate(2**40)  # a hole, which takes no space on the disk
  with pytest.raises(UserError, match='data_batch_1.bin is too large'):
    arrays.read_cifar10(str(tmp_path))
  assert peak() < MEGABYTE


def _png(width, height):
  """Returns a PNG whose header has this size, in black and white, and which has no pixels."""

  def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))

  header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 1, 0, 0, 0, 0))
  return b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b'')


@pytest.mark.parametrize('width, height', [(10000, 10000), (20000, 20000), (2**31 - 1, 2**31 - 1), (2**27, 1)])
def test_an_image_bomb_is_refused(tmp_path, capsys, recwarn, peak, width, height):
  bomb = _png(width, height)
  with pytest.raises(Exception, match='too many|exceeds limit|too large'):
    decoding.decode(bomb, 8, 1)
  (tmp_path / 'bomb.png').write_bytes(bomb)
  with pytest.raises(UserError, match='no image in .* can be read: bomb.png'):
    folders.load(str(tmp_path), Fit(8, 1))
  assert peak() < MEGABYTE


def test_an_image_of_many_pixels_is_not_a_bomb():
  content = io.BytesIO()
  Image.new('1', (3000, 2000), 1).save(content, 'PNG')
  assert (decoding.decode(content.getvalue(), 8, 1) == 255).all()


def test_an_endless_line_does_not_fill_the_memory(tmp_path, monkeypatch, peak):
  monkeypatch.setattr(text, '_PIECE_BYTES', 65536)
  with open(str(tmp_path / 'a.txt'), 'wb') as f:
    f.write('äb'.encode())
    for _ in range(50):
      f.write(b'x' * MEGABYTE)
  for split, samples in ((False, 1), (True, (50 * MEGABYTE + 2 + 999) // 1000)):
    counts = text._Counts()
    first, *others = text._samples(str(tmp_path / 'a.txt'), 1000, split, counts)
    assert first == 'äb' + 'x' * 998 and len(others) == samples - 1 and counts.long == 1
    assert split or (counts.ends == 50 * MEGABYTE + 2 - 1000 and peak() < 2 * MEGABYTE)


def test_a_pipe_is_not_waited_for(tmp_path):
  for name in ('a.png', 'a.txt'):
    os.mkfifo(str(tmp_path / name))
  with pytest.raises(UserError, match=r'a\.png \(not a file\)'):
    folders.load(str(tmp_path), Fit(8, 1))
  with pytest.raises(downloads.Missing):
    text.read(str(tmp_path), 5)


def _runs_code(source):
  """Returns the names in the source of a program that unpickle data, run text or unpack archives."""
  found = []
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, (ast.Import, ast.ImportFrom)):
      names = [alias.name for alias in node.names] + [getattr(node, 'module', None) or '']
      modules = {name.split('.')[0] for name in names}
      found += sorted(modules & {'pickle', 'cPickle', '_pickle', 'dill', 'joblib', 'marshal', 'shelve', 'yaml'})
    elif isinstance(node, ast.Call):
      name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, 'attr', '')
      if isinstance(node.func, ast.Name):
        found += [name] if name in ('eval', 'exec', 'compile', '__import__') else []
      found += [name] if name in ('extractall', 'read_pickle', 'unpack_archive') else []
    elif isinstance(node, ast.keyword) and node.arg == 'allow_pickle':
      found += [] if getattr(node.value, 'value', True) is False else ['allow_pickle']
  return found


def test_nothing_is_unpickled_and_no_text_is_run():
  assert _runs_code('import pickle') == _runs_code('from pickle import load') == ['pickle']
  assert _runs_code('np.load(f, allow_pickle=x); eval(y); t.extractall()') == ['eval', 'extractall', 'allow_pickle']
  assert _runs_code('np.load(f, allow_pickle=False); session.run(x); x.eval(); re.compile(y)') == []
  patterns = ('*.py', 'wgan_tf1/**/*.py', 'experiments/*.py', 'benchmarks/**/*.py')
  paths = [path for p in patterns for path in glob.glob(os.path.join(ROOT, p), recursive=True)]
  assert len(paths) > 60
  for path in paths:
    with open(path, encoding='utf-8') as f:
      assert _runs_code(f.read()) == [], path
