import gzip
import hashlib
import struct

import numpy as np
import pytest
import sklearn.datasets

from wgan_tf1.data import arrays
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError


def test_idx_files_of_any_rank_are_parsed():
  pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
  assert np.array_equal(arrays.parse_idx(struct.pack('>IIII', 0x803, 2, 3, 4) + pixels.tobytes()), pixels)
  assert arrays.parse_idx(struct.pack('>II', 0x801, 3) + b'\x05\x00\x09').tolist() == [5, 0, 9]


@pytest.mark.parametrize('compress', [False, True])
def test_idx_sets_are_read_with_and_without_labels(tmp_path, idx_files, compress):
  for name, content in idx_files.items():
    if 'images' in name:
      path = tmp_path / (name + '.gz' if compress else name)
      path.write_bytes(gzip.compress(content) if compress else content)
  loaded = arrays.read_idx_set('fashion_mnist', str(tmp_path), with_labels=False)
  assert loaded.train.shape == (6, 28, 28, 1) and loaded.validation.shape == (3, 28, 28, 1)
  assert loaded.train.tobytes() == idx_files['train-images-idx3-ubyte'][16:]
  assert loaded.train_labels is None and loaded.validation_labels is None
  with pytest.raises(Missing) as e:
    arrays.read_idx_set('fashion_mnist', str(tmp_path), with_labels=True)
  assert all(name + '.gz' in str(e.value) for name in arrays.IDX_FILES) and '\n' not in str(e.value)
  for name in arrays.IDX_FILES[2:]:
    (tmp_path / name).write_bytes(idx_files[name])
  loaded = arrays.read_idx_set('fashion_mnist', str(tmp_path), with_labels=True)
  assert loaded.train_labels.tolist() == [0, 1, 2, 0, 1, 2] and loaded.validation_labels.tolist() == [0, 1, 2]
  assert loaded.train_labels.dtype == np.int32


def test_a_damaged_label_file_is_named(tmp_path, idx_files):
  for name, content in idx_files.items():
    (tmp_path / name).write_bytes(content[:-1] + b'\xff' if name.startswith('t10k-labels') else content)
  with pytest.raises(UserError, match='t10k-labels-idx1-ubyte is not the published file .*MD5'):
    arrays.read_idx_set('fashion_mnist', str(tmp_path), with_labels=True)
  arrays.read_idx_set('fashion_mnist', str(tmp_path), with_labels=False)


def test_digits():
  loaded = arrays.read_digits()
  assert loaded.train.shape == (1500, 28, 28, 1) and loaded.validation.shape == (297, 28, 28, 1)
  assert loaded.train.dtype == np.uint8
  assert loaded.train_labels[:10].tolist() == list(range(10)) and len(loaded.validation_labels) == 297
  # The same with every Pillow: a run that was started on other drawings cannot be resumed.
  pixels = np.concatenate([loaded.train, loaded.validation]).tobytes()
  assert hashlib.md5(pixels).hexdigest() == 'ebaa2d069059664c08956d4a1792d09a'


def test_digits_are_those_of_scikit_learn(monkeypatch):
  """Whether its file is read or, where that is elsewhere, its function is called."""
  expected = sklearn.datasets.load_digits()
  for gone in (False, True):
    if gone:
      monkeypatch.setattr(arrays.importlib.util, 'find_spec', lambda name: None)
    images, labels = arrays._small_digits()
    np.testing.assert_array_equal(images, expected.images)
    np.testing.assert_array_equal(labels, expected.target)
    assert labels.dtype == np.int32


def test_digits_are_drawn_as_mnist_draws_its_own():
  """White strokes on black, in a box of 20x20 pixels in the middle of 28x28."""
  drawn = arrays.read_digits().train[..., 0]
  outside = drawn.copy()
  outside[:, 4:24, 4:24] = 0
  assert not outside.any()
  inked = drawn.any(axis=0)
  assert inked[4].any() and inked[23].any() and inked[:, 6].any() and inked[:, 21].any()  # the box is used
  assert (drawn.reshape(1500, -1).max(axis=1) == 255).mean() > 0.99
  shares = [np.mean(drawn[:, 4:24, 4:24] == level) for level in (0, 255)]
  assert 0.4 < shares[0] < 0.8 and shares[1] > 0.15  # black, white, and few greys between
  originals = sklearn.datasets.load_digits().images[:1500]
  reduced = drawn[:, 4:24, 4:24].reshape(1500, 4, 5, 4, 5).mean(axis=(2, 4))
  expected = originals.reshape(1500, 4, 2, 4, 2).mean(axis=(2, 4))
  assert all(np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9 for a, b in zip(reduced, expected))


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
  loaded = arrays.read_cifar10(str(tmp_path))
  assert loaded.train.shape == (3, 32, 32, 3) and loaded.validation.shape == (1, 32, 32, 3)
  assert loaded.train_labels.tolist() == [3, 9, 0] and loaded.validation_labels.tolist() == [7]
  assert (loaded.train[:, :, :, 0] == np.array([0, 1, 40])[:, None, None]).all()
  assert (loaded.train[..., 1] == 100).all() and (loaded.train[..., 2] == np.arange(32)).all()


@pytest.mark.parametrize('n, held_out, kept', [(20, 2, 18), (5, 1, 4), (2, 1, 1)])
def test_without_test_batch_the_last_tenth_is_held_out(tmp_path, capsys, n, held_out, kept):
  (tmp_path / 'data_batch_1.bin').write_bytes(_records([1] * n))
  loaded = arrays.read_cifar10(str(tmp_path))
  assert loaded.validation[:, 0, 0, 0].tolist() == list(range(n))[-held_out:]
  assert len(loaded.train) == len(loaded.train_labels) == kept and len(loaded.validation_labels) == held_out
  assert 'test_batch.bin: file not found. The last %d training images' % held_out in capsys.readouterr().err


@pytest.mark.parametrize(
  'content, wrong',
  [(b'', 'its size of 0 bytes'), (_records([1])[:-1], '3072 bytes'), (_records([1, 10]), 'record 1 has label 10')],
)
@pytest.mark.parametrize('name', ['data_batch_2.bin', 'test_batch.bin'])
def test_a_damaged_cifar_file_is_named(tmp_path, content, wrong, name):
  for n in ('data_batch_1.bin', 'data_batch_2.bin', 'test_batch.bin'):
    (tmp_path / n).write_bytes(content if n == name else _records([1]))
  with pytest.raises(UserError, match='%s is damaged: .*%s.* Unpack it again' % (name, wrong)):
    arrays.read_cifar10(str(tmp_path))


def test_pickled_cifar_is_not_read(tmp_path):
  (tmp_path / 'data_batch_1').write_bytes(b'cos\nabort\n(tR.')
  with pytest.raises(Missing, match='cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/ and put'):
    arrays.read_cifar10(str(tmp_path))


@pytest.mark.parametrize('n, every, most, expected', [
  (1, 20, 9, [0]), (5, 20, 9, [4]), (20, 20, 9, [19]), (50, 20, 9, [19, 39]), (50, 20, 1, [49]), (9, 2, 2, [4]),
])  # fmt: skip
def test_held_out_samples_are_evenly_spaced(n, every, most, expected):
  train, held_out = arrays.hold_out(np.arange(n), every, most)
  assert held_out.tolist() == expected
  assert train.tolist() == [i for i in range(n) if i not in expected or n == 1]  # a single sample is in both


def test_the_number_of_held_out_samples_is_limited_and_they_cover_the_whole_list():
  _, held_out = arrays.hold_out(np.arange(123456), 20, 1000)
  assert 990 < len(held_out) <= 1000 and held_out[-1] > 123000


def test_images_are_padded_with_black_or_resized():
  images = np.full([2, 5, 5, 1], 200, np.uint8)
  padded = arrays.fit(images, 8, 1, 'pad')
  assert (padded[:, 1:6, 1:6] == 200).all() and padded.sum() == images.sum()
  for how, size in (('stretch', 8), ('crop', 8), ('pad', 3), ('stretch', 5), ('pad', 5)):
    assert (arrays.fit(images, size, 1, how) == np.full([2, size, size, 1], 200)).all()
  checks = np.indices([8, 8]).sum(0)[None, :, :, None].astype(np.uint8) % 2 * 255
  assert np.abs(arrays.fit(checks, 4, 1, 'pad').astype(int) - 127).max() < 40  # antialiased


def test_grey_and_rgb_are_converted_to_each_other():
  colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8).reshape(1, 2, 2, 3)
  assert arrays.fit(colours, 2, 1, 'pad')[0, :, :, 0].tolist() == [[76, 150], [29, 255]]
  grey = np.array([[7, 8], [9, 10]], np.uint8).reshape(1, 2, 2, 1)
  assert (arrays.fit(grey, 2, 3, 'pad') == grey).all() and arrays.fit(grey, 4, 3, 'pad').shape == (1, 4, 4, 3)
