"""Critics that overfit: 1,000 training images, estimates on them and on held-out ones. WGAN-GP, figure 5b."""

from functools import partial
from typing import Any

import numpy as np

from experiments import common, image_runs, style
from wgan_tf1.data import batches, datasets

TITLE = 'Overfitting: the estimate on 1,000 training images and on held-out ones'

# The paper: large unregularised networks of which no more is said, 20,000 updates. Here: the post's MLPs, 256 wide. The
# learning rates are the papers', the bound of clipping is twice the paper's: of six settings, tried from seed 3, it was
# the only one whose estimate settled above 1.
_VARIANTS = {'gp': dict(learning_rate=1e-4), 'clip': dict(learning_rate=5e-5, clip_value=0.02)}
_COMMON = dict(architecture='mlp', seed=0, variants=_VARIANTS)
SETTINGS = {
  'full': dict(
    image_runs.FULL, **_COMMON, width=256, batch_size=64, generator_steps=20000, train_images=1000,
    measured_images=1000, measure_every=200,
  ),
  'quick': dict(
    image_runs.QUICK, **_COMMON, width=16, batch_size=16, generator_steps=12, train_images=50, measured_images=50,
    measure_every=4,
  ),
}  # fmt: skip
PARTS = ('train', 'validation')
_LABELS = {'gp': 'gradient penalty', 'clip': 'weight clipping'}


def subset(dataset: datasets.Dataset, train_images: int) -> datasets.Dataset:
  """Returns so many of the training images, drawn at random, the same ones at every call; all held-out ones."""
  kept = np.sort(np.random.RandomState([0, 5]).permutation(len(dataset.train))[:train_images])
  labels = None if dataset.train_labels is None else dataset.train_labels[kept]  # MNIST's are read only where needed
  return dataset._replace(train=dataset.train[kept], train_labels=labels)


def analyse(found: common.Json) -> common.Json:
  """Adds to a run's curves what decides the claims.

  Returns:
    dict: `found`, and gap, the mean of training less validation estimate over the last quarter, as a share of the mean
    training estimate there; trends, of 'train' and 'validation' Spearman's correlation with the step over the second
    half, or None where there is none.
  """
  quarter, half = -max(len(found['steps']) // 4, 1), len(found['steps']) // 2
  train, validation = (np.asarray(found[name]) for name in PARTS)
  level = float(np.mean(train[quarter:])) if len(train) else 0.0
  gap = float(np.mean((train - validation)[quarter:])) / level if level > 0 else None
  trends = {name: image_runs.rank_correlation(found[name][half:], found['steps'][half:]) for name in PARTS}
  return dict(found, gap=gap, trends=trends)


def measure(settings: common.Json, run: common.Run) -> common.Json:
  """Trains with each constraint; numbers['runs'][variant] is what `analyse` makes of its curves.

  The curves are steps, train, validation, diverged: estimates on equally many real and generated images. samples are
  some at the end, as `image_runs.shown` takes them.
  """

  def make(variant):
    return common.config(settings, run, variant=variant, **settings['variants'][variant])

  def train(config, variant):
    dataset = subset(datasets.load(config), settings['train_images'])
    real = {name: batches.encode(config, getattr(dataset, name)[: settings['measured_images']]) for name in PARTS}
    found = dict(steps=[], train=[], validation=[], diverged=False, samples=None)
    with common.trainer(config, dataset=dataset) as trainer, image_runs.until_divergence(found):
      for step, _ in common.steps(trainer):
        if step % settings['measure_every'] == 0:
          found['steps'].append(step)
          for name in PARTS:  # the same latents for both, since they depend only on the step counters
            estimate = trainer.graph.scalars[trainer.graph.estimate]
            value = trainer.session.run(estimate, trainer.critic_feed(real[name]))
            found[name].append(float('%.5g' % value))
        if step == config.generator_steps:
          found['samples'] = image_runs.kept(trainer)
    return found

  found = common.grid(run, make, train, settings['variants'])
  return dict(runs={variant: analyse(curves) for (variant,), curves in found.items()})


def _overfits(variant, numbers):
  found = numbers['runs'][variant]
  return None if found['gap'] is None or found['diverged'] else found['gap'] >= 0.2


def _parts_ways(numbers):
  trends = numbers['runs']['gp']['trends']
  if None in trends.values() or numbers['runs']['gp']['diverged']:
    return None
  return trends['train'] >= 0.5 and trends['validation'] <= -0.5


def _measured(variant, numbers):
  found = numbers['runs'][variant]
  if found['gap'] is None:
    return 'no positive training estimate in the last quarter'
  trends = ['none' if found['trends'][name] is None else '%.2f' % found['trends'][name] for name in PARTS]
  return (
    'in the last quarter the validation estimate is %.0f %% below the training one; trend over the second half: '
    'training %s, validation %s' % (100 * found['gap'], *trends)
  )


_RULE = (
  'over the last quarter of the run the mean estimate on held-out images is below that on the training images by at '
  'least 20 % of the latter.'
)
CLAIMS = [
  common.Claim('Under the gradient penalty the critic overfits: the estimates on training and validation images part.',
               'WGAN-GP (1704.00028), figure 5b, left', _RULE, partial(_overfits, 'gp'), partial(_measured, 'gp')),
  common.Claim('Under weight clipping the critic overfits too.',
               'WGAN-GP (1704.00028), figure 5b, right', _RULE, partial(_overfits, 'clip'), partial(_measured, 'clip')),
  common.Claim('Under the gradient penalty the training estimate rises while the validation estimate falls.',
               'WGAN-GP (1704.00028), figure 5b, left',
               "over the second half of the run, Spearman's correlation with the step is at least 0.5 for the "
               'training estimate and at most -0.5 for the validation estimate.',
               _parts_ways, partial(_measured, 'gp')),
]  # fmt: skip

SHORT = [
  ('Penalty: training and held-out estimates part', r'(\d+ %) below', r'held out \1 lower'),
  ('Clipping: they part too', r'(\d+ %) below', r'held out \1 lower'),
  ('Penalty: training rises, held out falls', r'training (\S+), validation (\S+)$', r'trends \1 and \2'),
]  # fmt: skip

LIMITS = 'one seed, gap still grows'
FINDING = (
  'On 1,000 images the penalised critic overfits as in the paper: its training estimate rises while the held-out '
  'one falls, to 86 % below. With clipping the held-out estimate ends 18 % below. The rule asks for 20 %, and the '
  'gap still grows.'
)
REMARKS = (
  'Two earlier runs were shorter. After 1,500 updates the estimates under the penalty had parted by 12 %; after '
  '10,000 by 66 %. The rules stayed as they were, and the length is now the 20,000 updates that the paper shows. In '
  "those runs clipping had blog-mnist's rate of 5e-4 and the bound of 0.01: its estimate fell to 0 by 3,700 "
  'updates, and said nothing. Six settings were then tried from seed 3, for 1,000 to 2,000 updates. The estimate '
  'fell below 0.1 within 600 at 5e-5 and 0.01, and came back to 0.26 by 2,000; it fell to 0 at 1e-4, and with the '
  'critic at 5e-4 and the generator at 5e-5; to 0.05 by 1,500 with the generator at 1e-5. At 5e-5 and a bound of '
  '0.05 it went from 2,482 to below 0 and back to 183. At 5e-5 and 0.02, the setting here, it stood at 6 to 7.\n\n'
  'With clipping the mean held-out estimate is 6 % below the training one from update 5,000 to 10,000, then 13 %, '
  'and 18 % over the last 5,000. Over the second half both estimates fall.'
)


def plot(numbers: common.Json) -> Any:
  """Draws the two estimates over the updates, a panel for each constraint, and its last samples below.

  The estimates of the first twentieth of a run, many times as large, may be above the panel.
  """
  figure = common.figure(8.0, 5.6)
  cells = figure.add_gridspec(2, len(numbers['runs']), height_ratios=[3.0, 2.2])
  for i, (variant, found) in enumerate(numbers['runs'].items()):
    axes = figure.add_subplot(cells[0, i])
    axes.plot(found['steps'], found['train'], color=style.COLORS[variant], label='training images')
    axes.plot(found['steps'], found['validation'], '--', color=style.COLORS[variant], label='held-out images')
    axes.set(xlabel='generator updates', ylabel='Wasserstein estimate')
    late = len(found['steps']) // 20
    highest = max(found['train'][late:] + found['validation'][late:])
    axes.set_ylim(min(0, *found['train'], *found['validation']), 1.1 * highest if highest > 0 else None)
    axes.set_title(_LABELS[variant], fontsize=10)
    axes.legend(fontsize=8, loc='upper right' if variant == 'clip' else 'center right')
    image_runs.show(figure.add_subplot(cells[1, i]), found['samples'])
  figure.tight_layout()
  return figure


if __name__ == '__main__':
  common.main(__name__)
