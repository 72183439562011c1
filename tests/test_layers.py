import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.references import (
  randomize,
  slow_batch_norm,
  slow_conv1d,
  slow_conv2d,
  slow_conv2d_transpose,
  slow_downsample,
  slow_layer_norm,
  slow_upsample_bilinear,
  slow_upsample_nearest,
)
from wgan_tf1 import layers


def _apply(layer, x):
  """Returns the layer's output and its variables, all random, keyed by the last part of their names."""
  with tf.Graph().as_default(), tf.Session() as session:
    y = layer(tf.constant(x))
    variables = randomize(session)
    return session.run(y), {name.split('/')[-1]: value for name, value in variables.items()}


def _random(*shape):
  return np.random.RandomState(0).normal(size=shape).astype(np.float32)


def _biases(v, bias):
  assert set(v) == ({'weights', 'biases'} if bias else {'weights'})
  return v.get('biases', 0)


@pytest.mark.parametrize('bias', [True, False])
def test_dense(bias):
  x = _random(3, 5)
  y, v = _apply(lambda x: layers.dense(x, 4, 'l', bias=bias), x)
  np.testing.assert_allclose(y, x @ v['weights'] + _biases(v, bias), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('size', [1, 3, 4, 5, 7])
def test_conv2d(size, stride, bias):
  x = _random(2, 6, 4, 3)
  y, v = _apply(lambda x: layers.conv2d(x, 5, 'l', size=size, stride=stride, bias=bias), x)
  np.testing.assert_allclose(y, slow_conv2d(x, v['weights'], _biases(v, bias), stride), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('size', [3, 4, 5])
def test_conv2d_transpose(size, stride, bias):
  x = _random(2, 3, 4, 3)
  y, v = _apply(lambda x: layers.conv2d_transpose(x, 5, 'l', size=size, stride=stride, bias=bias), x)
  slow = slow_conv2d_transpose(x, v['weights'], stride) + _biases(v, bias)
  np.testing.assert_allclose(y, slow, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('size', [1, 5])
def test_conv1d(size):
  x = _random(2, 7, 3)
  y, v = _apply(lambda x: layers.conv1d(x, 4, 'l', size=size), x)
  np.testing.assert_allclose(y, slow_conv1d(x, v['weights'], v['biases']), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
  'layer, slow',
  [
    (layers.upsample_nearest, slow_upsample_nearest),
    (layers.upsample_bilinear, slow_upsample_bilinear),
    (layers.downsample, slow_downsample),
  ],
)
def test_resampling(layer, slow):
  x = _random(2, 6, 4, 3)
  y, v = _apply(layer, x)
  assert not v
  np.testing.assert_allclose(y, slow(x), rtol=1e-5, atol=1e-6)


SHAPES = [(6, 5), (4, 7, 3), (3, 4, 6, 2)]  # points, text, images


@pytest.mark.parametrize('training', [None, True])
@pytest.mark.parametrize('shape', SHAPES)
def test_batch_norm_by_the_statistics_of_the_batch(shape, training):
  x = 3 * _random(*shape) + 2
  y, v = _apply(lambda x: layers.batch_norm(x, 'l', training), x)
  assert set(v) == {'gamma', 'beta'} | ({'moving_mean', 'moving_variance'} if training else set())
  np.testing.assert_allclose(y, slow_batch_norm(x, v['gamma'], v['beta']), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('shape', SHAPES)
def test_batch_norm_by_the_moving_averages(shape):
  x = 3 * _random(*shape) + 2
  y, v = _apply(lambda x: layers.batch_norm(x, 'l', False), x)
  slow = slow_batch_norm(x, v['gamma'], v['beta'], v['moving_mean'], v['moving_variance'])
  np.testing.assert_allclose(y, slow, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('labelled', [False, True])
@pytest.mark.parametrize('shape', SHAPES)
def test_moving_averages_are_the_mean_of_ten_batches_and_then_keep_nine_tenths(shape, labelled):
  """The averages are of each batch's mean, and of its variance with n - 1 in the denominator."""
  batches = np.arange(1, 13).reshape(-1, *[1] * len(shape)) * np.random.RandomState(0).normal(size=(12, *shape)) + 2
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None, *shape[1:]])
    updates = tf.placeholder(tf.int64, [])
    with tf.variable_scope('', reuse=tf.AUTO_REUSE):
      labels = {'labels': tf.zeros([tf.shape(x)[0]], tf.int32), 'class_count': 2} if labelled else {}
      for training in (None, True, False):
        layers.batch_norm(x, 'l', training, **labels)
    update = layers.update_moving_averages(*layers.new_statistics(), updates)
    assert [v.op.name for v in tf.trainable_variables()] == ['l/gamma', 'l/beta']
    moving = [v for v in tf.global_variables() if 'moving' in v.op.name]
    session.run(tf.global_variables_initializer())
    rows = batches.reshape(12, -1, shape[-1])
    statistics = np.stack([rows.mean(1), rows.var(1, ddof=1)], 1)  # [12, 2, C]
    for i, batch in enumerate(batches, 1):
      session.run(update, {x: batch, updates: i})
      expected = statistics[: min(i, 10)].mean(0)
      for new in statistics[10:i]:
        expected = 0.9 * expected + 0.1 * new
      np.testing.assert_allclose(session.run(moving), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('training', [None, True, False])
@pytest.mark.parametrize('shape', SHAPES)
def test_conditional_batch_norm_has_a_gamma_and_beta_a_class(shape, training):
  x = 3 * _random(*shape) + 2
  labels = np.random.RandomState(1).randint(0, 3, shape[0])
  assert len(set(labels)) > 1
  y, v = _apply(lambda x: layers.batch_norm(x, 'l', training, tf.constant(labels, tf.int32), 3), x)
  assert v['gamma'].shape == v['beta'].shape == (3, shape[-1])
  averages = (v['moving_mean'], v['moving_variance']) if training is False else (None, None)
  plain = slow_batch_norm(x, np.ones(shape[-1]), np.zeros(shape[-1]), *averages)
  for row, expected, label in zip(y, plain, labels):
    np.testing.assert_allclose(row, expected * v['gamma'][label] + v['beta'][label], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('shape', SHAPES)
def test_layer_norm_is_of_each_sample(shape):
  x = 3 * _random(*shape) + 2
  y, v = _apply(lambda x: layers.layer_norm(x, 'l'), x)
  assert {name: value.shape for name, value in v.items()} == {'gamma': shape[-1:], 'beta': shape[-1:]}
  np.testing.assert_allclose(y, slow_layer_norm(x, v['gamma'], v['beta']), rtol=1e-4, atol=1e-5)


def test_norms_are_chosen_by_name():
  x = _random(4, 3, 2)
  for norm, slow in (('batch', slow_batch_norm), ('layer', slow_layer_norm)):
    y, v = _apply(lambda x, norm=norm: layers.normalize(x, norm, 'l'), x)
    np.testing.assert_allclose(y, slow(x, v['gamma'], v['beta']), rtol=1e-4, atol=1e-5)
  y, v = _apply(lambda x: layers.normalize(x, 'none', 'l'), x)
  assert not v and np.array_equal(y, x)


def _initial(layer, *shape):
  """Returns the initial values of a layer's variables, keyed by the last part of their names."""
  with tf.Graph().as_default(), tf.Session() as session:
    tf.set_random_seed(3)
    layer(tf.zeros(shape))
    session.run(tf.global_variables_initializer())
    return session.run({v.op.name.split('/')[-1]: v for v in tf.trainable_variables()})


def _assert_uniform(values, bound):
  """Checks that values reach the bound on both sides, and have the standard deviation of a uniform distribution."""
  assert -bound <= values.min() < -0.97 * bound and 0.97 * bound < values.max() <= bound
  np.testing.assert_allclose(values.std(), bound / 3**0.5, rtol=0.02)


# Layer, input shape, number of inputs of one output, number of outputs of one input.
FANS = {
  'dense': (lambda init: lambda x: layers.dense(x, 300, 'l', init), [1, 200], 200, 300),
  'conv2d': (lambda init: lambda x: layers.conv2d(x, 80, 'l', 3, 1, init), [1, 4, 4, 60], 9 * 60, 9 * 80),
  'conv2d stride 2': (lambda init: lambda x: layers.conv2d(x, 80, 'l', 4, 2, init), [1, 4, 4, 60], 16 * 60, 4 * 80),
  'conv2d_transpose stride 2': (
    lambda init: lambda x: layers.conv2d_transpose(x, 80, 'l', 4, 2, init, bias=True),
    [1, 4, 4, 60], 4 * 60, 16 * 80,
  ),
  'conv1d': (lambda init: lambda x: layers.conv1d(x, 80, 'l', 5, init), [1, 4, 60], 5 * 60, 5 * 80),
}  # fmt: skip


@pytest.mark.parametrize('name', sorted(FANS))
def test_initial_weights_are_as_wide_as_their_initializer_says(name):
  make, shape, fan_in, fan_out = FANS[name]
  for init, bound in (('he', (3 * 4 / (fan_in + fan_out)) ** 0.5), ('he_in', (3 * 2 / fan_in) ** 0.5)):
    v = _initial(make(init), *shape)
    _assert_uniform(v['weights'], bound)
    assert not v['biases'].any()
  v = _initial(make('normal'), *shape)
  assert abs(v['weights'].mean()) < 0.001
  np.testing.assert_allclose(v['weights'].std(), 0.02, rtol=0.02)
  assert np.abs(v['weights']).max() > 0.06  # the distribution is not truncated
  assert not v['biases'].any()


@pytest.mark.parametrize('name', ['dense', 'conv2d', 'conv1d'])
def test_glorot_is_uniform(name):
  make, shape, fan_in, fan_out = FANS[name]
  v = _initial(make('glorot'), *shape)
  _assert_uniform(v['weights'], (6 / (fan_in + fan_out)) ** 0.5)
  assert not v['biases'].any()


def test_variables_start_glorot_uniform_biases_too():
  """This is get_variable's default, which the MNIST post uses."""
  v = _initial(lambda x: layers.conv2d(x, 3000, 'l'), 1, 4, 4, 20)
  _assert_uniform(v['weights'], (6 / (9 * 20 + 9 * 3000)) ** 0.5)
  _assert_uniform(v['biases'], (6 / (3000 + 3000)) ** 0.5)


@pytest.mark.parametrize('layer', [layers.batch_norm, layers.layer_norm])
def test_norms_start_with_gamma_one_and_beta_zero(layer):
  v = _initial(lambda x: layer(x, 'l'), 2, 4, 4, 3)
  assert v['gamma'].tolist() == [1, 1, 1] and v['beta'].tolist() == [0, 0, 0]


def _initial_weights(seed, names):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.set_random_seed(seed)
    for name in names:
      layers.dense(tf.ones([1, 3]), 4, name)
    session.run(tf.global_variables_initializer())
    return session.run({v.op.name: v for v in tf.trainable_variables()})


def test_initial_weights_depend_on_seed_and_name_and_not_on_what_is_built_before():
  first, again, other = (_initial_weights(*a) for a in ((0, ['a', 'b']), (0, ['c', 'b']), (1, ['b'])))
  np.testing.assert_array_equal(first['b/weights'], again['b/weights'])
  assert not np.array_equal(first['b/weights'], other['b/weights'])
  assert not np.array_equal(first['a/weights'], first['b/weights'])
