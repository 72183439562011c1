"""One-sided against two-sided gradient penalty on the toys, by exact W to held-out data: WGAN-GP appendix C."""

import math
import sys
from typing import Any, Tuple

import numpy as np

from experiments import common
from experiments.common import Json
from wgan_tf1.config import Config
from wgan_tf1.data import datasets
from wgan_tf1.evaluation import distances

TITLE = 'One-sided against two-sided gradient penalty: exact W of samples to held-out data'

# The paper's weight: with the toy code's 0.1 the norms are above 1 almost everywhere, where both sides are the same.
_COMMON = dict(
  variant='gp', penalties=['two_sided', 'one_sided'], penalty_weight=10.0, learning_rate=1e-3, norms_from=0.9
)
SETTINGS = {
  'full': dict(_COMMON, presets=['toy-8gaussians', 'toy-25gaussians', 'toy-swissroll'], seeds=[0, 1, 2, 3, 4], width=64,
               generator_steps=1000, samples=1000),
  'quick': dict(_COMMON, presets=['toy-8gaussians'], seeds=[0, 1], width=8, generator_steps=4, samples=100),
}  # fmt: skip
MARGIN = 1.25  # a ratio of means nearer to 1 than this is no difference


def log_ratios(numbers: Json) -> np.ndarray:
  """float64 [pairs]: log of the one-sided penalty's distance over the two-sided one's, same toy and same seed."""
  return np.concatenate([
    np.log(np.array(runs['one_sided']['distances']) / np.array(runs['two_sided']['distances']))
    for runs in numbers['runs'].values()
  ])  # fmt: skip


def compare(ratios: np.ndarray) -> Tuple[float, float, float, float]:
  """Wilcoxon's signed-rank test, and a 95 % interval by Student's t.

  Args:
    ratios: float64 [pairs], logs; at least two, not all the same.

  Returns:
    (p of the test, factor, lower and upper end of the factor's interval).
  """
  from scipy import stats

  mean = float(np.mean(ratios))
  half = float(stats.t.ppf(0.975, len(ratios) - 1) * np.std(ratios, ddof=1) / math.sqrt(len(ratios)))
  return float(stats.wilcoxon(ratios).pvalue), math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def _same(numbers):
  p, _, low, high = compare(log_ratios(numbers))
  if p < 0.05:
    return False
  return True if 1 / MARGIN < low and high < MARGIN else None


CLAIMS = [
  common.Claim(
    text='a one-sided penalty makes no significant difference',
    source='WGAN-GP (1704.00028) appendix C (174 random architectures on 32x32 ImageNet)',
    rule="p of at least 0.05 by Wilcoxon's signed-rank test on the log ratios of the distances, pairs of the same toy "
    'and seed; and, since few pairs can hide a difference, the 95 %% interval of the mean factor within 1 / %g and %g: '
    'else nothing is said' % (MARGIN, MARGIN),
    holds=_same,
    measured=lambda numbers: 'p %.2g; one-sided over two-sided %.2f (%.2f to %.2f)' % compare(log_ratios(numbers)),
  )
]


def _train(config: Config, settings: Json) -> Json:
  """Trains; returns the exact W of samples to held-out points, and the critic's mean gradient norm at the end."""
  count = settings['samples']
  latents = np.random.RandomState([config.seed, 1]).normal(size=[count, config.latent_size])
  with common.trainer(config) as trainer:
    norms = [
      scalars['gradient_norm/mean']
      for step, scalars in common.steps(trainer)
      if step > settings['norms_from'] * config.generator_steps
    ]
    points = trainer.session.run(trainer.graph.samples, {trainer.graph.sample_latents: latents})
    distance = distances.earth_movers_distance(points, trainer.dataset.validation[:count])
  return dict(distance=distance, norm=float(np.mean(norms)))


def measure(settings: Json, run: common.Run) -> Json:
  """Returns the numbers of each toy and side: distances and mean gradient norms [seeds]; and real data's floor."""
  count, sides = settings['samples'], settings['penalties']
  found = common.grid(
    run,
    lambda seed, preset, side: common.config(settings, run, seed=seed, preset=preset, penalty=side),
    lambda config, *point: _train(config, settings),
    settings['seeds'], settings['presets'], sides,
  )  # fmt: skip
  numbers: Json = dict(runs={}, floor={})
  for preset in settings['presets']:
    name = preset.replace('toy-', '')
    held_out = datasets.load(common.config(settings, run, preset=preset)).validation
    numbers['floor'][name] = distances.earth_movers_distance(held_out[count : 2 * count], held_out[:count])
    of_seeds = {side: [found[seed, preset, side] for seed in settings['seeds']] for side in sides}
    numbers['runs'][name] = {
      side: dict(distances=[f['distance'] for f in of], norms=[f['norm'] for f in of]) for side, of in of_seeds.items()
    }
  return numbers


REMARKS = (
  'On these toys the side matters much: with the weight 10 and two sides the samples stay far from the data, with one '
  'side they come close. The two-sided penalty asks for a slope of 1 on every line between a real and a generated '
  'point, also where the best critic is flat; between points of two dimensions that stand close there are many such '
  'places, and a weight of 10 insists. That is the likely reason that the WGAN-GP code has the weight 0.1 for its '
  'toys; it was not tested here. The appendix speaks of images.'
)


def plot(numbers: Json) -> Any:
  """Each run's distance, and its mean gradient norm: seeds side by side, a column for each toy."""
  figure = common.figure(8.0, 4.0)
  left, right = figure.subplots(1, 2)
  for i, (name, sides) in enumerate(numbers['runs'].items()):
    for j, side in enumerate(sides):
      label = side.replace('_', '-') if i == 0 else None
      seeds = len(sides[side]['distances'])
      x = i + (j - 0.5) * 0.3 + np.linspace(-0.06, 0.06, seeds)
      left.plot(x, sides[side]['distances'], 'os'[j], color='C%d' % j, markersize=5, label=label)
      right.plot(x, sides[side]['norms'], 'os'[j], color='C%d' % j, markersize=5)
    left.plot([i - 0.35, i + 0.35], [numbers['floor'][name]] * 2, color='black', linewidth=0.8,
              label='real data' if i == 0 else None)  # fmt: skip
  for panel in (left, right):
    panel.set_xticks(range(len(numbers['runs'])))
    panel.set_xticklabels(list(numbers['runs']))
    panel.set_xlim(-0.5, len(numbers['runs']) - 0.5)
  left.set_ylim(0, None)
  left.set_ylabel('exact W to held-out data')
  right.axhline(1, color='black', linewidth=0.8, linestyle=':')
  right.set_ylabel("mean norm of the critic's gradient")
  figure.legend(*left.get_legend_handles_labels(), loc='upper center', ncol=3, frameon=False)
  figure.tight_layout(rect=[0, 0, 1, 0.92])
  return figure


if __name__ == '__main__':
  common.main(sys.modules[__name__])
