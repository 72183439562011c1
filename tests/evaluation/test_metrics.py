"""Scores, divergences and modes, against values by hand and slow implementations."""

import collections

import numpy as np
import pytest

from tests.helpers.draws import dirichlet, random
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import metrics

LOG_2 = np.log(2)


def _covariance(seed, d):
  factor = random(seed, 1).normal(size=[d, d])
  return factor.dot(factor.T)


# Inception score and classes.


def test_the_inception_score_of_equal_rows_is_1():
  assert metrics.inception_score(np.full([40, 7], 1 / 7), 4) == pytest.approx((1, 0))
  assert metrics.inception_score(np.tile([0.2, 0, 0.8], [40, 1]), 4) == pytest.approx((1, 0))


def test_the_inception_score_of_certain_and_balanced_rows_is_the_number_of_classes():
  assert metrics.inception_score(np.tile(np.eye(7), [20, 1]), 10) == pytest.approx((7, 0))


def test_the_inception_score_of_two_rows_by_hand():
  # p(y) is (1/2, 1/2); each row diverges from it by 3/4 log(3/2) + 1/4 log(1/2).
  expected = 1.5**0.75 * 0.5**0.25
  assert metrics.inception_score([[0.75, 0.25], [0.25, 0.75]], 1) == pytest.approx((expected, 0))


def test_the_inception_score_is_that_of_its_definition_over_consecutive_splits():
  p = dirichlet(0, 103, 5)
  scores = []
  for i in range(10):
    part = p[i * 103 // 10 : (i + 1) * 103 // 10]
    marginal = part.sum(0) / len(part)
    divergences = [sum(a * np.log(a / b) for a, b in zip(row, marginal)) for row in part]
    scores.append(np.exp(sum(divergences) / len(part)))
  deviation = np.sqrt(sum((s - sum(scores) / 10) ** 2 for s in scores) / 10)
  assert metrics.inception_score(p) == pytest.approx((sum(scores) / 10, deviation))


def test_splits_of_another_score_deviate():
  sure, unsure = np.tile(np.eye(4), [5, 1]), np.full([20, 4], 0.25)
  assert metrics.inception_score(np.concatenate([sure, unsure]), 2) == pytest.approx((2.5, 1.5))


def test_classes_of_rows_are_counted():
  p = np.array([[0.6, 0.4, 0, 0], [0.5, 0.1, 0.4, 0], [0.1, 0.2, 0.7, 0], [0.4, 0.1, 0.4, 0.1]])
  assert metrics.class_histogram(p).tolist() == [3, 0, 1, 0]
  assert metrics.class_coverage(p) == 2
  assert metrics.class_entropy(p) == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))


def test_the_class_entropy_goes_from_0_to_that_of_equal_parts():
  assert metrics.class_entropy(np.eye(5)[[3, 3, 3]]) == 0
  assert metrics.class_entropy(np.tile(np.eye(5), [3, 1])) == pytest.approx(np.log(5))


@pytest.mark.parametrize('function', [metrics.inception_score, metrics.class_histogram, metrics.class_coverage])
@pytest.mark.parametrize(
  'rows, said',
  [
    ([[0.5, np.nan]] * 20, r'probabilities are not finite: 20 of 40 numbers'),
    ([[np.inf, 0.5]] * 20, r'probabilities are not finite'),
    ([[0.5, 0.6]] * 20, r'rows are not probabilities: the smallest number is 0.5, and sums range from 1.1 to 1.1'),
    ([[0.5, 0.5]] * 19 + [[-0.5, 1.5]], r'rows are not probabilities: the smallest number is -0.5'),
    (np.zeros([0, 10]), r'probabilities of 0 samples'),
  ],
)
def test_rows_that_are_not_probabilities_are_refused(function, rows, said):
  with pytest.raises(UserError, match=said):
    function(np.array(rows))


@pytest.mark.parametrize('splits', [0, 10])
def test_fewer_samples_than_splits_are_refused(splits):
  with pytest.raises(UserError, match='9 samples in %d splits' % splits):
    metrics.inception_score(dirichlet(0, 9, 3), splits)


def test_a_float32_softmax_is_accepted_as_probabilities():
  logits = random(1).normal(0, 5, [100, 1008]).astype(np.float32)
  exps = np.exp(logits - logits.max(1, keepdims=True))
  assert metrics.inception_score(exps / exps.sum(1, keepdims=True))[0] > 1


# Frechet distance.


@pytest.mark.parametrize('m1, s1, m2, s2', [(0, 1, 0, 1), (1, 2, -3, 0.5), (0, 0, 2, 3), (5, 0, 5, 0)])
def test_the_frechet_distance_on_the_line(m1, s1, m2, s2):
  found = metrics.frechet_distance_of([m1], [[s1**2]], [m2], [[s2**2]])
  assert found == pytest.approx((m1 - m2) ** 2 + (s1 - s2) ** 2, abs=1e-12)


def test_the_frechet_distance_of_covariances_that_commute():
  vectors = np.linalg.qr(random(2).normal(size=[6, 6]))[0]
  a, b = np.array([4, 1, 0, 0, 9, 2.0]), np.array([1, 1, 0, 3, 0, 5.0])
  mean_a, mean_b = random(3).normal(size=[2, 6])
  found = metrics.frechet_distance_of(mean_a, (vectors * a).dot(vectors.T), mean_b, (vectors * b).dot(vectors.T))
  assert found == pytest.approx(np.sum((mean_a - mean_b) ** 2) + np.sum((np.sqrt(a) - np.sqrt(b)) ** 2), rel=1e-12)


def test_the_frechet_distance_is_that_of_a_matrix_root():
  from scipy.linalg import sqrtm

  a, b = _covariance(4, 8), _covariance(5, 8)
  expected = 8 * 4 + np.trace(a + b - 2 * sqrtm(a.dot(b)).real)
  assert metrics.frechet_distance_of(np.ones(8), a, -np.ones(8), b) == pytest.approx(expected, rel=1e-9)


def test_the_frechet_distance_of_singular_covariances():
  # Both have rank 1: for u u^T and v v^T the root of the product has the trace |u . v|.
  u, v = random(6).normal(size=[2, 30])
  expected = u.dot(u) + v.dot(v) - 2 * abs(u.dot(v))
  zero = np.zeros(30)
  assert metrics.frechet_distance_of(zero, np.outer(u, u), zero, np.outer(v, v)) == pytest.approx(expected, rel=1e-10)
  assert metrics.frechet_distance_of(zero, np.outer(u, u), zero, np.outer(u, u)) == pytest.approx(0, abs=1e-12)
  assert metrics.frechet_distance_of(zero, np.zeros([30, 30]), u, np.outer(v, v)) == pytest.approx(u.dot(u) + v.dot(v))


def test_the_frechet_distance_of_fewer_samples_than_features():
  # The trace of the root is the sum of the singular values of the product of the centred rows.
  a, b = random(7).normal(size=[20, 200]), random(8).normal(1, 2, size=[30, 200])
  scaled_a, scaled_b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b))
  overlap = np.linalg.svd(scaled_a.dot(scaled_b.T), compute_uv=False).sum()
  expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + (scaled_a**2).sum() + (scaled_b**2).sum() - 2 * overlap
  assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-10)
  assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-10)


def test_the_frechet_distance_of_samples_is_that_of_their_moments():
  a, b = random(9).normal(size=[5000, 4]).astype(np.float32), random(10).uniform(size=[70, 4])
  moments = [(x.mean(0, dtype=float), np.cov(x.astype(float), rowvar=False)) for x in (a, b)]
  expected = metrics.frechet_distance_of(*moments[0], *moments[1])
  assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)
  assert metrics.frechet_distance([[1.0], [3.0]], [[0.0], [0.0]]) == pytest.approx(4 + 2)  # variance over N - 1


def test_the_frechet_distance_of_equal_samples_is_0_and_not_below():
  distances = [metrics.frechet_distance(x, x) for x in random(9).normal(size=[20, 30, 6])]
  assert min(distances) >= 0 and max(distances) < 1e-13


@pytest.mark.parametrize('seed', range(3))
def test_properties_of_the_frechet_distance(seed):
  a, b = random(seed, 11).normal(size=[50, 5]), random(seed, 12).exponential(size=[60, 5])
  distance, step = metrics.frechet_distance(a, b), np.arange(5)
  assert distance > 0 and distance == pytest.approx(metrics.frechet_distance(b, a))
  assert metrics.frechet_distance(a + step, b + step) == pytest.approx(distance)
  assert metrics.frechet_distance(3 * a, 3 * b) == pytest.approx(9 * distance)
  assert metrics.frechet_distance(a, a + step) == pytest.approx(30)


def test_features_that_cannot_be_compared_are_refused():
  good = random(13).normal(size=[5, 3])
  bad = good.copy()
  bad[1, 2] = np.nan
  for pair in ((good, bad), (bad, good)):
    with pytest.raises(UserError, match='features are not finite: 1 of 15 numbers'):
      metrics.frechet_distance(*pair)
  with pytest.raises(UserError, match='features are not finite'):
    metrics.frechet_distance_of(np.zeros(2), np.full([2, 2], np.inf), np.zeros(2), np.eye(2))
  with pytest.raises(UserError, match='features of 1 samples: a covariance needs at least 2'):
    metrics.frechet_distance(good, good[:1])
  with pytest.raises(UserError, match='features number 3 and 2: use the same classifier for both'):
    metrics.frechet_distance(good, good[:, :2])


# Divergences, n-grams.


def test_divergences_of_disjoint_and_of_equal_probabilities():
  p, q = np.array([0.25, 0.75, 0, 0]), np.array([0, 0, 0.5, 0.5])
  assert metrics.jensen_shannon(p, q) == pytest.approx(LOG_2)
  assert metrics.kullback_leibler(p, q) == metrics.kullback_leibler(q, p) == float('inf')
  assert metrics.jensen_shannon(p, p) == metrics.kullback_leibler(p, p) == 0


def test_divergences_by_hand():
  p, q = [0.5, 0.5, 0], [0.25, 0.5, 0.25]
  assert metrics.kullback_leibler(p, q) == pytest.approx(0.5 * LOG_2)
  assert metrics.kullback_leibler(q, p) == float('inf')
  expected = (0.5 * np.log(0.5 / 0.375) + 0.25 * np.log(0.25 / 0.375) + 0.25 * LOG_2) / 2
  assert metrics.jensen_shannon(p, q) == pytest.approx(expected)


@pytest.mark.parametrize('seed', range(3))
def test_divergences_agree_with_scipy(seed):
  from scipy.spatial.distance import jensenshannon
  from scipy.stats import entropy

  p, q = dirichlet(seed, 2, 40)
  assert metrics.kullback_leibler(p, q) == pytest.approx(entropy(p, q)) and entropy(p, q) > 0
  assert metrics.jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q) ** 2)
  assert metrics.jensen_shannon(p, q) == metrics.jensen_shannon(q, p)
  assert 0 < metrics.jensen_shannon(p, q) < LOG_2


def test_divergences_of_the_smallest_floats_are_finite():
  smallest = 5e-324
  assert metrics.jensen_shannon([1, smallest], [1, 0]) == pytest.approx(0, abs=1e-15)
  expected = np.log(0.5) - 0.5 * np.log(smallest)
  assert metrics.kullback_leibler([0.5, 0.5], [1, smallest]) == pytest.approx(expected)


def test_divergences_of_anything_but_probabilities_are_refused():
  for function in (metrics.jensen_shannon, metrics.kullback_leibler):
    with pytest.raises(UserError, match='rows are not probabilities'):
      function([0.5, 0.5], [3, 4])
    with pytest.raises(UserError, match='probabilities are not finite'):
      function([0.5, np.nan], [0.5, 0.5])


def test_ngrams_stay_within_a_line():
  lines = ['abab', 'b', '']
  assert metrics.ngrams(lines, 1) == {'a': 2, 'b': 3}
  assert metrics.ngrams(lines, 2) == {'ab': 2, 'ba': 1}
  assert metrics.ngrams(lines, 4) == {'abab': 1}
  assert metrics.ngrams(lines, 5) == collections.Counter()


def test_the_ngram_divergence_of_the_same_and_of_disjoint_lines():
  lines = ['to be or not', 'to be']
  for n in (1, 2, 3, 4):
    assert metrics.ngram_divergence(lines, lines[::-1] * 3, n) == pytest.approx(0, abs=1e-15)
    assert metrics.ngram_divergence(lines, ['XYXYX'], n) == pytest.approx(1)


def test_the_ngram_divergence_by_hand():
  # a, b against a, a, a, c: (1/2, 1/2, 0) and (3/4, 0, 1/4), with the mean (5/8, 1/4, 1/8).
  expected = (0.5 * np.log2(4 / 5) + 0.5 * 1 + 0.75 * np.log2(6 / 5) + 0.25 * 1) / 2
  assert metrics.ngram_divergence(['ab'], ['aa', 'ac'], 1) == pytest.approx(expected)
  # ab, bc against ab, ba: half of each is shared.
  assert metrics.ngram_divergence(['abc'], ['aba'], 2) == pytest.approx(0.5)


def test_lines_without_ngrams_are_refused():
  for a, b in ((['ab'], ['abc']), (['abc'], ['']), ([], ['abc'])):
    with pytest.raises(UserError, match='no line of the text has 3 characters'):
      metrics.ngram_divergence(a, b, 3)


# Modes.


def test_modes_and_quality_of_points_placed_by_hand():
  centres = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
  points = [
    [1.5, 0],  # at 3 deviations: of high quality
    [0, -1.5000001],  # too far
    [1.2, 1.2],  # too far: the limit is a circle, not a square
    [10, 0.25],
    [10.25, 0],
    [5, 5],
    [0, 8],  # nearest to the third mode, but too far to capture it
    [-0.5, 0.5],
  ]
  assert metrics.mode_coverage(points, centres, 0.5) == (2, 0.5)
  assert metrics.mode_coverage([[4.0, 4.0]], centres, 0.5) == (0, 0.0)


def test_gaussian_points_are_of_high_quality_as_often_as_expected():
  centres = 3 * random(14).normal(size=[8, 2])
  points = np.repeat(centres, 5000, axis=0) + random(15).normal(0, 0.02, [40000, 2])
  modes, share = metrics.mode_coverage(points.astype(np.float32), centres, 0.02)
  expected = 1 - np.exp(-4.5)
  assert modes == 8 and abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 40000)


def test_points_that_cannot_be_counted_are_refused():
  with pytest.raises(UserError, match='points are not finite: 1 of 4 numbers'):
    metrics.mode_coverage([[0, 0], [np.nan, 0]], np.zeros([1, 2]), 1)
  with pytest.raises(UserError, match='0 points'):
    metrics.mode_coverage(np.zeros([0, 2]), np.zeros([1, 2]), 1)
