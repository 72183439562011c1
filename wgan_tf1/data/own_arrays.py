"""One's own images as arrays: .npz and .npy files of NumPy, IDX files as MNIST's are. Nothing is ever unpickled.

No TensorFlow here.
"""

import gzip
import os
import re
import struct
import zipfile
import zlib
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from PIL import Image

from wgan_tf1.data import arrays, decoding, labels
from wgan_tf1.data.collection import Fit, Images, split
from wgan_tf1.data.downloads import Missing
from wgan_tf1.data.folders import HELD_OUT_EVERY, MOST_HELD_OUT, of_classes
from wgan_tf1.errors import UserError

SUFFIXES = ('.npz', '.npy')
LARGEST_IDX_BYTES = 2**33
_LABELS = 'labels'
# Part and content -> the names that its file may have: MNIST's, and those of sets that add a name of their own.
_IDX_NAMES = {
  ('train', 'images'): 'train-images[-.]idx[34]-ubyte', ('test', 'images'): '(t10k|test)-images[-.]idx[34]-ubyte',
  ('train', 'labels'): 'train-labels[-.]idx1-ubyte', ('test', 'labels'): '(t10k|test)-labels[-.]idx1-ubyte',
}  # fmt: skip


def _header(f: Any, size: int, kinds: str, words: str) -> Tuple[Tuple[int, ...], Any, np.dtype]:
  """Reads the start of an array in NumPy's format. Its shape is believed only if the file has so many bytes.

  Args:
    f: open file, at its start.
    size: bytes of the file.
    kinds: the values of `numpy.dtype.kind` that it may have; 'u' alone is for one byte each.
    words: what it must be, for the message.

  Returns:
    (shape, order, dtype).

  Raises:
    ValueError: if it is damaged, or another type of array.
  """
  version = np.lib.format.read_magic(f)
  if version not in ((1, 0), (2, 0)):
    raise ValueError('its format has version %d.%d' % version)
  read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
  shape, in_columns, dtype = read(f)
  if dtype.hasobject:
    raise ValueError('it holds Python objects, which are never loaded, because that can run any code')
  if dtype.kind not in kinds or (kinds == 'u' and dtype.itemsize != 1):
    raise ValueError('it is an array of %s, and must be %s' % (dtype, words))
  needed = dtype.itemsize
  for length in shape:
    needed *= length
  if needed != size - f.tell():
    raise ValueError('it has %d bytes, and its shape %s needs %d' % (size - f.tell(), shape, needed))
  return shape, 'F' if in_columns else 'C', dtype


def _member(archive: zipfile.ZipFile, name: str, kinds: str, words: str) -> np.ndarray:
  """Reads an array of a .npz file; see `_header`."""
  info = archive.getinfo(name)
  with archive.open(info) as f:
    shape, order, dtype = _header(f, info.file_size, kinds, words)
    return np.frombuffer(f.read(), dtype).reshape(shape, order=order)


_UINT8 = 'uint8, from 0 to 255'


def _read_arrays(path: str) -> Tuple[np.ndarray, Optional[np.ndarray]]:
  """Returns the images and the labels of a .npz or .npy file, as they are."""
  if path.lower().endswith('.npy'):
    with open(path, 'rb') as f:
      shape, order, dtype = _header(f, os.fstat(f.fileno()).st_size, 'u', _UINT8)
      return np.memmap(path, dtype, 'r', f.tell(), shape, order), None  # which may be larger than the memory
  with zipfile.ZipFile(path) as archive:
    members = {re.sub(r'\.npy$', '', name): name for name in archive.namelist()}
    others = [name for name in members if name != _LABELS]
    name = 'images' if 'images' in others else others[0] if len(others) == 1 else None
    if name is None:
      listed = ', '.join(sorted(members)[:5]) or 'none'
      raise ValueError('it must have one array of images, named images, and its arrays are: %s' % listed)
    images = _member(archive, members[name], 'u', _UINT8)
    if _LABELS not in members:
      return images, None
    try:
      return images, _member(archive, members[_LABELS], 'iu', 'integers')
    except ValueError as e:
      raise ValueError('labels: %s' % e) from e


def _checked(path: str, images: np.ndarray, values: Optional[np.ndarray]) -> np.ndarray:
  """Returns images [N, H, W, C], after a check that their shape, and that of the labels, is right."""
  images = images[..., np.newaxis] if images.ndim == 3 else images
  if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
    raise UserError(
      '%s: images have the shape %s. It must be [N, H, W], [N, H, W, 1] or [N, H, W, 3], with N, H and W at least 1'
      % (path, list(images.shape))
    )
  if values is not None and values.shape != (len(images),):
    raise UserError(
      '%s: labels have the shape %s. It must be [%d], one for each image' % (path, list(values.shape), len(images))
    )
  return images


def _collection(path: str, images: np.ndarray, fit: Fit, classes: Optional[labels.Labels]) -> Images:
  """Returns the `Images` of an array [N, H, W, C]."""

  def read(index: int) -> Any:
    return Image.fromarray(np.ascontiguousarray(images[index, ..., 0] if images.shape[3] == 1 else images[index]))

  return Images(range(len(images)), read, lambda index: 'image %d of %s' % (index, path), fit, *(classes or ()))


def read(path: str) -> Tuple[np.ndarray, Optional[np.ndarray]]:
  """Returns the images, uint8 [N, H, W, C], and the labels or None of a .npz or .npy file; see `load`."""
  try:
    images, values = _read_arrays(path)
  except Exception as e:  # a damaged file raises almost anything
    raise UserError('%s cannot be used: %s. Save it again' % (path, decoding.reason(e))) from e
  return _checked(path, images, values), values


def load(path: str, fit: Fit, labelled: bool = False, classes: Optional[str] = None) -> Tuple[Images, Images, str]:
  """Reads images uint8 [N, H, W] or [N, H, W, C] of a .npz or .npy file. Every 20th, at most 1,000, is held out.

  A .npz file has them in its array `images`, or in its only array besides `labels`, integers [N].

  Args:
    path: the file.
    fit: how the images are fitted.
    labelled: whether labels are needed.
    classes: the classes to read, as in `config.classes`; None reads all.

  Returns:
    (train, validation, fingerprint).

  Raises:
    UserError: if the file cannot be read, or has other arrays.
  """
  images, values = read(path)
  if not labelled:
    return (*split(_collection(path, images, fit, None), HELD_OUT_EVERY, MOST_HELD_OUT), arrays.digest(images))
  if values is None:
    raise UserError('%s has no labels. Save the images as .npz, with an array labels of one integer each' % path)
  of_all = _collection(path, images, fit, labels.of_values(values))
  some, chosen = of_classes(of_all, classes)
  return (*split(some, HELD_OUT_EVERY, MOST_HELD_OUT), arrays.digest(images, values) + chosen)


def _idx_file(folder: str, part: str, content: str) -> Optional[str]:
  """Returns the path of a file of an IDX set, or None.

  Raises:
    UserError: if there are several.
  """
  pattern = re.compile('(.*[-_.])?%s([.]gz)?$' % _IDX_NAMES[part, content])
  found = sorted(name for name in os.listdir(folder) if pattern.match(name)) if os.path.isdir(folder) else []
  plain = {re.sub('[.]gz$', '', name): name for name in reversed(found)}  # of a file and its .gz, the file
  if len(plain) > 1:
    raise UserError('%s holds %s. Put each set into a folder of its own' % (folder, ' and '.join(sorted(plain)[:2])))
  return os.path.join(folder, plain.popitem()[1]) if plain else None


def _read_idx(path: str) -> np.ndarray:
  """Reads an IDX file of unsigned bytes, gzipped or not.

  Raises:
    UserError: if it is none.
  """
  try:
    with gzip.open(path) if path.endswith('.gz') else open(path, 'rb') as f:
      start = f.read(4)
      if start[:3] != b'\0\0\x08' or len(start) < 4:
        raise ValueError('it starts with the bytes %s, and must start with 000008' % start[:3].hex())
      lengths = f.read(4 * start[3])
      needed = 1
      for length in struct.unpack('>%dI' % start[3], lengths):
        needed *= length
      if needed > LARGEST_IDX_BYTES:
        raise ValueError('its %d bytes are too many' % needed)
      content = f.read(needed + 1)  # a damaged file may unpack to any size
    if len(content) != needed:
      raise ValueError('it has %s bytes than its shape needs' % ('fewer' if len(content) < needed else 'more'))
    return arrays.parse_idx(start + lengths + content)
  except Exception as e:  # as in `load`
    why = 'it is truncated' if isinstance(e, (EOFError, zlib.error)) else decoding.reason(e)
    raise UserError('%s cannot be read as an IDX file of unsigned bytes: %s. Write it again' % (path, why)) from e


def load_idx(
  folder: str, fit: Fit, labelled: bool = False, classes: Optional[str] = None
) -> Tuple[Images, Images, str]:
  """Reads IDX files that are named as MNIST's are, perhaps after a name of their own, gzipped or not.

  The t10k (or test) files are held out. Without them every 20th image, at most 1,000, is held out.

  Args:
    folder: their directory.
    fit, labelled, classes: as for `load`.

  Returns:
    (train, validation, fingerprint).

  Raises:
    Missing: if the images, or the labels that are needed, are not there.
    UserError: if a file cannot be read.
  """
  read: Dict[Tuple[str, str], np.ndarray] = {}
  needed: List[str] = ['images', 'labels'] if labelled else ['images']
  has_test = _idx_file(folder, 'test', 'images') is not None
  for part in ('train', 'test') if has_test else ('train',):
    for content in needed:
      path = _idx_file(folder, part, content)
      if path is None:
        name = '%s-%s-idx%d-ubyte' % ({'test': 't10k'}.get(part, part), content, 3 if content == 'images' else 1)
        raise Missing('%s holds no %s' % (folder, name), 'Put it there, or name its folder with --data_path')
      read[part, content] = _read_idx(path)
    read[part, 'images'] = _checked(folder, read[part, 'images'], read.get((part, 'labels')))
  values = read.get(('train', 'labels'))
  known = None if values is None else labels.of_values(values)
  images, chosen = of_classes(_collection(folder, read['train', 'images'], fit, known), classes)
  fingerprint = arrays.digest(*(read['train', content] for content in needed)) + chosen
  if not has_test:
    return (*split(images, HELD_OUT_EVERY, MOST_HELD_OUT), fingerprint)
  if known is not None:
    numbers = {name: i for i, name in enumerate(known[1])}
    of_test = [numbers.get(str(value), -1) for value in read['test', 'labels'].tolist()]
    if -1 in of_test:
      value = read['test', 'labels'][of_test.index(-1)]
      raise UserError('%s has held-out images of class %d, but no training images of it. Add some' % (folder, value))
    known = np.array(of_test, np.int32), known[1]
  held_out, _ = of_classes(_collection(folder, read['test', 'images'], fit, known), classes)
  if not len(held_out):
    raise UserError('classes=%s: %s has no held-out images of them. Add some, or use others' % (classes, folder))
  return images, held_out, fingerprint
