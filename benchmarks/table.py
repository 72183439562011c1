"""Keeps a table of the step of every preset: seconds, share of the peak, memory; and tells what got slower since.

python -m benchmarks.table                          writes bench.json: a quarter of an hour on two cores
python -m benchmarks.table --presets=blog-mnist     a part of it; the other rows stay as they are
python -m benchmarks.table --against=OLD.json       and says what is slower than in OLD.json by more than 5 %

A step is compared by its share of the matrix-multiply peak, which is measured in turn with it: so a machine that is
slower at this hour makes no difference. A row that seems slower is measured again before it is reported. On a GPU the
peak is the GPU's.
"""

import json
import sys
from typing import Any, Dict, List

from absl import flags

from benchmarks import processes
from benchmarks.peers import compare
from wgan_tf1 import config as configs
from wgan_tf1 import console, files
from wgan_tf1.errors import UserError

FLAGS = flags.FLAGS
SLOWER = 1.05  # times the cost of before
VARIANTS = ('clip', 'gp')
Row = Dict[str, Any]


def points(presets: List[str]) -> Dict[str, Row]:
  """Returns {name of a row: what `cost.measure` is given}, of each variant that a preset has."""
  found: Dict[str, Row] = {}
  for preset in presets:
    for variant in VARIANTS:
      try:
        configs.make(preset, variant)
      except UserError as e:
        if preset not in configs.PRESETS:
          raise UserError('--presets=%s: %s' % (','.join(presets), e)) from e
        continue  # the penalty with batch norm
      found['%s %s' % (preset, variant)] = dict(preset=preset, variant=variant)
  return found


def measured(point: Row) -> Row:
  """Returns a row: seconds of a step, its share of the peak, and megabytes beyond TensorFlow's own."""
  command = [sys.executable, '-m', 'benchmarks.cost', '--steps=%d' % FLAGS.steps, '--point=' + json.dumps(point)]
  found = processes.measured(command)
  share = found['flops'] / found['best'] / found['best_peak']
  return dict(seconds=found['best'], share=share, megabytes=found['bytes'] / 2**20)


def slower(old: Dict[str, Row], new: Dict[str, Row]) -> Dict[str, float]:
  """Returns {name of a row: times the cost of before}, of the rows of both that got slower than `SLOWER`."""
  ratios = {name: old[name]['share'] / row['share'] for name, row in new.items() if name in old}
  return {name: ratio for name, ratio in ratios.items() if ratio > SLOWER}


def read(path: str, must_exist: bool) -> Dict[str, Row]:
  """Returns the rows of a file; none if there is no such file and it need not exist."""
  try:
    with open(path) as f:
      rows = json.load(f)
    return {name: dict(row, share=float(row['share'])) for name, row in rows.items()}
  except FileNotFoundError as e:
    if must_exist:
      raise UserError('--against=%s: file not found' % path) from e
    return {}
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
    raise UserError('%s is not a table of this script (%s). Use another file' % (path, e)) from e


def main() -> None:
  old = read(FLAGS.against, must_exist=True) if FLAGS.against else {}
  kept = read(FLAGS.output, must_exist=False)
  todo = points(FLAGS.presets)
  new: Dict[str, Row] = {}
  print('%-26s %9s %9s %8s %8s' % ('', 'seconds', '% of peak', 'MB', 'torch'))
  for name, point in todo.items():
    new[name] = row = measured(point)
    if slower(old, {name: row}):
      new[name] = row = max(row, measured(point), key=lambda r: r['share'])
    twin = ''
    if FLAGS.torch_python and point['preset'] in compare.PRESETS and tuple(name.split()) not in compare.WITHOUT_TWIN:
      times = compare.torch_measured(FLAGS.torch_python, point['preset'], point['variant'], updates=FLAGS.steps)
      row['torch_seconds'] = min(times.values())
      twin = '%8.2f' % (row['torch_seconds'] / row['seconds'])
    print('%-26s %9.4g %9.0f %8.0f %s' % (name, row['seconds'], 100 * row['share'], row['megabytes'], twin), flush=True)
    files.write_file(FLAGS.output, (json.dumps({**kept, **new}, indent=1, sort_keys=True) + '\n').encode())
  if FLAGS.torch_python:
    print("torch: PyTorch's seconds in the best of its settings, as a multiple of ours.")
  if old:
    found = slower(old, new)
    print('Slower than in %s by more than 5 %%: %s' % (FLAGS.against, 'nothing' if not found else ''))
    for name, ratio in found.items():
      print('  %-24s %.2f times' % (name, ratio))


if __name__ == '__main__':
  flags.DEFINE_list('presets', list(configs.PRESETS), 'presets to time.')
  flags.DEFINE_integer('steps', 5, 'updates of each network to time.', lower_bound=1)
  flags.DEFINE_string('output', 'bench.json', 'file that keeps the table.')
  flags.DEFINE_string('against', None, 'an earlier such file, to compare with.')
  flags.DEFINE_string('torch_python', None, 'a Python that has torch, to time the twins too.')
  console.run(main)
