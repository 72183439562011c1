"""The scripts as people run them: processes in a temporary folder, on real (small) data."""

import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from tests.helpers.processes import ROOT
from wgan_tf1 import config

SMALL = ['--dataset=digits', '--width=8', '--batch_size=4', '--critic_steps=2', '--keep_checkpoints=2']
EVERY = ['--sample_every_steps=10', '--summary_every_steps=4', '--save_every_steps=5']


def _start(folder, script, *flags):
  environment = dict(os.environ, HTTP_PROXY='http://127.0.0.1:9', HTTPS_PROXY='http://127.0.0.1:9', no_proxy='')
  environment.update(http_proxy='http://127.0.0.1:9', https_proxy='http://127.0.0.1:9')  # no download in a test
  environment.pop('WGAN_DATA_DIR', None)
  environment.pop('TF_CPP_MIN_LOG_LEVEL', None)
  command = [sys.executable, os.path.join(ROOT, script)] + list(flags)
  return subprocess.Popen(
    command, cwd=str(folder), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
  )


def _run(folder, script, *flags, **kwargs):
  """Runs a script to its end; returns (standard output, standard error) after checking the exit status."""
  process = _start(folder, script, *flags)
  out, err = process.communicate(timeout=300)
  assert process.returncode == kwargs.get('status', 0), (process.returncode, out, err)
  return out, err


def _refused(folder, script, *flags):
  """Runs a script that must exit 2 with one line on standard error; returns that line."""
  out, err = _run(folder, script, *flags, status=2)
  assert 'Traceback' not in out + err
  assert len(err.strip().splitlines()) == 1, err
  return err


def _variables(run_dir, step):
  reader = tf.train.load_checkpoint(os.path.join(str(run_dir), 'model-%d' % step))
  return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def _assert_same_variables(one, two):
  assert set(one) == set(two)
  different = [name for name in one if one[name].tobytes() != two[name].tobytes()]
  assert not different


def _wait_for(path, process):
  deadline = time.time() + 240
  while not os.path.exists(str(path)):
    assert process.poll() in (None, 0), process.communicate()
    assert time.time() < deadline
    time.sleep(0.01)


@pytest.fixture(scope='module', params=['clip', 'gp'])
def whole(request, tmp_path_factory):
  """A run of 40 steps in one go: (folder, variant, what it printed)."""
  folder = tmp_path_factory.mktemp('whole_' + request.param)
  printed = _run(folder, 'train.py', '--variant=' + request.param, '--generator_steps=40', *(SMALL + EVERY))
  return folder, request.param, printed


def test_a_run_directory_holds_what_it_should(whole):
  folder, variant, (out, err) = whole
  run = folder / 'runs' / ('blog-mnist-' + variant)
  written = json.loads((run / 'config.json').read_text())
  assert (written['variant'], written['dataset'], written['batch_size'], written['clip_value']) == (
    variant, 'digits', 4, 0.01 if variant == 'clip' else None,
  )  # fmt: skip
  assert sorted(os.listdir(str(run / 'samples'))) == ['0.png', '10.png', '20.png', '30.png', '40.png']
  assert Image.open(str(run / 'samples' / '0.png')).size == (8 * 34 + 2, 8 * 34 + 2)
  assert sorted(os.path.basename(p) for p in glob.glob(str(run / '*.index'))) == ['model-35.index', 'model-40.index']
  variables = _variables(run, 40)
  assert (variables['global_step'], variables['critic_step']) == (40, 80)
  slots = ('RMSProp', 'RMSProp_1') if variant == 'clip' else ('Adam', 'Adam_1')
  assert all('critic/conv_1/weights/' + slot in variables for slot in slots)
  words = ['blog-mnist, ' + variant, 'CPU', 'runs/blog-mnist-' + variant, 'tensorboard', 'digits: 1,500 images']
  # 129 * 1024 + 9 * (64 * 32 + 32 * 16 + 16 * 8 + 8); 10 * 8 + 9 * (8 * 16 + 16 * 32 + 32 * 64) + 16 + 32 + 64 + 257
  words.append('generator of 156,360 parameters, critic of 24,641')
  assert all(word in out for word in words), out
  assert ('5e-05' in out) == (variant == 'clip')  # how to ask for the paper's learning rate
  assert '40/40' in err and re.search(r'[\d.]+steps/s', err) and 'Wasserstein estimate' in err
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
    'wasserstein_estimate', 'critic_loss', 'generator_loss', 'steps_per_second', 'validation/wasserstein_estimate',
  }  # fmt: skip
  if variant == 'gp':
    tags |= {'gradient_penalty', 'gradient_norm/mean', 'gradient_norm/maximum'}
  else:
    tags |= {'clip/share_at_bound'}
  assert set(scalars) == tags
  for values in scalars.values():
    assert [step for step, _ in values] == list(range(4, 41, 4)) and np.isfinite([v for _, v in values]).all()
  layers = [
    node.name
    for node in graph.node
    if node.op == 'VarHandleOp' and re.match('(generator|critic)/[^/]+/[^/]+$', node.name)
  ]
  assert len(layers) == 16
  assert set(histograms) == {kind + layer for kind in ('weights/', 'gradients/') for layer in layers}
  assert all([step for step, _ in values] == [20, 40] for values in histograms.values())
  assert [step for step, _ in pictures['samples']] == [0, 10, 20, 30, 40]
  assert b'"clip_value"' in texts['config'][0][1].string_val[0]
  top = {node.name.split('/')[0] for node in graph.node}
  assert {'generator', 'critic', 'inputs', 'real', 'fake', 'losses', 'train_critic', 'train_generator'} <= top
  assert len(top) <= 18, top


def test_two_parts_end_where_one_does(whole, tmp_path):
  folder, variant, _ = whole
  flags = ['--variant=' + variant] + SMALL + EVERY
  _run(tmp_path, 'train.py', '--generator_steps=25', *flags)
  out, _ = _run(tmp_path, 'train.py', '--generator_steps=40', *flags)
  assert 'generator steps 25 to 40' in out
  name = os.path.join('runs', 'blog-mnist-' + variant)
  _assert_same_variables(_variables(folder / name, 40), _variables(tmp_path / name, 40))
  for step in (30, 40):
    path = os.path.join(name, 'samples', '%d.png' % step)
    assert (folder / path).read_bytes() == (tmp_path / path).read_bytes()


def test_a_killed_run_ends_where_an_unharmed_one_does(whole, tmp_path):
  folder, variant, _ = whole
  flags = ['--variant=' + variant] + SMALL + EVERY
  run = tmp_path / 'runs' / ('blog-mnist-' + variant)
  killed = []
  for marker in ('config.json', 'samples/0.png', 'model-10.index', 'samples/20.png'):  # start, step 0, between, late
    process = _start(tmp_path, 'train.py', '--generator_steps=40', *flags)
    _wait_for(run / marker, process)
    process.kill()
    process.communicate()
    killed.append(process.returncode == -signal.SIGKILL)  # on a busy machine a late one may have come to its end
  assert killed[0]
  _run(tmp_path, 'train.py', '--generator_steps=40', *flags)
  _assert_same_variables(_variables(folder / 'runs' / run.name, 40), _variables(run, 40))


def test_a_torn_newest_checkpoint_costs_a_warning_and_no_bit(whole, tmp_path):
  folder, variant, _ = whole
  flags = ['--variant=' + variant] + SMALL + EVERY
  run = tmp_path / 'runs' / ('blog-mnist-' + variant)
  _run(tmp_path, 'train.py', '--generator_steps=10', *flags)
  data = run / 'model-10.data-00000-of-00001'
  data.write_bytes(data.read_bytes()[:1000])
  out, err = _run(tmp_path, 'train.py', '--generator_steps=40', *flags)
  assert 'warning: checkpoint %s cannot be read' % os.path.join('runs', run.name, 'model-10') in err
  assert 'generator steps 5 to 40' in out
  _assert_same_variables(_variables(folder / 'runs' / run.name, 40), _variables(run, 40))


@pytest.mark.parametrize('number, status', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_between_critic_updates_saves_and_the_same_command_goes_on(tmp_path, number, status):
  flags = [
    '--dataset=digits',
    '--width=8',
    '--batch_size=4',
    '--critic_steps=400',
    '--generator_steps=3',
    '--run_dir=r',
  ]
  process = _start(tmp_path, 'train.py', *flags)
  _wait_for(tmp_path / 'r' / 'samples' / '0.png', process)
  process.send_signal(number)
  out, err = process.communicate(timeout=120)
  assert process.returncode == status
  assert 'The same command goes on' in out and 'Traceback' not in err
  step = int(re.search(r'Stopped at generator step (\d+) of 3', out).group(1))
  variables = _variables(tmp_path / 'r', step)
  assert variables['global_step'] == step and 400 * step <= variables['critic_step'] <= 400 * (step + 1)
  out, _ = _run(tmp_path, 'train.py', *flags)
  assert 'generator steps %d to 3' % step in out
  _run(tmp_path, 'train.py', *flags[:-1], '--run_dir=unharmed')
  _assert_same_variables(_variables(tmp_path / 'unharmed', 3), _variables(tmp_path / 'r', 3))


def test_going_on_with_other_flags(tmp_path):
  _run(tmp_path, 'train.py', '--run_dir=r', '--generator_steps=2', *SMALL)
  before = (tmp_path / 'r' / 'config.json').read_bytes()
  line = _refused(tmp_path, 'train.py', '--run_dir=r', '--batch_size=8', '--dataset=digits', '--seed=3')
  assert 'batch_size=4, not 8' in line and 'seed=0, not 3' in line and 'critic_steps=2, not 5' in line
  assert 'variant=clip, not gp' in _refused(tmp_path, 'train.py', '--run_dir=r', '--variant=gp', *SMALL)
  assert (tmp_path / 'r' / 'config.json').read_bytes() == before
  out, _ = _run(tmp_path, 'train.py', '--run_dir=r', '--generator_steps=2', *SMALL)
  assert 'at generator step 2 already' in out
  assert (tmp_path / 'r' / 'config.json').read_bytes() == before
  out, _ = _run(tmp_path, 'train.py', '--run_dir=r', '--generator_steps=1', *SMALL)
  assert 'at generator step 2 already' in out
  assert (tmp_path / 'r' / 'config.json').read_bytes() == before
  out, _ = _run(
    tmp_path, 'train.py', '--run_dir=r', '--generator_steps=3', '--save_every_steps=1', '--dataset=auto', *SMALL[1:]
  )
  assert 'generator steps 2 to 3' in out  # auto stays with what the run began with


def test_checkpoints_without_their_config_are_not_gone_on_with(tmp_path):
  _run(tmp_path, 'train.py', '--run_dir=r', '--generator_steps=1', *SMALL)
  (tmp_path / 'r' / 'config.json').unlink()
  assert 'without their config.json' in _refused(tmp_path, 'train.py', '--run_dir=r', *SMALL)


def test_without_mnist_auto_warns_once_and_mnist_refuses(tmp_path):
  flags = ['--generator_steps=1', '--batch_size=4', '--critic_steps=1']
  out, err = _run(tmp_path, 'train.py', '--data_dir=nowhere', *flags)
  assert err.count('warning:') == 1 and 'digits' in err and 'digits: 1,500 images' in out
  assert json.loads((tmp_path / 'runs/blog-mnist-clip/config.json').read_text())['dataset'] == 'digits'
  line = _refused(tmp_path, 'train.py', '--data_dir=nowhere', '--dataset=mnist', '--run_dir=r', *flags)
  assert 'cannot be downloaded' in line and line.count('refused') == 1
  assert not (tmp_path / 'r').exists()


def test_divergence_names_the_tensor_and_keeps_the_good_checkpoint(tmp_path):
  flags = SMALL + ['--variant=gp', '--run_dir=r', '--generator_steps=4', '--critic_learning_rate=1e30']
  out, err = _run(tmp_path, 'train.py', *flags, status=2)
  line = err.splitlines()[-1]
  assert re.search(r'diverged after 0 generator and 1 critic steps: .*(critic|generator).* has (NaN|Inf)', line), err
  assert 'no checkpoint yet' in line and 'Traceback' not in err
  assert not glob.glob(str(tmp_path / 'r' / '*.index'))


@pytest.mark.parametrize(
  'flags, words',
  [
    (['--variant=dcgan'], 'clip|gp|gan'),
    (['--preset=blog-mnist-bn', '--variant=gp'], '--critic_norm=layer'),
    (['--preset=text-char', '--dataset=mnist'], 'preset=text-char is for text'),
    (['--varant=clip'], 'variant'),
    (['--batch_size=many'], 'batch_size'),
    (['--critic_steps=0'], 'critic_steps=0'),
    (['clip'], "'clip' is not a flag"),
    (['--run_dir=file'] + SMALL, 'run_dir=file'),
  ],
)
def test_a_mistake_is_one_line(tmp_path, flags, words):
  (tmp_path / 'file').write_text('in the way')
  assert words in _refused(tmp_path, 'train.py', *flags)
  assert sorted(os.listdir(str(tmp_path))) == ['file']


@pytest.mark.parametrize('script', ['train.py', 'sample.py', 'evaluate.py'])
def test_help_opens_with_the_commands_that_run_it(tmp_path, script):
  out, err = _run(tmp_path, script, '--help')
  assert 'python %s --' % script in out.split('flags:')[0] and '--run_dir' in out and err == ''


def test_samples_are_drawn_from_a_run(whole):
  folder, variant, _ = whole
  run = os.path.join('runs', 'blog-mnist-' + variant)
  out, err = _run(folder, 'sample.py', '--run_dir=' + run)
  path = os.path.join(run, 'samples', '40-seed0.png')
  assert path in out and err == ''
  assert Image.open(str(folder / path)).size == (274, 274)
  _run(folder, 'sample.py', '--run_dir=' + run, '--seed=1', '--rows=2', '--columns=3', '--out=new/grid.png')
  grid = np.asarray(Image.open(str(folder / 'new' / 'grid.png')))
  assert grid.shape == (2 * 34 + 2, 3 * 34 + 2)
  out, _ = _run(folder, 'sample.py', '--run_dir=' + run, '--checkpoint_step=35')
  assert 'Generator step 35' in out and (folder / run / 'samples' / '35-seed0.png').exists()
  _run(folder, 'sample.py', '--run_dir=' + run, '--interpolate', '--rows=2', '--columns=9', '--out=walk.png')
  walk = np.asarray(Image.open(str(folder / 'walk.png')), float)[2:34, 2:].reshape(32, 9, 34)[:, :, :32]
  steps = [np.abs(walk[:, i + 1] - walk[:, i]).mean() for i in range(8)]
  assert max(steps) < np.abs(walk[:, 8] - walk[:, 0]).mean()  # each step is shorter than the whole way


def test_sampling_mistakes_are_one_line(whole, tmp_path):
  folder, variant, _ = whole
  assert 'no run' in _refused(tmp_path, 'sample.py')
  run = '--run_dir=' + str(folder / 'runs' / ('blog-mnist-' + variant))
  assert 'no checkpoint of step 7; it has: 35, 40' in _refused(tmp_path, 'sample.py', run, '--checkpoint_step=7')
  assert 'rows' in _refused(tmp_path, 'sample.py', run, '--rows=0')
  (tmp_path / 'file').write_text('in the way')
  assert 'out=file/x.png' in _refused(tmp_path, 'sample.py', run, '--out=file/x.png')


def test_a_reader_that_leaves_is_no_fault():
  program = "from wgan_tf1 import cli; cli.run(lambda: print('x' * 10**6))"  # more than a pipe holds
  process = subprocess.Popen([sys.executable, '-c', program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
  process.stdout.close()
  assert process.stderr.read() == b'' and process.wait() == 141
  process.stderr.close()


def test_presets_are_listed(tmp_path):
  out, err = _run(tmp_path, 'train.py', '--list_presets')
  header, *rows, note = out.splitlines()
  assert re.split('  +', header) == ['name', 'source', 'network', 'data', 'variants', 'parameters: generator, critic']
  cells = [re.split('  +', row) for row in rows]
  assert ['blog-mnist', 'MNIST post', 'blog', 'mnist', 'clip gp gan', '2,605,632, 1,551,873'] in cells
  assert ['keras-mnist', 'Keras post', 'keras', 'mnist', 'clip gan', '851,201, 70,081'] in cells
  assert sorted({row[0] for row in cells} - {''}) == sorted(config.PRESETS)
  assert '96 characters' in note and err == '' and os.listdir(str(tmp_path)) == []


def _make_text(tmp_path):
  lines = ['Zeile %d: Häuser, Wälder, %s' % (i, 'äöü' * (i % 5)) for i in range(60)]
  (tmp_path / 'text.txt').write_bytes('\n'.join(lines).encode())
  return ['--preset=text-char', '--variant=gp', '--width=8', '--data_path=../text.txt']


def _make_folder(tmp_path):
  (tmp_path / 'pictures').mkdir()
  for i in range(30):
    pixels = np.random.RandomState(i).randint(0, 256, [40, 50, 3]).astype(np.uint8)
    Image.fromarray(pixels).save(str(tmp_path / 'pictures' / ('%d.jpg' % i)))
  return ['--preset=lsun64-dcgan', '--dataset=folder', '--data_path=../pictures', '--width=4', '--ema_decay=0.9']


def _make_labelled(tmp_path):
  return ['--preset=cifar10-resnet-acgan', '--variant=gp', '--dataset=digits', '--classes=1,3', '--width=4']


@pytest.mark.parametrize(
  'make, kind, critic_steps', [(_make_text, 'txt', 20), (_make_folder, 'png', 200), (_make_labelled, 'png', 10)]
)
def test_every_form_of_data_goes_on_exactly(tmp_path, make, kind, critic_steps):
  flags = make(tmp_path) + ['--batch_size=4', '--generator_batch_size=6', '--run_dir=r']
  whole, parts = tmp_path / 'whole', tmp_path / 'parts'
  whole.mkdir(), parts.mkdir()
  _run(whole, 'train.py', '--generator_steps=2', *flags)
  _run(parts, 'train.py', '--generator_steps=1', *flags)
  _run(parts, 'train.py', '--generator_steps=2', *flags)
  variables = _variables(whole / 'r', 2)
  assert variables['critic_step'] == critic_steps
  _assert_same_variables(variables, _variables(parts / 'r', 2))
  samples = os.path.join('r', 'samples', '2.' + kind)
  assert (whole / samples).read_bytes() == (parts / samples).read_bytes()


def test_other_data_are_not_gone_on_with(tmp_path):
  text = _make_text(tmp_path)
  folder = tmp_path / 'here'
  folder.mkdir()
  flags = text + ['--batch_size=4', '--critic_steps=1', '--run_dir=r']
  _run(folder, 'train.py', '--generator_steps=1', *flags)
  path = tmp_path / 'text.txt'
  path.write_bytes(path.read_bytes().replace(b'Zeile', b'eZeil'))
  assert 'other data' in _refused(folder, 'train.py', '--generator_steps=2', *flags)


def test_the_plain_gan_reports_its_estimate(tmp_path):
  out, err = _run(
    tmp_path, 'train.py', '--variant=gan', '--run_dir=r', '--generator_steps=2', '--summary_every_steps=1', *SMALL
  )
  assert 'JS estimate' in err and 'gan: generator steps 0 to 2' in out
  (path,) = glob.glob(str(tmp_path / 'r' / 'events*'))
  tags = [v.tag for event in tf.train.summary_iterator(path) for v in event.summary.value if v.HasField('simple_value')]
  assert set(tags) == {'js_estimate', 'validation/js_estimate', 'critic_loss', 'generator_loss', 'steps_per_second'}


def test_points_are_drawn_over_the_critic(tmp_path):
  flags = ['--preset=toy-8gaussians', '--variant=gp', '--width=16', '--batch_size=8', '--generator_steps=1']
  for extra in ([], ['--fixed_generator']):
    _run(tmp_path, 'train.py', '--run_dir=r%d' % len(extra), *(flags + extra))
    picture = np.asarray(Image.open(str(tmp_path / ('r%d' % len(extra)) / 'samples' / '1.png')))
    assert picture.shape == (640, 600, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100  # lines of many colours, two kinds of points
  assert not [name for name in _variables(tmp_path / 'r1', 1) if name.startswith('generator/')]
