"""Precision, recall, density and coverage: where samples lie among the nearest neighbours of others.

No TensorFlow here.
"""

from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np

from wgan_tf1.errors import UserError
from wgan_tf1.evaluation.metrics import check_features

PRECISION_NEIGHBOURS = 3  # of arXiv 1904.06991
DENSITY_NEIGHBOURS = 5  # of arXiv 2002.09797
_ROWS = 512  # of which the distances to all others are in memory


def _distances(a: np.ndarray, b: np.ndarray) -> Iterator[Tuple[slice, np.ndarray]]:
  """Yields (rows, float64 [n, M]): the squared distances of some rows of float64 [N, D] from all of [M, D]."""
  lengths_a, lengths_b = (np.square(x).sum(axis=1) for x in (a, b))
  for start in range(0, len(a), _ROWS):
    rows = slice(start, start + _ROWS)
    distances = a[rows].dot(b.T)
    distances *= -2
    distances += lengths_a[rows, np.newaxis]
    distances += lengths_b
    yield rows, np.maximum(distances, 0, out=distances)


def _radii(features: np.ndarray, neighbours: Sequence[int]) -> List[np.ndarray]:
  """Returns float64 [N] for each number of neighbours: the squared distance to each row's neighbour of that number."""
  parts = []
  for rows, distances in _distances(features, features):
    # A row is not its own neighbour. Its distance from itself is set, because rounding may leave it above 0.
    distances[np.arange(len(distances)), np.arange(len(features))[rows]] = 0
    parts.append(np.partition(distances, sorted(neighbours), axis=1)[:, neighbours])
  return list(np.concatenate(parts).T)


def scores(
  real: np.ndarray,
  generated: np.ndarray,
  precision_neighbours: int = PRECISION_NEIGHBOURS,
  density_neighbours: int = DENSITY_NEIGHBOURS,
) -> Dict[str, float]:
  """Precision and recall (1904.06991, equation 2), density and coverage (2002.09797, equations 4 and 5).

  The ball of a row has its k-th nearest neighbour in the same set on its border. Time grows with (N + M)^2.

  Args:
    real: float [N, D], features of real samples.
    generated: float [M, D], features of generated samples.
    precision_neighbours: k of precision and recall.
    density_neighbours: k of density and coverage.

  Returns:
    precision: share of generated samples that lie in the ball of a real one;
    recall: share of real samples that lie in the ball of a generated one;
    density: number of real balls that a generated sample lies in, over k, on average: 1 of equal distributions, and
      more if samples crowd where real ones are dense;
    coverage: share of real samples whose ball has a generated sample.

  Raises:
    UserError: if a set has not more rows than neighbours, if features are not finite, or if the two differ in their
      columns.
  """
  real, generated = np.asarray(real, np.float64), np.asarray(generated, np.float64)
  check_features(real, generated)
  most = max(precision_neighbours, density_neighbours)
  if min(len(real), len(generated)) <= most:
    message = '%d real and %d generated samples: %d nearest neighbours need at least %d. Use more samples'
    raise UserError(message % (len(real), len(generated), most, most + 1))
  # Distances come from products of rows, which are exact to more digits if the rows are near 0.
  centre = real.mean(axis=0)
  real, generated = real - centre, generated - centre
  radii, wide = _radii(real, [precision_neighbours, density_neighbours])
  (generated_radii,) = _radii(generated, [precision_neighbours])
  precise, recalled = np.zeros(len(generated), bool), np.zeros(len(real), bool)
  covered: Any = np.zeros(len(real), bool)
  balls = 0
  for rows, distances in _distances(real, generated):
    precise |= (distances <= radii[rows, np.newaxis]).any(axis=0)
    recalled[rows] = (distances <= generated_radii).any(axis=1)
    within = distances <= wide[rows, np.newaxis]
    covered[rows] = within.any(axis=1)
    balls += np.count_nonzero(within)
  return {
    'precision': float(precise.mean()),
    'recall': float(recalled.mean()),
    'density': balls / (density_neighbours * len(generated)),
    'coverage': float(covered.mean()),
  }
