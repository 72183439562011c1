"""Tabulates seconds and memory of a training step as the work grows, and how long a run takes to start.

python -m benchmarks.cost                                 batch, width, image size, threads, start-up
python -m benchmarks.cost --quick                         fewer points, of smaller networks
python -m benchmarks.cost --point='{"preset": "gp-mnist", "variant": "gp"}'   one point, as one line of JSON

Each point is a process of its own, so that its memory is its own.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags

from benchmarks import throughput
from wgan_tf1 import config
from wgan_tf1 import console

FLAGS = flags.FLAGS


def _memory():
  """The most memory that this process has had, in bytes: Linux's count, for getrusage's begins with the parent's."""
  with open('/proc/self/status') as f:
    return next(1024 * int(line.split()[1]) for line in f if line.startswith('VmHWM:'))


def measure(steps, preset=None, variant=None, threads=0, clock='wall', **overrides):
  """Times a training step.

  Args:
    steps: updates of each network that are timed, after two that are not.
    preset, variant, **overrides: as `config.make` takes them.
    threads: for an operation; 0 is one for each core.
    clock: 'wall', or 'cpu', which with one thread a busy machine does not change.

  Returns:
    dict of `seconds`, a generator step with its critic steps, by the medians `critic_seconds` and `generator_seconds`
    of one update; `best`, by their minima; `flops` of the step; `peak`, operations a second of matrix products in turn
    with the updates; `bytes`, the memory beyond that of TensorFlow alone.
  """
  with console.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import training
  run_config = config.make(preset, variant, **overrides)
  before = _memory()
  with throughput.Run(tf, run_config, training, threads) as run:
    seconds = [throughput.seconds(f, 2, clock)[:0] for f in (run.critic_update, run.generator_update)]
    memory = _memory() - before
    peak = throughput.Peak(tf, threads, clock)
    rates = []
    for _ in range(steps):
      for taken, update in zip(seconds, (run.critic_update, run.generator_update)):
        taken += throughput.seconds(update, 1, clock)
      rates.append(peak.rate())
    flops = run.flops()
  of_step = lambda critic, generator: run_config.critic_steps * critic + generator
  critic, generator = map(statistics.median, seconds)
  return dict(
    seconds=of_step(critic, generator), best=of_step(*map(min, seconds)), critic_seconds=critic,
    generator_seconds=generator, flops=flops, peak=statistics.median(rates), bytes=memory,
  )  # fmt: skip


def _in_own_process(**point):
  """`measure` in a process of its own."""
  command = [sys.executable, '-m', 'benchmarks.cost', '--point=' + json.dumps(point), '--steps=%d' % FLAGS.steps]
  done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
  return json.loads(done.stdout)


def series(quick, clock='wall'):
  """Returns {title: points}, each a list of settings of which one grows; `clock` as in `measure`."""
  base = dict(dataset='digits', variant='clip', width=16 if quick else 64)
  one_thread = dict(clock=clock, threads=1) if clock == 'cpu' else {}
  if quick:
    batches, widths, sizes, threads = (16, 64), (8, 16), (16, 32), (1, 2)
  else:
    batches, widths, sizes, threads = (16, 32, 64, 128, 256, 512), (16, 32, 64, 128), (16, 32, 64), (1, 2)
  return {
    'batch_size': [dict(base, **one_thread, batch_size=n) for n in batches],
    'width': [dict(base, **one_thread, width=n) for n in widths],
    'image_size': [dict(base, **one_thread, image_size=n) for n in sizes],
    'threads': [dict(base, threads=n) for n in threads],
  }


def row(name, point, cost, first):
  """One line: the step's cost an image, and how both have grown against the arithmetic since the first point."""
  images = config.make(**{k: v for k, v in point.items() if k not in ('threads', 'clock')}).batch_size
  seconds, flops = cost['seconds'], cost['flops']
  relative = seconds / flops / (first['seconds'] / first['flops'])
  return '%10s %5d %9.2f %9.2f %9.1f %9.2f %9.2f' % (
    name, point[name], 1e3 * seconds / images, flops / images / 1e9, 100 * flops / seconds / cost['peak'], relative,
    cost['bytes'] / images / 2**20,
  )  # fmt: skip


def _start_up():
  """Prints how long the stages of a start take."""
  script = [sys.executable, 'train.py']
  imports = 'from benchmarks import cost; from wgan_tf1 import cli\nwith console.quiet_tensorflow(): import tensorflow'
  with tempfile.TemporaryDirectory() as folder:
    run = ['--dataset=digits', '--generator_steps=1', '--run_dir=' + folder]
    for what, command in (
      ('train.py --help', script + ['--help']),
      ('a flag error', script + ['--no_such_flag']),
      ('import of TensorFlow', [sys.executable, '-c', imports]),
      ('a run of one generator step, saved and sampled', script + run),
    ):
      start = time.perf_counter()
      subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
      print('%6.2f s  %s' % (time.perf_counter() - start, what), flush=True)


def main():
  if FLAGS.point:
    print(json.dumps(measure(FLAGS.steps, **json.loads(FLAGS.point))))
    return
  print('%10s %5s %9s %9s %9s %9s %9s' % ('', '', 'ms/image', 'GFLOP/im', '% of peak', 'relative', 'MB/image'))
  for name, points in series(FLAGS.quick, FLAGS.clock).items():
    first = None
    for point in points:
      cost = _in_own_process(**point)
      first = first or cost
      print(row(name, point, cost, first), flush=True)
  print("relative: time by arithmetic, as a multiple of the first point's; above 1, time grows faster than the work.")
  _start_up()


if __name__ == '__main__':
  flags.DEFINE_integer('steps', 5, 'updates of each network to time at each point.', lower_bound=1)
  flags.DEFINE_boolean('quick', False, 'fewer points, of smaller networks.')
  flags.DEFINE_enum('clock', 'wall', list(throughput.CLOCKS), 'cpu times one thread, whatever else the machine does.')
  flags.DEFINE_string('point', None, 'settings of one point as JSON: measure it alone.')
  console.run(main)
