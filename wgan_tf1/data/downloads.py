"""Downloads checked by their MD5, and Missing, raised when a data set cannot be obtained. No TensorFlow here."""

import gzip
import hashlib
import http.client
import io
import os
import urllib.parse
import urllib.request
import zlib
from typing import Dict, List, Optional, Sequence

from wgan_tf1 import files
from wgan_tf1.errors import UserError, warn

DOWNLOAD_TIMEOUT_SECONDS = 10
LARGEST_BYTES = 2**26  # of a file, compressed or not; MNIST's largest has 47 million


class Missing(Exception):
  """A data set is neither on the disk nor can be downloaded: `problem` says why, `advice` what to do."""

  def __init__(self, problem: str, advice: str) -> None:
    super().__init__('%s. %s' % (problem, advice))
    self.problem = problem
    self.advice = advice


def _check_md5(content, name, expected):
  md5 = hashlib.md5(content).hexdigest()
  if md5 != expected:
    raise ValueError('%s has MD5 %s, expected %s' % (name, md5, expected))


def read_checked(folder: str, name: str, md5: str) -> Optional[bytes]:
  """Returns the bytes of the file `name`, or of `name`.gz uncompressed; None if there is neither.

  Args:
    folder: directory to look in.
    name: file name without .gz.
    md5: MD5 of the uncompressed bytes, in hexadecimal. Mirrors have compressed the same bytes in different ways.

  Raises:
    UserError: if the file cannot be read or its MD5 differs.
  """
  for path, opener in ((os.path.join(folder, name), open), (os.path.join(folder, name + '.gz'), gzip.open)):
    if os.path.exists(path):
      try:
        with opener(path, 'rb') as f:
          content = f.read(LARGEST_BYTES)  # a damaged file may unpack to any size
        _check_md5(content, name, md5)
        return content
      except (OSError, EOFError, zlib.error, ValueError) as e:
        raise UserError(
          '%s is not the published file (%s). To download that, move this file elsewhere. To train on images of your '
          'own in this format, use --dataset=idx --data_path=%s' % (path, e, files.pasted(folder))
        ) from e
  return None


def download(folder: str, name: str, md5: str, mirrors: Sequence[str]) -> bytes:
  """Downloads `name`.gz from the first mirror that has the right bytes, and saves it in `folder`.

  Args:
    folder, name, md5: as for `read_checked`.
    mirrors: URLs that end with a slash, tried in order.

  Returns:
    The uncompressed bytes.

  Raises:
    OSError: if every mirror failed, with the reasons. A file that cannot be saved is a warning.
  """
  reasons: Dict[str, List[str]] = {}  # reason -> hosts: without a network all hosts have the same reason
  for mirror in mirrors:
    url = mirror + name + '.gz'
    try:
      with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as response:
        compressed = response.read(LARGEST_BYTES)
      with gzip.GzipFile(fileobj=io.BytesIO(compressed)) as f:
        content = f.read(LARGEST_BYTES)
      _check_md5(content, name, md5)
    except (OSError, EOFError, zlib.error, ValueError, http.client.HTTPException) as e:
      hosts = reasons.setdefault(str(getattr(e, 'reason', e)), [])
      hosts.append(urllib.parse.urlsplit(url).netloc)
    else:
      path = os.path.join(folder, name + '.gz')
      try:
        files.write_file(path, compressed)
      except OSError as e:
        warn('%s cannot be saved (%s), and will be downloaded again' % (path, e.strerror or e))
      return content
  raise OSError('; '.join('%s: %s' % (', '.join(hosts), reason) for reason, hosts in reasons.items()))
