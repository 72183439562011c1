import os
import shlex
import signal
import sys
import types

import pytest

import wgan_tf1
from tests.helpers.processes import ROOT, run, start
from wgan_tf1 import config as configs
from wgan_tf1 import console, training

RUN = 'import sys, time\nfrom wgan_tf1 import console, errors\n'


@pytest.mark.parametrize(
  'main, flags, status, out, err',
  [
    ('lambda: print(1)', [], 0, '1\n', ''),
    ('lambda: 143', [], 143, '', ''),
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


def test_a_reader_that_closes_standard_output_is_no_error():
  process = start(ROOT, '-c', RUN + "console.run(lambda: print('x' * 10**6))")  # more than a pipe holds
  process.stdout.close()
  assert process.stderr.read() == '' and process.wait() == 141
  process.stderr.close()


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
