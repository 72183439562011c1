import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.references import SlowOptimizer
from wgan_tf1 import inputs, optimizers


@pytest.mark.parametrize('optimizer', ['rmsprop', 'rmsprop_torch', 'adam'])
def test_optimizers_follow_their_equations(tiny, optimizer):
  config = tiny(optimizer=optimizer)
  random = np.random.RandomState(0)
  start, gradients = random.normal(size=7), random.normal(size=[6, 7]) * 10.0 ** random.randint(-4, 1, [6, 1])
  with tf.Graph().as_default(), tf.Session() as session:
    v = tf.get_variable('v', initializer=start.astype(np.float32), use_resource=True)
    gradient = tf.placeholder(tf.float32, [7])
    update = optimizers.make(config, 0.01).apply_gradients([(gradient, v)])
    session.run(tf.global_variables_initializer())
    slow, w = SlowOptimizer(config, 0.01, 7), start
    for g in gradients:
      session.run(update, {gradient: g})
      w = slow.step(w, g)
      np.testing.assert_allclose(session.run(v), w, rtol=1e-5, atol=1e-6)


def test_a_learning_rate_falls_on_a_line_to_zero():
  with tf.Graph().as_default(), tf.Session() as session:
    global_step = inputs.step_counter('global_step')
    rates = [optimizers.decayed(0.02, 10, global_step, of_generator) for of_generator in (False, True)]
    found = []
    for step in (0, 1, 4, 9, 10, 11):
      global_step.load(step, session)
      found.append(session.run(rates))
    of_critic, of_generator = [0.02, 0.018, 0.012, 0.002, 0, 0], [0.018, 0.016, 0.01, 0, 0, 0]
    np.testing.assert_allclose(found, np.transpose([of_critic, of_generator]), atol=1e-8)
    assert optimizers.decayed(0.02, 0, global_step) == 0.02
