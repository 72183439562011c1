"""What every experiment shares: its flags, a cache of its parts, and a verdict for each claim.

An experiment is a module with

  TITLE      str, one line
  SETTINGS   {'full': dict, 'quick': dict}: all that its numbers depend on, JSON values only
  CLAIMS     list of `Claim`: what a source says, and the rule that decides it, both older than the run
  measure    function (settings, run) -> numbers, a dict of JSON values; `run` is a `Run`
  plot       function (numbers) -> matplotlib Figure
  REMARKS    str, if there is something to say of what came out: written after the run, put into RESULTS.md

and ends with `if __name__ == '__main__': common.main(sys.modules[__name__])`; `run` writes NAME.json and NAME.png.
Where `numbers` has 'rows', a list of dict as in experiments/paper_numbers.json, RESULTS.md puts them beside those.
"""

import contextlib
import json
import os
import platform
import sys
import time
from typing import Any
from typing import Callable
from typing import NamedTuple

from absl import flags

from wgan_tf1 import UserError
from wgan_tf1 import cli
from wgan_tf1 import config as configs
from wgan_tf1 import data

FLAGS = flags.FLAGS
PAPER_NUMBERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'paper_numbers.json')
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

  part: Callable  # (name, function of no arguments that returns JSON values) -> its value, kept on disk
  data_dir: str  # directory of the data sets
  folder: str = '.'  # directory of the results, for what is too large to be a part


def paper_numbers():
  """Returns what experiments/paper_numbers.json holds, a list of dict.

  Each has metric, dataset, system, value, deviation, source, note and protocol. A deviation that is not printed is
  None, and so is an infinite value, which JSON does not have. So is each of the protocol's samples, splits, features
  and reference that is not known; what else it has is a number.
  """
  with open(PAPER_NUMBERS) as f:
    return json.load(f)


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
  data.write_file(path, (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + '\n').encode())


def _parts(out_dir, name, settings, machines, earlier):
  """Returns a function that computes a part once for the same settings, so that a stopped run loses little.

  What each was computed on is added to the set `machines`; the seconds that it took, if in a run before this one, to
  the list `earlier`.
  """

  def part(key, compute):
    path = os.path.join(out_dir, 'parts', '%s-%s.json' % (name, key))
    kept = _read(path)
    if kept is None or kept['settings'] != settings:
      started = time.time()
      kept = {'settings': settings, 'value': compute(), 'seconds': time.time() - started, 'machine': machine()}
      _write(path, kept)
    else:
      earlier.append(kept['seconds'])
    machines.add(kept.get('machine') or machine())
    return kept['value']

  return part


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

  cli.run(go)


@contextlib.contextmanager
def session_of(config):
  """Yields (`graph.Graph`, session) of a config, its variables initialised, in a TensorFlow graph of their own."""
  with cli.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import graph as graphs
  with tf.Graph().as_default(), tf.Session() as session:
    graph = graphs.build_graph(config)
    session.run(tf.global_variables_initializer())
    yield graph, session


def critic_step(config, dataset, graph, session, step):
  """Makes critic update `step`, counted from 0, as training does; returns the scalars of its batch before it."""
  batch = data.batch(config, dataset, step)
  feed = {graph.real: batch.real}
  if graph.before_critic is not None:
    session.run(graph.before_critic)
  return session.run([graph.train_critic, graph.scalars], feed)[1]


def train(config, dataset, graph, session):
  """Trains by Algorithm 1 of WGAN and WGAN-GP; yields (generator step, last critic update's scalars)."""
  done = 0
  for step in range(1, config.generator_steps + 1):
    due = configs.critic_updates(config, step)
    while done < due:
      scalars = critic_step(config, dataset, graph, session, done)
      done += 1
    session.run(graph.train_generator, {graph.fake_count: config.generator_batch_size})
    yield step, {tag: float(value) for tag, value in scalars.items()}


def figure(width=8.0, height=4.5):
  """Returns an empty matplotlib Figure of so many inches, with a canvas that writes PNG files."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  drawn = Figure(figsize=(width, height))
  FigureCanvasAgg(drawn)
  return drawn
