"""Files that are fetched, checked and written whole; the IDX format. No TensorFlow here."""

import gzip
import hashlib
import http.client
import io
import os
import struct
import tempfile
import urllib.parse
import urllib.request
import zlib

import numpy as np

from wgan_tf1 import UserError

DOWNLOAD_TIMEOUT_SECONDS = 10
LARGEST_BYTES = 2**26  # of a file, packed or not; the largest of MNIST has 47 million


class Missing(Exception):
  """A data set is not there and cannot be had: `problem` and `advice` are the halves of one line for people."""

  def __init__(self, problem, advice):
    super().__init__('%s: %s' % (problem, advice))
    self.problem = problem
    self.advice = advice


def write_file(path, content):
  """Writes bytes so that `path` holds all of them or what it held before; makes its folder."""
  os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
  handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or '.', prefix=os.path.basename(path))
  try:
    with os.fdopen(handle, 'wb') as f:
      f.write(content)
      f.flush()
      os.fsync(f.fileno())  # so that after a power cut too it is one or the other
    os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's own mode hides the file from everybody else
    os.replace(temporary, path)
  except BaseException:
    os.remove(temporary)
    raise


def _umask():
  mask = os.umask(0)
  os.umask(mask)
  return mask


def _check_md5(content, name, expected, source):
  md5 = hashlib.md5(content).hexdigest()
  if md5 != expected:
    raise ValueError('%s is not the published %s: its MD5 is %s, not %s' % (source, name, md5, expected))


def read_checked(folder, name, md5):
  """Returns the checked bytes of a file, gzipped or not; None where it is not there.

  Args:
    folder: where to look.
    name: the file's name without .gz.
    md5: of the uncompressed bytes, in hexadecimal: the same bytes have been compressed more than once.

  Raises:
    UserError: if it is there and is not the published one.
  """
  for path, opener in ((os.path.join(folder, name), open), (os.path.join(folder, name + '.gz'), gzip.open)):
    if os.path.exists(path):
      try:
        with opener(path, 'rb') as f:
          content = f.read(LARGEST_BYTES)  # whatever else a damaged one unpacks to
        _check_md5(content, name, md5, path)
        return content
      except (OSError, EOFError, zlib.error, ValueError) as e:
        raise UserError('%s cannot be used (%s): delete it, and it is downloaded anew' % (path, e))
  return None


def download(folder, name, md5, mirrors):
  """Fetches `name`.gz from the first mirror that has the right bytes, and keeps it in `folder`.

  Args:
    folder, name, md5: as for `read_checked`.
    mirrors: addresses that end with a slash, tried in turn.

  Returns:
    The uncompressed bytes.

  Raises:
    OSError: if every mirror failed, with their reasons, or the file cannot be kept.
  """
  reasons = {}  # reason -> hosts: without a network it is the same for all
  for mirror in mirrors:
    url = mirror + name + '.gz'
    try:
      with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as response:
        compressed = response.read(LARGEST_BYTES)
      with gzip.GzipFile(fileobj=io.BytesIO(compressed)) as f:
        content = f.read(LARGEST_BYTES)
      _check_md5(content, name, md5, url)
    except (OSError, EOFError, zlib.error, ValueError, http.client.HTTPException) as e:
      hosts = reasons.setdefault(str(getattr(e, 'reason', e)), [])
      hosts.append(urllib.parse.urlsplit(url).netloc)
    else:
      write_file(os.path.join(folder, name + '.gz'), compressed)
      return content
  raise OSError('; '.join('%s: %s' % (', '.join(hosts), reason) for reason, hosts in reasons.items()))


def parse_idx(content):
  """Returns the uint8 array of an IDX file's bytes: [N, H, W] of images, [N] of labels."""
  (magic,) = struct.unpack('>I', content[:4])
  rank = magic & 0xFF
  shape = struct.unpack('>%dI' % rank, content[4 : 4 + 4 * rank])
  return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
