"""Where latents come from: a seed, a walk from one to another, a file. No TensorFlow here."""

from typing import Iterator

import numpy as np

from wgan_tf1.errors import UserError

BATCH_SIZE = 64  # latents at once, however many are wanted


def normal(count: int, latent_size: int, seed: int) -> Iterator[np.ndarray]:
  """Yields batches of the first `count` latents of a seed, float64 [N, Z]. More of them begin with the same ones."""
  random = np.random.RandomState(seed)
  for start in range(0, count, BATCH_SIZE):
    yield random.normal(size=[min(BATCH_SIZE, count - start), latent_size])


def interpolate(start: np.ndarray, end: np.ndarray, columns: int) -> np.ndarray:
  """Walks from each start to its end along the great circle.

  A straight line would pass through latents shorter than any that the generator was trained on (1609.04468). It is
  used where there is no great circle, or more than one: from or to zero, and between parallel vectors.

  Args:
    start: float [N, Z].
    end: float [N, Z].
    columns: points on each path, both ends included.

  Returns:
    float [N * columns, Z], path after path.
  """
  start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
  lengths = [np.linalg.norm(v, axis=1, keepdims=True) for v in (start, end)]
  units = [v / np.where(length > 0, length, 1) for v, length in zip((start, end), lengths)]
  angle = np.arccos(np.clip(np.sum(units[0] * units[1], axis=1), -1, 1))[:, None, None]
  straight = (np.sin(angle) < 1e-6) | np.any(np.equal(lengths, 0), axis=0)[:, None]
  t = np.linspace(0, 1, columns)[None, :, None]
  circle = np.sin((1 - t) * angle) * start[:, None] + np.sin(t * angle) * end[:, None]
  circle /= np.where(straight, 1, np.sin(angle))
  points = np.where(straight, (1 - t) * start[:, None] + t * end[:, None], circle)
  return points.reshape(-1, start.shape[1])


def walks(start: np.ndarray, end: np.ndarray, columns: int) -> Iterator[np.ndarray]:
  """Yields batches of what `interpolate` returns."""
  rows = max(1, BATCH_SIZE // columns)
  for row in range(0, len(start), rows):
    yield interpolate(start[row : row + rows], end[row : row + rows], columns)


def read(path: str, latent_size: int) -> np.ndarray:
  """Returns the latents in a .npy file: an array of finite numbers [N, Z] that stays on the disk.

  Raises:
    UserError: if it cannot be read, or has something else.
  """
  try:
    values = np.load(path, mmap_mode='r', allow_pickle=False)
  except Exception as e:  # NumPy raises many kinds of error of a damaged file
    reason = getattr(e, 'strerror', None) or str(e).split('\n')[0] or type(e).__name__
    raise UserError('latents=%s cannot be read: %s. Use an array saved by numpy.save' % (path, reason)) from e
  wanted = 'must be an array [N, %d] of numbers, the latents of this run' % latent_size
  if not isinstance(values, np.ndarray):
    raise UserError('latents=%s: %s, saved by numpy.save; it is an archive of arrays' % (path, wanted))
  if values.dtype.kind not in 'fiu' or values.ndim != 2 or values.shape[1] != latent_size or not len(values):
    raise UserError('latents=%s: %s; it is %s %s' % (path, wanted, values.dtype, list(values.shape)))
  for i in range(0, len(values), 1024):
    with np.errstate(over='ignore'):
      finite = np.isfinite(values[i : i + 1024].astype(np.float32)).all(axis=1)
    if not finite.all():
      row = i + int(np.argmin(finite))
      raise UserError('latents=%s: row %d has a value that is not a finite float32. Replace it' % (path, row))
  return values


def batches(values: np.ndarray) -> Iterator[np.ndarray]:
  """Yields float64 batches of an array [N, Z]."""
  for i in range(0, len(values), BATCH_SIZE):
    yield np.asarray(values[i : i + BATCH_SIZE], np.float64)
