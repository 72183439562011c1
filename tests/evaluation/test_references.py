"""Which real samples are compared with, and which take the place of the generated ones."""

import types

import numpy as np
import pytest

from wgan_tf1.evaluation import references


def _dataset(train, held_out):
  return types.SimpleNamespace(train=np.arange(train), validation=1000 + np.arange(held_out))


@pytest.mark.parametrize(
  'train, held_out, chosen',
  [(500, 50, 'test'), (500, 49, 'train'), (40, 45, 'test'), (38, 2, 'train'), (30, 30, 'test')],
)
def test_too_few_held_out_samples_give_way_to_the_training_samples(capsys, train, held_out, chosen):
  assert references.chosen(_dataset(train, held_out)) == chosen
  warning = capsys.readouterr().err
  assert warning.count('\n') == (chosen == 'train') and ('%d samples are held out' % held_out in warning) == bool(
    warning
  )


def test_the_held_out_samples_are_compared_with_training_samples():
  real = references.real_samples(_dataset(400, 100), 50, 'test')
  assert real.name == 'held_out' and real.words == 'test images'
  assert real.reference.tolist() == list(range(1000, 1100, 2))
  assert real.floor[0].tolist() == list(range(0, 400, 8)) and real.floor[1] is real.reference


def test_the_training_samples_are_compared_with_held_out_ones_or_among_themselves():
  real = references.real_samples(_dataset(400, 100), 200, 'train', reference_count=400)
  assert (real.name, real.words) == ('training', 'training images') and len(real.reference) == 400
  assert real.floor[0].tolist() == list(range(1000, 1100)) and real.floor[1] is real.reference
  real = references.real_samples(_dataset(39, 2), 20, 'train')
  assert len(real.reference) == 20
  first, second = real.floor
  assert len(first) == len(second) == 19 and not set(first) & set(second) and set(first) <= set(range(39))


@pytest.mark.parametrize('n, count, sizes', [(10, 3, (3, 3)), (10, 9, (5, 5)), (3, 9, (1, 1)), (1, 9, (1, 1))])
def test_halves(n, count, sizes):
  assert tuple(map(len, references.halves(np.arange(n), count))) == sizes


def test_real_images_are_fitted_as_for_training():
  grey = np.random.RandomState(0).randint(0, 256, [4, 2, 2, 1], np.uint8)
  real = references.fitted(references.Real('a', 'images', grey, (grey[:2], grey)), 2, 3)
  assert np.array_equal(real.reference, np.repeat(grey, 3, axis=3)) and real.floor[1] is real.reference
  assert real.floor[0].shape == (2, 2, 2, 3)
  real = references.fitted(references.Real('a', 'images', grey, (grey[:2], grey[2:])), 4, 1)
  assert real.reference.shape == (4, 4, 4, 1) and [len(images) for images in real.floor] == [2, 2]
  assert np.array_equal(real.reference[:, 1:3, 1:3], grey) and real.reference.sum() == grey.sum()
  assert np.array_equal(np.concatenate(real.floor), real.reference)
