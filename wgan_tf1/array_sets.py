"""Data sets small enough for memory, read or generated as arrays, as they are published. No TensorFlow here."""

import glob
import os
from typing import NamedTuple
from typing import Optional

import numpy as np
from PIL import Image

from wgan_tf1 import UserError
from wgan_tf1 import downloads
from wgan_tf1.downloads import Missing
from wgan_tf1.messages import warn


class Arrays(NamedTuple):
  """Samples uint8 [N, H, W, C] or float32 [N, 2]; labels int32 [N], or None where there are none."""

  train: np.ndarray
  validation: np.ndarray
  train_labels: Optional[np.ndarray] = None
  validation_labels: Optional[np.ndarray] = None


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


def read_idx_set(name, folder, with_labels):
  """MNIST or Fashion-MNIST: 60,000 and 10,000 grey images of 28x28 pixels, downloaded where they are not there.

  Args:
    name: 'mnist' or 'fashion_mnist'.
    folder: where the IDX files are, gzipped or not, or are to be kept.
    with_labels: whether the two files of labels are needed.

  Returns:
    `Arrays`; without labels unless `with_labels`.

  Raises:
    UserError: if a file is damaged.
    Missing: if a file is neither there nor to be downloaded.
  """
  files = list(zip(IDX_FILES, IDX_MD5[name]))[: 4 if with_labels else 2]
  arrays = []
  for file_name, md5 in files:
    content = downloads.read_checked(folder, file_name, md5)
    if content is None:
      print('downloading %s to %s' % (file_name, folder), flush=True)
      try:
        content = downloads.download(folder, file_name, md5, MIRRORS[name])
      except OSError as e:
        names = [file_name + '.gz' for file_name, _ in files]
        raise Missing(
          '%s is not in %s and cannot be downloaded (%s)' % (name.upper(), folder, e),
          'put %s and %s there, or take --dataset=digits' % (', '.join(names[:-1]), names[-1]),
        )
    arrays.append(downloads.parse_idx(content))
  images, labels = arrays[:2], arrays[2:]
  return Arrays(*(array[..., np.newaxis] for array in images), *(array.astype(np.int32) for array in labels))


def read_digits():
  """scikit-learn's 1,797 digits, grey and of 8x8 pixels; the last 297 are held out."""
  import sklearn.datasets  # slow, and needed here alone

  digits = sklearn.datasets.load_digits()
  images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
  labels = digits.target.astype(np.int32)
  return Arrays(images[:1500], images[1500:], labels[:1500], labels[1500:])


_CIFAR_RECORD_BYTES = 1 + 3 * 32 * 32
_MOST_RECORDS = 300000  # of a file; a published one has 10,000


def _read_cifar_file(path):
  """Returns (uint8 [N, 32, 32, 3], int32 [N]) of a file of records: a label, then planes of red, green and blue.

  Raises:
    UserError: if it cannot be read, or is not made of such records.
  """
  try:
    with open(path, 'rb') as f:
      if os.fstat(f.fileno()).st_size > _MOST_RECORDS * _CIFAR_RECORD_BYTES:
        raise UserError('%s is too large: a file has at most %d records; unpack it anew' % (path, _MOST_RECORDS))
      content = f.read()
  except OSError as e:
    raise UserError('%s cannot be read: %s' % (path, e.strerror or e))
  if not content or len(content) % _CIFAR_RECORD_BYTES:
    raise UserError(
      '%s is damaged: its %d bytes are not records of %d; unpack it anew' % (path, len(content), _CIFAR_RECORD_BYTES)
    )
  records = np.frombuffer(content, np.uint8).reshape(-1, _CIFAR_RECORD_BYTES)
  labels = records[:, 0].astype(np.int32)
  if labels.max() > 9:
    worst = int(labels.argmax())
    raise UserError(
      '%s is damaged: record %d has the label %d, the highest is 9; unpack it anew' % (path, worst, labels[worst])
    )
  return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def read_cifar10(folder):
  """CIFAR-10's binary record files: every data_batch_*.bin, and test_batch.bin, RGB images of 32x32 pixels.

  Where there is no test_batch.bin the last tenth, at most 1,000, is held out, after a warning. The archive with
  Python's pickles is never read: to load a pickle is to run it.

  Args:
    folder: where the files are, or their folder cifar-10-batches-bin.

  Returns:
    `Arrays`.

  Raises:
    UserError: if a file is damaged.
    Missing: if no data_batch_*.bin is there.
  """
  found = []
  for place in (folder, os.path.join(folder, 'cifar-10-batches-bin')):
    found = sorted(glob.glob(os.path.join(glob.escape(place), 'data_batch_*.bin')))
    if found:
      break
  else:
    raise Missing(
      '%s holds no data_batch_*.bin' % folder,
      'unpack cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/ and put its .bin files there',
    )
  parts = [_read_cifar_file(path) for path in found]
  images, labels = (np.concatenate(part) for part in zip(*parts))
  test_path = os.path.join(place, 'test_batch.bin')
  if os.path.exists(test_path):
    test_images, test_labels = _read_cifar_file(test_path)
    return Arrays(images, test_images, labels, test_labels)
  n = max(1, min(1000, len(images) // 10))
  warn('%s is not there: the last %d images of the training files are held out instead' % (test_path, n))
  kept = max(1, len(images) - n)  # a single image is both trained on and held out
  return Arrays(images[:kept], images[-n:], labels[:kept], labels[-n:])


def _grid_25():
  return np.array([(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)])


def _ring_8():
  angles = np.arange(8) * (np.pi / 4)
  return 2 * np.stack([np.cos(angles), np.sin(angles)], 1)


# name -> centres [K, 2], standard deviation about each of them, what both are divided by: WGAN-GP's toy code.
_GAUSSIANS = {'8gaussians': (_ring_8(), 0.02, 1.414), '25gaussians': (_grid_25(), 0.05, 2.828)}
TRAIN_POINTS, VALIDATION_POINTS = 100000, 10000


def mode_centres(name):
  """Returns float32 [K, 2], the centres of '8gaussians' or '25gaussians', equally probable."""
  centres, _, divisor = _GAUSSIANS[name]
  return (centres / divisor).astype(np.float32)


def mode_deviation(name):
  """Returns the standard deviation, along each axis, of '8gaussians' or '25gaussians' about a centre."""
  _, deviation, divisor = _GAUSSIANS[name]
  return deviation / divisor


def published_sigma(name):
  """Returns `mode_deviation` on the scale of PacGAN's (1712.04086) mixtures: ring of radius 1, grid of spacing 2."""
  return _GAUSSIANS[name][1] / {'8gaussians': 2, '25gaussians': 1}[name]  # the ring here has radius 2


def make_points(name):
  """Points in the plane: '8gaussians', '25gaussians' or 'swissroll'; the same ones for every run.

  Returns:
    `Arrays` of float32 [N, 2].
  """
  splits = []
  for seed, n in ((0, TRAIN_POINTS), (1, VALIDATION_POINTS)):
    if name == 'swissroll':
      import sklearn.datasets  # slow, and needed here alone

      points = sklearn.datasets.make_swiss_roll(n, noise=0.25, random_state=seed)[0][:, [0, 2]] / 7.5
    else:
      random = np.random.RandomState(seed)
      centres, deviation, divisor = _GAUSSIANS[name]
      points = (centres[random.randint(len(centres), size=n)] + random.normal(0, deviation, [n, 2])) / divisor
    splits.append(points.astype(np.float32))
  return Arrays(*splits)


def fit(images, size, channels, how):
  """Brings square images to a size and a number of channels.

  Args:
    images: uint8 [N, H, H, 1 or 3].
    size: height and width to return, in pixels.
    channels: 1 for grey or 3 for RGB.
    how: 'pad' lays black around images that are too small, and resizes larger ones; 'resize' is bilinear;
      'enlarge' is bicubic.

  Returns:
    uint8 [N, size, size, channels].
  """
  if images.shape[3] == 3 and channels == 1:
    images = _each(images, lambda image: image.convert('L'), images.shape[1], 1)
  if how == 'pad' and images.shape[1] < size:
    before = (size - images.shape[1]) // 2
    after = size - images.shape[1] - before
    images = np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)), 'constant')
  elif images.shape[1] != size:
    resample = Image.BICUBIC if how == 'enlarge' else Image.BILINEAR
    images = _each(images, lambda image: image.resize((size, size), resample), size, images.shape[3])
  return np.ascontiguousarray(images if images.shape[3] == channels else np.repeat(images, channels, axis=3))


def _each(images, change, size, channels):
  """Returns uint8 [N, size, size, channels]: what `change`, a function of a Pillow image, makes of each."""
  changed = np.empty([len(images), size, size, channels], np.uint8)
  for before, after in zip(images, changed):
    image = Image.fromarray(np.ascontiguousarray(before[..., 0] if before.shape[2] == 1 else before))
    after[...] = np.asarray(change(image)).reshape(size, size, channels)
  return changed
