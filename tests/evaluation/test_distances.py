"""Exact, one-dimensional and sliced earth mover's distances, against known values and slow implementations."""

import itertools

import numpy as np
import pytest

from tests.helpers.draws import dirichlet, random
from tests.helpers.errors import user_error
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import distances

# Earth mover's distance.


def test_the_distance_of_point_masses_and_permutations():
  a = random(16).normal(size=[30, 3])
  assert distances.earth_movers_distance(np.zeros([4, 2]), np.tile([3.0, 4.0], [4, 1])) == 5
  assert distances.earth_movers_distance(a, a[random(17).permutation(30)]) == 0
  assert distances.earth_movers_distance(a, a + [1, 2, 2]) == pytest.approx(3)
  assert distances.earth_movers_distance([[0.0], [1.0]], [[1.0], [2.0]]) == 1


@pytest.mark.parametrize('seed', range(3))
def test_the_distance_is_the_least_of_all_matchings(seed):
  a, b = random(seed, 18).normal(size=[2, 6, 2])
  best = min(
    sum(np.hypot(*(a[i] - b[j])) for i, j in enumerate(order)) / 6 for order in itertools.permutations(range(6))
  )
  assert distances.earth_movers_distance(a, b) == pytest.approx(best)
  assert distances.earth_movers_distance(b, a) == pytest.approx(best)


def test_images_are_vectors_and_bytes_do_not_overflow():
  a, b = np.zeros([2, 2, 2, 1], np.uint8), np.full([2, 2, 2, 1], 255, np.uint8)
  assert distances.earth_movers_distance(a, b) == distances.earth_movers_distance(b, a) == 510


def test_samples_that_cannot_be_matched_are_refused():
  a = np.zeros([3, 2])
  with pytest.raises(UserError, match="3 and 2 samples: the earth mover's distance needs equally many"):
    distances.earth_movers_distance(a, a[:2])
  with pytest.raises(UserError, match='0 and 0 samples'):
    distances.earth_movers_distance(a[:0], a[:0])
  with pytest.raises(UserError, match='samples are not finite'):
    distances.earth_movers_distance(a, a + np.inf)


def test_a_plan_by_hand():
  plan = distances.earth_movers_plan([0.5, 0.5, 0], [0, 0.5, 0.5], [[0, 1, 2], [1, 0, 1], [2, 1, 0]])
  assert (plan * [[0, 1, 2], [1, 0, 1], [2, 1, 0]]).sum() == pytest.approx(1)
  # With strictly convex costs only one plan is best: both halves move by one.
  plan = distances.earth_movers_plan([0.5, 0.5, 0], [0, 0.5, 0.5], [[0, 1, 4], [1, 0, 1], [4, 1, 0]])
  assert plan == pytest.approx(np.array([[0, 0.5, 0], [0, 0, 0.5], [0, 0, 0]]))


@pytest.mark.parametrize('scale', [1.0, 1e-9, 1e9])
def test_the_best_plan_of_any_magnitude_is_found(scale):
  a, b = scale * dirichlet(19, 2, 12)
  x, y = np.sort(random(20).normal(size=[2, 12]))
  cost = scale * np.abs(x[:, None] - y)
  plan = distances.earth_movers_plan(a, b, cost)
  assert plan.shape == (12, 12) and plan.min() >= 0
  assert plan.sum(1) == pytest.approx(a, rel=1e-9, abs=1e-12 * scale)
  assert plan.sum(0) == pytest.approx(b, rel=1e-9, abs=1e-12 * scale)
  places = np.sort(np.concatenate([x, y]))
  shares = [w.cumsum()[np.searchsorted(z, places[:-1], 'right') - 1] for w, z in ((a, x), (b, y))]
  shares = [np.where(places[:-1] < z[0], 0, share) for share, z in zip(shares, (x, y))]
  area = np.sum(np.abs(shares[0] - shares[1]) * np.diff(places))
  assert (plan * cost).sum() == pytest.approx(scale * area, rel=1e-9, abs=0)


@pytest.mark.parametrize('seed', range(3))
def test_a_plan_of_equal_weights_costs_what_the_best_matching_does(seed):
  a, b = random(seed, 21).normal(size=[2, 15, 2])
  cost = np.sqrt(((a[:, None] - b) ** 2).sum(2))
  plan = distances.earth_movers_plan(np.full(15, 1 / 15), np.full(15, 1 / 15), cost)
  assert (plan * cost).sum() == pytest.approx(distances.earth_movers_distance(a, b), rel=1e-9)


@pytest.mark.parametrize('seed', range(3))
def test_a_plan_on_the_line_costs_the_area_between_distribution_functions(seed):
  a, b = dirichlet(seed, 2, 20)
  places = np.sort(random(seed, 22).normal(size=20))
  cost = np.abs(places[:, None] - places)
  plan = distances.earth_movers_plan(a, b, cost)
  area = np.sum(np.abs(np.cumsum(a - b))[:-1] * np.diff(places))
  assert (plan * cost).sum() == pytest.approx(area, rel=1e-9)


def test_heaps_that_cannot_be_moved_are_refused():
  cost = np.ones([2, 2])
  for a, b in (([1, 1], [1, 1.0001]), ([1, 1], [3, -1]), ([0, 0], [0, 0])):
    with pytest.raises(UserError, match='weights sum to .* must be at least 0, with equal sums above 0'):
      distances.earth_movers_plan(a, b, cost)
  with pytest.raises(UserError, match='weights are not finite'):
    distances.earth_movers_plan([1, 1], [np.inf, 1], cost)
  with pytest.raises(UserError, match='costs are not finite'):
    distances.earth_movers_plan([1, 1], [1, 1], cost * np.nan)


def test_the_distance_on_the_line():
  a, b = random(23).normal(size=[2, 50])
  assert distances.wasserstein_1d(a, b) == pytest.approx(np.mean(np.abs(np.sort(a) - np.sort(b))))
  assert distances.wasserstein_1d(a, b) == pytest.approx(distances.earth_movers_distance(a[:, None], b[:, None]))
  assert distances.wasserstein_1d(a, a[::-1] - 2.5) == pytest.approx(2.5)
  assert distances.wasserstein_1d(a, a[::-1]) == 0


def test_the_distance_on_the_line_of_unequal_numbers():
  from scipy.stats import wasserstein_distance

  assert distances.wasserstein_1d([0, 1], [0, 1, 1]) == pytest.approx(1 / 6)
  a, b = random(24).normal(size=40), random(25).exponential(size=17)
  assert distances.wasserstein_1d(a, b) == pytest.approx(wasserstein_distance(a, b))


def test_samples_on_the_line_that_cannot_be_compared_are_refused():
  with pytest.raises(UserError, match='0 and 1 samples'):
    distances.wasserstein_1d([], [1])
  with pytest.raises(UserError, match='samples are not finite'):
    distances.wasserstein_1d([1, np.nan], [1, 2])


# Sliced Wasserstein distance.


def _images(seed, n=12, size=32, channels=1):
  return random(seed, 26).randint(0, 256, [n, size, size, channels]).astype(np.uint8)


@pytest.mark.parametrize('size, levels', [(28, [28]), (32, [32, 16]), (64, [64, 32, 16]), (45, [45, 23])])
def test_the_levels_of_a_size(size, levels):
  images = _images(0, 4, size)
  found = distances.sliced_wasserstein(images, _images(1, 4, size), patches=4, directions=4)
  assert list(found) == levels and all(value > 0 for value in found.values())
  assert distances.sliced_wasserstein(images, images, patches=4, directions=4) == dict.fromkeys(levels, 0)


def test_levels_go_down_to_the_smallest_that_holds_a_patch():
  assert list(distances.sliced_wasserstein(_images(0), _images(1), 4, 4, smallest=1)) == [32, 16, 8]


@pytest.mark.parametrize('channels', [1, 3])
def test_the_sliced_distance_by_the_slow_way(channels):
  from scipy import ndimage
  from scipy.stats import wasserstein_distance

  patches, directions = 3, 5
  a, b = _images(2, channels=channels), _images(3, channels=channels) // 3
  kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256

  def blur(plane):
    return ndimage.convolve(plane, kernel, mode='mirror')

  def bands(plane):
    coarse = blur(plane)[::2, ::2]
    spread = np.zeros([32, 32])
    spread[::2, ::2] = coarse
    return {32: plane - 4 * blur(spread), 16: coarse}

  expected = {}
  for size in (32, 16):
    state = random(0, size)
    tops, lefts = state.randint(size - 6, size=[2, 12, patches])
    lines = state.normal(size=[directions, 49 * channels])
    sets = []
    for images in (a, b):
      found = np.empty([12 * patches, 7, 7, channels])
      for i in range(12):
        for c in range(channels):
          band = bands(images[i, :, :, c].astype(float))[size]
          for k in range(patches):
            found[i * patches + k, :, :, c] = band[tops[i, k] : tops[i, k] + 7, lefts[i, k] : lefts[i, k] + 7]
      for c in range(channels):
        found[..., c] = (found[..., c] - found[..., c].mean()) / found[..., c].std()
      sets.append(found.reshape(len(found), -1))
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    expected[size] = 1e3 * np.mean([wasserstein_distance(*(x.dot(line) for x in sets)) for line in lines])
  assert distances.sliced_wasserstein(a, b, patches, directions) == pytest.approx(expected, rel=1e-4)


def test_the_sliced_distance_of_noise_and_of_plain_patches():
  # Each image is one patch. White noise is N(0, 1) along each direction; plain squares of random brightness are
  # N(0, s^2) with s = |sum of the direction| = 7 |t|, where t has the density (1 - t^2)^23. W1 is |1 - s| E|N(0, 1)|.
  t = np.linspace(-1, 1, 20001)
  density = (1 - t**2) ** 23
  expected = 1e3 * np.sqrt(2 / np.pi) * np.sum(density * np.abs(1 - 7 * np.abs(t))) / density.sum()
  noise = random(27).normal(size=[4000, 7, 7, 1])
  plain = np.tile(random(28).normal(size=[4000, 1, 1, 1]), [1, 7, 7, 1])
  found = distances.sliced_wasserstein(noise, plain, patches=1, directions=1000, smallest=7)
  assert found == {7: pytest.approx(expected, rel=0.05)}


def test_properties_of_the_sliced_distance():
  ramp = np.linspace(0, 120, 32)[:, None, None] * random(29).uniform(0.5, 1, [40, 1, 32, 1])
  shapes = ramp + 80 * (random(30).uniform(size=[40, 4, 4, 1]) > 0.5).repeat(8, 1).repeat(8, 2)
  noise = random(31).normal(size=shapes.shape)

  def measure(a, b, seed=0):
    return np.array(list(distances.sliced_wasserstein(a, b, 32, 64, seed=seed).values()))

  by_noise = np.array([measure(shapes, shapes + level * noise) for level in (0, 5, 20, 80)])
  assert np.all(np.diff(by_noise, axis=0) > 0) and np.all(by_noise[0] == 0)
  assert np.array_equal(measure(shapes, noise), measure(noise, shapes))
  assert np.array_equal(measure(shapes, noise, seed=3), measure(shapes, noise, seed=3))
  assert not np.array_equal(measure(shapes, noise, seed=3), measure(shapes, noise, seed=4))
  # The brightness and contrast of a whole set do not count.
  assert measure(shapes, 10 + noise / 7) == pytest.approx(measure(shapes, noise), rel=1e-3)


@pytest.mark.parametrize('value', [0, 255, 0.1, -1.0])  # blurring 0.1 leaves rounding errors
def test_images_without_contrast_have_a_distance(value):
  plain, images = np.full([4, 32, 32, 1], value), _images(4, 4) / 255
  assert distances.sliced_wasserstein(plain, plain, 8, 8) == {32: 0, 16: 0}
  assert distances.sliced_wasserstein(plain, plain + 0.7, 8, 8) == {32: 0, 16: 0}
  found = distances.sliced_wasserstein(plain, images, 8, 8)
  # About the mean of |N(0, 1)| along a direction: the distance between a point mass and white noise.
  assert found[32] == pytest.approx(800, rel=0.2) and np.isfinite(found[16])


def test_images_that_cannot_be_compared_are_refused():
  images = _images(5, 4)
  with pytest.raises(UserError, match='equally many, at least 1, of one size'):
    distances.sliced_wasserstein(images, images[:3])
  with pytest.raises(UserError, match='equally many'):
    distances.sliced_wasserstein(images[:0], images[:0])
  with pytest.raises(UserError, match='8x8 pixels: must be square and at least 16 high'):
    distances.sliced_wasserstein(images[:, :8, :8], images[:, :8, :8])
  with pytest.raises(UserError, match='32x28 pixels: must be square'):
    distances.sliced_wasserstein(images[:, :, :28], images[:, :, :28])
  with pytest.raises(UserError, match='images are not finite'):
    distances.sliced_wasserstein(images * np.nan, images)


@pytest.mark.parametrize(
  'sizes, blocks, block_size, expected',
  [  # torch-fidelity 0.4.0: kid_features_to_metric(b, a), rng_seed=5.
    ((300, 200, 8, 0.5), 100, 100, (1.3644573923275223, 0.20472922395644697)),
    ((300, 200, 8, 0.5), 7, 50, (1.4099956228278268, 0.19515349277746444)),
    ((500, 500, 64, 0.1), 100, 100, (0.036372519393774325, 0.01820047681763193)),
  ],
)
def test_the_kernel_distance_is_that_of_a_public_implementation(sizes, blocks, block_size, expected):
  n, m, d, shift = sizes
  draws = np.random.RandomState(0)
  a, b = draws.normal(size=[n, d]), shift + 1.2 * draws.normal(size=[m, d])
  assert distances.kernel_distance(b, a, blocks, block_size, seed=5) == pytest.approx(expected, rel=1e-9)


def test_the_kernel_distance_of_equal_distributions_is_zero_on_average():
  a, b = np.random.RandomState(0).normal(size=[2, 2000, 4]).astype(np.float32)
  mean, deviation = distances.kernel_distance(a, b, 50, 200)
  assert abs(mean) < 0.2 * deviation
  assert distances.kernel_distance(a, b + 1, 50, 200)[0] > 10 * deviation


def test_what_has_no_kernel_distance_is_refused():
  features = np.ones([4, 3])
  with user_error('4 and 2 samples in blocks of 3', 'use more samples'):
    distances.kernel_distance(features, features[:2], block_size=3)
  with user_error('in blocks of 1'):
    distances.kernel_distance(features, features, block_size=1)
  with user_error('use the same classifier'):
    distances.kernel_distance(features, features[:, :2], block_size=2)
  with user_error('not finite'):
    distances.kernel_distance(features, features * np.nan, block_size=2)
