"""Tabulates seconds and memory of a training step as the work grows, and how long a run takes to start.

python -m benchmarks.cost                                 batch, width, image size, threads, start-up
python -m benchmarks.cost --quick                         fewer points, of smaller networks
python -m benchmarks.cost --point='{"preset": "gp-mnist", "variant": "gp"}'   one point, as one line of JSON

Each point is measured in a new process, because memory is counted by process.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np
from absl import flags

from benchmarks import processes, throughput
from wgan_tf1 import config as configs
from wgan_tf1 import console

FLAGS = flags.FLAGS
Point = Dict[str, Any]  # arguments of `measure`


def _memory() -> int:
  """Returns the peak memory of this process in bytes, as Linux counts it: getrusage's count starts at the parent's."""
  with open('/proc/self/status') as f:
    return next(1024 * int(line.split()[1]) for line in f if line.startswith('VmHWM:'))


@contextlib.contextmanager
def _data(form: str) -> Iterator[Dict[str, str]]:
  """Yields settings of data that need no download: the speed is the same. Lines are of random printable ASCII."""
  if form != 'text':
    yield dict(dataset='digits') if form == 'image' else {}
    return
  with tempfile.NamedTemporaryFile(suffix='.txt') as f:
    for line in np.random.RandomState(0).randint(32, 127, [1000, 32], np.uint8):
      f.write(line.tobytes() + b'\n')
    f.flush()
    yield dict(data_path=f.name)


def measure(
  steps: int, preset: str = None, variant: str = None, threads: int = 0, clock: str = 'wall', **overrides: Any
) -> Dict[str, float]:
  """Times a training step.

  Args:
    steps: updates of each network that are timed, after two that are not.
    preset, variant, **overrides: as in `config.make`, but the data are by default some that need no download.
    threads: for each operation; 0 is as in a run.
    clock: 'wall' or 'cpu'. With one thread, other work on the machine does not change 'cpu'.

  Returns:
    dict of `seconds`, a generator step with its critic steps, by the medians `critic_seconds` and `generator_seconds`
    of one update; `best`, by their minima; `flops` of the step; `peak`, operations a second of matrix products in turn
    with the updates, their median, and `best_peak`, their maximum; `bytes`, the memory beyond that of TensorFlow alone.
  """
  with console.quiet_tensorflow():
    from wgan_tf1.kernels import choices, devices
  before = _memory()
  with contextlib.ExitStack() as stack:
    data = stack.enter_context(_data(configs.make(preset, variant).form))
    config = configs.make(preset, variant, **{**data, **overrides})
    trainer = stack.enter_context(throughput.new_trainer(config, threads))
    updates = (trainer.critic_update, trainer.generator_update)
    for update in updates:
      throughput.seconds(update, 2)
    memory = _memory() - before
    at_once = choices.choice(config, bool(devices.gpus())).at_once
    peak = throughput.Peak(threads, clock, max(1, at_once))
    taken: List[List[float]] = [[], []]
    rates = []
    for _ in range(steps):
      for of_update, update in zip(taken, updates):
        of_update += throughput.seconds(update, 1, clock)
      rates.append(peak.rate())
    flops = throughput.step_flops(trainer.config, *throughput.forward_flops(trainer.config))

  def of_step(critic: float, generator: float) -> float:
    return config.critic_steps * critic + generator

  critic, generator = map(statistics.median, taken)
  return dict(
    seconds=of_step(critic, generator),
    best=of_step(*map(min, taken)),
    critic_seconds=critic,
    generator_seconds=generator,
    flops=flops,
    peak=statistics.median(rates),
    best_peak=max(rates),
    bytes=memory,
  )


def _in_own_process(point: Point) -> Dict[str, float]:
  """Returns what `measure` returns, in a new process."""
  command = [sys.executable, '-m', 'benchmarks.cost', '--point=' + json.dumps(point), '--steps=%d' % FLAGS.steps]
  return processes.measured(command)


def series(quick: bool, clock: str = 'wall') -> Dict[str, List[Point]]:
  """Returns {setting: points in which it grows}; `clock` as in `measure`."""
  base: Point = dict(dataset='digits', variant='clip', width=16 if quick else 64)
  one_thread: Point = dict(clock=clock, threads=1) if clock == 'cpu' else {}
  grown: Dict[str, Sequence[int]]
  if quick:
    grown = {'batch_size': (16, 64), 'width': (8, 16), 'image_size': (16, 32)}
  else:
    grown = {'batch_size': (16, 32, 64, 128, 256, 512), 'width': (16, 32, 64, 128), 'image_size': (16, 32, 64)}
  found = {name: [dict(base, **one_thread, **{name: n}) for n in values] for name, values in grown.items()}
  found['threads'] = [dict(base, threads=n) for n in (1, 2)]
  return found


def row(name: str, point: Point, cost: Dict[str, float], first: Dict[str, float]) -> str:
  """Returns one line: the cost for each image, and how the time has grown against the work since the first point."""
  images = configs.make(**{k: v for k, v in point.items() if k not in ('threads', 'clock')}).batch_size
  seconds, flops = cost['seconds'], cost['flops']
  relative = seconds / flops / (first['seconds'] / first['flops'])
  return '%10s %5d %9.2f %9.2f %9.1f %9.2f %9.2f' % (
    name,
    point[name],
    1e3 * seconds / images,
    flops / images / 1e9,
    100 * flops / seconds / cost['peak'],
    relative,
    cost['bytes'] / images / 2**20,
  )


def _start_up() -> None:
  """Prints how long the stages of a start take."""
  script = [sys.executable, 'train.py']
  imports = 'from wgan_tf1 import console\nwith console.quiet_tensorflow(): import tensorflow'
  for what, command in (
    ('train.py --help', script + ['--help']),
    ('a flag error', script + ['--no_such_flag']),
    ('import of TensorFlow', [sys.executable, '-c', imports]),
  ):
    print('%6.2f s  %s' % (seconds_until(command), what), flush=True)
  with tempfile.TemporaryDirectory() as folder:
    command = script + ['--dataset=folder', '--data_path=' + folder]
    print('%6.2f s  a refusal of the data' % seconds_until(command), flush=True)
  for what, written in (
    ('samples of the first generator step', 'samples/1.png'),
    ('a run of one generator step', None),
  ):
    with tempfile.TemporaryDirectory() as folder:
      command = script + ['--dataset=digits', '--generator_steps=1', '--run_dir=' + folder]
      print('%6.2f s  %s' % (seconds_until(command, written and os.path.join(folder, written)), what), flush=True)


def seconds_until(command: List[str], written: Optional[str] = None) -> float:
  """Returns how long a command takes: until it writes a file, if one is given, else to its end, to 5 ms."""
  start = time.perf_counter()
  with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
    while process.poll() is None and not (written and os.path.exists(written)):
      time.sleep(0.005)
    return time.perf_counter() - start


def main() -> None:
  if FLAGS.point:
    print(json.dumps(measure(FLAGS.steps, **json.loads(FLAGS.point))))
    return
  print('%10s %5s %9s %9s %9s %9s %9s' % ('', '', 'ms/image', 'GFLOP/im', '% of peak', 'relative', 'MB/image'))
  for name, points in series(FLAGS.quick, FLAGS.clock).items():
    first = None
    for point in points:
      cost = _in_own_process(point)
      first = first or cost
      print(row(name, point, cost, first), flush=True)
  print("relative: time per operation, as a multiple of the first point's; above 1, time grows faster than the work.")
  _start_up()


if __name__ == '__main__':
  flags.DEFINE_integer('steps', 5, 'updates of each network to time at each point.', lower_bound=1)
  flags.DEFINE_boolean('quick', False, 'fewer points, of smaller networks.')
  flags.DEFINE_enum('clock', 'wall', list(throughput.CLOCKS), 'wall, or cpu: the processor time of one thread.')
  flags.DEFINE_string('point', None, 'settings of one point, as JSON, to measure alone.')
  console.run(main)
