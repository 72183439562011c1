"""Gradients of a deep critic's loss, layer by layer, and its weights: WGAN-GP figure 1b.

Critic and generator are MLPs of 12 ReLU layers without batch norm, trained on the Swiss roll.
"""

from typing import Any, List, Tuple

import numpy as np

from experiments import common, style
from wgan_tf1.data import batches

TITLE = 'Gradient norm by layer, and weights, of a 12-layer critic under clipping and the penalty'

_CRITICS: common.Json = {
  'c = 0.1': {'variant': 'clip', 'clip_value': 0.1},
  'c = 0.01': {'variant': 'clip', 'clip_value': 0.01},
  'c = 0.001': {'variant': 'clip', 'clip_value': 0.001},
  'penalty': {'variant': 'gp', 'penalty_weight': 10.0},
}
# Norms are measured every `measure_every` generator steps, the last `measured_steps` times. A weight is at a bound if
# it is within the share `near_bound` of the largest magnitude.
_COMMON = dict(preset='toy-swissroll', measure_every=2, near_bound=0.1, bins=40)
SETTINGS = {
  'full': dict(_COMMON, critics=_CRITICS, layers=12, width=128, batch_size=256, generator_steps=500, measured_steps=50),
  'quick': dict(_COMMON, critics={name: _CRITICS[name] for name in ('c = 0.01', 'penalty')}, layers=5, width=8,
                batch_size=32, generator_steps=6, measured_steps=3),
}  # fmt: skip


def networks_of(count: int) -> Tuple[Any, Any]:
  """(generator, critic) of `count` ReLU layers and a linear one; the critic's activations are collected."""
  import tensorflow.compat.v1 as tf

  from wgan_tf1 import layers

  def mlp(x, width, collect):
    for i in range(1, count + 1):
      x = tf.nn.relu(layers.dense(x, width, 'dense_%d' % i, init='he_in'))
      if collect:
        tf.add_to_collection('activations', x)
    return x

  def generator(latents, *, shape, width, norm, training):
    with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
      return layers.dense(mlp(latents, width, collect=False), shape[0], 'dense', init='glorot')

  def critic(points, *, width, norm):
    with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
      return layers.score(mlp(points, width, collect=True), init='glorot')

  return generator, critic


def norms_of(gradients: List[np.ndarray]) -> np.ndarray:
  """Norms of the gradients with respect to each layer's activations, of fake and of real samples together.

  In float64: the square of what c = 0.001 leaves may be below what float32 holds.

  Args:
    gradients: of the layers for fake samples, then of the layers for real samples.

  Returns:
    float64 [layers].
  """
  squares = [np.square(g.astype(np.float64)).sum() for g in gradients]
  return np.sqrt(np.reshape(squares, [2, -1]).sum(axis=0))


def shares(weights: np.ndarray, near: float) -> Tuple[float, float]:
  """Shares of the weights that are near the largest magnitude: at the negative end, and the positive."""
  bound = np.abs(weights).max()
  return float(np.mean(weights <= -(1 - near) * bound)), float(np.mean(weights >= (1 - near) * bound))


def line(norms: np.ndarray) -> Tuple[float, float]:
  """The least-squares line through the logs of the norms over the layers, of those layers that have any gradient.

  Args:
    norms: float64 [layers].

  Returns:
    (slope, share of the variance that it explains); (0.0, 0.0) if fewer than three norms are above 0.
  """
  layer = np.flatnonzero(norms)
  if len(layer) < 3:
    return 0.0, 0.0
  logs = np.log(np.asarray(norms)[layer])
  slope, offset = np.polyfit(layer, logs, 1)
  left = np.sum(np.square(logs - slope * layer - offset))
  variance = np.sum(np.square(logs - logs.mean()))
  return float(slope), float(1 - left / variance) if variance else 0.0


def _weights(trainer):
  """Every weight of the critic but the biases, float32 [n]."""
  values = trainer.session.run([v for v in trainer.graph.critic_variables if v.shape.ndims == 2])
  return np.concatenate([value.ravel() for value in values])


def measure(settings: common.Json, run: common.Run) -> common.Json:
  """Returns the numbers of each critic under its label; norms are medians over the last steps."""

  def make(label):
    return common.config(settings, run, **settings['critics'][label])

  def train(config, label):
    """Trains both networks; returns the norms, the line through their logs, and the weights' histogram."""
    import tensorflow.compat.v1 as tf

    measured, near = [], settings['near_bound']
    with common.trainer(config, architecture=networks_of(settings['layers'])) as trainer:
      activations = tf.get_collection('activations')[: 2 * settings['layers']]  # of fake, then real; not the penalty's
      gradients = tf.gradients(trainer.graph.scalars['critic_loss'], activations)
      probe = trainer.critic_feed(batches.encode(config, trainer.dataset.validation[: config.batch_size]))
      for step, _ in common.steps(trainer):
        if step == 1:
          first = sum(shares(_weights(trainer), near))
        left = config.generator_steps - step
        if left % settings['measure_every'] == 0 and left // settings['measure_every'] < settings['measured_steps']:
          measured.append(norms_of(trainer.session.run(gradients, probe)))
      weights = _weights(trainer)
    norms = np.median(measured, axis=0)
    slope, r_squared = line(norms)
    low, high = shares(weights, near)
    bound = float(np.abs(weights).max())
    histogram = (np.histogram(weights, settings['bins'], (-bound, bound))[0] / len(weights)).tolist()
    found = dict(norms=norms.tolist(), slope=slope, r_squared=r_squared, largest=bound, histogram=histogram)
    return dict(found, share_low=low, share_high=high, share_at_first=first)

  found = common.grid(run, make, train, settings['critics'])
  return dict(critics={label: critic for (label,), critic in found.items()})


def _clipped(numbers):
  return [value for label, value in numbers['critics'].items() if label != 'penalty']


def _span(critic):
  """Largest over smallest norm of the layers."""
  return max(critic['norms']) / max(min(critic['norms']), 1e-300)


def _exponential(numbers):
  return all(
    abs(critic['slope']) * (len(critic['norms']) - 1) >= np.log(10) and critic['r_squared'] >= 0.8
    for critic in _clipped(numbers)
  )


def _two_bounds(numbers):
  penalised = numbers['critics']['penalty']
  clipped = min(min(critic['share_low'], critic['share_high']) for critic in _clipped(numbers))
  return clipped >= 0.2 and penalised['share_low'] + penalised['share_high'] <= 0.1


def _said_slopes(numbers):
  found = [(label, np.exp(-c['slope']), c['r_squared']) for label, c in numbers['critics'].items()]
  return '; '.join('%s: times %.2g a layer towards the input, R^2 %.2f' % each for each in found)


def _said_spans(numbers):
  spans = ['%s %.3g' % (label, _span(critic)) for label, critic in numbers['critics'].items()]
  return 'largest over smallest norm: ' + ', '.join(spans)


def _said_shares(numbers):
  shown = ('share_low', 'share_high', 'share_at_first')
  found = [(label, *(c[name] for name in shown)) for label, c in numbers['critics'].items()]
  return '; '.join('%s: %.2f and %.2f (%.2f together after the first update)' % each for each in found)


CLAIMS = [
  common.Claim("under clipping the gradient of the critic's loss grows or decays exponentially with depth",
               'WGAN-GP (1704.00028) section 3.2, figure 1b left',
               'for every c, the line fitted to the log of the norm over the layers spans a factor of 10 or more, and '
               'explains at least 0.8 of the variance (layers without any gradient left out)',
               _exponential, _said_slopes),
  common.Claim('with the penalty it stays about the same in all layers',
               'WGAN-GP (1704.00028) section 3.2, figure 1b left',
               'largest over smallest norm of the layers below 10',
               lambda numbers: _span(numbers['critics']['penalty']) < 10, _said_spans),
  common.Claim('clipping pushes the weights to its two bounds, the penalty does not',
               'WGAN-GP (1704.00028) section 3.1, figure 1b right',
               'for every c, at least 0.2 of the weights within a tenth of the largest magnitude at either end; with '
               'the penalty at most 0.1 at both together', _two_bounds, _said_shares),
]  # fmt: skip

SHORT = [
  ('Clipped gradients grow or decay', r'times (\S+) .*?times (\S+) .*?times (\S+) .*?times (\S+)',
   r'a layer: clip \1, \2, \3, penalty \4'),
  ('With the penalty they do not', r'c = 0.1 (\S+), .*c = 0.001 (\S+), penalty (\S+)',
   r'clip \1 to \2, penalty \3'),
  ('Clipping puts weights at bounds', r'c = 0.01: (\S+) and (\S+) .*penalty: (\S+) and (\S+)',
   r'c = 0.01: \1, \2, penalty: \3, \4'),
]  # fmt: skip

LIMITS = 'one seed'
FINDING = (
  'Over twelve layers the gradient of a clipped critic shrinks or grows by four orders of magnitude or more, and by '
  'a factor of 1.5 under the penalty. Clipping holds 96 % of the weights at the bounds for c = 0.01.'
)
REMARKS = (
  'Part of the weights at the bounds is there from the start: the initial weights are larger than c, and the first '
  'clip puts them on it. With c = 0.1 their share is lower at the end than after the first update; for that bound the '
  'claim is about the shape of the histogram, not about a movement.'
)


def plot(numbers: common.Json) -> Any:
  """The norms over the layers, and the weights' histograms: clipped critics in shades of one colour."""
  figure = common.figure(8.0, 4.0)
  left, right = figure.subplots(1, 2)
  shades = iter((0.35, 0.65, 1.0))
  for label, critic in numbers['critics'].items():
    of_gp = label == 'penalty'
    look = dict(color=style.COLORS['gp' if of_gp else 'clip'], alpha=1.0 if of_gp else next(shades))
    layers = np.arange(1, len(critic['norms']) + 1)
    left.semilogy(layers, critic['norms'], 'o-', markersize=3, label=label, **look)
    edges = np.linspace(-1, 1, len(critic['histogram']) + 1)
    right.step((edges[1:] + edges[:-1]) / 2, critic['histogram'], where='mid', **look)
  left.set(xlabel='critic layer (1: next to the input)', ylabel="norm of the loss's gradient", xticks=layers)
  right.set(xlabel='weight / largest magnitude', ylabel='share of the weights', yscale='log')
  return common.with_legend(figure, left, 4)


if __name__ == '__main__':
  common.main(__name__)
