"""A batch divided over two virtual devices, or over processes, compared with one that has all of it."""

import contextlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import graph as graphs
from wgan_tf1 import inputs, networks
from wgan_tf1.distributed import towers
from wgan_tf1.errors import UserError
from wgan_tf1.kernels import devices as kernel_devices

TWO = ('/cpu:0', '/cpu:1')


@contextlib.contextmanager
def _running(config, **kwargs):
  with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(device_count={'CPU': 2})) as session:
    graph = graphs.build_graph(config, **kwargs)
    session.run(tf.global_variables_initializer())
    yield graph, session


def _batch(config):
  random = np.random.RandomState(3)
  real = random.uniform(-1, 1, (config.batch_size,) + networks.sample_shape(config))
  return real, random.randint(0, config.class_count or 1, config.batch_size)


def _feed(graph, batch):
  real, labels = batch
  feed = {graph.real: real, graph.fake_count: len(real)}
  if graph.labels is not None:
    feed.update({graph.real_labels: labels, graph.labels: labels})
  return feed


def test_parts_are_in_order_and_join_to_the_whole():
  with tf.Graph().as_default(), tf.Session() as session:
    for n, sizes in ((6, [2, 2, 2]), (7, [2, 2, 3]), (8, [2, 3, 3])):
      parts = towers.split(tf.range(n), 3)
      assert [len(part) for part in session.run(parts)] == sizes
      assert session.run(towers.join(parts)).tolist() == list(range(n))
    assert towers.split(None, 2) == [None, None] and towers.join([None, None]) is None


@pytest.mark.parametrize(
  'variant, preset, settings',
  [
    ('clip', 'blog-mnist', {}),
    ('gp', 'blog-mnist', {}),
    ('gan', 'blog-mnist', {}),
    ('gp', 'cifar10-resnet-acgan', {'generator_norm': 'none', 'width': 2}),
    ('gp', 'toy-8gaussians', {'fixed_generator': True, 'width': 4}),
  ],
)
def test_two_devices_give_the_gradients_of_one(tiny, variant, preset, settings):
  """The draws are the graph's own, the penalty's included. After one update Adam's first moment is (1 - beta1) g."""
  settings = {'width': 4, 'optimizer': 'adam', 'beta1': 0.5, 'beta2': 0.9, 'batch_size': 6, **settings}
  config = tiny(variant, preset, **settings)
  found = []
  for devices in (('',), TWO):
    with _running(config, devices=devices) as (graph, session):
      if devices == TWO:
        of_second = {
          op.device
          for op in tf.get_default_graph().get_operations()
          if op.name.startswith('tower_1/') and op.type in ('Conv2D', 'MatMul')
        }
        assert of_second == {'/device:CPU:1'}
      scalars = session.run(graph.scalars, _feed(graph, _batch(config)))
      session.run(graph.train_critic, _feed(graph, _batch(config)))
      session.run(graph.train_generator)
      moments = {v.op.name: v for v in tf.global_variables() if v.op.name.endswith('/Adam')}
      trained = len(graph.critic_variables) + len(graph.generator_variables)
      assert len(moments) == trained
      found.append((scalars, session.run(moments)))
  (scalars, moments), (of_two, moments_of_two) = found
  assert scalars.keys() == of_two.keys()
  for tag, value in scalars.items():
    np.testing.assert_allclose(of_two[tag], value, rtol=1e-4, atol=1e-6, err_msg=tag)
  largest = max(np.abs(moment).max() for moment in moments.values())
  assert largest > 1e-3
  for name, moment in moments.items():
    np.testing.assert_allclose(moments_of_two[name], moment, rtol=1e-3, atol=1e-5 * largest, err_msg=name)


def test_the_clip_bound_holds_with_two_devices(tiny):
  config = tiny(width=4, clip_value=0.02)
  with _running(config, devices=TWO) as (graph, session):
    for _ in range(2):
      session.run(graph.train_critic, _feed(graph, _batch(config)))
      largest = max(np.abs(v).max() for v in session.run(graph.critic_variables))
      assert largest == np.float32(0.02)


def test_any_number_of_samples_is_scored_with_two_devices(tiny):
  config = tiny(width=4)
  real = _batch(tiny(batch_size=5))[0]
  scores = []
  for devices in (('',), TWO):
    with _running(config, devices=devices) as (graph, session):
      scores.append(session.run(graph.real_scores, {graph.real: real}))
  assert scores[0].shape == (5,)
  np.testing.assert_allclose(scores[1], scores[0], rtol=1e-4, atol=1e-6)


def _moving_means(session):
  return session.run({v.op.name: v for v in tf.global_variables() if v.op.name.endswith('moving_mean')})


def test_moving_averages_are_of_the_mean_over_the_devices(tiny):
  config = tiny(preset='blog-mnist-bn', width=2)
  latents = np.random.RandomState(0).normal(size=[4, 128])
  found = []
  for devices, fed in ((('',), latents[:2]), (('',), latents[2:]), (TWO, latents)):
    with _running(config, devices=devices) as (graph, session):
      session.run(graph.train_generator, {graph.latents: fed})
      found.append(_moving_means(session))
  first, second, both = found
  assert both
  for name, value in both.items():
    np.testing.assert_allclose(value, (first[name] + second[name]) / 2, rtol=1e-4, atol=1e-6, err_msg=name)


def _drawn(config, counters, replica=towers.ALONE):
  """What a process draws after each number of critic updates: [latents, interpolation weights, labels if any]."""
  with tf.Graph().as_default(), tf.Session() as session:
    global_step, critic_step = inputs.step_counter('global_step'), inputs.step_counter('critic_step')
    fed = inputs.make(config, global_step, critic_step, replica)
    names = ['latents', 'interpolation_weights'] + ['labels'] * bool(config.class_count)
    session.run(tf.global_variables_initializer())
    drawn = []
    for counter in counters:
      critic_step.load(counter, session)
      drawn.append(session.run([fed[name] for name in names]))
  return drawn


def test_processes_that_combine_share_the_draws_of_one(tiny):
  whole_config, half_config = [tiny('gp', 'cifar10-resnet-acgan', batch_size=n, generator_batch_size=n) for n in (6, 3)]
  (whole,) = _drawn(whole_config, [5])
  halves = [_drawn(half_config, [5], towers.Replica(i, 2, list))[0] for i in range(2)]
  for one, *two in zip(whole, *halves):
    np.testing.assert_array_equal(np.concatenate(two), one)


def test_processes_that_do_not_combine_draw_independently(tiny):
  config = tiny('gp', 'cifar10-resnet-acgan')
  alone = _drawn(config, range(6))
  for index in range(3):
    for counter, drawn in enumerate(_drawn(config, range(2), towers.Replica(index, 3, None))):
      for a, b in zip(drawn, alone[3 * counter + index]):
        np.testing.assert_array_equal(a, b)


def test_the_graph_draws_the_part_of_its_process(tiny):
  config = tiny('gp', width=2)
  replica = towers.Replica(1, 2, list)
  ((latents, weights),) = _drawn(config, [0], replica)
  with _running(config, replica=replica) as (graph, session):
    np.testing.assert_array_equal(session.run(graph.latents), latents)
    np.testing.assert_array_equal(session.run(graph.interpolation_weights), weights)


def _upstream(outputs):
  """Returns every op that `outputs` need."""
  found, wanted = set(), [t.op if isinstance(t, tf.Tensor) else t for t in outputs]
  while wanted:
    op = wanted.pop()
    if op not in found:
      found.add(op)
      wanted += [t.op for t in op.inputs] + list(op.control_inputs)
  return found


def test_only_updates_combine(tiny):
  """Whatever one process evaluates by itself must not wait for the others."""
  made = []

  def combine(tensors):
    made.append([tf.identity(t, 'combined') for t in tensors])
    return made[-1]

  config = tiny(preset='blog-mnist-bn', width=2)
  with _running(config, replica=towers.Replica(0, 2, combine)) as (graph, _):
    combined = [{t.op for t in tensors} for tensors in made]
    statistics = [v for v in tf.global_variables() if '/moving_' in v.op.name]
    sizes = [1 + len(graph.critic_variables), 1 + len(graph.generator_variables) + len(statistics)]
    assert [len(ops) for ops in combined] == sizes and statistics
    assert combined[0] <= _upstream([graph.train_critic])
    assert combined[1] <= _upstream([graph.train_generator])
    evaluated = [*graph.scalars.values(), graph.histograms, graph.samples, graph.real_scores, graph.check_weights]
    assert not set.union(*combined) & _upstream(evaluated)


def test_a_batch_that_the_gpus_cannot_share_is_refused(tiny):
  with pytest.raises(UserError, match='generator_batch_size=9: must be a multiple of num_gpus=2'):
    tiny(num_gpus=2, generator_batch_size=9)


def test_more_gpus_than_the_machine_has_are_refused(monkeypatch):
  monkeypatch.setattr(tf.config.experimental, 'list_physical_devices', lambda kind: ['one'])
  with pytest.raises(UserError, match='num_gpus=2: must be at most 1'):
    kernel_devices.towers(2)
