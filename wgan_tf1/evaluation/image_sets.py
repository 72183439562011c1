"""Images from anywhere, to be scored or compared with: folders, .zip, .npz and .npy files. No TensorFlow here."""

import io
import os
import warnings
from typing import Any, List, Optional, Tuple

import numpy as np
from PIL import Image

from wgan_tf1.data import arrays, decoding, downloads, folders, own_arrays
from wgan_tf1.errors import UserError, warn
from wgan_tf1.progress import progress

DATASETS = ('mnist', 'fashion_mnist', 'cifar10', 'digits')
_GREY = ('1', 'L', 'LA', 'La')  # modes of Pillow's images; deep ones are grey too


def read(path: str, size: Optional[int] = None) -> np.ndarray:
  """Reads all images of a folder, or of a .zip, .npz or .npy file.

  Files that are no images, or are damaged, are left out after a warning.

  Args:
    path: of a folder or file.
    size: height and width, in pixels, that each image is cropped and resized to. None leaves the images as they are:
      then they must be square, and of one size.

  Returns:
    uint8 [N, H, H, C], N at least 2, in the order of their names. They are grey if all of them are.

  Raises:
    UserError: if they cannot be read, if there are fewer than two, or if their sizes are not right.
  """
  if not os.path.exists(path):
    raise UserError('%s: file not found. Use an existing folder, or a .zip, .npz or .npy file' % path)
  if os.path.isfile(path) and path.lower().endswith(own_arrays.SUFFIXES):
    images, _ = own_arrays.read(path)
    _check_size(path, images.shape[1:3], size)
    images = np.array(images) if size is None else _resized(path, images, size)
  elif os.path.isdir(path) or folders.is_archive(path):
    images = _decoded(path, size)
  else:
    raise UserError('%s: must be a folder, or a .zip, .npz or .npy file' % path)
  if len(images) < 2:
    raise UserError('%s holds only one image that can be read. At least two are needed' % path)
  return images


def check_alike(images: np.ndarray, others: np.ndarray, name: str, name_of_others: str) -> None:
  """Raises a `UserError` unless the two sets, [N, H, W, C], have images of one size."""
  if images.shape[1:3] != others.shape[1:3]:
    raise UserError(
      '%s has images of %dx%d pixels, and %s of %dx%d. Resize one of them. --image_size=N does so for two folders'
      % (name, *images.shape[2:0:-1], name_of_others, *others.shape[2:0:-1])
    )


def of_dataset(name: str, data_dir: str) -> arrays.Arrays:
  """Returns the images of one of `DATASETS` in their own size.

  Raises:
    UserError: if there is no such data set, or it cannot be read.
  """
  folder = os.path.join(data_dir, name)
  try:
    if name == 'digits':
      return arrays.read_digits()
    if name == 'cifar10':
      return arrays.read_cifar10(folder)
    if name in DATASETS:
      return arrays.read_idx_set(name, folder, with_labels=False)
  except downloads.Missing as e:
    raise UserError(str(e)) from e
  raise UserError('--dataset=%s: must be one of %s. Use --reference for a folder' % (name, ', '.join(DATASETS)))


def _check_size(path: str, height_width: Tuple[int, ...], size: Optional[int]) -> None:
  if size is None and height_width[0] != height_width[1]:
    raise UserError(
      '%s has images of %dx%d pixels, and they must be square. --image_size=N crops and resizes them'
      % (path, height_width[1], height_width[0])
    )


def _resized(path: str, images: np.ndarray, size: int) -> np.ndarray:
  """Crops and resizes uint8 [N, H, W, C]."""
  channels = images.shape[3]
  resized = np.empty([len(images), size, size, channels], np.uint8)
  with progress('resizing %s' % path, len(images), 'images') as advance:
    for before, after in zip(images, resized):
      image = Image.fromarray(np.ascontiguousarray(before[..., 0] if channels == 1 else before))
      after[...] = decoding.decode(image, size, channels)
      advance(1)
  return resized


def _decode(content: bytes, size: Optional[int]) -> Tuple[np.ndarray, Tuple[int, int]]:
  """Returns an image as uint8 [S, S, C], and its own (height, width); without a size, the smaller side is S."""
  with Image.open(io.BytesIO(content), formats=decoding.FORMATS) as image:
    width, height = image.size
    grey = (image.mode in _GREY or decoding.is_deep(image)) and not isinstance(image.info.get('transparency'), tuple)
  return decoding.decode(content, size or min(width, height), 1 if grey else 3), (height, width)


def _decoded(root: str, size: Optional[int]) -> np.ndarray:
  """Decodes all images of a folder or an archive."""
  tree = folders.tree(root)
  images: List[Any] = []
  left_out = ['%s (%s)' % (name, decoding.reason(error)) for name, error in tree.errors]
  shape: Optional[Tuple[int, int]] = None
  with progress('decoding %s' % root, len(tree.names), 'images') as advance, warnings.catch_warnings():
    warnings.simplefilter('error', Image.DecompressionBombWarning)
    for name in sorted(tree.names):
      advance(1)
      try:
        opened, file_bytes = tree.open(name)
        with opened:
          if file_bytes > folders.LARGEST_FILE_BYTES:
            raise OSError('%d bytes are too many' % file_bytes)
          image, own_shape = _decode(opened.read(), size)
      except Exception as e:  # Pillow's decoders raise almost anything on damaged bytes
        left_out.append('%s (%s)' % (name, decoding.reason(e)))
        continue
      _check_size(tree.path(name), own_shape, size)
      if size is None and shape not in (None, own_shape):
        raise UserError(
          '%s has images of %d and of %d pixels. --image_size=N crops and resizes all of them'
          % (root, shape[0] if shape else 0, own_shape[0])
        )
      shape = own_shape
      images.append(image)
  if not images:
    reason = ': ' + left_out[0] if left_out else '. It is empty'
    raise UserError('%s holds no %s image%s' % (root, decoding.FORMAT_WORDS, reason))
  if left_out:
    shown = ', '.join(left_out[: folders.NAMES_SHOWN])
    warn('%d of %d files in %s are left out: %s' % (len(left_out), len(left_out) + len(images), root, shown))
  channels = max(image.shape[2] for image in images)
  return np.stack([np.repeat(image, channels // image.shape[2], axis=2) for image in images])
