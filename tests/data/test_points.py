import numpy as np
import pytest

from wgan_tf1.data import points


@pytest.mark.parametrize('name, modes', [('8gaussians', 8), ('25gaussians', 25)])
def test_points_are_normally_distributed_around_equally_probable_centres(name, modes):
  loaded = points.make(name)
  centres, deviation = points.mode_centres(name), points.mode_deviation(name)
  assert loaded.train.shape == (100000, 2) and loaded.validation.shape == (10000, 2) and centres.shape == (modes, 2)
  assert loaded.train.dtype == np.float32 and loaded.train_labels is None
  for drawn in loaded[:2]:
    distances = np.linalg.norm(drawn[:, None] - centres, axis=2)
    counts = np.bincount(distances.argmin(1), minlength=modes) / len(drawn)
    assert np.allclose(counts, 1 / modes, rtol=0.2)
    assert abs(np.sqrt((distances.min(1) ** 2).mean() / 2) / deviation - 1) < 0.02
  assert not np.array_equal(loaded.train[:10000], loaded.validation)
  assert np.array_equal(points.make(name).train, loaded.train)


def test_the_gaussians_are_those_of_the_toy_code():
  ring = points.mode_centres('8gaussians') * 1.414
  assert np.allclose(np.linalg.norm(ring, axis=1), 2) and np.allclose(ring[0], [2, 0])
  assert np.allclose(sorted(set((points.mode_centres('25gaussians') * 2.828)[:, 0])), [-4, -2, 0, 2, 4])
  assert points.mode_deviation('8gaussians') == 0.02 / 1.414
  assert points.mode_deviation('25gaussians') == 0.05 / 2.828


def test_the_swiss_roll_is_a_spiral():
  drawn = points.make('swissroll').train * 7.5
  assert drawn.shape == (100000, 2)
  radius = np.linalg.norm(drawn, axis=1)
  assert 1.5 * np.pi - 1.5 < radius.min() and radius.max() < 4.5 * np.pi + 1.5
  # In scikit-learn's roll the point at angle t has radius t.
  turns = (radius - np.arctan2(drawn[:, 1], drawn[:, 0])) / (2 * np.pi)
  assert np.abs(turns - np.rint(turns)).mean() < 0.05
