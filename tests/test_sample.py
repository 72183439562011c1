"""sample.py on tiny runs of every form. What it exports is loaded by a process that does not have this package."""

import dataclasses
import os
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from tests.helpers import checkpoints
from tests.helpers.processes import refused, run, run_here
from wgan_tf1 import config, images, sampling
from wgan_tf1.data import batches
from wgan_tf1.errors import UserError
from wgan_tf1.kernels import precision
from wgan_tf1.sampling import Sampler, build_sampler

pytestmark = pytest.mark.xdist_group('sample')  # the runs are made once
APIS = ['1'] if tf.__version__.startswith('1.') else ['1', '2']

# With a step size at which two steps tell the classes apart.
RUNS = {
  'acgan': '--preset=cifar10-resnet-acgan --variant=gp --dataset=digits --width=4 --classes=0,3,5 --ema_decay=0.9 '
  '--generator_learning_rate=0.05',
  'norm': '--preset=gp-mnist --variant=clip --dataset=digits --width=4',
  'text': '--preset=text-char --variant=gp --data_path=lines.txt --width=8',
  'toy': '--preset=toy-8gaussians --variant=gp --width=16',
  'fixed': '--preset=toy-8gaussians --variant=gp --width=16 --fixed_generator',
}
DRAWN = {
  'acgan': '--run_dir=acgan',
  'acgan class': '--run_dir=acgan --class=5 --rows=2 --columns=3 --checkpoint_step=1',
  'acgan interpolation': '--run_dir=acgan --interpolate --columns=4 --seed=2',
  'norm': '--run_dir=norm --rows=2 --columns=35 --output=new/norm.png --scale=1',
  'text': '--run_dir=text --num_images=70',
  'text interpolation': '--run_dir=text --interpolate --rows=3 --columns=5 --output=new/lines.txt',
  'toy': '--run_dir=toy --seed=3',
  'fixed': '--run_dir=fixed --num_images=300 --output=fixed.png',
  'toy array': '--run_dir=toy --num_images=100 --output=points.npz',
  'acgan gif': '--run_dir=acgan --interpolate --columns=3 --output=walk.gif',
  'acgan export': '--run_dir=acgan --export=models/acgan',
  'text export': '--run_dir=text --export=models/text/',
  'toy export': '--run_dir=toy --export=empty --checkpoint_step=1',
}
# Loads what was exported, as somebody would who has nothing else, by each of the APIs that it is given.
LOADER = """
import sys
import numpy as np
import tensorflow
tf = tensorflow.compat.v1


def by_session(path, feed):
  with tf.Graph().as_default(), tf.Session() as session:
    signature = tf.saved_model.loader.load(session, ['serve'], path).signature_def['serving_default']
    assert set(signature.inputs) == set(feed)
    names = {name: output.name for name, output in signature.outputs.items()}
    return session.run(names, {signature.inputs[name].name: value for name, value in feed.items()})


def by_function(path, feed):
  serve = tensorflow.saved_model.load(path).signatures['serving_default']
  return {k: v.numpy() for k, v in serve(**{k: tensorflow.constant(v) for k, v in feed.items()}).items()}


for api in sys.argv[1:]:
  load = {'1': by_session, '2': by_function}[api]
  outputs = {}
  for path, size, labels in [('models/acgan', 128, [0, 3, 5] * 2), ('models/text', 128, None), ('empty', 2, None)]:
    feed = {'latents': np.random.RandomState(0).normal(size=[6, size]).astype(np.float32)}
    if labels:
      feed['labels'] = np.array(labels, np.int32)
    outputs.update(load(path, feed))
    if labels:
      try:
        load(path, dict(feed, labels=np.array([0, 3, 5, 0, 3, 4], np.int32)))
      except tf.errors.InvalidArgumentError:
        outputs['refused'] = True
  outputs['text'] = np.array([line.decode('utf-8') for line in outputs['text']])
  np.savez('loaded-%s.npz' % api, **outputs)
"""


def _contents(folder):
  """Returns {path: bytes} of the files of all runs except their samples."""
  paths = [os.path.join(root, n) for run in RUNS for root, _, names in os.walk(str(folder / run)) for n in names]
  return {path: open(path, 'rb').read() for path in paths if os.path.basename(os.path.dirname(path)) != 'samples'}


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  """A folder with the checkpoints 1 and 2 of each of `RUNS`."""
  folder = tmp_path_factory.mktemp('runs')
  (folder / 'lines.txt').write_bytes('καλημέρα κόσμε\nnaïve café\n日本語\nplain ASCII\n'.encode() * 2)
  common = '--batch_size=4 --critic_steps=1 --generator_steps=2 --save_every_steps=1 --run_dir='
  for name, flags in RUNS.items():
    run_here(folder, 'train.py', *(flags + ' ' + common + name).split())
  return folder


@pytest.fixture(scope='module')
def drawn(runs):
  """What each of `DRAWN` printed. Nothing in the runs changed, except for new files in samples/."""
  before = _contents(runs)
  assert len(before) == 10 * len(RUNS)  # config.json, .lock, events, checkpoint, and two files of each of the two
  (runs / 'empty').mkdir()
  printed = {}
  for name, flags in DRAWN.items():
    printed[name], err = run_here(runs, 'sample.py', *flags.split())
    assert err == '', (name, err)
  assert _contents(runs) == before
  return printed


@pytest.fixture(scope='module')
def _loaded(runs, drawn):
  run(runs, '-c', LOADER, *APIS, TF_CPP_MIN_LOG_LEVEL='3')
  return {api: np.load(str(runs / ('loaded-%s.npz' % api))) for api in APIS}


@pytest.fixture(params=APIS)
def loaded(request, _loaded):
  """What the exported models make of six latents of seed 0, in a process that has nothing else."""
  return _loaded[request.param]


def _generate(runs, name, latents, labels=None, step=None):
  return sampling.generate(config.load(str(runs / name)), latents, labels, step)[1]


def _latents(count, seed=0):
  return np.random.RandomState(seed).normal(size=[count, 128])


def _read(path, scale=1):
  """Returns the pixels of a picture, each of which is `scale` pixels wide and high."""
  pixels = np.asarray(Image.open(str(path)))
  small = pixels[::scale, ::scale]
  assert (small.repeat(scale, axis=0).repeat(scale, axis=1) == pixels).all()
  return small


def test_classes_have_a_column_each(runs, drawn):
  assert drawn['acgan'] == 'Generator step 2: 24 images of 0, 3, 5 in acgan/samples/2-seed0.png\n'
  expected = _generate(runs, 'acgan', _latents(24), [0, 3, 5] * 8)
  assert (_read(runs / 'acgan/samples/2-seed0.png', 6) == images.grid(expected, 3)).all()
  assert (_generate(runs, 'acgan', _latents(24), [5, 0, 3] * 8) != expected).any(axis=(1, 2, 3)).all()


def test_one_class_alone_at_an_earlier_step(runs, drawn):
  assert drawn['acgan class'] == 'Generator step 1: 6 images of 5 in acgan/samples/1-seed0-class5.png\n'
  expected = images.grid(_generate(runs, 'acgan', _latents(6), [5] * 6, 1), 3)
  assert (_read(runs / 'acgan/samples/1-seed0-class5.png', 6) == expected).all()


def test_an_interpolation_stays_in_its_class(runs, drawn):
  assert '12 images of 0, 3, 5 in acgan/samples/2-seed2-interpolation.png' in drawn['acgan interpolation']
  start, end = np.random.RandomState(2).normal(size=[2, 3, 128])
  grid = _read(runs / 'acgan/samples/2-seed2-interpolation.png', 5)
  cells = grid[2:, 2:].reshape(3, 34, 4, 34, 3)[:, :32, :, :32].transpose(0, 2, 1, 3, 4).astype(int)
  for column, latents in ((0, start), (3, end)):
    assert np.abs(cells[:, column] - _generate(runs, 'acgan', latents, [0, 3, 5])).max() <= 1


def test_averaged_weights_give_the_samples_of_the_training(runs):
  # Of the run's own latents, which training drew its picture from; the averages are in no other place of it.
  with tf.Graph().as_default(), tf.Session() as session:
    latents = session.run(tf.random.stateless_normal([24, 128], [0, -1]))
  grid = images.grid(_generate(runs, 'acgan', latents, [0, 3, 5] * 8), 3).astype(int)
  assert np.abs(grid - _read(runs / 'acgan/samples/2.png')).max() <= 1


def test_pixels_range_from_the_pixel_minimum_of_the_run(runs, drawn):
  run_config = config.load(str(runs / 'norm'))
  assert run_config.pixel_minimum == 0
  with tf.Graph().as_default(), tf.Session() as session:
    sampler = build_sampler(run_config)
    tf.train.Saver(sampler.variables).restore(session, str(runs / 'norm/model-2'))
    values = session.run(sampler.samples, {sampler.latents: _latents(70)})
  expected = images.grid(np.rint(values * 255).astype(np.uint8), 35).astype(int)
  assert drawn['norm'] == 'Generator step 2: 70 images in new/norm.png\n'
  assert np.abs(expected[:, :, 0] - _read(runs / 'new/norm.png')).max() <= 1


@pytest.mark.parametrize('name, labels', [('norm', None), ('acgan', np.array([0, 3, 5] * 24)[:70])])
def test_a_sample_does_not_depend_on_its_neighbours(runs, name, labels):
  latents = _latents(70)
  whole = _generate(runs, name, latents, labels).astype(int)
  backwards = _generate(runs, name, latents[::-1], None if labels is None else labels[::-1])[::-1]
  assert np.abs(whole - backwards).max() <= 1
  for i in (0, 69):
    alone = _generate(runs, name, latents[i : i + 1], None if labels is None else labels[i : i + 1])
    assert np.abs(whole[i] - alone).max() <= 1


def test_text_is_utf_8_whatever_the_locale(runs, drawn):
  c_locale = dict(LC_ALL='C', PYTHONUTF8='0', PYTHONCOERCECLOCALE='0', PYTHONIOENCODING='ascii')
  out, err = run(runs, 'sample.py', *DRAWN['text'].split(), **c_locale)
  assert (out, err) == (drawn['text'], '')


def test_text_is_lines_on_standard_output(runs, drawn):
  lines = drawn['text'].split('\n')
  assert lines.pop() == '' and lines == _generate(runs, 'text', _latents(70))
  assert len(lines) == 70 and max(map(len, lines)) <= 32
  assert set('αé日') <= set(drawn['text'])
  assert set(drawn['text']) <= set(config.load(str(runs / 'text')).vocabulary + '\u00b6')


def test_text_interpolates_into_a_file(runs, drawn):
  assert drawn['text interpolation'] == 'Generator step 2: 15 lines in new/lines.txt\n'
  lines = (runs / 'new/lines.txt').read_bytes().decode().split('\n')[:-1]
  start, end = np.random.RandomState(0).normal(size=[2, 3, 128])
  assert len(lines) == 15
  assert lines[0::5] == _generate(runs, 'text', start) and lines[4::5] == _generate(runs, 'text', end)


def test_points_are_plotted(runs, drawn):
  assert drawn['toy'] == 'Generator step 2: 512 points in toy/samples/2-seed3.png\n'
  assert drawn['fixed'] == 'Generator step 2: 300 points in fixed.png\n'
  for path in (runs / 'toy/samples/2-seed3.png', runs / 'fixed.png'):
    colours = set(map(tuple, _read(path).reshape(-1, 3)))
    assert {(255, 127, 14), (44, 160, 44)} <= colours  # tab:orange, tab:green


def test_points_are_saved_as_an_array(runs, drawn):
  assert drawn['toy array'] == 'Generator step 2: 100 points in points.npz\n'
  with np.load(str(runs / 'points.npz')) as archive:
    points = archive['points']
  assert points.dtype == np.float32 and archive.files == ['points']
  expected = _generate(runs, 'toy', np.random.RandomState(0).normal(size=[100, 2]))
  np.testing.assert_allclose(points, expected, rtol=1e-5, atol=1e-6)


def test_an_animated_walk_ends_where_the_row_of_a_grid_does(runs, drawn):
  assert drawn['acgan gif'] == 'Generator step 2: 9 images of 0, 3, 5 in walk.gif\n'
  start, end = np.random.RandomState(0).normal(size=[2, 3, 128])
  with Image.open(str(runs / 'walk.gif')) as animation:
    assert animation.n_frames == 4  # there, and back to the start
    for frame, latents in ((0, start), (2, end)):
      animation.seek(frame)
      expected = images.grid(_generate(runs, 'acgan', latents, [0, 3, 5]), 2).astype(int)
      scale = animation.size[0] // expected.shape[1]
      shown = np.asarray(animation.convert('RGB'))[::scale, ::scale]
      assert shown.shape == expected.shape and np.abs(shown - expected).mean() < 4  # in 256 colours


@pytest.mark.parametrize('name, real_count', [('toy', 512), ('fixed', 3000)])
def test_points_are_plotted_with_the_trained_networks(runs, monkeypatch, name, real_count):
  """Also of more points than are held out."""
  calls = []

  def points(model, real, latents):
    variables = model.graph.generator_variables + model.graph.critic_variables
    calls.append((real.shape, latents.shape, model.session.run({v.op.name: v for v in variables})))

  monkeypatch.setattr(sampling, 'points', points)
  assert sampling.plot_points(config.load(str(runs / name)), np.zeros([3000, 2]), 1) == (1, None)
  ((real_shape, latents_shape, variables),) = calls
  assert (real_shape, latents_shape) == ((real_count, 2), (3000, 2))
  assert len(variables) == (16 if name == 'toy' else 8)
  saved = checkpoints.variables(runs / name, 1)
  checkpoints.assert_same_variables(variables, {name: saved[name] for name in variables})


def test_an_exported_model_makes_what_sample_makes(runs, drawn, loaded):
  assert drawn['text export'] == 'Generator step 2: a SavedModel in models/text/\n'
  assert set(loaded.files) == {'images', 'text', 'points', 'refused'}  # the last is of a class not trained on
  assert (loaded['images'].dtype, loaded['images'].shape) == (np.uint8, (6, 32, 32, 3))
  assert np.abs(loaded['images'].astype(int) - _generate(runs, 'acgan', _latents(6), [0, 3, 5] * 2)).max() <= 1
  assert loaded['text'].tolist() == drawn['text'].split('\n')[:6]
  assert (loaded['points'].dtype, loaded['points'].shape) == (np.float32, (6, 2))
  with tf.Graph().as_default(), tf.Session() as session:
    sampler = build_sampler(config.load(str(runs / 'toy')))
    tf.train.Saver(sampler.variables).restore(session, str(runs / 'toy/model-1'))
    points = session.run(sampler.samples, {sampler.latents: np.random.RandomState(0).normal(size=[6, 2])})
  np.testing.assert_allclose(loaded['points'], points, rtol=1e-5, atol=1e-6)


def test_an_exported_model_has_the_averaged_weights_and_no_others(runs, drawn):
  exported = tf.train.load_checkpoint(str(runs / 'models/acgan/variables/variables'))
  trained = checkpoints.variables(runs / 'acgan', 2)
  names = exported.get_variable_to_shape_map()
  assert 'generator/block_1/norm_1/moving_mean' in names and all(name.startswith('generator/') for name in names)
  for name in names:
    average = name if '/moving_' in name else name + '/ExponentialMovingAverage'
    assert (exported.get_tensor(name) == trained[average]).all(), name


def test_an_exported_model_names_no_gradient_of_this_package(runs, tmp_path, monkeypatch):
  monkeypatch.setattr(precision, '_is_deep', lambda *_: True)  # as large layers are
  gradients, portable = [], sampling._make_portable

  def read(path):
    model = sampling.saved_model_pb2.SavedModel()
    with open(path, 'rb') as f:
      model.ParseFromString(f.read())
    gradients.append([n.name for n in model.meta_graphs[0].graph_def.node if '_gradient_op_type' in n.attr])

  def make_portable(path):
    read(path)
    portable(path)
    read(path)

  monkeypatch.setattr(sampling, '_make_portable', make_portable)
  sampling.export(config.load(str(runs / 'norm')), str(tmp_path / 'model'))
  before, after = gradients
  assert before and not after


def test_a_directory_is_exported_whole_or_not_at_all(runs, tmp_path, monkeypatch):
  run_config = config.load(str(runs / 'toy'))

  def fail(path):
    assert os.path.exists(path)  # the model was written, and is then removed
    raise OSError('no space')

  with monkeypatch.context() as patch:
    patch.setattr(sampling, '_make_portable', fail)
    with pytest.raises(UserError, match='model cannot be written: no space'):
      sampling.export(run_config, str(tmp_path / 'model'))
  assert os.listdir(str(tmp_path)) == []
  (tmp_path / 'plain').mkdir()
  assert sampling.export(run_config, str(tmp_path / 'model')) == 2
  assert sorted(os.listdir(str(tmp_path))) == ['model', 'plain']
  assert (tmp_path / 'model').stat().st_mode == (tmp_path / 'plain').stat().st_mode
  with pytest.raises(UserError, match='cannot be written'):
    sampling.export(run_config, str(tmp_path / 'model'))
  assert sorted(os.listdir(str(tmp_path))) == ['model', 'plain']


def _served(run_config, samples):
  with tf.Graph().as_default(), tf.Session() as session:
    placeholder = tf.placeholder(tf.float32, [None, *samples.shape[1:]])
    return session.run(sampling._served(run_config, Sampler(None, None, placeholder, {})), {placeholder: samples})


@pytest.mark.parametrize('preset', ['blog-mnist', 'gp-mnist'])
def test_served_images_are_those_of_to_uint8(preset):
  run_config = config.make(preset)
  samples = np.random.RandomState(0).uniform(-1.2, 1.2, size=[2, 50, 50, 1]).astype(np.float32)
  served = _served(run_config, samples)['images']
  assert served.dtype == np.uint8 and set(served.ravel()) >= {0, 255}
  assert (served == images.to_uint8(samples, run_config.pixel_minimum)).all()


@pytest.fixture(params=[-1.0, 0.0], ids=['tanh', 'sigmoid'])
def perfect(request):
  """Makes what a perfect generator makes: (config, the grey levels uint8 [8, 16, 16, 1], samples of them)."""

  def make(dequantize, noise):
    run_config = dataclasses.replace(
      config.make('blog-mnist'), dequantize=dequantize, pixel_minimum=request.param, latent_size=2
    )
    levels = np.arange(8 * 256).astype(np.uint8).reshape(8, 16, 16, 1)
    return run_config, levels, batches.encode(run_config, levels, np.uint16(noise))

  return make


# Without dequantisation, and with the least and the most noise that training adds.
every_noise = pytest.mark.parametrize('dequantize, noise', [(False, 0), (True, 0), (True, 65535)])


@every_noise
def test_served_images_give_back_every_grey_level(perfect, dequantize, noise):
  run_config, levels, samples = perfect(dequantize, noise)
  assert (_served(run_config, samples)['images'] == levels).all()


@every_noise
def test_grids_and_samples_give_back_every_grey_level(perfect, dequantize, noise, monkeypatch):
  run_config, levels, samples = perfect(dequantize, noise)

  class Session:
    def run(self, tensor):
      return samples

  model = sampling.Model(run_config, types.SimpleNamespace(samples=None), Session())
  assert (sampling.grid(model) == images.grid(levels, columns=1)).all()

  def build(config):
    latents = tf.placeholder(tf.float32, [None, 2])
    return Sampler(latents, None, tf.constant(samples) + 0 * latents[0, 0], {'v': tf.Variable(0.0)})

  monkeypatch.setattr(sampling, 'build_sampler', build)
  monkeypatch.setattr(sampling, '_restore', lambda *_: 1)
  step, drawn = sampling.generate(run_config, np.zeros([8, 2]))
  assert step == 1 and (np.stack(drawn) == levels).all()


def test_served_text_is_that_of_decode_text():
  run_config = config.make('text-char', 'gp', vocabulary='\na\\é日\0 \U0001f600')
  tokens = np.array([[3, 4, 0, 0], [0, 0, 0, 0], [0, 2, 0, 1], [5, 6, 7, 5], [1, 6, 6, 0]])
  served = _served(run_config, np.eye(8, dtype=np.float32)[tokens])['text']
  assert [line.decode('utf-8') for line in served] == ['é日', '', '¶\\¶a', '\0 \U0001f600\0', 'a  ']


@pytest.mark.parametrize(
  'flags, words',
  [
    ('--run_dir=norm --class=3', '--class=3: preset=gp-mnist is not class-conditional'),
    ('--run_dir=text --class=0', '--class=0: preset=text-char is not'),
    ('--run_dir=acgan --class=4', '--class=4: must be one of 0, 3, 5, the classes of acgan'),
    ('--run_dir=acgan --class=-1', '--class=-1: must be one of 0, 3, 5'),
    ('--run_dir=acgan --class=shoe', '--class=shoe: must be one of 0, 3, 5'),
    ('--run_dir=toy --interpolate', '--interpolate has no effect on points'),
    ('--run_dir=text --interpolate --num_images=3', '--num_images has no effect with --interpolate'),
    ('--run_dir=norm --rows=3 --num_images=3', '--num_images has no effect with --rows. Leave one of them out'),
    ('--run_dir=text --rows=3', '--rows has no effect on text. Use --num_images'),
    ('--run_dir=toy --columns=3', '--columns has no effect on points. Use --num_images'),
    ('--run_dir=text --num_images=0', 'num_images'),
    ('--run_dir=text --count=3 --num_images=3', '--count is the old name of --num_images. Leave it out'),
    ('--run_dir=norm --out=a.bmp', 'output=a.bmp: the name must end with .png, .jpg, .jpeg, .webp, .gif, .npz, .npy'),
    ('--run_dir=norm --output=none', 'output=none: the name must end with .png'),
    ('--run_dir=norm --output=.png', 'output=.png: the name must end with .png'),
    ('--run_dir=text --output=a.png', 'output=a.png: the name must end with .txt. Without --output, lines go to'),
    ('--run_dir=toy --output=a.gif', 'output=a.gif: the name must end with .png, .jpg, .jpeg, .webp, .npz, .npy'),
    ('--run_dir=toy --output=a/', 'output=a/: the name must end with .png'),
    ('--run_dir=norm --output=norm/', 'output=norm/ already exists and is not an empty folder. Use another one'),
    ('--run_dir=norm --output=lines.txt/', 'output=lines.txt/ already exists and is not an empty folder'),
    ('--run_dir=norm --output=norm', 'output=norm cannot be written: it is a directory, not a file. Use a name that'),
    ('--run_dir=norm --output=a.npy --scale=2', '--scale has no effect on .npy. Leave it out'),
    ('--run_dir=text --scale=2', '--scale has no effect on lines'),
    ('--run_dir=fixed --output=a.npy', 'its points can only be plotted'),
    (
      '--run_dir=norm --num_images=300000 --output=a.jpg',
      'output=a.jpg: 16442 x 16442 pixels are too many. Use a smaller --scale',
    ),
    ('--run_dir=norm --rows=100000', 'rows'),
    ('--run_dir=norm --columns=600 --output=a.webp', 'output=a.webp: 18002 x 242 pixels are'),
    ('--run_dir=text --timelapse', '--timelapse has no effect on text'),
    ('--run_dir=norm --timelapse --seed=1', '--seed has no effect with --timelapse'),
    ('--run_dir=norm --timelapse --output=a.png', 'output=a.png: the name must end with .gif, .webp'),
    ('--run_dir=norm --latents=lines.txt --seed=1', '--seed has no effect with --latents'),
    ('--run_dir=norm --latents=lines.txt', 'latents=lines.txt cannot be read'),
    ('--run_dir=norm --latents=nothing.npy', 'latents=nothing.npy cannot be read: No such file'),
    ('--run_dir=fixed --export=model', 'it has no generator to export'),
    ('--run_dir=norm --export=norm', 'export=norm already exists'),
    ('--run_dir=norm --export=lines.txt', 'export=lines.txt already exists'),
    ('--run_dir=norm --export=model --seed=1', '--seed has no effect with --export'),
    ('--run_dir=nothing --export=model', 'nothing holds no run'),
  ],
)
def test_a_mistake_is_one_line(runs, flags, words):
  before = sorted(os.listdir(str(runs)))
  assert words in refused(runs, 'sample.py', *flags.split(), here=True)
  assert sorted(os.listdir(str(runs))) == before


def test_output_follows_links_and_refuses_what_is_no_file(runs, tmp_path):
  (tmp_path / 'link.png').symlink_to('grid.png')
  os.mkfifo(str(tmp_path / 'pipe'))
  (tmp_path / 'to_pipe').symlink_to('pipe')
  out = '--output=%s' % (tmp_path / 'link.png')
  run_here(runs, 'sample.py', '--run_dir=norm', '--rows=1', '--columns=2', '--scale=1', out)
  assert (tmp_path / 'link.png').is_symlink() and _read(tmp_path / 'grid.png').shape[:2] == (30 + 2, 2 * 30 + 2)
  for path, kind in ((tmp_path / 'pipe', 'pipe'), (tmp_path / 'to_pipe', 'pipe'), ('/dev/stdout', 'device'),
                     ('/dev/null', 'device'), (tmp_path, 'directory')):  # fmt: skip
    line = refused(runs, 'sample.py', '--run_dir=text', '--output=%s' % path, here=True)
    said = (
      'output=%s cannot be written: it is a %s, not a file. Use a name that ends with .txt. Without --output, lines'
    )
    assert said % (path, kind) in line
  assert (tmp_path / 'pipe').is_fifo() and (tmp_path / 'to_pipe').is_symlink()


def test_what_is_found_late_is_refused_too(runs):
  before = sorted(os.listdir(str(runs)))
  assert 'output=lines.txt/x.txt cannot be written' in refused(
    runs, 'sample.py', '--run_dir=text', '--output=lines.txt/x.txt', here=True
  )
  toy, norm = (config.load(str(runs / name)) for name in ('toy', 'norm'))
  for draw in (
    lambda: sampling.plot_points(toy, np.zeros([9, 2]), 7),
    lambda: sampling.generate(norm, _latents(1), None, 7),
    lambda: sampling.export(norm, str(runs / 'model'), 7),
  ):
    with pytest.raises(UserError, match='no checkpoint of step 7; it has: 1, 2'):
      draw()
  with pytest.raises(UserError, match='lines.txt/model cannot be written'):
    sampling.export(norm, str(runs / 'lines.txt' / 'model'))
  assert sorted(os.listdir(str(runs))) == before
