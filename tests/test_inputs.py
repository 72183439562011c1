import contextlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import inputs, networks
from wgan_tf1.distributed import towers


@contextlib.contextmanager
def _made(config):
  """Yields (the inputs by name, a function of (global step, critic step, names, feed) that returns their values)."""
  with tf.Graph().as_default(), tf.Session() as session:
    global_step, critic_step = inputs.step_counter('global_step'), inputs.step_counter('critic_step')
    made = inputs.make(config, global_step, critic_step, towers.ALONE)
    session.run(tf.global_variables_initializer())

    def draw(steps, names, feed=None):
      for counter, value in zip((global_step, critic_step), steps):
        counter.load(value, session)
      return session.run([made[name] for name in names], {made[name]: value for name, value in (feed or {}).items()})

    yield made, draw


@pytest.mark.parametrize('variant', ['clip', 'gp', 'gan'])
def test_draws_are_functions_of_the_seed_and_the_updates_so_far(tiny, variant):
  def draws(seed):
    with _made(tiny(variant, batch_size=64, seed=seed)) as (_, draw):
      return [draw(steps, ['latents', 'interpolation_weights']) for steps in ((0, 0), (0, 1), (0, 2), (1, 2))]

  first, again, other = (draws(seed) for seed in (0, 0, 1))
  for i, (latents, weights) in enumerate(first):
    assert np.array_equal(latents, again[i][0]) and np.array_equal(weights, again[i][1])
    assert not np.array_equal(latents, other[i][0]) and not np.array_equal(weights, other[i][1])
    assert all(not np.array_equal(latents, earlier) for earlier, _ in first[:i])
    assert latents.shape == (64, 128) and abs(latents.mean()) < 0.05 and abs(latents.std() - 1) < 0.05
    assert weights.shape == (64,) and 0 <= weights.min() < 0.2 and 0.8 < weights.max() < 1
    assert len(set(weights.tolist())) == 64


def test_labels_are_uniform_over_the_classes_of_the_run(tiny):
  drawn = {}
  for seed in (0, 1):
    config = tiny('gan', preset='cifar10-resnet-acgan', classes='1,7,3', generator_batch_size=4, seed=seed)
    with _made(config) as (_, draw):
      for run, steps in ((0, [(0, 0), (0, 1), (1, 2)]), (1, [(0, 0), (3, 0)])):
        for global_step, critic_step in steps:
          labels, latents = draw((global_step, critic_step), ['labels', 'latents'], {'fake_count': 3000})
          assert labels.shape == (3000,) and latents.shape == (3000, 128) and labels.dtype == np.int32
          drawn[seed, run, critic_step + global_step] = labels
      sample_labels, labels, sample_latents = draw((0, 0), ['sample_labels', 'labels', 'sample_latents'])
      assert sample_labels.tolist() == [1, 3, 7] * 8 and labels.shape == (4,)
      assert networks.sample_count(config) == 24 == len(sample_latents)
  for labels in drawn.values():
    values, counts = np.unique(labels, return_counts=True)
    assert values.tolist() == [1, 3, 7] and np.abs(counts - 1000).max() < 6 * (3000 * 1 / 3 * 2 / 3) ** 0.5
  for seed in (0, 1):
    assert np.array_equal(drawn[seed, 0, 0], drawn[seed, 1, 0])  # a second run
    assert np.array_equal(drawn[seed, 0, 3], drawn[seed, 1, 3])  # after as many updates, of whichever network
    for a, b in ((0, 1), (0, 3), (1, 3)):
      assert not np.array_equal(drawn[seed, 0, a], drawn[seed, 0, b])
  assert not np.array_equal(drawn[0, 0, 0], drawn[1, 0, 0])


def test_the_draws_are_of_the_generators_batch_size_unless_a_count_is_fed(tiny):
  with _made(tiny('gp', batch_size=4, generator_batch_size=10)) as (_, draw):
    for feed, count in (({}, 10), ({'fake_count': 7}, 7)):
      latents, weights = draw((0, 0), ['latents', 'interpolation_weights'], feed)
      assert len(latents) == count and len(weights) == 4


def test_only_class_conditional_networks_have_labels(tiny):
  names = ['real_labels', 'labels', 'sample_labels']
  with _made(tiny()) as (made, _):
    assert [made[name] for name in names] == [None] * 3
  with _made(tiny(preset='cifar10-resnet-acgan')) as (made, _):
    assert all(made[name].dtype == tf.int32 and made[name].shape.as_list() == [None] for name in names)


@pytest.mark.parametrize('preset, shape', [('blog-mnist', [32, 32, 1]), ('text-char', [32, 3]), ('toy-swissroll', [2])])
def test_real_samples_have_the_shape_of_the_data(tiny, preset, shape):
  with _made(tiny(preset=preset, **({'vocabulary': '\nab'} if preset == 'text-char' else {}))) as (made, _):
    assert made['real'].shape.as_list() == [None, *shape]
