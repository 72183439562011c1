"""Collections of images too large for memory: a tree of files, or LMDB environments. No TensorFlow here.

Both are scanned once, without decoding anything; the pixels of a batch are decoded when it is asked for.
"""

import hashlib
import io
import os
import threading
import warnings

import numpy as np
from PIL import Image
from PIL import ImageOps

from wgan_tf1 import UserError
from wgan_tf1 import lmdb_files
from wgan_tf1.downloads import Missing
from wgan_tf1.messages import warn

SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')
# Pillow is to try no others: some hand the file to another program.
FORMATS = ('JPEG', 'PNG', 'WEBP')
_NAMES_SHOWN = 5
LARGEST_FILE = 2**28  # bytes; what is larger is no image to train on
_LSUN_ADVICE = (
  'unpack bedroom_train_lmdb.zip and bedroom_val_lmdb.zip, or those of another scene, from '
  'http://dl.yf.io/lsun/scenes/ there, or name an unpacked *_train_lmdb by --data_path'
)


def _flatten(image, channels):
  """Returns an image of any mode as 'L' or 'RGB'; where it is transparent, white shows through."""
  if image.mode.startswith('I'):  # 16 bits of grey, which Pillow would cut off at 255
    image = Image.fromarray(((np.clip(np.asarray(image), 0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8))
  if image.mode in ('RGBA', 'LA', 'PA', 'RGBa', 'La') or 'transparency' in image.info:
    image = image.convert('RGBA')
    ground = Image.new('RGBA', image.size, 'white')
    image = Image.alpha_composite(ground, image)
  return image.convert('L' if channels == 1 else 'RGB')


def decode(content, size, channels):
  """Decodes an image file: turned upright, centre-cropped to a square, resized (antialiased bilinear).

  Args:
    content: bytes of a JPEG, PNG or WebP file in any mode.
    size: height and width to return, in pixels.
    channels: 1 for grey or 3 for RGB.

  Returns:
    uint8 [size, size, channels].

  Raises:
    Exception: of almost any kind, if the bytes are damaged.
  """
  image = Image.open(io.BytesIO(content), formats=FORMATS)
  if image.size[0] * image.size[1] > Image.MAX_IMAGE_PIXELS:  # from twice as many on Pillow refuses too, below it warns
    raise ValueError('%d x %d pixels are too many' % image.size)
  # A JPEG is decoded at a half, quarter or eighth of its size where twice what is asked for remains.
  image.draft('L' if channels == 1 else 'RGB', (2 * size, 2 * size))
  image = _flatten(ImageOps.exif_transpose(image), channels)
  width, height = image.size
  side = min(width, height)
  left, top = (width - side) // 2, (height - side) // 2
  image = image.resize((size, size), Image.BILINEAR, box=(left, top, left + side, top + side))
  return np.asarray(image).reshape(size, size, channels)


def _reason(error):
  """Returns why an image cannot be read, in a few words."""
  if isinstance(error, Image.UnidentifiedImageError):  # its own message names a Python object
    return 'not a PNG, JPEG or WebP image'
  return getattr(error, 'strerror', None) or str(error) or type(error).__name__


class Images:
  """Images that are read and decoded when they are indexed: `images[int array [n]]` is uint8 [n, S, S, C].

  May be indexed by several threads at once. An image that cannot be decoded is named on standard error, if it is
  among the first, and from then on the next one that can be stands in for it; which one depends on the collection
  alone.
  """

  def __init__(self, sources, read, name, size, channels):
    """Makes a collection.

    Args:
      sources: sequence or array of what `read` and `name` take.
      read: function of a source that returns an image file's bytes.
      name: function of a source that returns its name for people.
      size: height and width of the decoded images, in pixels.
      channels: 1 for grey or 3 for RGB.
    """
    self._sources = sources
    self._read = read
    self._name = name
    self._size = size
    self._channels = channels
    self._damaged = set()
    self._lock = threading.Lock()

  def __len__(self):
    return len(self._sources)

  def __getitem__(self, indices):
    if isinstance(indices, slice):
      indices = np.arange(len(self))[indices]
    images = np.empty([len(indices), self._size, self._size, self._channels], np.uint8)
    for image, index in zip(images, indices):
      image[...] = self._decode_near(int(index))
    return images

  def _decode_near(self, index):
    """Returns the first image at or after `index`, round the end, that can be decoded.

    Raises:
      IndexError: if `index` is not within the collection.
      UserError: if none can.
    """
    if not -len(self) <= index < len(self):
      raise IndexError('image %d of %d' % (index, len(self)))
    for i in range(index, index + len(self)):
      i %= len(self)
      if i in self._damaged:
        continue
      try:
        return decode(self._read(self._sources[i]), self._size, self._channels)
      except Exception as e:  # Pillow's decoders raise almost anything on damaged bytes
        with self._lock:
          if i not in self._damaged:
            self._damaged.add(i)
            if len(self._damaged) <= _NAMES_SHOWN:
              name = self._name(self._sources[i])
              warn('%s cannot be decoded (%s): the next image takes its place' % (name, _reason(e)))
            elif len(self._damaged) == _NAMES_SHOWN + 1:
              warn('more images than these %d cannot be decoded; they are not named' % _NAMES_SHOWN)
    raise UserError('none of %d images can be decoded, from %s on' % (len(self), self._name(self._sources[0])))


def spread(n, every, most):
  """Chooses which of n samples are held out: every `every`-th, or more rarely so that there are at most `most`.

  Returns:
    bool [n]. If n is below `every` the last alone is True.
  """
  every = max(every, -(-n // most))
  held_out = np.arange(n) % every == every - 1
  held_out[-1] |= n < every
  return held_out


def split(samples, held_out):
  """Returns (training, validation) of an array; a single sample is in both, for neither may be empty."""
  return (samples, samples) if len(samples) == 1 else (samples[~held_out], samples[held_out])


def _walk(root):
  """Yields (path, error) of each file with an image's suffix, and of each folder that cannot be read.

  Hidden files and folders are left out; links to folders are followed, to each folder once.
  """
  if not os.path.isdir(root):
    if os.path.exists(root):
      yield root, None
    return
  seen, errors = set(), []
  for folder, folders, names in os.walk(root, onerror=errors.append, followlinks=True):
    real = os.path.realpath(folder)
    if real in seen:
      folders[:] = []
      continue
    seen.add(real)
    # Sorted, so that where two links lead to one folder the same one is followed each time.
    folders[:] = sorted(name for name in folders if not name.startswith('.'))
    for name in names:
      if name.lower().endswith(SUFFIXES) and not name.startswith('.'):
        yield os.path.join(folder, name), None
  for error in errors:
    yield error.filename, error


def _scan(root):
  """Reads the header of each image file below `root`.

  Returns:
    (images, rejected): sorted (name relative to root with '/', bytes, smaller side in pixels) of those that are
    images; sorted (name, reason) of those that are not.
  """
  images, rejected = [], []
  for path, error in _walk(root):
    name = os.path.relpath(path, root).replace(os.sep, '/') if path != root else os.path.basename(path)
    try:
      if error is not None:
        raise error
      if not os.path.isfile(path):  # to open a pipe is to wait for who writes to it
        raise OSError('not a file')
      with open(path, 'rb') as f:
        size = os.fstat(f.fileno()).st_size
        if size > LARGEST_FILE:
          raise OSError('%d bytes are too many' % size)
        with Image.open(f, formats=FORMATS) as image:
          images.append((name, size, min(image.size)))
    except Exception as e:  # as in Images
      rejected.append((name, _reason(e)))
  return sorted(images), sorted(rejected)


def folder(root, size, channels):
  """A tree of PNG, JPEG and WebP images, sorted by name; every 20th, at most 1,000, is held out.

  What is not an image is named on standard error and left out; hidden files, and those with other suffixes than
  `SUFFIXES` in upper or lower case, are passed over. Images smaller than `size` are enlarged, after a warning.

  Args:
    root: directory, or one image file.
    size: height and width to crop and resize to, in pixels.
    channels: 1 for grey or 3 for RGB.

  Returns:
    (train, validation, fingerprint): two `Images`, and a hash of the files' names and sizes.

  Raises:
    Missing: if there is no file with an image's suffix.
    UserError: if none of them is an image.
  """
  with warnings.catch_warnings():
    # Pillow only warns of an image of 90 million pixels or more.
    warnings.simplefilter('error', Image.DecompressionBombWarning)
    found, rejected = _scan(root)
  shown = ['%s (%s)' % item for item in rejected[:_NAMES_SHOWN]]
  shown += ['and %d more' % (len(rejected) - _NAMES_SHOWN)] if len(rejected) > _NAMES_SHOWN else []
  if not found and not rejected:
    raise Missing(
      '%s holds no PNG, JPEG or WebP images' % root, 'put a tree of images there, or name one by --data_path'
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
      return f.read(LARGEST_FILE)

  return (
    *(Images(part, read, path, size, channels) for part in split(names, spread(len(names), 20, 1000))),
    digest.hexdigest(),
  )


def _lmdb(path, size, channels):
  """Returns (the environment's keys, function of some of them that makes `Images`)."""
  environment, keys = lmdb_files.environment(os.path.realpath(path))
  if not len(keys):
    raise UserError('%s is empty: unpack it anew' % path)

  def read(key):
    with environment.begin() as transaction:
      return transaction.get(key[:-1])

  def name(key):
    return '%s of %s' % (key[:-1].decode('ascii', 'backslashreplace'), path)

  return keys, lambda some: Images(some, read, name, size, channels)


def _find_lsun(folder):
  """Returns the path of the one environment to train on.

  Raises:
    Missing: if there is none.
    UserError: if there are several.
  """
  if os.path.isfile(os.path.join(folder, 'data.mdb')) or os.path.isfile(folder):
    return os.path.normpath(folder)
  names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
  names = [name for name in names if name.endswith('_train_lmdb')]
  if not names:
    raise Missing('%s holds no *_train_lmdb' % folder, _LSUN_ADVICE)
  if len(names) > 1:
    raise UserError('%s holds %s: name one of them by --data_path' % (folder, ', '.join(names)))
  return os.path.join(folder, names[0])


def lsun(folder, size, channels):
  """LSUN's published LMDB environments, or others like them: any keys, with image files as values.

  Held out is the *_val_lmdb beside the *_train_lmdb; where there is none, every 50th image, at most 1,000.

  Args:
    folder: directory that holds one *_train_lmdb, or an environment itself.
    size: height and width to crop and resize to, in pixels.
    channels: 1 for grey or 3 for RGB.

  Returns:
    (train, validation, fingerprint): two `Images`, and a hash of the training environment's keys.

  Raises:
    Missing: if there is no environment.
    UserError: if there are several, or one is damaged or empty; if the package `lmdb` is not installed.
  """
  train_path = _find_lsun(folder)
  validation_path = train_path[: -len('train_lmdb')] + 'val_lmdb' if train_path.endswith('_train_lmdb') else None
  keys, make = _lmdb(train_path, size, channels)
  if validation_path and os.path.exists(validation_path):
    validation_keys, make_validation = _lmdb(validation_path, size, channels)
    train, validation = make(keys), make_validation(validation_keys)
  else:
    train, validation = (make(part) for part in split(keys, spread(len(keys), 50, 1000)))
  return train, validation, hashlib.md5(keys.tobytes()).hexdigest()
