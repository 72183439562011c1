"""MNIST, Fashion-MNIST, scikit-learn's digits and CIFAR-10 as arrays in memory; resizing and splitting of arrays.

No TensorFlow here.
"""

import glob
import hashlib
import importlib.util
import os
import struct
import sys
from typing import Any, Callable, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image

from wgan_tf1 import files
from wgan_tf1.data import downloads
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError, warn


class Arrays(NamedTuple):
  """Samples uint8 [N, H, W, C] or float32 [N, 2]; labels int32 [N], or None for a data set without labels."""

  train: np.ndarray
  validation: np.ndarray
  train_labels: Optional[np.ndarray] = None
  validation_labels: Optional[np.ndarray] = None
  class_names: Optional[Tuple[str, ...]] = None  # of the labels 0, 1, 2..., where they are known


MIRRORS = {
  'mnist': (
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'http://yann.lecun.com/exdb/mnist/',
  ),
  'fashion_mnist': (
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
    'https://storage.googleapis.com/tensorflow/tf-keras-datasets/',
  ),
}
# In the order of the fields of `Arrays`.
IDX_FILES = (
  'train-images-idx3-ubyte', 't10k-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-labels-idx1-ubyte',
)  # fmt: skip
IDX_MD5 = {
  'mnist': (
    '6bbc9ace898e44ae57da46a324031adb', '2646ac647ad5339dbf082846283269ea',
    'a25bea736e30d166cdddb491f175f624', '27ae3e4e09519cfbb04c329615203637',
  ),
  'fashion_mnist': (
    'f4a8712d7a061bf5bd6d2ca38dc4d50a', '8181f5470baa50b63fa0f6fddb340f0a',
    '9018921c3c673c538a1fc5bad174d6f9', '15d484375f8d13e6eb1aabb0c3f46965',
  ),
}  # fmt: skip


FASHION_CLASSES = (
  't-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot',
)  # fmt: skip


def parse_idx(content: bytes) -> np.ndarray:
  """Returns the uint8 array that an IDX file holds: images [N, H, W] or labels [N]."""
  (magic,) = struct.unpack('>I', content[:4])
  rank = magic & 0xFF
  shape = struct.unpack('>%dI' % rank, content[4 : 4 + 4 * rank])
  return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_idx_set(name: str, folder: str, with_labels: bool) -> Arrays:
  """Reads MNIST or Fashion-MNIST: 60,000 and 10,000 grey images of 28x28 pixels. Downloads the files not in `folder`.

  Args:
    name: 'mnist' or 'fashion_mnist'.
    folder: directory of the IDX files, gzipped or not.
    with_labels: whether to read the labels too. If not, the two files of labels are not needed.

  Raises:
    UserError: if a file is damaged.
    Missing: if a file is neither in `folder` nor can be downloaded.
  """
  idx_files = list(zip(IDX_FILES, IDX_MD5[name]))[: 4 if with_labels else 2]
  arrays = []
  for file_name, md5 in idx_files:
    content = downloads.read_checked(folder, file_name, md5)
    if content is None:
      print('downloading %s to %s' % (file_name, folder), file=sys.stderr, flush=True)
      try:
        content = downloads.download(folder, file_name, md5, MIRRORS[name])
      except OSError as e:
        names = [file_name + '.gz' for file_name, _ in idx_files]
        raise Missing(
          '%s is not in %s and cannot be downloaded (%s)' % (name.upper(), folder, e),
          'Put %s and %s there, or use the --data_dir that has them' % (', '.join(names[:-1]), names[-1]),
        ) from e
    arrays.append(parse_idx(content))
  images, labels = arrays[:2], arrays[2:]
  train, validation = (array[..., np.newaxis] for array in images)
  train_labels, validation_labels = (array.astype(np.int32) for array in labels) if labels else (None, None)
  known = FASHION_CLASSES if name == 'fashion_mnist' and with_labels else None
  return Arrays(train, validation, train_labels, validation_labels, known)


def read_digits() -> Arrays:
  """Returns scikit-learn's 1,797 digits, drawn as MNIST draws its own. The last 297 are held out.

  That is, white on black, in a box of 20x20 pixels in the middle of 28x28. The 8x8 pixels are enlarged by bicubic
  interpolation, and their levels from 0 to 16 are stretched so that 4 is black and 12 is white: that gives strokes.
  """
  small, labels = _small_digits()
  images = np.zeros([len(small), 28, 28, 1], np.uint8)
  for image, drawn in zip(small, images):
    enlarged = Image.fromarray(image.astype(np.float32)).resize((20, 20), Image.Resampling.BICUBIC)
    drawn[4:24, 4:24, 0] = np.rint(np.clip((np.asarray(enlarged) - 4) / 8, 0, 1) * 255)
  return Arrays(images[:1500], images[1500:], labels[:1500], labels[1500:])


def _small_digits() -> Tuple[np.ndarray, np.ndarray]:
  """Returns scikit-learn's digits as they are, levels 0 to 16: [1797, 8, 8], and their labels, int32 [1797].

  The file is read where scikit-learn has it: to import scikit-learn takes a second of a start of five.
  """
  found = importlib.util.find_spec('sklearn')
  places = found.submodule_search_locations if found else None
  path = os.path.join(list(places)[0], 'datasets', 'data', 'digits.csv.gz') if places else ''
  if not os.path.exists(path):  # another version, with another layout
    import sklearn.datasets

    digits = sklearn.datasets.load_digits()
    return digits.images, digits.target.astype(np.int32)
  rows = np.loadtxt(path, delimiter=',')
  return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1].astype(np.int32)


_CIFAR_RECORD_BYTES = 1 + 3 * 32 * 32
_MOST_RECORDS = 300000  # in a file; the published files have 10,000


def _read_cifar_file(path):
  """Returns images uint8 [N, 32, 32, 3] and labels int32 [N]. A record is a label, then the planes R, G and B.

  Raises:
    UserError: if the file cannot be read or is damaged.
  """
  with files.user_errors('%s cannot be read' % path, 'Make it readable'), open(path, 'rb') as f:
    if os.fstat(f.fileno()).st_size > _MOST_RECORDS * _CIFAR_RECORD_BYTES:
      raise UserError('%s is too large: it must have at most %d records. Unpack it again' % (path, _MOST_RECORDS))
    content = f.read()
  if not content or len(content) % _CIFAR_RECORD_BYTES:
    raise UserError(
      '%s is damaged: its size of %d bytes is not a positive multiple of %d. Unpack it again'
      % (path, len(content), _CIFAR_RECORD_BYTES)
    )
  records = np.frombuffer(content, np.uint8).reshape(-1, _CIFAR_RECORD_BYTES)
  labels = records[:, 0].astype(np.int32)
  if labels.max() > 9:
    worst = int(labels.argmax())
    raise UserError(
      '%s is damaged: record %d has label %d, which must be at most 9. Unpack it again' % (path, worst, labels[worst])
    )
  return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def read_cifar10(folder: str) -> Arrays:
  """Reads CIFAR-10's binary version, RGB images of 32x32 pixels: data_batch_*.bin to train on, test_batch.bin held out.

  Without test_batch.bin the last tenth of the training images, at most 1,000, is held out, and a warning is printed.
  The names of the classes are those in batches.meta.txt, if it is there.
  The Python version of CIFAR-10 is never read: it is pickled, and loading a pickle can run any code.

  Args:
    folder: directory of the files, or of their directory cifar-10-batches-bin.

  Raises:
    UserError: if a file is damaged.
    Missing: if there is no data_batch_*.bin.
  """
  found = []
  for place in (folder, os.path.join(folder, 'cifar-10-batches-bin')):
    found = sorted(glob.glob(os.path.join(glob.escape(place), 'data_batch_*.bin')))
    if found:
      break
  else:
    raise Missing(
      '%s holds no data_batch_*.bin' % folder,
      'Unpack cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/ and put its .bin files there',
    )
  names = _cifar_names(os.path.join(place, 'batches.meta.txt'))
  parts = [_read_cifar_file(path) for path in found]
  images, labels = (np.concatenate(part) for part in zip(*parts))
  test_path = os.path.join(place, 'test_batch.bin')
  if os.path.exists(test_path):
    test_images, test_labels = _read_cifar_file(test_path)
    return Arrays(images, test_images, labels, test_labels, names)
  if len(images) == 1:
    raise UserError('%s holds one image. At least two are needed, of which one is held out' % found[0])
  n = max(1, min(1000, len(images) // 10))
  warn('%s: file not found. The last %d training images are held out instead' % (test_path, n))
  return Arrays(images[:-n], images[-n:], labels[:-n], labels[-n:], names)


def _cifar_names(path: str) -> Optional[Tuple[str, ...]]:
  """Returns the names of the classes, a line each, of the file that CIFAR-10's archive has beside its images."""
  try:
    with open(path, encoding='utf-8') as f:
      names = tuple(line.strip().replace('/', '-') for line in f.read(10000).splitlines() if line.strip())
  except (OSError, ValueError):
    return None
  return names if len(set(names)) == len(names) else None


def hold_out(samples: np.ndarray, every: int, most: int) -> Tuple[np.ndarray, np.ndarray]:
  """Splits samples into (training, held out): every `every`-th is held out, or fewer so that there are at most `most`.

  With fewer than `every` samples the last is held out. A single sample is in both parts, because neither may be empty.
  """
  n = len(samples)
  if n == 1:
    return samples, samples
  every = max(every, -(-n // most))
  held_out = np.arange(n) % every == every - 1
  held_out[-1] |= n < every
  return samples[~held_out], samples[held_out]


def padding(small: int, large: int) -> int:
  """Returns how many rows of black come before an image of height `small` that is centred in one of `large`."""
  return (large - small) // 2


def fit(images: np.ndarray, size: int, channels: int, how: str) -> np.ndarray:
  """Changes the size and the number of channels of square images.

  Args:
    images: uint8 [N, H, H, 1 or 3].
    size: new height and width, in pixels.
    channels: 1 for grey or 3 for RGB.
    how: 'pad' surrounds smaller images with black and resizes larger ones. 'crop' and 'stretch' are the same here:
      they resize a square image (bilinear).

  Returns:
    uint8 [N, size, size, channels].
  """
  if images.shape[3] == 3 and channels == 1:
    images = _each(images, lambda image: image.convert('L'), images.shape[1], 1)
  if how == 'pad' and images.shape[1] < size:
    before = padding(images.shape[1], size)
    after = size - images.shape[1] - before
    images = np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)), 'constant')
  elif images.shape[1] != size:
    images = _each(images, lambda image: image.resize((size, size), Image.Resampling.BILINEAR), size, images.shape[3])
  return np.ascontiguousarray(images if images.shape[3] == channels else np.repeat(images, channels, axis=3))


def _each(images: np.ndarray, change: Callable[[Any], Any], size: int, channels: int) -> np.ndarray:
  """Applies `change`, a function of a Pillow image, to each image; returns uint8 [N, size, size, channels]."""
  changed = np.empty([len(images), size, size, channels], np.uint8)
  for before, after in zip(images, changed):
    image = Image.fromarray(np.ascontiguousarray(before[..., 0] if before.shape[2] == 1 else before))
    after[...] = np.asarray(change(image)).reshape(size, size, channels)
  return changed


def digest(*found: np.ndarray) -> str:
  """Returns the MD5 sum of arrays: of their types, shapes and values."""
  md5 = hashlib.md5()
  for array in found:
    md5.update(('%s %s' % (array.dtype.str, array.shape)).encode())
    md5.update(np.ascontiguousarray(array).data)
  return md5.hexdigest()
