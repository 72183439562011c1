"""What every experiment shares: its flags, a cache of its parts, and a verdict for each claim.

An experiment is a module with

  TITLE      str, one line
  SETTINGS   {'full': dict, 'quick': dict}: all that its numbers depend on, JSON values only
  CLAIMS     list of `Claim`: what a source says, and the rule that decides it, both older than the run
  measure    function (settings, run) -> numbers, a dict of JSON values; `run` is a `Run`
  plot       function (numbers) -> matplotlib Figure
  REMARKS    str, if there is something to say of what came out: written after the run, put into RESULTS.md

and ends with `if __name__ == '__main__': common.main(sys.modules[__name__])`; `run` writes NAME.json and NAME.png.
Where `numbers` has 'rows', a list of dict as in wgan_tf1/evaluation/published.json, RESULTS.md puts them beside those.
"""

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import platform
import sys
import time
from typing import Any
from typing import Callable
from typing import Dict
from typing import Iterator
from typing import NamedTuple
from typing import Optional
from typing import Sequence
from typing import Tuple

from absl import flags

from wgan_tf1 import config as configs
from wgan_tf1 import console
from wgan_tf1 import files
from wgan_tf1.config import Config
from wgan_tf1.errors import UserError

FLAGS = flags.FLAGS
VERDICTS = {True: 'reproduced', False: 'not reproduced', None: 'not testable here'}


class Claim(NamedTuple):
  """What a source says of an experiment, and what would bear it out."""

  text: str  # what the source says, in our words
  source: str  # paper and figure, or post
  rule: str  # what decides, in words: the same as `holds`
  holds: Callable[[dict], Any]  # numbers -> True, False, or None where they cannot say
  measured: Callable[[dict], str]  # numbers -> what was found, in a few words
  published: str = 'no number'  # the number that the source prints, where it prints one


class Run(NamedTuple):
  """What `measure` is given beside its settings."""

  part: Callable[..., Any]  # (name, function of no arguments that returns JSON values) -> its value, kept on disk
  data_dir: str  # directory of the data sets
  folder: str = '.'  # directory of the results, for what is too large to be a part


def grid(
  run: Run, make: Callable[..., Config], compute: Callable[[Config], Any], *axes: Sequence[Any]
) -> Dict[Tuple[Any, ...], Any]:
  """Computes a part for each point of a grid.

  Args:
    run: as `measure` is given it.
    make: function of a point, one argument for each axis, that returns its `Config`.
    compute: function of a `Config` that returns JSON values.
    *axes: the values of each axis. Points are computed in the order of `itertools.product`.

  Returns:
    {point: its value}. Parts are named after their points, and computed again if the `Config` changes.
  """
  found = {}
  for point in itertools.product(*axes):
    config = make(*point)
    name = '-'.join(str(value).replace('/', '-').replace(' = ', '-').replace(' ', '-') for value in point)
    found[point] = run.part(name, functools.partial(compute, config), config)
  return found


def _read(path):
  try:
    with open(path) as f:
      return json.load(f)
  except FileNotFoundError:
    return None
  except (OSError, ValueError) as e:
    raise UserError('%s cannot be read (%s): delete it, and it is measured anew' % (path, e))


def _write(path, value):
  """Writes JSON; a number that is not finite is a mistake here, since JSON has none."""
  files.write_file(path, (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + '\n').encode())


def _parts(out_dir, name, settings, machines, earlier):
  """Returns a function that computes a part once for the same settings, so that a stopped run loses little.

  What each was computed on is added to the set `machines`; the seconds that it took, if in a run before this one, to
  the list `earlier`.
  """

  def part(key: str, compute: Callable[[], Any], config: Optional[Config] = None) -> Any:
    path = os.path.join(out_dir, 'parts', '%s-%s.json' % (name, key))
    depends = dict(settings=settings, config=_without_places(config))
    kept = _read(path)
    if kept is None or any(kept.get(what) != value for what, value in depends.items()):
      started = time.time()
      value = compute()
      kept = dict(depends, value=value, seconds=time.time() - started, machine=machine())
      _write(path, kept)
    else:
      earlier.append(kept['seconds'])
    machines.add(kept.get('machine') or machine())
    return kept['value']

  return part


def _without_places(config: Optional[Config]) -> Optional[Dict[str, Any]]:
  """Returns what of a config the numbers depend on, as JSON has it; None for None."""
  return config and {k: v for k, v in dataclasses.asdict(config).items() if k not in ('data_dir', 'run_dir')}


def run(experiment, quick, out_dir, data_dir):
  """Runs an experiment, unless its results with these settings are there already.

  Args:
    experiment: a module as described above.
    quick: whether to take the quick settings.
    out_dir: directory for NAME.json, NAME.png, and parts/ while it runs.
    data_dir: directory of the data sets.

  Returns:
    What NAME.json holds: name, title, quick, settings, numbers, claims, machine, seconds.

  Raises:
    UserError: if the data cannot be had, or the directory not be written.
  """
  name = experiment.__spec__.name.split('.')[-1]  # not __name__, which is __main__ on the command line
  # What JSON makes of it: tuples and lists compare as equal.
  settings = json.loads(json.dumps(experiment.SETTINGS['quick' if quick else 'full']))
  path = os.path.join(out_dir, name + '.json')
  try:
    os.makedirs(out_dir, exist_ok=True)
  except OSError as e:
    raise UserError('out_dir=%s cannot be written: %s' % (out_dir, e))
  done = _read(path)
  if done is not None and done['settings'] == settings:
    return done
  started, machines, earlier = time.time(), set(), []
  numbers = experiment.measure(settings, Run(_parts(out_dir, name, settings, machines, earlier), data_dir, out_dir))
  claims = [
    dict(text=claim.text, source=claim.source, rule=claim.rule, published=claim.published,
         measured=claim.measured(numbers),
         verdict='not testable here' if quick else VERDICTS[claim.holds(numbers)])
    for claim in experiment.CLAIMS
  ]  # fmt: skip
  result = dict(name=name, title=experiment.TITLE, quick=quick, settings=settings, numbers=numbers, claims=claims,
                machine='; '.join(sorted(machines)) or machine(),
                seconds=round(time.time() - started + sum(earlier), 1))  # fmt: skip
  experiment.plot(numbers).savefig(os.path.join(out_dir, name + '.png'), dpi=100)
  _write(path, result)  # last: it says that all is there
  return result


def machine():
  """Returns, in one line, what the numbers were measured on."""
  model = platform.processor() or platform.machine()
  with contextlib.suppress(OSError), open('/proc/cpuinfo') as f:
    model = next((line.split(':')[1].strip() for line in f if line.startswith('model name')), model)
  parts = [model, '%d cores' % os.cpu_count(), 'Python ' + platform.python_version()]
  if 'tensorflow' in sys.modules:
    parts.append('TensorFlow ' + sys.modules['tensorflow'].__version__)
  return ', '.join(parts)


def main(experiment):
  """The command line of an experiment: `python -m experiments.NAME [--quick] [--out_dir=DIR] [--data_dir=DIR]`."""
  flags.DEFINE_boolean('quick', False, 'small settings, under a minute: they show that it runs, and decide no claim.')
  flags.DEFINE_string('out_dir', None, 'directory for the results. Default: results, with --quick results/quick.')
  flags.DEFINE_string('data_dir', configs.make().data_dir, 'directory that holds the data sets.')

  for name in ('quick', 'out_dir', 'data_dir'):  # as if the experiment had defined them: --help lists its own alone
    FLAGS.register_key_flag_for_module(sys.argv[0], FLAGS[name])

  def go():
    out_dir = FLAGS.out_dir or (os.path.join('results', 'quick') if FLAGS.quick else 'results')
    result = run(experiment, FLAGS.quick, out_dir, FLAGS.data_dir)
    print('%s (%.0f s)' % (result['title'], result['seconds']))
    for claim in result['claims']:
      print('%-17s %s: %s' % (claim['verdict'], claim['text'], claim['measured']))
    print('See %s' % os.path.join(out_dir, result['name'] + '.png'))

  console.run(go)


@contextlib.contextmanager
def trainer(config: Config, **kwargs: Any) -> Iterator[Any]:
  """Yields a `training.Trainer` of a config; the rest as for `training.new_trainer`."""
  with console.quiet_tensorflow():
    from wgan_tf1 import training
  with training.new_trainer(config, **kwargs) as made:
    yield made


def steps(made: Any) -> Iterator[Tuple[int, Dict[str, float]]]:
  """Trains a `training.Trainer` to its end; yields (generator step, the last critic update's scalars) of each step."""
  while made.global_step < made.config.generator_steps:
    scalars = made.step(made.graph.scalars)
    yield made.global_step, {tag: float(value) for tag, value in (scalars or {}).items()}


def figure(width=8.0, height=4.5):
  """Returns an empty matplotlib Figure of so many inches, with a canvas that writes PNG files."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  drawn = Figure(figsize=(width, height))
  FigureCanvasAgg(drawn)
  return drawn
