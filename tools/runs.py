"""Runs of train.py in processes, on tiny networks, and what their run directories hold."""

import contextlib
import glob
import os
import re
import subprocess
import sys
import time
from typing import Any, Dict, Iterable, Set, Tuple

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TINY = ['--batch_size=4', '--critic_steps=2', '--sample_every_steps=50', '--summary_every_steps=20']
# Together they have both optimizers' slots, the moving averages of batch norm and of the weights, and the clip.
SYSTEMS = {
  'clip': ['--preset=blog-mnist-bn', '--variant=clip', '--dataset=digits', '--width=2', *TINY],
  'gp': ['--preset=toy-8gaussians', '--variant=gp', '--width=4', '--ema_decay=0.9', *TINY],
}
OFTEN = '--save_every_steps=2'
SECONDS = 300  # for a process to end


def start(run_dir: str, *flags: str) -> Any:
  """Starts train.py; returns the process."""
  command = [sys.executable, os.path.join(ROOT, 'train.py'), '--run_dir=' + run_dir, *flags]
  environment = {name: value for name, value in os.environ.items() if name != 'TF_CPP_MIN_LOG_LEVEL'}
  return subprocess.Popen(
    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, cwd=ROOT, env=environment
  )


def finish(process: Any, status: int = 0) -> Tuple[str, str]:
  """Waits for the end, which must be with this status and without a traceback; returns (stdout, stderr)."""
  out, err = process.communicate(timeout=SECONDS)
  assert process.returncode == status and 'Traceback' not in out + err, (process.returncode, out, err)
  return out, err


def refused(run_dir: str, *flags: str) -> str:
  """Runs train.py, which must exit with status 2 and one line; returns that line."""
  _, err = finish(start(run_dir, *flags), status=2)
  lines = [line for line in err.splitlines() if 'steps/s' not in line and line.strip()]
  assert len(lines) == 1, err
  return lines[0]


def wait_until_it_trains(process: Any) -> int:
  """Reads what a process prints until it trains; returns the generator step that it starts from."""
  for line in process.stdout:
    found = re.search(r'generator steps (\d+) to', line)
    if found:
      return int(found.group(1))
  raise AssertionError('the process never trained: ' + process.communicate()[1])


def wait_for_step(run_dir: str, step: int, process: Any) -> None:
  """Waits for the checkpoint of `step` or of a later one."""
  while newest(run_dir) < step:
    assert process.poll() is None, process.communicate()
    time.sleep(0.01)


def newest(run_dir: str) -> int:
  """Returns the generator step of the newest checkpoint that has an index file; -1 if there is none."""
  names = os.listdir(run_dir) if os.path.isdir(run_dir) else []
  matches = [re.match(r'model-(\d+)\.index$', name) for name in names]
  return max([int(match.group(1)) for match in matches if match], default=-1)


def variables(run_dir: str, step: int) -> Dict[str, Any]:
  """Returns {name: array} of a checkpoint."""
  import tensorflow.compat.v1 as tf

  reader = tf.train.load_checkpoint(os.path.join(run_dir, 'model-%d' % step))
  return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def check_same(run_dir: str, other: str, step: int) -> int:
  """Checks that all variables of two runs are equal to the bit; returns how many there are."""
  one, two = [{name: value.tobytes() for name, value in variables(path, step).items()} for path in (run_dir, other)]
  assert set(one) == set(two) and len(one) > 10
  different = [name for name in one if one[name] != two[name]]
  assert not different, different
  return len(one)


def scalars(paths: Iterable[str]) -> Dict[int, Set[float]]:
  """Returns {step: values of the critic's loss} of some event files."""
  import tensorflow.compat.v1 as tf

  found: Dict[int, Set[float]] = {}
  for path in paths:
    with contextlib.suppress(tf.errors.DataLossError):  # a killed process may leave half a record
      for event in tf.train.summary_iterator(path):
        for value in event.summary.value:
          if value.tag == 'loss/critic':
            found.setdefault(event.step, set()).add(value.simple_value)
  return found


def check_events(run_dir: str, steps: int) -> None:
  """Checks that no summary is missing, and that a summary that was written twice is the same both times."""
  found = scalars(glob.glob(os.path.join(run_dir, 'events*')))
  assert sorted(found) == list(range(20, steps + 1, 20)), sorted(found)
  assert all(len(values) == 1 for values in found.values())
