"""What is chosen by device and kind of network: one table, which a measurement can change."""

import os
from typing import Any, Dict, NamedTuple, Tuple

from wgan_tf1.config import Config

# Networks of dense layers alone. Their operations are small: two at once use the cores better than one on all of them.
_DENSE = {'mlp', 'toy'}


class Choice(NamedTuple):
  """How a run's graph is executed. Each changes the weights by rounding errors at most."""

  xla: bool  # --xla=auto: whether XLA compiles the graph
  layout: bool  # whether TensorFlow may turn convolutions from NHWC, as they are written, to NCHW
  at_once: int  # operations at the same time; 0 leaves it to TensorFlow


# (device, kind of network) -> choice. The CPU's lines were measured: docs/performance.md. The GPU's were not: they are
# what TensorFlow does by itself, with XLA left to its flag. Samples are fed from a thread that prepares them ahead.
CHOICES: Dict[Tuple[str, str], Choice] = {
  ('cpu', 'convolutions'): Choice(xla=False, layout=False, at_once=1),
  ('cpu', 'dense'): Choice(xla=False, layout=False, at_once=2),
  ('gpu', 'convolutions'): Choice(xla=False, layout=True, at_once=0),
  ('gpu', 'dense'): Choice(xla=False, layout=True, at_once=0),
}


def choice(config: Config, gpu: bool) -> Choice:
  """Returns what suits a run."""
  return CHOICES['gpu' if gpu else 'cpu', 'dense' if config.architecture in _DENSE else 'convolutions']


def cores() -> int:
  """Returns how many cores this process may use."""
  usable: Any = getattr(os, 'sched_getaffinity', None)  # not on macOS or Windows
  return len(usable(0)) if usable else os.cpu_count() or 1
