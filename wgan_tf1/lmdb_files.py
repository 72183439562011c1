"""LMDB environments, by the package lmdb: opened once their keys have been read by a process of its own.

The C library trusts the pointers in a file, so a damaged one can kill the process that reads it. To list the keys it
also touches a page of every value, which from a disk takes minutes for LSUN's bedrooms: so that is done once. No
TensorFlow here.
"""

import functools
import io
import os
import subprocess
import sys

import numpy as np

from wgan_tf1 import UserError

READ_WHOLE_BYTES = 2**32  # of a file whose values are read too; LSUN's bedrooms have ten times as many
_KEYS_SECONDS = 3600
_KEYS_AT_ONCE = 100000


def _open(path):
  import lmdb  # one data set needs it

  return lmdb.open(
    path, subdir=os.path.isdir(path), readonly=True, create=False, lock=False, readahead=False, meminit=False
  )


def read_keys(path):
  """Reads all keys of an environment, and of a file up to `READ_WHOLE_BYTES` all values.

  Args:
    path: of its folder or file, resolved.

  Returns:
    The keys, in their order, as one array of bytes strings; each with a '.' at its end. NumPy drops zero bytes from
    the end of a bytes string, and a key may end with them.

  Raises:
    Exception: of almost any kind, if it is damaged; but it may kill the process too.
  """
  environment = _open(path)
  needed = (environment.info()['last_pgno'] + 1) * environment.stat()['psize']
  there = os.path.getsize(os.path.join(path, 'data.mdb') if os.path.isdir(path) else path)
  if there < needed:
    raise ValueError('it is cut short, %d bytes instead of %d' % (there, needed))
  entries, last = environment.stat()['entries'], None
  arrays, keys = [np.empty([0], 'S1')], []
  with environment.begin(buffers=True) as transaction:
    cursor = transaction.cursor()
    for i, _ in enumerate(cursor.iternext(keys=True, values=there <= READ_WHOLE_BYTES)):
      key = bytes(cursor.key())
      if i == entries or last is not None and not last < key:
        raise ValueError('its keys are out of order')
      last = key
      keys.append(key + b'.')
      if len(keys) == _KEYS_AT_ONCE:
        arrays.append(np.array(keys))
        keys = []
  arrays.append(np.array(keys, 'S%d' % max(map(len, keys), default=1)))
  found = np.concatenate(arrays)
  if len(found) != entries:
    raise ValueError('it has %d keys instead of %d' % (len(found), entries))
  return found


@functools.lru_cache(maxsize=None)  # the package refuses to open an environment twice in one process
def environment(path):
  """Opens an environment, to read from by several threads.

  Args:
    path: of its folder or file, resolved.

  Returns:
    (an `lmdb.Environment`, its keys as `read_keys` has them).

  Raises:
    UserError: if the package is not installed, or the environment cannot be read.
  """
  try:
    import lmdb  # noqa: F401
  except ImportError as e:
    raise UserError('dataset=lsun needs a package that cannot be imported (%s): pip install lmdb' % e)
  command = [sys.executable, '-m', 'wgan_tf1.lmdb_files', path]
  root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
  wrong = lambda why: UserError('%s cannot be opened as an LMDB environment (%s): unpack it anew' % (path, why))
  try:
    child = subprocess.run(
      command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_KEYS_SECONDS,
      env=dict(os.environ, PYTHONPATH=root),
    )  # fmt: skip
  except subprocess.TimeoutExpired:
    raise wrong('to read its keys takes more than %d seconds' % _KEYS_SECONDS)
  if child.returncode < 0:
    raise wrong('it ends a process that reads it, by signal %d' % -child.returncode)
  if child.returncode:
    raise wrong(child.stdout.decode('utf-8', 'replace').strip())
  return _open(path), np.load(io.BytesIO(child.stdout), allow_pickle=False)


if __name__ == '__main__':
  try:
    keys = read_keys(sys.argv[1])
  except Exception as e:
    print(str(e).split('\n')[0] or type(e).__name__)
    sys.exit(1)
  np.save(sys.stdout.buffer, keys, allow_pickle=False)
