"""Images: a collection that is decoded as it is used, and kept in memory if it fits. No TensorFlow here."""

import copy
import threading
from typing import Any, Callable, NamedTuple, Optional, Sequence, Set, Tuple, Union

import numpy as np

from wgan_tf1.data import decoding
from wgan_tf1.data.arrays import hold_out
from wgan_tf1.errors import UserError, warn
from wgan_tf1.progress import progress

NAMES_SHOWN = 5
_LOCKS = 64


class Fit(NamedTuple):
  """How images from files are decoded."""

  size: int  # height and width, in pixels
  channels: int  # 1 for grey, 3 for RGB
  how: str = 'crop'  # or 'pad' or 'stretch'; see `decoding.decode`
  memory_mb: int = 0  # megabytes that the decoded images may take


class Images:
  """Images that are read and decoded when they are indexed: `images[int array [n]]` is uint8 [n, S, S, C].

  If all of them fit into the memory of `Fit`, each is decoded only once. Several threads may index at once. If an image
  cannot be decoded, the next image of its class that can be decoded replaces it, always the same one. A warning is
  printed for each of the first damaged images.

  Attributes:
    class_names: names of the classes, or None without labels.
  """

  def __init__(
    self,
    sources: Any,
    read: Callable[[Any], Any],
    name: Callable[[Any], str],
    fit: Fit,
    labels: Optional[np.ndarray] = None,
    class_names: Optional[Sequence[str]] = None,
  ) -> None:
    """Makes a collection.

    Args:
      sources: sequence or array of arguments for `read` and `name`, one per image.
      read: returns the bytes of the image file of a source, or a Pillow image.
      name: returns the name of a source for messages.
      fit: how they are decoded.
      labels: int [N], the number of the class of each image; None if they have no classes.
      class_names: the names of these numbers.
    """
    self._sources = sources
    self._read = read
    self._name = name
    self._how = fit.size, fit.channels, fit.how
    self._shape = fit.size, fit.size, fit.channels
    self._labels = None if labels is None else labels.astype(np.int32)
    self.class_names = None if class_names is None else tuple(class_names)
    self._mine = np.arange(len(sources))  # positions in `sources`
    self._damaged: Set[int] = set()  # positions
    self._lock = threading.Lock()
    self._locks = [threading.Lock() for _ in range(_LOCKS)]
    fits = len(sources) * fit.size * fit.size * fit.channels <= fit.memory_mb * 2**20
    self._decoded = np.empty([len(sources) if fits else 0, *self._shape], np.uint8)
    self._known = np.zeros([len(sources)], bool)  # which of `_decoded` are decoded

  def part(self, indices: np.ndarray) -> 'Images':
    """Returns the collection of some of the images, which shares what is decoded and what is known of damaged ones."""
    part = copy.copy(self)
    part._mine = self._mine[indices]
    return part

  @property
  def labels(self) -> Optional[np.ndarray]:
    """int32 [N], the number of each image's class; None without labels."""
    return None if self._labels is None else self._labels[self._mine]

  def __len__(self) -> int:
    return len(self._mine)

  def __getitem__(self, indices: Union[slice, np.ndarray]) -> np.ndarray:
    if isinstance(indices, slice):
      indices = np.arange(len(self))[indices]
    for index in indices:
      if not -len(self) <= index < len(self):
        raise IndexError('image %d of %d' % (index, len(self)))
    positions = self._mine[np.asarray(indices, np.int64)]
    if self._known[positions].all():
      return self._decoded[positions]
    images = np.empty([len(indices), *self._shape], np.uint8)
    with progress('decoding images', len(indices), 'images') as advance:
      for image, index in zip(images, indices):
        image[...] = self._decode_near(int(index) % len(self))
        advance(1)
    return images

  def _decode_near(self, index: int) -> np.ndarray:
    """Returns the first image of its class at or after `index` that can be decoded; the first image follows the last.

    Raises:
      UserError: if no image can be decoded.
    """
    position = self._mine[index]
    for i in range(index, index + len(self)):
      other = self._mine[i % len(self)]
      if self._labels is None or self._labels[other] == self._labels[position]:
        image = self._decode(other)
        if image is not None:
          return image
    if self._labels is not None:
      self.refuse_class(int(self._labels[position]))
    raise UserError('none of %d images can be decoded. Replace them. The first is %s' % (len(self), self.name(0)))

  def refuse_class(self, number: int) -> None:
    """Raises the error of a class none of whose images can be decoded."""
    word = self.class_names[number] if self.class_names else number
    first = self.name(int(np.flatnonzero(self.labels == number)[0]))
    raise UserError('no image of class %s can be decoded. Replace them. The first is %s' % (word, first))

  def name(self, index: int) -> str:
    """Returns the name of an image for messages."""
    return self._name(self._sources[self._mine[index]])

  def _decode(self, position: int) -> Optional[np.ndarray]:
    """Returns an image, or None if it cannot be decoded, with a warning the first time."""
    if self._known[position]:
      return self._decoded[position]
    with self._locks[position % _LOCKS]:  # or several threads would decode the same image
      if position in self._damaged:
        return None
      if self._known[position]:
        return self._decoded[position]
      try:
        image = decoding.decode(self._read(self._sources[position]), *self._how)
      except Exception as e:  # Pillow's decoders raise almost anything on damaged bytes
        self._note(position, e)
        return None
      if len(self._decoded):
        self._decoded[position] = image
        self._known[position] = True
      return image

  def _note(self, position: int, error: Exception) -> None:
    with self._lock:
      self._damaged.add(position)
      if len(self._damaged) <= NAMES_SHOWN:
        name = self._name(self._sources[position])
        warn('%s cannot be decoded (%s). The next image is used instead' % (name, decoding.reason(error)))
      elif len(self._damaged) == NAMES_SHOWN + 1:
        warn('more than %d images cannot be decoded. The others are not listed' % NAMES_SHOWN)

  def readable(self, index: int) -> bool:
    """Tells whether an image can be decoded, after a warning if it is the first to find that it cannot."""
    return self._decode(self._mine[index]) is not None


def split(images: Images, every: int, most: int) -> Tuple[Images, Images]:
  """Splits a collection as `hold_out` does, but each held-out image is one that can be decoded.

  A damaged one changes places with the next training image that can be decoded, so that no other image moves. Only the
  held-out images, at most `most`, and one training image are read if none of these is damaged. The first held-out image
  of a class that has no other image is trained on instead.

  Raises:
    UserError: if fewer than two images can be decoded.
  """
  if len(images) < 2:
    raise UserError('%s is the only image. At least two are needed, of which one is held out' % images.name(0))
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
    if len(good) < 2:
      words = 'none of %d images can be decoded. Replace them. The first is %s'
      if good:
        words = 'only one of %d images can be decoded, and at least two are needed. The first is %s'
      raise UserError(words % (len(images), images.name(0)))
    held_out[good[0]], train[0] = train[0], held_out[good[0]]
  if images.labels is not None:
    train, held_out = _with_every_class(images, train, held_out)
  return images.part(train), images.part(held_out)


def _with_every_class(images: Images, train: np.ndarray, held_out: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
  """Moves the first held-out image of a class that has no training image to the training images.

  If none is held out then, the last image of a class that has others is. Without such a class, all are in both parts.
  """
  labels = images.labels
  assert labels is not None
  classes, first = np.unique(labels[held_out], return_index=True)
  moved = first[~np.isin(classes, labels[train])]
  train, held_out = np.sort(np.concatenate([train, held_out[moved]])), np.delete(held_out, moved)
  if not len(held_out):
    counts = np.bincount(labels[train])
    last = next((p for p in train[::-1] if counts[labels[p]] > 1 and images.readable(p)), None)
    if last is None:
      warn('each image is the only one of its class, so the same images are held out')
      return train, train
    train, held_out = train[train != last], np.array([last])
  return train, held_out
