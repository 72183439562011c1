import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from wgan_tf1.data import arrays, own_arrays
from wgan_tf1.data.collection import Fit
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError

FIT = Fit(8, 1, 'pad', 1)
PIXELS = np.random.RandomState(0).randint(0, 256, [40, 8, 8]).astype(np.uint8)


class Harmful:
  def __reduce__(self):
    return exec, ('raise SystemExit("unpickled")',)


def _saved(tmp_path, name='a.npz', **found):
  path = str(tmp_path / name)
  np.savez_compressed(path, **found) if name.endswith('.npz') else np.save(path, found['images'])
  return path


@pytest.mark.parametrize('save', ['named', 'alone', 'npy', 'columns'])
@pytest.mark.parametrize('colours', [(), (1,), (3,)])
def test_images_of_numpys_files(tmp_path, save, colours):
  images = np.random.RandomState(1).randint(0, 256, [40, 8, 8, *colours]).astype(np.uint8)
  stored = np.asfortranarray(images) if save == 'columns' else images
  names = {'named': 'images', 'alone': 'arr_0'}
  path = _saved(tmp_path, 'a.npz' if save in names else 'a.npy', **{names.get(save, 'images'): stored})
  channels = colours[0] if colours else 1
  train, held_out, fingerprint = own_arrays.load(path, Fit(8, channels, 'crop', 1))
  images = images.reshape(40, 8, 8, channels)
  assert np.array_equal(held_out[:], images[[19, 39]]) and train.labels is None
  assert np.array_equal(train[:], np.delete(images, [19, 39], axis=0)) and len(fingerprint) == 32
  images[0, 0, 0] ^= 1
  assert own_arrays.load(_saved(tmp_path, 'b.npy', images=images), Fit(8, channels, 'crop', 1))[2] != fingerprint


def test_images_are_fitted(tmp_path):
  path = _saved(tmp_path, images=np.full([4, 6, 10, 3], 200, np.uint8))
  for how, total in (('crop', 64), ('stretch', 64), ('pad', 40)):  # padded: 8 x 5 pixels
    train, _, _ = own_arrays.load(path, Fit(8, 1, how, 1))
    assert train[:].shape == (3, 8, 8, 1) and (train[:] == 200).sum() == 3 * total, how


@pytest.mark.parametrize('dtype', [np.int64, np.uint8, np.uint64, '>i2'])
def test_labels_are_numbered_without_gaps_and_named_by_their_values(tmp_path, dtype):
  values = np.array([7, 100, 12, 7] * 10).astype(dtype)
  path = _saved(tmp_path, images=PIXELS, labels=values)
  train, held_out, first = own_arrays.load(path, FIT, True)
  assert train.class_names == ('7', '12', '100')
  assert [int(train.class_names[label]) for label in train.labels] == np.delete(values, [19, 39]).tolist()
  some, _, second = own_arrays.load(path, FIT, True, '100,7')
  assert sorted(set(some.labels.tolist())) == [0, 2] and first != second
  with pytest.raises(UserError, match='classes=1: there is no class 1. The classes are 7, 12, 100'):
    own_arrays.load(path, FIT, True, '1')  # no number of a class, because all names are numbers


@pytest.mark.parametrize(
  'found, message',
  [
    (dict(images=PIXELS.astype(np.float32)), 'it is an array of float32, and must be uint8, from 0 to 255'),
    (dict(images=PIXELS.astype(np.uint16)), 'it is an array of uint16, and must be uint8'),
    (dict(images=PIXELS > 9), 'it is an array of bool'),
    (dict(images=PIXELS[0]), r'images have the shape \[8, 8\]. It must be \[N, H, W\]'),
    (dict(images=np.zeros([5, 3, 8, 8], np.uint8)), r'the shape \[5, 3, 8, 8\]. It must be'),
    (dict(images=PIXELS[:0]), r'the shape \[0, 8, 8, 1\]'),
    (dict(images=PIXELS[:1]), 'image 0 of .*a.npz is the only image. At least two are needed'),
    (dict(images=np.array([Harmful()] * 3)), 'it holds Python objects, which are never loaded'),
    (dict(images=PIXELS, labels=np.array([Harmful()] * 40)), 'labels: it holds Python objects'),
    (dict(images=PIXELS, labels=np.zeros(40)), 'labels: it is an array of float64, and must be integers'),
    (dict(images=PIXELS, labels=np.zeros(39, int)), r'labels have the shape \[39\]. It must be \[40\]'),
    (dict(images=PIXELS, labels=np.zeros([40, 2], int)), r'labels have the shape \[40, 2\]'),
    (dict(a=PIXELS, b=PIXELS), 'it must have one array of images, named images, and its arrays are: a, b'),
    (dict(labels=np.zeros(40, int)), 'it must have one array of images'),
    (dict(images=PIXELS), 'has no labels. Save the images as .npz, with an array labels'),
  ],
)
def test_unusable_arrays_are_refused_in_one_line(tmp_path, found, message):
  path = _saved(tmp_path, **found)
  with pytest.raises(UserError, match=message) as e:
    own_arrays.load(path, FIT, labelled='has no labels' in message)
  assert '\n' not in str(e.value) and path in str(e.value)


def test_damaged_files_are_refused(tmp_path):
  content = io.BytesIO()
  np.save(content, PIXELS)
  whole = content.getvalue()
  for name, damaged in (
    ('a.npy', whole[:-1]), ('b.npy', whole[:30]), ('c.npy', b''), ('d.npy', whole.replace(b'(40,', b'(4000000000,')),
    ('e.npz', whole), ('f.npz', b''),
  ):  # fmt: skip
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(UserError, match='%s cannot be used: .* Save it again' % name):
      own_arrays.load(str(tmp_path / name), FIT)
  with zipfile.ZipFile(str(tmp_path / 'g.npz'), 'w') as archive:
    archive.writestr('images.npy', whole[:-1])
  with pytest.raises(UserError, match=r'it has 2559 bytes, and its shape \(40, 8, 8\) needs 2560'):
    own_arrays.load(str(tmp_path / 'g.npz'), FIT)


def _idx(array):
  header = struct.pack('>I', 0x800 + array.ndim) + struct.pack('>%dI' % array.ndim, *array.shape)
  return header + array.astype(np.uint8).tobytes()


def _put_idx(folder, before='', after='', **found):
  names = {'train': 'train-images-idx3-ubyte', 'test': 't10k-images-idx3-ubyte'}
  names.update({'train_labels': 'train-labels-idx1-ubyte', 'test_labels': 't10k-labels-idx1-ubyte'})
  for key, array in found.items():
    content = _idx(array)
    (folder / (before + names[key] + after)).write_bytes(gzip.compress(content) if after == '.gz' else content)


@pytest.mark.parametrize('before, after', [('', ''), ('', '.gz'), ('emnist-letters-', '.gz')])
def test_idx_files_named_like_mnists(tmp_path, before, after):
  values = np.arange(40) % 26 + 1
  _put_idx(tmp_path, before, after, train=PIXELS, train_labels=values, test=PIXELS[:5], test_labels=values[:5])
  train, held_out, fingerprint = own_arrays.load_idx(str(tmp_path), FIT, True)
  assert np.array_equal(train[:][..., 0], PIXELS) and np.array_equal(held_out[:][..., 0], PIXELS[:5])
  assert train.labels.tolist() == (values - 1).tolist() and held_out.labels.tolist() == [0, 1, 2, 3, 4]
  assert train.class_names == tuple(map(str, range(1, 27)))
  plain, _, other = own_arrays.load_idx(str(tmp_path), FIT)
  assert plain.labels is None and fingerprint != other
  some, few, _ = own_arrays.load_idx(str(tmp_path), FIT, True, '3,1')
  assert np.array_equal(some[:][..., 0], PIXELS[[0, 2, 26, 28]]) and len(few) == 2
  with pytest.raises(UserError, match='has no held-out images of them'):
    own_arrays.load_idx(str(tmp_path), FIT, True, '20')


def test_idx_files_are_fitted_like_mnist(tmp_path):
  pixels = np.random.RandomState(0).randint(0, 256, [4, 28, 28]).astype(np.uint8)
  _put_idx(tmp_path, train=pixels, test=pixels[:2])
  for how in ('pad', 'stretch', 'crop'):
    for size, channels in ((32, 1), (16, 3), (28, 1)):
      train, _, _ = own_arrays.load_idx(str(tmp_path), Fit(size, channels, how, 1))
      assert np.array_equal(train[:], arrays.fit(pixels[..., None], size, channels, how))


def test_without_test_files_every_twentieth_is_held_out(tmp_path):
  _put_idx(tmp_path, train=PIXELS)
  train, held_out, _ = own_arrays.load_idx(str(tmp_path), FIT)
  assert (len(train), len(held_out)) == (38, 2)


def test_unusable_idx_files_are_refused(tmp_path):
  def refused(match, error=UserError, labelled=True):
    with pytest.raises(error, match=match) as e:
      own_arrays.load_idx(str(tmp_path), FIT, labelled)
    assert '\n' not in str(e.value)

  refused('holds no train-images-idx3-ubyte. Put it there', Missing)
  _put_idx(tmp_path, train=PIXELS)
  refused('holds no train-labels-idx1-ubyte', Missing)
  _put_idx(tmp_path, train_labels=np.zeros(39))
  refused(r'labels have the shape \[39\]. It must be \[40\], one for each image')
  _put_idx(tmp_path, train_labels=np.arange(40) % 2, test=PIXELS, test_labels=np.arange(40) % 3)
  refused('held-out images of class 2, but no training images')
  path = tmp_path / 'train-images-idx3-ubyte'
  for content, why in (
    (path.read_bytes()[:-1], ''),
    (b'', 'starts with the bytes '),
    (b'\0\0\x0d\x03' + bytes(20), '00'),
  ):
    path.write_bytes(content)
    refused('train-images-idx3-ubyte cannot be read as an IDX file of unsigned bytes: .*' + why)
  _put_idx(tmp_path, 'other-', train=PIXELS)
  refused('holds other-train-images-idx3-ubyte and train-images-idx3-ubyte. Put each set into a folder of its own')
