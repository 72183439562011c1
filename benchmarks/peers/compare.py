"""Times this project's training step and PyTorch's in turn, in separate processes, and prints the ratio.

python -m benchmarks.peers.compare --torch_python=/path/to/venv/bin/python --presets=blog-mnist --variants=clip,gp

PyTorch is measured in each of its settings (as it is, channels last, compiled), and compared in its fastest.
"""

import json
import os
import sys
from typing import Dict, List, Tuple

from absl import flags

from benchmarks import processes
from wgan_tf1 import console

FLAGS = flags.FLAGS
PRESETS = [
  'blog-mnist', 'blog-mnist-bn', 'blog-mnist-mlp', 'keras-mnist', 'fashion-upsample', 'gp-mnist', 'cifar10-resnet',
  'lsun64-dcgan', 'text-char', 'toy-8gaussians',
]  # fmt: skip
WITHOUT_TWIN = {
  ('gp-mnist', 'clip'),
  ('keras-mnist', 'gp'),
  ('lsun64-dcgan', 'gp'),
  ('blog-mnist-bn', 'gp'),
}  # torch_step.py has none
SETTINGS: List[Tuple[str, ...]] = [(), ('--channels_last',), ('--channels_last', '--compile')]


def torch_measured(
  python: str, preset: str, variant: str, precision: str = 'fp32', updates: int = 5
) -> Dict[Tuple[str, ...], float]:
  """Returns {one of PyTorch's settings: seconds of its step}."""
  peer = [python, os.path.join(os.path.dirname(__file__), 'torch_step.py'), '--updates=%d' % updates]
  peer += ['--preset=' + preset, '--variant=' + variant, '--precision=' + precision]
  return {s: processes.measured([*peer, *s])['best'] for s in SETTINGS}


def compare(preset: str, variant: str) -> None:
  """Prints one line: the fastest step of each, their ratio, and this project's share of the best peak."""
  overrides = {name: value for name in ('width', 'batch_size', 'threads') for value in [FLAGS[name].value] if value}
  point = dict(overrides, preset=preset, variant=variant, precision=FLAGS.precision, clock=FLAGS.clock)
  if 'batch_size' in overrides:  # for both networks, as in torch_step.py
    point['generator_batch_size'] = overrides['batch_size']
  ours = [sys.executable, '-m', 'benchmarks.cost', '--steps=%d' % FLAGS.updates, '--point=' + json.dumps(point)]
  peer = [FLAGS.torch_python, os.path.join(os.path.dirname(__file__), 'torch_step.py')]
  peer += ['--%s=%s' % (name, getattr(FLAGS, name)) for name in ('updates', 'precision', 'clock')]
  peer += ['--preset=' + preset, '--variant=' + variant]
  peer += ['--%s=%d' % pair for pair in overrides.items()]
  settings = [s for s in SETTINGS if set(s) <= set(FLAGS.settings)]
  mine: List[float] = []
  peaks: List[float] = []
  theirs: Dict[Tuple[str, ...], List[float]] = {s: [] for s in settings}
  for _ in range(FLAGS.rounds):
    measured = processes.measured(ours)
    mine.append(measured['best'])
    peaks.append(measured['best_peak'])
    for s in settings:
      theirs[s].append(processes.measured([*peer, *s])['best'])
  best = min(theirs, key=lambda s: min(theirs[s]))
  share = measured['flops'] / min(mine) / max(peaks)
  print(
    '%-15s %-5s %s  ours %.3f s  torch %.3f s (%s)  ratio %.2f, %.0f %% of peak'
    % (
      preset,
      variant,
      FLAGS.precision,
      min(mine),
      min(theirs[best]),
      ' '.join(best) or 'as it is',
      min(theirs[best]) / min(mine),
      100 * share,
    ),
    flush=True,
  )


def main() -> None:
  for preset in FLAGS.presets:
    for variant in FLAGS.variants:
      if (preset, variant) not in WITHOUT_TWIN:
        compare(preset, variant)


if __name__ == '__main__':
  flags.DEFINE_string('torch_python', None, 'a Python that has torch.')
  flags.DEFINE_list('presets', PRESETS, 'presets to time.')
  flags.DEFINE_list('variants', ['clip', 'gp'], 'variants to time.')
  flags.DEFINE_list('settings', ['--channels_last', '--compile'], "PyTorch's settings to try.")
  flags.DEFINE_enum('precision', 'fp32', ['fp32', 'bf16'], 'arithmetic of both.')
  flags.DEFINE_integer('rounds', 2, 'times to measure each, in turn.')
  flags.DEFINE_integer('updates', 5, 'updates of each network to time in a round.')
  flags.DEFINE_integer('threads', None, 'threads of both. Default: one per core.')
  flags.DEFINE_enum(
    'clock', 'wall', ['wall', 'cpu'], 'wall, or cpu: the processor time of one thread, for a busy machine.'
  )
  flags.DEFINE_integer('width', None, "width of the networks. Default: the preset's.")
  flags.DEFINE_integer('batch_size', None, "samples in a batch. Default: the preset's.")
  flags.mark_flag_as_required('torch_python')
  console.run(main)
