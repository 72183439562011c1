"""The scripts as people run them, in temporary folders, on real (small) data."""

import glob
import json
import os
import re
import shutil
import signal
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from tests.helpers.checkpoints import assert_same_variables, variables
from tests.helpers.processes import ROOT, refused, run, run_here, start
from wgan_tf1.runs import directory

pytestmark = pytest.mark.xdist_group('command_line')  # the whole runs are made once
SMALL = ['--dataset=digits', '--width=8', '--batch_size=4', '--critic_steps=2', '--keep_checkpoints=2']
EVERY = ['--sample_every_steps=10', '--summary_every_steps=2', '--save_every_steps=5']


@pytest.fixture(scope='module', params=['clip', 'gp'])
def whole(request, tmp_path_factory):
  """A run of 20 steps in one go: (folder, variant, what it printed)."""
  folder = tmp_path_factory.mktemp('whole_' + request.param)
  in_own_process = request.param == 'clip'
  flags = ['--variant=' + request.param, '--generator_steps=20', *SMALL, *EVERY]
  printed = (run if in_own_process else run_here)(folder, 'train.py', *flags)
  return folder, request.param, printed


def test_a_run_directory_holds_what_it_should(whole):
  folder, variant, (out, err) = whole
  run = folder / 'runs' / ('blog-mnist-' + variant)
  written = json.loads((run / 'config.json').read_text())
  assert (written['variant'], written['dataset'], written['batch_size'], written['clip_value']) == (
    variant,
    'digits',
    4,
    0.01 if variant == 'clip' else None,
  )
  assert sorted(os.listdir(str(run / 'samples'))) == ['0.png', '10.png', '20.png']
  assert Image.open(str(run / 'samples' / '0.png')).size == (8 * 34 + 2, 8 * 34 + 2)
  assert sorted(os.path.basename(p) for p in glob.glob(str(run / '*.index'))) == ['model-15.index', 'model-20.index']
  values = variables(run, 20)
  assert (values['global_step'], values['critic_step']) == (20, 40)
  slots = ('RMSProp', 'RMSProp_1') if variant == 'clip' else ('Adam', 'Adam_1')
  assert all('critic/conv_1/weights/' + slot in values for slot in slots)
  words = ['blog-mnist, ' + variant, 'CPU', 'runs/blog-mnist-' + variant, 'tensorboard', 'digits: 1,500 images']
  # 129 * 1024 + 9 * (64 * 32 + 32 * 16 + 16 * 8 + 8); 10 * 8 + 9 * (8 * 16 + 16 * 32 + 32 * 64) + 16 + 32 + 64 + 257
  words.append('generator of 156,360 parameters, critic of 24,641')
  assert all(word in out for word in words), out
  assert ('5e-05' in out) == (variant == 'clip')  # how to ask for the paper's learning rate
  assert '20/20' in err and re.search(r'[\d.]+ steps/s', err) and 'Wasserstein estimate' in err
  assert 'Traceback' not in err and 'WARNING' not in err


def test_events_hold_the_summaries(whole):
  folder, variant, _ = whole
  run = folder / 'runs' / ('blog-mnist-' + variant)
  scalars, histograms, texts, pictures, graph = {}, {}, {}, {}, None
  (path,) = glob.glob(str(run / 'events*'))
  for event in tf.train.summary_iterator(path):
    if event.HasField('graph_def'):
      graph = tf.GraphDef.FromString(event.graph_def)
    for value in event.summary.value:
      if value.tag.startswith('_hparams_/'):  # see test_summaries.py
        continue
      kind = value.WhichOneof('value')
      store = {'simple_value': scalars, 'histo': histograms, 'image': pictures, 'tensor': texts}[kind]
      store.setdefault(value.tag, []).append((event.step, getattr(value, kind)))

  tags = {
    'estimate/train', 'estimate/held_out', 'loss/critic', 'loss/generator', 'critic/real_score', 'critic/fake_score',
    'learning_rate/critic', 'learning_rate/generator', 'speed/generator_steps_per_second',
  }  # fmt: skip
  if variant == 'gp':
    tags |= {'constraint/' + name for name in ('gradient_penalty', 'gradient_norm_mean', 'gradient_norm_maximum')}
  else:
    tags |= {'constraint/share_at_bound'}
  assert set(scalars) == tags
  for values in scalars.values():
    assert [step for step, _ in values] == list(range(2, 21, 2)) and np.isfinite([v for _, v in values]).all()
  layers = [
    node.name
    for node in graph.node
    if node.op == 'VarHandleOp' and re.match('(generator|critic)/[^/]+/[^/]+$', node.name)
  ]
  assert len(layers) == 16
  scores = {'critic/real_scores', 'critic/fake_scores'}
  assert set(histograms) == scores | {kind + layer for kind in ('weights/', 'gradients/') for layer in layers}
  assert all([step for step, _ in values] == [10, 20] for values in histograms.values())
  assert [step for step, _ in pictures['samples/generated']] == [0, 10, 20]
  assert [step for step, _ in pictures['samples/real']] == [0]
  assert b'"clip_value"' in texts['config'][0][1].string_val[0]
  top = {node.name.split('/')[0] for node in graph.node}
  assert {'generator', 'critic', 'inputs', 'real', 'fake', 'losses', 'train_critic', 'train_generator'} <= top
  assert len(top) <= 18, top


def test_three_parts_with_a_torn_checkpoint_end_where_one_does(whole, tmp_path):
  folder, variant, _ = whole
  name = os.path.join('runs', 'blog-mnist-' + variant)
  flags = ['--variant=' + variant, *SMALL, *EVERY]
  run_here(tmp_path, 'train.py', '--generator_steps=5', *flags)
  out, err = run_here(tmp_path, 'train.py', '--generator_steps=12', *flags)
  assert 'generator steps 5 to 12' in out and 'warning' not in err
  data = tmp_path / name / 'model-12.data-00000-of-00001'
  data.write_bytes(data.read_bytes()[:1000])
  out, err = run_here(tmp_path, 'train.py', '--generator_steps=20', *flags)
  assert 'generator steps 10 to 20' in out
  assert 'warning: checkpoint %s cannot be read' % os.path.join(name, 'model-12') in err
  assert_same_variables(variables(folder / name, 20), variables(tmp_path / name, 20))
  for step in (10, 20):
    path = os.path.join(name, 'samples', '%d.png' % step)
    assert (folder / path).read_bytes() == (tmp_path / path).read_bytes()


@pytest.fixture(scope='module')
def long_steps(tmp_path_factory):
  """The flags of a run of three long steps, and the variables at its end."""
  folder = tmp_path_factory.mktemp('long')
  flags = ['--preset=toy-8gaussians', '--width=4', '--batch_size=4', '--critic_steps=500', '--generator_steps=3']
  flags.append('--run_dir=r')
  run_here(folder, 'train.py', *flags)
  return flags, variables(folder / 'r', 3)


@pytest.mark.parametrize('number, status', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_between_critic_updates_saves_and_the_same_command_resumes(tmp_path, long_steps, number, status):
  flags, unharmed = long_steps
  process = start(tmp_path, 'train.py', *flags)
  deadline = time.time() + 240
  while not (tmp_path / 'r' / 'samples' / '0.png').exists():
    assert process.poll() is None and time.time() < deadline, process.communicate()
    time.sleep(0.01)
  process.send_signal(number)
  out, err = process.communicate(timeout=120)
  assert process.returncode == status
  assert 'Run the same command to resume' in out and 'Traceback' not in err
  step = int(re.search(r'Stopped at generator step (\d+) of 3', out).group(1))
  saved = variables(tmp_path / 'r', step)
  assert saved['global_step'] == step and 500 * step <= saved['critic_step'] <= 500 * (step + 1)
  out, _ = run_here(tmp_path, 'train.py', *flags)
  assert 'generator steps %d to 3' % step in out
  assert_same_variables(unharmed, variables(tmp_path / 'r', 3))


def test_resuming_with_other_flags(tmp_path):
  run_here(tmp_path, 'train.py', '--run_dir=r', '--generator_steps=2', *SMALL)
  path = tmp_path / 'r' / 'config.json'
  before = path.read_bytes()
  line = refused(tmp_path, 'train.py', '--run_dir=r', '--batch_size=8', '--dataset=digits', '--seed=3', here=True)
  assert 'batch_size=4, not 8' in line and 'seed=0, not 3' in line and 'critic_steps' not in line
  assert 'variant=clip, not gp' in refused(tmp_path, 'train.py', '--run_dir=r', '--variant=gp', *SMALL, here=True)
  for steps in (2, 1):
    out, _ = run_here(tmp_path, 'train.py', '--run_dir=r', '--generator_steps=%d' % steps, *SMALL)
    assert 'already at generator step 2' in out
  assert path.read_bytes() == before
  flags = ['--run_dir=r', '--generator_steps=3', '--save_every_steps=1']
  out, _ = run_here(tmp_path, 'train.py', *flags, '--dataset=auto', *SMALL[1:])
  assert 'generator steps 2 to 3' in out  # auto stays the data set that the run started with
  path.unlink()
  assert 'has checkpoints but no config.json' in refused(tmp_path, 'train.py', *flags, *SMALL, here=True)


def test_without_mnist_auto_warns_once_and_mnist_refuses(tmp_path):
  flags = ['--generator_steps=1', '--batch_size=4', '--critic_steps=1']
  out, err = run_here(tmp_path, 'train.py', '--data_dir=nowhere', *flags)
  assert err.count('warning:') == 1 and 'digits' in err and 'digits: 1,500 images' in out
  assert json.loads((tmp_path / 'runs/blog-mnist-clip/config.json').read_text())['dataset'] == 'digits'
  out, err = run_here(tmp_path, 'train.py', '--data_dir=nowhere', '--dataset=mnist', '--run_dir=r', *flags, status=2)
  notice, line = err.splitlines()
  assert out == 'loading    mnist\n' and notice.startswith('downloading train-images')
  assert 'cannot be downloaded' in line and line.count('refused') == 1
  assert not (tmp_path / 'r').exists()


def test_divergence_names_the_tensor_and_saves_nothing(tmp_path):
  flags = SMALL + ['--variant=gp', '--run_dir=r', '--generator_steps=4', '--critic_learning_rate=1e30']
  out, err = run_here(tmp_path, 'train.py', *flags, status=2)
  line = err.splitlines()[-1]
  assert re.search(r'diverged after 0 generator and 1 critic steps: .*(critic|generator).* has (NaN|Inf)', line), err
  assert 'there is no checkpoint' in line and 'Traceback' not in err
  assert not glob.glob(str(tmp_path / 'r' / '*.index'))


@pytest.mark.parametrize(
  'flags, words',
  [
    (['--variant=dcgan'], 'clip|gp|gan'),
    (['--preset=blog-mnist-bn', '--variant=gp'], '--critic_norm=layer'),
    (['--preset=text-char', '--dataset=mnist'], 'preset=text-char needs text'),
    (['--varant=clip'], 'variant'),
    (['--batch_size=many'], 'batch_size'),
    (['--critic_steps=0'], 'critic_steps=0: must be greater than 0'),
    (['clip'], "'clip' is not a flag"),
    (['--run_dir=file', *SMALL], 'run_dir=file'),
  ],
)
def test_a_mistake_is_one_line(tmp_path, flags, words):
  (tmp_path / 'file').write_text('in the way')
  assert words in refused(tmp_path, 'train.py', *flags, here=True)
  assert sorted(os.listdir(str(tmp_path))) == ['file']


# Runs a script where TensorFlow cannot be imported.
WITHOUT_TENSORFLOW = """
import builtins, runpy, sys
original = builtins.__import__
def without(name, *rest, **more):
  if name.split('.')[0] == 'tensorflow':
    raise ImportError(name)
  return original(name, *rest, **more)
builtins.__import__ = without
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def test_help_and_mistakes_need_no_tensorflow(tmp_path):
  for script in ('train.py', 'sample.py', 'evaluate.py'):
    path = os.path.join(ROOT, script)
    out, err = run(tmp_path, '-c', WITHOUT_TENSORFLOW, path, '--help', PYTHONPATH=ROOT)
    assert 'python %s --' % script in out.split('flags:')[0] and '--run_dir' in out and '--[no]version' in out
    assert err == ''
    line = refused(tmp_path, '-c', WITHOUT_TENSORFLOW, path, '--run_dir=nothing', '--seed=-1', PYTHONPATH=ROOT)
    assert 'seed' in line or 'nothing holds no run' in line


def test_what_is_wrong_in_the_data_or_the_run_directory_needs_no_tensorflow(tmp_path, tiny):
  (tmp_path / 'images').mkdir()
  (tmp_path / 'images' / 'a.png').write_bytes(b'no picture')
  (tmp_path / 'damaged').mkdir()
  (tmp_path / 'damaged' / 'config.json').write_text('{')
  (tmp_path / 'bare').mkdir()
  (tmp_path / 'bare' / 'model-3.index').write_bytes(b'')
  (tmp_path / 'other').mkdir()
  directory.write_config(tiny(seed=1, run_dir=str(tmp_path / 'other')))
  digits = ('train.py', '--dataset=digits')
  cases = (
    (('train.py', '--dataset=folder', '--data_path=nothing'), 'data_path=nothing: file not found'),
    (('train.py', '--dataset=folder', '--data_path=images'), 'no image in images can be read: a.png'),
    ((*digits, '--run_dir=damaged'), 'config.json'),
    ((*digits, '--run_dir=bare'), 'bare has checkpoints but no config.json'),
    ((*digits, '--run_dir=other', '--seed=2'), 'seed=1, not 2'),
    ((*digits, '--run_dir=r', '--init_from=other'), 'other has no checkpoint yet. Train it for longer'),
    (('sample.py', '--run_dir=other'), 'other has no checkpoint yet'),
    (('evaluate.py', '--run_dir=other', '--checkpoint=7'), 'other has no checkpoint yet'),
  )
  for (script, *flags), words in cases:
    line = refused(tmp_path, '-c', WITHOUT_TENSORFLOW, os.path.join(ROOT, script), *flags, PYTHONPATH=ROOT)
    assert words in line, flags
  assert not (tmp_path / 'r').exists()


def test_samples_are_drawn_from_a_run(whole):
  folder, variant, _ = whole
  run = os.path.join('runs', 'blog-mnist-' + variant)
  out, err = run_here(folder, 'sample.py', '--run_dir=' + run)
  path = os.path.join(run, 'samples', '20-seed0.png')
  assert path in out and err == ''
  assert Image.open(str(folder / path)).size == (3 * 274, 3 * 274)  # at least 600 pixels wide
  flags = '--run_dir=%s --rows=2 --scale=1 ' % run
  run_here(folder, 'sample.py', *(flags + '--seed=1 --columns=3 --output=new/grid.png').split())
  grid = np.asarray(Image.open(str(folder / 'new' / 'grid.png')))
  assert grid.shape == (2 * 34 + 2, 3 * 34 + 2)
  out, _ = run_here(folder, 'sample.py', '--run_dir=' + run, '--checkpoint_step=15')
  assert 'Generator step 15' in out and (folder / run / 'samples' / '15-seed0.png').exists()
  run_here(folder, 'sample.py', *(flags + '--interpolate --columns=9 --output=walk.png').split())
  walk = np.asarray(Image.open(str(folder / 'walk.png')), float)[2:34, 2:].reshape(32, 9, 34)[:, :, :32]
  steps = [np.abs(walk[:, i + 1] - walk[:, i]).mean() for i in range(8)]
  assert max(steps) < np.abs(walk[:, 8] - walk[:, 0]).mean()  # each step is shorter than the whole way


def test_sampling_mistakes_are_one_line(whole, tmp_path):
  folder, variant, _ = whole
  assert 'no run' in refused(tmp_path, 'sample.py')
  run = '--run_dir=' + str(folder / 'runs' / ('blog-mnist-' + variant))
  assert 'no checkpoint of step 7; it has: 15, 20' in refused(
    tmp_path, 'sample.py', run, '--checkpoint_step=7', here=True
  )
  assert 'rows' in refused(tmp_path, 'sample.py', run, '--rows=0', here=True)
  (tmp_path / 'file').write_text('in the way')
  assert 'output=file/x.png' in refused(tmp_path, 'sample.py', run, '--output=file/x.png', here=True)


def _make_text(tmp_path):
  lines = ['Zeile %d: Häuser, Wälder, %s' % (i, 'äöü' * (i % 5)) for i in range(60)]
  (tmp_path / 'text.txt').write_bytes('\n'.join(lines).encode())
  return ['--preset=text-char', '--variant=gp', '--width=8', '--data_path=../text.txt']


def _make_folder(tmp_path):
  (tmp_path / 'pictures').mkdir()
  for i in range(30):
    pixels = np.random.RandomState(i).randint(0, 256, [40, 50, 3]).astype(np.uint8)
    Image.fromarray(pixels).save(str(tmp_path / 'pictures' / ('%d.jpg' % i)))
  return ['--preset=lsun64-dcgan', '--dataset=folder', '--data_path=../pictures', '--width=2', '--ema_decay=0.9']


def _make_labelled(tmp_path):
  return ['--preset=cifar10-resnet-acgan', '--variant=gp', '--dataset=digits', '--classes=1,3', '--width=4']


@pytest.mark.parametrize(
  'make, kind, critic_steps', [(_make_text, 'txt', 20), (_make_folder, 'png', 200), (_make_labelled, 'png', 10)]
)
def test_every_form_of_data_resumes_exactly(tmp_path, make, kind, critic_steps):
  flags = make(tmp_path) + ['--batch_size=4', '--generator_batch_size=6', '--run_dir=r']
  whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
  whole.mkdir()
  run_here(whole, 'train.py', '--generator_steps=2', '--save_every_steps=1', *flags)
  shutil.copytree(str(whole), str(resumed))
  for path in (resumed / 'r').glob('**/*2.*'):
    path.unlink()
  out, _ = run_here(resumed, 'train.py', '--generator_steps=2', *flags)
  assert 'generator steps 1 to 2' in out
  values = variables(whole / 'r', 2)
  assert values['critic_step'] == critic_steps
  assert_same_variables(values, variables(resumed / 'r', 2))
  samples = os.path.join('r', 'samples', '2.' + kind)
  assert (whole / samples).read_bytes() == (resumed / samples).read_bytes()


def test_a_run_is_not_resumed_with_other_data(tmp_path):
  text = _make_text(tmp_path)
  folder = tmp_path / 'here'
  folder.mkdir()
  flags = text + ['--batch_size=4', '--critic_steps=1', '--run_dir=r']
  run_here(folder, 'train.py', '--generator_steps=1', *flags)
  path = tmp_path / 'text.txt'
  path.write_bytes(path.read_bytes().replace(b'Zeile', b'eZeil'))
  _, err = run_here(folder, 'train.py', '--generator_steps=2', *flags, status=2)
  notice, line = err.splitlines()
  assert 'lines of more than 32 characters' in notice and 'other data' in line


def test_the_plain_gan_reports_its_estimate(tmp_path):
  out, err = run_here(
    tmp_path, 'train.py', '--variant=gan', '--run_dir=r', '--generator_steps=2', '--summary_every_steps=1', *SMALL
  )
  assert 'JS estimate' in err and 'gan: generator steps 0 to 2' in out
  (path,) = glob.glob(str(tmp_path / 'r' / 'events*'))
  tags = [v.tag for event in tf.train.summary_iterator(path) for v in event.summary.value if v.HasField('simple_value')]
  groups = {'critic', 'estimate', 'learning_rate', 'loss', 'speed'}  # and no constraint
  assert {tag.split('/')[0] for tag in tags} == groups and {'estimate/train', 'estimate/held_out'} <= set(tags)


def test_points_are_drawn_over_the_critic(tmp_path):
  flags = ['--preset=toy-8gaussians', '--variant=gp', '--width=16', '--batch_size=8', '--generator_steps=1']
  for extra in ([], ['--fixed_generator']):
    run_here(tmp_path, 'train.py', '--run_dir=r%d' % len(extra), *(flags + extra))
    picture = np.asarray(Image.open(str(tmp_path / ('r%d' % len(extra)) / 'samples' / '1.png')))
    assert picture.shape == (640, 600, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100  # lines of many colours, two kinds of points
  assert not [name for name in variables(tmp_path / 'r1', 1) if name.startswith('generator/')]


def test_a_run_is_found_in_the_home_directory_and_resumed_with_an_empty_tf_config(tmp_path):
  flags = ('--preset=toy-8gaussians', '--width=2', '--batch_size=4', '--critic_steps=1', '--generator_steps=1')
  run_here(tmp_path, 'train.py', '--run_dir=~/runs/a', *flags, HOME=str(tmp_path))
  out, _ = run_here(tmp_path, 'train.py', '--run_dir=~/runs/a', '--generator_steps=2', HOME=str(tmp_path), TF_CONFIG='')
  assert 'Trained 2 generator steps. See %s' % (tmp_path / 'runs' / 'a') in out
