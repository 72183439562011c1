"""Which checkpoints a run directory has, and the newest of them that can be read."""

import os
import re
import sys

import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError

_NAME = re.compile(r'model-(\d+)(\.index)?$')

# What a checkpoint raises that is torn, cut short, or half there.
_UNREADABLE = (tf.errors.DataLossError, tf.errors.OutOfRangeError, tf.errors.NotFoundError, ValueError)


def paths(run_dir):
  """Returns {step: path prefix} of the checkpoints in `run_dir`, oldest first.

  One that TensorFlow's state file names is among them though its files be gone, and one that is there
  though the state file does not name it.
  """
  try:
    state = tf.train.get_checkpoint_state(run_dir)
  except ValueError:  # a torn state file: the listing below does without it
    state = None
  names = [os.path.basename(path) for path in state.all_model_checkpoint_paths] if state else []
  names += [name for name in os.listdir(run_dir) if name.endswith('.index')]
  steps = sorted({int(match.group(1)) for match in map(_NAME.match, names) if match})
  return {step: os.path.join(run_dir, 'model-%d' % step) for step in steps}


def save(session, saver, run_dir, step):
  """Writes the checkpoint of `step`, and drops the oldest beyond the saver's number."""
  saver.save(session, os.path.join(run_dir, 'model'), global_step=step, write_meta_graph=False)


def restore(session, saver, run_dir, step=None):
  """Restores the newest checkpoint that can be read, with a warning for each newer one that cannot.

  From then on the saver counts it and those before it among the checkpoints to keep or drop.

  Args:
    session: a session on the graph that has `saver`.
    saver: a `Saver`.
    run_dir: directory of the run.
    step: the one to restore; None is the newest.

  Returns:
    Whether there was one.

  Raises:
    UserError: if there are checkpoints and none can be read, or `step` is not among them.
  """
  found = paths(run_dir)
  if step is not None:
    if step not in found:
      there = ', '.join(map(str, found)) or 'none'
      raise UserError('%s has no checkpoint of step %d; it has: %s' % (run_dir, step, there))
    found = {step: found[step]}
  for candidate in reversed(list(found)):
    try:
      saver.restore(session, found[candidate])
    except _UNREADABLE as e:
      reason = str(getattr(e, 'message', e)).split('\n')[0]
      print('warning: checkpoint %s cannot be read: %s' % (found[candidate], reason), file=sys.stderr)
    else:
      saver.recover_last_checkpoints([path for s, path in found.items() if s <= candidate])
      return True
  if found:
    raise UserError('no checkpoint in %s can be read: put one back, or start another --run_dir' % run_dir)
  return False
