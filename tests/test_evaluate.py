"""evaluate.py as people run it."""

import json
import os
import subprocess
import sys

import pytest

import evaluate
from wgan_tf1 import training
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import classifiers, measures, small_classifier

SCRIPT = os.path.abspath(evaluate.__file__)


def _run(folder, *flags):
  environment = {k: v for k, v in os.environ.items() if k not in ('WGAN_DATA_DIR', 'TF_CPP_MIN_LOG_LEVEL')}
  command = [sys.executable, SCRIPT, *flags]
  return subprocess.run(command, cwd=str(folder), env=environment, capture_output=True, text=True)


def test_a_run_of_points_on_the_command_line(tiny, tmp_path):
  run_dir = os.path.join('runs', 'toy')
  at = str(tmp_path / run_dir)
  training.train(tiny('gp', 'toy-25gaussians', width=4, generator_steps=2, save_every_steps=1, run_dir=at))
  path = os.path.join(run_dir, 'model-1.index')
  done = _run(tmp_path, '--run_dir=' + run_dir, '--num_samples=2500', '--checkpoint=' + path)
  assert (done.returncode, done.stderr) == (0, '')
  lines = done.stdout.splitlines()
  assert lines[0] == 'runs/toy at generator step 1, 25gaussians, gp'
  row = next(i for i, line in enumerate(lines) if line.startswith('modes_captured'))
  assert 'of 25' in lines[row] and '2,500 samples' in lines[row]
  published = '\n'.join(lines[row + 1 : row + 4])
  assert 'VEEGAN 24.6' in published and 'PacGAN 4 24.8' in published and 'not comparable' not in published
  with open(os.path.join(at, 'metrics.jsonl')) as f:
    saved = [json.loads(line) for line in f]
  assert {row['step'] for row in saved} == {1} and 'modes_captured' in {row['metric'] for row in saved}


def test_digits_by_a_cached_classifier(tiny, tmp_path):
  small_classifier.train('digits', 'data', str(tmp_path / 'classifiers' / 'digits-classifier.pb'), steps=20)
  run_dir = str(tmp_path / 'runs' / 'blog-mnist-clip')
  training.train(tiny('clip', width=2, batch_size=8, critic_steps=1, generator_steps=1, run_dir=run_dir))
  done = _run(tmp_path, '--num_samples=100')
  assert (done.returncode, done.stderr) == (0, '')
  assert 'frechet_distance ' in done.stdout and 'by digits-classifier' in done.stdout and 'nan' not in done.stdout


def test_train_classifier_trains_and_prints_the_accuracy(monkeypatch, capsys):
  asked = []

  def train(*given):
    asked.append(given)
    return classifiers.Classifier(*[None] * 10, 0.9512)

  monkeypatch.setattr(small_classifier, 'train', train)
  evaluate._train_classifier('digits', 'there')
  assert asked == [('digits', 'there')]
  path = os.path.join('classifiers', 'digits-classifier.pb')
  assert capsys.readouterr().out.endswith(path + ': right on 95.12 % of the test images\n')


@pytest.mark.parametrize(
  'flags, words',
  [
    (('--run_dir=none',), 'none holds no run'),
    (('--dataset=mnist',), '--dataset has no effect without --train_classifier'),
    (('--classifier_checksum=0',), '--classifier_checksum has no effect without --classifier_graph=FILE'),
    (('--classifier_graph=a.pb', '--train_classifier'), 'exclude each other'),
    (('--num_samples=9',), 'num_samples'),
    (('--train_classifier', '--dataset=lsun'), 'there is no small classifier of lsun'),
  ],
)
def test_mistakes_are_one_line(tmp_path, flags, words):
  done = _run(tmp_path, *flags)
  assert (done.returncode, done.stdout) == (2, '')
  assert done.stderr.count('\n') == 1 and words in done.stderr


def test_checkpoints_by_step_and_by_path(monkeypatch):
  class Flags:
    run_dir = os.path.join('runs', 'one')
    checkpoint = None

  monkeypatch.setattr(evaluate, 'FLAGS', Flags)
  assert evaluate._checkpoint_step() is None
  for name in ('30', 'model-30', 'runs/one/model-30', './runs/one/model-30.index'):
    Flags.checkpoint = name
    assert evaluate._checkpoint_step() == 30
  for name in ('newest', 'runs/two/model-30', 'model-', 'model-30.meta', '-3'):
    Flags.checkpoint = name
    with pytest.raises(UserError, match='must be a generator step, such as 2000, or a checkpoint in runs/one'):
      evaluate._checkpoint_step()


def test_the_table_shows_published_rows_under_each_measured_one(capsys):
  protocol = {'samples': 10000, 'splits': 10, 'features': 'Inception 2015', 'checksum': 'abcdef0123', 'seed': 0}
  rows = [
    measures.Row('inception_score', 6.5, 'at most 1008', protocol, 0.06),
    measures.Row('frechet_distance', None, '', {}, reason='needs a classifier'),
  ]
  published = []
  for system, value, deviation, samples in (('A', 7.86, 0.07, 50000), ('B', 8.0, None, 50000), ('C', 5, None, 10000)):
    row = {'metric': 'inception_score', 'dataset': 'cifar10', 'source': 'Paper', 'protocol': dict(protocol)}
    row['protocol'].update(samples=samples, reference=None)
    published.append(dict(row, system=system, value=value, deviation=deviation))
  evaluate.print_table(rows, 'cifar10', published)
  lines = [' '.join(line.split()) for line in capsys.readouterr().out.splitlines()]
  assert lines == [
    'metric this run unit measured on',
    'inception_score 6.5 +- 0.06 at most 1008 10,000 samples, 10 splits, by Inception 2015 abcdef01',
    'Paper: A 7.86 +- 0.07, B 8',
    'not comparable: samples: 50000, here 10000',
    'Paper: C 5',
    'frechet_distance - needs a classifier',
  ]
