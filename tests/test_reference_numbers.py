"""Networks, losses, gradients and updates against numbers that other people's code computes.

reference_numbers.json has nine cases. The public repositories igul222/improved_wgan_training (WGAN-GP) and
martinarjovsky/WassersteinGAN (WGAN), and the listing of the MNIST post, computed them in float64 from the weights and
inputs that the formula below gives. The file has numbers, names and settings alone, none of that code.

Variable or input number i has the entries v(i, k) of `formula`, k counting them in C order. They are exact in float32
and lie in [-1, 1]. The variables' numbers, shapes and fans-in are in the file; the inputs' numbers are 200 to 202 for
batch a and 210 to 212 for batch b. The file's tolerances were chosen for float32 on a CPU.
"""

import contextlib
import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import config as configs
from wgan_tf1 import graph as graphs
from wgan_tf1 import layers, losses

with open(os.path.join(os.path.dirname(__file__), 'reference_numbers.json')) as f:
  CASES = json.load(f)['cases']
NO_CLIP = 1e6  # a bound that no weight reaches


def formula(i, shape, salt):
  """Returns float64 numbers in [-1, 1] of variable or input number i."""
  k = np.arange(np.prod(shape, dtype=np.int64), dtype=np.int64)
  x = (7919 * k + 104729 * i + 1299709 * salt + 12345) % 65537
  n = ((x * x) % 65537 * x) % 65537
  return ((n - 32768) / 32768).reshape(shape)


def weights(case):
  """Returns {name: float32 value} of the trainable variables at their start."""
  values = {}
  for i, name, shape, fan_in in case['variables']:
    v = formula(i, shape, case['settings']['salt'])
    if fan_in is not None:
      v = np.sqrt(6 / fan_in) * v
    else:
      v = 1 + 0.1 * v if name.endswith('/gamma') else 0.1 * v
    values[name] = v.astype(np.float32)
  return values


def real_samples(settings, i, count):
  """Returns float64 [count, *sample_shape], of number i."""
  if settings['real'] == 'onehot':
    length, characters = settings['sample_shape']
    v = formula(i, [count, length], settings['salt'])
    return np.eye(characters)[np.minimum(characters - 1, np.floor(characters * (v + 1) / 2)).astype(int)]
  v = formula(i, [count, *settings['sample_shape']], settings['salt'])
  return {'points': np.sqrt(3) * v, 'unit': (v + 1) / 2, 'symmetric': v}[settings['real']]


def feeds(case, graph, batch):
  """Returns the feeds of (a critic's update, a generator's update) on batch 'a' or 'b'."""
  settings = case['settings']
  count, first, salt = settings['overrides']['batch_size'], {'a': 200, 'b': 210}[batch], settings['salt']
  generator = {graph.latents: np.sqrt(3) * formula(first, [count, settings['latent_size']], salt)}
  critic = {
    **generator,
    graph.real: real_samples(settings, first + 1, count),
    graph.interpolation_weights: 0.5 + 0.4 * formula(first + 2, [count], salt),
  }
  if graph.labels is not None:
    generator[graph.labels] = settings['generator_labels_' + batch]
    critic[graph.labels] = critic[graph.real_labels] = settings['real_labels_' + batch]
  return critic, generator


def start(case, session):
  """Gives the trainable variables the formula's values, which it returns by name, and initialises all others."""
  session.run(tf.global_variables_initializer())
  values = weights(case)
  variables = tf.trainable_variables()
  assert {v.op.name: v.shape.as_list() for v in variables} == {k: list(v.shape) for k, v in values.items()}
  session.run([v.initializer for v in variables], {v.initializer.inputs[1]: values[v.op.name] for v in variables})
  return values


@contextlib.contextmanager
def running(case, **overrides):
  """Yields (graph, session) of a case's configuration."""
  settings = case['settings']
  config = configs.make(settings['preset'], settings['variant'], **{**settings['overrides'], **overrides})
  with tf.Graph().as_default(), tf.Session() as session:
    yield graphs.build_graph(config), session


def updates(case, graph, session, network, clipped=False):
  """Makes an update with batch a, then one with batch b.

  Returns:
    Two dicts, variable's name -> its change from the start, or with `clipped` from the clipped start.
  """
  bound = np.float32(0.01) if clipped else np.inf
  variables = graph.critic_variables if network == 'critic' else graph.generator_variables
  before = {name: np.clip(value, -bound, bound) for name, value in start(case, session).items()}
  changes = []
  for batch in 'ab':
    critic_feed, generator_feed = feeds(case, graph, batch)
    if network == 'generator':
      session.run(graph.train_generator, generator_feed)
    else:
      if clipped and graph.before_critic is not None:
        session.run(graph.before_critic)
      session.run(graph.train_critic, critic_feed)
    after = session.run({v.op.name: v for v in variables})
    changes.append({name: after[name] - before[name] for name in after})
  return changes


class Comparison:
  """Compares numbers with a case's, and collects those that differ by more than their group's tolerance."""

  def __init__(self, case):
    self._tolerances = case['tolerances']
    self.groups = set()  # all groups that were compared
    self.failures = []

  def check(self, group, name, distance):
    self.groups.add(group)
    if not distance <= self._tolerances[group]:
      self.failures.append('%s: %s is off by %.1e, more than %.0e' % (group, name, distance, self._tolerances[group]))

  def ratio(self, group, name, x, y):
    self.check(group, name, abs(x / y - 1))

  def tensors(self, group, arrays, expected):
    """Compares {name: array} with {name: [norm, k, entry k, ...], or [0] for zeros}."""
    largest = max(numbers[0] for numbers in expected.values())
    for name, (norm, *entries) in expected.items():
      x = arrays[name].astype(np.float64).ravel()
      if not entries:
        assert norm == 0
        self.check(group + '_zero', name, np.linalg.norm(x) / largest)
        continue
      self.ratio(group + '_norms', name, np.linalg.norm(x), norm)
      scale = max(abs(entries[1]), norm / np.sqrt(x.size))
      for k, entry in zip(entries[::2], entries[1::2]):
        self.check(group + '_entries', '%s[%d]' % (name, k), abs(x[k] - entry) / scale)


def gradients(loss, variables):
  return {v.op.name: g for v, g in zip(variables, tf.gradients(loss, variables))}


def compare_values(case, graph, session, comparison):
  """Compares the outputs of both networks on batch a, the losses and their gradients."""
  numbers = dict(case['numbers'])
  start(case, session)
  feed, generator_feed = feeds(case, graph, 'a')
  fetches = dict(graph.scalars, fake=graph.fake, real_scores=graph.real_scores, fake_scores=graph.fake_scores)
  fetches['critic_gradients'] = gradients(graph.scalars['critic_loss'], graph.critic_variables)
  found = session.run(fetches, feed)
  fetches = {name: graph.scalars[name] for name in ('generator_loss', 'class_loss/fake') if name in graph.scalars}
  fetches['generator_gradients'] = gradients(graph.scalars['generator_loss'], graph.generator_variables)
  found.update(session.run(fetches, generator_feed))
  found['critic_loss_without_penalty'] = -found['wasserstein_estimate']

  output = numbers.pop('generator_output')
  deviation = output['standard_deviation']
  comparison.check('output', 'mean', abs(found['fake'].mean(dtype=float) - output['mean']) / deviation)
  comparison.check('output', 'standard deviation', abs(found['fake'].std(dtype=float) - deviation) / deviation)
  for index, value in output['entries']:
    comparison.check('output', str(index), abs(found['fake'][tuple(index)] - value) / deviation)
  scores = {name: np.array(numbers.pop(name)) for name in ('real_scores', 'fake_scores')}
  largest = max(np.abs(s).max() for s in scores.values())
  for name, expected in scores.items():
    comparison.check('scores', name, np.abs(found[name] - expected).max() / largest)
  if 'gradient_norms' in numbers:
    norms = numbers.pop('gradient_norms')
    comparison.ratio('losses', 'gradient_norm/mean', found['gradient_norm/mean'], np.mean(norms))
    comparison.ratio('losses', 'gradient_norm/maximum', found['gradient_norm/maximum'], np.max(norms))
  for network in ('critic', 'generator'):
    expected = numbers.pop(network + '_gradients')
    assert set(expected) == set(found[network + '_gradients'])
    comparison.tensors('gradient', found[network + '_gradients'], expected)
    del numbers[network + '_updates']  # see `compare_updates`
  for name, expected in numbers.items():
    comparison.ratio('losses', name, found[name], expected)


def compare_updates(case, graph, session, comparison, network, kind='free'):
  """Compares both updates of a network; `kind` is 'free' or 'clip'."""
  group = 'update_clip' if kind == 'clip' else 'update_' + case['settings']['expected']['optimizer']
  expected = case['numbers'][network + '_updates'][kind]
  for found, numbers in zip(updates(case, graph, session, network, kind == 'clip'), expected):
    comparison.tensors(group, found, numbers)


@pytest.mark.parametrize('name', sorted(CASES))
def test_the_settings_are_the_references(name):
  settings = CASES[name]['settings']
  config = configs.make(settings['preset'], settings['variant'], **settings['overrides'])
  expected = dict(settings['expected'])
  assert config.generator_learning_rate == config.critic_learning_rate == expected.pop('learning_rate')
  assert {field: getattr(config, field) for field in expected} == expected
  assert config.latent_size == settings['latent_size']


@pytest.mark.parametrize('name', sorted(CASES))
def test_the_numbers_are_the_references(name):
  case = CASES[name]
  comparison = Comparison(case)
  clips = 'clip' in case['numbers']['critic_updates']
  clips_after = clips and case['settings']['expected']['clip_order'] == 'after'
  with running(case, **({'clip_value': NO_CLIP} if clips_after else {})) as (graph, session):
    compare_values(case, graph, session, comparison)
    compare_updates(case, graph, session, comparison, 'generator')
    compare_updates(case, graph, session, comparison, 'critic')
    if clips and not clips_after:
      compare_updates(case, graph, session, comparison, 'critic', 'clip')
  if clips_after:
    with running(case) as (graph, session):
      compare_updates(case, graph, session, comparison, 'critic', 'clip')
  assert not comparison.failures, '\n'.join(comparison.failures)
  assert comparison.groups == set(case['tolerances'])


def _steeper(x):
  return tf.nn.leaky_relu(x, 0.21)


def _swapped(real, fake, weights, interpolate=losses.interpolate):
  return interpolate(fake, real, weights)


FAULTS = {
  'epsilon 2e-5': ('gan_mnist_wgan', layers, 'NORM_EPSILON', 2e-5, {'scores'}),
  'slope 0.21': ('gan_mnist_wgan_gp', layers, 'leaky_relu', _steeper, {'scores', 'losses', 'gradient_norms'}),
  'real and fake swapped': ('gan_toy_wgan_gp', losses, 'interpolate', _swapped, {'losses', 'gradient_norms'}),
}


@pytest.mark.parametrize('fault', sorted(FAULTS))
def test_a_fault_is_noticed(monkeypatch, fault):
  name, module, attribute, value, groups = FAULTS[fault]
  monkeypatch.setattr(module, attribute, value)
  comparison = Comparison(CASES[name])
  with running(CASES[name]) as (graph, session):
    compare_values(CASES[name], graph, session, comparison)
  assert groups <= {failure.split(':')[0] for failure in comparison.failures}, comparison.failures
