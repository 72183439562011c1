"""evaluate.py as people run it."""

import json
import os
import types
import zipfile

import numpy as np
import pytest
from PIL import Image

import evaluate
from tests.helpers.processes import refused, run, run_here
from wgan_tf1 import config as configs
from wgan_tf1 import training
from wgan_tf1.data import arrays
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import classifiers, measures, small_classifier


def test_a_run_of_points_on_the_command_line(tiny, tmp_path, monkeypatch):
  monkeypatch.setattr(measures, 'MATCHED_SAMPLES', 100)  # less work
  run_dir = os.path.join('runs', 'toy')
  at = str(tmp_path / run_dir)
  training.train(tiny('gp', 'toy-25gaussians', width=4, generator_steps=2, save_every_steps=1, run_dir=at))
  flags = ('--run_dir=' + run_dir, '--num_samples=2500', '--checkpoint=' + os.path.join(run_dir, 'model-1.index'))
  out, err = run_here(tmp_path, 'evaluate.py', *flags)
  lines = out.splitlines()
  assert err == '' and lines[0] == 'runs/toy at generator step 1, 25gaussians, gp'
  assert lines[1].split() == ['metric', 'value', 'floor', 'better', 'when']
  by_metric = {line.split()[0]: line for line in lines[2:]}
  assert by_metric['modes_captured'].endswith('higher, of 25')
  assert by_metric['earth_movers_distance'].endswith(' of 100 real  lower') and 'VEEGAN' not in out
  assert lines[-1] == 'published numbers of these metrics: --published'
  with open(os.path.join(at, 'metrics.jsonl')) as f:
    saved = [json.loads(line) for line in f]
  assert {row['step'] for row in saved} == {1} and 'modes_captured' in {row['metric'] for row in saved}
  assert {row['better'] for row in saved} == {'higher', 'lower', None}

  os.rename(os.path.join(at, 'metrics.jsonl'), os.path.join(at, 'kept'))
  os.mkdir(os.path.join(at, 'metrics.jsonl'))  # as if the run were another user's
  again, err = run_here(tmp_path, 'evaluate.py', *flags)
  assert again == out and err.startswith('warning: the run does not have these numbers: runs/toy/metrics.jsonl cannot')
  os.rmdir(os.path.join(at, 'metrics.jsonl'))
  os.rename(os.path.join(at, 'kept'), os.path.join(at, 'metrics.jsonl'))

  published, _ = run_here(tmp_path, 'evaluate.py', *flags, '--published', '--reference=train')
  lines = published.splitlines()
  row = next(i for i, line in enumerate(lines) if line.startswith('modes_captured'))
  below = ' '.join(lines[row + 1 : row + 6])
  assert 'VEEGAN 24.6' in below and 'PacGAN 4 24.8' in below and 'not comparable' not in below
  with open(os.path.join(at, 'metrics.jsonl')) as f:
    rows = [json.loads(line) for line in f][len(saved) :]
  distance = next(row for row in rows if row['metric'] == 'earth_movers_distance')
  assert distance['protocol']['reference'] == 'training'


def _classifier_and_run(tiny, tmp_path, **overrides):
  small_classifier.train('digits', 'data', str(tmp_path / 'classifiers' / 'digits-classifier.pb'), steps=20)
  run_dir = str(tmp_path / 'runs' / 'blog-mnist-clip')
  settings = dict(width=2, batch_size=8, critic_steps=1, generator_steps=1, run_dir=run_dir, **overrides)
  training.train(tiny('clip', **settings))


def test_digits_by_a_cached_classifier_as_a_table_and_as_json(tiny, tmp_path, monkeypatch):
  monkeypatch.setattr(measures, 'SLICED_SAMPLES', 10)  # less work
  _classifier_and_run(tiny, tmp_path)
  out, err = run_here(tmp_path, 'evaluate.py', '--num_samples=100', '--json=found.json')
  assert err == '' and 'nan' not in out and 'digits-classifier' not in out
  lines = out.splitlines()
  assert max(map(len, lines)) <= 100
  table = {line.split()[0]: line for line in lines[2:]}
  for metric in measures.CLASSIFIED:
    assert ' of 100 real ' in table[metric], metric
  assert table['frechet_distance'].endswith('  lower') and table['inception_score'].endswith('  higher, at most 10')
  found = json.loads((tmp_path / 'found.json').read_text())
  assert (found['step'], found['dataset'], found['variant']) == (1, 'digits', 'clip')
  rows = {row['metric']: row for row in found['rows']}
  assert rows['frechet_distance/floor']['protocol']['features'] == 'digits-classifier'
  shown = table['frechet_distance'].split()
  values = [rows[name]['value'] for name in ('frechet_distance', 'frechet_distance/floor')]
  assert [float(shown[1]), float(shown[2])] == pytest.approx(values, rel=1e-3)
  assert rows['inception_score/floor']['value'] > 1 and set(rows['precision']['protocol']) >= {'neighbours', 'samples'}


def _pngs(folder, count, size=16, seed=0, mode='RGB'):
  folder.mkdir()
  pixels = np.random.RandomState(seed).randint(0, 256, [count, size, size, 3], np.uint8)
  for i, image in enumerate(pixels):
    Image.fromarray(image).convert(mode).save(str(folder / ('%03d.png' % i)))
  return pixels


def test_images_from_anywhere_are_scored_without_a_run(tmp_path):
  a = _pngs(tmp_path / 'a', 30)
  b = _pngs(tmp_path / 'b', 41, seed=1)
  np.savez(str(tmp_path / 'a.npz'), a)
  with zipfile.ZipFile(str(tmp_path / 'b.zip'), 'w') as archive:
    for path in (tmp_path / 'b').iterdir():
      archive.write(str(path), path.name)
  answers = []
  for samples, reference in (('a', 'b'), ('a.npz', 'b.zip')):
    runs = run if samples == 'a' else run_here  # as people do, once
    out, err = runs(tmp_path, 'evaluate.py', '--samples=' + samples, '--reference=' + reference)
    lines = out.splitlines()
    assert err == '' and lines[0] == '%s against %s' % (samples, reference) and max(map(len, lines)) <= 100
    assert 'earth_movers_distance' in out and ' of 20 real' in out
    assert lines[-2].startswith('inception_score, frechet_distance, kernel_distance, precision, recall, density')
    answers.append(lines[1:])
  assert answers[0] == answers[1] and not (tmp_path / 'runs').exists()
  printed, _ = run_here(tmp_path, 'evaluate.py', '--samples=a', '--reference=b', '--json=-')
  rows = {row['metric']: row for row in json.loads(printed)['rows']}
  protocol = rows['earth_movers_distance']['protocol']
  assert (protocol['samples'], protocol['reference']) == (30, 'b')
  expected = measures.of_image_sets(measures.Real('b', 'images', b, (b[::2], b[1::2])), None, 0, {})(a)
  value = next(row.value for row in expected if row.metric == 'earth_movers_distance')
  assert rows['earth_movers_distance']['value'] == pytest.approx(value)


def test_images_from_anywhere_are_compared_with_a_data_set_and_with_the_data_of_a_run(tiny, tmp_path, monkeypatch):
  monkeypatch.setattr(measures, 'SLICED_SAMPLES', 10)  # less work
  _classifier_and_run(tiny, tmp_path)
  np.save(str(tmp_path / 'a.npy'), np.random.RandomState(0).randint(0, 256, [60, 28, 28], np.uint8))
  of_set, _ = run_here(tmp_path, 'evaluate.py', '--samples=a.npy', '--dataset=digits')
  assert of_set.startswith('a.npy against dataset=digits\n') and 'kernel_distance' in of_set
  padded = np.pad(np.load(str(tmp_path / 'a.npy')), [(0, 0), (2, 2), (2, 2)], 'constant')
  np.save(str(tmp_path / 'padded.npy'), padded)
  of_run, _ = run_here(tmp_path, 'evaluate.py', '--samples=padded.npy')
  frechet = [next(line for line in out.splitlines() if line.startswith('frechet')) for out in (of_set, of_run)]
  assert frechet[0].split()[:3] == frechet[1].split()[:3]  # the padding is cut off
  assert not (tmp_path / 'runs' / 'blog-mnist-clip' / 'metrics.jsonl').exists()


def test_a_folder_that_has_moved_and_is_too_small_to_hold_out(tmp_path):
  _pngs(tmp_path / 'old', 40, size=40)
  run_dir = str(tmp_path / 'run')
  settings = dict(width=8, batch_size=8, generator_steps=1, critic_steps=1, dataset='folder', run_dir=run_dir)
  training.train(configs.make('cifar10-dcgan', 'gp', data_path=str(tmp_path / 'old'), **settings))
  os.rename(str(tmp_path / 'old'), str(tmp_path / 'new'))
  flags = ('--run_dir=' + run_dir, '--num_samples=20')
  error = refused(tmp_path, 'evaluate.py', *flags, here=True)
  assert 'old: file not found. Give its path with --data_path' in error
  assert not os.path.exists(os.path.join(run_dir, 'metrics.jsonl'))
  out, err = run_here(tmp_path, 'evaluate.py', *flags, '--data_path=%s' % (tmp_path / 'new'))
  assert err == (
    'warning: only 2 samples are held out, so the 38 training samples are the reference. evaluate.py '
    '--reference=test uses the held-out ones\n'
  )
  assert ' of 19 real ' in out and 'needs a classifier' in out
  (tmp_path / 'data').mkdir()
  os.rename(str(tmp_path / 'new'), str(tmp_path / 'data' / 'folder'))
  out, err = run_here(tmp_path, 'evaluate.py', *flags, '--data_dir=data', '--reference=test')
  assert err == '' and ' of 2 real ' in out
  os.remove(str(tmp_path / 'data' / 'folder' / '000.png'))
  error = refused(tmp_path, 'evaluate.py', *flags, '--data_dir=data', here=True)
  assert 'was trained on other data than dataset=folder has now' in error and 'with --data_path' in error


def test_train_classifier_trains_and_prints_the_accuracy(monkeypatch, capsys):
  asked = []

  def train(*given):
    asked.append(given)
    return classifiers.Classifier(*[None] * 10, 0.9512)

  monkeypatch.setattr(small_classifier, 'train', train)
  evaluate._train_classifier('digits', 'there')
  assert asked == [('digits', 'there')]
  path = os.path.join('classifiers', 'digits-classifier.pb')
  assert capsys.readouterr().err.endswith(path + ': right on 95.12 % of the test images\n')


@pytest.mark.parametrize('size, how', [(28, None), (32, 'padded'), (16, 'shrunk')])
def test_data_sets_are_fitted_to_the_samples(tmp_path, monkeypatch, size, how):
  monkeypatch.setattr(measures, 'SLICED_SAMPLES', 10)  # less work
  small_classifier.train('digits', 'data', str(tmp_path / 'classifiers' / 'digits-classifier.pb'), steps=20)
  real = arrays.fit(arrays.read_digits().validation, size, 1, 'pad')
  np.save(str(tmp_path / 'real.npy'), real)
  flags = ('--samples=real.npy', '--dataset=digits', '--json=found.json')
  out, err = run_here(tmp_path, 'evaluate.py', *flags)
  words = 'warning: dataset=digits has images of 28x28 pixels. They are %s to %dx%d\n' % (how, size, size)
  assert err == (words if how else '') and out.startswith('real.npy against dataset=digits\n')
  with open(str(tmp_path / 'found.json')) as f:
    found = {row['metric']: row['value'] for row in json.load(f)['rows']}
  # They are the reference itself, whose classifier sees the same pixels at 28 and at 32.
  assert found['frechet_distance'] == pytest.approx(0, abs=1e-2) and found['precision'] == found['coverage'] == 1


@pytest.mark.parametrize(
  'flags, words',
  [
    (('--run_dir=none',), 'none holds no run'),
    (('--dataset=mnist',), '--dataset has no effect without --train_classifier or --samples'),
    (('--image_size=32',), '--image_size has no effect without --samples'),
    (('--reference=a',), '--reference=a: must be train or test without --samples'),
    (('--classifier_checksum=0',), '--classifier_checksum has no effect without --classifier_graph=FILE'),
    (('--classifier_graph=a.pb', '--train_classifier'), 'exclude each other'),
    (('--num_samples=9',), 'num_samples'),
    (('--train_classifier', '--dataset=lsun'), 'there is no small classifier of lsun'),
    (('--samples=none', '--reference=a'), 'none: file not found. Use an existing folder, or a .zip, .npz or .npy file'),
    (('--samples=a', '--reference=none'), 'none: file not found'),
    (('--samples=a', '--checkpoint=3'), '--checkpoint has no effect with --samples'),
    (('--samples=a', '--dataset=folder'), '--dataset=folder: must be one of mnist, fashion_mnist, cifar10, digits'),
    (('--samples=a', '--reference=small'), '--samples=a has images of 16x16 pixels, and small of 8x8'),
    (('--samples=a', '--reference=a', '--train_classifier'), '--train_classifier needs --dataset'),
    (('--samples=a', '--reference=a', '--json=a'), '--json=a cannot be written: it is a directory, not a file'),
    (('--samples=one', '--reference=a'), 'one holds only one image that can be read. At least two are needed'),
  ],
)
def test_mistakes_are_one_line(tmp_path, flags, words):
  for name, count, size in (('a', 3, 16), ('small', 3, 8), ('one', 1, 16)):
    _pngs(tmp_path / name, count, size)
  before = sorted(os.listdir(str(tmp_path)))
  assert words in refused(tmp_path, 'evaluate.py', *flags, here=True)
  assert sorted(os.listdir(str(tmp_path))) == before


def test_a_data_path_is_refused_where_it_has_no_effect(tiny, tmp_path):
  run_dir = str(tmp_path / 'run')
  training.train(tiny('gp', 'toy-8gaussians', width=4, generator_steps=1, run_dir=run_dir))
  error = refused(tmp_path, 'evaluate.py', '--run_dir=run', '--data_path=a', here=True)
  assert '--data_path has no effect with dataset=8gaussians. Use --data_dir' in error
  for flag in ('--train_classifier', '--classifier_graph=a.pb'):
    error = refused(tmp_path, 'evaluate.py', '--run_dir=run', flag, here=True)
    assert '%s has no effect on points: it is of images. Leave it out' % flag.split('=')[0] in error
  config = configs.load(run_dir)
  with open(os.path.join(run_dir, 'config.json')) as f:
    text = f.read()
  assert config.data_fingerprint in text
  with open(os.path.join(run_dir, 'config.json'), 'w') as f:
    f.write(text.replace(config.data_fingerprint, '0' * len(config.data_fingerprint)))
  error = refused(tmp_path, 'evaluate.py', '--run_dir=run', here=True)
  assert 'was trained on other data than dataset=8gaussians has now' in error and 'with --data_dir' in error


def test_checkpoints_by_step_and_by_path(monkeypatch):
  class Flags:
    run_dir = os.path.join('runs', 'one')
    checkpoint = None

  monkeypatch.setattr(evaluate, 'FLAGS', Flags)
  assert evaluate._checkpoint_step() is None
  for name in ('30', 'model-30', 'runs/one/model-30', './runs/one/model-30.index'):
    Flags.checkpoint = name
    assert evaluate._checkpoint_step() == 30
  for name in ('newest', 'runs/two/model-30', 'model-', 'model-30.meta', '-3', '\u00b2'):
    Flags.checkpoint = name
    with pytest.raises(UserError, match='must be a generator step, such as 2000, or a checkpoint in runs/one'):
      evaluate._checkpoint_step()


@pytest.mark.parametrize(
  'flag, variable, expected', [('/f', '/v', '/f'), (None, '/v', '/v'), (None, None, '/run'), (None, '', '/run')]
)
def test_data_sets_are_where_the_flag_the_environment_or_the_run_has_them(monkeypatch, flag, variable, expected):
  monkeypatch.setattr(evaluate, 'FLAGS', types.SimpleNamespace(data_dir=flag))
  monkeypatch.delenv('WGAN_DATA_DIR', raising=False)
  if variable is not None:
    monkeypatch.setenv('WGAN_DATA_DIR', variable)
  assert evaluate._data_dir(configs.make(data_dir='/run')) == expected
  assert evaluate._data_dir() == (expected if expected != '/run' else 'data')
