"""Generators without batch norm, and an MLP generator: GAN, clipped WGAN and WGAN-GP. WGAN, figures 5, 6 and 7."""

import math
import sys

import numpy as np

from experiments import common
from experiments import image_runs

TITLE = 'Generators without batch norm, by GAN, WGAN and WGAN-GP'

# The paper: LSUN bedrooms of 64x64, DCGAN's networks, samples shown and no number. Here: MNIST, the post's networks at
# an eighth of their width, hundreds of updates. The critics have batch norm, as the paper's; the penalised, layer norm.
# A layer of an eighth of the width, clipped, passes on an eighth as much: hence the bound, five times the paper's. With
# the paper's, and the post preset's rate, nothing was learnt in 300 updates: hence the rates too.
SETTINGS = {
  'full': dict(
    dataset='mnist', image_size=32, width=8, batch_size=64, generator_steps=400, score_every=100, scored_samples=1000,
    seeds=[0, 1], runs=['%s/%s' % (g, v) for g in ('batch-norm', 'constant', 'mlp') for v in ('gan', 'clip', 'gp')],
  ),
  'quick': dict(
    dataset='digits', image_size=16, width=2, batch_size=8, generator_steps=3, score_every=3, scored_samples=50,
    classifier_steps=20, seeds=[0], runs=['batch-norm/clip', 'constant/gp', 'mlp/gan'],
  ),
}  # fmt: skip

# name -> fields of `Config`
GENERATORS = {
  'batch-norm': dict(architecture='blog', generator_norm='batch'),
  'constant': dict(architecture='constant-blog'),
  'mlp': dict(architecture='mlp-blog'),
}
CRITIC_NORMS = {'gan': 'batch', 'clip': 'batch', 'gp': 'layer'}
LEARNING_RATES = {'gan': 1e-3, 'clip': 3e-3, 'gp': 1e-3}
CLIP_VALUE = 0.05
NAMES = {'batch-norm': 'DCGAN-like, batch norm', 'constant': 'constant filters, no norm', 'mlp': 'MLP, no norm'}
LABELS = {'gan': 'GAN', 'clip': 'WGAN', 'gp': 'WGAN-GP'}


def _run(settings, run, score, generator, variant, seed):
  rate = LEARNING_RATES[variant]
  config = image_runs.make_config(
    settings, run, variant, seed=seed, critic_norm=CRITIC_NORMS[variant], generator_learning_rate=rate,
    critic_learning_rate=rate, clip_value=CLIP_VALUE if variant == 'clip' else None, **GENERATORS[generator]
  )  # fmt: skip
  return image_runs.train(config, score, settings['score_every'])


def works(found):
  """Whether a run's samples have neither failed nor collapsed, by its last scores.

  Args:
    found: as `image_runs.train` returns it.

  Returns:
    bool: nothing diverged; the Frechet distance is at most half of that before training; all ten classes are there, and
    as evenly as e^1.75 = 5.8 equally frequent ones would be.
  """
  return (
    not found['diverged']
    and found['fid'][-1] <= found['fid'][0] / 2
    and found['coverage'][-1] == 10
    and found['entropy'][-1] >= 1.75
  )


def measure(settings, run):
  """Trains every generator with every variant from every seed.

  Returns:
    dict: runs, of 'generator/variant' a list with a run for each seed, as `image_runs.train` has it, with `works`;
    protocol, as `image_runs.scorer` has it.
  """
  image_runs.add_architectures()
  score = image_runs.scorer(settings, run)
  runs = {}
  for seed in settings['seeds']:
    for key in settings['runs']:
      generator, variant = key.split('/')
      part = '%s-%s-%d' % (generator, variant, seed)
      found = run.part(part, lambda: _run(settings, run, score, generator, variant, seed))
      kept = {name: found[name] for name in ('steps', 'fid', 'inception_score', 'coverage', 'entropy', 'diverged')}
      runs.setdefault(key, []).append(dict(kept, works=works(found)))
  return dict(runs=runs, protocol=score.protocol)


def _all_work(*keys):
  def holds(numbers):
    if not set(keys) <= set(numbers['runs']):
      return None
    return all(found['works'] for key in keys for found in numbers['runs'][key])

  return holds


def _only_wgan(generator):
  def holds(numbers):
    if not {generator + '/gan', generator + '/clip'} <= set(numbers['runs']):
      return None
    gan = [found['works'] for found in numbers['runs'][generator + '/gan']]
    wgan = [found['works'] for found in numbers['runs'][generator + '/clip']]
    return all(wgan) and not any(gan)

  return holds


def _measured(*keys):
  def measured(numbers):
    parts = []
    for key in keys:
      found = numbers['runs'].get(key, [])
      parts.append('%s works from %d of %d seeds (Frechet distance %s, classes %s, entropy %s)' % (
        LABELS[key.split('/')[1]], sum(f['works'] for f in found), len(found),
        ', '.join('%.0f' % f['fid'][-1] for f in found), ', '.join('%d' % f['coverage'][-1] for f in found),
        ', '.join('%.2f' % f['entropy'][-1] for f in found),
      ))  # fmt: skip
    return '; '.join(parts)

  return measured


_WORKS = (
  'A run works if at its end nothing has diverged, the Frechet distance is at most half of that before training, all '
  'ten classes are among the samples and their entropy is at least 1.75 nats. '
)
CLAIMS = [
  common.Claim('With a DCGAN-like generator with batch norm both GAN and WGAN work.',
               'WGAN (1701.07875), figure 5', _WORKS + 'Both work from every seed.',
               _all_work('batch-norm/gan', 'batch-norm/clip'), _measured('batch-norm/gan', 'batch-norm/clip')),
  common.Claim('Without batch norm and with constant filters the GAN fails and WGAN works.',
               'WGAN (1701.07875), figure 6', _WORKS + 'WGAN works from every seed, the GAN from none.',
               _only_wgan('constant'), _measured('constant/gan', 'constant/clip')),
  common.Claim('With an MLP generator the GAN collapses and WGAN does not.',
               'WGAN (1701.07875), figure 7', _WORKS + 'WGAN works from every seed, the GAN from none.',
               _only_wgan('mlp'), _measured('mlp/gan', 'mlp/clip')),
  common.Claim('The gradient penalty trains all of these generators.',
               'WGAN-GP (1704.00028), figure 2', _WORKS + 'WGAN-GP works with all three, from every seed.',
               _all_work('batch-norm/gp', 'constant/gp', 'mlp/gp'),
               _measured('batch-norm/gp', 'constant/gp', 'mlp/gp')),
]  # fmt: skip


REMARKS = (
  'After 400 updates the runs differ in how far they have come, more than in whether they work. The Frechet distance '
  'of the clipped WGAN with constant filters had not moved for the first 200, and none of the three had brought the '
  'MLP generator far, the GAN no less than WGAN. What no run of this length can show is the collapse that the paper '
  'saw at the end of a long one.'
)


def plot(numbers):
  """Draws bars of the last scores, the mean over the seeds with a dot for each."""
  runs, floor = numbers['runs'], numbers['protocol']['training_images']
  generators = list(dict.fromkeys(key.split('/')[0] for key in runs))
  variants = list(dict.fromkeys(key.split('/')[1] for key in runs))
  figure = common.figure(8.0, 6.6)
  panels = (
    ('fid', 'Frechet distance', floor['fid'], 'training images'),
    ('coverage', 'classes among samples', 10, 'all'),
    ('entropy', 'class entropy (nats)', math.log(10), 'log 10'),
  )
  for row, (name, label, line, line_label) in enumerate(panels):
    axes = figure.add_subplot(3, 1, row + 1)
    for i, variant in enumerate(variants):
      values = [[found[name][-1] for found in runs.get('%s/%s' % (g, variant), [])] for g in generators]
      places = np.arange(len(generators)) + (i - (len(variants) - 1) / 2) * 0.25
      axes.bar(
        places, [np.mean(v) if v else 0 for v in values], 0.23, label=LABELS[variant], color='C%d' % i, alpha=0.7
      )
      for place, of_seeds in zip(places, values):
        axes.plot([place] * len(of_seeds), of_seeds, 'k.', markersize=4)
    axes.axhline(line, color='0.4', linestyle=':', linewidth=1, label=line_label)
    axes.set_xticks(np.arange(len(generators)))
    axes.set_xticklabels([NAMES[g] for g in generators])
    axes.set_ylabel(label)
    axes.legend(fontsize=8, loc='center left', bbox_to_anchor=(1.0, 0.5))
  figure.tight_layout()
  return figure


if __name__ == '__main__':
  common.main(sys.modules[__name__])
