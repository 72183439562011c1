"""Modes captured on the ring of 8 and the grid of 25: the WGAN rows that VEEGAN's and PacGAN's tables lack.

Up to scale these are the tables' mixtures: the ring has deviation over radius 0.01, the grid deviation over spacing
0.025, theirs 0.01 / 1 and 0.05 / 2; counts within three deviations do not change with scale. Networks, batch and number
of updates are this project's, not theirs.
"""

from functools import partial
from typing import Any, List

import numpy as np

from experiments import common, style
from wgan_tf1.data import datasets
from wgan_tf1.data import points as toys
from wgan_tf1.evaluation import metrics, published

TITLE = 'Modes captured and share of high-quality samples, ring of 8 and grid of 25'

# The rates of gp and gan were chosen on one run of the ring, seed 0; that of clip is the paper's, see REMARKS. The
# toy presets differ only in their data set.
_COMMON: common.Json = dict(
  preset='toy-8gaussians',
  variants={'clip': dict(learning_rate=5e-5), 'gp': dict(learning_rate=1e-3), 'gan': dict(learning_rate=2e-4)},
)
SETTINGS = {
  'full': dict(_COMMON, datasets=['8gaussians', '25gaussians'], seeds=[0, 1, 2, 3, 4], width=128,
               generator_steps=10000, looks=20, samples=2500),
  'quick': dict(_COMMON, datasets=['25gaussians'], seeds=[0, 1], width=8, generator_steps=4, looks=2, samples=200),
}  # fmt: skip
_NAMES = {'8gaussians': 'ring of 8', '25gaussians': 'grid of 25'}
_SYSTEMS = {'clip': 'WGAN', 'gp': 'WGAN-GP', 'gan': 'GAN'}
_METRICS = {'modes_captured': 'modes', 'high_quality_share': 'shares'}


def of_tables(dataset: str) -> List[common.Json]:
  """The tables' rows of a mixture: [{source, system, what, value}], what being 'modes' or 'shares' (0 to 1)."""
  return [
    dict(source=row['source'], system=row['system'], what=_METRICS[row['metric']], value=row['value'])
    for row in published.rows()
    if row['metric'] in _METRICS and row['dataset'] == dataset
  ]


def measure(settings: common.Json, run: common.Run) -> common.Json:
  """Returns the numbers: 'runs' of each data set, variant and seed, the real data's, and the published rows."""
  count = settings['samples']

  def make(seed, dataset, variant):
    fields = dict(settings['variants'][variant], seed=seed, dataset=dataset, variant=variant)
    return common.config(settings, run, **fields)

  def train(config, *point):
    """Returns modes and shares [looks], at equal distances of steps, and the samples at the end."""
    latents = np.random.RandomState([config.seed, 1]).normal(size=[count, config.latent_size])
    modes, shares = [], []
    with common.trainer(config) as trainer:
      for step, _ in common.steps(trainer):
        if step * settings['looks'] % config.generator_steps == 0:
          drawn = trainer.session.run(trainer.graph.samples, {trainer.graph.sample_latents: latents})
          mode, share = _coverage(config.dataset, drawn)
          modes.append(mode)
          shares.append(share)
    drawn = np.clip(drawn[:500].astype(np.float64), -1e3, 1e3)
    return dict(modes=modes, shares=shares, samples=np.round(drawn, 3).tolist() if config.seed == 0 else None)

  seeds, names, variants = settings['seeds'], settings['datasets'], settings['variants']
  found = common.grid(run, make, train, seeds, names, variants)
  numbers: common.Json = dict(real={}, modes={}, published={}, generator_steps=settings['generator_steps'])
  numbers['runs'] = {name: {v: [found[seed, name, v] for seed in seeds] for v in variants} for name in names}
  for name in names:
    real = datasets.load(common.config(settings, run, dataset=name)).validation[:count]
    modes, share = _coverage(name, real)
    numbers['real'][name] = dict(modes=modes, share=share, samples=np.round(real[:500], 3).tolist())
    numbers['modes'][name] = len(toys.mode_centres(name))
    numbers['published'][name] = of_tables(name)
  numbers['rows'] = _rows(numbers, settings)
  return numbers


def _coverage(dataset, drawn):
  modes, share = metrics.mode_coverage(drawn, toys.mode_centres(dataset), toys.mode_deviation(dataset))
  return int(modes), float(share)


def _final(numbers, dataset, variant, what):
  """float [seeds]: modes or shares at the end."""
  return [seed[what][-1] for seed in numbers['runs'][dataset][variant]]


def _rows(numbers, settings):
  """The rows that the tables lack, as published.json has its own: mean and deviation over the seeds."""
  rows = []
  for metric, what in _METRICS.items():
    for dataset, variants in numbers['runs'].items():
      for variant in variants:
        final = _final(numbers, dataset, variant, what)
        deviation = float(np.std(final, ddof=1)) if len(final) > 1 else None
        row = dict(metric=metric, dataset=dataset, system=_SYSTEMS[variant], value=float(np.mean(final)))
        protocol = dict(samples=settings['samples'], trials=len(final), steps=settings['generator_steps'])
        protocol['sigma'] = toys.published_sigma(dataset)
        rows.append(dict(row, deviation=deviation, note='width %d' % settings['width'], protocol=protocol))
  return rows


def _no_collapse(numbers):
  return all(
    np.mean(_final(numbers, dataset, variant, 'modes')) >= 0.9 * numbers['modes'][dataset]
    for dataset in numbers['runs']
    for variant in ('clip', 'gp')
  )


def _more_than_gan(numbers):
  for dataset in numbers['runs']:
    rows = [row for row in numbers['published'][dataset] if row['system'] == 'GAN' and row['what'] == 'modes']
    most = max([np.mean(_final(numbers, dataset, 'gan', 'modes'))] + [row['value'] for row in rows])
    if any(np.mean(_final(numbers, dataset, variant, 'modes')) <= most for variant in ('clip', 'gp')):
      return False
  return True


def _penalty_better(numbers):
  from scipy import stats

  for dataset in numbers['runs']:
    gp, clip = (_final(numbers, dataset, variant, 'shares') for variant in ('gp', 'clip'))
    if not (np.mean(gp) > np.mean(clip) and stats.ttest_ind(gp, clip, equal_var=False).pvalue < 0.05):
      return False
  return True


def _said(what, scale, unit, numbers):
  parts = []
  for dataset, variants in numbers['runs'].items():
    final = {variant: _final(numbers, dataset, variant, what) for variant in variants}
    values = [(v, scale * np.mean(x), scale * np.std(x, ddof=1), unit) for v, x in final.items()]
    parts.append('%s: %s' % (_NAMES[dataset], ', '.join('%s %.1f+-%.1f %s' % value for value in values)))
  return '; '.join(parts)


CLAIMS = [
  common.Claim('a Wasserstein GAN shows no mode collapse', 'WGAN (1701.07875) section 4.3, and the posts',
               'clip and gp each capture at least 0.9 of the modes of ring and grid, in the mean over the seeds',
               _no_collapse, partial(_said, 'modes', 1, 'modes')),
  common.Claim('it captures more modes than a GAN',
               'WGAN (1701.07875) section 4.3; GAN rows of VEEGAN table 1 and PacGAN table 1',
               'on ring and grid, the mean of clip and that of gp exceed that of our GAN and of every published GAN '
               'row', _more_than_gan, partial(_said, 'modes', 1, 'modes')),
  common.Claim('the penalty models the data better than clipping', 'WGAN-GP (1704.00028) abstract and section 3',
               'on ring and grid, the mean share of high-quality samples is larger with gp, p < 0.05 by Welch t-test',
               _penalty_better, partial(_said, 'shares', 100, '%')),
]  # fmt: skip

_MODES = r'8: clip (.+?)\+.*?gp (.+?)\+.*?gan (.+?)\+.*25: clip (.+?)\+.*?gp (.+?)\+.*?gan (.+?)\+'
SHORT = [
  ('No mode collapse: clip, gp', _MODES, r'ring \1, \2 of 8, grid \4, \5 of 25'),
  ('More than a GAN: clip, gp, gan', _MODES, r'ring \1, \2, \3, grid \4, \5, \6'),
  ('The penalty is better: clip, gp', _MODES, r'ring \1, \2 %, grid \4, \5 %'),
]  # fmt: skip

LIMITS = 'clip still improves'
FINDING = (
  'After 10,000 steps the penalty has all eight modes of the ring from every seed, and 24 of 25 on the grid, more than '
  'the GAN. Clipping is far behind, and still gains modes of the grid.'
)
REMARKS = (
  'The rates of the penalty and of the GAN were chosen on one run of the ring, seed 0, which is among the five. '
  'With the penalty 74 % of the samples are of high quality on the ring and 58 % on the grid; in the last quarter it '
  'gains no modes, but better samples. The plain GAN lacks a mode of the ring from two seeds of five throughout the '
  'last quarter. The rate of clipping was chosen on seed 5, which is not among the five, by the modes of the last '
  '3,000 steps: of 5e-5, 1e-4 and 2e-4 the first was best. At 5e-4 it had 6.8 and 15.2 modes, and on the grid the '
  'critics of two seeds died: their samples no longer changed. The networks are a quarter as wide as those of '
  'WGAN-GP; counts compare with the tables in protocol, not in training.'
)


def plot(numbers: common.Json) -> Any:
  """Of each mixture: modes and shares over the steps, mean and range of the seeds; and seed 0's last samples."""
  rows = len(numbers['runs'])
  height = 0.5 + 2.9 * rows
  figure = common.figure(14.0, height)
  grid = figure.add_gridspec(rows, 5, width_ratios=[1.2, 1.2, 1, 1, 1])
  for row, (dataset, variants) in enumerate(numbers['runs'].items()):
    left, right = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 1])
    for i, (variant, seeds) in enumerate(variants.items()):
      looks = len(seeds[0]['modes'])
      steps = np.arange(1, looks + 1) * numbers['generator_steps'] / looks
      for panel, what, scale in ((left, 'modes', 1), (right, 'shares', 100)):
        values = scale * np.array([seed[what] for seed in seeds])
        panel.plot(steps, values.mean(axis=0), color=style.COLORS[variant], label=variant)
        panel.fill_between(
          steps, values.min(axis=0), values.max(axis=0), color=style.COLORS[variant], alpha=0.15, linewidth=0
        )
      panel = figure.add_subplot(grid[row, 2 + i])
      panel.plot(*np.transpose(seeds[0]['samples']), '.', markersize=2, color=style.COLORS[variant])
      panel.plot(*toys.mode_centres(dataset).T, '+', color='black', markersize=5, markeredgewidth=0.7)
      panel.set(xlim=(-2, 2), ylim=(-2, 2), aspect='equal', xticks=[-1, 0, 1], yticks=[-1, 0, 1])
      panel.set_title('%s: samples of seed 0' % variant, fontsize=9)
    left.axhline(numbers['modes'][dataset], color='black', linewidth=0.6, linestyle=':')
    for panel, label in ((left, 'modes captured'), (right, 'high-quality samples (%)')):
      panel.set(ylim=(0, None), ylabel=label, xlabel='generator steps')
      panel.set_title(_NAMES[dataset], fontsize=10)
  return common.with_legend(figure, left, 3, 1 - 0.3 / height)


if __name__ == '__main__':
  common.main(__name__)
