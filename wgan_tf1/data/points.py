"""Points in the plane: mixtures of Gaussians and the Swiss roll of the toy presets. No TensorFlow here."""

import numpy as np

from wgan_tf1.data.arrays import Arrays


def _ring_8():
  angles = np.arange(8) * (np.pi / 4)
  return 2 * np.stack([np.cos(angles), np.sin(angles)], 1)


def _grid_25():
  return np.array([(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)])


# name -> centres [K, 2], standard deviation around each centre, divisor of both. Source: WGAN-GP's toy code.
_GAUSSIANS = {'8gaussians': (_ring_8(), 0.02, 1.414), '25gaussians': (_grid_25(), 0.05, 2.828)}
TRAIN_POINTS, VALIDATION_POINTS = 100000, 10000


def mode_centres(name: str) -> np.ndarray:
  """Returns float32 [K, 2], the equally probable centres of '8gaussians' or '25gaussians'."""
  centres, _, divisor = _GAUSSIANS[name]
  return (centres / divisor).astype(np.float32)


def mode_deviation(name: str) -> float:
  """Returns the standard deviation of '8gaussians' or '25gaussians' around a centre, along each axis."""
  _, deviation, divisor = _GAUSSIANS[name]
  return deviation / divisor


def published_sigma(name: str) -> float:
  """Returns `mode_deviation` on the scale of PacGAN (1712.04086): a ring of radius 1, a grid of spacing 2."""
  return _GAUSSIANS[name][1] / {'8gaussians': 2, '25gaussians': 1}[name]  # the ring here has radius 2


def make(name: str) -> Arrays:
  """Draws the points of '8gaussians', '25gaussians' or 'swissroll', float32 [N, 2]: the same ones for every run."""
  splits = []
  for seed, n in ((0, TRAIN_POINTS), (1, VALIDATION_POINTS)):
    if name == 'swissroll':
      import sklearn.datasets  # imported here because it is slow

      points = sklearn.datasets.make_swiss_roll(n, noise=0.25, random_state=seed)[0][:, [0, 2]] / 7.5
    else:
      random = np.random.RandomState(seed)
      centres, deviation, divisor = _GAUSSIANS[name]
      points = (centres[random.randint(len(centres), size=n)] + random.normal(0, deviation, [n, 2])) / divisor
    splits.append(points.astype(np.float32))
  return Arrays(*splits)
