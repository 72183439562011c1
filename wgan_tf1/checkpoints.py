"""Which checkpoints a run directory has, and the newest of them that can be read."""

import contextlib
import glob
import os
import re

import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1.messages import warn

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


def _reason(error):
  """Returns the line that says what happened: TensorFlow may begin with advice, and with where in the program."""
  text = getattr(error, 'message', None) or str(error)
  for before in (
    r'Restoring from checkpoint failed\..*?Original error:\s*',
    r'Graph execution error:.*?\nNode: [^\n]*\n',
  ):
    text = re.sub(r'(?s)\A' + before, '', text)
  return text.split('\n')[0]


def save(session, saver, run_dir, step):
  """Writes the checkpoint of `step`, and drops the oldest beyond the saver's number.

  One that is there, whole, is left as it is: it is two files, and to be killed between writing the one and the other
  would cost what was safe. So a run that is stopped amid the critic updates after it repeats those.

  Raises:
    UserError: if it cannot be written; those before it are as they were.
  """
  path = os.path.join(run_dir, 'model')
  if '%s-%d' % (path, step) in saver.last_checkpoints:
    return
  try:
    saver.save(session, path, global_step=step, write_meta_graph=False)
  except (tf.errors.OpError, OSError, ValueError) as e:  # the last if the folder is gone
    remove_unfinished(run_dir)
    raise UserError(
      'the checkpoint of step %d cannot be written to run_dir=%s (%s): see to that, and the same command goes on from '
      'the one before' % (step, run_dir, _reason(e))
    )


def remove_unfinished(run_dir):
  """Removes the files of checkpoints that were being written by a process when it died, or found no room."""
  for path in glob.glob(os.path.join(glob.escape(run_dir), 'model-*.tempstate*')):
    with contextlib.suppress(OSError):
      os.remove(path)


def _check_shapes(graph, path):
  """Refuses a checkpoint of other networks: a resource variable takes a value of any shape."""
  there = tf.train.load_checkpoint(path).get_variable_to_shape_map()
  with graph.as_default():
    for v in tf.global_variables():
      if v.shape.as_list() != there.get(v.op.name, v.shape.as_list()):
        raise UserError(
          '%s is of other networks than its config.json says: %s is of shape %s, not %s; put the right one back, or '
          'start another run_dir' % (path, v.op.name, there[v.op.name], v.shape.as_list())
        )


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
    UserError: if there are checkpoints and none can be read, `step` is not among them, or the newest that can be read
      is of other networks.
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
      warn('checkpoint %s cannot be read: %s' % (found[candidate], _reason(e)))
    else:
      _check_shapes(session.graph, found[candidate])
      saver.recover_last_checkpoints([path for s, path in found.items() if s <= candidate])
      return True
  if found:
    raise UserError('no checkpoint in %s can be read: put one back, or start another --run_dir' % run_dir)
  return False
