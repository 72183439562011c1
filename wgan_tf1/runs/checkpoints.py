"""The checkpoints of a run directory, and the newest of them that can be read."""

import contextlib
import glob
import os
import re
from typing import Any, Dict, List, Optional

import tensorflow.compat.v1 as tf

from wgan_tf1 import files
from wgan_tf1.errors import UserError, warn
from wgan_tf1.runs import directory

_OPTIMIZER = re.compile(r'.*/(RMSProp(_1)?|TorchRMSProp|Adam(_1)?|beta[12]_power)\Z')
_AVERAGE = '/ExponentialMovingAverage'
_COUNTERS = ('global_step', 'critic_step')

# What reading a damaged or incomplete checkpoint raises.
_UNREADABLE = (tf.errors.DataLossError, tf.errors.OutOfRangeError, tf.errors.NotFoundError, ValueError)

# What TensorFlow may write before the reason of an error: advice, and where in the program it happened.
_PREFACE = re.compile(
  r'(?s)\A(Restoring from checkpoint failed\..*?Original error:\s*)?(Graph execution error:.*?\nNode: [^\n]*\n)?'
)


def step_of(path: str) -> int:
  """Returns the generator step of a checkpoint's path."""
  return int(path.rsplit('-', 1)[1])


def remember(saver: Any, found: List[str]) -> None:
  """Makes the saver count those of the checkpoints that exist, oldest first, among those that it keeps or deletes.

  The saver's own `recover_last_checkpoints` takes a path for a pattern.
  """
  # TensorFlow keeps for ever what is newer than a time that it chose; 0 is older.
  saver.set_last_checkpoints_with_time([(path, 0.0) for path in found if os.path.exists(path + '.index')])


def _reason(error: Exception, folder: str, run_dir: str) -> str:
  """Returns the line of an error that says what happened; `folder` is how TensorFlow knew the run directory."""
  text = _PREFACE.sub('', getattr(error, 'message', None) or str(error))
  return text.split('\n')[0].replace(folder, run_dir)


def save(session: Any, saver: Any, run_dir: str, step: int) -> None:
  """Writes the checkpoint of `step`, and deletes the oldest ones beyond the saver's number.

  An intact checkpoint is never overwritten: it is two files, and a process killed between writing the first and the
  second would destroy it. So a run that is stopped during the critic updates after a checkpoint repeats them.

  Raises:
    UserError: if it cannot be written; the earlier checkpoints are unharmed.
  """
  if os.path.join(run_dir, 'model-%d' % step) in saver.last_checkpoints:
    return
  folder = run_dir
  try:
    with files.plain_folder(run_dir) as folder:
      _rename(saver, folder)
      saver.save(session, os.path.join(folder, 'model'), global_step=step, write_meta_graph=False)
  except (tf.errors.OpError, OSError, ValueError) as e:  # ValueError if the folder is gone
    remove_unfinished(run_dir)
    raise UserError(
      'the checkpoint of step %d cannot be written to run_dir=%s (%s). Fix this, then run the same command to resume '
      'from the previous checkpoint' % (step, run_dir, _reason(e, folder, run_dir))
    ) from e
  finally:
    _rename(saver, run_dir)


def _rename(saver: Any, folder: str) -> None:
  """Tells the saver another name of the folder that has its checkpoints."""
  names = [os.path.basename(path) for path in saver.last_checkpoints]
  saver.set_last_checkpoints_with_time([(os.path.join(folder, name), 0.0) for name in names])


def remove_unfinished(run_dir: str) -> None:
  """Removes the files of checkpoints that a process did not finish, because it was killed or the disk was full."""
  for path in glob.glob(os.path.join(glob.escape(run_dir), 'model-*.tempstate*')):
    with contextlib.suppress(OSError):
      os.remove(path)


def _check_shapes(graph: Any, path: str, found: Dict[str, List[int]]) -> None:
  """Refuses the checkpoint of other networks: TensorFlow restores any shape into a resource variable."""
  with graph.as_default():
    for v in tf.global_variables():
      name, shape = v.op.name, v.shape.as_list()
      if found.get(name, shape) != shape:
        raise UserError(
          '%s does not match its config.json: %s has shape %s, expected %s. Restore the right checkpoint, or use '
          'another run' % (path, name, found[name], shape)
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
  found = directory.checkpoint_paths(run_dir)
  if step is not None:
    found = {step: directory.checkpoint_path(run_dir, step)}
  for candidate in reversed(list(found)):
    folder = run_dir
    try:
      with files.plain_folder(run_dir) as folder:
        path = os.path.join(folder, 'model-%d' % candidate)
        saver.restore(session, path)
        shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    except OSError as e:
      raise UserError('%s cannot be read: %s' % (run_dir, e)) from e
    except _UNREADABLE as e:
      warn('checkpoint %s cannot be read: %s' % (found[candidate], _reason(e, folder, run_dir)))
    else:
      _check_shapes(session.graph, found[candidate], shapes)
      remember(saver, [path for s, path in found.items() if s <= candidate])
      return True
  if found:
    if step is not None:
      raise UserError('checkpoint %s cannot be read. Use another step' % found[step])
    raise UserError('no checkpoint in %s can be read. Restore one, or use another run' % run_dir)
  return False


def start_from(session: Any, run_dir: str, step: int, optimizers: bool) -> None:
  """Gives the networks the weights of another run's checkpoint. The counters of steps stay as they are.

  A moving average of the weights starts from the weights.

  Args:
    session: a session on the graph of the new run, initialised.
    run_dir: directory of the other run.
    step: generator step of its checkpoint.
    optimizers: whether the optimizers get the state of its optimizers, too.

  Raises:
    UserError: if there is no such checkpoint, it cannot be read, or it is of other networks; then the first variable
      that differs is named.
  """
  found = directory.checkpoint_path(run_dir, step)
  folder = run_dir
  try:
    with files.plain_folder(run_dir) as folder:
      reader = tf.train.load_checkpoint(os.path.join(folder, 'model-%d' % step))
      theirs = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
  except (OSError, tf.errors.OpError, ValueError) as e:
    reason = _reason(e, folder, run_dir)
    raise UserError('checkpoint %s cannot be read: %s. Use another --init_step' % (found, reason)) from e
  with session.graph.as_default():
    variables = {v.op.name: v for v in tf.global_variables() if v.op.name not in _COUNTERS}
  sources = {}
  for name in variables:
    if optimizers or not _OPTIMIZER.match(name):
      sources[name] = name[: -len(_AVERAGE)] if name.endswith(_AVERAGE) else name
  known = [n for n in sorted(theirs) if not (n in _COUNTERS or n.endswith(_AVERAGE) or _OPTIMIZER.match(n))]
  for name in [*sources.values(), *known]:
    shape = theirs[name].shape if name in theirs else None
    wanted = tuple(variables[name].shape.as_list()) if name in variables else None
    if shape != wanted:
      words = ['none' if s is None else 'shape [%s]' % ', '.join(map(str, s)) for s in (shape, wanted)]
      advice = 'Leave --init_optimizers out' if _OPTIMIZER.match(name) else 'Use a run with the same networks'
      raise UserError('init_from=%s: %s: %s there, %s here. %s' % (run_dir, name, *words, advice))
  for name, source in sources.items():
    variables[name].load(theirs[source], session)
