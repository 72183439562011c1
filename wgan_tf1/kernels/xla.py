"""XLA, TensorFlow's compiler: whether a run has it, and the scope in which it compiles a graph."""

import contextlib
from typing import Iterator

import tensorflow.compat.v1 as tf

from wgan_tf1.config import Config
from wgan_tf1.errors import UserError
from wgan_tf1.kernels import choices, devices


def resolved(config: Config) -> str:
  """Returns 'on' or 'off', for `config.xla`, which may be 'auto'.

  Raises:
    UserError: for 'on', if TensorFlow was built without XLA.
  """
  if config.xla == 'on' and not _exists():
    raise UserError('xla=on: this TensorFlow was built without XLA. Start a run without it')
  if config.xla == 'auto':
    return 'on' if choices.choice(config, bool(devices.gpus())).xla and _exists() else 'off'
  return config.xla


def _exists() -> bool:
  if hasattr(tf.test, 'is_built_with_xla'):
    return tf.test.is_built_with_xla()
  return bool(tf.config.experimental.list_physical_devices('XLA_CPU'))  # TensorFlow 1


@contextlib.contextmanager
def compiled(config: Config) -> Iterator[None]:
  """A scope in which XLA compiles what is built, if the run has it.

  Not the random numbers, which would be others, nor the checks, which it would leave out.
  """
  if config.xla != 'on':
    yield
    return
  with tf.xla.experimental.jit_scope(lambda node: 'Random' not in node.op and node.op != 'CheckNumerics'):
    yield
