"""How a batch is divided: over the devices of one process, and over processes that train the same networks."""

import dataclasses
from typing import Any, Callable, List, Optional, Sequence

import tensorflow.compat.v1 as tf


@dataclasses.dataclass(frozen=True)
class Replica:
  """Which part of the training this process does, among the processes that train the same networks.

  Field    Meaning
  index    0 to count - 1
  count    number of processes
  combine  list of float32 tensors -> their means over the processes, in the same shapes; None if each process updates
           the shared variables independently
  """

  index: int
  count: int
  combine: Optional[Callable[[List[Any]], List[Any]]]


ALONE = Replica(0, 1, None)


def split(tensor: Any, parts: int) -> List[Any]:
  """Divides a batch: [N, ...] -> `parts` tensors, in order. If N is no multiple, the last ones have one row more.

  None is divided into Nones.
  """
  if tensor is None or parts == 1:
    return [tensor] * parts
  sizes = (tf.shape(tensor)[0] + tf.range(parts)) // parts
  return tf.split(tensor, sizes, num=parts)


def join(tensors: Sequence[Any]) -> Any:
  """The batch that `split` divided."""
  if tensors[0] is None or len(tensors) == 1:
    return tensors[0]
  return tf.concat(tensors, 0)


def mean(values: Sequence[List[Any]]) -> List[Any]:
  """Means over the towers of lists of tensors: [[tensor of each variable] of each tower] -> [tensor of each variable].

  The mean of the gradients of equal parts of a batch is the gradient of the whole batch's mean loss.
  """
  if len(values) == 1:
    return values[0]
  return [tf.add_n(of_towers) / len(values) for of_towers in zip(*values)]
