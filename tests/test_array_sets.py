import gzip
import hashlib
import struct

import numpy as np
import pytest

from wgan_tf1 import UserError
from wgan_tf1 import array_sets
from wgan_tf1.downloads import Missing


@pytest.fixture
def idx_files(monkeypatch):
  """Makes a few random images pass for Fashion-MNIST's; returns {file name: bytes}. There are no mirrors."""
  files = {}
  for name, n in zip(array_sets.IDX_FILES, (6, 3, 6, 3)):
    random = np.random.RandomState(n)
    if 'images' in name:
      files[name] = struct.pack('>IIII', 0x803, n, 28, 28) + random.bytes(n * 28 * 28)
    else:
      files[name] = struct.pack('>II', 0x801, n) + bytes(range(n))
  sums = tuple(hashlib.md5(content).hexdigest() for content in files.values())
  monkeypatch.setitem(array_sets.IDX_MD5, 'fashion_mnist', sums)
  monkeypatch.setitem(array_sets.MIRRORS, 'fashion_mnist', ())
  return files


@pytest.mark.parametrize('compress', [False, True])
def test_idx_sets_are_read_with_and_without_labels(tmp_path, idx_files, compress):
  for name, content in idx_files.items():
    if 'images' in name:
      path = tmp_path / (name + '.gz' if compress else name)
      path.write_bytes(gzip.compress(content) if compress else content)
  arrays = array_sets.read_idx_set('fashion_mnist', str(tmp_path), with_labels=False)
  assert arrays.train.shape == (6, 28, 28, 1) and arrays.validation.shape == (3, 28, 28, 1)
  assert arrays.train.tobytes() == idx_files['train-images-idx3-ubyte'][16:]
  assert arrays.train_labels is None and arrays.validation_labels is None
  with pytest.raises(Missing) as e:
    array_sets.read_idx_set('fashion_mnist', str(tmp_path), with_labels=True)
  assert all(name + '.gz' in str(e.value) for name in array_sets.IDX_FILES) and '\n' not in str(e.value)
  for name in array_sets.IDX_FILES[2:]:
    (tmp_path / name).write_bytes(idx_files[name])
  arrays = array_sets.read_idx_set('fashion_mnist', str(tmp_path), with_labels=True)
  assert arrays.train_labels.tolist() == list(range(6)) and arrays.validation_labels.tolist() == [0, 1, 2]
  assert arrays.train_labels.dtype == np.int32


def test_a_damaged_label_file_is_named(tmp_path, idx_files):
  for name, content in idx_files.items():
    (tmp_path / name).write_bytes(content[:-1] + b'\xff' if name.startswith('t10k-labels') else content)
  with pytest.raises(UserError, match='t10k-labels-idx1-ubyte cannot be used .*MD5'):
    array_sets.read_idx_set('fashion_mnist', str(tmp_path), with_labels=True)
  array_sets.read_idx_set('fashion_mnist', str(tmp_path), with_labels=False)


def test_digits():
  arrays = array_sets.read_digits()
  assert arrays.train.shape == (1500, 8, 8, 1) and arrays.validation.shape == (297, 8, 8, 1)
  assert arrays.train.dtype == np.uint8 and arrays.train.min() == 0 and arrays.train.max() == 255
  assert arrays.train_labels[:10].tolist() == list(range(10)) and len(arrays.validation_labels) == 297


def _records(labels, first=0):
  """Returns records whose red, green and blue planes are first + i, 100 and a ramp from left to right."""
  ramp = np.tile(np.arange(32, dtype=np.uint8), 32).tobytes()
  return b''.join(
    bytes([label]) + bytes([first + i]) * 1024 + bytes([100]) * 1024 + ramp for i, label in enumerate(labels)
  )


@pytest.mark.parametrize('below', ['.', 'cifar-10-batches-bin'])
def test_cifar_records_are_a_label_and_three_planes(tmp_path, below):
  folder = tmp_path / below
  folder.mkdir(exist_ok=True)
  (folder / 'data_batch_1.bin').write_bytes(_records([3, 9]))
  (folder / 'data_batch_4.bin').write_bytes(_records([0], first=40))
  (folder / 'test_batch.bin').write_bytes(_records([7], first=9))
  arrays = array_sets.read_cifar10(str(tmp_path))
  assert arrays.train.shape == (3, 32, 32, 3) and arrays.validation.shape == (1, 32, 32, 3)
  assert arrays.train_labels.tolist() == [3, 9, 0] and arrays.validation_labels.tolist() == [7]
  assert (arrays.train[:, :, :, 0] == np.array([0, 1, 40])[:, None, None]).all()
  assert (arrays.train[..., 1] == 100).all() and (arrays.train[..., 2] == np.arange(32)).all()


@pytest.mark.parametrize('n, held_out, kept', [(20, 2, 18), (5, 1, 4), (1, 1, 1)])
def test_without_cifars_test_file_the_last_tenth_is_held_out(tmp_path, capsys, n, held_out, kept):
  (tmp_path / 'data_batch_1.bin').write_bytes(_records([1] * n))
  arrays = array_sets.read_cifar10(str(tmp_path))
  assert arrays.validation[:, 0, 0, 0].tolist() == list(range(n))[-held_out:]
  assert len(arrays.train) == len(arrays.train_labels) == kept and len(arrays.validation_labels) == held_out
  assert 'test_batch.bin is not there' in capsys.readouterr().err


@pytest.mark.parametrize(
  'content, wrong',
  [(b'', '0 bytes'), (_records([1])[:-1], '3072 bytes'), (_records([1, 10]), 'record 1 has the label')],
)
@pytest.mark.parametrize('name', ['data_batch_2.bin', 'test_batch.bin'])
def test_a_damaged_cifar_file_is_named(tmp_path, content, wrong, name):
  for n in ('data_batch_1.bin', 'data_batch_2.bin', 'test_batch.bin'):
    (tmp_path / n).write_bytes(content if n == name else _records([1]))
  with pytest.raises(UserError, match='%s is damaged.*%s' % (name, wrong)):
    array_sets.read_cifar10(str(tmp_path))


def test_cifars_pickles_are_not_touched(tmp_path):
  (tmp_path / 'data_batch_1').write_bytes(b'cos\nabort\n(tR.')
  with pytest.raises(Missing, match='cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/ and put'):
    array_sets.read_cifar10(str(tmp_path))


@pytest.mark.parametrize('name, modes', [('8gaussians', 8), ('25gaussians', 25)])
def test_points_lie_about_their_centres(name, modes):
  arrays = array_sets.make_points(name)
  centres, deviation = array_sets.mode_centres(name), array_sets.mode_deviation(name)
  assert arrays.train.shape == (100000, 2) and arrays.validation.shape == (10000, 2) and centres.shape == (modes, 2)
  assert arrays.train.dtype == np.float32 and arrays.train_labels is None
  for points in arrays[:2]:
    distances = np.linalg.norm(points[:, None] - centres, axis=2)
    counts = np.bincount(distances.argmin(1), minlength=modes) / len(points)
    assert np.allclose(counts, 1 / modes, rtol=0.2)
    assert abs(np.sqrt((distances.min(1) ** 2).mean() / 2) / deviation - 1) < 0.02
  assert not np.array_equal(arrays.train[:10000], arrays.validation)
  assert np.array_equal(array_sets.make_points(name).train, arrays.train)


def test_the_gaussians_are_where_the_toy_code_puts_them():
  ring = array_sets.mode_centres('8gaussians') * 1.414
  assert np.allclose(np.linalg.norm(ring, axis=1), 2) and np.allclose(ring[0], [2, 0])
  assert np.allclose(sorted(set((array_sets.mode_centres('25gaussians') * 2.828)[:, 0])), [-4, -2, 0, 2, 4])
  assert array_sets.mode_deviation('8gaussians') == 0.02 / 1.414
  assert array_sets.mode_deviation('25gaussians') == 0.05 / 2.828


def test_the_swiss_roll_is_a_spiral():
  points = array_sets.make_points('swissroll').train * 7.5
  assert points.shape == (100000, 2)
  radius = np.linalg.norm(points, axis=1)
  assert 1.5 * np.pi - 1.5 < radius.min() and radius.max() < 4.5 * np.pi + 1.5
  # In scikit-learn's roll a point at the angle t is t away from the middle.
  turns = (radius - np.arctan2(points[:, 1], points[:, 0])) / (2 * np.pi)
  assert np.abs(turns - np.rint(turns)).mean() < 0.05


def test_images_are_padded_with_black_or_resized():
  images = np.full([2, 5, 5, 1], 200, np.uint8)
  padded = array_sets.fit(images, 8, 1, 'pad')
  assert (padded[:, 1:6, 1:6] == 200).all() and padded.sum() == images.sum()
  for how, size in (('resize', 8), ('enlarge', 8), ('pad', 3), ('resize', 5), ('pad', 5)):
    assert (array_sets.fit(images, size, 1, how) == np.full([2, size, size, 1], 200)).all()
  checks = np.indices([8, 8]).sum(0)[None, :, :, None].astype(np.uint8) % 2 * 255
  assert np.abs(array_sets.fit(checks, 4, 1, 'pad').astype(int) - 127).max() < 40  # antialiased


def test_grey_and_rgb_are_turned_into_each_other():
  colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8).reshape(1, 2, 2, 3)
  assert array_sets.fit(colours, 2, 1, 'pad')[0, :, :, 0].tolist() == [[76, 150], [29, 255]]
  grey = np.array([[7, 8], [9, 10]], np.uint8).reshape(1, 2, 2, 1)
  assert (array_sets.fit(grey, 2, 3, 'pad') == grey).all() and array_sets.fit(grey, 4, 3, 'pad').shape == (1, 4, 4, 3)
