"""One-sided against two-sided gradient penalty on the toys, by exact W to held-out data: WGAN-GP appendix C."""

import math
from typing import Any, Dict, List, Tuple

import numpy as np

from experiments import common, style
from wgan_tf1.data import datasets
from wgan_tf1.evaluation.distances import earth_movers_distance

TITLE = 'One-sided against two-sided gradient penalty: exact W of samples to held-out data'

# The weight is the paper's: with the toy code's 0.1 the norms are above 1 almost everywhere, where both sides are the
# same. The toy presets differ only in their data set. Gradient norms are means over the steps from `norms_from` on. The
# distance from `last_from` of the steps on tells whether training has stopped improving.
_COMMON = dict(preset='toy-8gaussians', variant='gp', penalties=['two_sided', 'one_sided'], penalty_weight=10.0,
               learning_rate=1e-3, norms_from=0.9, last_from=0.75)  # fmt: skip
SETTINGS = {
  'full': dict(_COMMON, datasets=['8gaussians', '25gaussians', 'swissroll'], seeds=[0, 1, 2, 3, 4], width=64,
               generator_steps=4000, samples=1000),
  'quick': dict(_COMMON, datasets=['8gaussians'], seeds=[0, 1], width=8, generator_steps=4, samples=100),
}  # fmt: skip
MARGIN = 1.25  # a ratio of means nearer to 1 than this is no difference


def log_ratios(numbers: common.Json) -> np.ndarray:
  """float64 [pairs]: log of the one-sided penalty's distance over the two-sided one's, same toy and same seed."""
  distances = [[runs[side]['distances'] for side in ('one_sided', 'two_sided')] for runs in numbers['runs'].values()]
  return np.concatenate([np.log(np.array(one) / np.array(two)) for one, two in distances])


def last_gains(numbers: common.Json) -> Dict[str, float]:
  """For each side of the penalty: by what factor the distance changed from `last_from` on, a geometric mean."""
  gains: Dict[str, List[float]] = {}
  for runs in numbers['runs'].values():
    for side, found in runs.items():
      gains.setdefault(side, []).extend(np.log(np.array(found['distances']) / np.array(found['earlier'])))
  return {side: math.exp(float(np.mean(logs))) for side, logs in gains.items()}


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
  common.Claim('a one-sided penalty makes no significant difference',
               'WGAN-GP (1704.00028) appendix C (174 random architectures on 32x32 ImageNet)',
               "p of at least 0.05 by Wilcoxon's signed-rank test on the log ratios of the distances, pairs of the "
               'same toy and seed; and, since few pairs can hide a difference, the 95 %% interval of the mean factor '
               'within 1 / %g and %g: else nothing is said' % (MARGIN, MARGIN), _same,
               lambda numbers: '%s; W in the last quarter %s' % (
                 'p %.2g; one-sided over two-sided %.2f (%.2f to %.2f)' % compare(log_ratios(numbers)),
                 ', '.join('%s times %.2f' % (side.replace('_', '-'), gain)
                           for side, gain in last_gains(numbers).items()))),
]  # fmt: skip


def measure(settings: common.Json, run: common.Run) -> common.Json:
  """Returns the numbers of each toy and side: distances, at the end and earlier, and gradient norms; and the floor."""
  count = settings['samples']

  def make(seed, dataset, penalty):
    return common.config(settings, run, seed=seed, dataset=dataset, penalty=penalty)

  def train(config, *point):
    """Returns the exact W of samples to held-out points, at the end and earlier, and the gradient norm at the end."""
    latents = np.random.RandomState([config.seed, 1]).normal(size=[count, config.latent_size])
    first = settings['norms_from'] * config.generator_steps
    earlier = round(settings['last_from'] * config.generator_steps)
    norms, distances = [], []
    with common.trainer(config) as trainer:
      for step, scalars in common.steps(trainer):
        if step > first:
          norms.append(scalars['gradient_norm/mean'])
        if step in (earlier, config.generator_steps):
          points = trainer.session.run(trainer.graph.samples, {trainer.graph.sample_latents: latents})
          distances.append(earth_movers_distance(points, trainer.dataset.validation[:count]))
    return dict(distance=distances[-1], earlier=distances[0], norm=float(np.mean(norms)))

  names, sides = settings['datasets'], settings['penalties']
  runs: common.Json = {name: {side: dict(distances=[], earlier=[], norms=[]) for side in sides} for name in names}
  for (_, name, side), found in common.grid(run, make, train, settings['seeds'], names, sides).items():
    for many, one in (('distances', 'distance'), ('earlier', 'earlier'), ('norms', 'norm')):
      runs[name][side][many].append(found[one])
  floor = {}
  for name in names:
    held_out = datasets.load(common.config(settings, run, dataset=name)).validation
    floor[name] = earth_movers_distance(held_out[count : 2 * count], held_out[:count])
  return dict(runs=runs, floor=floor)


SHORT = [
  ('One side: no significant difference', r'p (\S+); one-sided over two-sided ([^;]*).*', r'W times \2, p \1'),
]  # fmt: skip

FINDING = (
  'On the grid and the Swiss roll, a one-sided penalty of weight 10 brings the samples 5 and 11 times nearer to '
  "the data than a two-sided one; on the ring the two end alike. The paper's appendix, which finds no "
  'difference, speaks of images.'
)
REMARKS = (
  'On the grid and the Swiss roll the side matters much: with the weight 10 and two sides the samples stay far '
  'from the data, with one side they come as near as held-out points are to each other, or almost. The '
  'two-sided penalty asks for a slope of 1 on every line between a real and a generated point, also where the '
  'best critic is flat; between points of two dimensions that stand close there are many such places, and a '
  'weight of 10 insists. That is the likely reason that the WGAN-GP code has the weight 0.1 for its toys; it '
  'was not tested here. After 1,000 steps, where this experiment ended at first, the factor was 0.16, and the '
  'two-sided samples of the ring were still far from the data. From step 3,000 to 4,000 the two-sided distances '
  'gain nothing: single runs rise or fall, by factors of 0.16 to 2.8.'
)


def plot(numbers: common.Json) -> Any:
  """Each run's distance, and its mean gradient norm: seeds side by side, a column for each toy."""
  figure = common.figure(8.0, 4.0)
  left, right = figure.subplots(1, 2)
  names = list(numbers['runs'])
  for i, name in enumerate(names):
    for j, side in enumerate(('two_sided', 'one_sided')):
      found = numbers['runs'][name][side]
      x = i + (j - 0.5) * 0.3 + np.linspace(-0.06, 0.06, len(found['norms']))
      look = dict(color=style.COLORS['gp'], markersize=5, label=side.replace('_', '-') if i == 0 else None)
      look['markerfacecolor'] = ('none', look['color'])[j]
      left.plot(x, found['distances'], 'os'[j], **look)
      right.plot(x, found['norms'], 'os'[j], **look)
    floor, label = [numbers['floor'][name]] * 2, 'real data' if i == 0 else None
    left.plot([i - 0.35, i + 0.35], floor, color=style.COLORS['real'], linewidth=1.5, label=label)
  for panel in (left, right):
    panel.set(xticks=range(len(names)), xticklabels=names, xlim=(-0.5, len(names) - 0.5))
  left.set(ylim=(0, None), ylabel='exact W to held-out data')
  right.axhline(1, color='black', linewidth=0.8, linestyle=':')
  right.set_ylabel("mean norm of the critic's gradient")
  return common.with_legend(figure, left, 3)


if __name__ == '__main__':
  common.main(__name__)
