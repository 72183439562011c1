"""Scores by a classifier, divergences and counted modes, as formulas on arrays. No TensorFlow here.

Arguments are not changed, sums are in float64, and values that are not finite are refused, so that no result is NaN.
"""

import collections
from typing import Counter, Sequence, Tuple

import numpy as np

from wgan_tf1.errors import UserError

_SUM_TOLERANCE = 1e-4  # a float32 softmax of 1,000 classes is within 1e-6 of 1


def check_finite(what: str, values: np.ndarray) -> None:
  """Raises a `UserError` that names `what` if any of the values is NaN or infinite."""
  bad = values.size - np.count_nonzero(np.isfinite(values))
  if bad:
    raise UserError(
      '%s are not finite: %d of %d numbers are NaN or infinite. Check what they come from, or use an earlier checkpoint'
      % (what, bad, values.size)
    )


def check_features(a: np.ndarray, b: np.ndarray) -> None:
  """Raises a `UserError` unless [N, D] and [M, D] are finite, and of equally many columns."""
  if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
    raise UserError('features %s and %s: use the same classifier for both' % (a.shape, b.shape))
  for features in (a, b):
    check_finite('features', features)


def _probabilities(values: np.ndarray) -> np.ndarray:
  """Returns float64 [..., C] after a check that the rows are probabilities.

  Raises:
    UserError: if they are not, or if there are none.
  """
  values = np.asarray(values, np.float64)
  check_finite('probabilities', values)
  if not values.size:
    raise UserError('probabilities of 0 samples: use at least 1')
  sums = values.sum(axis=-1)
  if values.min() < 0 or np.abs(sums - 1).max() > _SUM_TOLERANCE:
    raise UserError(
      'rows are not probabilities: the smallest number is %g, and sums range from %g to %g. Use the output of a softmax'
      % (values.min(), sums.min(), sums.max())
    )
  return values


def _entropy(p: np.ndarray) -> np.ndarray:
  """Returns the entropy in nats along the last axis; 0 log 0 is 0."""
  return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)


def inception_score(probabilities: np.ndarray, splits: int = 10) -> Tuple[float, float]:
  """exp(E_x KL(p(y|x) || p(y))) of arXiv 1606.03498, section 4, in consecutive parts of the samples.

  It ranges from 1, where the class says nothing about the sample, to C, and rises with the samples in a part.

  Args:
    probabilities: float [N, C], p(y|x) for each sample.
    splits: number of parts, as equal as possible; each has its own p(y).

  Returns:
    (mean, deviation) over the parts; the deviation divides by `splits`, as in the authors' code.

  Raises:
    UserError: if the rows are not probabilities, or if there are fewer than `splits`.
  """
  p = _probabilities(probabilities)
  n = len(p)
  if not 1 <= splits <= n:
    raise UserError('%d samples in %d splits: use 1 to %d splits, or more samples' % (n, splits, n))
  parts = (p[i * n // splits : (i + 1) * n // splits] for i in range(splits))
  # The expected divergence from the mean is the mutual information H(y) - H(y|x).
  scores = np.exp([_entropy(part.mean(axis=0)) - _entropy(part).mean() for part in parts])
  return float(scores.mean()), float(scores.std())


def class_histogram(probabilities: np.ndarray) -> np.ndarray:
  """Returns int [C]: how many rows of float [N, C] have their highest probability at each class, the first of ties.

  Raises:
    UserError: if the rows are not probabilities.
  """
  p = _probabilities(probabilities)
  return np.bincount(p.argmax(axis=1), minlength=p.shape[1])


def class_coverage(probabilities: np.ndarray) -> int:
  """Returns how many classes at least one row of float [N, C] is assigned to; errors as in `class_histogram`."""
  return int(np.count_nonzero(class_histogram(probabilities)))


def class_entropy(probabilities: np.ndarray) -> float:
  """Returns the entropy of `class_histogram` in nats: 0 for a single class, log C for equally frequent classes."""
  counts = class_histogram(probabilities)
  return abs(float(_entropy(counts / counts.sum())))  # abs, since the entropy of one class is -0.0


def mean_and_covariance(features: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
  """Returns float64 (mean [D], covariance [D, D]) of float [N, D]; the covariance divides by N - 1.

  Raises:
    UserError: if there is a single row, or if features are not finite.
  """
  features = np.asarray(features)
  n, d = features.shape
  if n < 2:
    raise UserError('features of %d samples: a covariance needs at least 2. Use more samples' % n)
  check_finite('features', features)
  mean = features.mean(axis=0, dtype=np.float64)
  covariance = np.zeros([d, d])
  for start in range(0, n, 4096):  # all 50,000 rows of 2,048 at once would fill 800 MB in float64, twice
    centred = features[start : start + 4096] - mean
    covariance += centred.T.dot(centred)
  return mean, covariance / (n - 1)


def _square_root(covariance: np.ndarray) -> np.ndarray:
  """Returns S [D, rank] with S S^T = covariance [D, D].

  Eigenvalues that are 0 but for rounding are dropped: the root of 1e-16 is 1e-8, and 2,000 of these would show.
  """
  values, vectors = np.linalg.eigh(covariance)
  kept = values > max(values[-1], 0) * len(values) * np.finfo(np.float64).eps
  return vectors[:, kept] * np.sqrt(values[kept])


def frechet_distance_of(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
  """Squared Frechet (2-Wasserstein) distance of two Gaussians, arXiv 1706.08500, equation 6.

  |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)). With C = S S^T the last trace is the sum of the singular
  values of S_a^T S_b. This sum is real, and accurate for singular covariances too, where a matrix root of C_a C_b
  is not.

  Args:
    mean_a, mean_b: float [D].
    cov_a, cov_b: float [D, D], symmetric and positive semidefinite.

  Raises:
    UserError: if features are not finite, or if the two differ in their number.
  """
  a, b = [(np.asarray(m, np.float64), np.asarray(c, np.float64)) for m, c in ((mean_a, cov_a), (mean_b, cov_b))]
  if a[0].shape != b[0].shape:
    raise UserError('features number %d and %d: use the same classifier for both' % (a[0].size, b[0].size))
  for array in a + b:
    check_finite('features', array)
  product = _square_root(a[1]).T.dot(_square_root(b[1]))
  overlap = np.linalg.svd(product, compute_uv=False).sum() if product.size else 0.0
  distance = np.sum(np.square(a[0] - b[0])) + np.trace(a[1]) + np.trace(b[1]) - 2 * overlap
  return max(float(distance), 0.0)  # of equal Gaussians, rounding can make it negative


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
  """`frechet_distance_of` the Gaussians with the means and covariances of float [N, D] and float [M, D].

  Small samples bias it upwards: compare only distances of equally many samples.

  Raises:
    UserError: if features are not finite, if there is a single row, or if the two differ in their columns.
  """
  return frechet_distance_of(*mean_and_covariance(features_a), *mean_and_covariance(features_b))


def kullback_leibler(p: np.ndarray, q: np.ndarray) -> float:
  """Returns KL(p || q) in nats of float [K] and [K]: infinite where q is 0 and p is not.

  Raises:
    UserError: if they are not probabilities.
  """
  p, q = _probabilities(p), _probabilities(q)
  positive = p > 0
  if np.any(q[positive] == 0):
    return float('inf')
  return max(float(np.sum(p[positive] * (np.log(p[positive]) - np.log(q[positive])))), 0.0)


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
  """Returns (KL(p || m) + KL(q || m)) / 2 in nats, m = (p + q) / 2, of float [K] and [K]: 0 to log 2.

  Raises:
    UserError: if they are not probabilities.
  """
  p, q = _probabilities(p), _probabilities(q)
  total = 0.0
  for one in (p, q):
    positive = one > 0
    # The division is by p + q, as (p + q) / 2 is 0 if p is the smallest float and q is 0.
    total += np.sum(one[positive] * np.log(2 * one[positive] / (p + q)[positive]))
  return max(float(total) / 2, 0.0)


def ngrams(lines: Sequence[str], n: int) -> Counter[str]:
  """Counts the runs of `n` characters within each line; a shorter line has none.

  WGAN-GP's language code counts padding as a character: leave the padding in to compare with it.
  """
  return collections.Counter(line[i : i + n] for line in lines for i in range(len(line) - n + 1))


def ngram_divergence(lines_a: Sequence[str], lines_b: Sequence[str], n: int) -> float:
  """Jensen-Shannon divergence of the n-grams of two texts, WGAN-GP's language_helpers.js_with.

  Returns:
    float in bits: 0 for the same frequencies, 1 if the texts share no n-gram.

  Raises:
    UserError: if one of the two has no n-gram at all.
  """
  a, b = ngrams(lines_a, n), ngrams(lines_b, n)
  if not a or not b:
    raise UserError('no line of the text has %d characters: there are no %d-grams to compare' % (n, n))
  keys = sorted(set(a) | set(b))  # the order of a set, and with it the last bit of a sum, differs from run to run
  p, q = (np.array([counts[key] for key in keys]) / sum(counts.values()) for counts in (a, b))
  return jensen_shannon(p, q) / float(np.log(2))


def mode_coverage(points: np.ndarray, centres: np.ndarray, deviation: float) -> Tuple[int, float]:
  """Counts the modes of a mixture of Gaussians that samples fall on, as in the tables of VEEGAN and PacGAN.

  A sample is of high quality if it is at most 3 deviations away from a centre.

  Args:
    points: float [N, 2].
    centres: float [K, 2].
    deviation: standard deviation of each Gaussian along each axis.

  Returns:
    (modes, share): the number of centres that are nearest to a sample of high quality, and the share, 0 to 1, of such
    samples: 1 - exp(-4.5) of real ones.

  Raises:
    UserError: if there are no points, or if they are not finite.
  """
  points, centres = np.asarray(points, np.float64), np.asarray(centres, np.float64)
  if not len(points):
    raise UserError('0 points: use at least 1')
  check_finite('points', points)
  distances = np.sqrt(np.square(points[:, np.newaxis] - centres).sum(axis=2))
  high = distances.min(axis=1) <= 3 * deviation
  modes = np.unique(distances.argmin(axis=1)[high])
  return len(modes), float(high.mean())
