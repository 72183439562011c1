"""The 2015 Inception graph, of the published inception scores and Frechet distances: downloaded once, and checked."""

import hashlib
import http.client
import io
import os
import sys
import tarfile
import urllib.parse
import urllib.request
import zlib
from typing import Sequence

from wgan_tf1 import files
from wgan_tf1.data import downloads
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import classifiers

FILE = 'classify_image_graph_def.pb'
# Of the unpacked file. Its publisher gives no checksum. Several public projects pin this one for the copy at the second
# address, which has 95,673,916 bytes, as the archive's member has; no copy was at hand to check.
SHA256 = '009d6814d1bc560d4e7b236e170e9b2d5ca6f4b57bd8037f6db05776204415c6'
URLS = (
  'http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz',
  'https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches/classify_image_graph_def.pb',
)
_LARGEST_BYTES = 2**29  # that an archive may unpack to


def load(
  cache_dir: str = classifiers.CACHE_DIR, checksum: str = SHA256, urls: Sequence[str] = URLS
) -> classifiers.Classifier:
  """Returns Inception, 2,048 features and 1,008 classes, after a download if its file does not exist yet.

  Args:
    cache_dir: folder that holds classify_image_graph_def.pb, or will.
    checksum: SHA-256 of that file.
    urls: addresses of the file, or of a gzipped tar archive with it, tried in turn.

  Raises:
    UserError: if the file neither exists nor can be downloaded, or has another checksum.
  """
  path = os.path.join(cache_dir, FILE)
  if not os.path.exists(path):
    print('downloading %s to %s' % (FILE, cache_dir), file=sys.stderr, flush=True)
    _download(path, checksum, urls)
  return classifiers.load(path, *classifiers.INCEPTION_NAMES, checksum=checksum)


def _download(path: str, checksum: str, urls: Sequence[str]) -> None:
  """Writes the graph from the first address that has it."""
  reasons = []
  for url in urls:
    try:
      with urllib.request.urlopen(url, timeout=downloads.DOWNLOAD_TIMEOUT_SECONDS) as response:
        graph = _unpacked(response.read())
      found = hashlib.sha256(graph).hexdigest()
      if found != checksum.lower():
        raise ValueError('SHA-256 %s, expected %s' % (found, checksum))
      files.write_file(path, graph)
      return
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError, http.client.HTTPException) as e:
      reasons.append('%s: %s' % (urllib.parse.urlsplit(url).netloc, getattr(e, 'reason', e)))
  folder, name = os.path.split(path)
  raise UserError(
    '%s is not in %s and cannot be downloaded (%s). Put it there, from %s' % (name, folder, '; '.join(reasons), urls[0])
  )


def _unpacked(content: bytes) -> bytes:
  """Returns the bytes of the graph, from its archive or as they are.

  Only the graph is read from the archive, and in memory, so that no member can be written outside of a folder.

  Raises:
    ValueError: if the archive has no such file.
  """
  if content[:2] != b'\x1f\x8b':
    return content
  with tarfile.open(fileobj=io.BytesIO(content), mode='r|gz') as archive:
    for member in archive:
      if os.path.basename(member.name) == FILE and member.isreg() and member.size <= _LARGEST_BYTES:
        extracted = archive.extractfile(member)
        assert extracted is not None  # since the member is a regular file
        return extracted.read()
  raise ValueError('the archive holds no %s' % FILE)
