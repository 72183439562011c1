"""Times training to a quality: seconds until the Frechet distance first falls to some values, here and in PyTorch.

python -m benchmarks.quality --torch_python=PATH                    gp and clip with batch norm, float32 and bfloat16
python -m benchmarks.quality --systems=gp --seeds=0,1,2,3,4         one of them, five times; without PyTorch

The same networks are trained on MNIST with the same settings and seeds. The clock runs while they train, not while
samples are drawn and scored. The distance is that of evaluate.py, by the small classifier. Both have PyTorch's RMSProp
with clipping. PyTorch runs in the fastest of its settings. All that was found is kept in --output, and not done again.
"""

import contextlib
import functools
import json
import math
import os
import subprocess
import tempfile
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from absl import flags

from benchmarks import throughput
from benchmarks.peers import compare
from wgan_tf1 import config as configs
from wgan_tf1 import console, files
from wgan_tf1.errors import UserError

FLAGS = flags.FLAGS
# name -> preset, variant, settings of both.
SYSTEMS: Dict[str, Tuple[str, str, Dict[str, Any]]] = {
  'gp': ('blog-mnist', 'gp', {}),
  'clip-bn': ('blog-mnist-bn', 'clip', dict(optimizer='rmsprop_torch')),
}
Point = Tuple[int, float, float]  # generator step, seconds of training so far, Frechet distance
Curve = List[Point]
Score = Callable[[np.ndarray], float]  # uint8 [N, H, W, 1] -> Frechet distance


def config(system: str, precision: str, seed: int) -> configs.Config:
  """Returns the run of a system."""
  preset, variant, settings = SYSTEMS[system]
  return configs.make(
    preset, variant, **settings, precision=precision, seed=seed, dataset=FLAGS.dataset, data_dir=FLAGS.data_dir,
    width=FLAGS.width, generator_steps=FLAGS.steps,
  )  # fmt: skip


def ours(made: configs.Config, dataset: Any, score: Score) -> Iterator[Point]:
  """Trains here; yields the points of the curve."""
  from wgan_tf1 import images

  latents = np.random.RandomState([made.seed, 1]).normal(size=[FLAGS.samples, made.latent_size])
  seconds = 0.0
  with throughput.new_trainer(made) as trainer:
    graph = trainer.graph
    while trainer.global_step < made.generator_steps:
      seconds += sum(throughput.seconds(trainer.step, 1))
      if trainer.global_step % FLAGS.every == 0:
        parts = np.array_split(latents, max(1, len(latents) // 500))
        drawn = np.concatenate([trainer.session.run(graph.samples, {graph.sample_latents: part}) for part in parts])
        yield trainer.global_step, seconds, score(images.to_uint8(drawn, made.pixel_minimum))


def theirs(made: configs.Config, dataset: Any, score: Score, settings: Sequence[str]) -> Iterator[Point]:
  """Trains in PyTorch; yields the points of the curve."""
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'images.npy')
    np.save(path, dataset.train[np.arange(len(dataset.train))][..., 0])
    script = os.path.join(os.path.dirname(__file__), 'peers', 'torch_quality.py')
    numbers = dict(
      samples=FLAGS.samples, every=FLAGS.every, steps=FLAGS.steps, seed=made.seed, width=made.width,
      batch_size=made.batch_size, rate=made.generator_learning_rate,
    )  # fmt: skip
    words = dict(preset=made.preset, variant=made.variant, precision=made.precision, images=path, folder=folder)
    command = [FLAGS.torch_python, script, *('--%s=%s' % pair for pair in {**numbers, **words}.items()), *settings]
    errors = open(os.path.join(folder, 'errors.txt'), 'w+')  # a pipe that nobody reads would fill up, and block
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
      for line in process.stdout or ():
        point = json.loads(line)
        drawn = os.path.join(folder, '%d.npy' % point['step'])
        yield point['step'], point['seconds'], score(np.load(drawn)[..., np.newaxis])
        os.remove(drawn)
      if process.wait():
        errors.seek(0)
        raise UserError('%s failed: %s' % (' '.join(command), (errors.read().strip().splitlines() or ['?'])[-1]))
    finally:
      process.kill()
      process.wait()
      errors.close()


def until(points: Iterator[Point], least: float) -> Curve:
  """Returns the points up to the first whose distance is at most `least`; with --whole, all of them."""
  found: Curve = []
  with contextlib.closing(points):  # type: ignore[type-var]
    for point in points:
      found.append(point)
      if point[2] <= least and not FLAGS.whole:
        break
  return found


def seconds_to(curve: Curve, distance: float) -> Optional[float]:
  """Returns the seconds after which a curve is first at most at a distance; None if it never is."""
  return next((seconds for _, seconds, found in curve if found <= distance), None)


def interval(some: Sequence[float], others: Sequence[float]) -> Tuple[float, float, float]:
  """Returns the difference of two means, others - some, and its 95 % confidence interval, by Welch's t."""
  from scipy import stats

  parts = [float(np.var(values, ddof=1)) / len(values) for values in (some, others)]
  freedom = sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (some, others)))
  reach = float(stats.t.ppf(0.975, freedom)) * math.sqrt(sum(parts))
  difference = float(np.mean(others) - np.mean(some))
  return difference, difference - reach, difference + reach


def _scorer(dataset: Any, image_fit: Any) -> Score:
  from wgan_tf1.evaluation import classifiers, metrics, small_classifier

  classifier = small_classifier.cached(dataset.name) or small_classifier.train(dataset.name, FLAGS.data_dir)
  unpadded = classifiers.unpadded_size(dataset.name, image_fit)
  real, _ = classifiers.features(classifier, dataset.validation[np.arange(len(dataset.validation))], unpadded)
  return lambda images: float(metrics.frechet_distance(classifiers.features(classifier, images, unpadded)[0], real))


def _show(curves: Dict[str, Dict[str, Curve]]) -> None:
  """Prints the seconds to each distance, their ratio, and the difference that bfloat16 makes to the last distance."""
  print('%-24s %8s %9s %9s %6s' % ('', 'distance', 'here, s', 'torch, s', 'ratio'))
  last: Dict[str, Dict[str, List[float]]] = {}
  for name, sides in curves.items():
    system, precision, _ = name.split()
    last.setdefault(system, {}).setdefault(precision, []).append(sides['here'][-1][2])
    for distance in map(float, FLAGS.distances):
      here, torch = (seconds_to(sides[side], distance) if side in sides else None for side in ('here', 'torch'))
      ratio = '%.2f' % (torch / here) if here and torch else ''
      cells = (name, '%g' % distance, _seconds(here), _seconds(torch) if 'torch' in sides else '', ratio)
      print(('%-24s %8s %9s %9s %6s' % cells).rstrip())
  for system, by in last.items():
    if FLAGS.whole and all(len(by.get(precision, [])) > 1 for precision in ('fp32', 'bf16')):
      difference, low, high = interval(by['fp32'], by['bf16'])
      words = '%s after %d steps: bf16 changes the distance by %+.1f, 95 %% interval %+.1f to %+.1f'
      print(words % (system, FLAGS.steps, difference, low, high))


def _seconds(taken: Optional[float]) -> str:
  return 'never' if taken is None else '%.0f' % taken


def main() -> None:
  unknown = [system for system in FLAGS.systems if system not in SYSTEMS]
  if unknown:
    raise UserError('--systems=%s: must be among %s' % (','.join(FLAGS.systems), ', '.join(SYSTEMS)))
  with console.quiet_tensorflow():
    from wgan_tf1.data import datasets
    from wgan_tf1.kernels import precision as precisions
  for precision in FLAGS.precisions:
    precisions.check(precision)
  kept: Dict[str, Any] = {}
  if os.path.exists(FLAGS.output):
    with open(FLAGS.output) as f:
      kept = json.load(f)
  dataset = datasets.load(config('gp', 'fp32', 0))
  score = _scorer(dataset, config('gp', 'fp32', 0).image_fit)
  least = min(map(float, FLAGS.distances))
  shown: Dict[str, Dict[str, Curve]] = {}
  for system in FLAGS.systems:
    for precision in FLAGS.precisions:
      if FLAGS.torch_python:
        preset, variant, _ = SYSTEMS[system]
        times = compare.torch_measured(FLAGS.torch_python, preset, variant, precision)
        settings = min(times, key=times.__getitem__)
      for seed in map(int, FLAGS.seeds):
        made = config(system, precision, seed)
        name = '%s %s %d' % (system, precision, seed)
        sides: Dict[str, Callable[[], Iterator[Point]]] = dict(here=functools.partial(ours, made, dataset, score))
        if FLAGS.torch_python:
          sides['torch'] = functools.partial(theirs, made, dataset, score, settings)
        key = '%s, %s, width %d, %d steps, %d samples' % (name, dataset.name, made.width, FLAGS.steps, FLAGS.samples)
        for side, points in sides.items():
          if side not in kept.setdefault(key, {}):
            kept[key][side] = until(points(), least)
            files.write_file(FLAGS.output, (json.dumps(kept) + '\n').encode())
        shown[name] = kept[key]
  _show(shown)


if __name__ == '__main__':
  flags.DEFINE_string('torch_python', None, 'a Python that has torch and numpy; without it only this project is timed.')
  flags.DEFINE_list('systems', list(SYSTEMS), 'what to train.')
  flags.DEFINE_list('precisions', ['fp32', 'bf16'], 'arithmetics to train in.')
  flags.DEFINE_list('seeds', ['0'], 'seeds to train with.')
  flags.DEFINE_list('distances', ['40', '20', '10'], 'Frechet distances to reach.')
  flags.DEFINE_integer('steps', 3000, 'generator steps after which to give up.', lower_bound=1)
  flags.DEFINE_integer('every', 50, 'generator steps between scores.', lower_bound=1)
  flags.DEFINE_integer('samples', 10000, 'samples to score.', lower_bound=2)
  flags.DEFINE_boolean('whole', False, 'train to --steps, even if every distance is reached.')
  flags.DEFINE_string('dataset', 'mnist', 'images to train on.')
  flags.DEFINE_string('data_dir', configs.make().data_dir, 'directory that holds the data sets.')
  flags.DEFINE_integer('width', None, "width of the networks. Default: the preset's.")
  flags.DEFINE_string('output', 'quality.json', 'file that keeps the curves.')
  console.run(main)
