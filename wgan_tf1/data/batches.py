"""Batches as the networks see them: which samples are in a batch, and their encoding. No TensorFlow here."""

import functools
import threading
from typing import Any, NamedTuple, Optional, Tuple, Union

import numpy as np

from wgan_tf1.config import Config

_MIDDLE = np.uint16(32768)


class Batch(NamedTuple):
  """What one critic update is trained on."""

  real: np.ndarray  # float32 [B, ...]; see `encode`
  labels: Optional[np.ndarray]  # int32 [B], or None


_ORDERING = threading.Lock()  # at the start of an epoch all threads want its order, which may take a second and 80 MB


@functools.lru_cache(maxsize=2)  # a batch can span two epochs
def _epoch_order(n, seed, epoch):
  # NumPy guarantees that RandomState's streams never change. Those of newer generators may.
  return np.random.RandomState([seed, epoch]).permutation(n)


def _order(n, seed, epoch):
  with _ORDERING:
    return _epoch_order(n, seed, epoch)


def batch_indices(n: int, batch_size: int, seed: int, step: int) -> np.ndarray:
  """Returns which samples are in a batch: a function of its arguments alone, so that a resumed run continues exactly.

  Each epoch is shuffled independently, and the epochs are concatenated; batch `step` is the `step`-th slice of the
  result. So each sample occurs once per epoch, whether or not `batch_size` divides `n`.

  Args:
    n: samples in the data set.
    batch_size: samples in a batch.
    seed: the run's seed.
    step: number of critic updates before this one.

  Returns:
    int64 [batch_size].
  """
  positions = np.arange(step * batch_size, (step + 1) * batch_size)
  epochs, offsets = np.divmod(positions, n)
  return np.concatenate([_order(n, seed, int(e))[offsets[epochs == e]] for e in np.unique(epochs)])


def to_float(images: np.ndarray, pixel_minimum: float = -1.0) -> np.ndarray:
  """Scales uint8 0..255 to float32 [pixel_minimum, 1]: -1 for the range of tanh, 0 for the range of a sigmoid."""
  return images.astype(np.float32) / (255 / (1 - pixel_minimum)) + pixel_minimum


def _dequantized(images, noise, pixel_minimum):
  """Returns float32 [pixel_minimum, 1): each pixel x as (x + noise / 65536) / 256, scaled.

  Args:
    images: uint8 of any shape.
    noise: uint16 of the same shape, or a scalar.
    pixel_minimum: -1 or 0.
  """
  # A pixel and its noise have 24 bits, which float32 represents exactly: nothing is rounded up to 1.
  unit = (images * np.float32(65536) + noise) / np.float32(2**24)
  return unit * np.float32(1 - pixel_minimum) + np.float32(pixel_minimum)


def encode(config: Config, raw: np.ndarray, noise: Union[np.ndarray, np.uint16] = _MIDDLE) -> np.ndarray:
  """Converts raw samples to what the networks see.

  With `config.dequantize` a pixel x becomes x / 256 plus noise below 1 / 256, scaled. The default noise is the middle
  of that interval.

  Args:
    config: its fields form, pixel_minimum, dequantize and vocabulary are used.
    raw: uint8 [n, H, W, C], uint16 [n, L] or float32 [n, 2], from a `datasets.Dataset`.
    noise: uint16 of the shape of `raw` or a scalar, in 1 / 65536 of 1 / 256; used only with `config.dequantize`.

  Returns:
    float32: images [n, H, W, C] in [pixel_minimum, 1]; one-hot tokens [n, L, len(vocabulary)]; points [n, 2].
  """
  if config.form == 'points':
    return raw
  if config.form == 'text':
    assert config.vocabulary is not None  # a text's Config has one once its data are loaded
    one_hot = np.zeros(raw.shape + (len(config.vocabulary),), np.float32)
    np.put_along_axis(one_hot, raw[..., np.newaxis].astype(np.int64), 1, axis=-1)
    return one_hot
  assert config.pixel_minimum is not None  # every Config of images has one
  if config.dequantize:
    return _dequantized(raw, noise, config.pixel_minimum)
  return to_float(raw, config.pixel_minimum)


def batch(config: Config, dataset: Any, step: int, part: Tuple[int, int] = (0, 1)) -> Batch:
  """Returns the batch of critic update `step`: a function of the seed, the step and the part alone.

  With `config.dequantize` the noise of `encode` is uniform. With `config.mirror` half of the images, others for each
  step, are flipped left to right.

  Args:
    config: its fields batch_size, seed and mirror are used, and those that `encode` uses.
    dataset: a `datasets.Dataset`.
    step: number of critic updates before this one.
    part: (i, n) is the i-th part, of `batch_size` samples, of a batch that n processes share.
  """
  index, count = part
  mine = slice(index * config.batch_size, (index + 1) * config.batch_size)
  indices = batch_indices(len(dataset.train), config.batch_size * count, config.seed, step)[mine]
  raw = dataset.train[indices]
  if config.form == 'image' and config.mirror:
    flipped = np.random.RandomState([config.seed, step, 2]).randint(0, 2, config.batch_size * count)[mine] == 1
    raw[flipped] = raw[flipped, :, ::-1]
  noise: Union[np.ndarray, np.uint16] = _MIDDLE
  if config.form == 'image' and config.dequantize:
    # The third number separates this random stream from the others of a step, and from those that shuffle the epochs.
    shape = (config.batch_size * count,) + raw.shape[1:]
    noise = np.random.RandomState([config.seed, step, 1]).randint(0, 65536, shape, np.uint16)[mine]
  return Batch(encode(config, raw, noise), None if dataset.train_labels is None else dataset.train_labels[indices])
