"""Trees of image files, as folders or zip archives. No TensorFlow here.

A tree is scanned once, and only the headers are read. Images are decoded when a batch needs them.
"""

import collections
import hashlib
import os
import re
import warnings
import zipfile
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image

from wgan_tf1.classes import class_numbers
from wgan_tf1.data import decoding, labels
from wgan_tf1.data.collection import NAMES_SHOWN, Fit, Images, split
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError, warn
from wgan_tf1.progress import progress

LARGEST_FILE_BYTES = 2**28
LABEL_FILE = 'dataset.json'  # as StyleGAN's tools write it
HELD_OUT_EVERY, MOST_HELD_OUT = 20, 1000


class Tree(NamedTuple):
  """Files below a folder, or in an archive."""

  names: List[str]  # with '/' between folders
  errors: List[Tuple[str, Exception]]  # folders that cannot be read
  open: Callable[[str], Any]  # returns (the open file of a name, its size in bytes)
  path: Callable[[str], str]  # returns the path of a name, for messages
  encode: Callable[[str], bytes]  # returns the bytes of a name as UTF-8, whatever the locale makes of them


def _tree(root: str) -> Tree:
  """Lists a folder, or one file. Hidden files and folders are skipped.

  Links to folders are followed, but each folder is visited only once.
  """
  one = os.path.isfile(root)
  names = [os.path.basename(root)] if one else []
  errors: List[OSError] = []
  seen = set()
  walked = os.walk(root, onerror=errors.append, followlinks=True) if os.path.isdir(root) else ()
  for folder, subfolders, found in walked:
    real = os.path.realpath(folder)
    if real in seen:
      subfolders[:] = []
      continue
    seen.add(real)
    # Sorted, so that of two links to the same folder always the same one is followed.
    subfolders[:] = sorted(name for name in subfolders if not name.startswith('.'))
    names += [os.path.relpath(os.path.join(folder, name), root) for name in found if not name.startswith('.')]

  def path(name: str) -> str:
    return root if one else os.path.join(root, name)

  def open_file(name: str) -> Any:
    if not os.path.isfile(path(name)):  # opening a pipe would wait for a writer
      raise OSError('not a file')
    return open(path(name), 'rb'), os.stat(path(name)).st_size

  names = [name.replace(os.sep, '/') for name in names]
  return Tree(names, [(os.path.relpath(e.filename, root), e) for e in errors], open_file, path, os.fsencode)


def _archive(root: str) -> Tree:
  """Lists a zip archive, which stays open. Hidden files, and those that macOS adds, are skipped.

  Raises:
    UserError: if it cannot be read.
  """
  try:
    archive = zipfile.ZipFile(root)
    found = {info.filename: info for info in archive.infolist() if not info.filename.endswith('/')}
  except Exception as e:  # a damaged directory raises almost anything
    raise UserError(
      '%s cannot be read as a zip archive (%s). Copy or pack it again' % (root, decoding.reason(e))
    ) from e
  hidden = re.compile(r'(.*/)?([.][^./]|__MACOSX/)')

  def open_member(name: str) -> Any:
    return archive.open(found[name]), found[name].file_size

  def encode(name: str) -> bytes:
    return name.encode('utf-8', 'surrogateescape')

  names = [name for name in found if not hidden.match(name)]
  return Tree(names, [], open_member, lambda name: '%s in %s' % (name, root), encode)


def tree(root: str) -> Tree:
  """Lists a folder, one file or a .zip file, as `load` does."""
  return _archive(root) if is_archive(root) else _tree(root)


def is_archive(root: str) -> bool:
  """Tells whether `root` is a file that is named as a zip archive is."""
  return os.path.isfile(root) and root.lower().endswith('.zip')


class _Found(NamedTuple):
  name: str
  size: int  # bytes
  side: int  # pixels of the smaller side
  deep: bool  # whether it has more than 8 bits of grey


def _scan(root: str, tree: Tree) -> Tuple[List[_Found], List[Tuple[str, str]], Dict[str, int]]:
  """Reads the header of each image file.

  Returns:
    (images, rejected, others): the images; (name, reason) of the files that cannot be read as images, both sorted by
    the names' bytes; {kind of file: number} of the files without an image's suffix.
  """
  images: List[_Found] = []
  rejected = [(name, decoding.reason(error)) for name, error in tree.errors]
  others: Dict[str, int] = collections.Counter()
  with progress('reading the headers of %s' % root, len(tree.names), 'files') as advance:
    for name in tree.names:
      advance(1)
      if not name.lower().endswith(decoding.SUFFIXES):
        if name != LABEL_FILE:
          others[os.path.splitext(name)[1].lower() or 'without suffix'] += 1
        continue
      try:
        opened, size = tree.open(name)
        with opened:
          if size > LARGEST_FILE_BYTES:
            raise OSError('%d bytes are too many' % size)
          with Image.open(opened, formats=decoding.FORMATS) as image:
            images.append(_Found(name, size, min(image.size), decoding.is_deep(image)))
      except Exception as e:  # as in `Images`
        rejected.append((name, decoding.reason(e)))
  images.sort(key=lambda found: tree.encode(found.name))
  rejected.sort(key=lambda item: tree.encode(item[0]))
  return images, rejected, others


def _kinds(others: Dict[str, int]) -> str:
  """Returns '30 .heic, 2 .txt': the most frequent first."""
  shown = sorted(others.items(), key=lambda item: (-item[1], item[0]))
  words = ['%d %s' % (count, kind[:20]) for kind, count in shown[:NAMES_SHOWN]]
  more = sum(count for _, count in shown[NAMES_SHOWN:])
  return ', '.join(words + ['%d of other kinds' % more] * bool(more))


def _report(
  root: str, size: int, how: str, found: List[_Found], rejected: List[Tuple[str, str]], others: Dict[str, int]
) -> None:
  """Says which files are left out, and what happens to small and to 16-bit images.

  Raises:
    Missing: if there is no image.
    UserError: if none of the images can be read.
  """
  shown = ['%s (%s)' % item for item in rejected[:NAMES_SHOWN]]
  shown += ['and %d more' % (len(rejected) - NAMES_SHOWN)] if len(rejected) > NAMES_SHOWN else []
  if not found and not rejected:
    raise Missing(
      '%s holds no %s images%s' % (root, decoding.FORMAT_WORDS, ', but ' + _kinds(others) if others else ''),
      'Put a tree of images there, or name one with --data_path',
    )
  if not found:
    raise UserError('no image in %s can be read: %s. Replace them' % (root, ', '.join(shown)))
  left_out = len(rejected) + sum(others.values())
  if left_out:
    words = ([_kinds(others)] if others else []) + shown
    warn('%d of %d files in %s are left out: %s' % (left_out, len(found) + left_out, root, ', '.join(words)))
  small, deep = sum(image.side < size for image in found), sum(image.deep for image in found)
  if small and how != 'pad':
    warn('%d of %d images in %s are smaller than %d pixels and are enlarged' % (small, len(found), root, size))
  if deep:
    warn(
      '%d of %d images in %s have 16 bits of grey or more. Each is scaled from its own range to 256 levels'
      % (deep, len(found), root)
    )


def _classes(root: str, tree: Tree, found: List[_Found]) -> Tuple[List[_Found], labels.Labels]:
  """Returns the images that have a class, and their classes.

  Raises:
    UserError: if no image has one, or there is one class only.
  """
  names, given = [image.name for image in found], None
  if LABEL_FILE in tree.names:
    try:
      with tree.open(LABEL_FILE)[0] as f:
        content = f.read(LARGEST_FILE_BYTES)
    except Exception as e:  # an archive may be damaged
      raise UserError('%s cannot be read (%s). Replace it' % (tree.path(LABEL_FILE), decoding.reason(e))) from e
    given = labels.of_json(content, tree.path(LABEL_FILE))
  if given is None:
    classes = labels.of_folders(names)
    if classes is None:
      raise UserError(
        '%s has no classes, or one only. Put the images of each class into a folder of its name, or list their labels '
        'in a %s' % (root, LABEL_FILE)
      )
    return found, classes
  absent = [name for name in names if name not in given]
  if absent:
    warn(
      '%d of %d images in %s have no label in %s and are left out, such as %s'
      % (len(absent), len(names), root, LABEL_FILE, absent[0])
    )
  kept = [image for image in found if image.name in given]
  if not kept:
    raise UserError('%s: has no label of an image in %s. Correct it' % (tree.path(LABEL_FILE), root))
  return kept, labels.of_values(np.array([given[image.name] for image in kept]))


def load(root: str, fit: Fit, labelled: bool = False, classes: Optional[str] = None) -> Tuple[Images, Images, str]:
  """Scans a tree or an archive of images, sorted by name. Every 20th, at most 1,000, is held out; see `split`.

  Files that cannot be read as images, and files without one of `decoding.SUFFIXES` in upper or lower case, are left out
  after a warning. Hidden files are ignored. Images smaller than `fit.size` are enlarged, after a warning.

  Args:
    root: directory, one image file, or a .zip file.
    fit: how they are decoded.
    labelled: whether to read the classes too: of dataset.json, or else of the folders.
    classes: the classes to read, as in `config.classes`; None reads all.

  Returns:
    (train, validation, fingerprint): two `Images`, and a hash of the files' names, sizes and classes.

  Raises:
    Missing: if no file has an image's suffix.
    UserError: if none of the files is an image that can be decoded, or the classes cannot be read.
  """
  files = tree(root)
  with warnings.catch_warnings():
    # Pillow only warns about images of 90 million pixels or more.
    warnings.simplefilter('error', Image.DecompressionBombWarning)
    found, rejected, others = _scan(root, files)
  _report(root, fit.size, fit.how, found, rejected, others)
  numbers: Optional[np.ndarray] = None
  names: Optional[Tuple[str, ...]] = None
  if labelled:
    found, (numbers, names) = _classes(root, files, found)
  digest = hashlib.md5()
  for i, image in enumerate(found):
    digest.update(files.encode(image.name) + b'\0%d\n' % image.size)
    if numbers is not None and names is not None:
      digest.update(('%s\n' % names[numbers[i]]).encode('utf-8', 'surrogateescape'))

  def read(name: str) -> bytes:
    with files.open(name)[0] as f:
      return f.read(LARGEST_FILE_BYTES)

  sources = np.array([image.name for image in found], object)
  images = Images(sources, read, files.path, fit, numbers, names)
  images, chosen = of_classes(images, classes)
  return (*split(images, HELD_OUT_EVERY, MOST_HELD_OUT), digest.hexdigest() + chosen)


def of_classes(images: Images, classes: Optional[str]) -> Tuple[Images, str]:
  """Returns the images of `classes`, as in `config.classes`, and an end for their fingerprint. None has all classes."""
  if classes is None:
    return images, ''
  wanted = class_numbers(classes, images.class_names or ())
  return images.part(np.flatnonzero(np.isin(images.labels, wanted))), '-' + ','.join(map(str, wanted))
