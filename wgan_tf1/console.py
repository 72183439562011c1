"""What a terminal shows: one-line errors, the opening block, the progress bar, interrupts."""

import codecs
import collections
import contextlib
import gc
import logging
import os
import shutil
import signal
import statistics
import sys
import tempfile
import textwrap
import threading
import warnings
from typing import Any, Callable, Dict, Iterator, List, Optional

from absl import app, flags
from tqdm import tqdm

import wgan_tf1
from wgan_tf1 import config as configs
from wgan_tf1 import files, flag_help
from wgan_tf1.config import Config
from wgan_tf1.errors import UserError, one_line

_SAMPLES = {'image': 'images', 'text': 'lines', 'points': 'points'}
_PASTED = {'run_dir', 'watch'}  # lines that are copied whole
_FILTER_STEPS = 101  # as the papers filter their curves, and `curve` does
_ESTIMATES = {'wasserstein_estimate': 'Wasserstein estimate', 'js_estimate': 'JS estimate'}


def _encode_name(error: Any) -> Any:
  """Lets standard output show any name of a file: its own bytes, or what the locale lacks with backslashes."""
  try:
    return codecs.lookup_error('surrogateescape')(error)
  except UnicodeError:
    return codecs.lookup_error('backslashreplace')(error)


class _Lasting:
  """A standard stream that never fails: what cannot be written is dropped, and `failure` has the first reason."""

  def __init__(self, stream: Any):
    """None, a stream that was closed before Python started, becomes one that nothing can be written to."""
    self._stream = open(os.devnull) if stream is None else stream
    self.failure: Optional[OSError] = None

  def write(self, text: str) -> int:
    with self._noted():
      self._stream.write(text)
    return len(text)

  def flush(self) -> None:
    with self._noted():
      self._stream.flush()

  def end(self) -> None:
    """Drops what is still in the buffer of a stream that failed, or Python would complain about it at its exit."""
    self.flush()
    if self.failure:
      with contextlib.suppress(OSError), open(os.devnull, 'wb') as null:  # a test's stream may have no descriptor
        os.dup2(null.fileno(), self._stream.fileno())

  @contextlib.contextmanager
  def _noted(self) -> Iterator[None]:
    try:
      yield
    except OSError as e:
      self.failure = self.failure or e

  def __getattr__(self, name: str) -> Any:
    return getattr(self._stream, name)


def output_failed() -> bool:
  """Tells whether something that was printed could not be written, so that more results would be drawn for nobody."""
  return getattr(sys.stdout, 'failure', None) is not None


def _open_descriptors() -> None:
  """Opens the standard descriptors that are closed: a file of ours would get the number that TensorFlow writes to."""
  for number in range(3):
    try:
      os.fstat(number)
    except OSError:
      os.open(os.devnull, os.O_RDONLY)  # gets the lowest number that is free


def run(main: Callable[[], Optional[int]], groups: Optional[Dict[str, List[str]]] = None) -> None:
  """Parses the flags, runs `main()`, and exits with the status that it returns, whatever happened to its output.

  None is 0 if standard output could be written. `main` never fails because it could not: what it prints is dropped.

  --help shows the script's docstring and its flags, in `groups`, {heading: names of flags}; None is one group.

  Exits 0 after --help and --version; 2 after a bad flag, a `UserError` or results that could not be printed, with one
  line on standard error; 130 after a Ctrl-C that `main` did not handle; 141, silently, if the reader of the results
  closed them, as `| head` does. Other exceptions keep their traceback.
  """
  _open_descriptors()
  warnings.filterwarnings('ignore', module=r'PIL\.')  # of damaged images, which are counted and named in a line
  codecs.register_error(_encode_name.__name__, _encode_name)
  if sys.stdout is not None:  # it was closed
    sys.stdout.reconfigure(errors=_encode_name.__name__)  # type: ignore[union-attr]
  output, errors = _Lasting(sys.stdout), _Lasting(sys.stderr)
  with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):  # type: ignore[type-var]
    try:
      sys.exit(_status(main, groups or {}, output))
    finally:
      output.end()
      errors.end()


def _status(main: Callable[[], Optional[int]], groups: Dict[str, List[str]], output: _Lasting) -> int:
  """Does what `run` says, and returns the exit status."""
  app.define_help_flags()
  flag_help.define_version(sys.argv[0])
  try:
    if {'-h', '-help', '--help'} & set(sys.argv[1:]):  # absl itself would exit with status 1
      print(flag_help.of_script(groups))
    elif {'-version', '--version'} & set(sys.argv[1:]):
      print('wgan_tf1 %s' % wgan_tf1.__version__)
    else:
      unparsed = flags.FLAGS(sys.argv)[1:]
      if unparsed:
        raise UserError('%r is not a flag; see --help' % unparsed[0])
      _find_home()
      status = main()
      if status is not None:
        return status
    output.flush()
    if output.failure is None:
      return 0
    if isinstance(output.failure, BrokenPipeError):  # `| head` has read enough
      return 141
    reason = output.failure.strerror or 'it is closed'
    message = 'standard output cannot be written: %s. Redirect it elsewhere' % reason
  except flags.Error as e:
    message = '%s; see --help' % str(e).replace('\n', ' ').rstrip('.')
  except UserError as e:
    message = str(e)
  except KeyboardInterrupt:
    print('\n%s: interrupted' % sys.argv[0], file=sys.stderr)
    return 130
  print('%s: %s' % (sys.argv[0], one_line(message)), file=sys.stderr)
  return 2


def _find_home() -> None:
  """Replaces the ~ at the start of a flag's path by the home directory: shells leave that of --run_dir=~/runs alone."""
  for name in flags.FLAGS:
    value = flags.FLAGS[name].value
    if isinstance(value, str) and value.startswith('~/'):
      flags.FLAGS[name].value = os.path.expanduser(value)


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
  """Imports TensorFlow without its notices: `with quiet_tensorflow(): from wgan_tf1 import training`.

  Without a GPU TensorFlow reports what looks like failures, and it calls its own optimizers deprecated. All of that is
  shown if the import fails, or if TF_CPP_MIN_LOG_LEVEL is set.
  """
  with _uncollected():
    if 'TF_CPP_MIN_LOG_LEVEL' in os.environ:
      yield
    else:
      with _notices_held_back():
        yield


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
  """Turns the garbage collector off: what an import makes stays in use, and to search it takes 0.3 s."""
  enabled = gc.isenabled()
  gc.disable()
  try:
    yield
  finally:
    if enabled:
      gc.enable()


@contextlib.contextmanager
def _notices_held_back() -> Iterator[None]:
  """Shows what is written to standard error only if an import fails."""
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
      with contextlib.suppress(OSError):  # standard error may be closed
        os.write(standard_error, notices.read())
      raise
    finally:
      os.dup2(standard_error, 2)
      os.close(standard_error)


@contextlib.contextmanager
def stop_signals() -> Iterator[List[int]]:
  """Collects SIGINT and SIGTERM in the list that it yields; the second of a kind acts at once, as usual.

  In another thread than the main one, which alone gets signals, the list stays empty.
  """
  stopped: List[int] = []
  if threading.current_thread() is not threading.main_thread():
    yield stopped
    return

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
  bar: Any = tqdm(
    total=config.generator_steps,
    initial=step,
    unit=' steps',
    dynamic_ncols=True,
    disable=not shown,
    mininterval=0.2 if sys.stderr.isatty() else 30,
    bar_format=form,
  )
  bar.estimates = collections.deque(maxlen=_FILTER_STEPS)
  return bar


def advance(bar: Any, trainer: Any, estimate: float, steps: int) -> None:
  """Moves the bar of a `training.Trainer` by so many steps, and shows the median of the last estimates."""
  bar.estimates.append(estimate)
  known = [value for value in bar.estimates if value == value]  # a resumed run may begin without a critic update
  filtered = statistics.median(known) if known else float('nan')
  bar.set_postfix_str('%s %9.4g' % (_ESTIMATES[trainer.graph.estimate], filtered), refresh=False)
  bar.update(steps)


def opening_block(trainer: Any) -> str:
  """Says what a `training.Trainer` trains, on what, from and to which step, where, and how to watch it."""
  config, strategy = trainer.config, trainer.strategy
  rates = (config.generator_learning_rate, config.critic_learning_rate)
  extra = ' (%d at first)' % configs.EXTRA_CRITIC_STEPS if config.extra_critic_steps else ''
  batch = '%d x %d' % (strategy.replica.count, config.batch_size) if strategy.replica.combine else config.batch_size
  lines: Any = [
    ('training', '%s, %s: generator steps %d to %d, each after %s%s, batch %s'
     % (config.preset, config.variant, trainer.global_step, config.generator_steps,
        count(config.critic_steps, 'critic step'), extra, batch)),
    ('optimizer', '%s, learning rates %g (generator) and %g (critic)%s'
     % (config.optimizer, *rates, _constraint(config))),
  ]  # fmt: skip
  if config.init_from is not None and trainer.global_step == 0:
    lines.append(('weights', 'of %s, generator step %s' % (config.init_from, config.init_step)))
  paper = configs.VARIANTS[config.variant]['learning_rate']
  if strategy.chief:
    if config.variant == 'clip' and rates != (paper, paper):
      flag = '--generator_learning_rate=%g --critic_learning_rate=%g' % (paper, paper)
      lines += [('', "the paper's learning rate is %g:" % paper), ('', flag)]
    lines += _data_and_machine(trainer)
  if strategy.cluster:
    lines.insert(0, ('cluster', strategy.cluster))
    lines = lines if strategy.chief else lines[:2]
  return '\n'.join('%-10s %s' % line if line[0] in _PASTED else _wrapped(*line) for line in lines)


def _wrapped(name: str, words: str) -> str:
  """Returns a line of the opening block, broken between words where the terminal ends."""
  width = shutil.get_terminal_size((120, 24)).columns
  first, rest = '%-10s ' % name, ' ' * 11
  return textwrap.fill(
    words, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
  )


def count(number: int, noun: str) -> str:
  """Returns '1 step' or '2 steps'."""
  return '%s %s%s' % (format(number, ','), noun, '' if number == 1 else 's')


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
  cpu = 'CPU, ' + count(os.cpu_count() or 1, 'core')
  python = sys.executable
  with contextlib.suppress(ValueError):  # on Windows there is no way from one drive to another
    python = os.path.relpath(python)
  watch = [python, '-m', 'tensorboard.main', '--logdir=' + config.run_dir]
  sizes: Any = [sum(v.shape.num_elements() for v in vs) for vs in (graph.generator_variables, graph.critic_variables)]
  return [
    ('data', '%s: %s %s, %s held out'
     % (dataset.name, format(len(dataset.train), ','), _SAMPLES[config.form], format(len(dataset.validation), ','))),
    ('networks', '%s: generator of %s parameters, critic of %s'
     % (config.architecture, format(sizes[0], ','), format(sizes[1], ','))),
    ('device', '%s; TensorFlow %s' % (', '.join(gpus) or cpu, tensorflow.__version__)),
    ('run_dir', config.run_dir),
    ('watch', ' '.join(map(files.pasted, watch))),
  ]  # fmt: skip
