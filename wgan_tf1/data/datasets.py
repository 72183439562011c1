"""load: the data set that a config names, as arrays or as a collection too large for memory. No TensorFlow here."""

import dataclasses
import hashlib
import os
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np

from wgan_tf1.classes import class_numbers, first_names
from wgan_tf1.config import Config
from wgan_tf1.data import arrays, folders, lsun, own_arrays, points, text
from wgan_tf1.data.collection import Fit
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError, warn


class Dataset(NamedTuple):
  """Samples to train on, and held-out samples.

  `train` and `validation` have a length, and an int array [n] as index returns raw samples: uint8 images
  [n, H, W, C], uint16 tokens [n, L] or float32 points [n, 2]. They are arrays, except for 'folder', 'idx' and 'lsun',
  where they are `collection.Images`, which decode images when they are indexed.
  """

  name: str  # a key of `DATASETS`
  train: Any
  validation: Any
  train_labels: Optional[np.ndarray]  # int32 [N], or None; from 0, and without gaps if classes are wanted
  validation_labels: Optional[np.ndarray]
  vocabulary: Optional[str]  # of a text: character i is token i
  fingerprint: str  # hexadecimal; differs if the training data differ
  class_names: Optional[Tuple[str, ...]] = None  # in the order of the labels, if classes are wanted


def _path(config, name):
  """Returns the path of a data set's files: `data_path` if given, else the folder `name` of `data_dir`.

  Raises:
    UserError: if `data_path` is given and does not exist.
  """
  if config.data_path is not None and not os.path.exists(config.data_path):
    raise UserError('data_path=%s: file not found. Use an existing file or folder' % config.data_path)
  return os.path.join(config.data_dir, name) if config.data_path is None else config.data_path


def _wants_classes(config):
  return config.class_count is not None or config.classes is not None


def _only_classes(loaded, config, name):
  """Returns the `Arrays` of the classes in `config.classes`.

  Raises:
    UserError: if there are no images of one of them.
  """
  wanted = class_numbers(config.classes, loaded.class_names)
  present = np.unique(loaded.validation_labels).tolist()
  absent = [label for label in wanted if label not in present]
  if absent:
    others = first_names([loaded.class_names[label] for label in present])
    raise UserError(
      'classes=%s: %s has no held-out images of class %s. %s'
      % (config.classes, name, loaded.class_names[absent[0]], 'Use some of ' + others if others else 'Add some')
    )
  train = np.isin(loaded.train_labels, wanted)
  validation = np.isin(loaded.validation_labels, wanted)
  return loaded._replace(
    train=loaded.train[train], train_labels=loaded.train_labels[train],
    validation=loaded.validation[validation], validation_labels=loaded.validation_labels[validation],
  )  # fmt: skip


def _numbered(loaded, config, name):
  """Returns `Arrays` whose classes are numbered from 0, so that each number has training images, and named.

  Raises:
    UserError: if a class has held-out images only.
  """
  values = np.unique(loaded.train_labels)
  known = loaded.class_names or ()
  names = tuple(known[v] if v < len(known) else str(v) for v in values.tolist())
  unknown = sorted(set(np.unique(loaded.validation_labels).tolist()) - set(values.tolist()))
  if unknown and config.classes is None:
    raise UserError('%s has held-out images of class %d, but no training images of it. Add some' % (name, unknown[0]))
  validation = np.isin(loaded.validation_labels, values)
  return arrays.Arrays(
    loaded.train, loaded.validation[validation], np.searchsorted(values, loaded.train_labels).astype(np.int32),
    np.searchsorted(values, loaded.validation_labels[validation]).astype(np.int32), names,
  )  # fmt: skip


def _images(config, name, loaded):
  """Returns the `Dataset` of images in memory: the wanted classes, at the wanted size."""
  wanted = _wants_classes(config)
  values = loaded.train_labels  # as they are in the files, and so in the fingerprints of earlier versions
  if wanted:
    loaded = _numbered(loaded, config, name)
  if config.classes is not None:
    values = values[np.isin(loaded.train_labels, class_numbers(config.classes, loaded.class_names))]
    loaded = _only_classes(loaded, config, name)
  # Hashed before they are resized, because the result of Pillow's resizing may depend on its version.
  fingerprint = arrays.digest(*(array for array in (loaded.train, values) if array is not None))
  size, channels, how = config.image_size, config.image_channels, config.image_fit
  fitted = [arrays.fit(images, size, channels, how) for images in (loaded.train, loaded.validation)]
  labels = loaded.train_labels, loaded.validation_labels
  return Dataset(name, *fitted, *labels, None, fingerprint, loaded.class_names if wanted else None)


def _load_idx_set(config, name):
  # Labels are read only if needed, so that the two files of images are enough to train.
  folder = os.path.join(config.data_dir, name)
  return _images(config, name, arrays.read_idx_set(name, folder, _wants_classes(config)))


def _load_digits(config, name):
  return _images(config, name, arrays.read_digits())


def _load_cifar10(config, name):
  return _images(config, name, arrays.read_cifar10(os.path.join(config.data_dir, name)))


def _load_points(config, name):
  del config  # every run has the same points
  loaded = points.make(name)
  # A hash of the name, not of the points: the last bit of a sine may differ between machines.
  return Dataset(name, loaded.train, loaded.validation, None, None, None, hashlib.md5(name.encode()).hexdigest())


def _fit(config):
  return Fit(config.image_size, config.image_channels, config.image_fit, config.image_memory_mb)


def _of_collections(name, train, validation, fingerprint):
  """Returns the `Dataset` of two `Images`.

  Raises:
    UserError: if no image of a class can be decoded.
  """
  for number in np.unique(train.labels) if train.labels is not None else ():
    if not any(train.readable(i) for i in np.flatnonzero(train.labels == number)):
      train.refuse_class(number)
  return Dataset(
    name, train, validation, train.labels, validation.labels, None, fingerprint, class_names=train.class_names
  )


def _load_folder(config, name):
  path = _path(config, name)
  wanted = _wants_classes(config), config.classes
  if os.path.isfile(path) and path.lower().endswith(own_arrays.SUFFIXES):
    return _of_collections(name, *own_arrays.load(path, _fit(config), *wanted))
  return _of_collections(name, *folders.load(path, _fit(config), *wanted))


def _load_idx(config, name):
  return _of_collections(
    name, *own_arrays.load_idx(_path(config, name), _fit(config), _wants_classes(config), config.classes)
  )


def _load_lsun(config, name):
  return _of_collections(name, *lsun.load(_path(config, name), _fit(config)))


def _load_text(config, name):
  split = config.long_lines == 'split'
  tokens, vocabulary = text.read(_path(config, name), config.text_length, config.vocabulary, split)
  train, validation = arrays.hold_out(tokens, 10, len(tokens))
  return Dataset(name, train, validation, None, None, vocabulary, arrays.digest(train, np.array(vocabulary)))


# name -> function of a config and the name, which returns a `Dataset` or raises `Missing` or `UserError`.
DATASETS: Dict[str, Callable[[Config, str], Dataset]] = {
  'mnist': _load_idx_set,
  'fashion_mnist': _load_idx_set,
  'digits': _load_digits,
  'cifar10': _load_cifar10,
  'lsun': _load_lsun,
  'folder': _load_folder,
  'idx': _load_idx,
  'text': _load_text,
  '8gaussians': _load_points,
  '25gaussians': _load_points,
  'swissroll': _load_points,
}

_FALLBACK_WORDS = {'digits': "scikit-learn's 1,797 digits, redrawn as 28x28,"}


def _check_classes(config, dataset):
  if config.class_count is not None and len(dataset.class_names) < 2:
    raise UserError(
      'dataset=%s has images of one class, %s. A class-conditional preset needs at least two'
      % (dataset.name, dataset.class_names[0])
    )


def found(config: Config, dataset: Dataset) -> Config:
  """Returns `config` with what its data decide: the vocabulary of a text, the number and the names of classes."""
  names = dataset.class_names
  if names is not None:
    count = None if config.class_count is None else len(names)
    config = dataclasses.replace(config, class_names='/'.join(names), class_count=count)
  return dataclasses.replace(config, vocabulary=dataset.vocabulary)


def restoring(name: str) -> str:
  """Returns how to get back the data that a run was trained on: an imperative sentence without its full stop."""
  if name == 'digits':  # drawn by this package, so their fingerprint changes with its version alone
    return 'Other versions of this project draw the digits differently. Use the one that the run was trained with'
  return 'Restore that data'


def load(config: Config) -> Dataset:
  """Loads the data set that a config names.

  Images are fitted to `image_size` as `image_fit` says.

  Args:
    config: its fields dataset, fallback_dataset, data_dir, data_path, classes, class_count, image_size,
      image_channels, image_fit, image_memory_mb, text_length, long_lines and vocabulary are used.

  Returns:
    A `Dataset`; neither of its parts is empty. If `fallback_dataset` was used, after a warning, `name` says so.

  Raises:
    UserError: if the files are damaged; if they are neither on the disk nor can be downloaded, and there is no
      `fallback_dataset`; if `classes` names a class that does not exist, or the data have no classes.
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
  _check_classes(config, dataset)
  return dataset
