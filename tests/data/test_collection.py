import concurrent.futures
import contextlib

import numpy as np
import pytest

from tests.helpers.pictures import grey
from wgan_tf1.data import collection
from wgan_tf1.data.collection import Fit, Images
from wgan_tf1.errors import UserError


@pytest.mark.parametrize('memory_mb', [0, 1])
def test_an_image_that_several_threads_read_at_once_is_decoded_once_if_it_is_kept(capsys, memory_mb):
  reads = []

  def read(source):
    reads.append(source)
    return b'' if source == 'damaged' else grey(7)

  images = Images(['damaged', 'whole'], read, str, Fit(8, 1, 'crop', memory_mb))
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert [image[0, 0, 0, 0] for image in pool.map(lambda _: images[np.array([0])], range(40))] == [7] * 40
  assert images[:].max() == 7 and reads.count('damaged') == 1
  assert reads.count('whole') == (1 if memory_mb else 42)
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('warning: damaged cannot be decoded (not a PNG, JPEG, WebP, GIF, BMP or TIFF image)')


def test_images_are_kept_if_all_of_them_fit():
  reads = []

  def make(count, memory_mb):
    return Images(range(count), lambda i: reads.append(i) or grey(i), str, Fit(512, 1, 'crop', memory_mb))

  for images, times in ((make(4, 1), 1), (make(5, 1), 3)):  # 512 x 512 pixels are a quarter of a megabyte
    del reads[:]
    whole = images[:]
    whole[:] = 9  # a copy: the collection does not change
    part = images.part(np.array([3, 1]))
    assert part[:][:, 0, 0, 0].tolist() == [3, 1]
    assert images[np.array([-1, 0])][:, 0, 0, 0].tolist() == [len(images) - 1, 0]
    assert sorted(reads).count(3) == min(times, 2) and sorted(reads).count(1) == min(times, 2)


def test_a_bar_shows_how_many_images_are_decoded(monkeypatch):
  counted = []

  @contextlib.contextmanager
  def progress(*words):
    counted.append([*words, 0])
    yield lambda count: counted[-1].append(counted[-1].pop() + count)

  monkeypatch.setattr(collection, 'progress', progress)
  images = Images(range(5), grey, str, Fit(8, 1, 'crop', 1))
  images[:3]
  images[:3]  # they are kept
  assert counted == [['decoding images', 3, 'images', 3]]


def test_a_damaged_image_is_replaced_by_one_of_its_class(capsys):
  labels = np.array([0, 1, 0, 1, 2])
  contents = [grey(0), b'', grey(2), grey(3), b'']
  images = Images(contents, lambda c: c, lambda c: 'x', Fit(8, 1), labels=labels, class_names=('a', 'b', 'c'))
  assert images[np.array([0, 1, 2, 3])][:, 0, 0, 0].tolist() == [0, 3, 2, 3]
  assert images.labels.tolist() == labels.tolist() and images.labels.dtype == np.int32
  with pytest.raises(UserError, match='no image of class c can be decoded. Replace them. The first is x'):
    images[np.array([4])]


def test_every_class_has_training_images_and_one_class_has_others():
  def parts(labels):
    images = Images(range(len(labels)), grey, str, Fit(8, 1), labels=np.array(labels), class_names=tuple('abc'))
    return collection.split(images, 2, 100)

  train, held_out = parts([0, 1, 0, 2, 0, 0])  # 1, 3 and 5 would be held out: all of classes 1 and 2
  assert train.labels.tolist() == [0, 1, 0, 2, 0] and held_out.labels.tolist() == [0]
  assert train[:][:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4] and held_out[:][:, 0, 0, 0].tolist() == [5]
  train, held_out = parts([0, 1])
  assert train.labels.tolist() == held_out.labels.tolist() == [0, 1]


def test_of_many_damaged_images_the_first_five_are_named(capsys):
  images = Images(list('abcdefgh'), lambda source: grey(7) if source == 'h' else b'', str, Fit(8, 1))
  assert images[np.arange(8)].max() == 7
  lines = capsys.readouterr().err.splitlines()
  assert [line.split()[1] for line in lines[:5]] == list('abcde') and len(lines) == 6
  assert lines[5] == 'warning: more than 5 images cannot be decoded. The others are not listed'
