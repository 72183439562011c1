import json
import os
import shlex
import signal
import subprocess
import sys
import types

import pytest

import wgan_tf1
from tests.helpers.checkpoints import assert_same_variables, variables
from tests.helpers.processes import ROOT, run, start
from wgan_tf1 import config as configs
from wgan_tf1 import console, training

RUN = 'import sys, time, warnings\nfrom wgan_tf1 import console, errors\n'


@pytest.mark.parametrize(
  'main, flags, status, out, err',
  [
    ('lambda: print(1)', [], 0, '1\n', ''),
    ('lambda: 143', [], 143, '', ''),
    ('lambda: warnings.warn_explicit("cut", UserWarning, "f.py", 1, "PIL.TiffImagePlugin")', [], 0, '', ''),
    (
      'lambda: warnings.warn_explicit("cut", UserWarning, "f.py", 1, "tifffile")',
      [],
      0,
      '',
      'f.py:1: UserWarning: cut',
    ),
    ('lambda: sys.exit(3)', [], 3, '', ''),
    ('lambda: {}["key"]', [], 1, '', 'Traceback'),
    ('lambda: (_ for _ in ()).throw(errors.UserError("x=1: must be 2"))', [], 2, '', '-c: x=1: must be 2\n'),
    ('lambda: (_ for _ in ()).throw(KeyboardInterrupt())', [], 130, '', '\n-c: interrupted\n'),
    ('print', ['--nothing'], 2, '', "-c: Unknown command line flag 'nothing'; see --help\n"),
    ('print', ['word'], 2, '', "-c: 'word' is not a flag; see --help\n"),
    ('print', ['--version'], 0, 'wgan_tf1 %s\n' % wgan_tf1.__version__, ''),
    ('print', ['--help'], 0, '--[no]version', ''),
  ],
)
def test_how_a_script_ends(main, flags, status, out, err):
  printed, complained = run(ROOT, '-c', RUN + 'console.run(%s)' % main, *flags, status=status)
  assert complained.startswith(err) and bool(complained) == bool(err)
  assert printed == out or (flags == ['--help'] and out in printed)


def _redirected(redirection, program, *flags):
  """Runs a program as a shell does; returns (exit status, standard output, standard error)."""
  command = ['sh', '-c', 'exec "$@" ' + redirection, 'sh', sys.executable, '-c', RUN + program, *flags]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  return done.returncode, done.stdout, done.stderr


UNWRITABLE = '-c: standard output cannot be written: %s. Redirect it elsewhere\n'


@pytest.mark.parametrize(
  'redirection, expected',
  [
    ('>&-', (2, '', UNWRITABLE % 'it is closed')),
    ('>/dev/full', (2, '', UNWRITABLE % 'No space left on device')),
    ('>&- 2>&- <&-', (2, '', '')),
    ('>/dev/full 2>&1', (2, '', '')),
    ('2>&-', (0, '1\n', '')),
    ('2>/dev/full', (0, '1\n', '')),
  ],
)
@pytest.mark.parametrize('status', [None, 5])
def test_standard_output_that_cannot_be_written(redirection, expected, status):
  """Results that are lost are an error. A status of its own, as training has, stands."""
  said = 'console.run(lambda: print("a notice", file=sys.stderr) or print(1) or %s)' % status
  found = _redirected(redirection, said)
  if status is None:
    assert found == (*expected[:2], found[2]) and found[2] in (expected[2], 'a notice\n' + expected[2])
  else:
    assert found[0] == status and found[2] in ('', 'a notice\n')


@pytest.mark.parametrize('redirection', ['2>&-', '2>/dev/full', '>&- 2>&-'])
@pytest.mark.parametrize(
  'main, status', [('raise_(errors.UserError("no"))', 2), ('raise_(KeyboardInterrupt())', 130), ('errors.warn("a")', 0)]
)
def test_standard_error_that_cannot_be_written_changes_no_status(redirection, main, status):
  program = 'def raise_(e): raise e\nconsole.run(lambda: %s)' % main
  assert _redirected(redirection, program) == (status, '', '')


def test_no_file_gets_the_number_of_a_closed_standard_stream():
  program = 'import os\nconsole.run(lambda: os._exit(os.open(os.devnull, os.O_RDONLY)))'
  for redirection in ('', '>&-', '2>&-', '>&- 2>&- <&-'):
    assert _redirected(redirection, program)[0] >= 3


@pytest.mark.parametrize('flag', ['--help', '--version'])
@pytest.mark.parametrize('redirection, status', [('>&-', 2), ('>/dev/full', 2), ('2>&-', 0), ('>&- 2>&-', 2)])
def test_help_that_cannot_be_written(flag, redirection, status):
  found = _redirected(redirection, 'console.run(print)', flag)
  assert found[0] == status and found[2].count('\n') == (status == 2 and '2>' not in redirection)


@pytest.mark.parametrize(
  'main, status',
  [
    ("print('x' * 10**6)", 141),  # more than a pipe holds
    ("[print('x' * 10**4) for _ in iter(console.output_failed, True)] and None", 141),
    ("print('x' * 10**6) or 5", 5),
  ],
)
def test_a_reader_that_closes_standard_output_is_no_error(main, status):
  process = start(ROOT, '-c', RUN + 'console.run(lambda: %s)' % main)
  process.stdout.close()
  assert process.stderr.read() == '' and process.wait() == status
  process.stderr.close()


# One process for all scripts and streams, because loading TensorFlow takes longer. It forks a child for each, whose
# streams are as Python makes them.
FORKS = """
import json, os, runpy, sys
import tensorflow.compat.v1
from wgan_tf1 import sampling, training
from wgan_tf1.evaluation import protocol

def child(streams, argv):
  for number, (name, kind) in enumerate(zip(('stdout', 'stderr'), streams), 1):
    if kind == 'broken':
      end, opened = os.pipe()
      os.close(end)
    else:
      path = {'full': '/dev/full', 'closed': os.devnull}.get(kind, kind)
      opened = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    os.dup2(opened, number)
    os.close(opened)
    stream = None if kind == 'closed' else open(number, 'w', buffering=number == 2 or -1, closefd=False)
    setattr(sys, name, stream)
    setattr(sys, '__%s__' % name, stream)
  for number, kind in enumerate(streams, 1):
    if kind == 'closed':
      os.close(number)
  sys.argv = argv
  del os.environ['TF_CPP_MIN_LOG_LEVEL']  # TensorFlow has read it
  runpy.run_path(argv[0], run_name='__main__')

statuses = []
for streams, argv in json.loads(sys.argv[1]):
  process = os.fork()
  if not process:
    child(streams, argv)
    sys.exit()
  status = os.waitpid(process, 0)[1]
  statuses.append(status >> 8 if not status & 255 else -status)
print(json.dumps(statuses))
"""
FAULTY = ['closed', 'full', 'broken']
BOTH = [('closed', 'full'), ('full', 'broken'), ('broken', 'closed')]


def test_streams_that_cannot_be_written_change_no_training_and_are_no_traceback(tmp_path):
  def script(name, *arguments):
    return [os.path.join(ROOT, name), *arguments]

  small = ['--variant=gp', '--width=4', '--batch_size=2', '--critic_steps=1']
  toy = script('train.py', '--preset=toy-8gaussians', '--generator_steps=2', *small)
  (tmp_path / 'lines.txt').write_text('some lines\nof text\n' * 20)
  text = script('train.py', '--preset=text-char', '--generator_steps=1', '--data_path=lines.txt', *small)
  lines = script('sample.py', '--run_dir=text')
  table = script('evaluate.py', '--run_dir=r0', '--num_samples=20')
  jobs = [(streams, toy + ['--run_dir=r%d' % i]) for i, streams in enumerate(BOTH)]
  jobs += [(('out', 'err'), text + ['--run_dir=text']), (('closed', 'err'), lines), (('broken', 'err'), lines)]
  jobs += [(('full', 'err'), table), (('broken', 'closed'), table)]
  numbered = []
  for i, (streams, argv) in enumerate(jobs):
    numbered.append(([s if s in FAULTY else '%s%d' % (s, i) for s in streams], argv))
  out, _ = run(tmp_path, '-c', FORKS, json.dumps(numbered), PYTHONPATH=ROOT, TF_CPP_MIN_LOG_LEVEL='3')
  for i, ((streams, argv), status) in enumerate(zip(jobs, json.loads(out))):
    results = 'train.py' not in argv[0]
    expected = {'broken': 141, 'out': 0}.get(streams[0], 2) if results else 0
    assert status == expected, (streams, argv, status)
    err = (tmp_path / ('err%d' % i)).read_text() if streams[1] == 'err' else ''
    assert 'Traceback' not in err and 'Exception' not in err, (streams, argv, err)
    if results:
      assert err.count('\n') == (status == 2), (streams, argv, err)
  for run_dir in ('r1', 'r2'):
    assert_same_variables(variables(tmp_path / 'r0', 2), variables(tmp_path / run_dir, 2))


# Writes to standard error as a library does that is loaded, inside of `quiet_tensorflow`.
NOTICE = """
import os
from wgan_tf1 import console
try:
  with console.quiet_tensorflow():
    os.write(2, b'notice')
    %s
except ImportError:
  os.write(2, b', then an error')
os.write(2, b', and more')
"""


def test_notices_of_tensorflow_are_shown_only_if_its_import_fails_or_if_they_are_asked_for():
  assert run(ROOT, '-c', NOTICE % 'pass')[1] == ', and more'
  assert run(ROOT, '-c', NOTICE % 'raise ImportError')[1] == 'notice, then an error, and more'
  assert run(ROOT, '-c', NOTICE % 'pass', TF_CPP_MIN_LOG_LEVEL='0')[1] == 'notice, and more'


@pytest.mark.parametrize('level', [None, '0'])
def test_the_garbage_collector_waits_only_while_tensorflow_is_imported(monkeypatch, level):
  monkeypatch.delenv('TF_CPP_MIN_LOG_LEVEL', raising=False)
  if level:
    monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', level)
  for enabled in (True, False):
    monkeypatch.setattr(console.gc, 'isenabled', lambda answer=enabled: answer)
    calls = []
    monkeypatch.setattr(console.gc, 'disable', lambda found=calls: found.append('disable'))
    monkeypatch.setattr(console.gc, 'enable', lambda found=calls: found.append('enable'))
    with pytest.raises(ImportError), console.quiet_tensorflow():
      assert calls == ['disable']
      raise ImportError
    assert calls == ['disable', 'enable'][: 1 + enabled]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_acts(capfd, number):
  before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
  with console.stop_signals() as stopped:
    assert stopped == []
    os.kill(os.getpid(), number)
    assert stopped == [number]
    assert 'press Ctrl-C again to quit immediately' in capfd.readouterr().err
    assert signal.getsignal(number) == before[number]
  assert {n: signal.getsignal(n) for n in before} == before


def test_the_progress_bar_shows_steps_and_the_estimate(tiny, capsys):
  trainer = types.SimpleNamespace(graph=types.SimpleNamespace(estimate='js_estimate'))
  for shown in (True, False):
    with console.progress_bar(tiny(generator_steps=8), 3, shown) as bar:
      console.advance(bar, trainer, 0.25, 5)
    err = capsys.readouterr().err
    assert ('8/8' in err and 'JS estimate      0.25' in err and ' steps/s' in err) == shown


def test_the_opening_block_says_what_is_trained(tiny, monkeypatch):
  monkeypatch.setenv('COLUMNS', '200')
  with training.new_trainer(tiny('gp', 'toy-8gaussians', width=4, generator_steps=10)) as trainer:
    lines = console.opening_block(trainer).splitlines()
  starts = [line.split()[0] for line in lines]
  assert starts == ['training', 'optimizer', 'data', 'networks', 'device', 'run_dir', 'watch']
  assert 'toy-8gaussians, gp: generator steps 0 to 10, each after 2 critic steps, batch 4' in lines[0]
  assert 'adam, learning rates 0.0001 (generator) and 0.0001 (critic), penalty 0.1, two-sided' in lines[1]
  assert 'points' in lines[2] and 'held out' in lines[2]


def test_the_opening_block_breaks_between_words_and_its_command_can_be_pasted(tiny, monkeypatch):
  monkeypatch.setenv('COLUMNS', '60')
  run_dir = "my run's [1]"
  config = tiny('gp', 'toy-8gaussians', width=4, generator_steps=10, critic_steps=1, run_dir=run_dir)
  with training.new_trainer(config) as trainer:
    block = console.opening_block(trainer)
  assert 'after 1 critic step, batch' in ' '.join(block.split())
  *lines, last = block.splitlines()
  assert max(map(len, lines)) <= 60 and all(line[10] == ' ' for line in lines)
  assert shlex.split(last)[1:] == [os.path.relpath(sys.executable), '-m', 'tensorboard.main', '--logdir=' + run_dir]


def test_on_windows_python_may_be_on_another_drive(tiny, monkeypatch):
  def relpath(path):
    raise ValueError('path is on mount C:, start on mount D:')

  monkeypatch.setattr(os.path, 'relpath', relpath)
  with training.new_trainer(tiny('gp', 'toy-8gaussians', width=4)) as trainer:
    assert shlex.split(console.opening_block(trainer).splitlines()[-1])[1] == sys.executable


def test_the_bar_shows_the_median_of_the_estimates(tiny, capsys):
  trainer = types.SimpleNamespace(graph=types.SimpleNamespace(estimate='wasserstein_estimate'))
  with console.progress_bar(tiny(generator_steps=4), 0, shown=True) as bar:
    for estimate in (float('nan'), 1.0, 100.0, 2.0):
      console.advance(bar, trainer, estimate, 1)
  assert 'Wasserstein estimate         2]' in capsys.readouterr().err


@pytest.mark.parametrize(
  'preset, variant, words',
  [
    ('blog-mnist', 'clip', ', clip 0.01'),
    ('cifar10-resnet', 'gp', ' falling to 0 at step 100000, penalty 10, two-sided'),
    ('blog-mnist', 'gan', ''),
  ],
)
def test_decay_and_constraint_in_words(preset, variant, words):
  assert console._constraint(configs.make(preset, variant)) == words
