"""LSUN's LMDB environments. Their keys are read by a separate process before this process opens them.

The C library trusts the pointers in a file, so a damaged file can kill the process that reads it. Reading the keys also
touches a page of every value, which takes minutes for LSUN's bedrooms on a hard disk, so it is done only once.
No TensorFlow here.
"""

import functools
import hashlib
import io
import os
import subprocess
import sys
from typing import Any, Tuple

import numpy as np

from wgan_tf1.data.collection import Fit, Images, split
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError

_ADVICE = (
  'Download bedroom_train_lmdb.zip and bedroom_val_lmdb.zip, or another scene, from http://dl.yf.io/lsun/scenes/ and '
  'unpack them there, or name an unpacked *_train_lmdb with --data_path'
)
READ_WHOLE_BYTES = 2**32  # files up to this size have their values read too; LSUN's bedrooms are ten times as large
_KEYS_SECONDS = 3600
# Not PYTHONPATH and -m, because a folder on PYTHONPATH cannot have a colon in its name.
_READER = (
  'import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module("wgan_tf1.data.lsun", None, "__main__")'
)
_KEYS_AT_ONCE = 100000


def _open(path):
  import lmdb  # imported here because only this data set needs the package

  name = path if os.name == 'nt' else os.fsencode(path)  # the package refuses text of bytes that are not UTF-8
  return lmdb.open(
    name, subdir=os.path.isdir(path), readonly=True, create=False, lock=False, readahead=False, meminit=False
  )


def read_keys(path: str) -> np.ndarray:
  """Reads all keys of an environment, and all values too if its file has at most `READ_WHOLE_BYTES`.

  Args:
    path: its folder or file, resolved.

  Returns:
    The keys in order, bytes strings [N], each with '.' appended: NumPy drops zero bytes from the end of a bytes
    string, and a key may end with them.

  Raises:
    Exception: of almost any type, if the environment is damaged. The process may be killed too.
  """
  environment = _open(path)
  needed = (environment.info()['last_pgno'] + 1) * environment.stat()['psize']
  size = os.path.getsize(os.path.join(path, 'data.mdb') if os.path.isdir(path) else path)
  if size < needed:
    raise ValueError('truncated: %d bytes, expected %d' % (size, needed))
  entries, last = environment.stat()['entries'], None
  chunks, keys = [np.empty([0], 'S1')], []
  with environment.begin(buffers=True) as transaction:
    cursor = transaction.cursor()
    for i, _ in enumerate(cursor.iternext(keys=True, values=size <= READ_WHOLE_BYTES)):
      key = bytes(cursor.key())
      if i == entries or last is not None and not last < key:
        raise ValueError('its keys are out of order')
      last = key
      keys.append(key + b'.')
      if len(keys) == _KEYS_AT_ONCE:
        chunks.append(np.array(keys))
        keys = []
  chunks.append(np.array(keys, 'S%d' % max(map(len, keys), default=1)))
  found = np.concatenate(chunks)
  if len(found) != entries:
    raise ValueError('it has %d keys, expected %d' % (len(found), entries))
  return found


@functools.lru_cache(maxsize=None)  # the package refuses to open an environment twice in one process
def environment(path: str) -> Tuple[Any, np.ndarray]:
  """Opens an environment, which several threads may read.

  Args:
    path: its folder or file, resolved.

  Returns:
    (an `lmdb.Environment`, its keys as from `read_keys`).

  Raises:
    UserError: if the package is not installed, or the environment cannot be read.
  """
  try:
    import lmdb  # noqa: F401
  except ImportError as e:
    raise UserError(
      'dataset=lsun needs the package lmdb, which cannot be imported (%s). Run pip install lmdb' % e
    ) from e
  root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
  command = [sys.executable, '-c', _READER, root, path]
  reason = ''
  try:
    child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_KEYS_SECONDS)
    if child.returncode < 0:
      reason = 'the process that read it was killed by signal %d' % -child.returncode
    elif child.returncode:
      reason = child.stdout.decode('utf-8', 'replace').strip() or 'exit status %d' % child.returncode
  except subprocess.TimeoutExpired:
    reason = 'reading its keys took more than %d s' % _KEYS_SECONDS
  if reason:
    raise UserError('%s cannot be opened as an LMDB environment (%s). Unpack it again' % (path, reason))
  return _open(path), np.load(io.BytesIO(child.stdout), allow_pickle=False)


def _images(path, fit):
  """Returns (the environment's keys, a function that makes `Images` of such keys)."""
  opened, keys = environment(os.path.realpath(path))
  if not len(keys):
    raise UserError('%s is empty. Unpack it again' % path)

  def read(key):
    with opened.begin() as transaction:
      return transaction.get(key[:-1])

  def name(key):
    return '%s of %s' % (key[:-1].decode('ascii', 'backslashreplace'), path)

  return keys, lambda some: Images(some, read, name, fit)


def _find(folder):
  """Returns the path of the one environment to train on.

  Raises:
    Missing: if there is none.
    UserError: if there are several.
  """
  if os.path.isfile(os.path.join(folder, 'data.mdb')) or os.path.isfile(folder):
    return os.path.normpath(folder)
  names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
  names = [name for name in names if name.endswith('_train_lmdb')]
  if not names:
    raise Missing('%s holds no *_train_lmdb' % folder, _ADVICE)
  if len(names) > 1:
    raise UserError('%s holds %s. Name one of them with --data_path' % (folder, ', '.join(names)))
  return os.path.join(folder, names[0])


def load(folder: str, fit: Fit) -> Tuple[Images, Images, str]:
  """Opens LSUN's published LMDB environments, or similar ones: the keys are arbitrary, the values are image files.

  The *_val_lmdb next to the *_train_lmdb is held out. Without it every 50th image, at most 1,000, is held out.

  Args:
    folder: directory with one *_train_lmdb, or an environment itself.
    fit: how the images are decoded.

  Returns:
    (train, validation, fingerprint): two `Images`, and a hash of the training environment's keys.

  Raises:
    Missing: if there is no environment.
    UserError: if there are several, if one is damaged or empty, or if the package `lmdb` is not installed.
  """
  train_path = _find(folder)
  validation_path = train_path[: -len('train_lmdb')] + 'val_lmdb' if train_path.endswith('_train_lmdb') else None
  keys, make = _images(train_path, fit)
  if validation_path and os.path.exists(validation_path):
    validation_keys, make_validation = _images(validation_path, fit)
    train, validation = make(keys), make_validation(validation_keys)
  else:
    train, validation = split(make(keys), 50, 1000)
  return train, validation, hashlib.md5(keys.tobytes()).hexdigest()


if __name__ == '__main__':
  try:
    keys = read_keys(sys.argv[1])
  except Exception as e:
    sys.stdout.buffer.write((str(e).split('\n')[0] or type(e).__name__).encode('utf-8', 'backslashreplace'))
    sys.exit(1)
  np.save(sys.stdout.buffer, keys, allow_pickle=False)
