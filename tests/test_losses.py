import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.references import log_sigmoid, slow_gradient_norms
from wgan_tf1 import layers, losses, networks
from wgan_tf1.networks import mlp, resnet


def _run(build):
  """Builds in a new graph and returns the value of what `build` returns."""
  with tf.Graph().as_default(), tf.Session() as session:
    fetches = build()
    session.run(tf.global_variables_initializer())
    return session.run(fetches)


def test_wasserstein_losses_are_the_papers():
  real, fake = [3.0, 5.0], [1.0, 2.0, 6.0]
  estimate, loss = _run(
    lambda: [
      losses.wasserstein_estimate(tf.constant(real), tf.constant(fake)),
      losses.generator_loss(tf.constant(fake)),
    ]
  )
  assert (estimate, loss) == (4.0 - 3.0, -3.0)


def test_gan_losses_are_the_papers():
  random = np.random.RandomState(0)
  real, fake = 3 * random.normal(size=7), 3 * random.normal(size=5)
  critic, generator, js = _run(
    lambda: [
      losses.gan_critic_loss(tf.constant(real), tf.constant(fake)),
      losses.gan_generator_loss(tf.constant(fake)),
      losses.js_estimate(tf.constant(real), tf.constant(fake)),
    ]
  )
  value = log_sigmoid(real).mean() + log_sigmoid(-fake).mean()  # 1 - sigmoid(x) is sigmoid(-x)
  np.testing.assert_allclose([critic, generator, js], [-value, -log_sigmoid(fake).mean(), np.log(2) + value / 2])


def test_the_js_estimate_goes_from_zero_for_guesses_to_log_two_for_certainty():
  real, fake = np.float32([0, 1, 10, 1000]), np.float32([0, -1, -10, -1000])
  guess, *rest = _run(lambda: [losses.js_estimate(tf.constant([r]), tf.constant([f])) for r, f in zip(real, fake)])
  assert abs(guess) < 1e-6 and sorted(rest) == rest
  assert rest[-1] == np.float32(np.log(2)) and rest[0] < 0.4
  assert _run(lambda: losses.js_estimate(tf.constant(fake), tf.constant(real))) < -100  # certain, and wrong


def test_gan_losses_are_finite_and_have_a_slope_where_the_discriminator_is_sure():
  def build():
    scores = tf.constant([-1e4, 1e4])
    made = [losses.gan_critic_loss(scores, scores), losses.gan_generator_loss(scores)]
    return [made, tf.gradients(made[1], [scores])]

  (critic, generator), (slopes,) = _run(build)
  assert (critic, generator) == (1e4, 5e3)
  np.testing.assert_allclose(slopes, [-0.5, 0], atol=1e-6)


def test_class_loss_is_the_cross_entropy():
  logits = 3 * np.random.RandomState(0).normal(size=[6, 4])
  labels = [0, 3, 3, 1, 2, 0]
  loss = _run(lambda: losses.class_loss(tf.constant(logits), tf.constant(labels)))
  shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  np.testing.assert_allclose(loss, -np.mean([np.log(row[label]) for row, label in zip(shares, labels)]))


@pytest.mark.parametrize('shape', [(5, 4), (5, 3, 2, 1)])  # points and images
def test_each_sample_is_interpolated_with_its_own_weight(shape):
  real, fake = np.random.RandomState(0).normal(size=(2, *shape)).astype(np.float32)
  weights = np.array([0, 0.25, 0.5, 0.9, 1], np.float32)
  mixed = _run(lambda: losses.interpolate(tf.constant(real), tf.constant(fake), tf.constant(weights)))
  for i, weight in enumerate(weights):
    np.testing.assert_allclose(mixed[i], weight * real[i] + (1 - weight) * fake[i], atol=1e-6)
  assert np.array_equal(mixed[0], fake[0]) and np.array_equal(mixed[-1], real[-1])


def test_a_linear_critics_penalty_is_known_by_hand():
  def build():
    x = tf.constant(np.random.RandomState(0).normal(size=[6, 2, 2]).astype(np.float32))
    norms = losses.gradient_norms(tf.reduce_sum(3 * x, axis=[1, 2]), x)  # gradient 3 in 4 places: norm 6
    return [norms, losses.gradient_penalty(norms)]

  norms, penalty = _run(build)
  np.testing.assert_allclose(norms, [6.0] * 6, rtol=1e-6)
  np.testing.assert_allclose(penalty, 25.0, rtol=1e-6)


@pytest.mark.parametrize('shape', [(7, 3), (7, 2, 3, 2)])
def test_the_norm_is_one_per_sample_over_all_other_axes(shape):
  random = np.random.RandomState(1)
  x = random.normal(size=shape).astype(np.float32)
  weights = random.normal(size=shape[1:]).astype(np.float32)

  def build():
    inputs = tf.constant(x)
    scores = tf.reduce_sum(weights * tf.square(inputs) / 2, axis=list(range(1, x.ndim)))
    norms = losses.gradient_norms(scores, inputs)
    return [norms, losses.gradient_penalty(norms)]

  norms, penalty = _run(build)
  slow = slow_gradient_norms(weights, x)
  np.testing.assert_allclose(norms, slow, rtol=1e-5)
  np.testing.assert_allclose(penalty, np.mean([(n - 1) ** 2 for n in slow]), rtol=1e-5)


def test_the_one_sided_penalty_is_on_norms_above_one_alone():
  norms = [0.0, 0.5, 1.0, 1.5, 3.0]
  two_sided, one_sided = _run(
    lambda: [losses.gradient_penalty(tf.constant(norms), s) for s in ('two_sided', 'one_sided')]
  )
  np.testing.assert_allclose(one_sided, (0.5**2 + 2**2) / 5, rtol=1e-6)
  np.testing.assert_allclose(two_sided, (1 + 0.5**2 + 0.5**2 + 2**2) / 5, rtol=1e-6)


ACTIVATIONS = {'relu': tf.nn.relu, 'leaky_relu': layers.leaky_relu}


@pytest.mark.parametrize('name', sorted(ACTIVATIONS))
def test_the_penaltys_gradient_is_its_central_differences(name):
  """In float64, through two layers of `name`: leaving out the gradient of the masks changes nothing."""
  random = np.random.RandomState(0)
  start = [random.normal(size=shape) * shape[0] ** -0.5 for shape in ((3, 8), (8, 8), (8, 1))]
  directions = [random.normal(size=w.shape) for w in start]
  with tf.Graph().as_default() as graph, tf.Session() as session:
    weights = [tf.placeholder(tf.float64, w.shape) for w in start]
    x = tf.constant(random.normal(size=[5, 3]))
    y = x
    for w in weights[:-1]:
      y = ACTIVATIONS[name](tf.matmul(y, w))
    scores = tf.matmul(y, weights[-1])[:, 0]
    penalty = losses.gradient_penalty(losses.gradient_norms(scores, x))
    gradients = session.run(tf.gradients(penalty, weights), dict(zip(weights, start)))
    values = [
      session.run(penalty, {p: w + 1e-6 * sign * d for p, w, d in zip(weights, start, directions)}) for sign in (1, -1)
    ]
    assert any(op.type.endswith('ReluGrad') for op in graph.get_operations())
  slope = sum(np.sum(g * d) for g, d in zip(gradients, directions))
  assert abs(slope) > 0.01
  np.testing.assert_allclose((values[0] - values[1]) / 2e-6, slope, rtol=1e-6)


CRITICS = {
  'relu': (mlp.toy_critic, 'none', [2], 8),
  'leaky_relu': (networks.ARCHITECTURES['dcgan5'][1], 'none', [8, 8, 3], 4),
  'leaky_relu, layer norm': (networks.ARCHITECTURES['dcgan5'][1], 'layer', [8, 8, 3], 4),
  'relu, residual, layer norm': (resnet.critic, 'layer', [8, 8, 3], 4),
  'relu, text': (networks.ARCHITECTURES['text'][1], 'none', [6, 5], 4),
}


@pytest.mark.parametrize('name', sorted(CRITICS))
def test_the_penaltys_gradient_is_tensorflows_own(name):
  """TensorFlow's includes the gradients of the masks, which are zeros. Where ours has no path, None means zero."""
  critic, norm, shape, width = CRITICS[name]
  with tf.Graph().as_default() as graph, tf.Session() as session:
    tf.set_random_seed(0)
    x = tf.constant(np.random.RandomState(0).normal(size=[4] + shape).astype(np.float32))
    ours = losses.gradient_norms(critic(x, width=width, norm=norm), x)
    (slopes,) = tf.gradients(critic(x, width=width, norm=norm), [x])
    plain = tf.sqrt(tf.reduce_sum(tf.square(slopes), axis=list(range(1, x.shape.ndims))))
    variables = tf.trainable_variables()
    gradients = [tf.gradients(losses.gradient_penalty(norms), variables) for norms in (ours, plain)]
    pairs = [[tf.zeros_like(v) if g is None else g for g, v in zip(gs, variables)] for gs in gradients]
    session.run(tf.global_variables_initializer())
    norms, (ours, plain) = session.run([[ours, plain], pairs])
    masks = [op for op in graph.get_operations() if 'ReluGrad' in op.type]
    overridden = [op.get_attr('_gradient_op_type') for op in masks if '_gradient_op_type' in op.node_def.attr]
  assert overridden and all(b'GradOfConstantMask' in o for o in overridden)  # otherwise both are TensorFlow's
  np.testing.assert_allclose(norms[0], norms[1], rtol=1e-5)
  assert max(np.abs(g).max() for g in plain) > 1e-3
  for v, a, b in zip(variables, ours, plain):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * max(np.abs(g).max() for g in plain), err_msg=v.op.name)


def test_the_penalty_of_a_flat_critic_is_one_and_its_gradient_finite():
  def build():
    w = tf.get_variable('w', [3], initializer=tf.zeros_initializer(), use_resource=True)
    x = tf.ones([2, 3])
    penalty = losses.gradient_penalty(losses.gradient_norms(tf.reduce_sum(w * x, axis=1), x))
    return [penalty] + tf.gradients(penalty, [w])

  penalty, gradient = _run(build)
  np.testing.assert_allclose(penalty, 1.0, atol=1e-5)
  assert np.isfinite(gradient).all()


def test_clip_moves_only_what_is_out_of_bounds():
  start = np.array([-1, -0.1, -0.05, 0, 0.1, 0.11], np.float32)
  with tf.Graph().as_default(), tf.Session() as session:
    v = tf.get_variable('v', initializer=start, use_resource=True)
    clip = losses.clip([v], 0.1)
    session.run(tf.global_variables_initializer())
    session.run(clip)
    np.testing.assert_array_equal(session.run(v), np.clip(start, np.float32(-0.1), np.float32(0.1)))
