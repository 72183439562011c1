"""How good samples are, as formulas on arrays. No TensorFlow here.

What is handed in stays as it is, sums are taken in float64, and what is not finite is refused: no NaN comes out.
"""

import collections

import numpy as np

from wgan_tf1 import UserError

PATCH = 7  # pixels on a side, of what `sliced_wasserstein` compares
_SUM_TOLERANCE = 1e-4  # a float32 softmax of 1,000 classes is within 1e-6 of 1


def _check_finite(what, values):
  bad = values.size - np.count_nonzero(np.isfinite(values))
  if bad:
    raise UserError(
      '%s are not finite: %d of %d numbers are NaN or infinite; see what they come from, or take an earlier checkpoint'
      % (what, bad, values.size)
    )


def _probabilities(values):
  """Returns float64 [..., C] whose rows are probabilities.

  Raises:
    UserError: if they are not, or if there are none.
  """
  values = np.asarray(values, np.float64)
  _check_finite('probabilities', values)
  if not values.size:
    raise UserError('probabilities of 0 samples: take at least 1')
  sums = values.sum(axis=-1)
  if values.min() < 0 or np.abs(sums - 1).max() > _SUM_TOLERANCE:
    raise UserError(
      'rows are not probabilities: the least number is %g, and sums go from %g to %g; take the output of a softmax'
      % (values.min(), sums.min(), sums.max())
    )
  return values


def _entropy(p):
  """Returns the entropy in nats along the last axis; 0 log 0 is 0."""
  return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)


def inception_score(probabilities, splits=10):
  """exp(E_x KL(p(y|x) || p(y))) of arXiv 1606.03498, section 4, in consecutive parts of the samples.

  From 1, where a class tells nothing of the sample, to C. It rises with the number of samples in a part.

  Args:
    probabilities: float [N, C], p(y|x) for each sample.
    splits: parts, as equal as can be; p(y) is taken within each.

  Returns:
    (mean, deviation) over the parts; the deviation divides by `splits`, as the authors' code does.

  Raises:
    UserError: if the rows are not probabilities, or if there are fewer than `splits`.
  """
  p = _probabilities(probabilities)
  n = len(p)
  if not 1 <= splits <= n:
    raise UserError('%d samples in %d splits: take 1 to %d splits, or more samples' % (n, splits, n))
  parts = (p[i * n // splits : (i + 1) * n // splits] for i in range(splits))
  # The expected divergence from the mean is the mutual information H(y) - H(y|x).
  scores = np.exp([_entropy(part.mean(axis=0)) - _entropy(part).mean() for part in parts])
  return float(scores.mean()), float(scores.std())


def class_histogram(probabilities):
  """Returns int [C]: how many rows of float [N, C] have their highest probability at each class, the first of ties.

  Raises:
    UserError: if the rows are not probabilities.
  """
  p = _probabilities(probabilities)
  return np.bincount(p.argmax(axis=1), minlength=p.shape[1])


def class_coverage(probabilities):
  """Returns how many classes at least one row of float [N, C] is assigned to; errors as `class_histogram`."""
  return int(np.count_nonzero(class_histogram(probabilities)))


def class_entropy(probabilities):
  """Returns the entropy of `class_histogram` in nats: 0 for one class, log C for classes in equal parts."""
  counts = class_histogram(probabilities)
  return abs(float(_entropy(counts / counts.sum())))  # not -0


def mean_and_covariance(features):
  """Returns float64 (mean [D], covariance [D, D]) of float [N, D]; the covariance divides by N - 1.

  Raises:
    UserError: if there is a single row, or if features are not finite.
  """
  features = np.asarray(features)
  n, d = features.shape
  if n < 2:
    raise UserError('features of %d samples: a covariance needs at least 2, take more' % n)
  _check_finite('features', features)
  mean = features.mean(axis=0, dtype=np.float64)
  covariance = np.zeros([d, d])
  for start in range(0, n, 4096):  # 50,000 rows of 2,048 would be 800 MB in float64, twice
    centred = features[start : start + 4096] - mean
    covariance += centred.T.dot(centred)
  return mean, covariance / (n - 1)


def _square_root(covariance):
  """Returns S [D, rank] with S S^T = covariance [D, D].

  What rounding leaves of an eigenvalue of 0 is cut: the root of 1e-16 is 1e-8, and 2,000 of them would show.
  """
  values, vectors = np.linalg.eigh(covariance)
  kept = values > max(values[-1], 0) * len(values) * np.finfo(np.float64).eps
  return vectors[:, kept] * np.sqrt(values[kept])


def frechet_distance_of(mean_a, cov_a, mean_b, cov_b):
  """Squared Frechet (2-Wasserstein) distance of two Gaussians, arXiv 1706.08500, equation 6.

  |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)). With C = S S^T the last trace is the sum of the singular
  values of S_a^T S_b: real, and as exact for singular covariances, for which a matrix root of C_a C_b is not.

  Args:
    mean_a, mean_b: float [D].
    cov_a, cov_b: float [D, D], symmetric and positive semidefinite.

  Returns:
    float, at least 0.

  Raises:
    UserError: if features are not finite, or if the two have another number of them.
  """
  a, b = [(np.asarray(m, np.float64), np.asarray(c, np.float64)) for m, c in ((mean_a, cov_a), (mean_b, cov_b))]
  if a[0].shape != b[0].shape:
    raise UserError('features number %d and %d: take both from the same classifier' % (a[0].size, b[0].size))
  for array in a + b:
    _check_finite('features', array)
  product = _square_root(a[1]).T.dot(_square_root(b[1]))
  overlap = np.linalg.svd(product, compute_uv=False).sum() if product.size else 0.0
  distance = np.sum(np.square(a[0] - b[0])) + np.trace(a[1]) + np.trace(b[1]) - 2 * overlap
  return max(float(distance), 0.0)  # rounding takes that of equal ones below 0


def frechet_distance(features_a, features_b):
  """`frechet_distance_of` the Gaussians with the means and covariances of float [N, D] and float [M, D].

  It is biased upwards by small samples: compare equal numbers only.

  Raises:
    UserError: if features are not finite, if there is a single row, or if the two have another number of columns.
  """
  return frechet_distance_of(*mean_and_covariance(features_a), *mean_and_covariance(features_b))


def kullback_leibler(p, q):
  """Returns KL(p || q) in nats of float [K] and [K]: infinite where q is 0 and p is not.

  Raises:
    UserError: if they are not probabilities.
  """
  p, q = _probabilities(p), _probabilities(q)
  there = p > 0
  if np.any(q[there] == 0):
    return float('inf')
  return max(float(np.sum(p[there] * (np.log(p[there]) - np.log(q[there])))), 0.0)


def jensen_shannon(p, q):
  """Returns (KL(p || m) + KL(q || m)) / 2 in nats, m = (p + q) / 2, of float [K] and [K]: 0 to log 2.

  Raises:
    UserError: if they are not probabilities.
  """
  p, q = _probabilities(p), _probabilities(q)
  total = 0.0
  for one in (p, q):
    there = one > 0
    # Not over (p + q) / 2, which is 0 if p is the least float and q is 0.
    total += np.sum(one[there] * np.log(2 * one[there] / (p + q)[there]))
  return max(float(total) / 2, 0.0)


def ngrams(lines, n):
  """Counts the runs of `n` characters within each of a list of str; a shorter line has none.

  WGAN-GP's language code counts padding as a character: to compare with it, leave the padding in.

  Returns:
    Counter of str.
  """
  return collections.Counter(line[i : i + n] for line in lines for i in range(len(line) - n + 1))


def ngram_divergence(lines_a, lines_b, n):
  """Jensen-Shannon divergence of the n-grams of two lists of str, WGAN-GP's language_helpers.js_with.

  Returns:
    float in bits: 0 for the same frequencies, 1 if no n-gram is in both.

  Raises:
    UserError: if one of the two has no n-gram at all.
  """
  a, b = ngrams(lines_a, n), ngrams(lines_b, n)
  if not a or not b:
    raise UserError('no line of the text has %d characters: there are no %d-grams to compare' % (n, n))
  keys = sorted(set(a) | set(b))  # a set's order differs from run to run, and with it the last bit of a sum
  p, q = (np.array([counts[key] for key in keys]) / sum(counts.values()) for counts in (a, b))
  return jensen_shannon(p, q) / float(np.log(2))


def mode_coverage(points, centres, deviation):
  """Modes of a mixture of Gaussians that samples fall on, as VEEGAN's and PacGAN's tables count them.

  Args:
    points: float [N, 2].
    centres: float [K, 2].
    deviation: standard deviation of each Gaussian along each axis.

  Returns:
    (modes, share): the number of centres that are the nearest to at least one sample of high quality, and the
    share, 0 to 1, of samples of that quality: at most 3 deviations from a centre. 1 - exp(-4.5) of true ones are.

  Raises:
    UserError: if there are no points, or if they are not finite.
  """
  points, centres = np.asarray(points, np.float64), np.asarray(centres, np.float64)
  if not len(points):
    raise UserError('0 points: take at least 1')
  _check_finite('points', points)
  distances = np.sqrt(np.square(points[:, np.newaxis] - centres).sum(axis=2))
  high = distances.min(axis=1) <= 3 * deviation
  modes = np.unique(distances.argmin(axis=1)[high])
  return len(modes), float(high.mean())


def earth_movers_distance(a, b):
  """Exact 1-Wasserstein distance, Euclidean, of equally many samples: the mean over the best of all matchings.

  Time grows with N^3, memory with N^2.

  Args:
    a, b: float [N, ...]; axes after the first are one vector.

  Returns:
    float, in the unit of the samples.

  Raises:
    UserError: if there are not equally many, or none, or if they are not finite.
  """
  from scipy.optimize import linear_sum_assignment  # slow to import, and needed here alone
  from scipy.spatial.distance import cdist

  a, b = np.asarray(a), np.asarray(b)
  if len(a) != len(b) or not len(a):
    raise UserError('%d and %d samples: the earth mover matches equally many, at least 1' % (len(a), len(b)))
  for samples in (a, b):
    _check_finite('samples', samples)
  costs = cdist(a.reshape(len(a), -1), b.reshape(len(b), -1))  # in float64, whatever they are
  return float(costs[linear_sum_assignment(costs)].mean())


def earth_movers_plan(weights_a, weights_b, cost):
  """Cheapest way to move one heap of earth to another, as a linear program.

  Args:
    weights_a: float [N], at least 0.
    weights_b: float [M], at least 0, with the same sum.
    cost: float [N, M], of moving a unit.

  Returns:
    float64 [N, M], how much is moved: rows sum to `weights_a`, columns to `weights_b`. (plan * cost).sum() is the
    distance, if the weights sum to 1.

  Raises:
    UserError: if something is not finite, or a weight negative; if the sums differ or are 0.
    RuntimeError: if the solver fails.
  """
  from scipy import sparse  # slow to import, as is the solver
  from scipy.optimize import linprog

  a, b, cost = (np.asarray(array, np.float64) for array in (weights_a, weights_b, cost))
  for what, values in (('weights', a), ('weights', b), ('costs', cost)):
    _check_finite(what, values)
  if min(a.min(), b.min()) < 0 or a.sum() <= 0 or abs(a.sum() - b.sum()) > 1e-6 * a.sum():
    raise UserError(
      'weights sum to %g and %g, the least is %g: take none below 0, and sums that are equal and above it'
      % (a.sum(), b.sum(), min(a.min(), b.min()))
    )
  rows = sparse.kron(sparse.identity(len(a)), np.ones([1, len(b)]))
  columns = sparse.kron(np.ones([1, len(a)]), sparse.identity(len(b)))
  # Largest numbers of 1, since the solver's tolerances are absolute. The last column follows from the others, and
  # would contradict them by what rounding leaves between the sums.
  scale = max(a.max(), b.max())
  solved = linprog(
    cost.ravel() / (np.abs(cost).max() or 1.0),
    A_eq=sparse.vstack([rows, columns]).tocsr()[:-1],
    b_eq=np.concatenate([a, b])[:-1] / scale,
    method='highs',
  )
  if solved.status != 0:
    raise RuntimeError('linprog: %s' % solved.message)
  return np.maximum(solved.x, 0).reshape(len(a), len(b)) * scale


def wasserstein_1d(a, b):
  """1-Wasserstein distance on the line: the area between the two distribution functions.

  Args:
    a: float [N].
    b: float [M]; for M = N it is the mean distance of the sorted samples.

  Returns:
    float, in the unit of the samples.

  Raises:
    UserError: if one of them is empty or not finite.
  """
  a, b = np.sort(np.asarray(a, np.float64)), np.sort(np.asarray(b, np.float64))
  if not a.size or not b.size:
    raise UserError('%d and %d samples: take at least 1 of each' % (a.size, b.size))
  for samples in (a, b):
    _check_finite('samples', samples)
  both = np.sort(np.concatenate([a, b]))
  share_a, share_b = (np.searchsorted(samples, both[:-1], 'right') / len(samples) for samples in (a, b))
  return float(np.sum(np.abs(share_a - share_b) * np.diff(both)))


def _blur(images):
  """Convolves float [N, H, W, C] with 1 4 6 4 1 along both axes, mirrored about the pixels at the border."""
  for axis in (1, 2):
    size = images.shape[axis]
    padded = np.pad(images, [(2, 2) if i == axis else (0, 0) for i in range(4)], 'reflect')
    images = sum(
      np.float32(weight / 16) * np.take(padded, range(i, i + size), axis=axis)
      for i, weight in enumerate((1, 4, 6, 4, 1))
    )
  return images


def _band(images, level, lowest):
  """Returns one level of the Laplacian pyramid of float32 [N, H, W, C]; `lowest` says that nothing is below it."""
  for _ in range(level):
    images = _blur(images)[:, ::2, ::2]
  if lowest:
    return images
  coarser = np.zeros_like(images)
  coarser[:, ::2, ::2] = _blur(images)[:, ::2, ::2]
  return images - 4 * _blur(coarser)


def _descriptors(images, level, lowest, tops, lefts):
  """Returns float32 [N * K, PATCH * PATCH * C]: patches of a band, each channel with mean 0 and deviation 1."""
  steps = np.arange(PATCH)
  found = []
  for start in range(0, len(images), 256):
    part = slice(start, start + 256)
    band = _band(np.asarray(images[part], np.float32), level, lowest)
    number = np.arange(len(band))[:, np.newaxis, np.newaxis, np.newaxis]
    top, left = (corner[part, :, np.newaxis, np.newaxis] for corner in (tops, lefts))
    patches = band[number, top + steps[:, np.newaxis], left + steps]  # [256, K, PATCH, PATCH, C]
    found.append(patches.reshape(-1, PATCH * PATCH, band.shape[3]))
  patches = np.concatenate(found)
  patches -= patches.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
  deviation = np.sqrt(np.mean(np.square(patches), axis=(0, 1), dtype=np.float64))
  # A channel without any contrast is 0; by its deviation it would be NaN, or what rounding has left there, enlarged.
  flat = deviation <= 1e-6 * np.abs(images).max()
  patches /= np.where(flat, np.inf, deviation).astype(np.float32)
  return patches.reshape(len(patches), -1)


def sliced_wasserstein(images_a, images_b, patches=128, directions=128, smallest=16, seed=0):
  """Sliced Wasserstein distance of local patches at several scales, arXiv 1710.10196, section 5.

  A Laplacian pyramid takes the images apart; patches of 7x7 pixels of a level are brought to mean 0 and deviation
  1 in each channel, over the whole set; the distance is the mean over random directions of `wasserstein_1d` of
  what the patches are along them. So a set's overall brightness and contrast do not count. The paper takes
  16,384 images: fewer give a higher floor, and only equal numbers compare. Its code takes 512 directions, and cuts
  the two sets at places of their own; here both are cut at the same ones, so that a set is at distance 0 from
  itself. A level takes memory of 2 * N * patches * 49 * C * 4 bytes.

  Args:
    images_a, images_b: uint8 or float [N, H, H, C], in the same order of magnitude.
    patches: taken from each level of each image.
    directions: random projections.
    smallest: levels below this height are left out.
    seed: int, of places and directions.

  Returns:
    {height in pixels: distance times 1,000}, from the finest to the coarsest.

  Raises:
    UserError: if the two have not one shape, if the images are not square or too small, or are not finite.
  """
  a, b = np.asarray(images_a), np.asarray(images_b)
  if a.shape != b.shape or not len(a):
    raise UserError('images %s and %s: take equally many, at least 1, of one size' % (a.shape, b.shape))
  smallest = max(smallest, PATCH)
  n, height, width, channels = a.shape
  if height != width or height < smallest:
    raise UserError('images of %dx%d pixels: they have to be square and at least %d high' % (height, width, smallest))
  for images in (a, b):
    _check_finite('images', images)
  sizes = [height]
  while (sizes[-1] + 1) // 2 >= smallest:
    sizes.append((sizes[-1] + 1) // 2)
  distances = {}
  for level, size in enumerate(sizes):
    random = np.random.RandomState([seed, size])
    tops, lefts = random.randint(size - PATCH + 1, size=[2, n, patches])
    lines = random.normal(size=[directions, PATCH * PATCH * channels])
    lines = (lines / np.linalg.norm(lines, axis=1, keepdims=True)).astype(np.float32)
    points = [_descriptors(images, level, size == sizes[-1], tops, lefts).T for images in (a, b)]
    total = 0.0
    for start in range(0, directions, 64):  # at once they would fill gigabytes
      sorted_a, sorted_b = (np.sort(lines[start : start + 64].dot(p), axis=1) for p in points)
      total += np.abs(sorted_a - sorted_b).sum(dtype=np.float64)
    distances[size] = 1e3 * float(total) / (directions * n * patches)
  return distances
