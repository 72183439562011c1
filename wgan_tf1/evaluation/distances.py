"""Distances between sets of samples: earth mover's, exact, on the line and sliced; of kernels. No TensorFlow here.

Arguments are not changed, sums are in float64, and values that are not finite are refused, so that no result is NaN.
"""

from typing import Dict, Tuple

import numpy as np

from wgan_tf1.errors import UserError
from wgan_tf1.evaluation.metrics import check_features, check_finite

PATCH = 7  # height and width, in pixels, of the patches that `sliced_wasserstein` compares


def earth_movers_distance(a: np.ndarray, b: np.ndarray) -> float:
  """Exact Euclidean 1-Wasserstein distance of equally many samples: the mean over the best of all matchings.

  Time grows with N^3, memory with N^2.

  Args:
    a, b: float or uint8 [N, ...]; the axes after the first make up one vector.

  Returns:
    float, in the unit of the samples.

  Raises:
    UserError: if the numbers of samples differ or are 0, or if samples are not finite.
  """
  from scipy.optimize import linear_sum_assignment  # slow to import, and only needed here
  from scipy.spatial.distance import cdist

  a, b = np.asarray(a), np.asarray(b)
  if len(a) != len(b) or not len(a):
    raise UserError("%d and %d samples: the earth mover's distance needs equally many, at least 1" % (len(a), len(b)))
  for samples in (a, b):
    check_finite('samples', samples)
  costs = cdist(a.reshape(len(a), -1), b.reshape(len(b), -1))  # in float64, whatever the dtype of the samples
  return float(costs[linear_sum_assignment(costs)].mean())


def earth_movers_plan(weights_a: np.ndarray, weights_b: np.ndarray, cost: np.ndarray) -> np.ndarray:
  """Cheapest way to move one heap of earth to another, as a linear program.

  Args:
    weights_a: float [N], at least 0.
    weights_b: float [M], at least 0, with the same sum.
    cost: float [N, M], of moving a unit.

  Returns:
    float64 [N, M], how much is moved: rows sum to `weights_a`, columns to `weights_b`. (plan * cost).sum() is the
    distance, if the weights sum to 1.

  Raises:
    UserError: if a value is not finite, a weight is negative, or the sums differ or are 0.
    RuntimeError: if the solver fails.
  """
  from scipy import sparse  # slow to import, as is the solver
  from scipy.optimize import linprog

  a, b, cost = (np.asarray(array, np.float64) for array in (weights_a, weights_b, cost))
  for what, values in (('weights', a), ('weights', b), ('costs', cost)):
    check_finite(what, values)
  if min(a.min(), b.min()) < 0 or a.sum() <= 0 or abs(a.sum() - b.sum()) > 1e-6 * a.sum():
    raise UserError(
      'weights sum to %g and %g, and the smallest is %g: they must be at least 0, with equal sums above 0'
      % (a.sum(), b.sum(), min(a.min(), b.min()))
    )
  rows = sparse.kron(sparse.identity(len(a)), np.ones([1, len(b)]))
  columns = sparse.kron(np.ones([1, len(a)]), sparse.identity(len(b)))
  # The solver's tolerances are absolute, so weights and costs are scaled to a maximum of 1. The constraint of the last
  # column is left out: it follows from the others, and a rounding difference between the sums would contradict it.
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


def wasserstein_1d(a: np.ndarray, b: np.ndarray) -> float:
  """1-Wasserstein distance on the line: the area between the two distribution functions.

  Args:
    a: float [N].
    b: float [M]; for M = N the distance is the mean distance of the sorted samples.

  Returns:
    float, in the unit of the samples.

  Raises:
    UserError: if there are no samples, or if they are not finite.
  """
  a, b = np.sort(np.asarray(a, np.float64)), np.sort(np.asarray(b, np.float64))
  if not a.size or not b.size:
    raise UserError('%d and %d samples: use at least 1 of each' % (a.size, b.size))
  for samples in (a, b):
    check_finite('samples', samples)
  both = np.sort(np.concatenate([a, b]))
  share_a, share_b = (np.searchsorted(samples, both[:-1], 'right') / len(samples) for samples in (a, b))
  return float(np.sum(np.abs(share_a - share_b) * np.diff(both)))


def _blur(images: np.ndarray) -> np.ndarray:
  """Convolves float [N, H, W, C] with 1 4 6 4 1 along both axes, mirrored about the pixels at the border."""
  for axis in (1, 2):
    size = images.shape[axis]
    padded = np.pad(images, [(2, 2) if i == axis else (0, 0) for i in range(4)], 'reflect')
    weighted = [
      np.float32(weight / 16) * np.take(padded, range(i, i + size), axis=axis)
      for i, weight in enumerate((1, 4, 6, 4, 1))
    ]
    images = np.asarray(sum(weighted))
  return images


def _band(images: np.ndarray, level: int, lowest: bool) -> np.ndarray:
  """Returns one level of the Laplacian pyramid of float32 [N, H, W, C]; `lowest` says whether it is the last one."""
  for _ in range(level):
    images = _blur(images)[:, ::2, ::2]
  if lowest:
    return images
  coarser = np.zeros_like(images)
  coarser[:, ::2, ::2] = _blur(images)[:, ::2, ::2]
  return images - 4 * _blur(coarser)


def _descriptors(images: np.ndarray, level: int, lowest: bool, tops: np.ndarray, lefts: np.ndarray) -> np.ndarray:
  """Returns float32 [N * K, PATCH * PATCH * C]: patches of a band, each channel with mean 0 and deviation 1."""
  steps = np.arange(PATCH)
  found = []
  for start in range(0, len(images), 256):
    part = slice(start, start + 256)
    band = _band(np.asarray(images[part], np.float32), level, lowest)
    number = np.arange(len(band))[:, np.newaxis, np.newaxis, np.newaxis]
    top, left = tops[part, :, np.newaxis, np.newaxis], lefts[part, :, np.newaxis, np.newaxis]
    patches = band[number, top + steps[:, np.newaxis], left + steps]  # [256, K, PATCH, PATCH, C]
    found.append(patches.reshape(-1, PATCH * PATCH, band.shape[3]))
  patches = np.concatenate(found)
  patches -= patches.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
  deviation = np.sqrt(np.mean(np.square(patches), axis=(0, 1), dtype=np.float64))
  # A channel without contrast becomes 0: division by its deviation would give NaN, or magnify rounding errors.
  flat = deviation <= 1e-6 * np.abs(images).max()
  patches /= np.where(flat, np.inf, deviation).astype(np.float32)
  return patches.reshape(len(patches), -1)


def sliced_wasserstein(
  images_a: np.ndarray,
  images_b: np.ndarray,
  patches: int = 128,
  directions: int = 128,
  smallest: int = 16,
  seed: int = 0,
) -> Dict[int, float]:
  """Sliced Wasserstein distance of local patches at several scales, arXiv 1710.10196, section 5.

  The images are split into the levels of a Laplacian pyramid. Patches of 7x7 pixels of a level are normalised to mean
  0 and deviation 1 in each channel, over the whole set, so a set's overall brightness and contrast do not count. The
  distance is the mean of `wasserstein_1d` of the patches' projections on random directions.

  The paper uses 16,384 images. Fewer images raise the distance of equal distributions, so compare only distances of
  equally many. The paper's code uses 512 directions, and cuts patches from the two sets at different places. Here the
  places are the same, so that the distance of a set from itself is 0. A level needs 2 * N * patches * 49 * C * 4 bytes
  of memory.

  Args:
    images_a, images_b: uint8 or float [N, H, H, C], of the same order of magnitude.
    patches: number of patches in each level of each image.
    directions: number of random projections.
    smallest: height of the smallest level that counts, in pixels.
    seed: of the places and the directions.

  Returns:
    {height in pixels: distance times 1,000}, from the finest to the coarsest.

  Raises:
    UserError: if the shapes differ, or if the images are not square, too small or not finite.
  """
  a, b = np.asarray(images_a), np.asarray(images_b)
  if a.shape != b.shape or not len(a):
    raise UserError('images %s and %s: use equally many, at least 1, of one size' % (a.shape, b.shape))
  smallest = max(smallest, PATCH)
  n, height, width, channels = a.shape
  if height != width or height < smallest:
    raise UserError('images of %dx%d pixels: must be square and at least %d high' % (height, width, smallest))
  for images in (a, b):
    check_finite('images', images)
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
    for start in range(0, directions, 64):  # all directions at once would fill gigabytes
      sorted_a, sorted_b = (np.sort(lines[start : start + 64].dot(p), axis=1) for p in points)
      total += np.abs(sorted_a - sorted_b).sum(dtype=np.float64)
    distances[size] = 1e3 * float(total) / (directions * n * patches)
  return distances


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Returns float64 [N, M]: (x . y / D + 1)^3 of the rows of float64 [N, D] and [M, D]."""
  product = a.dot(b.T) / a.shape[1] + 1
  return product * product * product  # ** 3 takes several times as long


def kernel_distance(
  features_a: np.ndarray, features_b: np.ndarray, blocks: int = 100, block_size: int = 1000, seed: int = 0
) -> Tuple[float, float]:
  """Kernel distance (KID) of arXiv 1801.01401, section 4: the squared maximum mean discrepancy of features.

  The kernel is (x . y / D + 1)^3. The estimate is unbiased, so that of equal distributions is 0 on average, whatever
  the number of samples, and may be negative.

  Args:
    features_a: float [N, D].
    features_b: float [M, D].
    blocks: how often as many rows of each set are drawn, without replacement within a block.
    block_size: number of rows of each set in a block.
    seed: of the draws.

  Returns:
    (mean, deviation) over the blocks.

  Raises:
    UserError: if there are fewer rows than `block_size`, or this is below 2; if features are not finite, or if the two
      differ in their columns.
  """
  a, b = np.asarray(features_a), np.asarray(features_b)
  check_features(a, b)
  if not 2 <= block_size <= min(len(a), len(b)):
    raise UserError('%d and %d samples in blocks of %d: use more samples' % (len(a), len(b), block_size))
  random, found, n = np.random.RandomState(seed), [], block_size
  for _ in range(blocks):
    x, y = (features[random.choice(len(features), n, replace=False)].astype(np.float64) for features in (a, b))
    within = sum(kernel.sum() - np.trace(kernel) for kernel in (_kernel(x, x), _kernel(y, y)))
    found.append(within / (n * (n - 1)) - 2 * _kernel(x, y).mean())
  return float(np.mean(found)), float(np.std(found))
