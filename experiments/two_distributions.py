"""What the experiments between two distributions share: exact distances, and critics of points that are fed.

Not itself an experiment.
"""

import math
from typing import Any, Callable, Iterable, Iterator, Tuple

import numpy as np

from experiments import common
from wgan_tf1.config import Config
from wgan_tf1.evaluation.distances import earth_movers_distance
from wgan_tf1.evaluation.metrics import jensen_shannon, kullback_leibler

Sample = Callable[[int, np.random.RandomState], Tuple[np.ndarray, np.ndarray]]

# Algorithm 1 of either paper; the toy presets follow the WGAN-GP code, which has another penalty weight and beta1.
VARIANTS: common.Json = {'clip': {}, 'gp': {'penalty_weight': 10.0, 'beta1': 0.0}, 'gan': {}}
SHARED: common.Json = dict(preset='toy-8gaussians', fixed_generator=True, variants=VARIANTS)
FULL = dict(SHARED, width=128, batch_size=256, critic_updates=1500, held_out=10000)
QUICK = dict(SHARED, width=8, batch_size=32, critic_updates=15, held_out=200)

# How densities are integrated: the distance of the points, how far they reach beyond the means, and what numerical code
# likes to add to a density before its logarithm.
INTEGRATION = dict(spacing=0.001, reach=10, floor=1e-10)


def trained(config: Config, samples: Iterable[Sample], updates: int) -> Iterator[Tuple[Sample, Any]]:
  """Trains a critic again on each of several pairs of distributions, of which neither is a generator's.

  Args:
    config: of a toy preset with a fixed generator, whose fake points are the real ones and a latent each.
    samples: for each pair a function (n, RandomState) -> real, fake, each float32 [n, 2].
    updates: critic updates to make on each.

  Yields:
    (sample, `training.Trainer`) for each pair: trained, and with TensorFlow's default graph set to its own.
  """
  with common.trainer(config) as trainer:
    import tensorflow.compat.v1 as tf

    initialize = tf.global_variables_initializer()
    for sample in samples:
      trainer.session.run(initialize)  # to other weights each time: the stream of initial values continues
      for update in range(updates):
        feed = feed_of(trainer, *sample(config.batch_size, np.random.RandomState([config.seed, 0, update])))
        trainer.critic_update(feed=feed)
      yield sample, trainer


def held_out(sample: Sample, config: Config, settings: common.Json) -> Tuple[np.ndarray, np.ndarray]:
  """Returns real and fake points that `trained` does not train on."""
  return sample(settings['held_out'], np.random.RandomState([config.seed, 1]))


def feed_of(trainer: Any, real: np.ndarray, fake: np.ndarray) -> common.Json:
  """Returns the feed by which a critic sees these points, each float32 [n, 2]."""
  return {trainer.graph.real: real, trainer.graph.latents: fake - real}


def exact_lines(distance: float, n: int) -> common.Json:
  """Distances between n points on each of two parallel lines, side by side, by the definitions.

  Returns:
    dict of wasserstein, by matching; jensen_shannon and kullback_leibler in nats, None where infinite; and
    total_variation; the last three of the lines' masses on the one place and the other.
  """
  heights = (np.arange(n) + 0.5) / n
  lines = [np.stack([np.full(n, x), heights], 1) for x in (0.0, distance)]
  p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0]) if distance else np.array([1.0, 0.0])
  kl = float(kullback_leibler(p, q))
  return dict(
    distance=distance,
    wasserstein=float(earth_movers_distance(*lines)),
    jensen_shannon=float(jensen_shannon(p, q)),
    kullback_leibler=kl if math.isfinite(kl) else None,
    total_variation=float(np.abs(p - q).sum() / 2),
  )


def exact_gaussians(distance: float, spacing: float, reach: float, floor: float) -> common.Json:
  """Distances between N(0, 1) and N(distance, 1); a second axis on which they agree changes none of them.

  Returns:
    dict of wasserstein and kullback_leibler, in closed form; jensen_shannon, integrated, see `INTEGRATION`; and
    kullback_leibler_floored, integrated with `floor` added to both densities.
  """
  x = np.arange(-reach, distance + reach, spacing)
  p, q = (np.exp(-np.square(x - mean) / 2) / math.sqrt(2 * math.pi) for mean in (0.0, distance))
  return dict(
    distance=distance,
    wasserstein=abs(distance),
    jensen_shannon=float(jensen_shannon(p / p.sum(), q / q.sum())),
    kullback_leibler=distance**2 / 2,
    kullback_leibler_floored=float(np.sum(p * np.log((p + floor) / (q + floor))) * spacing),
  )


def penalised_optimum(distance: np.ndarray, weight: float) -> np.ndarray:
  """What a penalised critic finds at its best between a distribution and itself, shifted by a distance.

  A linear critic of slope g has g W - lambda (g - 1)^2 to gain: most with g = 1 + W / (2 lambda), an estimate of
  W + W^2 / (2 lambda), above W.
  """
  return distance + distance**2 / (2 * weight)
