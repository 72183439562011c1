"""An optimal discriminator and a critic between two Gaussians, and the gradients that they give a generator.

python -m experiments.two_gaussians

Figure 2 of WGAN (1701.07875), which prints no means: these are 8 deviations apart. The networks are the toy presets'.
The points are in the plane; both Gaussians are centred on the first axis, along which everything is shown.
"""

import sys
from functools import partial
from typing import Any, List, Tuple

import numpy as np

from experiments import common, distances
from experiments.common import Json
from wgan_tf1.config import Config

TITLE = 'Discriminator and critic between two Gaussians, with their gradients'

_COMMON = dict(distances.CRITICS, seed=0, mean=2.0, deviation=0.5, reach=5.0)
SETTINGS = {
  'full': dict(_COMMON, width=128, batch_size=256, critic_updates=1500, critics=3, grid=201, held_out=10000),
  'quick': dict(_COMMON, width=8, batch_size=32, critic_updates=15, critics=2, grid=11, held_out=200),
}


def draw(settings: Json, n: int, random: Any) -> Tuple[np.ndarray, np.ndarray]:
  """Returns n real points, about (-mean, 0), and n fake ones, about (mean, 0): float32 [n, 2] twice."""
  pair = settings['deviation'] * random.normal(size=[2, n, 2])
  pair[0, :, 0] -= settings['mean']
  pair[1, :, 0] += settings['mean']
  return pair[0].astype(np.float32), pair[1].astype(np.float32)


def optimal_logit(settings: Json, x: np.ndarray) -> np.ndarray:
  """log p(x) / q(x) along the first axis, whose sigmoid is the optimal discriminator: GAN (1406.2661) equation 2."""
  return -2 * settings['mean'] * x / settings['deviation'] ** 2


def sigmoid(logit: Any) -> Any:
  """1 / (1 + exp(-logit)), of any size."""
  return np.exp(-np.logaddexp(0, -logit))


def discriminator_slope(logits: Any, logit_slopes: Any) -> Any:
  """Slope of D = sigmoid(logit): D (1 - D) times the logit's."""
  return sigmoid(logits) * sigmoid(-np.asarray(logits)) * logit_slopes


def _look(config: Config, settings: Json) -> List[Json]:
  """Trains critics from several initial weights; returns what each gives along the axis, and to the fake points.

  Returns:
    A list, for each seed a dict: estimate, on held-out points; values and slopes [grid], f and df/dx at the points of
    the axis; for_fake, the mean over held-out fake points of the norm of the gradient: of f, or for gan of D, of
    log(1 - D) and of -log D, [3].
  """
  axis = np.linspace(-settings['reach'], settings['reach'], settings['grid'])
  points = np.stack([axis, np.zeros_like(axis)], 1).astype(np.float32)
  samples = [partial(draw, settings)] * settings['critics']
  found = []
  for sample, trainer in distances.trained(config, samples, settings['critic_updates']):
    import tensorflow.compat.v1 as tf

    graph, session = trainer.graph, trainer.session
    (slopes,) = tf.gradients(graph.real_scores, [graph.real])
    real, fake = sample(settings['held_out'], np.random.RandomState([config.seed, 1]))
    estimate = session.run(graph.scalars[graph.estimate], distances.feed_of(trainer, real, fake))
    values, along = session.run([graph.real_scores, slopes], {graph.real: points})
    scores, gradients = session.run([graph.real_scores, slopes], {graph.real: fake})
    norms = np.sqrt(np.square(gradients.astype(float)).sum(axis=1))
    for_fake = [norms]
    if config.variant == 'gan':
      d = sigmoid(scores.astype(float))
      for_fake = [d * (1 - d) * norms, d * norms, (1 - d) * norms]
    found.append(dict(
      estimate=float(estimate), values=values.astype(float).tolist(), slopes=along[:, 0].astype(float).tolist(),
      for_fake=[float(f.mean()) for f in for_fake]))  # fmt: skip
  return found


def measure(settings: Json, run: common.Run) -> Json:
  """Returns the axis, the optimal discriminator on it, and what `_look` finds of each variant."""
  axis = np.linspace(-settings['reach'], settings['reach'], settings['grid'])
  logits = optimal_logit(settings, axis)
  optimal_slope = -2 * settings['mean'] / settings['deviation'] ** 2
  densities = [
    np.exp(-np.square((axis - mean) / settings['deviation']) / 2) / (settings['deviation'] * np.sqrt(2 * np.pi))
    for mean in (-settings['mean'], settings['mean'])
  ]
  variants = settings['variants']
  parts = common.grid(
    run,
    lambda variant: common.config(settings, run, variant=variant, **variants[variant]),
    lambda config, variant: _look(config, settings),
    variants,
  )  # fmt: skip
  found = {variant: of for (variant,), of in parts.items()}
  return dict(
    axis=axis.tolist(), mean=settings['mean'], deviation=settings['deviation'], wasserstein=2 * settings['mean'],
    densities=[density.tolist() for density in densities], optimal=sigmoid(logits).tolist(),
    optimal_slopes=discriminator_slope(logits, optimal_slope).tolist(), trained=found)  # fmt: skip


def _within(numbers, deviations):
  """Which points of the axis lie between the means, or up to so many deviations outside of them: bool [grid]."""
  return np.abs(numbers['axis']) <= numbers['mean'] + deviations * numbers['deviation']


def left_for_fake(numbers: Json) -> List[float]:
  """For each discriminator: the mean slope of D at fake points, as a share of its largest on the axis."""
  return [
    one['for_fake'][0] / np.abs(discriminator_slope(np.array(one['values']), np.array(one['slopes']))).max()
    for one in numbers['trained']['gan']
  ]


def least_slopes(numbers: Json, variant: str) -> List[float]:
  """For each critic: its least slope, as a share of its largest, between the means and two deviations outside."""
  where = _within(numbers, 2)
  shares = []
  for one in numbers['trained'][variant]:
    slopes = np.abs(np.array(one['slopes'])[where])
    shares.append(float(slopes.min() / slopes.max()) if slopes.max() > 0 else 0.0)
  return shares


def straightness(numbers: Json, variant: str) -> List[float]:
  """For each critic: R^2 of the straight line through its values, over the same part of the axis."""
  where = _within(numbers, 2)
  axis = np.array(numbers['axis'])[where]
  found = []
  for one in numbers['trained'][variant]:
    values = np.array(one['values'])[where]
    found.append(float(np.corrcoef(axis, values)[0, 1] ** 2) if np.ptp(values) > 0 else 0.0)
  return found


def _listed(shares):
  return ', '.join('%.3g' % share for share in shares)


def _claims_of_critic(variant, name, source):
  return [
    common.Claim(
      text='A %s critic has a gradient everywhere between the two and around them.' % name,
      source=source,
      rule='of every seed, the least slope between the means and two deviations outside is at least 10 % of the '
      'largest',
      holds=lambda n: min(least_slopes(n, variant)) >= 0.1,
      measured=lambda n: 'least over largest: ' + _listed(least_slopes(n, variant)),
    ),
    common.Claim(
      text='A %s critic converges to a linear function.' % name,
      source=source,
      rule='of every seed, R^2 of a straight line over the same range is at least 0.99',
      holds=lambda n: min(straightness(n, variant)) >= 0.99,
      measured=lambda n: 'R^2: ' + _listed(straightness(n, variant)),
    ),
  ]


CLAIMS = [
  common.Claim(
    text='The discriminator learns to tell the two apart, and then gives the fake points no gradient.',
    source='WGAN, figure 2',
    rule="of every seed, the mean slope of D at fake points is below 1 % of D's largest on the axis",
    holds=lambda n: max(left_for_fake(n)) < 0.01,
    measured=lambda n: 'mean at fake points over largest: ' + _listed(left_for_fake(n)),
  ),
  *_claims_of_critic('clip', 'clipped', 'WGAN, figure 2'),
  *_claims_of_critic('gp', 'penalised', 'WGAN, figure 2, which has a clipped one'),
]

# Written after the run.
REMARKS = (
  'The clipped critic has a gradient where the discriminator has none, but it is no line: between -1 and 1 its '
  'slope is about ten times that outside. With every weight and bias at the bound c, a first unit c x + c or c x - '
  'c has its kink at -1 or 1, whatever the data: clipping has a length scale of its own. More training changes '
  'nothing: one critic of four times as many updates had the same estimate to four digits. The verdict on its '
  'gradient is a narrow one: the least slope is 8 to 12 % of the largest, and the rule asks for 10 %.'
)


def plot(numbers: Json) -> Any:
  """Draws the densities and every function above, and their slopes below, on a logarithmic axis."""
  figure = common.figure(8, 7)
  top, bottom = figure.subplots(2, 1, sharex=True)
  axis = np.array(numbers['axis'])
  for density, color, label in zip(numbers['densities'], ('C0', 'C2'), ('real', 'fake')):
    top.fill_between(axis, density, color=color, alpha=0.2, lw=0, label='density, ' + label)

  def slope(slopes):
    return np.maximum(np.abs(slopes), 1e-300)

  first = {variant: found[0] for variant, found in numbers['trained'].items()}
  top.plot(axis, numbers['optimal'], ':', color='C3', label='D, optimal')
  bottom.plot(axis, slope(numbers['optimal_slopes']), ':', color='C3', label='D, optimal')
  logits, slopes = (np.array(first['gan'][name]) for name in ('values', 'slopes'))
  top.plot(axis, sigmoid(logits), color='C3', label='D, trained')
  bottom.plot(axis, slope(discriminator_slope(logits, slopes)), color='C3', label='D, trained')
  bottom.plot(axis, slope(sigmoid(logits) * slopes), '--', color='C5', lw=1, label='log(1 - D)')
  bottom.plot(axis, slope(sigmoid(-logits) * slopes), '-.', color='C5', lw=1, label='-log D')
  for variant, color, label in (('gp', 'C1', 'penalised f'), ('clip', 'C4', 'clipped f')):
    values, slopes = (np.array(first[variant][name]) for name in ('values', 'slopes'))
    # A critic's level means nothing, nor does a clipped one's scale: both are set to 0 midway, and to W.
    factor = 1.0 if variant == 'gp' else numbers['wasserstein'] / max(abs(first[variant]['estimate']), 1e-30)
    label += '' if factor == 1 else ' x %.3g' % factor
    top.plot(axis, factor * (values - np.interp(0, axis, values)), color=color, label=label)
    bottom.plot(axis, slope(factor * slopes), color=color, label=label)
  top.set(ylabel='value', ylim=(-5, 5))
  top.legend(fontsize=8, ncol=2, loc='lower left')
  bottom.set(xlabel='x', ylabel='magnitude of the slope', yscale='log', ylim=(1e-8, 1e3))
  bottom.legend(fontsize=8, ncol=3, loc='upper center')
  figure.tight_layout()
  return figure


if __name__ == '__main__':
  common.main(sys.modules[__name__])
