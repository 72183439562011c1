"""LMDB environments, by the package lmdb: opened once they have been read in a process of its own.

The C library trusts the pointers in a file, so a damaged one can kill the process that reads it. Whatever lists keys is
to ask for buffers: otherwise the package touches every page of each value on the way. No TensorFlow here.
"""

import functools
import itertools
import os
import subprocess
import sys

import numpy as np

from wgan_tf1 import UserError

READ_WHOLE_BYTES = 2**32  # of a file whose values are read too; LSUN's bedrooms have ten times as many
_CHECK_SECONDS = 600
_KEYS_AT_ONCE = 100000


def _open(path):
  import lmdb  # one data set needs it

  return lmdb.open(
    path, subdir=os.path.isdir(path), readonly=True, create=False, lock=False, readahead=False, meminit=False
  )


def check(path):
  """Reads all keys of an environment, and of a file up to `READ_WHOLE_BYTES` all values.

  Args:
    path: of its folder or file, resolved.

  Raises:
    Exception: of almost any kind, if it is damaged; but it may kill the process too.
  """
  environment = _open(path)
  needed = (environment.info()['last_pgno'] + 1) * environment.stat()['psize']
  there = os.path.getsize(os.path.join(path, 'data.mdb') if os.path.isdir(path) else path)
  if there < needed:
    raise ValueError('it is cut short, %d bytes instead of %d' % (there, needed))
  entries, found, last = environment.stat()['entries'], 0, b''
  with environment.begin(buffers=True) as transaction:
    cursor = transaction.cursor()
    for _ in cursor.iternext(keys=True, values=there <= READ_WHOLE_BYTES):
      key, found = bytes(cursor.key()), found + 1
      if found > entries or found > 1 and not last < key:
        raise ValueError('its keys are out of order')
      last = key
  if found != entries:
    raise ValueError('it has %d keys instead of %d' % (found, entries))


def _reason(path):
  """Returns what a process that reads an environment found wrong with it; None if nothing."""
  root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
  command = [sys.executable, '-m', 'wgan_tf1.lmdb_files', path]
  environment = dict(os.environ, PYTHONPATH=root)
  try:
    child = subprocess.run(
      command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_CHECK_SECONDS, env=environment
    )  # fmt: skip
  except subprocess.TimeoutExpired:
    return 'to read it takes more than %d seconds' % _CHECK_SECONDS
  if not child.returncode:
    return None
  said = child.stdout.decode('utf-8', 'replace').strip()
  return said or 'it ends a process that reads it, by signal %d' % -child.returncode


@functools.lru_cache(maxsize=None)  # the package refuses to open an environment twice in one process
def environment(path):
  """Returns the `lmdb.Environment` at `path`, which is its resolved path, to read from by several threads.

  Raises:
    UserError: if the package is not installed, or the environment cannot be read.
  """
  try:
    import lmdb  # noqa: F401
  except ImportError as e:
    raise UserError('dataset=lsun needs a package that cannot be imported (%s): pip install lmdb' % e)
  reason = _reason(path)
  if reason is not None:
    raise UserError('%s cannot be opened as an LMDB environment (%s): unpack it anew' % (path, reason))
  return _open(path)


def keys(environment):
  """Returns the keys, in their order, as one array of bytes strings; each with a '.' at its end.

  NumPy drops zero bytes from the end of a bytes string, and a key may end with them.
  """
  chunks = []
  with environment.begin(buffers=True) as transaction:
    found = transaction.cursor().iternext(keys=True, values=False)
    while True:
      chunk = [bytes(key) + b'.' for key in itertools.islice(found, _KEYS_AT_ONCE)]
      if not chunk:
        break
      chunks.append(np.array(chunk))
  return np.concatenate(chunks) if chunks else np.empty([0], 'S1')


if __name__ == '__main__':
  try:
    check(sys.argv[1])
  except Exception as e:
    print(str(e).split('\n')[0] or type(e).__name__)
    sys.exit(1)
