"""When and what to clip: the MNIST post's racing order, after the update, before it, and without batch norm's gamma."""

from functools import partial
from typing import Any

import numpy as np

from experiments import common, image_runs
from wgan_tf1 import console

TITLE = 'Clip order: do weights stay within the bound, and does it matter?'

_COMMON = dict(
  variant='clip',
  tolerance=1e-5,
  networks={
    'plain': dict(generator_norm='none', critic_norm='none'),  # the post's
    'bn': dict(generator_norm='batch', critic_norm='batch'),
  },
  clip_orders={'after': 'after', 'before': 'before', 'race': 'before', 'no_gamma': 'before'},  # see `reordered`
)
# The networks have an eighth of the post preset's width, and are trained for half of its updates.
SETTINGS = {
  'full': dict(
    image_runs.SCORED_FULL, **image_runs.VARIANTS['clip'], **_COMMON, width=8, batch_size=64, generator_steps=1000,
    score_every=125, seeds=[0, 1, 2],
    runs=['plain-after', 'plain-before', 'plain-race', 'bn-after', 'bn-before', 'bn-race', 'bn-no_gamma'],
  ),
  'quick': dict(
    image_runs.SCORED_QUICK, **_COMMON, architecture='mlp', width=8, batch_size=8, generator_steps=4, score_every=4,
    clip_value=0.2, learning_rate=3e-3, seeds=[0], runs=['bn-after', 'bn-before', 'bn-race', 'bn-no_gamma'],
  ),
}  # fmt: skip
_LABELS = {
  'after': 'after (Algorithm 1)',
  'before': "before (authors' code)",
  'race': 'race (MNIST post)',
  'no_gamma': 'after, all but gamma',
}


def is_gamma(variable: Any) -> bool:
  """Whether a variable is a batch norm's scale."""
  return variable.op.name.endswith('/gamma')


def reordered(order: str, bound: float, graph: Any) -> Any:
  """Returns a graph whose critic update clips in another way.

  Args:
    order: 'after' and 'before' are the orders of `Config`, and leave the graph as it is. 'race' makes the assigns
      outside of the control dependencies and only wraps tf.tuple around them inside, as the MNIST post does: nothing
      makes them wait for the update. 'no_gamma' clips after the update, all but batch norm's gamma.
    bound: the largest magnitude of a weight.
    graph: a `graph.Graph`; for 'race' and 'no_gamma' with clip_order='before', whose update itself does not clip.
  """
  with console.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import losses

  if order == 'race':
    clipped = [tf.assign(v, tf.clip_by_value(v, -bound, bound)) for v in graph.critic_variables]
    with tf.control_dependencies([graph.train_critic]):
      return graph._replace(train_critic=tf.tuple([tf.convert_to_tensor(c) for c in clipped]), before_critic=None)
  if order == 'no_gamma':
    with tf.control_dependencies([graph.train_critic]):
      clip = losses.clip([v for v in graph.critic_variables if not is_gamma(v)], bound)
    return graph._replace(train_critic=clip, before_critic=None)
  return graph


def largest_weight(trainer: Any) -> float:
  """The largest magnitude of a critic's weight, gamma left out."""
  values = trainer.session.run([v for v in trainer.graph.critic_variables if not is_gamma(v)])
  return float('%.6g' % max(np.abs(value).max() for value in values))


def summary(found: common.Json, bound: float, tolerance: float) -> common.Json:
  """Returns what counts of a run.

  Args:
    found: as `image_runs.train` returns it, with `largest_weight` watched.
    bound: the largest magnitude of a weight.
    tolerance: share of the bound by which a weight may exceed it.

  Returns:
    dict: updates, generator updates made; outside, after how many of them a critic weight stood outside of the bound;
    excess, by how much of the bound the farthest did; estimate, the mean of the last quarter; diverged.
  """
  largest = np.asarray(found['watched'], np.float64)
  tail = found['estimate'][-max(len(found['estimate']) // 4, 1) :]
  return dict(
    updates=len(largest),
    outside=int(np.sum(largest > bound * (1 + tolerance))),
    excess=float(max(largest.max() / bound - 1, 0)) if len(largest) else 0.0,
    estimate=float(np.mean(tail)) if tail else 0.0,
    diverged=found['diverged'],
  )


def measure(settings: common.Json, run: common.Run) -> common.Json:
  """Trains the post's networks in each order from each seed.

  Returns:
    dict: runs, of 'networks-order' a list with `summary`, fid, and fids (at every score, the first before training) for
    each seed; samples, of each those of the first seed; protocol, see `image_runs.Scorer`.
  """
  score = image_runs.Scorer(settings, run)

  def make(seed, key):
    kind, order = key.split('-')
    fields = dict(settings['networks'][kind], clip_order=settings['clip_orders'][order])
    return common.config(settings, run, seed=seed, **fields)

  def train(config, seed, key):
    change = partial(reordered, key.split('-')[1], config.clip_value)
    found = image_runs.train(config, score, settings['score_every'], change, largest_weight)
    summed = summary(found, config.clip_value, settings['tolerance'])
    return dict(summed, fid=found['fid'][-1], fids=found['fid'], samples=found['samples'])

  found = common.grid(run, make, train, settings['seeds'], settings['runs'])
  samples = {key: found[settings['seeds'][0], key]['samples'] for key in settings['runs']}
  for of_seed in found.values():
    of_seed.pop('samples')
  runs = {key: [found[seed, key] for seed in settings['seeds']] for key in settings['runs']}
  return dict(runs=runs, samples=samples, protocol=score.protocol)


def _of_orders(orders, numbers):
  """Returns {'networks-order': the runs of each seed} of these orders."""
  return {key: of_seeds for key, of_seeds in numbers['runs'].items() if key.split('-')[1] in orders}


def _inside(orders, numbers):
  """Whether weights stand within the bound after every update, in every run of these orders."""
  return not any(found['outside'] for of_seeds in _of_orders(orders, numbers).values() for found in of_seeds)


def _said_outside(orders, numbers):
  return '; '.join(
    '%s: outside after %d of %d generator updates, by at most %.1f %% of c'
    % (key, sum(f['outside'] for f in found), sum(f['updates'] for f in found), 100 * max(f['excess'] for f in found))
    for key, found in _of_orders(orders, numbers).items()
  )


def _ratios(name, orders, numbers):
  """Returns {'networks-order': mean of `name`, as a multiple of that with clipping after the update}."""

  def mean(key):
    return float(np.mean([found[name] for found in numbers['runs'][key]]))

  found = {}
  for order in orders:
    found.update({key: mean(key) / mean(key.split('-')[0] + '-after') for key in _of_orders([order], numbers)})
  return found


def _same_quality(numbers):
  found = _ratios('fid', ['before', 'race'], numbers).values()
  return all(1 / 1.25 <= ratio <= 1.25 for ratio in found) if found else None


def _said_ratios(orders, numbers):
  estimates = _ratios('estimate', orders, numbers)
  return '; '.join(
    '%s: %.2f times the Frechet distance, %.2f times the estimate' % (key, fid, estimates[key])
    for key, fid in _ratios('fid', orders, numbers).items()
  )


def _gamma(name, least, numbers):
  found = _ratios(name, ['no_gamma'], numbers)
  return found['bn-no_gamma'] >= least if found else None


CLAIMS = [
  common.Claim('The control dependencies make the clip wait for RMSProp.', 'MNIST post, Graph',
               "in the post's order no weight stands outside of the bound (beyond one part in 100,000) after any "
               'generator update.', partial(_inside, ['race']), partial(_said_outside, ['race']),
               exact=True),  # of the order of the ops, in every update alike
  common.Claim('Clipped after each update, every weight is within the bound whenever the generator is trained.',
               'WGAN (1701.07875), algorithm 1, line 7', "as for the post's order.",
               partial(_inside, ['after']), partial(_said_outside, ['after', 'before'])),
  common.Claim("The order is free: the paper has the clip after the update, its authors' code before.",
               'WGAN (1701.07875), algorithm 1, and its code',
               "with the clip before the update, and in the post's order, the mean Frechet distance over the seeds is "
               'within a factor of 1.25 of that with the clip after.',
               _same_quality, partial(_said_ratios, ['before', 'race'])),
  common.Claim("If batch norm's gamma is not clipped, the loss is magnitudes higher.",
               'martinarjovsky/WassersteinGAN, issue 18',
               'the mean estimate of the last quarter is at least 10 times that with gamma clipped.',
               partial(_gamma, 'estimate', 10), partial(_said_ratios, ['no_gamma'])),
  common.Claim("If batch norm's gamma is not clipped, the samples are worse.",
               'martinarjovsky/WassersteinGAN, issue 18',
               'the mean Frechet distance over the seeds is at least 1.25 times that with gamma clipped.',
               partial(_gamma, 'fid', 1.25), partial(_said_ratios, ['no_gamma'])),
]  # fmt: skip

SHORT = [
  ('The clip waits for RMSProp', r'outside after (\d+ of \d+)', r'outside in \1 steps'),
  ('Clipped after: always within bounds', r'after: \D*(\d+ of \d+).*?before: \D*(\d+ of \d+)',
   r'after \1, before \2'),
  ('The order is free', r'plain-before: (\S+) .*bn-before: (\S+)', r'distance times \1, batch norm \2'),
  ('Gamma not clipped: a far higher loss', r'(\S+) times the estimate', r'estimate times \1'),
  ('Gamma not clipped: worse samples', r'(\S+) times the Frechet distance', r'distance times \1'),
]  # fmt: skip

LIMITS = 'still improving'
FINDING = (
  "In the MNIST post's graph the clip and RMSProp race, and weights are out of bounds after every update; with the "
  'assigns built behind the update, never. Which of the two comes first makes no difference to the samples.'
)
REMARKS = (
  "In the post's graph the clip ran before every update, which is as good as the order 'before'. The rate is 6 % of "
  "the bound here, which makes the overshoot large; the paper's rate is 0.5 % of its bound. An earlier run of two "
  'seeds and 300 updates found the clip before the update better without norms (distance times 0.75); after 1,000 '
  'updates of three seeds that is gone. Single distances are noisy: without norms they swing by 25 from one score '
  'to the next. Leaving gamma out raises the estimate as its issue says, and does not make the samples worse.'
)


def plot(numbers: common.Json) -> Any:
  """Draws, for each order, how often weights stood outside, the Frechet distance and the estimate, over samples."""
  runs = numbers['runs']
  figure = common.figure(9.0, 0.42 * len(runs) + 3.2)
  rows = figure.add_gridspec(2, 1, height_ratios=[0.42 * len(runs) + 1.4, 1.8])
  places = np.arange(len(runs))[::-1]
  colors = ['C0' if key.startswith('plain') else 'C1' for key in runs]
  norms = ['no norm' if key.startswith('plain') else 'batch norm' for key in runs]
  orders = [_LABELS[key.split('-')[1]] for key in runs]
  panels = {
    'share of updates with\nweights outside': [[f['outside'] / max(f['updates'], 1) for f in r] for r in runs.values()],
    'Frechet distance': [[f['fid'] for f in r] for r in runs.values()],
    'Wasserstein estimate,\nlast quarter': [[f['estimate'] for f in r] for r in runs.values()],
  }
  for axes, (label, values) in zip(rows[0].subgridspec(1, 3).subplots(), panels.items()):
    axes.barh(places, [np.mean(v) for v in values], 0.6, color=colors, alpha=0.7)
    for place, of_seeds in zip(places, values):
      axes.plot(of_seeds, [place] * len(of_seeds), 'k.', markersize=5)
    if label.startswith('Wasserstein') and min(min(v) for v in values) > 0:
      axes.set_xscale('log')
    axes.set(xlabel=label, yticks=places, yticklabels=[])
  figure.axes[0].set_yticklabels('%s, %s' % words for words in zip(norms, orders))
  below = rows[1].subgridspec(1, len(runs)).subplots(squeeze=False)[0]
  for panel, key, norm, order in zip(below, runs, norms, orders):
    image_runs.show(panel, numbers['samples'].get(key))
    panel.set_title('%s,\n%s' % (norm, order.split(' (')[0].replace(', ', ',\n')), fontsize=8)
  figure.tight_layout()
  return figure


if __name__ == '__main__':
  common.main(__name__)
