"""Gradients of a deep critic's loss, layer by layer, and its weights: WGAN-GP figure 1b.

Critic and generator are MLPs of 12 ReLU layers without batch norm, trained on the Swiss roll.
"""

import sys

import numpy as np

from experiments import common
from wgan_tf1 import config as configs
from wgan_tf1.data import batches
from wgan_tf1.data import datasets

TITLE = 'Gradient norm by layer, and weights, of a 12-layer critic under clipping and the penalty'

_CRITICS = [
  {'variant': 'clip', 'clip_value': 0.1},
  {'variant': 'clip', 'clip_value': 0.01},
  {'variant': 'clip', 'clip_value': 0.001},
  {'variant': 'gp', 'penalty_weight': 10.0},
]
SETTINGS = {
  'full': dict(critics=_CRITICS, layers=12, width=128, batch_size=256, generator_steps=500, measured_steps=50),
  'quick': dict(critics=_CRITICS[1::2], layers=5, width=8, batch_size=32, generator_steps=6, measured_steps=3),
}
MEASURE_EVERY = 2  # generator steps, over the last measured_steps of these


def _label(critic):
  return 'c = %g' % critic['clip_value'] if critic['variant'] == 'clip' else 'penalty'


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


def _flat(numbers):
  return _span(numbers['critics']['penalty']) < 10


def _two_bounds(numbers):
  at_bounds = lambda critic: (critic['share_low'], critic['share_high'])
  penalised = sum(at_bounds(numbers['critics']['penalty']))
  return all(min(at_bounds(critic)) >= 0.2 for critic in _clipped(numbers)) and penalised <= 0.1


CLAIMS = [
  common.Claim(
    text="under clipping the gradient of the critic's loss grows or decays exponentially with depth",
    source='WGAN-GP (1704.00028) section 3.2, figure 1b left',
    rule='for every c, the line fitted to the log of the norm over the layers spans a factor of 10 or more, and '
    'explains at least 0.8 of the variance (layers without any gradient left out)',
    holds=_exponential,
    measured=lambda numbers: '; '.join(
      '%s: times %.2g a layer towards the input, R^2 %.2f' % (label, np.exp(-critic['slope']), critic['r_squared'])
      for label, critic in numbers['critics'].items()
    ),
  ),
  common.Claim(
    text='with the penalty it stays about the same in all layers',
    source='WGAN-GP (1704.00028) section 3.2, figure 1b left',
    rule='largest over smallest norm of the layers below 10',
    holds=_flat,
    measured=lambda numbers: (
      'largest over smallest norm: '
      + ', '.join('%s %.3g' % (label, _span(critic)) for label, critic in numbers['critics'].items())
    ),
  ),
  common.Claim(
    text='clipping pushes the weights to its two bounds, the penalty does not',
    source='WGAN-GP (1704.00028) section 3.1, figure 1b right',
    rule='for every c, at least 0.2 of the weights within a tenth of the largest magnitude at either end; with the '
    'penalty at most 0.1 at both together',
    holds=_two_bounds,
    measured=lambda numbers: '; '.join(
      '%s: %.2f and %.2f (%.2f together after the first update)'
      % (label, critic['share_low'], critic['share_high'], critic['share_at_first'])
      for label, critic in numbers['critics'].items()
    ),
  ),
]


def _networks(count):
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
    del norm, training
    with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
      return layers.dense(mlp(latents, width, collect=False), shape[0], 'dense', init='glorot')

  def critic(points, *, width, norm):
    del norm
    with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
      return tf.squeeze(layers.dense(mlp(points, width, collect=True), 1, 'dense', init='glorot'), axis=1)

  return generator, critic


def _norms(gradients, count):
  """Norms [count] of the gradients with respect to a layer's activations, of fake and of real samples together.

  In float64: a square of what c = 0.001 leaves may be below what float32 holds.
  """
  squares = [np.square(g.astype(np.float64)).sum() for g in gradients]
  return np.sqrt([squares[i] + squares[count + i] for i in range(count)])


def _weights(graph, session):
  """Every weight of the critic but the biases, float32 [n]."""
  values = session.run([v for v in graph.critic_variables if v.shape.ndims == 2])
  return np.concatenate([value.ravel() for value in values])


def _shares(weights):
  """Shares of the weights within a tenth of the largest magnitude: at the negative end, and the positive."""
  bound = np.abs(weights).max()
  return float(np.mean(weights <= -0.9 * bound)), float(np.mean(weights >= 0.9 * bound))


def line(norms):
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


def _critic(critic, settings):
  """Trains both networks; returns the norms, the line through their logs, and the weights' histogram."""
  import tensorflow.compat.v1 as tf

  from wgan_tf1 import networks

  count = settings['layers']
  networks.ARCHITECTURES['deep-toy'] = _networks(count)  # of this figure alone, so no preset has it
  config = configs.make(
    'toy-swissroll', architecture='deep-toy', width=settings['width'], batch_size=settings['batch_size'],
    generator_steps=settings['generator_steps'], **critic
  )  # fmt: skip
  dataset = datasets.load(config)
  measured = []
  with common.session_of(config) as (graph, session):
    activations = tf.get_collection('activations')[: 2 * count]  # of fake samples, then of real; not the penalty's
    gradients = tf.gradients(graph.scalars['critic_loss'], activations)
    probe = batches.encode(config, dataset.validation[: config.batch_size])
    for step, _ in common.train(config, dataset, graph, session):
      if step == 1:
        first = sum(_shares(_weights(graph, session)))
      left = config.generator_steps - step
      if left % MEASURE_EVERY == 0 and left // MEASURE_EVERY < settings['measured_steps']:
        measured.append(_norms(session.run(gradients, {graph.real: probe}), count))
    weights = _weights(graph, session)
  norms = np.median(measured, axis=0)
  slope, r_squared = line(norms)
  low, high = _shares(weights)
  bound = float(np.abs(weights).max())
  return dict(
    norms=norms.tolist(),
    slope=slope,
    r_squared=r_squared,
    share_low=low,
    share_high=high,
    share_at_first=first,
    largest=bound,
    histogram=(np.histogram(weights, 40, (-bound, bound))[0] / len(weights)).tolist(),
  )


def measure(settings, run):
  """Returns the numbers of each critic under its label; norms are medians over the last steps."""
  return dict(
    critics={
      _label(critic): run.part(_label(critic).replace(' = ', '-'), lambda: _critic(critic, settings))
      for critic in settings['critics']
    }
  )


REMARKS = (
  'Part of the weights at the bounds is there from the start: the initial weights are larger than c, and the first '
  'clip puts them on it. With c = 0.1 their share is lower at the end than after the first update; for that bound the '
  'claim is about the shape of the histogram, not about a movement.'
)


def plot(numbers):
  """The norms over the layers, and the weights' histograms."""
  figure = common.figure(8.0, 4.0)
  left, right = figure.subplots(1, 2)
  for label, critic in numbers['critics'].items():
    left.semilogy(np.arange(1, len(critic['norms']) + 1), critic['norms'], 'o-', markersize=3, label=label)
    edges = np.linspace(-1, 1, len(critic['histogram']) + 1)
    right.step((edges[1:] + edges[:-1]) / 2, critic['histogram'], where='mid', label=label)
  left.set_xlabel('critic layer (1: next to the input)')
  left.set_ylabel("norm of the loss's gradient")
  left.set_xticks(range(1, len(critic['norms']) + 1))
  right.set_xlabel('weight / largest magnitude')
  right.set_ylabel('share of the weights')
  right.set_yscale('log')
  figure.legend(*left.get_legend_handles_labels(), loc='upper center', ncol=4, frameon=False)
  figure.tight_layout(rect=[0, 0, 1, 0.92])
  return figure


if __name__ == '__main__':
  common.main(sys.modules[__name__])
