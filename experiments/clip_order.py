"""When and what to clip: the MNIST post's racing order, after the update, before it, and without batch norm's gamma."""

import sys

import numpy as np

from experiments import common
from experiments import image_runs
from wgan_tf1 import console

TITLE = 'Clip order: do weights stay within the bound, and does it matter?'

# The post's networks at an eighth of their width, and a seventh of its preset's updates.
# A layer of an eighth of the width, clipped, passes on an eighth as much: hence the bound, five times the paper's. With
# the paper's, and the post preset's rate, nothing was learnt in 300 updates: hence the rates too.
SETTINGS = {
  'full': dict(
    dataset='mnist', image_size=32, width=8, batch_size=64, generator_steps=300, score_every=100, scored_samples=1000,
    clip_value=0.05, generator_learning_rate=3e-3, critic_learning_rate=3e-3, seeds=[0, 1],
    runs=['plain-after', 'plain-before', 'plain-race', 'bn-after', 'bn-before', 'bn-race', 'bn-no_gamma'],
  ),
  'quick': dict(
    dataset='digits', image_size=16, architecture='mlp', width=8, batch_size=8, generator_steps=4, score_every=4,
    scored_samples=50, classifier_steps=20, clip_value=0.2, generator_learning_rate=3e-3, critic_learning_rate=3e-3,
    seeds=[0], runs=['bn-after', 'bn-before', 'bn-race', 'bn-no_gamma'],
  ),
}  # fmt: skip
NETWORKS = {'plain': 'none', 'bn': 'batch'}  # the post's, without and with batch norm
ORDERS = {
  'after': 'after (Algorithm 1)',
  'before': "before (authors' code)",
  'race': 'race (MNIST post)',
  'no_gamma': 'after, all but gamma',
}


def is_gamma(variable):
  """Whether a variable is a batch norm's scale."""
  return variable.op.name.endswith('/gamma')


def reordered(order, config, graph):
  """Returns a graph whose critic update clips in another way.

  Args:
    order: 'after' and 'before' are `config.clip_order`'s own. 'race' makes the assigns outside of the control
      dependencies and only wraps tf.tuple around them inside, as the MNIST post does: nothing makes them wait for the
      update. 'no_gamma' clips after the update, all but batch norm's gamma.
    config: a `Config`; for 'race' and 'no_gamma' with clip_order='before', whose update itself does not clip.
    graph: its `graph.Graph`.
  """
  with console.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import losses

  bound = config.clip_value
  if order == 'race':
    clipped = [tf.assign(v, tf.clip_by_value(v, -bound, bound)) for v in graph.critic_variables]
    with tf.control_dependencies([graph.train_critic]):
      return graph._replace(train_critic=tf.tuple([tf.convert_to_tensor(c) for c in clipped]), before_critic=None)
  if order == 'no_gamma':
    with tf.control_dependencies([graph.train_critic]):
      clip = losses.clip([v for v in graph.critic_variables if not is_gamma(v)], bound)
    return graph._replace(train_critic=clip, before_critic=None)
  return graph


def largest_weight(graph):
  """Adds to the graph the largest magnitude of a critic's weight, gamma left out; a float32 scalar."""
  import tensorflow.compat.v1 as tf

  return tf.reduce_max([tf.reduce_max(tf.abs(v.read_value())) for v in graph.critic_variables if not is_gamma(v)])


def _run(settings, run, score, key, seed):
  kind, order = key.split('-')
  norm = NETWORKS[kind]
  config = image_runs.make_config(
    settings, run, 'clip', seed=seed, generator_norm=norm, critic_norm=norm,
    clip_order='after' if order == 'after' else 'before',
  )  # fmt: skip
  measured = {}

  def change(config, graph):
    graph = reordered(order, config, graph)
    measured['largest'] = largest_weight(graph)
    return graph

  def watch(graph, session):
    return float('%.6g' % session.run(measured['largest']))

  found = image_runs.train(config, score, settings['score_every'], change, watch)
  return dict(summary(found, config.clip_value), fid=found['fid'][-1], untrained=found['fid'][0])


def summary(found, bound):
  """Returns what counts of a run, as `image_runs.train` has it with the largest weights watched.

  Returns:
    dict: updates, generator updates made; outside, after how many of them a critic weight stood outside of the bound;
    excess, by how much of the bound the farthest did; estimate, the mean of the last quarter; diverged.
  """
  largest = np.asarray(found['watched'], np.float64)
  tail = found['estimate'][-max(len(found['estimate']) // 4, 1) :]
  return dict(
    updates=len(largest),
    outside=int(np.sum(largest > bound * (1 + 1e-5))),
    excess=float(max(largest.max() / bound - 1, 0)) if len(largest) else 0.0,
    estimate=float(np.mean(tail)) if tail else 0.0,
    diverged=found['diverged'],
  )


def measure(settings, run):
  """Trains the post's networks in each order from each seed.

  Returns:
    dict: runs, of 'networks-order' a list with `summary`, fid and untrained (the Frechet distance before training) for
    each seed; protocol, as `image_runs.scorer` has it.
  """
  score = image_runs.scorer(settings, run)
  runs = {}
  for seed in settings['seeds']:
    for key in settings['runs']:
      found = run.part('%s-%d' % (key, seed), lambda: _run(settings, run, score, key, seed))
      runs.setdefault(key, []).append(found)
  return dict(runs=runs, protocol=score.protocol)


def _mean(numbers, key, name):
  return float(np.mean([found[name] for found in numbers['runs'][key]]))


def _inside(*orders):
  """Whether weights stand within the bound after every update, in every run of these orders."""

  def holds(numbers):
    return not any(
      found['outside'] for key, of_seeds in numbers['runs'].items() if key.split('-')[1] in orders for found in of_seeds
    )

  return holds


def _outside(*orders):
  def measured(numbers):
    parts = []
    for key, of_seeds in numbers['runs'].items():
      if key.split('-')[1] in orders:
        parts.append('%s: outside after %d of %d generator updates, by at most %.1f %% of c' % (
          key, sum(f['outside'] for f in of_seeds), sum(f['updates'] for f in of_seeds),
          100 * max(f['excess'] for f in of_seeds),
        ))  # fmt: skip
    return '; '.join(parts)

  return measured


def _ratio(order, name):
  """Returns {networks: mean of `name` in an order, as a multiple of that with clipping after}."""

  def ratios(numbers):
    kinds = [key.split('-')[0] for key in numbers['runs'] if key.split('-')[1] == order]
    return {k: _mean(numbers, '%s-%s' % (k, order), name) / _mean(numbers, k + '-after', name) for k in kinds}

  return ratios


def _same_quality(*orders):
  def holds(numbers):
    found = [r for order in orders for r in _ratio(order, 'fid')(numbers).values()]
    return all(1 / 1.25 <= r <= 1.25 for r in found) if found else None

  return holds


def _measured_ratios(*orders):
  def measured(numbers):
    return '; '.join(
      '%s-%s: %.2f times the Frechet distance, %.2f times the estimate'
      % (kind, order, fid, _ratio(order, 'estimate')(numbers)[kind])
      for order in orders
      for kind, fid in _ratio(order, 'fid')(numbers).items()
    )

  return measured


def _gamma(name, least):
  def holds(numbers):
    found = _ratio('no_gamma', name)(numbers)
    return found['bn'] >= least if found else None

  return holds


CLAIMS = [
  common.Claim('The control dependencies make the clip wait for RMSProp.', 'MNIST post, Graph',
               "in the post's order no weight stands outside of the bound (beyond one part in 100,000) after any "
               'generator update.', _inside('race'), _outside('race')),
  common.Claim('Clipped after each update, every weight is within the bound whenever the generator is trained.',
               'WGAN (1701.07875), algorithm 1, line 7', "as for the post's order.",
               _inside('after'), _outside('after', 'before')),
  common.Claim('The order is free: the paper has the clip after the update, its authors\' code before.',
               'WGAN (1701.07875), algorithm 1, and its code',
               'with the clip before the update, and in the post\'s order, the mean Frechet distance over the seeds is '
               'within a factor of 1.25 of that with the clip after.',
               _same_quality('before', 'race'), _measured_ratios('before', 'race')),
  common.Claim('If batch norm\'s gamma is not clipped, the loss is magnitudes higher.',
               'martinarjovsky/WassersteinGAN, issue 18',
               'the mean estimate of the last quarter is at least 10 times that with gamma clipped.',
               _gamma('estimate', 10), _measured_ratios('no_gamma')),
  common.Claim('If batch norm\'s gamma is not clipped, the samples are worse.',
               'martinarjovsky/WassersteinGAN, issue 18',
               'the mean Frechet distance over the seeds is at least 1.25 times that with gamma clipped.',
               _gamma('fid', 1.25), _measured_ratios('no_gamma')),
]  # fmt: skip


REMARKS = (
  "The post's race is lost after every update: its assigns run before the update, which is as good as clipping before "
  "it. A rate of 6 % of the bound makes the overshoot large; with the paper's rate it is 0.5 %. The order without "
  'norms mattered here, to the advantage of an unclipped last update, and with batch norm it did not; two seeds and '
  'the distance at one step leave much noise, for race and before differ in little else. Leaving gamma out raised the '
  'estimate as its issue says, and made the samples better, not worse.'
)


def plot(numbers):
  """Draws, for each order, how often weights stood outside, the Frechet distance and the estimate."""
  runs = numbers['runs']
  keys = list(runs)
  figure = common.figure(9.0, 0.42 * len(keys) + 1.4)
  places = np.arange(len(keys))[::-1]
  panels = (
    ('share of updates with\nweights outside', lambda f: f['outside'] / max(f['updates'], 1)),
    ('Frechet distance', lambda f: f['fid']),
    ('Wasserstein estimate,\nlast quarter', lambda f: f['estimate']),
  )
  for i, (label, value) in enumerate(panels):
    axes = figure.add_subplot(1, 3, i + 1)
    values = [[value(f) for f in runs[key]] for key in keys]
    axes.barh(places, [np.mean(v) for v in values], 0.6, color=['C0' if k[0] == 'p' else 'C1' for k in keys], alpha=0.7)
    for place, of_seeds in zip(places, values):
      axes.plot(of_seeds, [place] * len(of_seeds), 'k.', markersize=5)
    if label.startswith('Wasserstein') and min(min(v) for v in values) > 0:
      axes.set_xscale('log')
    axes.set_xlabel(label)
    axes.set_yticks(places)
    names = ['%s, %s' % ('batch norm' if k[0] == 'b' else 'no norm', ORDERS[k.split('-')[1]]) for k in keys]
    axes.set_yticklabels(names if i == 0 else [])
  figure.tight_layout()
  return figure


if __name__ == '__main__':
  common.main(sys.modules[__name__])
