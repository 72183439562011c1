import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import networks, sampling
from wgan_tf1.classes import sample_classes


def test_shapes_of_samples_by_form(tiny):
  assert networks.sample_shape(tiny()) == (32, 32, 1)
  text = tiny('gp', preset='text-char')
  assert networks.sample_shape(text) == (32, networks.NOMINAL_VOCABULARY)
  assert networks.sample_shape(tiny('gp', preset='text-char', vocabulary='\nab')) == (32, 3)
  toy = tiny('gp', preset='toy-swissroll')
  assert networks.sample_shape(toy) == (2,)
  assert [networks.sample_count(c) for c in (tiny(), text, toy)] == [64, 64, 512]


def test_there_is_a_column_of_samples_for_each_class(tiny):
  config = tiny(preset='cifar10-resnet-acgan')
  assert sample_classes(config) == tuple(range(10)) and networks.sample_count(config) == 80


@pytest.mark.parametrize(
  'preset, ema_decay', [('blog-mnist-bn', 0.0), ('blog-mnist-bn', 0.5), ('cifar10-resnet-acgan', 0.0)]
)
def test_the_sampler_makes_what_the_run_samples(running, tiny, tmp_path, preset, ema_decay):
  config = tiny('gan', preset=preset, width=2, ema_decay=ema_decay, generator_learning_rate=0.01)
  latents, labels = np.random.RandomState(0).normal(size=[5, 128]), [3, 1, 4, 1, 5]
  with running(config) as (graph, session):
    feed = {graph.sample_latents: latents}
    if config.class_count:
      feed[graph.sample_labels] = labels
    start = session.run(graph.samples, feed)
    for _ in range(2):
      session.run(graph.train_generator)
    samples = session.run(graph.samples, feed)
    assert np.abs(start - samples).max() > 1e-4
    path = tf.train.Saver().save(session, str(tmp_path / 'model'))
  with tf.Graph().as_default(), tf.Session() as session:
    sampler = sampling.build_sampler(config)
    assert not tf.global_variables('critic/')
    tf.train.Saver(sampler.variables).restore(session, path)
    feed = {sampler.latents: latents}
    if config.class_count:
      feed[sampler.labels] = labels
    np.testing.assert_array_equal(session.run(sampler.samples, feed), samples)
    if config.class_count:
      other = session.run(sampler.samples, {sampler.latents: latents, sampler.labels: [3, 1, 4, 1, 6]})
      assert np.array_equal(other[:4], samples[:4]) and not np.allclose(other[4], samples[4])
    else:
      assert sampler.labels is None
