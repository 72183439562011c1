import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import networks


def _real(n=4, seed=0, channels=1):
  return np.random.RandomState(seed).uniform(-1, 1, [n, 32, 32, channels]).astype(np.float32)


def test_gan_losses_and_the_js_estimate(running, tiny):
  with running(tiny('gan', width=8)) as (graph, session):
    for step in range(3):
      feed = {graph.real: _real(9, seed=step), graph.fake_count: 9}
      scalars, real, fake = session.run([graph.scalars, graph.real_scores, graph.fake_scores], feed)
      cross_entropy = np.logaddexp(0, -real.astype(float)).mean() + np.logaddexp(0, fake.astype(float)).mean()
      np.testing.assert_allclose(scalars['critic_loss'], cross_entropy, rtol=1e-5)
      np.testing.assert_allclose(scalars['generator_loss'], np.logaddexp(0, -fake.astype(float)).mean(), rtol=1e-5)
      np.testing.assert_allclose(scalars['js_estimate'], np.log(2) - cross_entropy / 2, atol=1e-6)
      session.run(graph.train_critic, feed)
    assert graph.estimate == 'js_estimate' and 'wasserstein_estimate' not in scalars
    session.run(graph.train_generator)
    assert np.isfinite(session.run(graph.scalars, feed)['js_estimate'])


@pytest.mark.parametrize('penalty', ['two_sided', 'one_sided'])
def test_the_sides_of_the_penalty(running, tiny, penalty):
  """With one sample, whose norm is also the mean, once below one and once above."""
  with running(tiny('gp', penalty=penalty, batch_size=1, width=8)) as (graph, session):
    last = graph.critic_variables[-2]
    start, feed = session.run(last), {graph.real: _real(1), graph.latents: np.ones([1, 128])}
    norm = session.run(graph.scalars['gradient_norm/mean'], feed)
    for wanted in (0.4, 2.5):
      last.load(start * (wanted / norm), session)  # the critic is linear in it
      scalars = session.run(graph.scalars, feed)
      np.testing.assert_allclose(scalars['gradient_norm/mean'], wanted, rtol=1e-4)
      expected = 0 if penalty == 'one_sided' and wanted < 1 else (wanted - 1) ** 2
      np.testing.assert_allclose(scalars['gradient_penalty'], expected, rtol=1e-3)
      loss = -scalars['wasserstein_estimate'] + 10 * expected
      np.testing.assert_allclose(scalars['critic_loss'], loss, rtol=1e-3, atol=1e-3)


def test_class_losses_and_accuracies(running, tiny):
  """The AC-GAN's, against NumPy on the logits of the same critic, built a second time."""
  config = tiny(
    preset='cifar10-resnet-acgan', width=2, batch_size=6, critic_class_weight=0.7, generator_class_weight=0.3
  )
  with running(config) as (graph, session):
    critic = networks.ARCHITECTURES['resnet'][1]
    logits = [critic(x, width=2, norm='none', class_count=10)[1] for x in (graph.real, graph.fake)]
    assert len(tf.trainable_variables('critic/')) == len(graph.critic_variables)
    feed = {graph.real: _real(6, channels=3), graph.latents: np.random.RandomState(0).normal(size=[6, 128])}
    feed[graph.labels] = [3, 1, 4, 1, 5, 9]
    likeliest = session.run(logits[0], feed).argmax(axis=1)
    feed[graph.real_labels] = np.where(np.arange(6) < 2, likeliest, (likeliest + 1) % 10)  # two of six are right
    scalars, (real, fake), scores = session.run([graph.scalars, logits, [graph.real_scores, graph.fake_scores]], feed)
  losses = {}
  for name, values, labels in (('real', real, graph.real_labels), ('fake', fake, graph.labels)):
    shares = np.exp(values.astype(float)) / np.exp(values.astype(float)).sum(axis=1, keepdims=True)
    losses[name] = -np.mean(np.log(shares[np.arange(6), feed[labels]]))
    np.testing.assert_allclose(scalars['class_loss/' + name], losses[name], rtol=1e-5)
    right = np.mean(values.argmax(axis=1) == feed[labels])
    np.testing.assert_allclose(scalars['class_accuracy/' + name], right, rtol=1e-6)
  np.testing.assert_allclose(scalars['class_accuracy/real'], 2 / 6, rtol=1e-6)
  estimate = scores[0].mean() - scores[1].mean()
  np.testing.assert_allclose(scalars['critic_loss'], -estimate + 0.7 * losses['real'], rtol=1e-5)
  np.testing.assert_allclose(scalars['generator_loss'], -scores[1].mean() + 0.3 * losses['fake'], rtol=1e-5)


def test_fake_count_is_the_generators_batch_size(running, tiny):
  with running(tiny(width=8)) as (graph, session):
    fake, scores = session.run([graph.fake, graph.fake_scores])
    assert len(fake) == len(scores) == 4
    feed = {graph.fake_count: 8, graph.real: _real(4)}
    fake, scores, latents, real, loss = session.run(
      [graph.fake, graph.fake_scores, graph.latents, graph.real_scores, graph.scalars['generator_loss']], feed
    )
    assert len(fake) == len(scores) == len(latents) == 8 and len(real) == 4
    np.testing.assert_allclose(loss, -scores.mean(), rtol=1e-4)
    (gradient,) = session.run(tf.gradients(-tf.reduce_mean(graph.fake_scores), graph.generator_variables[:1]), feed)
    before = session.run(graph.generator_variables[0])
    session.run(graph.train_generator, {graph.fake_count: 8})
    expected = before - 5e-4 * gradient / np.sqrt(0.9 + 0.1 * gradient**2 + 1e-10)
    np.testing.assert_allclose(session.run(graph.generator_variables[0]), expected, atol=1e-6)


def test_both_learning_rates_fall_on_a_line_to_zero(running, tiny):
  """The same update from the same state at other generator steps, as shares of the first one's rate."""
  rates = dict(generator_learning_rate=0.02, critic_learning_rate=0.01, learning_rate_decay_steps=10)
  config = tiny('gan', width=4, optimizer='rmsprop_torch', generator_steps=10, **rates)
  with running(config) as (graph, session):
    everything = tf.global_variables()
    start = session.run(everything)
    feed = {graph.real: _real(), graph.latents: np.random.RandomState(0).normal(size=[4, 128])}
    for update, variables, own in (
      (graph.train_critic, graph.critic_variables, 0),
      (graph.train_generator, graph.generator_variables, 1),  # counts itself
    ):
      moved = {}
      for step in (0, 1, 4, 9, 10, 11):
        for v, value in zip(everything, start):
          v.load(value, session)
        graph.global_step.load(step, session)
        graph.critic_step.load(5, session)  # has no effect
        before = session.run(variables)
        session.run(update, feed)
        moved[step] = [a - b for a, b in zip(session.run(variables), before)]
      for step in (1, 4, 9, 10, 11):
        share = max(1 - (step + own) / 10, 0) / (1 - own / 10)
        for first, later in zip(moved[0], moved[step]):
          assert np.abs(first).max() > 1e-3
          np.testing.assert_allclose(later, share * first, atol=1e-6)


def test_learning_rates_stay_without_a_decay(running, tiny):
  with running(tiny('gan', width=4, optimizer='rmsprop')) as (graph, session):
    start = session.run(graph.critic_variables)
    slots = [v for v in tf.global_variables() if 'RMSProp' in v.op.name]
    feed = {graph.real: _real(), graph.latents: np.ones([4, 128])}
    ends = []
    for step in (0, 10**6):
      for v, value in zip(graph.critic_variables, start):
        v.load(value, session)
      session.run([v.initializer for v in slots])
      graph.global_step.load(step, session)
      session.run(graph.train_critic, feed)
      ends.append(session.run(graph.critic_variables))
    assert all(np.array_equal(a, b) for a, b in zip(*ends))
    assert not np.array_equal(ends[0][0], start[0])


def test_moving_averages_of_the_generators_weights(running, tiny):
  """w' <- d w' + (1 - d) w with d = min(decay, (1 + t) / (10 + t)). Samples come from w'."""
  config = tiny(width=4, ema_decay=0.25, optimizer='rmsprop_torch', generator_learning_rate=0.01)
  with running(config) as (graph, session):
    by_name = {v.op.name: v for v in tf.global_variables()}
    shadows = [by_name[v.op.name + '/ExponentialMovingAverage'] for v in graph.generator_variables]
    assert sum('ExponentialMovingAverage' in name for name in by_name) == len(shadows)
    averages = session.run(graph.generator_variables)
    assert all(np.array_equal(a, b) for a, b in zip(averages, session.run(shadows)))
    for t in (1, 2, 3, 4):
      decay = min(0.25, (1 + t) / (10 + t))
      assert (decay < 0.25) == (t == 1)  # so that both cases occur
      session.run(graph.train_critic, {graph.real: _real()})
      for a, b in zip(averages, session.run(shadows)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
      session.run(graph.train_generator)
      weights = session.run(graph.generator_variables)
      averages = [decay * a + (1 - decay) * w for a, w in zip(averages, weights)]
      for a, b, w in zip(averages, session.run(shadows), weights):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
        assert np.abs(b - w).max() > 1e-4
    # Samples are made with the averages; what the critic is trained on, with the weights.
    z = np.random.RandomState(0).normal(size=[3, 128])
    feed = {graph.latents: z, graph.sample_latents: z}
    samples, fake = session.run([graph.samples, graph.fake], feed)
    assert np.abs(samples - fake).max() > 1e-3
    averages = session.run(shadows)
    for shadow, value in zip(shadows, weights):
      shadow.load(value, session)
    np.testing.assert_allclose(session.run(graph.samples, feed), fake, atol=1e-6)
    assert np.array_equal(session.run(graph.fake, feed), fake)
    for v, value in zip(graph.generator_variables, averages):
      v.load(value, session)
    np.testing.assert_allclose(session.run(graph.fake, feed), samples, atol=1e-6)


@pytest.mark.parametrize('variant', ['clip', 'gp', 'gan'])
def test_a_fixed_generator_is_real_points_and_noise(running, tiny, variant):
  config = tiny(variant, preset='toy-8gaussians', width=16, fixed_generator=True)
  with running(config) as (graph, session):
    real = np.random.RandomState(0).normal(size=[4, 2]).astype(np.float32)
    fake, latents = session.run([graph.fake, graph.latents], {graph.real: real})
    np.testing.assert_array_equal(fake, real + latents)
    z = np.float32([[1, 2], [3, 4], [-1, 0], [0, 0]])
    samples = session.run(graph.samples, {graph.real: real, graph.sample_latents: z})
    np.testing.assert_array_equal(samples, real + z)
    assert graph.generator_variables == [] and tf.trainable_variables() == graph.critic_variables
    assert 'generator_loss' not in graph.scalars
    start = session.run(graph.critic_variables)
    session.run(graph.train_generator)
    assert session.run([graph.global_step, graph.critic_step]) == [1, 0]
    assert all(np.array_equal(a, b) for a, b in zip(start, session.run(graph.critic_variables)))
    session.run(graph.train_critic, {graph.real: real})
    assert session.run([graph.global_step, graph.critic_step]) == [1, 1]
    assert not all(np.array_equal(a, b) for a, b in zip(start, session.run(graph.critic_variables)))
    session.run(graph.check_weights)
    assert session.run(graph.histograms, {graph.real: real})


def test_a_sample_does_not_depend_on_its_neighbours(running, tiny):
  """Batch norm uses the moving averages for samples. In training it uses the batch, and a sample does depend on it."""
  with running(tiny('gan', preset='blog-mnist-bn', width=4)) as (graph, session):
    z = np.random.RandomState(0).normal(size=[4, 128])
    moving = [v for v in tf.global_variables('generator/') if 'moving' in v.op.name]
    start = session.run(moving)
    first = session.run(graph.samples, {graph.sample_latents: z})
    session.run(graph.train_critic, {graph.real: _real()})
    assert all(np.array_equal(a, b) for a, b in zip(start, session.run(moving)))
    assert np.array_equal(first, session.run(graph.samples, {graph.sample_latents: z}))
    session.run(graph.train_generator)
    assert len(moving) == 8 and not any(np.array_equal(a, b) for a, b in zip(start, session.run(moving)))
    for tensor, feed, depends in ((graph.samples, graph.sample_latents, False), (graph.fake, graph.latents, True)):
      together, alone = session.run(tensor, {feed: z}), session.run(tensor, {feed: z[:2]})
      assert (np.abs(together[:2] - alone).max() > 1e-3) == depends
      assert depends or np.allclose(together[:2], alone, atol=1e-5)
