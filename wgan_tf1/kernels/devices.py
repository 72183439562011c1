"""The machine's GPUs and instruction sets, and how a graph is run on them."""

from typing import Any, List, Set, Tuple

import tensorflow.compat.v1 as tf

from wgan_tf1.config import Config
from wgan_tf1.errors import UserError
from wgan_tf1.kernels import choices


def gpus() -> List[Any]:
  """Returns the GPUs that TensorFlow sees."""
  return tf.config.experimental.list_physical_devices('GPU')


def processor_flags() -> Set[str]:
  """Returns the names of the processor's instruction sets as Linux lists them; an empty set on other systems."""
  try:
    with open('/proc/cpuinfo') as f:
      return next((set(line.split(':')[1].split()) for line in f if line.startswith('flags')), set())
  except OSError:
    return set()


def towers(num_gpus: int) -> Tuple[str, ...]:
  """Returns the devices that share each batch, for `graph.build_graph`; '' leaves the choice to TensorFlow.

  Raises:
    UserError: if there are fewer GPUs than `num_gpus`.
  """
  if num_gpus == 1:
    return ('',)
  found = len(gpus())
  if found < num_gpus:
    seen = '%d GPU%s' % (found, '' if found == 1 else 's') if found else 'no GPU'
    raise UserError('num_gpus=%d: must be at most %d, as TensorFlow sees %s' % (num_gpus, max(found, 1), seen))
  return tuple('/gpu:%d' % i for i in range(num_gpus))


def session_options(config: Config) -> Any:
  """Returns the `tf.ConfigProto` of a run's session."""
  options = tf.ConfigProto(allow_soft_placement=True, log_device_placement=config.log_device_placement)
  options.gpu_options.allow_growth = config.allow_growth
  options.gpu_options.per_process_gpu_memory_fraction = config.gpu_memory_fraction
  choice = choices.choice(config, bool(gpus()))
  if choice.at_once:
    # They compete for the cores and their caches, so that the threads of each are its share of the cores.
    options.inter_op_parallelism_threads = min(choice.at_once, choices.cores())
    options.intra_op_parallelism_threads = max(1, choices.cores() // choice.at_once)
  if not choice.layout:
    rewriting = options.graph_options.rewrite_options
    rewriting.layout_optimizer = rewriting.OFF
  return options
