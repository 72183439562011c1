"""Data sets: found, downloaded, checked, and dealt out in batches. No TensorFlow here."""

import functools
import gzip
import hashlib
import http.client
import os
import struct
import sys
import tempfile
import urllib.parse
import urllib.request
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from wgan_tf1 import UserError


class Dataset(NamedTuple):
  """A data set in memory: `train` and `validation` are uint8 [N, H, W, C]; `name` is a key of `DATASETS`."""

  name: str
  train: np.ndarray
  validation: np.ndarray


MNIST_MIRRORS = (
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'http://yann.lecun.com/exdb/mnist/',
)
# Of the uncompressed files: the same bytes have been compressed more than once.
MNIST_MD5 = {
  'train-images-idx3-ubyte': '6bbc9ace898e44ae57da46a324031adb',
  't10k-images-idx3-ubyte': '2646ac647ad5339dbf082846283269ea',
}
DOWNLOAD_TIMEOUT_SECONDS = 10


def write_file(path, content):
  """Writes bytes so that `path` holds all of them or what it held before; makes its folder."""
  os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
  handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or '.', prefix=os.path.basename(path))
  try:
    with os.fdopen(handle, 'wb') as f:
      f.write(content)
    os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's own mode hides the file from everybody else
    os.replace(temporary, path)
  except BaseException:
    os.remove(temporary)
    raise


def _umask():
  mask = os.umask(0)
  os.umask(mask)
  return mask


def _check_md5(content, name, source):
  md5 = hashlib.md5(content).hexdigest()
  if md5 != MNIST_MD5[name]:
    raise ValueError("%s is not MNIST's %s: its MD5 is %s, not %s" % (source, name, md5, MNIST_MD5[name]))


def _read_mnist_file(folder, name):
  """Returns the checked bytes of a file, gzipped or not; None where it is not there.

  Raises:
    UserError: if it is there and is not MNIST's.
  """
  for path, opener in ((os.path.join(folder, name), open), (os.path.join(folder, name + '.gz'), gzip.open)):
    if os.path.exists(path):
      try:
        with opener(path, 'rb') as f:
          content = f.read()
        _check_md5(content, name, path)
        return content
      except (OSError, EOFError, zlib.error, ValueError) as e:
        raise UserError('%s cannot be used (%s): delete it, and it is downloaded anew' % (path, e))
  return None


def _download_mnist_file(folder, name):
  """Fetches a file from the first mirror that has the right bytes, and keeps it as `folder`/`name`.gz.

  Returns:
    The uncompressed bytes.

  Raises:
    OSError: if every mirror failed, with their reasons, or the file cannot be kept.
  """
  reasons = {}  # reason -> hosts: without a network it is the same for all
  for mirror in MNIST_MIRRORS:
    url = mirror + name + '.gz'
    try:
      with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_SECONDS) as response:
        compressed = response.read()
      content = gzip.decompress(compressed)
      _check_md5(content, name, url)
    except (OSError, EOFError, zlib.error, ValueError, http.client.HTTPException) as e:
      hosts = reasons.setdefault(str(getattr(e, 'reason', e)), [])
      hosts.append(urllib.parse.urlsplit(url).netloc)
    else:
      write_file(os.path.join(folder, name + '.gz'), compressed)
      return content
  raise OSError('; '.join('%s: %s' % (', '.join(hosts), reason) for reason, hosts in reasons.items()))


def _parse_idx_images(content):
  """Returns the uint8 [N, H, W, 1] images of an IDX3 file's bytes."""
  _, n, height, width = struct.unpack('>IIII', content[:16])
  return np.frombuffer(content, np.uint8, offset=16).reshape(n, height, width, 1)


def load_mnist(data_dir, image_size):
  """MNIST, 60,000 and 10,000 digits, padded from 28 pixels to `image_size` with black, as the post does.

  Raises:
    UserError: if a file in `data_dir`/mnist is damaged.
    OSError: if a file is neither there nor to be downloaded.
  """
  folder = os.path.join(data_dir, 'mnist')
  splits = []
  for name in MNIST_MD5:
    content = _read_mnist_file(folder, name)
    if content is None:
      print('downloading %s to %s' % (name, folder), flush=True)
      content = _download_mnist_file(folder, name)
    images = _parse_idx_images(content)
    before = (image_size - images.shape[1]) // 2
    after = image_size - images.shape[1] - before
    splits.append(np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)), 'constant'))
  return Dataset('mnist', *splits)


def load_digits(data_dir, image_size):
  """scikit-learn's 1,797 digits of 8x8 pixels, enlarged to `image_size`; the last 297 are held out."""
  del data_dir  # they come with the package
  import sklearn.datasets  # slow, and needed here alone

  small = np.rint(sklearn.datasets.load_digits().images * (255 / 16)).astype(np.uint8)
  size = (image_size, image_size)
  images = np.stack([np.asarray(Image.fromarray(image).resize(size, Image.BICUBIC)) for image in small])[..., None]
  return Dataset('digits', images[:1500], images[1500:])


# name -> function of (data_dir, image_size) that returns a `Dataset`.
DATASETS = {'mnist': load_mnist, 'digits': load_digits}


def load(name, data_dir, image_size):
  """Loads a data set.

  Args:
    name: a key of `DATASETS`, or 'auto': MNIST where it can be had, else, after a warning, digits.
    data_dir: directory that holds one folder for each data set.
    image_size: height and width to pad or enlarge to, in pixels.

  Returns:
    A `Dataset`.

  Raises:
    UserError: if the files are damaged; or neither there nor to be downloaded, and `name` is not 'auto'.
  """
  try:
    return DATASETS['mnist' if name == 'auto' else name](data_dir, image_size)
  except OSError as e:
    if name != 'auto':
      files = ' and '.join(name + '.gz' for name in MNIST_MD5)
      raise UserError(
        '%s is not in %s and cannot be downloaded (%s): put %s there, or take --dataset=digits'
        % (name.upper(), os.path.join(data_dir, name), e, files)
      )
    print(
      "warning: MNIST is not in %s and cannot be downloaded (%s). Training on scikit-learn's 8x8 digits "
      "instead: results are not MNIST's." % (os.path.join(data_dir, 'mnist'), e),
      file=sys.stderr,
    )
    return load_digits(data_dir, image_size)


@functools.lru_cache(maxsize=2)  # a batch can span two epochs
def _epoch_order(n, seed, epoch):
  # RandomState's streams are frozen for good, those of newer generators are not.
  return np.random.RandomState([seed, epoch]).permutation(n)


def batch_indices(n, batch_size, seed, step):
  """Which examples make up a batch: a pure function of its arguments, so that a resumed run goes on exactly.

  Epochs are shuffled one by one and laid end to end; batch `step` is the `step`-th piece of that. So each
  example comes once an epoch, whether or not `batch_size` divides `n`.

  Args:
    n: examples in the data set.
    batch_size: examples in a batch.
    seed: the run's seed.
    step: critic updates before this one.

  Returns:
    int64 [batch_size].
  """
  positions = np.arange(step * batch_size, (step + 1) * batch_size)
  epochs, offsets = np.divmod(positions, n)
  return np.concatenate([_epoch_order(n, seed, int(e))[offsets[epochs == e]] for e in np.unique(epochs)])


def to_float(images):
  """Scales uint8 0..255 to float32 [-1, 1], the range of tanh."""
  return images.astype(np.float32) / 127.5 - 1


def batch(images, batch_size, seed, step):
  """Returns batch `step` of uint8 [N, H, W, C] images as float32 [batch_size, H, W, C] in [-1, 1]."""
  return to_float(images[batch_indices(len(images), batch_size, seed, step)])
