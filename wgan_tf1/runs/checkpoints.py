"""The checkpoints of a run directory, and the newest of them that can be read."""

import contextlib
import glob
import os
import re
from typing import Any, Dict, Optional

import tensorflow.compat.v1 as tf

from wgan_tf1.errors import UserError, warn

_NAME = re.compile(r'model-(\d+)(\.index)?$')

# What reading a damaged or incomplete checkpoint raises.
_UNREADABLE = (tf.errors.DataLossError, tf.errors.OutOfRangeError, tf.errors.NotFoundError, ValueError)

# What TensorFlow may write before the reason of an error: advice, and where in the program it happened.
_PREFACE = re.compile(
  r'(?s)\A(Restoring from checkpoint failed\..*?Original error:\s*)?(Graph execution error:.*?\nNode: [^\n]*\n)?'
)


def paths(run_dir: str) -> Dict[int, str]:
  """Returns {step: path prefix} of the checkpoints in `run_dir`, oldest first.

  It lists those that TensorFlow's state file names, even if their files are missing, and those whose index file exists.
  """
  try:
    state = tf.train.get_checkpoint_state(run_dir)
  except ValueError:  # the state file is damaged: the index files are enough
    state = None
  names = [os.path.basename(path) for path in state.all_model_checkpoint_paths] if state else []
  names += [name for name in os.listdir(run_dir) if name.endswith('.index')]
  steps = sorted({int(match.group(1)) for match in map(_NAME.match, names) if match})
  return {step: os.path.join(run_dir, 'model-%d' % step) for step in steps}


def _reason(error: Exception) -> str:
  """Returns the line of an error that says what happened."""
  return _PREFACE.sub('', getattr(error, 'message', None) or str(error)).split('\n')[0]


def save(session: Any, saver: Any, run_dir: str, step: int) -> None:
  """Writes the checkpoint of `step`, and deletes the oldest ones beyond the saver's number.

  An intact checkpoint is never overwritten: it is two files, and a process killed between writing the first and the
  second would destroy it. So a run that is stopped during the critic updates after a checkpoint repeats them.

  Raises:
    UserError: if it cannot be written; the earlier checkpoints are unharmed.
  """
  path = os.path.join(run_dir, 'model')
  if '%s-%d' % (path, step) in saver.last_checkpoints:
    return
  try:
    saver.save(session, path, global_step=step, write_meta_graph=False)
  except (tf.errors.OpError, OSError, ValueError) as e:  # ValueError if the folder is gone
    remove_unfinished(run_dir)
    raise UserError(
      'the checkpoint of step %d cannot be written to run_dir=%s (%s). Fix this, then run the same command to resume '
      'from the previous checkpoint' % (step, run_dir, _reason(e))
    ) from e


def remove_unfinished(run_dir: str) -> None:
  """Removes the files of checkpoints that a process did not finish, because it was killed or the disk was full."""
  for path in glob.glob(os.path.join(glob.escape(run_dir), 'model-*.tempstate*')):
    with contextlib.suppress(OSError):
      os.remove(path)


def _check_shapes(graph: Any, path: str) -> None:
  """Refuses the checkpoint of other networks: TensorFlow restores any shape into a resource variable."""
  found = tf.train.load_checkpoint(path).get_variable_to_shape_map()
  with graph.as_default():
    for v in tf.global_variables():
      name, shape = v.op.name, v.shape.as_list()
      if found.get(name, shape) != shape:
        raise UserError(
          '%s does not match its config.json: %s has shape %s, expected %s. Restore the right checkpoint, or start '
          'another --run_dir' % (path, name, found[name], shape)
        )


def restore(session: Any, saver: Any, run_dir: str, step: Optional[int] = None) -> bool:
  """Restores the newest checkpoint that can be read, with a warning for each newer one that cannot.

  The saver then counts it and the older ones among the checkpoints that it keeps or deletes.

  Args:
    session: a session on the graph that has `saver`.
    saver: a `tf.train.Saver`.
    run_dir: directory of the run.
    step: the step whose checkpoint to restore; None is the newest.

  Returns:
    Whether there was a checkpoint.

  Raises:
    UserError: if there are checkpoints and none can be read, there is none of `step`, or the newest readable one is of
      other networks.
  """
  found = paths(run_dir)
  if step is not None:
    if step not in found:
      steps = ', '.join(map(str, found)) or 'none'
      raise UserError('%s has no checkpoint of step %d; it has: %s' % (run_dir, step, steps))
    found = {step: found[step]}
  for candidate in reversed(list(found)):
    try:
      saver.restore(session, found[candidate])
    except _UNREADABLE as e:
      warn('checkpoint %s cannot be read: %s' % (found[candidate], _reason(e)))
    else:
      _check_shapes(session.graph, found[candidate])
      saver.recover_last_checkpoints([path for s, path in found.items() if s <= candidate])
      return True
  if found:
    raise UserError('no checkpoint in %s can be read. Restore one, or start another --run_dir' % run_dir)
  return False
