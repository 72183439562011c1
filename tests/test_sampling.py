"""sample.py's flags and files, with a generator that is a table; and what BUILD.md says about exported models."""

import contextlib
import os
import re
import sys
import tracemalloc

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from tests.helpers.processes import ROOT, refused, run, run_here
from wgan_tf1 import config as configs
from wgan_tf1 import images, latents, sampling
from wgan_tf1.runs import directory

SIZE = 32
# Runs a script in a process where an import of TensorFlow fails.
WITHOUT_TENSORFLOW = """
import importlib.util
import runpy
import sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: name == 'tensorflow' or find_spec(name, *rest)
sys.modules['tensorflow'] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def _image(latent, label):
  """What the table has for a latent: its first numbers as grey levels, and its label in a corner."""
  pixels = np.resize(np.float32(latent) * 40 + 128, [SIZE, SIZE, 3]).clip(0, 255).astype(np.uint8)
  pixels[0, 0] = label
  return pixels


def _expected(values, labels):
  return np.stack([_image(*pair) for pair in zip(values, labels)])


def _normal(count, seed=0):
  return np.random.RandomState(seed).normal(size=[count, 128])


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """A folder with runs whose checkpoint is empty: of images, of named classes; sampled by `_image`."""
  classes = dict(dataset='folder', data_path='photos', class_count=3, class_names='cat/dog/7')
  for name, config in (
    ('plain', configs.make('cifar10-resnet', 'gp', run_dir=str(tmp_path / 'plain'))),
    ('named', configs.make('cifar10-resnet-acgan', 'gp', run_dir=str(tmp_path / 'named'), **classes)),
  ):
    (tmp_path / name).mkdir()
    directory.write_config(config)
    (tmp_path / name / 'model-5.index').write_bytes(b'')

  @contextlib.contextmanager
  def generator(config, checkpoint_step):
    yield checkpoint_step or 5, lambda z, labels: _expected(z, [0] * len(z) if labels is None else labels)

  monkeypatch.setattr(sampling, 'generator', generator)
  return tmp_path


def _sample(folder, *flags):
  """Returns what sample.py prints."""
  out, err = run_here(folder, 'sample.py', *flags)
  assert err == '', err
  return out


def _read(path, scale=1):
  with Image.open(str(path)) as picture:
    return np.asarray(picture.convert('RGB'))[::scale, ::scale]


def test_the_same_flags_draw_the_same_samples_into_any_file(folder):
  expected = _expected(_normal(70, 3), [0] * 70)
  flags = ['--run_dir=plain', '--seed=3', '--num_images=70']
  for name in ('a.npy', 'a.npz', 'a.png', 'a.webp', 'a/'):
    assert _sample(folder, '--output=' + name, *flags) == 'Generator step 5: 70 images in %s\n' % name
  assert (np.load(str(folder / 'a.npy')) == expected).all()
  with np.load(str(folder / 'a.npz')) as archive:
    assert archive.files == ['images'] and (archive['images'] == expected).all()
  names = ['seed3-%05d.png' % i for i in range(70)]
  assert sorted(os.listdir(str(folder / 'a'))) == names
  assert all((_read(folder / 'a' / name) == image).all() for name, image in zip(names, expected))
  for name in ('a.png', 'a.webp'):  # nine to a row, so that the grid is about square
    assert (_read(folder / name, 2) == images.grid(expected, 9)).all()
    assert _read(folder / name).shape[1] == 2 * (9 * 34 + 2) >= 600


def test_scale_is_nearest_neighbour(folder):
  expected = _expected(_normal(3), [0] * 3)
  _sample(folder, '--run_dir=plain', '--num_images=3', '--scale=3', '--output=a.png')
  _sample(folder, '--run_dir=plain', '--num_images=3', '--scale=3', '--output=a/')
  assert (_read(folder / 'a.png') == images.grid(expected, 3).repeat(3, axis=0).repeat(3, axis=1)).all()
  assert (_read(folder / 'a/seed0-00002.png') == expected[2].repeat(3, axis=0).repeat(3, axis=1)).all()


def test_classes_by_name_and_number(folder):
  for word, label in (('cat', 0), ('dog', 1), ('7', 2), ('0', 0)):
    _sample(folder, '--run_dir=named', '--class=' + word, '--num_images=5', '--output=a.npz')
    with np.load(str(folder / 'a.npz')) as archive:
      assert archive['labels'].tolist() == [label] * 5
      assert (archive['images'] == _expected(_normal(5), [label] * 5)).all()
  line = refused(folder, 'sample.py', '--run_dir=named', '--class=shoe', here=True)
  assert '--class=shoe: must be one of cat, dog, 7, the classes of named' in line
  out = _sample(folder, '--run_dir=named', '--class=dog')
  assert (
    '64 images of dog in named/samples/5-seed0-class1.png' in out
  )  # a name may have characters that a file must not have


def test_the_classes_are_told_in_the_order_of_their_columns(folder):
  assert '24 images of cat, dog, 7 in' in _sample(folder, '--run_dir=named')
  assert '1 image of cat in' in _sample(folder, '--run_dir=named', '--num_images=1')


def test_files_of_a_folder_are_named_by_class_and_seed(folder):
  _sample(folder, '--run_dir=named', '--num_images=7', '--output=a/', '--seed=12')
  names = ['class%d-seed12-%05d.png' % (i % 3, i) for i in range(7)]
  assert sorted(os.listdir(str(folder / 'a'))) == sorted(names)
  assert [_read(folder / 'a' / name)[0, 0, 0] for name in names] == [0, 1, 2, 0, 1, 2, 0]
  _sample(folder, '--run_dir=named', '--interpolate', '--columns=2', '--output=walks/')
  names = ['class%d-seed0-walk%d-%05d.png' % (i // 2, i // 2, i % 2) for i in range(6)]
  assert sorted(os.listdir(str(folder / 'walks'))) == names


def test_latents_of_a_file(folder):
  values = np.random.RandomState(9).normal(size=[5, 128]).astype(np.float32)
  np.save(str(folder / 'z.npy'), values)
  out = _sample(folder, '--run_dir=plain', '--latents=z.npy', '--scale=1')
  path = os.path.join('plain', 'samples', '5-latents.png')
  assert out == 'Generator step 5: 5 images in %s\n' % path
  assert (_read(folder / path) == images.grid(_expected(values, [0] * 5), 5)).all()
  _sample(folder, '--run_dir=named', '--latents=z.npy', '--output=a/')
  assert sorted(os.listdir(str(folder / 'a')))[0] == 'class0-latents-00000.png'
  _sample(folder, '--run_dir=plain', '--latents=z.npy', '--interpolate', '--columns=3', '--output=a.npy')
  walks = latents.interpolate(values[:-1], values[1:], 3)  # from each to the next
  assert (np.load(str(folder / 'a.npy')) == _expected(walks, [0] * 12)).all()


@pytest.mark.parametrize('name', ['walk.gif', 'walk.webp'])
def test_a_walk_is_animated(folder, name):
  flags = ['--run_dir=named', '--interpolate', '--output=' + name]
  assert _sample(folder, *flags) == 'Generator step 5: 96 images of cat, dog, 7 in %s\n' % name  # 32 of each
  with Image.open(str(folder / name)) as animation:
    assert (animation.n_frames, animation.is_animated) == (62, True)
    assert animation.size[0] >= 600


def test_a_time_lapse_needs_no_tensorflow(folder):
  (folder / 'plain' / 'samples').mkdir()
  for step in (0, 50):
    Image.new('RGB', (20, 20), (step, 0, 0)).save(str(folder / 'plain' / 'samples' / ('%d.png' % step)))
  flags = ['--run_dir=plain', '--timelapse', '--scale=10']
  out, _ = run(folder, '-c', WITHOUT_TENSORFLOW, os.path.join(ROOT, 'sample.py'), *flags, PYTHONPATH=ROOT)
  path = os.path.join('plain', 'samples', 'timelapse.gif')
  assert out == 'Generator steps 0 to 50: 2 frames in %s\n' % path
  with Image.open(str(folder / path)) as animation:
    assert (animation.n_frames, animation.size) == (2, (200, 228))


def test_samples_stream_through_memory_that_does_not_grow(folder):
  """tracemalloc counts NumPy's arrays. 6,000 samples have 18 MB, and their latents 6 MB."""
  _sample(folder, '--run_dir=plain', '--num_images=1', '--output=warm.npz')  # what is imported stays
  for name in ('a.npz', 'a.npy', 'a/'):
    count = 600 if name == 'a/' else 6000
    tracemalloc.start()
    try:
      _sample(folder, '--run_dir=plain', '--num_images=%d' % count, '--output=' + name)
      peak = tracemalloc.get_traced_memory()[1]
    finally:
      tracemalloc.stop()
    assert peak < (1.5e6 if name == 'a/' else 5e6), (name, peak)
  assert np.load(str(folder / 'a.npy'), mmap_mode='r').shape == (6000, SIZE, SIZE, 3)


def test_a_bar_counts_every_sample(folder, monkeypatch):
  bars = []

  @contextlib.contextmanager
  def progress(*arguments):
    bars.append([*arguments, 0])

    def advance(count):
      bars[-1][-1] += count

    yield advance

  monkeypatch.setattr('wgan_tf1.progress.progress', progress)
  _sample(folder, '--run_dir=plain', '--num_images=150', '--output=a.npy')
  assert bars == [['drawing samples', 150, 'images', 150]]


def test_old_names_of_flags_go_on_working_with_a_notice(folder):
  out, err = run_here(folder, 'sample.py', '--run_dir=plain', '--count=3', '--out=a.npy')
  assert out == 'Generator step 5: 3 images in a.npy\n' and np.load(str(folder / 'a.npy')).shape[0] == 3
  said = 'warning: --%s is now --%s. The next version will not have the old name\n'
  assert err == said % ('count', 'num_images') + said % ('out', 'output')


def test_a_data_path_is_accepted(folder):
  assert '64 images' in _sample(folder, '--run_dir=plain', '--data_path=moved/elsewhere', '--output=a.npy')


@pytest.mark.parametrize(
  'values, words',
  [
    (np.zeros([3, 64]), 'latents=z.npy: must be an array [N, 128] of numbers, the latents of this run; it is float64'),
    (np.full([3, 128], np.nan), 'latents=z.npy: row 0 has a value that is not a finite float32. Replace it'),
    (np.zeros([1, 128]), 'latents=z.npy: must have two rows or more with --interpolate'),
  ],
)
def test_latents_that_cannot_be_used(folder, values, words):
  np.save(str(folder / 'z.npy'), values)
  line = refused(folder, 'sample.py', '--run_dir=plain', '--latents=z.npy', '--interpolate', here=True)
  assert words in line and not (folder / 'plain' / 'samples').exists()


def test_names_that_say_nothing_are_refused_before_tensorflow_is_loaded(folder):
  arguments = [os.path.join(ROOT, 'sample.py'), '--run_dir=plain', '--output=a.tiff']
  line = refused(folder, '-c', WITHOUT_TENSORFLOW, *arguments, PYTHONPATH=ROOT)
  assert 'output=a.tiff: the name must end with .png' in line and sorted(os.listdir(str(folder))) == ['named', 'plain']


def _examples():
  """Returns the two Python examples of the section about exported models: for TensorFlow, for TensorFlow Lite."""
  with open(os.path.join(ROOT, 'BUILD.md'), encoding='utf-8') as f:
    section = f.read().split('\n## Exported models\n')[1].split('\n## ')[0]
  blocks = re.findall(r'\n\n((?:    .*\n|\n)+)', section)
  examples = [re.sub('^    ', '', block, flags=re.MULTILINE) for block in blocks if 'import' in block]
  assert len(examples) == 2
  return examples


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
  """A folder with a run of images, the first 64 of seed 0, and the model that the examples load."""
  where = tmp_path_factory.mktemp('exported')
  flags = '--dataset=digits --width=8 --batch_size=4 --critic_steps=1 --generator_steps=2'
  run_here(where, 'train.py', '--preset=gp-mnist', '--variant=clip', '--run_dir=r', *flags.split())
  run_here(where, 'sample.py', '--run_dir=r', '--output=expected.npy')
  run_here(where, 'sample.py', '--run_dir=r', '--export=model')
  expected = np.load(str(where / 'expected.npy'))
  assert expected.shape == (64, 28, 28, 1) and expected.std() > 5
  return where, expected.astype(int)


def _run_example(where, example):
  # The converter of TensorFlow 1.15 is a program beside Python.
  path = os.path.dirname(sys.executable) + os.pathsep + os.environ.get('PATH', '')
  assert len([line for line in example.splitlines() if line.strip()]) <= 12
  run(where, '-c', example, PATH=path, TF_CPP_MIN_LOG_LEVEL='3')


def test_the_example_of_an_exported_model_runs(exported):
  """On the TensorFlow of these tests, whichever it is."""
  where, expected = exported
  _run_example(where, _examples()[0])
  drawn = np.load(str(where / 'images.npy'))
  assert drawn.dtype == np.uint8 and np.abs(drawn - expected).max() <= 1


def test_tensorflow_lite_makes_the_same_pixels(exported):
  where, expected = exported
  _run_example(where, _examples()[1])
  lite = tf.lite.Interpreter(str(where / 'model.tflite'))
  lite.allocate_tensors()
  (place,), (result,) = lite.get_input_details(), lite.get_output_details()
  drawn = []
  for latent in _normal(16).astype(np.float32):
    lite.set_tensor(place['index'], latent[None])
    lite.invoke()
    drawn.append(lite.get_tensor(result['index'])[0])
  error = np.abs(np.stack(drawn) - expected[:16])
  assert error.max() <= 1 and np.mean(error > 0) < 0.001  # a rounding of the last bit may decide a grey level
  assert (np.load(str(where / 'lite.npy')) == drawn[0][None]).all()


def test_samples_are_drawn_with_the_session_options_of_the_run(tiny, monkeypatch):
  made = tiny(gpu_memory_fraction=0.25, allow_growth=False)
  given = []
  monkeypatch.setattr(sampling.tf, 'Session', lambda config: given.append(config))
  sampling._session(made)
  gpu = given[0].gpu_options
  assert gpu.per_process_gpu_memory_fraction == 0.25 and not gpu.allow_growth
