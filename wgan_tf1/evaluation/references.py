"""Which real samples to compare with, and which to find the floors with. No TensorFlow here."""

from typing import Any, NamedTuple, Optional, Tuple

import numpy as np

from wgan_tf1.data import arrays
from wgan_tf1.errors import warn

FEWEST_HELD_OUT = 50  # real samples. With fewer held-out ones, samples are compared with the training set


class Real(NamedTuple):
  """Real samples to compare with, and others to take the place of the generated ones: these give the floors."""

  name: str  # of the reference in a protocol
  words: str  # the same in the words of published.json, without the number
  reference: np.ndarray
  floor: Tuple[np.ndarray, np.ndarray]  # (in place of samples, in place of the reference)


def spread(n: int, count: int) -> np.ndarray:
  """Returns `count` indices spread evenly over n, or all n of them: files may be sorted by class."""
  return np.arange(min(n, count)) * n // min(n, count)


def halves(samples: Any, count: int) -> Tuple[np.ndarray, np.ndarray]:
  """Returns two sets of equally many samples, at most `count`; a single sample is in both."""
  both = samples[spread(len(samples), 2 * count)]
  half = max(len(both) // 2, 1)
  return both[::2][:half], both[1::2][:half] if len(both) > 1 else both


def is_small(dataset: Any) -> bool:
  """Tells whether the held-out part of a data set has too few samples to compare with."""
  return len(dataset.validation) < min(FEWEST_HELD_OUT, len(dataset.train))


def real_samples(dataset: Any, count: int, reference: str, reference_count: Optional[int] = None) -> Real:
  """Chooses what to compare with: at most `count` samples of each kind, or `reference_count` of the reference.

  Args:
    dataset: its `train` and `validation` are used.
    count: number of generated samples.
    reference: 'test' for the held-out samples, or 'train' for the training samples.
    reference_count: None is `count`.
  """
  train, held_out = dataset.train, dataset.validation
  part = train if reference == 'train' else held_out
  chosen = part[spread(len(part), reference_count or count)]
  if reference == 'test':
    return Real('held_out', 'test images', chosen, (train[spread(len(train), count)], chosen))
  floor = halves(train, count) if is_small(dataset) else (held_out[spread(len(held_out), count)], chosen)
  return Real('training', 'training images', chosen, floor)


def chosen(dataset: Any) -> str:
  """Returns 'test', or after a warning 'train' if too few samples are held out."""
  if not is_small(dataset):
    return 'test'
  warn(
    'only %d samples are held out, so the %s training samples are the reference. evaluate.py --reference=test uses '
    'the held-out ones' % (len(dataset.validation), format(len(dataset.train), ','))
  )
  return 'train'


def fitted(real: Real, size: int, channels: int) -> Real:
  """Returns the same images as most presets fit them: padded or shrunk to a size, and with 3 channels instead of 1."""

  def fit(images: np.ndarray) -> np.ndarray:
    return images if images.shape[1:] == (size, size, channels) else arrays.fit(images, size, channels, 'pad')

  reference = fit(real.reference)
  first, second = real.floor
  return real._replace(reference=reference, floor=(fit(first), reference if second is real.reference else fit(second)))
