"""Breaks training on purpose, and checks that nothing is lost: `make chaos`, or a part of it:

python -m tests.chaos                      all of it
python -m tests.chaos --kills=50           processes killed at random moments, and nothing else
python -m tests.chaos --faults             the other faults, and nothing else

Every process is train.py's, as people run it, on tiny networks. What is trained through the faults is compared with
the same training left alone: every variable of the last checkpoint, the optimizers' among them, to the bit. A
disk that fills up and one that is read-only need root, for a small file system in memory; without it they are left out.
"""

import argparse
import contextlib
import glob
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TINY = ['--batch_size=4', '--critic_steps=2', '--sample_every_steps=50', '--summary_every_steps=20']
# Between them: both optimizers' slots, the moving averages of batch norm and of the weights, and the clip.
SYSTEMS = {
  'clip': ['--preset=blog-mnist-bn', '--variant=clip', '--dataset=digits', '--width=2', *TINY],
  'gp': ['--preset=toy-8gaussians', '--variant=gp', '--width=4', '--ema_decay=0.9', *TINY],
}
OFTEN = '--save_every_steps=2'
SECONDS = 300  # for a process to come to its end


def start(run_dir, *flags):
  """Starts train.py; returns the process."""
  command = [sys.executable, os.path.join(ROOT, 'train.py'), '--run_dir=' + run_dir, *flags]
  environment = {name: value for name, value in os.environ.items() if name != 'TF_CPP_MIN_LOG_LEVEL'}
  return subprocess.Popen(
    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, cwd=ROOT, env=environment
  )


def finish(process, status=0):
  """Waits for the end, which is to be with a status and without a traceback; returns what was printed."""
  out, err = process.communicate(timeout=SECONDS)
  assert process.returncode == status and 'Traceback' not in out + err, (process.returncode, out, err)
  return out, err


def refused(run_dir, *flags):
  """Runs train.py, which is to exit 2 with one line; returns that line."""
  _, err = finish(start(run_dir, *flags), status=2)
  lines = [line for line in err.splitlines() if 'steps/s' not in line and line.strip()]
  assert len(lines) == 1, err
  return lines[0]


def wait_until_it_trains(process):
  """Reads what a process prints until it trains; returns the generator step that it goes on from."""
  for line in process.stdout:
    found = re.search(r'generator steps (\d+) to', line)
    if found:
      return int(found.group(1))
  raise AssertionError('it never trained: ' + process.communicate()[1])


def wait_for_step(run_dir, step, process):
  """Waits for a checkpoint of a step or of a later one."""
  while newest(run_dir) < step:
    assert process.poll() is None, process.communicate()
    time.sleep(0.01)


def newest(run_dir):
  """Returns the generator step of the newest checkpoint whose index is there; -1 if there is none."""
  names = glob.glob(os.path.join(run_dir, 'model-*.index'))
  return max([int(re.search(r'model-(\d+)\.index', name).group(1)) for name in names] or [-1])


def variables(run_dir, step):
  """Returns {name: bytes} of a checkpoint's variables."""
  import tensorflow.compat.v1 as tf

  reader = tf.train.load_checkpoint(os.path.join(run_dir, 'model-%d' % step))
  return {name: reader.get_tensor(name).tobytes() for name in reader.get_variable_to_shape_map()}


def check_same(run_dir, other, step):
  one, two = variables(run_dir, step), variables(other, step)
  assert set(one) == set(two) and len(one) > 10
  different = [name for name in one if one[name] != two[name]]
  assert not different, different
  return len(one)


def scalars(paths):
  """Returns {step: values of the critic's loss} of some event files."""
  import tensorflow.compat.v1 as tf

  found = {}
  for path in paths:
    with contextlib.suppress(tf.errors.DataLossError):  # the last record of a process that was killed
      for event in tf.train.summary_iterator(path):
        for value in event.summary.value:
          if value.tag == 'critic_loss':
            found.setdefault(event.step, set()).add(value.simple_value)
  return found


def check_events(run_dir, steps):
  """Checks that the scalars of every summary are there, and the same each time that they were written."""
  found = scalars(glob.glob(os.path.join(run_dir, 'events*')))
  assert sorted(found) == list(range(20, steps + 1, 20)), sorted(found)
  assert all(len(values) == 1 for values in found.values())


def wait_for_a_save(run_dir):
  """Waits until a checkpoint is being written, or 2 seconds."""
  begun = time.perf_counter()
  while time.perf_counter() - begun < 2:
    if any('tempstate' in name for name in os.listdir(run_dir)):
      return


def kills(folder, name, count, steps, chance):
  """Kills training `count` times: at a random moment after it began to train, and in turn as soon as it saves."""
  flags = [*SYSTEMS[name], '--generator_steps=%d' % steps]
  whole, run_dir = os.path.join(folder, name + '-whole'), os.path.join(folder, name + '-killed')
  begun = time.perf_counter()
  finish(start(whole, '--save_every_steps=%d' % steps, *flags))
  torn = amid_a_save = trained = 0
  resumed = []
  for i in range(count):
    process = start(run_dir, OFTEN, *flags)
    resumed.append(wait_until_it_trains(process))
    time.sleep(chance.uniform(0, 1))  # any moment will do
    if i % 2:
      wait_for_a_save(run_dir)
    process.kill()
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, 'it ended before it was killed: take more steps'
    torn += 'cannot be read' in err
    saved = max(newest(run_dir), 0)
    trained += saved - resumed[-1]
    unfinished = glob.glob(os.path.join(run_dir, 'model-*.tempstate*'))
    without_index = [path for path in glob.glob(os.path.join(run_dir, 'model-*.data*'))
                     if not os.path.exists(path.split('.data')[0] + '.index')]  # fmt: skip
    amid_a_save += bool(unfinished or without_index)
    resumed.append(saved)
  out, err = finish(start(run_dir, OFTEN, *flags))
  torn += 'cannot be read' in err
  resumed.append(int(re.search(r'generator steps (\d+) to', out).group(1)))
  before, after = resumed[1::2], resumed[2::2]
  # Where the newest is torn, which a warning says, it goes on from the one before.
  late = [(b, a) for b, a in zip(before, after) if a != b]
  assert len(late) <= torn and all(b - a <= 2 for b, a in late), late
  count_of_variables = check_same(run_dir, whole, steps)
  check_events(run_dir, steps)
  assert not glob.glob(os.path.join(run_dir, '*tempstate*'))
  print(
    '%s: %d kills, %d amid a save, %d torn checkpoints; every restart went on from the newest that was whole; all %d '
    'variables after %d steps equal to the bit; %.0f s'
    % (name, count, amid_a_save, torn, count_of_variables, steps, time.perf_counter() - begun), flush=True,
  )  # fmt: skip


@contextlib.contextmanager
def small_disk(kilobytes):
  """A file system of so many kilobytes in memory."""
  folder = tempfile.mkdtemp()
  subprocess.check_call(['mount', '-t', 'tmpfs', '-o', 'size=%dk' % kilobytes, 'none', folder])
  try:
    yield folder
  finally:
    subprocess.check_call(['umount', '-l', folder])
    os.rmdir(folder)


def full_disk(folder, whole, flags):
  with small_disk(8000) as disk:
    run_dir, filler = os.path.join(disk, 'run'), os.path.join(disk, 'filler')
    process = start(run_dir, OFTEN, *flags)
    wait_for_step(run_dir, 10, process)
    with open(filler, 'wb', buffering=0) as f, contextlib.suppress(OSError):
      while True:
        f.write(bytes(1024))
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 2 and 'Traceback' not in err, err
    line = err.strip().splitlines()[-1]
    assert 'No space left on device' in line and 'the same command goes on' in line, line
    saved = newest(run_dir)
    assert 10 <= saved < 100
    assert 'No space left on device' in refused(run_dir, OFTEN, *flags)
    os.remove(filler)
    out, _ = finish(start(run_dir, OFTEN, *flags))
    assert 'generator steps %d to 100' % saved in out, out
    check_same(run_dir, whole, 100)
  return line


def read_only_disk(folder, whole, flags):
  with small_disk(20000) as disk:
    run_dir = os.path.join(disk, 'run')
    finish(start(run_dir, OFTEN, *flags[:-1], '--generator_steps=20'))
    subprocess.check_call(['mount', '-o', 'remount,ro', disk])
    line = refused(run_dir, OFTEN, *flags)
    assert 'Read-only file system' in line
    refused(os.path.join(disk, 'new'), OFTEN, *flags)
    subprocess.check_call(['mount', '-o', 'remount,rw', disk])
    out, _ = finish(start(run_dir, OFTEN, *flags))
    assert 'generator steps 20 to 100' in out
    check_same(run_dir, whole, 100)
  return line


def file_in_the_way(folder, whole, flags):
  run_dir = os.path.join(folder, 'in-the-way')
  with open(run_dir, 'w'):
    pass
  line = refused(run_dir, *flags)
  os.remove(run_dir)
  os.makedirs(run_dir)
  with open(os.path.join(run_dir, 'samples'), 'w'):
    pass
  line = refused(run_dir, *flags)
  os.remove(os.path.join(run_dir, 'samples'))
  finish(start(run_dir, *flags))
  check_same(run_dir, whole, 100)
  return line


def two_processes(folder, whole, flags):
  run_dir = os.path.join(folder, 'two')
  process = start(run_dir, *flags[:-1], '--generator_steps=100000')
  wait_until_it_trains(process)
  line = refused(run_dir, *flags)
  assert 'another process trains in' in line
  process.send_signal(signal.SIGTERM)
  finish(process, status=128 + signal.SIGTERM)
  return line


def signals(folder, whole, flags):
  """SIGTERM at random moments, with a save at every second step."""
  run_dir = os.path.join(folder, 'signals')
  chance = random.Random(0)
  flags = [OFTEN, *flags]
  count = 0
  for _ in range(6):
    process = start(run_dir, *flags)
    wait_until_it_trains(process)
    time.sleep(chance.uniform(0, 0.3))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode in (143, 0) and 'Traceback' not in err, (process.returncode, err)
    if process.returncode == 0:
      break
    count += 1
    assert 'saved. The same command goes on.' in out
  finish(start(run_dir, *flags))
  check_same(run_dir, whole, 100)
  return '%d times saved, and gone on' % count


def removed_events(folder, whole, flags):
  run_dir = os.path.join(folder, 'events')
  process = start(run_dir, OFTEN, *flags)
  wait_for_step(run_dir, 10, process)
  for path in glob.glob(os.path.join(run_dir, 'events*')):
    os.remove(path)
  finish(process)
  check_same(run_dir, whole, 100)
  paths = glob.glob(os.path.join(run_dir, 'events*'))
  assert 100 in scalars(paths)
  return 'it goes on, with a new file'


def removed_data(folder, whole, flags):
  pictures, away = os.path.join(folder, 'pictures'), os.path.join(folder, 'away')
  os.makedirs(pictures)
  for i in range(40):
    pixels = np.random.RandomState(i).randint(0, 256, [64, 64, 3]).astype(np.uint8)
    Image.fromarray(pixels).save(os.path.join(pictures, '%02d.png' % i))
  run_dir = os.path.join(folder, 'data')
  flags = ['--preset=lsun64-dcgan', '--dataset=folder', '--data_path=' + pictures, '--width=2', '--batch_size=4',
           '--critic_steps=2', '--extra_critic_steps=false', '--generator_steps=60', OFTEN]  # fmt: skip
  process = start(run_dir, *flags)
  wait_for_step(run_dir, 4, process)
  os.rename(pictures, away)
  out, err = process.communicate(timeout=SECONDS)
  assert process.returncode == 2 and 'Traceback' not in err, err
  line = err.strip().splitlines()[-1]
  assert 'none of 38 images can be decoded' in line, line
  saved = newest(run_dir)
  assert 'is not there' in refused(run_dir, *flags)
  os.rename(away, pictures)
  out, _ = finish(start(run_dir, *flags))
  assert 'generator steps %d to 60' % saved in out and saved >= 4
  unharmed = os.path.join(folder, 'data-unharmed')
  finish(start(unharmed, *flags))
  check_same(run_dir, unharmed, 60)
  return line


def truncations(folder, whole, flags):
  """Both files of the newest checkpoint, cut at every tenth of their length."""
  import tensorflow.compat.v1 as tf

  from wgan_tf1 import checkpoints
  from wgan_tf1 import config
  from wgan_tf1 import graph as graphs

  done = 0
  with tf.Graph().as_default(), tf.Session() as session:
    graph = graphs.build_graph(config.load(whole))
    for suffix in ('.index', '.data-00000-of-00001'):
      for tenth in range(10):
        run_dir = os.path.join(folder, 'cut')
        shutil.copytree(whole, run_dir)
        path = os.path.join(run_dir, 'model-100' + suffix)
        os.truncate(path, os.path.getsize(path) * tenth // 10)
        with open(os.devnull, 'w') as nowhere, contextlib.redirect_stderr(nowhere):
          assert checkpoints.restore(session, tf.train.Saver(), run_dir)
        assert session.run(graph.global_step) == 90
        shutil.rmtree(run_dir)
        done += 1
  return '%d times the checkpoint before it is taken, with a warning' % done


FAULTS = [full_disk, read_only_disk, file_in_the_way, two_processes, signals, removed_events, removed_data, truncations]


def faults(folder):
  whole = os.path.join(folder, 'whole')
  flags = [*SYSTEMS['gp'], '--generator_steps=100']
  finish(start(whole, '--save_every_steps=10', *flags))
  for fault in FAULTS:
    if fault in (full_disk, read_only_disk) and os.geteuid():
      print('%s: left out, it needs root' % fault.__name__.replace('_', ' '))
      continue
    begun = time.perf_counter()
    line = fault(folder, whole, flags).replace(folder, '')
    print('%s: %s (%.0f s)' % (fault.__name__.replace('_', ' '), line, time.perf_counter() - begun), flush=True)


def main():
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
    sys.exit(subprocess.call([sys.executable, '-m', 'tests.fuzz'], cwd=ROOT))


if __name__ == '__main__':
  main()
