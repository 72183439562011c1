"""Faults other than kills, for tools.chaos: full disks, lost files, signals, damaged checkpoints."""

import contextlib
import glob
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from typing import Iterator, List

import numpy as np
from PIL import Image

from tools.runs import (
  OFTEN,
  SECONDS,
  SYSTEMS,
  check_same,
  finish,
  newest,
  refused,
  scalars,
  start,
  wait_for_step,
  wait_until_it_trains,
)


@contextlib.contextmanager
def small_disk(kilobytes: int) -> Iterator[str]:
  """Yields the folder of a file system of this size in memory."""
  folder = tempfile.mkdtemp()
  subprocess.check_call(['mount', '-t', 'tmpfs', '-o', 'size=%dk' % kilobytes, 'none', folder])
  try:
    yield folder
  finally:
    subprocess.check_call(['umount', '-l', folder])
    os.rmdir(folder)


def full_disk(folder: str, whole: str, flags: List[str]) -> str:
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
    assert 'No space left on device' in line and 'run the same command to resume' in line, line
    saved = newest(run_dir)
    assert 10 <= saved < 100
    assert 'No space left on device' in refused(run_dir, OFTEN, *flags)
    os.remove(filler)
    out, _ = finish(start(run_dir, OFTEN, *flags))
    assert 'generator steps %d to 100' % saved in out, out
    check_same(run_dir, whole, 100)
  return line


def read_only_disk(folder: str, whole: str, flags: List[str]) -> str:
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


def file_in_the_way(folder: str, whole: str, flags: List[str]) -> str:
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


def two_processes(folder: str, whole: str, flags: List[str]) -> str:
  run_dir = os.path.join(folder, 'two')
  process = start(run_dir, *flags[:-1], '--generator_steps=100000')
  wait_until_it_trains(process)
  line = refused(run_dir, *flags)
  assert 'another process is training in' in line
  process.send_signal(signal.SIGTERM)
  finish(process, status=128 + signal.SIGTERM)
  return line


def signals(folder: str, whole: str, flags: List[str]) -> str:
  """Sends SIGTERM at random moments, with a save at every second step."""
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
    assert 'saved. Run the same command to resume.' in out
  finish(start(run_dir, *flags))
  check_same(run_dir, whole, 100)
  return 'saved and resumed %d times' % count


def removed_events(folder: str, whole: str, flags: List[str]) -> str:
  run_dir = os.path.join(folder, 'events')
  process = start(run_dir, OFTEN, *flags)
  wait_for_step(run_dir, 10, process)
  for path in glob.glob(os.path.join(run_dir, 'events*')):
    os.remove(path)
  finish(process)
  check_same(run_dir, whole, 100)
  paths = glob.glob(os.path.join(run_dir, 'events*'))
  assert 100 in scalars(paths)
  return 'training continues, with a new file'


def removed_data(folder: str, whole: str, flags: List[str]) -> str:
  pictures, away = os.path.join(folder, 'pictures'), os.path.join(folder, 'away')
  os.makedirs(pictures)
  for i in range(40):
    pixels = np.random.RandomState(i).randint(0, 256, [64, 64, 3]).astype(np.uint8)
    Image.fromarray(pixels).save(os.path.join(pictures, '%02d.png' % i))
  run_dir = os.path.join(folder, 'data')
  flags = ['--preset=lsun64-dcgan', '--dataset=folder', '--data_path=' + pictures, '--width=2', '--batch_size=4']
  flags += ['--critic_steps=2', '--extra_critic_steps=false', '--generator_steps=60', OFTEN]
  flags.append('--image_memory_mb=0')  # or all images are in memory by then
  process = start(run_dir, *flags)
  wait_for_step(run_dir, 4, process)
  os.rename(pictures, away)
  out, err = process.communicate(timeout=SECONDS)
  assert process.returncode == 2 and 'Traceback' not in err, err
  line = err.strip().splitlines()[-1]
  assert 'none of 38 images can be decoded' in line, line
  saved = newest(run_dir)
  assert 'file not found' in refused(run_dir, *flags)
  os.rename(away, pictures)
  out, _ = finish(start(run_dir, *flags))
  assert 'generator steps %d to 60' % saved in out and saved >= 4
  unharmed = os.path.join(folder, 'data-unharmed')
  finish(start(unharmed, *flags))
  check_same(run_dir, unharmed, 60)
  return line


def truncations(folder: str, whole: str, flags: List[str]) -> str:
  """Cuts both files of the newest checkpoint at every tenth of their length."""
  import tensorflow.compat.v1 as tf

  from wgan_tf1 import config
  from wgan_tf1 import graph as graphs
  from wgan_tf1.runs import checkpoints

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
  return 'the checkpoint before it was restored %d times, with a warning' % done


# Functions of (a folder, an undisturbed run of 100 steps, its flags) that return what to print.
FAULTS = [full_disk, read_only_disk, file_in_the_way, two_processes, signals, removed_events, removed_data, truncations]


def faults(folder: str) -> None:
  whole = os.path.join(folder, 'whole')
  flags = [*SYSTEMS['gp'], '--generator_steps=100']
  finish(start(whole, '--save_every_steps=10', *flags))
  for fault in FAULTS:
    if fault in (full_disk, read_only_disk) and os.geteuid():
      print('%s: skipped, it needs root' % fault.__name__.replace('_', ' '))
      continue
    begun = time.perf_counter()
    line = fault(folder, whole, flags).replace(folder, '')
    print('%s: %s (%.0f s)' % (fault.__name__.replace('_', ' '), line, time.perf_counter() - begun), flush=True)
