"""Clipped and penalised critics of a fixed generator, and how much of the exact W each finds: WGAN-GP figure 1a.

The generator is real points plus N(0, I) noise. A critic's estimate, over the largest norm that its gradient has, is a
lower bound of the exact W by Kantorovich-Rubinstein duality. Clipping leaves that constant K unknown: it is measured.

Critics are as wide as the paper's, 512, and have its clip value, 0.01, or the penalty weight of its text, 10, or of its
code for these toys, 0.1.
"""

import math
from functools import partial
from typing import Any, Tuple

import numpy as np

from experiments import common
from wgan_tf1.data import datasets
from wgan_tf1.evaluation.distances import earth_movers_distance

TITLE = 'Value surfaces of clipped and penalised critics, generator fixed, and the share of the exact W they find'

_PENALISED: common.Json = {
  'penalty 0.1': {'variant': 'gp', 'penalty_weight': 0.1},
  'penalty 10': {'variant': 'gp', 'penalty_weight': 10.0},
}
VIEW = 3.0  # the surfaces reach from -VIEW to VIEW along each axis
_COMMON = dict(preset='toy-8gaussians', fixed_generator=True, view=VIEW)  # toy presets differ only in their data set
SETTINGS = {
  'full': dict(_COMMON, datasets=['8gaussians', '25gaussians', 'swissroll'],
               critics={'clip 0.01': {'variant': 'clip', 'clip_value': 0.01}, **_PENALISED}, width=512,
               seeds=[0, 1, 2], critic_updates=10000, samples=1500, pairs=3, surface=33, norms=201),
  'quick': dict(_COMMON, datasets=['8gaussians'],
                critics={'clip 0.1': {'variant': 'clip', 'clip_value': 0.1}, **_PENALISED}, width=16,
                seeds=[0, 1], critic_updates=40, samples=200, pairs=2, surface=9, norms=41),
}  # fmt: skip
_PAPERS_PENALTY = 'penalty 10'
GAIN = 0.01  # of the share in the last quarter, below which training has stopped improving


def samples_of(dataset: datasets.Dataset, n: int, pairs: int) -> Tuple[np.ndarray, np.ndarray]:
  """Held-out real points and, of others, real points plus noise: two float64 [pairs, n, 2]."""
  points = dataset.validation[: 2 * n * pairs].reshape(pairs, 2, n, 2).astype(np.float64)
  return points[:, 0], points[:, 1] + np.random.RandomState([0, n, pairs]).normal(size=points[:, 1].shape)


def grid_of(extent: float, count: int) -> np.ndarray:
  """Points from -extent to extent along each axis, row by row from below: float32 [count^2, 2]."""
  axis = np.linspace(-extent, extent, count)
  return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype(np.float32)


def _exact(dataset, settings):
  """The exact W of equal samples, and what the sample size does to it.

  Between samples it is too large on average. By how much is bounded: by the triangle inequality and Jensen's, the
  bias is at most the distance between two samples of real points plus that between two of noised ones.
  """
  n = settings['samples']
  real, noised = samples_of(dataset, n, settings['pairs'])
  distances = [earth_movers_distance(a, b) for a, b in zip(real, noised)]
  return dict(
    distance=float(np.mean(distances)),
    deviation=float(np.std(distances, ddof=1)),
    bias_at_most=earth_movers_distance(*real[:2]) + earth_movers_distance(*noised[:2]),
    by_samples={str(m): earth_movers_distance(real[0, :m], noised[0, :m]) for m in (n // 4, n // 2, n)},
  )


def _critic(config, settings):
  """Trains a critic; returns its estimate on the samples of `_exact`, its largest gradient norm, and its values.

  The largest norm is that of many points, so at most the true constant: it makes a share too large, if anything. The
  critic is piecewise linear, and all points together are dense against its pieces.
  """
  with common.trainer(config) as trainer:
    import tensorflow.compat.v1 as tf

    real, noised = samples_of(trainer.dataset, settings['samples'], settings['pairs'])
    real, noised = (points.reshape(-1, 2).astype(np.float32) for points in (real, noised))
    weights = np.random.RandomState([1, len(real)]).uniform(size=[len(real), 1]).astype(np.float32)
    between = weights * real + (1 - weights) * noised
    everywhere = grid_of(float(np.abs(noised).max()), settings['norms'])
    (gradients,) = tf.gradients(trainer.graph.real_scores, [trainer.graph.real])

    def of(tensor, points):
      return trainer.session.run(tensor, {trainer.graph.real: points}).astype(np.float64)

    def found():
      norms = [np.linalg.norm(of(gradients, points), axis=1) for points in (between, real, noised, everywhere)]
      scores = trainer.graph.real_scores
      return dict(
        estimate=float(of(scores, real).mean() - of(scores, noised).mean()),
        lipschitz=float(max(values.max() for values in norms)),
        norm_between=float(norms[0].mean()),
        norm_of_99=float(np.percentile(norms[0], 99)),
      )

    for update in range(1, settings['critic_updates'] + 1):
      trainer.critic_update()
      if update == 3 * settings['critic_updates'] // 4:
        earlier = found()
    surface = of(trainer.graph.real_scores, grid_of(settings['view'], settings['surface']))
    return dict(found(), earlier=earlier, surface=[float('%.4g' % value) for value in surface])


def _share(found, exact):
  """Estimate / K over the exact W; 0 for a critic that is constant."""
  return found['estimate'] / found['lipschitz'] / exact['distance'] if found['lipschitz'] else 0.0


def measure(settings: common.Json, run: common.Run) -> common.Json:
  """Returns the numbers of each toy: 'exact', 'points', and of each critic under its label 'critics'.

  Those of a critic are lists, a member for each seed, but for 'surface', which is the first seed's.
  """

  def make(dataset, label, seed):
    return common.config(settings, run, dataset=dataset, seed=seed, **settings['critics'][label])

  def train(config, *point):
    return _critic(config, settings)

  found = common.grid(run, make, train, settings['datasets'], settings['critics'], settings['seeds'])
  numbers: common.Json = dict(exact={}, critics={}, points={})
  for name in settings['datasets']:
    dataset = datasets.load(common.config(settings, run, dataset=name))
    exact = numbers['exact'][name] = run.part('%s-exact' % name, partial(_exact, dataset, settings))
    numbers['points'][name] = np.round(dataset.validation[:200].astype(np.float64), 3).tolist()
    numbers['critics'][name] = {}
    for label in settings['critics']:
      seeds = [found[name, label, seed] for seed in settings['seeds']]
      critic = {key: [one[key] for one in seeds] for key in ('estimate', 'lipschitz', 'norm_between', 'norm_of_99')}
      critic['share'] = [_share(one, exact) for one in seeds]
      critic['share_earlier'] = [_share(one['earlier'], exact) for one in seeds]
      numbers['critics'][name][label] = dict(critic, surface=seeds[0]['surface'])
  return numbers


def _clipped(critics):
  return [critic for label, critic in critics.items() if label.startswith('clip')]


def _finds_more(numbers):
  """True; False; or why that would be too early: a penalised critic that does not find more still gains."""
  still_gains = False
  for critics in numbers['critics'].values():
    penalised = critics[_PAPERS_PENALTY]
    if any(np.mean(penalised['share']) <= np.mean(critic['share']) + 0.1 for critic in _clipped(critics)):
      if np.mean(penalised['share']) <= np.mean(penalised['share_earlier']) + GAIN:
        return False
      still_gains = True
  return 'gp still improves' if still_gains else True


def _knows_scale(numbers):
  for name, critics in numbers['critics'].items():
    exact = numbers['exact'][name]['distance']
    if abs(np.mean(critics[_PAPERS_PENALTY]['estimate']) / exact - 1) > 0.25:
      return False
    if any(abs(math.log(max(np.mean(c['estimate']), 1e-30) / exact)) < math.log(2) for c in _clipped(critics)):
      return False
  return True


def _said(what, form, values, numbers):
  """Returns 'WHAT8gaussians: clip 0.01 MEAN ± DEVIATION, ...; ...' of values(critic, exact), one for each seed."""
  parts = []
  for name, critics in numbers['critics'].items():
    exact = numbers['exact'][name]['distance']
    said = []
    for label, critic in critics.items():
      found = np.array(values(critic, exact))
      said.append('%s %s ± %s' % (label, form % found.mean(), form % found.std(ddof=1)))
    parts.append('%s: %s' % (name, ', '.join(said)))
  return what + '; '.join(parts)


CLAIMS = [
  common.Claim('clipped critics miss the higher moments of the data, penalised ones do not',
               'WGAN-GP (1704.00028) section 3.1, figure 1a',
               'on each toy, estimate / K over the exact W, a mean over the seeds, is higher by more than 0.1 with the '
               'penalty of weight 10 than with every clipped critic; undecided where it is not, but has risen by more '
               'than 0.01 in the last quarter', _finds_more,
               partial(_said, 'share of the exact W: ', '%.2f', lambda critic, exact: critic['share'])),
  common.Claim('a clipped critic estimates K W for an unknown K; the penalty holds K near 1',
               'WGAN (1701.07875) equation 3; WGAN-GP (1704.00028) section 4',
               'on each toy, the bare estimate, a mean over the seeds, is within 25 % of the exact W with the penalty '
               'of weight 10, and off by more than a factor of 2 with every clipped critic', _knows_scale,
               partial(_said, 'bare estimate over the exact W: ', '%.3g',
                       lambda critic, exact: np.divide(critic['estimate'], exact))),
]  # fmt: skip

_TOYS = r'25gaussians: clip \S+ (\S+) .*?, penalty 0.1 \S+ .*?, penalty 10 ([\d.e-]+)'
SHORT = [
  ('Clipping misses higher moments', _TOYS, r'grid: clip \1, gp \2 of W'),
  ('The penalty alone holds K near 1', _TOYS, r'grid: clip \1, gp \2 times W'),
]  # fmt: skip

FINDING = (
  "The pictures are the paper's: plateaus and pyramids under clipping, modes and roll under the penalty. With weight "
  '10 it finds 74 % of the exact distance on the ring, where clipping finds 49; 78 and 67 on the roll; but 70 and 73 '
  'on the grid.'
)
REMARKS = (
  'The rules were those of one seed, and now take means over three; they were extended before these runs. An earlier '
  'run at width 64, which also had c = 0.1, found 48 to 52 % on the ring with clipping, and 49 with the penalty.\n\n'
  'On the grid the penalised critics still swing: three quarters through, one estimate was below 0. All share a '
  'handicap: the estimate is divided by the largest norm found anywhere, which a penalised critic has in a few spikes. '
  'Divided by the 99th percentile of the norms between real and noised points, the shares with weight 10 are 88, 82 '
  'and 83 % on ring, grid and roll, and with clipping 49, 73 and 67, as before.'
)


def plot(numbers: common.Json) -> Any:
  """Contours of each critic, a row for each toy, with points of the data."""
  figure = common.figure(6.2, 0.6 + 2.05 * len(numbers['critics']))
  columns = len(next(iter(numbers['critics'].values())))
  axes = figure.subplots(len(numbers['critics']), columns, squeeze=False, sharex=True, sharey=True)
  for row, (name, critics) in zip(axes, numbers['critics'].items()):
    row[0].set_ylabel(name)
    for panel, (label, critic) in zip(row, critics.items()):
      side = int(round(math.sqrt(len(critic['surface']))))
      values = np.reshape(critic['surface'], [side, side])
      axis = np.linspace(-VIEW, VIEW, side)
      panel.contourf(axis, axis, values, 16, cmap='viridis')
      panel.plot(*np.transpose(numbers['points'][name]), '.', color='white', markersize=1.5)
      panel.set_title('%s: %.0f %% of W' % (label, 100 * np.mean(critic['share'])), fontsize=9)
      panel.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2], aspect='equal')
  figure.suptitle(
    'Critic values of the first seed (bright: real),\nand the share of the exact W found, a mean of the seeds',
    fontsize=10,
  )
  figure.tight_layout()
  return figure


if __name__ == '__main__':
  common.main(__name__)
