"""A batch over two virtual devices, and over processes, against one that has all of it."""

import contextlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1 import graph as graphs
from wgan_tf1 import models
from wgan_tf1 import towers
from wgan_tf1 import training

TWO = ('/cpu:0', '/cpu:1')


@contextlib.contextmanager
def _running(config, **kwargs):
  with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(device_count={'CPU': 2})) as session:
    graph = graphs.build_graph(config, **kwargs)
    session.run(tf.global_variables_initializer())
    yield graph, session


def _batch(config):
  random = np.random.RandomState(3)
  real = random.uniform(-1, 1, (config.batch_size,) + models.sample_shape(config))
  return real, random.randint(0, config.class_count or 1, config.batch_size)


def _feed(graph, batch):
  real, labels = batch
  return {graph.real: real, **({graph.real_labels: labels, graph.labels: labels} if graph.labels is not None else {})}


def test_pieces_are_in_order_and_make_the_whole():
  with tf.Graph().as_default(), tf.Session() as session:
    for n, sizes in ((6, [2, 2, 2]), (7, [2, 2, 3]), (8, [2, 3, 3])):
      pieces = towers.split(tf.range(n), 3)
      assert [len(piece) for piece in session.run(pieces)] == sizes
      assert session.run(towers.join(pieces)).tolist() == list(range(n))
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
  """With the graph's own draws, the penalty's among them. Adam's first moment of one update is (1 - beta1) g."""
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


def test_moving_averages_take_the_mean_over_the_devices(tiny):
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


def _drawn(config, counter, **kwargs):
  """What a process draws after so many critic updates: latents, interpolation weights, labels."""
  with _running(config, **kwargs) as (graph, session):
    graph.critic_step.load(counter, session)
    return session.run([graph.latents, graph.interpolation_weights, graph.labels])


def test_processes_that_combine_share_the_draws_of_one(tiny):
  settings = {'variant': 'gp', 'preset': 'cifar10-resnet-acgan', 'width': 2, 'generator_batch_size': 3}
  whole = _drawn(tiny(batch_size=6, **settings), 5)
  halves = [_drawn(tiny(batch_size=3, **settings), 5, replica=towers.Replica(i, 2, lambda g: g)) for i in range(2)]
  for one, *two in zip(whole, *halves):
    np.testing.assert_array_equal(np.concatenate(two), one)


def test_processes_that_do_not_combine_draw_apart(tiny):
  config = tiny('gp', 'cifar10-resnet-acgan', width=2)
  alone = [_drawn(config, counter) for counter in range(6)]
  for counter in range(2):
    for index in range(3):
      drawn = _drawn(config, counter, replica=towers.Replica(index, 3, None))
      for a, b in zip(drawn, alone[3 * counter + index]):
        np.testing.assert_array_equal(a, b)


def _upstream(outputs):
  """Every op that `outputs` need."""
  found, wanted = set(), [t.op if isinstance(t, tf.Tensor) else t for t in outputs]
  while wanted:
    op = wanted.pop()
    if op not in found:
      found.add(op)
      wanted += [t.op for t in op.inputs] + list(op.control_inputs)
  return found


def test_only_updates_combine(tiny):
  """What one process looks at by itself would wait for the others for ever."""
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
    looked_at = [*graph.scalars.values(), graph.histograms, graph.samples, graph.real_scores, graph.check_weights]
    assert not set.union(*combined) & _upstream(looked_at)


def test_a_batch_that_the_gpus_cannot_share_is_refused(tiny):
  with pytest.raises(UserError, match='generator_batch_size=9 cannot be shared by num_gpus=2: '):
    tiny(num_gpus=2, generator_batch_size=9)


def test_more_gpus_than_there_are_are_refused(tiny, tmp_path, monkeypatch):
  monkeypatch.setattr(tf.config.experimental, 'list_physical_devices', lambda kind: ['one'])
  with pytest.raises(UserError, match='num_gpus=2: TensorFlow sees 1 GPUs on this machine'):
    training.train(tiny(num_gpus=2, run_dir=str(tmp_path)))
