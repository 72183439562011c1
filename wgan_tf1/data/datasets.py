"""load: the data set that a config names, as arrays or as a collection too large for memory. No TensorFlow here."""

import hashlib
import os
from typing import Any, Callable, Dict, NamedTuple, Optional

import numpy as np

from wgan_tf1.config import Config, class_numbers
from wgan_tf1.data import arrays, folders, lsun, points, text
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError, warn


class Dataset(NamedTuple):
  """Samples to train on, and held-out samples.

  `train` and `validation` have a length, and an int array [n] as index returns raw samples: uint8 images
  [n, H, W, C], uint16 tokens [n, L] or float32 points [n, 2]. They are arrays, except for 'folder' and 'lsun', where
  they are `folders.Images`, which decode images when they are indexed.
  """

  name: str  # a key of `DATASETS`
  train: Any
  validation: Any
  train_labels: Optional[np.ndarray]  # int32 [N], or None
  validation_labels: Optional[np.ndarray]
  vocabulary: Optional[str]  # of a text: character i is token i
  fingerprint: str  # hexadecimal; differs if the training data differ


def _path(config, name):
  """Returns the path of a data set's files: `data_path` if given, else the folder `name` of `data_dir`.

  Raises:
    UserError: if `data_path` is given and does not exist.
  """
  if config.data_path is None:
    return os.path.join(config.data_dir, name)
  if not os.path.exists(config.data_path):
    raise UserError('data_path=%s: file not found. Use an existing file or folder' % config.data_path)
  return config.data_path


def _hash(*loaded):
  digest = hashlib.md5()
  for array in loaded:
    digest.update(('%s %s' % (array.dtype.str, array.shape)).encode())
    digest.update(np.ascontiguousarray(array))
  return digest.hexdigest()


def _only_classes(loaded, config, name):
  """Returns the `Arrays` of the classes in `config.classes`.

  Raises:
    UserError: if there are no images of one of them.
  """
  wanted = class_numbers(config.classes)
  for labels, part in ((loaded.train_labels, 'training'), (loaded.validation_labels, 'held-out')):
    present = np.unique(labels).tolist()
    absent = [label for label in wanted if label not in present]
    if absent:
      raise UserError(
        'classes=%s: %s has no %s images of class %d. Its classes are %s'
        % (config.classes, name, part, absent[0], ', '.join(map(str, present)))
      )
  train = np.isin(loaded.train_labels, wanted)
  validation = np.isin(loaded.validation_labels, wanted)
  return arrays.Arrays(
    loaded.train[train], loaded.validation[validation], loaded.train_labels[train], loaded.validation_labels[validation]
  )


def _images(config, name, loaded, how):
  """Returns the `Dataset` of images in memory: the wanted classes, at the wanted size; see `arrays.fit` for `how`."""
  if config.classes is not None:
    loaded = _only_classes(loaded, config, name)
  # Hashed before they are resized, because the result of Pillow's resizing may depend on its version.
  fingerprint = _hash(*(array for array in (loaded.train, loaded.train_labels) if array is not None))
  fitted = [arrays.fit(i, config.image_size, config.image_channels, how) for i in (loaded.train, loaded.validation)]
  return Dataset(name, *fitted, loaded.train_labels, loaded.validation_labels, None, fingerprint)


def _load_idx_set(config, name):
  # Labels are read only if needed, so that the two files of images are enough to train.
  with_labels = config.classes is not None or config.class_count is not None
  loaded = arrays.read_idx_set(name, os.path.join(config.data_dir, name), with_labels)
  return _images(config, name, loaded, config.image_fit)


def _load_digits(config, name):
  return _images(config, name, arrays.read_digits(), config.image_fit)


def _load_cifar10(config, name):
  loaded = arrays.read_cifar10(os.path.join(config.data_dir, name))
  return _images(config, name, loaded, config.image_fit)


def _load_points(config, name):
  del config  # every run has the same points
  loaded = points.make(name)
  # A hash of the name, not of the points: the last bit of a sine may differ between machines.
  return Dataset(name, loaded.train, loaded.validation, None, None, None, hashlib.md5(name.encode()).hexdigest())


def _load_folder(config, name):
  train, validation, fingerprint = folders.load(_path(config, name), config.image_size, config.image_channels)
  return Dataset(name, train, validation, None, None, None, fingerprint)


def _load_lsun(config, name):
  train, validation, fingerprint = lsun.load(_path(config, name), config.image_size, config.image_channels)
  return Dataset(name, train, validation, None, None, None, fingerprint)


def _load_text(config, name):
  tokens, vocabulary = text.read(_path(config, name), config.text_length, config.vocabulary)
  train, validation = arrays.hold_out(tokens, 10, len(tokens))
  return Dataset(name, train, validation, None, None, vocabulary, _hash(train, np.array(vocabulary)))


# name -> function of a config and the name, which returns a `Dataset` or raises `Missing` or `UserError`.
DATASETS: Dict[str, Callable[[Config, str], Dataset]] = {
  'mnist': _load_idx_set,
  'fashion_mnist': _load_idx_set,
  'digits': _load_digits,
  'cifar10': _load_cifar10,
  'lsun': _load_lsun,
  'folder': _load_folder,
  'text': _load_text,
  '8gaussians': _load_points,
  '25gaussians': _load_points,
  'swissroll': _load_points,
}

_FALLBACK_WORDS = {'digits': "scikit-learn's 1,797 digits, redrawn as 28x28,"}


def _check_labels(config, dataset):
  if config.class_count is not None:
    highest = max(int(dataset.train_labels.max()), int(dataset.validation_labels.max()))
    if highest >= config.class_count:
      raise UserError(
        'class_count=%d: must be greater than %d, the highest label of dataset=%s'
        % (config.class_count, highest, dataset.name)
      )


def restoring(name: str) -> str:
  """Returns how to get back the data that a run was trained on: an imperative sentence without its full stop."""
  if name == 'digits':  # drawn by this package, so their fingerprint changes with its version alone
    return 'Other versions of this project draw the digits differently. Use the one that the run was trained with'
  return 'Restore that data'


def load(config: Config) -> Dataset:
  """Loads the data set that a config names.

  Images in memory are resized to `image_size` as `image_fit` says. Images of 'folder' and 'lsun' are always cropped
  and resized.

  Args:
    config: its fields dataset, fallback_dataset, data_dir, data_path, classes, class_count, image_size,
      image_channels, image_fit, text_length and vocabulary are used.

  Returns:
    A `Dataset`; neither of its parts is empty. If `fallback_dataset` was used, after a warning, `name` says so.

  Raises:
    UserError: if the files are damaged; if they are neither on the disk nor can be downloaded, and there is no
      `fallback_dataset`; if `classes` names a class that does not exist, or `class_count` is too small for the labels.
  """
  try:
    dataset = DATASETS[config.dataset](config, config.dataset)
  except Missing as e:
    if config.fallback_dataset is None:
      raise UserError(str(e)) from e
    name = config.fallback_dataset
    warn(
      '%s not found and could not be downloaded; using %s instead'
      % (config.dataset.upper().replace('_', '-'), _FALLBACK_WORDS.get(name, name))
    )
    dataset = DATASETS[name](config, name)
  _check_labels(config, dataset)
  return dataset
