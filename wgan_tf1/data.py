"""Data sets by name, as arrays or collections, and dealt out in batches. No TensorFlow here."""

import functools
import hashlib
import os
from typing import Any
from typing import NamedTuple
from typing import Optional

import numpy as np

from wgan_tf1 import UserError
from wgan_tf1 import array_sets
from wgan_tf1 import image_files
from wgan_tf1 import text_files
from wgan_tf1.config import class_numbers
from wgan_tf1.downloads import Missing
from wgan_tf1.downloads import write_file  # noqa: F401
from wgan_tf1.messages import warn
from wgan_tf1.prefetch import Prefetcher  # noqa: F401
from wgan_tf1.text_files import decode_text  # noqa: F401


class Dataset(NamedTuple):
  """Samples to train on, and others that are held out.

  `train` and `validation` have a length and are indexed by an int array [n], which gives raw samples: uint8
  [n, H, W, C] images, uint16 [n, L] tokens or float32 [n, 2] points. They are arrays, but for 'folder' and
  'lsun', which decode what they are indexed by; see `image_files.Images`.
  """

  name: str  # a key of `DATASETS`
  train: Any
  validation: Any
  train_labels: Optional[np.ndarray]  # int32 [N], or None
  validation_labels: Optional[np.ndarray]
  vocabulary: Optional[str]  # of text: character i is that of token i
  fingerprint: str  # hexadecimal; another one if the training data are others


class Batch(NamedTuple):
  """What one critic update is trained on."""

  real: np.ndarray  # float32 [B, ...]; see `encode`
  labels: Optional[np.ndarray]  # int32 [B], or None


def _place(config, name):
  """Returns where a data set of files is: `data_path` if that is given, else its folder in `data_dir`.

  Raises:
    UserError: if `data_path` is given and is not there.
  """
  if config.data_path is None:
    return os.path.join(config.data_dir, name)
  if not os.path.exists(config.data_path):
    raise UserError('data_path=%s is not there: name a file or folder that is' % config.data_path)
  return config.data_path


def _hash(*arrays):
  digest = hashlib.md5()
  for array in arrays:
    digest.update(('%s %s' % (array.dtype.str, array.shape)).encode())
    digest.update(np.ascontiguousarray(array))
  return digest.hexdigest()


def _only_classes(arrays, config, name):
  """Returns the `Arrays` of the classes that `config.classes` lists.

  Raises:
    UserError: if the list names a class that is not there.
  """
  wanted = class_numbers(config.classes)
  for labels, part in ((arrays.train_labels, 'to train on'), (arrays.validation_labels, 'held out')):
    there = np.unique(labels).tolist()
    absent = [label for label in wanted if label not in there]
    if absent:
      raise UserError(
        'classes=%s: %s has no class %d %s: its classes are %s'
        % (config.classes, name, absent[0], part, ', '.join(map(str, there)))
      )
  train = np.isin(arrays.train_labels, wanted)
  validation = np.isin(arrays.validation_labels, wanted)
  return array_sets.Arrays(
    arrays.train[train], arrays.validation[validation], arrays.train_labels[train], arrays.validation_labels[validation]
  )


def _images(config, name, arrays, how):
  """Returns the `Dataset` of images in memory: the wanted classes, brought to the wanted size as `how` says."""
  if config.classes is not None:
    arrays = _only_classes(arrays, config, name)
  # Of the pixels as published: Pillow's resizing may differ in a bit from one version to the next.
  fingerprint = _hash(*(array for array in (arrays.train, arrays.train_labels) if array is not None))
  fitted = [array_sets.fit(i, config.image_size, config.image_channels, how) for i in (arrays.train, arrays.validation)]
  return Dataset(name, *fitted, arrays.train_labels, arrays.validation_labels, None, fingerprint)


def _load_idx_set(config, name):
  # So that somebody who has the two files of images alone can train.
  with_labels = config.classes is not None or config.class_count is not None
  arrays = array_sets.read_idx_set(name, os.path.join(config.data_dir, name), with_labels)
  return _images(config, name, arrays, config.image_fit)


def _load_digits(config):
  return _images(config, 'digits', array_sets.read_digits(), 'enlarge')


def _load_cifar10(config):
  arrays = array_sets.read_cifar10(os.path.join(config.data_dir, 'cifar10'))
  return _images(config, 'cifar10', arrays, config.image_fit)


def _load_points(config, name):
  del config  # they are the same for every run
  arrays = array_sets.make_points(name)
  # Of the name, not the points: a sine may differ in its last bit from one machine to the next.
  return Dataset(name, arrays.train, arrays.validation, None, None, None, hashlib.md5(name.encode()).hexdigest())


def _load_collection(config, name):
  read = {'folder': image_files.folder, 'lsun': image_files.lsun}[name]
  train, validation, fingerprint = read(_place(config, name), config.image_size, config.image_channels)
  return Dataset(name, train, validation, None, None, None, fingerprint)


def _load_text(config):
  tokens, vocabulary = text_files.read(_place(config, 'text'), config.text_length, config.vocabulary)
  train, validation = image_files.split(tokens, image_files.spread(len(tokens), 10, len(tokens)))
  return Dataset('text', train, validation, None, None, vocabulary, _hash(train, np.array(vocabulary)))


# name -> function of a config that returns a `Dataset`, or raises `Missing` or `UserError`.
DATASETS = {
  'mnist': functools.partial(_load_idx_set, name='mnist'),
  'fashion_mnist': functools.partial(_load_idx_set, name='fashion_mnist'),
  'digits': _load_digits,
  'cifar10': _load_cifar10,
  'lsun': functools.partial(_load_collection, name='lsun'),
  'folder': functools.partial(_load_collection, name='folder'),
  'text': _load_text,
  '8gaussians': functools.partial(_load_points, name='8gaussians'),
  '25gaussians': functools.partial(_load_points, name='25gaussians'),
  'swissroll': functools.partial(_load_points, name='swissroll'),
}


def _check_labels(config, dataset):
  if config.class_count is not None:
    highest = max(int(dataset.train_labels.max()), int(dataset.validation_labels.max()))
    if highest >= config.class_count:
      raise UserError(
        'class_count=%d is too small: dataset=%s has the label %d' % (config.class_count, dataset.name, highest)
      )


def load(config):
  """Loads the data set that a config names.

  Images in memory are brought to `image_size` as `image_fit` says; those of 'folder' and 'lsun' are cropped and
  resized always, scikit-learn's digits enlarged always.

  Args:
    config: has the fields dataset, fallback_dataset, data_dir, data_path, classes, class_count, image_size,
      image_channels, image_fit, text_length and vocabulary; see `config.Config`.

  Returns:
    A `Dataset`; neither of its parts is empty. Its name is `fallback_dataset` where that was taken instead, with
    a warning.

  Raises:
    UserError: if the files are damaged; if they are neither there nor to be downloaded, and there is no
      `fallback_dataset`; if `classes` names one that does not exist, or `class_count` is too small for the labels.
  """
  try:
    dataset = DATASETS[config.dataset](config)
  except Missing as e:
    if config.fallback_dataset is None:
      raise UserError(str(e))
    warn("%s. Training on %s instead: results are not %s's." % (e.problem, config.fallback_dataset, config.dataset))
    dataset = DATASETS[config.fallback_dataset](config)
  _check_labels(config, dataset)
  return dataset


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


def to_float(images, pixel_minimum=-1.0):
  """Scales uint8 0..255 to float32 [pixel_minimum, 1]: -1 for the range of tanh, 0 for that of a sigmoid."""
  return images.astype(np.float32) / (255 / (1 - pixel_minimum)) + pixel_minimum


def _dequantized(images, sixteen_bits, pixel_minimum):
  """Returns float32 [pixel_minimum, 1): each pixel x as (x + sixteen_bits / 65536) / 256, scaled.

  Args:
    images: uint8 of any shape.
    sixteen_bits: uint16 of the same shape, or one of them.
    pixel_minimum: -1 or 0.
  """
  # 24 bits in all, which float32 holds exactly: nothing is rounded up to 1.
  unit = (images * np.float32(65536) + sixteen_bits) / np.float32(2**24)
  return unit * np.float32(1 - pixel_minimum) + np.float32(pixel_minimum)


def encode(config, raw):
  """Turns raw samples into what the networks see.

  With `config.dequantize` a pixel is placed in the middle of the interval over which `batch` spreads it: x / 256
  and half of the noise's width, scaled.

  Args:
    config: has the fields form, pixel_minimum, dequantize and vocabulary.
    raw: uint8 [n, H, W, C], uint16 [n, L] or float32 [n, 2], as from a `Dataset`.

  Returns:
    float32: images [n, H, W, C] in [pixel_minimum, 1]; tokens as one-hot [n, L, len(vocabulary)]; points [n, 2].
  """
  if config.form == 'image':
    if config.dequantize:
      return _dequantized(raw, np.uint16(32768), config.pixel_minimum)
    return to_float(raw, config.pixel_minimum)
  if config.form == 'text':
    one_hot = np.zeros(raw.shape + (len(config.vocabulary),), np.float32)
    np.put_along_axis(one_hot, raw[..., np.newaxis].astype(np.int64), 1, axis=-1)
    return one_hot
  return raw


def batch(config, dataset, step, part=(0, 1)):
  """Returns the `Batch` that critic update `step` is trained on: a pure function of the seed, the step and the part.

  With `config.dequantize` images are x / 256 and uniform noise from 0 to 1 / 256, scaled to [pixel_minimum, 1).

  Args:
    config: has the fields batch_size and seed, and those that `encode` needs.
    dataset: a `Dataset`.
    step: critic updates before this one.
    part: (i, n) is the i-th piece, of `batch_size`, of a batch that n processes share.
  """
  index, count = part
  mine = slice(index * config.batch_size, (index + 1) * config.batch_size)
  indices = batch_indices(len(dataset.train), config.batch_size * count, config.seed, step)[mine]
  raw = dataset.train[indices]
  if config.form == 'image' and config.dequantize:
    # The third number keeps the stream apart from those that shuffle the epochs.
    shape = (config.batch_size * count,) + raw.shape[1:]
    noise = np.random.RandomState([config.seed, step, 1]).randint(0, 65536, shape, np.uint16)[mine]
    real = _dequantized(raw, noise, config.pixel_minimum)
  else:
    real = encode(config, raw)
  return Batch(real, None if dataset.train_labels is None else dataset.train_labels[indices])
