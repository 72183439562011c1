"""Breaks training on purpose, and checks that nothing is lost. `make chaos` runs all of it:

python -m tools.chaos                      everything, and tools.fuzz
python -m tools.chaos --kills=50           only processes that are killed at random moments
python -m tools.chaos --faults             only the other faults

Every process runs train.py, as people do, with tiny networks. Every variable of the last checkpoint, optimizer slots
included, must equal that of an undisturbed run to the bit. The full disk and the read-only disk are small file systems
in memory, which need root; without root they are skipped.
"""

import argparse
import glob
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from tools.faults import faults
from tools.runs import OFTEN, ROOT, SYSTEMS, check_events, check_same, finish, newest, start, wait_until_it_trains


def wait_for_a_save(run_dir: str) -> None:
  """Waits until a checkpoint is being written, at most 2 seconds."""
  begun = time.perf_counter()
  while time.perf_counter() - begun < 2:
    if any('tempstate' in name for name in os.listdir(run_dir)):
      return


def kills(folder: str, name: str, count: int, steps: int, chance: random.Random) -> None:
  """Kills training `count` times at a random moment after it began to train, and every other time during a save."""
  flags = [*SYSTEMS[name], '--generator_steps=%d' % steps]
  whole, run_dir = os.path.join(folder, name + '-whole'), os.path.join(folder, name + '-killed')
  begun = time.perf_counter()
  finish(start(whole, '--save_every_steps=%d' % steps, *flags))
  damaged = during_a_save = 0
  resumed = []
  for i in range(count):
    process = start(run_dir, OFTEN, *flags)
    resumed.append(wait_until_it_trains(process))
    time.sleep(chance.uniform(0, 1))
    if i % 2:
      wait_for_a_save(run_dir)
    process.kill()
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, 'the run ended before it was killed: use a larger --steps'
    damaged += 'cannot be read' in err
    saved = max(newest(run_dir), 0)
    unfinished = glob.glob(os.path.join(run_dir, 'model-*.tempstate*'))
    data_files = glob.glob(os.path.join(run_dir, 'model-*.data*'))
    without_index = [path for path in data_files if not os.path.exists(path.split('.data')[0] + '.index')]
    during_a_save += bool(unfinished or without_index)
    resumed.append(saved)
  out, err = finish(start(run_dir, OFTEN, *flags))
  damaged += 'cannot be read' in err
  resumed.append(int(re.search(r'generator steps (\d+) to', out).group(1)))
  before, after = resumed[1::2], resumed[2::2]
  # If the newest checkpoint is damaged, a warning says so and the run resumes from the one before.
  late = [(b, a) for b, a in zip(before, after) if a != b]
  assert len(late) <= damaged and all(b - a <= 2 for b, a in late), late
  count_of_variables = check_same(run_dir, whole, steps)
  check_events(run_dir, steps)
  assert not glob.glob(os.path.join(run_dir, '*tempstate*'))
  print(
    '%s: %d kills, %d during a save, %d damaged checkpoints. Every restart resumed from the newest intact checkpoint. '
    'All %d variables are equal to the bit after %d steps. %.0f s'
    % (name, count, during_a_save, damaged, count_of_variables, steps, time.perf_counter() - begun),
    flush=True,
  )


def main() -> None:
  parser = argparse.ArgumentParser()
  parser.add_argument('--kills', type=int)
  parser.add_argument('--faults', action='store_true')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--steps', type=int, default=2000)
  flags = parser.parse_args()
  everything = flags.kills is None and not flags.faults
  count = 50 if everything else flags.kills or 0
  with tempfile.TemporaryDirectory() as folder:
    if everything or flags.faults:
      faults(folder)
    chance = random.Random(flags.seed)
    for i, name in enumerate(SYSTEMS):
      if count:
        kills(folder, name, count // 2 + (i < count % 2), flags.steps, chance)
  if everything:
    sys.exit(subprocess.call([sys.executable, '-m', 'tools.fuzz'], cwd=ROOT))


if __name__ == '__main__':
  main()
