"""Does the Wasserstein estimate follow the samples' quality, and the GAN's JS estimate not? WGAN, figures 3 and 4."""

from functools import partial
from typing import Any

import numpy as np

from experiments import common, image_runs, style

TITLE = 'The Wasserstein estimate and the JS estimate beside the Frechet distance'

# The paper: LSUN bedrooms of 64x64, DCGAN's critic, hundreds of thousands of updates, quality judged by eye. Here:
# MNIST, 2,000 updates, and quality is a Frechet distance. In the failing run both networks are MLPs.
_GENERATORS = {'conv': 'blog', 'mlp': 'mlp-blog'}
_RUNS = {
  '%s-%s' % (generator, variant): dict(image_runs.VARIANTS[variant], variant=variant, architecture=architecture)
  for variant in ('clip', 'gp', 'gan')
  for generator, architecture in _GENERATORS.items()
}
_FAILING = dict(image_runs.VARIANTS['clip'], variant='clip', architecture='mlp', learning_rate=0.1)
SETTINGS = {
  'full': dict(
    image_runs.SCORED_FULL, width=8, batch_size=64, generator_steps=2000, score_every=20, window=101, warm_up=100,
    seed=0, runs=dict(_RUNS, **{'failing-clip': dict(_FAILING, width=128)}),
  ),
  'quick': dict(
    image_runs.SCORED_QUICK, width=2, batch_size=8, generator_steps=12, score_every=4, window=5, warm_up=4, seed=0,
    runs={'conv-gan': _RUNS['conv-gan'], 'mlp-gp': _RUNS['mlp-gp'], 'failing-clip': dict(_FAILING, width=32)},
  ),
}  # fmt: skip
_NAMES = {'conv': 'convolutional generator', 'mlp': 'MLP generator', 'failing': 'both MLPs, high rate'}


def analyse(found: common.Json, window: int, warm_up: int) -> common.Json:
  """Adds to a run's curves what decides the claims.

  Args:
    found: as `image_runs.train` returns it.
    window: updates that the running median spans; odd.
    warm_up: updates after which the correlation begins, when the critic has caught up.

  Returns:
    dict: `found` without what is not needed; filtered, the estimate's running median; correlation, Spearman's of that
    with the Frechet distance, at the scores from `warm_up` on; fid_left, the last Frechet distance as a share of the
    first; estimate_left, the last of the running median as a share of its greatest.
  """
  filtered = image_runs.median_filter(found['estimate'], window) if found['estimate'] else []
  scored = [(filtered[s - 1], fid) for s, fid in zip(found['steps'], found['fid']) if s >= max(warm_up, 1)]
  greatest = max(filtered, default=0)
  return dict(
    {name: found[name] for name in ('steps', 'fid', 'inception_score', 'coverage', 'entropy', 'diverged')},
    filtered=[float('%.5g' % f) for f in filtered],
    correlation=image_runs.rank_correlation(*zip(*scored)) if scored else None,
    fid_left=found['fid'][-1] / found['fid'][0],
    estimate_left=filtered[-1] / greatest if greatest > 0 else None,
  )


def measure(settings: common.Json, run: common.Run) -> common.Json:
  """Trains every run; numbers['runs'][generator-variant] is what `analyse` makes of it."""
  score = image_runs.Scorer(settings, run)

  def make(key):
    return common.config(settings, run, **settings['runs'][key])

  def train(config, key):
    return image_runs.train(config, score, settings['score_every'])

  found = common.grid(run, make, train, settings['runs'])
  runs = {key: analyse(curves, settings['window'], settings['warm_up']) for (key,), curves in found.items()}
  return dict(runs=runs, protocol=score.protocol, warm_up=settings['warm_up'])


def _follows(key, numbers):
  correlation = numbers['runs'][key]['correlation'] if key in numbers['runs'] else None
  return None if correlation is None else correlation >= 0.7


def _does_not_follow(key, numbers):
  found = numbers['runs'].get(key)
  if found is None or found['correlation'] is None or found['fid_left'] > 0.5:
    return None
  return found['correlation'] <= 0.3


def _fails_visibly(numbers):
  found = numbers['runs'].get('failing-clip')
  if found is None or found['estimate_left'] is None or found['diverged'] or found['fid_left'] <= 0.5:
    return None
  return found['estimate_left'] >= 0.5


def _measured(key, numbers):
  found = numbers['runs'].get(key)
  if found is None:
    return 'not run'
  correlation = 'none, as one is constant' if found['correlation'] is None else '%.2f' % found['correlation']
  said = 'rank correlation %s; Frechet distance from %.0f to %.0f (training images %.1f)' % (
    correlation,
    found['fid'][0],
    found['fid'][-1],
    numbers['protocol']['training_images']['fid'],
  )
  return said + ('; diverged' if found['diverged'] else '')


def _measured_failure(numbers):
  found = numbers['runs'].get('failing-clip')
  if found is None or found['estimate_left'] is None:
    return 'not run' if found is None else 'no positive estimate; Frechet distance to %.0f' % found['fid'][-1]
  said = 'the estimate ends at %.0f %% of its greatest value, the Frechet distance at %.0f %% of its first' % (
    100 * found['estimate_left'],
    100 * found['fid_left'],
  )
  return said + ('; diverged' if found['diverged'] else '')


_RULE = (
  'Spearman correlation of the estimate (running median, window 101) with the Frechet distance, from generator update '
  '100 on, is at least 0.7.'
)
_RULE_GAN = (
  'the same correlation of the JS estimate is at most 0.3, though the Frechet distance falls to half or less of '
  "the untrained generator's; not testable if it does not fall so far."
)


def _claim(text, source, rule, decide, key):
  return common.Claim(text, source, rule, partial(decide, key), partial(_measured, key))


CLAIMS = [
  _claim('Clipped WGAN, convolutional generator: the estimate falls as the samples improve.',
         'WGAN (1701.07875), figure 3, second', _RULE, _follows, 'conv-clip'),
  _claim('Clipped WGAN, MLP generator: the estimate falls as the samples improve.',
         'WGAN (1701.07875), figure 3, first', _RULE, _follows, 'mlp-clip'),
  _claim('WGAN-GP, convolutional generator: the estimate falls as the samples improve.',
         'WGAN-GP (1704.00028), section 5.6', _RULE, _follows, 'conv-gp'),
  _claim('WGAN-GP, MLP generator: the estimate falls as the samples improve.',
         'WGAN-GP (1704.00028), section 5.6', _RULE, _follows, 'mlp-gp'),
  _claim('Plain GAN, convolutional generator: the JS estimate does not fall as the samples improve.',
         'WGAN (1701.07875), figure 4', _RULE_GAN, _does_not_follow, 'conv-gan'),
  _claim('Plain GAN, MLP generator: the JS estimate does not fall as the samples improve.',
         'WGAN (1701.07875), figure 4', _RULE_GAN, _does_not_follow, 'mlp-gan'),
  common.Claim('Where training fails, both networks MLPs at too high a rate, the estimate does not fall either.',
               'WGAN (1701.07875), figure 3, third',
               'the running median of the estimate ends at half of its greatest value or more, though not testable if '
               "the Frechet distance falls to half or less of the untrained generator's, or a number is not finite.",
               _fails_visibly, _measured_failure),
]  # fmt: skip

_RANK = r'rank (correlation \S+); Frechet distance from (\S+) to (\S+)', r'\1, distance \2 to \3'
SHORT = [
  ('clip, convolutional: follows quality', *_RANK),
  ('clip, MLP: follows quality', *_RANK),
  ('gp, convolutional: follows quality', *_RANK),
  ('gp, MLP: follows quality', *_RANK),
  ('gan, convolutional: does not follow', *_RANK),
  ('gan, MLP: does not follow', *_RANK),
  ('failing, both MLPs: does not fall', r'ends at (\d+ %).*distance at (\d+ %)', r'ends at \1, the distance at \2'),
]  # fmt: skip

LIMITS = 'one seed, narrow networks'
FINDING = (
  'With convolutions, the penalised estimate follows the Frechet distance to the end. The clipped estimate follows it '
  'only for 400 updates: then the distance stands still, and the estimate falls further. The JS estimate of the plain '
  'GAN stands at its bound, log 2, and its samples do not improve.'
)
REMARKS = (
  'The first 500 of these 2,000 updates were an earlier run: there the clipped correlation was 0.74, and the rule '
  'held. In the other 1,500 the clipped distance stays between 32 and 72, so that its ranks are left to chance '
  "(correlation 0.21), while the penalised one falls to 12 (0.68). At the MNIST post's full width the clipped "
  'correlation of five runs of 2,000 updates is 0.70 to 0.97: BUILD.md, the learning rates of clip. The 0.25 of '
  'section 14 is of single steps, without the median.\n\n'
  'The clipped MLP generator collapses to one class within 20 updates, about update 540. Its estimate shows it: it '
  'rises from 4 to 15 as the distance rises from 200 to 264. The rule fails because nothing moves from then on. The '
  'penalised MLP generator stays at distances of 141 to 195 from update 400 on, while its critic finds more and more '
  'between the two distributions: there the estimate rises although the samples stay as they are.\n\n'
  'The plain GAN did not improve its samples at all: without batch norm its discriminator tells nearly all apart '
  'within 100 updates, the JS estimate stands at its bound, log 2 = 0.693, and the generator gets no gradient. That is '
  "the paper's argument against it, but not a curve on which to test its figure 4. In the failing run the critic is "
  'dead after a few updates: at this rate every weight jumps from bound to bound, and its estimate is 0 throughout.'
)


def plot(numbers: common.Json) -> Any:
  """Draws a panel for each run: the estimate on the left axis, the Frechet distance on the right one."""
  runs = numbers['runs']
  rows = -(-len(runs) // 4)
  figure = common.figure(14.0, 2.7 * rows + 0.6)
  for i, (key, found) in enumerate(runs.items()):
    generator, variant = key.split('-')
    axes = figure.add_subplot(rows, min(4, len(runs)), i + 1)
    axes.plot(np.arange(1, len(found['filtered']) + 1), found['filtered'], color=style.COLORS[variant])
    axes.axvspan(0, numbers['warm_up'], color='0.93', zorder=0)
    estimate = 'JS estimate (nats)' if variant == 'gan' else 'Wasserstein estimate'
    axes.set_ylabel(estimate, color=style.COLORS[variant], fontsize=9)
    right = axes.twinx()
    right.plot(found['steps'], found['fid'], color='black', marker='o', markersize=2.5, linewidth=1)
    right.set_ylabel('Frechet distance', fontsize=9)
    right.set_ylim(0, 1.1 * max(found['fid']))
    correlation = 'none' if found['correlation'] is None else '%.2f' % found['correlation']
    axes.set_title('%s, %s: correlation %s' % (_NAMES[generator], variant, correlation), fontsize=9)
    axes.set_xlabel('generator updates', fontsize=9)
    for side in (axes, right):
      side.tick_params(labelsize=7)
      side.spines['top'].set_visible(False)
  figure.suptitle('The correlation is of what is right of the grey', fontsize=10)
  figure.tight_layout()
  return figure


if __name__ == '__main__':
  common.main(__name__)
