"""Trees of image files, and Images, a collection too large for memory. No TensorFlow here.

A tree is scanned once, and only the headers are read. Images are decoded when a batch needs them.
"""

import copy
import hashlib
import io
import os
import threading
import warnings
from typing import Any, Callable, Set, Tuple, Union

import numpy as np
from PIL import Image, ImageOps

from wgan_tf1.config import portable_name
from wgan_tf1.data.arrays import hold_out
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError, warn

SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')
FORMATS = ('JPEG', 'PNG', 'WEBP')  # all that Pillow may try: for other formats it can start other programs
LARGEST_FILE_BYTES = 2**28
_NAMES_SHOWN = 5


def _flatten(image, channels):
  """Converts an image of any mode to 'L' or 'RGB', on a white background if it is transparent."""
  if image.mode.startswith('I'):  # 16-bit grey, which Pillow would clip at 255
    image = Image.fromarray(((np.clip(np.asarray(image), 0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8))
  if image.mode in ('RGBA', 'LA', 'PA', 'RGBa', 'La') or 'transparency' in image.info:
    image = image.convert('RGBA')
    image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
  return image.convert('L' if channels == 1 else 'RGB')


def decode(content: bytes, size: int, channels: int) -> np.ndarray:
  """Decodes an image file, turns it upright, crops its central square and resizes that (antialiased bilinear).

  Args:
    content: bytes of a JPEG, PNG or WebP file of any mode.
    size: height and width of the result, in pixels.
    channels: 1 for grey or 3 for RGB.

  Returns:
    uint8 [size, size, channels].

  Raises:
    Exception: of almost any type, if the bytes are damaged.
  """
  image = Image.open(io.BytesIO(content), formats=FORMATS)
  # Above this limit Pillow only warns; it refuses above twice the limit.
  if Image.MAX_IMAGE_PIXELS is not None and image.size[0] * image.size[1] > Image.MAX_IMAGE_PIXELS:
    raise ValueError('%d x %d pixels are too many' % image.size)
  # Decodes a JPEG faster, at 1/2, 1/4 or 1/8 of its size, if the result is still at least twice as large as needed.
  image.draft('L' if channels == 1 else 'RGB', (2 * size, 2 * size))
  image = _flatten(ImageOps.exif_transpose(image), channels)
  width, height = image.size
  side = min(width, height)
  left, top = (width - side) // 2, (height - side) // 2
  image = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
  return np.asarray(image).reshape(size, size, channels)


def _reason(error):
  """Returns why an image cannot be read, in a few words."""
  if isinstance(error, Image.UnidentifiedImageError):  # Pillow's message shows a Python object
    return 'not a PNG, JPEG or WebP image'
  return getattr(error, 'strerror', None) or str(error) or type(error).__name__


class Images:
  """Images that are read and decoded when they are indexed: `images[int array [n]]` is uint8 [n, S, S, C].

  Several threads may index at once. If an image cannot be decoded, the next image that can be decoded replaces it,
  always the same one. A warning is printed for each of the first damaged images.
  """

  def __init__(
    self, sources: Any, read: Callable[[Any], bytes], name: Callable[[Any], str], size: int, channels: int
  ) -> None:
    """Makes a collection.

    Args:
      sources: sequence or array of arguments for `read` and `name`, one per image.
      read: returns the bytes of the image file of a source.
      name: returns the name of a source for messages.
      size: height and width of the decoded images, in pixels.
      channels: 1 for grey or 3 for RGB.
    """
    self._sources = sources
    self._read = read
    self._name = name
    self._size = size
    self._channels = channels
    self._damaged: Set[Any] = set()  # sources
    self._lock = threading.Lock()

  def part(self, indices: np.ndarray) -> 'Images':
    """Returns the collection of some of the images, which shares what is known of damaged ones."""
    part = copy.copy(self)
    part._sources = self._sources[indices]
    return part

  def __len__(self) -> int:
    return len(self._sources)

  def __getitem__(self, indices: Union[slice, np.ndarray]) -> np.ndarray:
    if isinstance(indices, slice):
      indices = np.arange(len(self))[indices]
    images = np.empty([len(indices), self._size, self._size, self._channels], np.uint8)
    for image, index in zip(images, indices):
      image[...] = self._decode_near(int(index))
    return images

  def _decode_near(self, index):
    """Returns the first image at or after `index` that can be decoded; the first image follows the last one.

    Raises:
      IndexError: if `index` is out of range.
      UserError: if no image can be decoded.
    """
    if not -len(self) <= index < len(self):
      raise IndexError('image %d of %d' % (index, len(self)))
    for i in range(index, index + len(self)):
      image = self._decode(i % len(self))
      if image is not None:
        return image
    raise UserError('none of %d images can be decoded. The first is %s' % (len(self), self._name(self._sources[0])))

  def _decode(self, index):
    """Returns an image, or None if it cannot be decoded, with a warning the first time."""
    source = self._sources[index]
    if source in self._damaged:
      return None
    try:
      return decode(self._read(source), self._size, self._channels)
    except Exception as e:  # Pillow's decoders raise almost anything on damaged bytes
      with self._lock:
        if source not in self._damaged:
          self._damaged.add(source)
          if len(self._damaged) <= _NAMES_SHOWN:
            warn('%s cannot be decoded (%s). The next image is used instead' % (self._name(source), _reason(e)))
          elif len(self._damaged) == _NAMES_SHOWN + 1:
            warn('more than %d images cannot be decoded. The others are not listed' % _NAMES_SHOWN)
    return None

  def readable(self, index: int) -> bool:
    """Tells whether an image can be decoded, after a warning if it is the first to find that it cannot."""
    return self._decode(index) is not None


def split(images: Images, every: int, most: int) -> Tuple[Images, Images]:
  """Splits a collection as `hold_out` does, but each held-out image is one that can be decoded.

  A damaged one changes places with the next training image that can be decoded, so that no other image moves. Only the
  held-out images, at most `most`, and one training image are read if none of these is damaged.

  Raises:
    UserError: if no image can be decoded.
  """
  train, held_out = hold_out(np.arange(len(images)), every, most)
  good = []  # positions in `held_out`
  for i, index in enumerate(held_out):
    if not images.readable(index):
      start = np.searchsorted(train, index)
      found = (p % len(train) for p in range(start, start + len(train)))
      # An image that was exchanged is damaged, so it is not chosen again.
      p = next((p for p in found if images.readable(train[p])), None)
      if p is None:
        good += [j for j in range(i + 1, len(held_out)) if images.readable(held_out[j])]
        break
      held_out[i], train[p] = train[p], held_out[i]
    good.append(i)
  if not any(map(images.readable, train)):
    if not good:
      images[:1]  # refuses
    if len(good) > 1:
      held_out[good[0]], train[0] = train[0], held_out[good[0]]
    else:  # as with a single image, because neither part may be empty
      train = held_out = held_out[good]
  return images.part(train), images.part(held_out)


def _walk(root):
  """Yields (path, None) for each file with an image's suffix, and (path, error) for each folder that cannot be read.

  Hidden files and folders are skipped. Links to folders are followed, but each folder is visited only once.
  """
  if not os.path.isdir(root):
    if os.path.exists(root):
      yield root, None
    return
  seen, errors = set(), []
  for folder, subfolders, names in os.walk(root, onerror=errors.append, followlinks=True):
    real = os.path.realpath(folder)
    if real in seen:
      subfolders[:] = []
      continue
    seen.add(real)
    # Sorted, so that of two links to the same folder always the same one is followed.
    subfolders[:] = sorted(name for name in subfolders if not name.startswith('.'))
    for name in names:
      if name.lower().endswith(SUFFIXES) and not name.startswith('.'):
        yield os.path.join(folder, name), None
  for error in errors:
    yield error.filename, error


def _scan(root):
  """Reads the header of each image file below `root`.

  Returns:
    (images, rejected): sorted (name relative to root with '/', size in bytes, smaller side in pixels) of the images;
    sorted (name, reason) of the files that cannot be read as images.
  """
  images, rejected = [], []
  for path, error in _walk(root):
    name = os.path.relpath(path, root).replace(os.sep, '/') if path != root else os.path.basename(path)
    try:
      if error is not None:
        raise error
      if not os.path.isfile(path):  # opening a pipe would wait for a writer
        raise OSError('not a file')
      with open(path, 'rb') as f:
        size = os.fstat(f.fileno()).st_size
        if size > LARGEST_FILE_BYTES:
          raise OSError('%d bytes are too many' % size)
        with Image.open(f, formats=FORMATS) as image:
          images.append((name, size, min(image.size)))
    except Exception as e:  # as in `Images._decode_near`
      rejected.append((name, _reason(e)))
  # By the names' bytes as UTF-8, whatever the locale makes of them.
  return [sorted(found, key=lambda item: portable_name(item[0])) for found in (images, rejected)]


def load(root: str, size: int, channels: int) -> Tuple[Images, Images, str]:
  """Scans a tree of PNG, JPEG and WebP images, sorted by name. Every 20th, at most 1,000, is held out; see `split`.

  Files that cannot be read as images are skipped, after a warning. Hidden files and files without one of `SUFFIXES`,
  in upper or lower case, are ignored. Images smaller than `size` are enlarged, after a warning.

  Args:
    root: directory, or one image file.
    size: height and width to crop and resize to, in pixels.
    channels: 1 for grey or 3 for RGB.

  Returns:
    (train, validation, fingerprint): two `Images`, and a hash of the files' names and sizes.

  Raises:
    Missing: if no file has an image's suffix.
    UserError: if none of the files is an image that can be decoded.
  """
  with warnings.catch_warnings():
    # Pillow only warns about images of 90 million pixels or more.
    warnings.simplefilter('error', Image.DecompressionBombWarning)
    found, rejected = _scan(root)
  shown = ['%s (%s)' % item for item in rejected[:_NAMES_SHOWN]]
  shown += ['and %d more' % (len(rejected) - _NAMES_SHOWN)] if len(rejected) > _NAMES_SHOWN else []
  if not found and not rejected:
    raise Missing(
      '%s holds no PNG, JPEG or WebP images' % root, 'Put a tree of images there, or name one with --data_path'
    )
  if not found:
    raise UserError('no image in %s can be read: %s' % (root, ', '.join(shown)))
  if rejected:
    warn('%d of %d files in %s are left out: %s' % (len(rejected), len(found) + len(rejected), root, ', '.join(shown)))
  small = sum(side < size for _, _, side in found)
  if small:
    warn('%d of %d images in %s are smaller than %d pixels and are enlarged' % (small, len(found), root, size))
  digest = hashlib.md5()
  for name, file_bytes, _ in found:
    digest.update(os.fsencode('%s\0%d\n' % (name, file_bytes)))
  names = np.array([name for name, _, _ in found], object)

  def path(name):
    return root if os.path.isfile(root) else os.path.join(root, name)

  def read(name):
    with open(path(name), 'rb') as f:
      return f.read(LARGEST_FILE_BYTES)

  train, validation = split(Images(names, read, path, size, channels), 20, 1000)
  return train, validation, digest.hexdigest()
