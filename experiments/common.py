"""What every experiment shares: its flags, a cache of its parts, and a verdict for each claim.

An experiment is a module with

  TITLE      str, one line
  SETTINGS   {'full': dict, 'quick': dict}, JSON values: all that its numbers depend on
  CLAIMS     list of `Claim`: what a source says, and the rule that decides it, both older than the run
  SHORT      for each claim, what RESULTS.md shows of it in one line: (words, regular expression on what was measured,
             what its match becomes)
  measure    function (settings, run) -> numbers, a dict of JSON values; `run` is a `Run`
  plot       function (numbers) -> matplotlib Figure
  LIMITS     str, optional: why a run of these SETTINGS cannot contradict a claim, in five words: 'one seed, too short'
  FINDING    str: what the run showed, in two sentences, written after it
  REMARKS    str, optional: more of it

and ends with `if __name__ == '__main__': common.main(__name__)`; `run` writes NAME.json and NAME.png.
Where `numbers` has 'rows', a list of dict as in wgan_tf1/evaluation/published.json, RESULTS.md puts them beside those.

Only a change of SETTINGS makes `run` measure again. So every constant that changes a number must be there; only the
thresholds of the claims, and what a picture needs, may be elsewhere. In particular, each field that an experiment gives
a `Config`, except data_dir and run_dir, must be found in SETTINGS with its value, at any depth: under the name of the
field, or under its plural, as a member of a list, or as a key or a value of a dict (a seed in seeds, a variant in
variants). learning_rate stands for generator_learning_rate and critic_learning_rate. tests/experiments checks this.
"""

import contextlib
import dataclasses
import itertools
import json
import os
import platform
import sys
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from absl import flags

from wgan_tf1 import config as configs
from wgan_tf1 import console, files
from wgan_tf1.config import Config
from wgan_tf1.errors import UserError
from wgan_tf1.progress import progress

FLAGS = flags.FLAGS
VERDICTS = ('reproduced', 'contradicted', 'undecided')
_LEARNING_RATES = ('generator_learning_rate', 'critic_learning_rate')

Json = Dict[str, Any]  # settings, or numbers


class Claim(NamedTuple):
  """What a source says of an experiment, and what would bear it out."""

  text: str  # what the source says, in our words
  source: str  # paper and figure, or post
  rule: str  # what decides, in words: the same as `holds`
  holds: Callable[[Json], Any]  # numbers -> True, False, or why they cannot tell: a str, or None for no special reason
  measured: Callable[[Json], str]  # numbers -> what was found, in a few words
  published: str = 'no number'  # the number that the source prints, if it prints one
  exact: bool = False  # whether longer training cannot change it: it needs none, or is of the graph alone
  limits: Optional[str] = None  # in place of the experiment's LIMITS; '' if the run can contradict it


class Run(NamedTuple):
  """What `measure` is given beside its settings."""

  part: Callable[..., Any]  # (name, function of no arguments that returns JSON values, Config or None) -> cached value
  data_dir: str  # directory of the data sets
  folder: str = '.'  # directory of the results, for what is too large to be a part


def config(settings: Json, run: Run, **overrides: Any) -> Config:
  """Returns the `Config` of a run.

  Args:
    settings: an experiment's; those that are fields of `Config` are used, and learning_rate, which is both networks'.
    run: as `measure` is given it.
    **overrides: the same; they win over `settings`. None leaves the preset's value.
  """
  names = {'learning_rate', *configs.FIELDS}
  fields = dict({name: value for name, value in settings.items() if name in names}, **overrides)
  if 'learning_rate' in fields:
    fields.update(dict.fromkeys(_LEARNING_RATES, fields.pop('learning_rate')))
  return configs.make(data_dir=run.data_dir, **fields)


def grid(
  run: Run, make: Callable[..., Config], compute: Callable[..., Any], *axes: Iterable[Any]
) -> Dict[Tuple[Any, ...], Any]:
  """Computes a part for each point of a grid.

  Args:
    run: as `measure` is given it.
    make: function of a point, one argument for each axis, that returns its `Config`.
    compute: function of a `Config`, and then of the point as `make` is, that returns JSON values.
    *axes: the values of each axis. Points are computed in the order of `itertools.product`.

  Returns:
    {point: its value}. Parts are named after their points, and computed again if the `Config` changes.
  """
  found = {}
  for point in itertools.product(*axes):
    made = make(*point)
    name = '-'.join(str(value) for value in point).replace(' = ', '-').replace('/', '-').replace(' ', '-')
    found[point] = run.part(name, lambda made=made, point=point: compute(made, *point), made)
  return found


def _read(path: str) -> Optional[Json]:
  try:
    with open(path) as f:
      return json.load(f)
  except FileNotFoundError:
    return None
  except (OSError, ValueError) as e:
    raise UserError('%s cannot be read (%s). Delete it to measure again' % (path, e)) from e


def _write(path: str, value: Json) -> None:
  """Writes JSON; a number that is not finite is a mistake here, since JSON cannot express it."""
  files.write_file(path, (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + '\n').encode())


def _parts(out_dir: str, name: str, settings: Json, machines: Set[str], earlier: List[float]) -> Callable[..., Any]:
  """Returns a function that computes a part once for the same settings, so that a stopped run loses little.

  It adds what a part was computed on to `machines`, and the seconds that an earlier run took for it to `earlier`.
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


def _without_places(config: Optional[Config]) -> Optional[Json]:
  """Returns the fields of a config that the numbers depend on; None for None."""
  if config is None:
    return None
  return {name: value for name, value in dataclasses.asdict(config).items() if name not in ('data_dir', 'run_dir')}


def run(experiment: Any, quick: bool, out_dir: str, data_dir: str) -> Json:
  """Runs an experiment, unless its results with these settings exist already.

  Args:
    experiment: a module as described above.
    quick: whether to use the quick settings.
    out_dir: directory for NAME.json, NAME.png, and parts/ while it runs.
    data_dir: directory of the data sets.

  Returns:
    What NAME.json holds: name, title, quick, settings, numbers, claims, machine, seconds.

  Raises:
    UserError: if the data cannot be loaded, or the directory cannot be written.
  """
  name = experiment.__spec__.name.split('.')[-1]  # not __name__, which is __main__ on the command line
  # As JSON has them: tuples and lists compare as equal.
  settings = json.loads(json.dumps(experiment.SETTINGS['quick' if quick else 'full']))
  path = os.path.join(out_dir, name + '.json')
  with files.user_errors('out_dir=%s cannot be written' % out_dir, 'Use another --out_dir'):
    os.makedirs(out_dir, exist_ok=True)
  done = _read(path)
  if done is not None and done['settings'] == settings:
    return done
  started = time.time()
  machines: Set[str] = set()
  earlier: List[float] = []
  numbers = experiment.measure(settings, Run(_parts(out_dir, name, settings, machines, earlier), data_dir, out_dir))
  claims = []
  for claim in experiment.CLAIMS:
    said = dict(text=claim.text, source=claim.source, rule=claim.rule, published=claim.published)
    verdict, reason = judge(claim, numbers, 'quick settings' if quick else getattr(experiment, 'LIMITS', ''), quick)
    claims.append(dict(said, measured=claim.measured(numbers), verdict=verdict, reason=reason))
  result = dict(name=name, title=experiment.TITLE, quick=quick, settings=settings, numbers=numbers, claims=claims)
  result['machine'] = '; '.join(sorted(machines)) or machine()
  result['seconds'] = round(time.time() - started + sum(earlier), 1)
  experiment.plot(numbers).savefig(os.path.join(out_dir, name + '.png'), dpi=150)
  _write(path, result)  # last: it tells that everything is written
  return result


def judge(claim: Claim, numbers: Json, limits: str, quick: bool = False) -> Tuple[str, str]:
  """Returns a claim's verdict, and why it is undecided, if it is.

  A rule that holds reproduces the claim. One that does not contradicts it only if the run could: it needs three seeds,
  and training that has stopped improving; or no training at all.
  """
  holds = None if quick else claim.holds(numbers)
  if isinstance(holds, str):
    return 'undecided', holds
  if holds:
    return 'reproduced', ''
  if claim.limits is not None and not quick:
    limits = claim.limits
  if holds is None or (limits and not claim.exact):
    return 'undecided', limits or 'the rule cannot tell'
  return 'contradicted', ''


def machine() -> str:
  """Returns, in one line, what the numbers were measured on."""
  model = platform.processor() or platform.machine()
  with contextlib.suppress(OSError), open('/proc/cpuinfo') as f:
    model = next((line.split(':')[1].strip() for line in f if line.startswith('model name')), model)
  parts = [model, '%d cores' % (os.cpu_count() or 1), 'Python ' + platform.python_version()]
  if 'tensorflow' in sys.modules:
    parts.append('TensorFlow ' + sys.modules['tensorflow'].__version__)
  return ', '.join(parts)


def main(module: str) -> None:
  """The command line of an experiment: `python -m experiments.NAME [--quick] [--out_dir=DIR] [--data_dir=DIR]`.

  Args:
    module: the `__name__` of the experiment.
  """
  flags.DEFINE_boolean('quick', False, 'small settings, under a minute: they show that it runs, and decide no claim.')
  flags.DEFINE_string('out_dir', None, 'directory for the results. Default: results, with --quick results/quick.')
  flags.DEFINE_string('data_dir', configs.make().data_dir, 'directory that holds the data sets.')

  for name in ('quick', 'out_dir', 'data_dir'):  # as if the experiment had defined them: --help lists only its own
    FLAGS.register_key_flag_for_module(sys.argv[0], FLAGS[name])

  def go() -> None:
    out_dir = FLAGS.out_dir or (os.path.join('results', 'quick') if FLAGS.quick else 'results')
    result = run(sys.modules[module], FLAGS.quick, out_dir, FLAGS.data_dir)
    print('%s (%.0f s)' % (result['title'], result['seconds']))
    for claim in result['claims']:
      print('%-12s %s: %s' % (claim['verdict'], claim['text'], claim['measured']))
    print('See %s' % os.path.join(out_dir, result['name'] + '.png'))

  console.run(go)


@contextlib.contextmanager
def trainer(config: Config, **kwargs: Any) -> Iterator[Any]:
  """Yields a `training.Trainer` of a config; the other arguments are those of `training.new_trainer`."""
  with console.quiet_tensorflow():
    from wgan_tf1 import training
  with training.new_trainer(config, **kwargs) as made:
    yield made


def steps(made: Any) -> Iterator[Tuple[int, Dict[str, float]]]:
  """Trains a `training.Trainer` to its end; yields (generator step, the last critic update's scalars) of each step."""
  config = made.config
  with progress('%s, %s' % (config.preset, config.variant), config.generator_steps, 'generator steps') as advance:
    while made.global_step < config.generator_steps:
      scalars = made.step(made.graph.scalars)
      advance(1)
      yield made.global_step, {tag: float(value) for tag, value in (scalars or {}).items()}


def figure(width: float = 8.0, height: float = 4.5) -> Any:
  """Returns an empty matplotlib Figure, its size in inches, with a canvas that writes PNG files."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  drawn = Figure(figsize=(width, height))
  FigureCanvasAgg(drawn)
  return drawn


def with_legend(drawn: Any, axes: Any, columns: int, top: float = 0.92, **kwargs: Any) -> Any:
  """Lays a Figure out below a legend of what is drawn on `axes`, from `top` of its height down; returns the Figure."""
  drawn.legend(*axes.get_legend_handles_labels(), loc='upper center', ncol=columns, frameon=False, **kwargs)
  drawn.tight_layout(rect=[0, 0, 1, top])
  return drawn
