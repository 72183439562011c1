"""What a terminal shows: flags, one-line errors, the opening block, the progress bar, interrupts."""

import contextlib
import logging
import os
import signal
import sys
import tempfile
from typing import Any, Callable, Iterator, List, Optional

from absl import app, flags
from tqdm import tqdm

import wgan_tf1
from wgan_tf1 import config as configs
from wgan_tf1.config import Config
from wgan_tf1.errors import UserError

_SAMPLES = {'image': 'images', 'text': 'lines', 'points': 'points'}
_ESTIMATES = {'wasserstein_estimate': 'Wasserstein estimate', 'js_estimate': 'JS estimate'}


def run(main: Callable[[], Optional[int]]) -> None:
  """Parses the flags, runs `main()`, and exits with the status that it returns; None is 0.

  Exits 0 after --help and --version; 2 after a bad flag or a `UserError`, whose message goes to standard error as one
  line; 130 after a Ctrl-C that `main` did not handle; 141 if standard output was closed. Other exceptions keep their
  traceback.
  """
  app.define_help_flags()
  flags.DEFINE_boolean('version', False, 'print the version, and do nothing else.', module_name=sys.argv[0])
  if {'-h', '-help', '--help'} & set(sys.argv[1:]):  # absl itself would exit with status 1
    app.usage(writeto_stdout=True, shorthelp=True, exitcode=0)
  if {'-version', '--version'} & set(sys.argv[1:]):
    print('wgan_tf1 %s' % wgan_tf1.__version__)
    sys.exit(0)
  try:
    unparsed = flags.FLAGS(sys.argv)[1:]
    if unparsed:
      raise UserError('%r is not a flag; see --help' % unparsed[0])
    status = main()
    sys.stdout.flush()  # a closed standard output raises here, not at the interpreter's exit
    sys.exit(status)
  except flags.Error as e:
    message = '%s; see --help' % str(e).replace('\n', ' ').rstrip('.')
  except UserError as e:
    message = str(e)
  except BrokenPipeError:  # `| head` has read enough
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again at its exit
    sys.exit(141)
  except KeyboardInterrupt:
    print('\n%s: interrupted' % sys.argv[0], file=sys.stderr)
    sys.exit(130)
  print('%s: %s' % (sys.argv[0], message), file=sys.stderr)
  sys.exit(2)


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
  """Imports TensorFlow without its notices: `with quiet_tensorflow(): from wgan_tf1 import training`.

  Without a GPU TensorFlow reports what looks like failures, and it calls its own optimizers deprecated. All of that is
  shown if the import fails, or if TF_CPP_MIN_LOG_LEVEL is set.
  """
  if 'TF_CPP_MIN_LOG_LEVEL' in os.environ:
    yield
    return
  os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
  logging.getLogger('tensorflow').setLevel(logging.ERROR)
  # That level does not reach what the libraries write while they load, so standard error itself is held back.
  sys.stderr.flush()
  standard_error = os.dup(2)
  with tempfile.TemporaryFile() as notices:
    os.dup2(notices.fileno(), 2)
    try:
      yield
    except BaseException:
      notices.seek(0)
      os.write(standard_error, notices.read())
      raise
    finally:
      os.dup2(standard_error, 2)
      os.close(standard_error)


@contextlib.contextmanager
def stop_signals() -> Iterator[List[int]]:
  """Collects SIGINT and SIGTERM in the list that it yields; the second of a kind acts at once, as usual."""
  stopped: List[int] = []

  def note(number: int, frame: Any) -> None:
    del frame
    stopped.append(number)
    signal.signal(number, previous[number])
    with contextlib.suppress(OSError):  # standard error may be closed
      os.write(2, b'\nFinishing this update and saving; press Ctrl-C again to quit immediately.\n')

  previous: Any = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
  try:
    yield stopped
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)


def progress_bar(config: Config, step: int, shown: bool) -> Any:
  """Returns a bar of generator steps, at `step`."""
  # rate_noinv: steps per second even below one, where tqdm turns to seconds per step.
  form = '{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]'
  return tqdm(
    total=config.generator_steps,
    initial=step,
    unit='steps',
    disable=not shown,
    mininterval=0.2 if sys.stderr.isatty() else 30,
    bar_format=form,
  )


def advance(bar: Any, trainer: Any, estimate: float, steps: int) -> None:
  """Moves the bar of a `training.Trainer` by so many steps, and shows the estimate."""
  bar.set_postfix_str('%s %.4g' % (_ESTIMATES[trainer.graph.estimate], estimate), refresh=False)
  bar.update(steps)


def opening_block(trainer: Any) -> str:
  """Says what a `training.Trainer` trains, on what, from and to which step, where, and how to watch it."""
  config, strategy = trainer.config, trainer.strategy
  rates = (config.generator_learning_rate, config.critic_learning_rate)
  extra = ' (%d at first)' % configs.EXTRA_CRITIC_STEPS if config.extra_critic_steps else ''
  batch = '%d x %d' % (strategy.replica.count, config.batch_size) if strategy.replica.combine else config.batch_size
  lines: Any = [
    ('training', '%s, %s: generator steps %d to %d, each after %d critic steps%s, batch %s'
     % (config.preset, config.variant, trainer.global_step, config.generator_steps, config.critic_steps, extra, batch)),
    ('optimizer', '%s, learning rates %g (generator) and %g (critic)%s'
     % (config.optimizer, *rates, _constraint(config))),
  ]  # fmt: skip
  paper = configs.VARIANTS[config.variant]['learning_rate']
  if strategy.chief:
    if config.variant == 'clip' and rates != (paper, paper):
      flag = '--generator_learning_rate=%g --critic_learning_rate=%g' % (paper, paper)
      lines.append(('', "the paper's learning rate is %g: %s" % (paper, flag)))
    lines += _data_and_machine(trainer)
  if strategy.cluster:
    lines.insert(0, ('cluster', strategy.cluster))
    lines = lines if strategy.chief else lines[:2]
  return '\n'.join('%-10s %s' % line for line in lines)


def _constraint(config: Config) -> str:
  """Says how the learning rates fall, and what keeps the critic Lipschitz."""
  decay = config.learning_rate_decay_steps
  words = ' falling to 0 at step %d' % decay if decay else ''
  if config.variant == 'clip':
    return words + ', clip %g' % config.clip_value
  if config.variant == 'gp':
    return words + ', penalty %g, %s' % (config.penalty_weight, (config.penalty or '').replace('_', '-'))
  return words


def _data_and_machine(trainer: Any) -> Any:
  """Returns the lines of data, networks, device, run directory and TensorBoard."""
  config, graph, dataset = trainer.config, trainer.graph, trainer.dataset
  tensorflow = sys.modules['tensorflow']
  gpus = [d.name.split('device:')[-1] for d in trainer.session.list_devices() if d.device_type == 'GPU']
  sizes: Any = [sum(v.shape.num_elements() for v in vs) for vs in (graph.generator_variables, graph.critic_variables)]
  return [
    ('data', '%s: %s %s, %s held out'
     % (dataset.name, format(len(dataset.train), ','), _SAMPLES[config.form], format(len(dataset.validation), ','))),
    ('networks', '%s: generator of %s parameters, critic of %s'
     % (config.architecture, format(sizes[0], ','), format(sizes[1], ','))),
    ('device', '%s; TensorFlow %s' % (', '.join(gpus) or 'CPU, %d cores' % os.cpu_count(), tensorflow.__version__)),
    ('run_dir', config.run_dir),
    ('watch', '%s -m tensorboard.main --logdir=%s' % (os.path.relpath(sys.executable), config.run_dir)),
  ]  # fmt: skip
