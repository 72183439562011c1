"""What a convolution sees at each place, as the rows of a matrix, and back: a convolution is then a matrix product."""

import numpy as np
import tensorflow.compat.v1 as tf


def extract(x, shape, stride):
  """What a SAME convolution sees at each place: [N, H, W, C] -> [N * H / stride * W / stride, K * L * C].

  A gather of whole pixels: TensorFlow's own op for it takes two to seven times as long. Its gradient is `fold`.

  Args:
    x: [N, H, W, C].
    shape: of the convolution's weights, [K, L, C, F].
    stride: of the convolution.
  """
  size = x.shape.as_list()[1:]
  padded, margins, at = _looked_at(size, shape, stride)

  @tf.custom_gradient
  def extracted(x):
    if padded != size[:2]:
      x = tf.pad(x, [[0, 0], *margins, [0, 0]])
    pixels = tf.gather(tf.reshape(x, [-1, padded[0] * padded[1], size[2]]), at.ravel(), axis=1)
    return tf.reshape(pixels, [-1, at.shape[1] * size[2]]), lambda g: fold(g, size, shape, stride)

  return extracted(x)


def fold(p, size, shape, stride):
  """Adds patches up where they were seen, the transpose of `extract`, whose gradient is that.

  Args:
    p: [N * H / stride * W / stride, K * L * C].
    size: [H, W, C].
    shape, stride: as in `extract`.

  Returns:
    [N, H, W, C], of the dtype of `p`.
  """
  padded, margins, at = _looked_at(size, shape, stride)
  # Which entries of the patches saw each pixel, in columns; one past the last entry, a zero, stands for none.
  order = np.argsort(at, axis=None, kind='stable')
  pixels = at.ravel()[order]
  column = np.arange(at.size) - np.searchsorted(pixels, pixels)
  seen_by = np.full([padded[0] * padded[1], column.max() + 1], at.size)
  seen_by[pixels, column] = order
  (top, _), (left, _) = margins
  seen_by = seen_by.reshape(*padded, -1)[top : top + size[0], left : left + size[1]]
  seen_by = seen_by.reshape(size[0] * size[1], -1).astype(np.int32)

  @tf.custom_gradient
  def folded(p):
    entries = tf.pad(tf.reshape(p, [-1, at.size, size[2]]), [[0, 0], [0, 1], [0, 0]])
    added = tf.add_n([tf.gather(entries, column, axis=1) for column in seen_by.T])
    return tf.reshape(added, [-1, *size]), lambda g: extract(g, shape, stride)

  return folded(p)


def _looked_at(size, shape, stride):
  """Where a SAME convolution looks.

  Args:
    size: of its larger side, [H, W, C].
    shape: of its weights, [K, L, C, F].
    stride: of it.

  Returns:
    ([H', W'] of the padded image; ((above, below), (left, right)) of the padding; int32 [H / stride * W / stride,
    K * L], the padded image's pixels that each patch has, counted row by row).
  """
  margins, places = [], []
  for length, taps in zip(size[:2], (int(shape[0]), int(shape[1]))):
    outputs = -(-length // stride)
    padding = max((outputs - 1) * stride + taps - length, 0)
    margins.append((padding // 2, padding - padding // 2))
    places.append(stride * np.arange(outputs, dtype=np.int32)[:, None] + np.arange(taps, dtype=np.int32))
  padded = [length + sum(margin) for length, margin in zip(size[:2], margins)]
  rows, columns = places
  at = rows[:, None, :, None] * padded[1] + columns[None, :, None, :]
  return padded, tuple(margins), at.reshape(len(rows) * len(columns), -1)
