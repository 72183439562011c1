import hashlib
import struct
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

from wgan_tf1 import UserError
from wgan_tf1 import array_sets
from wgan_tf1 import data


def _config(dataset='digits', **fields):
  """Returns what `data` needs of a config."""
  form = {'text': 'text', '8gaussians': 'points', '25gaussians': 'points', 'swissroll': 'points'}
  return types.SimpleNamespace(**{
    'dataset': dataset, 'fallback_dataset': None, 'data_dir': 'nowhere', 'data_path': None, 'classes': None,
    'class_count': None, 'form': form.get(dataset, 'image'), 'image_size': 32, 'image_channels': 1, 'image_fit': 'pad',
    'text_length': 6, 'vocabulary': None, 'pixel_minimum': -1.0, 'dequantize': False, 'batch_size': 4, 'seed': 0,
    **fields,
  })  # fmt: skip


@pytest.fixture
def mnist(tmp_path, monkeypatch):
  """Makes a few random images pass for MNIST's, without mirrors; returns the data directory that holds them."""
  (tmp_path / 'mnist').mkdir()
  sums = []
  for name, n in zip(array_sets.IDX_FILES, (6, 3, 6, 3)):
    if 'images' in name:
      content = struct.pack('>IIII', 0x803, n, 28, 28) + np.random.RandomState(n).bytes(n * 28 * 28)
    else:
      content = struct.pack('>II', 0x801, n) + bytes(i % 3 for i in range(n))
    (tmp_path / 'mnist' / name).write_bytes(content)
    sums.append(hashlib.md5(content).hexdigest())
  monkeypatch.setitem(array_sets.IDX_MD5, 'mnist', tuple(sums))
  monkeypatch.setitem(array_sets.MIRRORS, 'mnist', ())
  return tmp_path


def test_mnist_is_padded_with_black_and_needs_no_labels(mnist):
  pixels = np.frombuffer((mnist / 'mnist' / 'train-images-idx3-ubyte').read_bytes()[16:], np.uint8)
  for name in array_sets.IDX_FILES[2:]:
    (mnist / 'mnist' / name).unlink()
  dataset = data.load(_config('mnist', data_dir=str(mnist)))
  assert (dataset.name, dataset.train.shape, dataset.validation.shape) == ('mnist', (6, 32, 32, 1), (3, 32, 32, 1))
  assert dataset.train_labels is None and dataset.validation_labels is None and dataset.vocabulary is None
  assert np.array_equal(dataset.train[:, 2:30, 2:30, 0], pixels.reshape(6, 28, 28))
  border = np.ones([32, 32], bool)
  border[2:30, 2:30] = False
  assert (data.to_float(dataset.train)[:, border] == -1).all()


def test_labels_come_where_classes_or_a_class_count_ask_for_them(mnist):
  dataset = data.load(_config('mnist', data_dir=str(mnist), class_count=3))
  assert dataset.train_labels.tolist() == [0, 1, 2, 0, 1, 2] and dataset.train_labels.dtype == np.int32
  everything = dataset.train
  dataset = data.load(_config('mnist', data_dir=str(mnist), classes='2,0'))
  assert dataset.train_labels.tolist() == [0, 2, 0, 2] and dataset.validation_labels.tolist() == [0, 2]
  assert np.array_equal(dataset.train, everything[[0, 2, 3, 5]])


@pytest.mark.parametrize(
  'fields, message',
  [
    (dict(classes='10'), 'classes=10: digits has no class 10 to train on: its classes are 0, 1, 2'),
    (dict(classes='1,-1'), 'is not a list'),
    (dict(classes='three'), 'classes=three is not a list of labels: write it like 0,3,5'),
    (dict(classes='1,,2'), 'is not a list'),
    (dict(classes=''), 'is not a list'),
    (dict(class_count=9), 'class_count=9 is too small: dataset=digits has the label 9'),
    (dict(dataset='folder', data_path='no such tree'), 'data_path=no such tree is not there'),
    (dict(dataset='folder'), 'nowhere.folder holds no PNG, JPEG or WebP images'),
    (dict(dataset='lsun'), 'nowhere.lsun holds no .*_train_lmdb'),
    (dict(dataset='cifar10'), 'nowhere.cifar10 holds no data_batch'),
    (dict(dataset='text'), r'nowhere.text holds no \*.txt'),
  ],
)
def test_what_cannot_be_done_is_refused_in_one_line(fields, message):
  with pytest.raises(UserError, match=message) as e:
    data.load(_config(**fields))
  assert '\n' not in str(e.value)


@pytest.mark.parametrize('fallback', [None, 'digits'])
def test_a_damaged_file_is_named_whatever_there_is_to_fall_back_to(mnist, fallback):
  path = mnist / 'mnist' / 't10k-images-idx3-ubyte'
  path.write_bytes(path.read_bytes()[:-1])
  with pytest.raises(UserError, match='t10k-images-idx3-ubyte cannot be used .* delete it'):
    data.load(_config('mnist', data_dir=str(mnist), fallback_dataset=fallback))


def test_what_is_missing_falls_back_after_one_warning_or_is_refused(mnist, capsys):
  (mnist / 'mnist' / 'train-images-idx3-ubyte').unlink()
  dataset = data.load(_config('mnist', data_dir=str(mnist), fallback_dataset='digits', class_count=10))
  assert dataset.name == 'digits' and len(dataset.train) == 1500 and len(dataset.train_labels) == 1500
  warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith('warning')]
  assert len(warnings) == 1 and 'MNIST is not in' in warnings[0] and 'digits' in warnings[0]
  with pytest.raises(UserError, match='cannot be downloaded .*: put .* there, or take --dataset=digits'):
    data.load(_config('mnist', data_dir=str(mnist)))


def test_digits_are_enlarged():
  dataset = data.load(_config(image_size=20, image_channels=3))
  assert dataset.train.shape == (1500, 20, 20, 3) and dataset.validation.shape == (297, 20, 20, 3)
  assert dataset.train.dtype == np.uint8 and dataset.train.min() == 0 and dataset.train.max() == 255


@pytest.mark.parametrize('fit, corner', [('pad', 0), ('resize', 200)])
def test_cifar_is_fitted_as_asked(tmp_path, fit, corner):
  (tmp_path / 'cifar10').mkdir()
  for name in ('data_batch_1.bin', 'test_batch.bin'):
    (tmp_path / 'cifar10' / name).write_bytes((b'\x05' + b'\xc8' * 3072) * 2)
  dataset = data.load(_config('cifar10', data_dir=str(tmp_path), image_size=40, image_channels=3, image_fit=fit))
  assert dataset.train.shape == (2, 40, 40, 3)
  assert dataset.train[0, 0, 0].tolist() == [corner] * 3 and dataset.train[0, 20, 20].tolist() == [200] * 3
  assert dataset.train_labels.tolist() == [5, 5]


def test_a_folder_becomes_batches(tmp_path):
  for i in range(3):
    Image.new('L', (9, 9), 100 * i).save(str(tmp_path / ('%d.png' % i)))
  config = _config('folder', data_path=str(tmp_path), image_size=8, image_channels=3)
  dataset = data.load(config)
  assert (len(dataset.train), len(dataset.validation), dataset.train_labels) == (2, 1, None)
  real, labels = data.batch(config, dataset, 1)
  assert real.shape == (4, 8, 8, 3) and real.dtype == np.float32 and labels is None
  assert sorted(np.unique(real)) == [np.float32(-1), data.to_float(np.array([100], np.uint8))[0]]


def test_text_becomes_one_hot_batches(tmp_path):
  (tmp_path / 'text').mkdir()
  lines = ['line %d' % (i % 7) for i in range(30)]
  (tmp_path / 'text' / 'a.txt').write_text('\n'.join(lines))
  config = _config('text', data_dir=str(tmp_path))
  dataset = data.load(config)
  assert len(dataset.train) == 27 and dataset.train.dtype == np.uint16
  assert data.decode_text(dataset.validation, dataset.vocabulary) == [lines[i] for i in (9, 19, 29)]
  config.vocabulary = dataset.vocabulary
  real, _ = data.batch(config, dataset, 2)
  assert real.shape == (4, 6, len(dataset.vocabulary)) and real.dtype == np.float32
  assert (real.sum(-1) == 1).all() and real.max() == 1
  assert np.array_equal(real.argmax(-1), dataset.train[data.batch_indices(27, 4, 0, 2)])
  again = data.load(config)
  assert again.vocabulary == dataset.vocabulary and again.fingerprint == dataset.fingerprint
  (tmp_path / 'text' / 'a.txt').write_text('\n'.join(reversed(lines)))
  assert data.load(config).fingerprint != dataset.fingerprint


@pytest.mark.parametrize('name', ['8gaussians', '25gaussians', 'swissroll'])
def test_points_are_the_same_whatever_the_seed(name):
  first, second = (data.load(_config(name, seed=seed)) for seed in (0, 1))
  assert first.train.shape == (100000, 2) and first.validation.shape == (10000, 2)
  assert np.array_equal(first.train, second.train) and first.fingerprint == second.fingerprint
  real, labels = data.batch(_config(name), first, 0)
  assert np.array_equal(real, first.train[data.batch_indices(100000, 4, 0, 0)]) and labels is None


def test_the_fingerprint_is_of_the_samples_trained_on(mnist):
  def fingerprint(**fields):
    return data.load(_config('mnist', data_dir=str(mnist), **fields)).fingerprint

  assert fingerprint() == fingerprint(image_size=28)
  assert len({fingerprint(), fingerprint(classes='1'), fingerprint(classes='1,2')}) == 3


@pytest.mark.parametrize('n, batch_size', [(10, 4), (12, 4), (3, 8), (1, 1)])
def test_batches_lay_shuffled_epochs_end_to_end(n, batch_size):
  slow = np.concatenate([np.random.RandomState([5, epoch]).permutation(n) for epoch in range(40)])
  steps = 40 * n // batch_size
  for step in reversed(range(steps)):  # not in order: nothing is remembered from one call to the next
    expected = slow[step * batch_size : (step + 1) * batch_size]
    assert np.array_equal(data.batch_indices(n, batch_size, 5, step), expected)
  for epoch in range(40):
    assert sorted(slow[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_epochs_and_seeds_differ():
  first = data.batch_indices(100, 100, 0, 0)
  assert not np.array_equal(first, data.batch_indices(100, 100, 0, 1))
  assert not np.array_equal(first, data.batch_indices(100, 100, 1, 0))


def _ramp():
  """Returns a `Dataset` of every pixel value, each sample being labelled by its first."""
  images = np.arange(256, dtype=np.uint8).reshape(64, 2, 2, 1)
  return data.Dataset('ramp', images, images, images[:, 0, 0, 0].astype(np.int32), None, None, '')


@pytest.mark.parametrize('pixel_minimum', [-1.0, 0.0])
def test_a_batch_is_scaled_and_labelled(pixel_minimum):
  config, dataset = _config(batch_size=64, pixel_minimum=pixel_minimum), _ramp()
  real, labels = data.batch(config, dataset, 3)
  assert real.dtype == np.float32 and real.shape == (64, 2, 2, 1)
  assert real.min() == pixel_minimum and real.max() == 1
  chosen = dataset.train[data.batch_indices(64, 64, 0, 3)]
  assert np.allclose(real, chosen.astype(np.float64) / 255 * (1 - pixel_minimum) + pixel_minimum, atol=1e-6)
  assert np.array_equal(real, data.encode(config, chosen))
  assert labels.dtype == np.int32 and np.array_equal(labels, chosen[:, 0, 0, 0])


@pytest.mark.parametrize('pixel_minimum', [-1.0, 0.0])
def test_dequantised_pixels_fill_their_interval(pixel_minimum):
  config, dataset = _config(batch_size=64, pixel_minimum=pixel_minimum, dequantize=True), _ramp()
  width = (1 - pixel_minimum) / 256
  noises = []
  for step in range(40):
    real, _ = data.batch(config, dataset, step)
    chosen = dataset.train[data.batch_indices(64, 64, 0, step)]
    assert real.dtype == np.float32 and real.min() >= pixel_minimum and real.max() < 1
    noises.append((real - (chosen.astype(np.float64) / 256 * (1 - pixel_minimum) + pixel_minimum)) / width)
  noises = np.array(noises)
  assert 0 <= noises.min() < 0.01 and 0.99 < noises.max() < 1
  assert abs(noises.mean() - 0.5) < 0.01 and abs(noises.var() - 1 / 12) < 0.003
  assert len(np.unique(noises[0])) > 250 and not np.array_equal(noises[0], noises[1])
  one = data.Dataset('one', dataset.train[:1], dataset.train[:1], None, None, None, '')  # no order to tell seeds by
  by_seed = [data.batch(_config(dequantize=True, seed=seed), one, 0).real for seed in (0, 1)]
  assert not np.array_equal(*by_seed)
  middle = data.encode(config, dataset.train)
  assert middle.dtype == np.float32
  assert np.allclose(middle, (dataset.train + 0.5) / 256 * (1 - pixel_minimum) + pixel_minimum, atol=1e-6)
  most = data._dequantized(np.full([1], 255, np.uint8), np.uint16(65535), pixel_minimum)
  assert most.dtype == np.float32 and most[0] < 1


@pytest.mark.parametrize('dequantize', [False, True])
def test_processes_share_the_batch_of_one(dequantize):
  dataset = _ramp()
  whole = data.batch(_config(dequantize=dequantize, batch_size=15), dataset, 4)
  parts = [data.batch(_config(dequantize=dequantize, batch_size=5), dataset, 4, (i, 3)) for i in range(3)]
  for joined, expected in zip(map(np.concatenate, zip(*parts)), whole):
    assert np.array_equal(joined, expected)


@pytest.mark.parametrize('dequantize', [False, True])
def test_a_resumed_run_gets_the_batches_it_would_have_got(dequantize):
  config, dataset = _config(dequantize=dequantize, batch_size=7), _ramp()
  whole = [data.batch(config, dataset, step) for step in range(30)]
  with data.Prefetcher(lambda step: data.batch(config, dataset, step), 13, workers=3) as batches:
    for step in range(13, 30):
      real, labels = batches.next()
      assert np.array_equal(real, whole[step].real) and np.array_equal(labels, whole[step].labels)


def test_the_data_side_does_not_import_tensorflow_or_a_package_that_one_data_set_needs():
  code = 'import sys; from wgan_tf1 import data; print(sorted({"tensorflow", "lmdb", "sklearn"} & {*sys.modules}))'
  root = data.__file__.rsplit('wgan_tf1', 1)[0]
  out = subprocess.run([sys.executable, '-c', code], cwd=root, stdout=subprocess.PIPE, check=True).stdout
  assert out.strip() == b'[]'
