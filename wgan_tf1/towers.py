"""A batch divided: over the devices of one process in one graph, and over processes that train the same networks."""

from typing import Any
from typing import NamedTuple

import tensorflow.compat.v1 as tf


class Replica(NamedTuple):
  """Which of the processes that train the same networks this one is.

  Field    Type      Meaning
  index    int       0 to count - 1
  count    int       processes
  combine  function  [float32 tensor] -> their means over the processes, of the same shapes; None if each process
                     updates the shared variables by itself
  """

  index: int
  count: int
  combine: Any


ALONE = Replica(0, 1, None)


def gpus():
  """Returns the GPUs that TensorFlow sees."""
  return tf.config.experimental.list_physical_devices('GPU')


def split(tensor, parts):
  """Divides a batch: [N, ...] -> `parts` tensors of N / parts rows, in order; the last have one more if it must be.

  None is divided into Nones.
  """
  if tensor is None or parts == 1:
    return [tensor] * parts
  sizes = (tf.shape(tensor)[0] + tf.range(parts)) // parts
  return tf.split(tensor, sizes, num=parts)


def join(tensors):
  """The batch that `split` divided."""
  if tensors[0] is None or len(tensors) == 1:
    return tensors[0]
  return tf.concat(tensors, 0)


def mean(values):
  """Means over the towers of lists of tensors: [[tensor of each variable] of each tower] -> [tensor of each variable].

  The mean of the gradients of equal parts of a batch is the gradient of the whole batch's mean loss.
  """
  if len(values) == 1:
    return values[0]
  return [tf.add_n(of_towers) / len(values) for of_towers in zip(*values)]
