import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from wgan_tf1 import config as configs
from wgan_tf1.classes import sample_classes
from wgan_tf1.data import arrays, batches, datasets, text
from wgan_tf1.errors import UserError


@pytest.fixture
def mnist(tmp_path, idx_files):
  """Returns a data directory that has a tiny MNIST."""
  (tmp_path / 'mnist').mkdir()
  for name, content in idx_files.items():
    (tmp_path / 'mnist' / name).write_bytes(content)
  return tmp_path


def test_mnist_is_padded_with_black_and_needs_no_labels(mnist, idx_files, data_config):
  pixels = np.frombuffer(idx_files['train-images-idx3-ubyte'][16:], np.uint8)
  for name in arrays.IDX_FILES[2:]:
    (mnist / 'mnist' / name).unlink()
  dataset = datasets.load(data_config('mnist', data_dir=str(mnist)))
  assert (dataset.name, dataset.train.shape, dataset.validation.shape) == ('mnist', (6, 32, 32, 1), (3, 32, 32, 1))
  assert dataset.train_labels is None and dataset.validation_labels is None and dataset.vocabulary is None
  assert np.array_equal(dataset.train[:, 2:30, 2:30, 0], pixels.reshape(6, 28, 28))
  border = np.ones([32, 32], bool)
  border[2:30, 2:30] = False
  assert (batches.to_float(dataset.train)[:, border] == -1).all()


def test_labels_are_read_if_classes_or_a_class_count_need_them(mnist, data_config):
  dataset = datasets.load(data_config('mnist', data_dir=str(mnist), class_count=3))
  assert dataset.train_labels.tolist() == [0, 1, 2, 0, 1, 2] and dataset.train_labels.dtype == np.int32
  everything = dataset.train
  dataset = datasets.load(data_config('mnist', data_dir=str(mnist), classes='2,0'))
  assert dataset.train_labels.tolist() == [0, 2, 0, 2] and dataset.validation_labels.tolist() == [0, 2]
  assert np.array_equal(dataset.train, everything[[0, 2, 3, 5]])


NOT_A_LIST = 'must be a list of different classes such as 0,3,5 or cat,dog'


@pytest.mark.parametrize(
  'fields, message',
  [
    (dict(classes='10'), 'classes=10: there is no class 10. The classes are 0, 1, 2'),
    (dict(classes='1,-1'), 'classes=1,-1: there is no class -1. The classes are 0, 1, 2'),
    (dict(classes='three'), 'classes=three: there is no class three'),
    (dict(classes='1,1'), NOT_A_LIST),
    (dict(classes='1,,2'), NOT_A_LIST),
    (dict(classes=''), NOT_A_LIST),
    (dict(dataset='folder', data_path='no such tree'), 'data_path=no such tree: file not found'),
    (dict(dataset='folder'), 'nowhere.folder holds no PNG, .* or TIFF images. Put a tree of images there'),
    (dict(dataset='lsun'), 'nowhere.lsun holds no .*_train_lmdb'),
    (dict(dataset='cifar10'), 'nowhere.cifar10 holds no data_batch'),
    (dict(dataset='text'), r'nowhere.text holds no \*.txt'),
  ],
)
def test_unusable_settings_are_refused_in_one_line(data_config, fields, message):
  with pytest.raises(UserError, match=message) as e:
    datasets.load(data_config(**fields))
  assert '\n' not in str(e.value)


def test_a_class_without_held_out_images_is_refused(tmp_path, data_config):
  (tmp_path / 'cifar10').mkdir()
  for name, label in (('data_batch_1.bin', b'\x05'), ('test_batch.bin', b'\x06')):
    (tmp_path / 'cifar10' / name).write_bytes(label + bytes(3072))
  with pytest.raises(UserError, match='cifar10 has no held-out images of class 5. Add some'):
    datasets.load(data_config('cifar10', data_dir=str(tmp_path), classes='5'))


@pytest.mark.parametrize('fallback', [None, 'digits'])
def test_a_damaged_file_is_named_with_and_without_a_fallback(mnist, data_config, fallback):
  path = mnist / 'mnist' / 't10k-images-idx3-ubyte'
  path.write_bytes(path.read_bytes()[:-1])
  with pytest.raises(UserError, match='t10k-images-idx3-ubyte is not the published file .* move this file'):
    datasets.load(data_config('mnist', data_dir=str(mnist), fallback_dataset=fallback))


def test_a_missing_data_set_is_replaced_by_the_fallback_or_refused(mnist, data_config, capsys):
  (mnist / 'mnist' / 'train-images-idx3-ubyte').unlink()
  dataset = datasets.load(data_config('mnist', data_dir=str(mnist), fallback_dataset='digits', class_count=10))
  assert dataset.name == 'digits' and len(dataset.train) == 1500 and len(dataset.train_labels) == 1500
  warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith('warning')]
  assert warnings == [
    "warning: MNIST not found and could not be downloaded; using scikit-learn's 1,797 digits, redrawn as 28x28, instead"
  ]
  with pytest.raises(UserError, match=r'cannot be downloaded .*\)\. Put .* there, or use the --data_dir that has them'):
    datasets.load(data_config('mnist', data_dir=str(mnist)))


@pytest.mark.parametrize('fit, border', [('pad', 6), ('stretch', 4), ('crop', 4)])
def test_digits_are_padded_or_resized_like_mnist(data_config, fit, border):
  dataset = datasets.load(data_config(image_size=32, image_channels=3, image_fit=fit))
  assert dataset.train.shape == (1500, 32, 32, 3) and dataset.validation.shape == (297, 32, 32, 3)
  assert dataset.train.dtype == np.uint8 and dataset.train.min() == 0 and dataset.train.max() == 255
  rows = np.flatnonzero(dataset.train.any(axis=(0, 2, 3)))
  assert rows[0] >= border and rows[-1] < 32 - border and (fit == 'pad') == (rows[-1] - rows[0] < 20)


@pytest.mark.parametrize('fit, corner', [('pad', 0), ('stretch', 200)])
def test_cifar_is_padded_or_resized(tmp_path, data_config, fit, corner):
  (tmp_path / 'cifar10').mkdir()
  for name in ('data_batch_1.bin', 'test_batch.bin'):
    (tmp_path / 'cifar10' / name).write_bytes((b'\x05' + b'\xc8' * 3072) * 2)
  config = data_config('cifar10', data_dir=str(tmp_path), image_size=40, image_channels=3, image_fit=fit)
  dataset = datasets.load(config)
  assert dataset.train.shape == (2, 40, 40, 3)
  assert dataset.train[0, 0, 0].tolist() == [corner] * 3 and dataset.train[0, 20, 20].tolist() == [200] * 3
  assert dataset.train_labels.tolist() == [5, 5]


def test_a_folder_becomes_batches(tmp_path, data_config):
  for i in range(3):
    Image.new('L', (9, 9), 100 * i).save(str(tmp_path / ('%d.png' % i)))
  config = data_config('folder', data_path=str(tmp_path), image_size=8, image_channels=3)
  dataset = datasets.load(config)
  assert (len(dataset.train), len(dataset.validation), dataset.train_labels) == (2, 1, None)
  real, labels = batches.batch(config, dataset, 1)
  assert real.shape == (4, 8, 8, 3) and real.dtype == np.float32 and labels is None
  assert sorted(np.unique(real)) == [np.float32(-1), batches.to_float(np.array([100], np.uint8))[0]]


def test_text_becomes_one_hot_batches(tmp_path, data_config):
  (tmp_path / 'text').mkdir()
  lines = ['line %d' % (i % 7) for i in range(30)]
  (tmp_path / 'text' / 'a.txt').write_text('\n'.join(lines))
  config = data_config('text', data_dir=str(tmp_path))
  dataset = datasets.load(config)
  assert len(dataset.train) == 27 and dataset.train.dtype == np.uint16
  assert text.decode_text(dataset.validation, dataset.vocabulary) == [lines[i] for i in (9, 19, 29)]
  config.vocabulary = dataset.vocabulary
  real, _ = batches.batch(config, dataset, 2)
  assert real.shape == (4, 6, len(dataset.vocabulary)) and real.dtype == np.float32
  assert (real.sum(-1) == 1).all() and real.max() == 1
  assert np.array_equal(real.argmax(-1), dataset.train[batches.batch_indices(27, 4, 0, 2)])
  again = datasets.load(config)
  assert again.vocabulary == dataset.vocabulary and again.fingerprint == dataset.fingerprint
  (tmp_path / 'text' / 'a.txt').write_text('\n'.join(reversed(lines)))
  assert datasets.load(config).fingerprint != dataset.fingerprint


@pytest.mark.parametrize('name', ['8gaussians', '25gaussians', 'swissroll'])
def test_points_do_not_depend_on_the_seed(data_config, name):
  first, second = (datasets.load(data_config(name, seed=seed)) for seed in (0, 1))
  assert first.train.shape == (100000, 2) and first.validation.shape == (10000, 2)
  assert np.array_equal(first.train, second.train) and first.fingerprint == second.fingerprint
  real, labels = batches.batch(data_config(name), first, 0)
  assert np.array_equal(real, first.train[batches.batch_indices(100000, 4, 0, 0)]) and labels is None


def test_the_fingerprint_depends_on_the_training_samples_not_on_their_size(mnist, data_config):
  def fingerprint(**fields):
    return datasets.load(data_config('mnist', data_dir=str(mnist), **fields)).fingerprint

  assert fingerprint() == fingerprint(image_size=28)
  assert len({fingerprint(), fingerprint(classes='1'), fingerprint(classes='1,2')}) == 3


def test_neither_tensorflow_nor_the_packages_of_single_data_sets_are_imported():
  code = (
    'import sys; from wgan_tf1.data import datasets; print(sorted({"tensorflow", "lmdb", "sklearn"} & {*sys.modules}))'
  )
  root = datasets.__file__.rsplit('wgan_tf1', 1)[0]
  out = subprocess.run([sys.executable, '-c', code], cwd=root, stdout=subprocess.PIPE, check=True).stdout
  assert out.strip() == b'[]'


def _cifar(tmp_path, labels, test_labels, names=None):
  (tmp_path / 'cifar10').mkdir(exist_ok=True)
  for name, some in (('data_batch_1.bin', labels), ('test_batch.bin', test_labels)):
    (tmp_path / 'cifar10' / name).write_bytes(b''.join(bytes([label]) + bytes(3072) for label in some))
  if names:
    (tmp_path / 'cifar10' / 'batches.meta.txt').write_text('\n'.join(names) + '\n\n')


def test_classes_without_samples_do_not_exist(tmp_path, data_config):
  _cifar(tmp_path, [0, 3, 3, 7], [3, 0, 7])
  config = data_config('cifar10', data_dir=str(tmp_path), class_count=10)
  dataset = datasets.load(config)
  assert dataset.class_names == ('0', '3', '7')
  assert dataset.train_labels.tolist() == [0, 1, 1, 2] and dataset.validation_labels.tolist() == [1, 0, 2]
  some = datasets.load(data_config('cifar10', data_dir=str(tmp_path), classes='3,7'))
  assert some.train_labels.tolist() == [1, 1, 2] and some.class_names == ('0', '3', '7')
  with pytest.raises(UserError, match='classes=1: there is no class 1. The classes are 0, 3, 7'):
    datasets.load(data_config('cifar10', data_dir=str(tmp_path), classes='1'))
  _cifar(tmp_path, [0, 3], [3, 4])
  with pytest.raises(UserError, match='cifar10 has held-out images of class 4, but no training images of it'):
    datasets.load(config)
  _cifar(tmp_path, [3, 3], [3])
  with pytest.raises(UserError, match='dataset=cifar10 has images of one class, 3. .* needs at least two'):
    datasets.load(config)


def test_cifars_classes_have_the_names_of_its_archive(tmp_path, data_config):
  _cifar(tmp_path, [0, 1, 2], [2, 1, 0], ['airplane', 'automobile', 'bird'])
  by_name, by_number = (
    datasets.load(data_config('cifar10', data_dir=str(tmp_path), classes=classes)) for classes in ('bird', '2')
  )
  assert by_name.class_names == by_number.class_names == ('airplane', 'automobile', 'bird')
  assert by_name.train_labels.tolist() == by_number.train_labels.tolist() == [2]
  assert by_name.fingerprint == by_number.fingerprint


def test_what_the_data_decide_is_kept_in_the_config(tmp_path):
  for name in ('cat', 'dog', 'fox'):
    (tmp_path / name).mkdir()
    for i in range(3):
      Image.new('L', (9, 9), 100 * i).save(str(tmp_path / name / ('%d.png' % i)))
  own = dict(dataset='folder', data_path=str(tmp_path))
  config = configs.make('cifar10-resnet-acgan', 'gp', classes='fox,cat', run_dir=str(tmp_path / 'run'), **own)
  assert (config.class_count, config.class_names, config.image_fit) == (10, None, 'crop')
  found = datasets.found(config, datasets.load(config))
  assert (found.class_count, found.class_names) == (3, 'cat/dog/fox') and sample_classes(found) == (0, 2)
  (tmp_path / 'run').mkdir()
  (tmp_path / 'run' / 'config.json').write_text(configs.to_json(found))
  assert configs.load(str(tmp_path / 'run')) == found
  plain = configs.make('cifar10-resnet', 'gp', **own)
  assert datasets.found(plain, datasets.load(plain)).class_names is None


def test_idx_and_arrays_are_data_sets(tmp_path, idx_files, data_config):
  for name, content in idx_files.items():
    (tmp_path / name).write_bytes(content)
  dataset = datasets.load(data_config('idx', data_path=str(tmp_path), class_count=10))
  assert dataset.train[:].shape == (6, 32, 32, 1) and dataset.train_labels.tolist() == [0, 1, 2, 0, 1, 2]
  assert dataset.class_names == ('0', '1', '2')
  real, labels = batches.batch(data_config(), dataset, 0)
  assert real.shape == (4, 32, 32, 1) and np.array_equal(
    labels, dataset.train_labels[batches.batch_indices(6, 4, 0, 0)]
  )
  np.savez(str(tmp_path / 'a.npz'), images=np.zeros([3, 8, 8], np.uint8), labels=[5, 5, 9])
  dataset = datasets.load(data_config('folder', data_path=str(tmp_path / 'a.npz'), class_count=10))
  assert dataset.train_labels.tolist() == [0, 1] and dataset.class_names == ('5', '9')


def test_a_class_whose_images_are_all_damaged_is_refused(tmp_path, data_config):
  for name in ('cat', 'dog'):
    (tmp_path / name).mkdir()
    for i in range(3):
      Image.new('L', (90, 90)).save(str(tmp_path / name / ('%d.png' % i)))
  for i in range(3):
    content = (tmp_path / 'cat' / ('%d.png' % i)).read_bytes()
    (tmp_path / 'cat' / ('%d.png' % i)).write_bytes(content[:50])
  with pytest.raises(UserError, match='no image of class cat can be decoded. Replace them. The first is .*0.png'):
    datasets.load(data_config('folder', data_path=str(tmp_path), class_count=10))
