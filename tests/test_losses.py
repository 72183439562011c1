import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1 import losses


def _run(build):
  """Builds in a new graph and returns the value of what `build` returns."""
  with tf.Graph().as_default(), tf.Session() as session:
    fetches = build()
    session.run(tf.global_variables_initializer())
    return session.run(fetches)


def _slow_gradient_norms(weights, rows):
  """Norm of the gradient of f(x) = sum over i of weights_i * x_i^2 / 2, which is weights * x."""
  norms = []
  for row in rows:
    total = 0.0
    for w, x in zip(weights.ravel(), row.ravel()):
      total += (w * x) ** 2
    norms.append(total**0.5)
  return norms


def test_wasserstein_losses_are_the_papers():
  real, fake = [3.0, 5.0], [1.0, 2.0, 6.0]
  estimate, loss = _run(
    lambda: [
      losses.wasserstein_estimate(tf.constant(real), tf.constant(fake)),
      losses.generator_loss(tf.constant(fake)),
    ]
  )
  assert (estimate, loss) == (4.0 - 3.0, -3.0)


def test_each_sample_is_interpolated_with_its_own_weight():
  random = np.random.RandomState(0)
  for shape in ((5, 4), (5, 3, 2, 1)):  # points and images
    real, fake = random.normal(size=(2,) + shape).astype(np.float32)
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


def test_the_norm_is_one_per_sample_over_all_other_axes():
  random = np.random.RandomState(1)
  for shape in ((7, 3), (7, 2, 3, 2)):
    x = random.normal(size=shape).astype(np.float32)
    weights = random.normal(size=shape[1:]).astype(np.float32)

    def build(x=x, weights=weights):
      inputs = tf.constant(x)
      scores = tf.reduce_sum(weights * tf.square(inputs) / 2, axis=list(range(1, x.ndim)))
      norms = losses.gradient_norms(scores, inputs)
      return [norms, losses.gradient_penalty(norms)]

    norms, penalty = _run(build)
    slow = _slow_gradient_norms(weights, x)
    np.testing.assert_allclose(norms, slow, rtol=1e-5)
    np.testing.assert_allclose(penalty, np.mean([(n - 1) ** 2 for n in slow]), rtol=1e-5)


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
