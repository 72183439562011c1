"""Patches of an image as the rows of a matrix, and shifted images: with both a convolution is a matrix product."""

from typing import Any, List, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

Margins = Tuple[Tuple[int, int], Tuple[int, int]]  # padding: (above, below), (left, right)


def extract(x: Any, shape: Any, stride: int) -> Any:
  """Returns the patch that a SAME convolution reads at each place; its gradient is `fold`.

  It gathers whole pixels: TensorFlow's own op for this takes two to seven times as long.

  Args:
    x: [N, H, W, C].
    shape: of the convolution's weights, [K, L, C, F].
    stride: of the convolution.

  Returns:
    [N * H / stride * W / stride, K * L * C].
  """
  size = x.shape.as_list()[1:]
  padded, margins, at = _places(size, shape, stride)

  @tf.custom_gradient
  def extracted(x: Any) -> Any:
    if padded != size[:2]:
      x = tf.pad(x, [[0, 0], *margins, [0, 0]])
    pixels = tf.gather(tf.reshape(x, [-1, padded[0] * padded[1], size[2]]), at.ravel(), axis=1)
    return tf.reshape(pixels, [-1, at.shape[1] * size[2]]), lambda g: fold(g, size, shape, stride)

  return extracted(x)


def fold(p: Any, size: Sequence[int], shape: Any, stride: int) -> Any:
  """Adds each patch to the pixels that it was read from: the transpose of `extract`, which is its gradient.

  Args:
    p: [N * H / stride * W / stride, K * L * C].
    size: [H, W, C].
    shape: of the convolution's weights, [K, L, C, F].
    stride: of the convolution.

  Returns:
    [N, H, W, C], of the dtype of `p`.
  """
  padded, margins, at = _places(size, shape, stride)
  # Row by row, the entries of the patches that each pixel went to. Unused places hold the index of an added zero.
  order = np.argsort(at, axis=None, kind='stable')
  pixels = at.ravel()[order]
  column = np.arange(at.size) - np.searchsorted(pixels, pixels)
  seen_by = np.full([padded[0] * padded[1], column.max() + 1], at.size)
  seen_by[pixels, column] = order
  (top, _), (left, _) = margins
  seen_by = seen_by.reshape(*padded, -1)[top : top + size[0], left : left + size[1]]
  seen_by = seen_by.reshape(size[0] * size[1], -1).astype(np.int32)

  @tf.custom_gradient
  def folded(p: Any) -> Any:
    entries = tf.pad(tf.reshape(p, [-1, at.size, size[2]]), [[0, 0], [0, 1], [0, 0]])
    added = tf.add_n([tf.gather(entries, column, axis=1) for column in seen_by.T])
    return tf.reshape(added, [-1, *size]), lambda g: extract(g, shape, stride)

  return folded(p)


def add_shifted(maps: Any, size: Tuple[int, int], transposed: bool = False) -> Any:
  """Adds up what the taps of a SAME convolution of stride 1 read: tap (i, j)'s map, shifted by its place in the filter.

  Args:
    maps: [K * L, M, H, W]; tap by tap, each pixel of M images times that tap's weight.
    size: of the filter, (K, L).
    transposed: whether it is the transposed convolution, whose taps are shifted the other way.

  Returns:
    [M, H, W], of the dtype of `maps`; its gradient is `shifted`.
  """
  height, width = (int(d) for d in maps.shape[2:])
  margins, starts = _shifts(size, transposed)

  @tf.custom_gradient
  def added(maps: Any) -> Any:
    padded = tf.pad(maps, [[0, 0], [0, 0], *margins])
    views = [padded[tap, :, i : i + height, j : j + width] for tap, (i, j) in enumerate(starts)]
    return tf.add_n(views), lambda g: shifted(g, size, transposed)

  return added(maps)


def shifted(x: Any, size: Tuple[int, int], transposed: bool = False) -> Any:
  """The transpose of `add_shifted`, which is its gradient: [M, H, W] -> [K * L, M, H, W]."""
  height, width = (int(d) for d in x.shape[1:])
  margins, starts = _shifts(size, not transposed)

  @tf.custom_gradient
  def views(x: Any) -> Any:
    padded = tf.pad(x, [[0, 0], *margins])
    y = tf.stack([padded[:, i : i + height, j : j + width] for i, j in starts])
    return y, lambda g: add_shifted(g, size, transposed)

  return views(x)


def _shifts(size: Tuple[int, int], transposed: bool) -> Tuple[Margins, List[Tuple[int, ...]]]:
  """Returns the padding of a SAME convolution of stride 1, and where each tap's view of the padded image starts."""
  (top, bottom), (left, right) = (_margin(taps - 1) for taps in size)
  starts = list(np.ndindex(*size))
  if transposed:
    return ((bottom, top), (right, left)), starts[::-1]
  return ((top, bottom), (left, right)), starts


def _margin(padding: int) -> Tuple[int, int]:
  """Divides padding as SAME does: (before, after)."""
  return padding // 2, padding - padding // 2


def _places(size: Sequence[int], shape: Any, stride: int) -> Tuple[List[int], Margins, np.ndarray]:
  """Returns where a SAME convolution reads its patches.

  Args:
    size: of the convolution's larger side, [H, W, C].
    shape: of its weights, [K, L, C, F].
    stride: of the convolution.

  Returns:
    (the padded image's [H', W']; the padding; int32 [H / stride * W / stride, K * L], the pixels of each patch,
    numbered row by row in the padded image).
  """
  margins, places = [], []
  for length, taps in zip(size[:2], (int(shape[0]), int(shape[1]))):
    outputs = -(-length // stride)
    padding = max((outputs - 1) * stride + taps - length, 0)
    margins.append(_margin(padding))
    places.append(stride * np.arange(outputs, dtype=np.int32)[:, None] + np.arange(taps, dtype=np.int32))
  padded = [length + sum(margin) for length, margin in zip(size[:2], margins)]
  rows, columns = places
  at = rows[:, None, :, None] * padded[1] + columns[None, :, None, :]
  return padded, (margins[0], margins[1]), at.reshape(len(rows) * len(columns), -1)
