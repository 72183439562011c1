"""Random arrays by their seed."""

import numpy as np


def random(*seed):
  return np.random.RandomState(list(seed))


def dirichlet(seed, n, c):
  """Returns float64 [n, c] whose rows are probabilities, some of them close to 0."""
  return random(seed).dirichlet(np.full(c, 0.3), n)
