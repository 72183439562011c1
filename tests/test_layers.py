import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1 import layers


def _same_padding(size, kernel, stride):
  """TensorFlow's SAME: (output size, pixels of padding before the first)."""
  out = -(-size // stride)
  return out, max((out - 1) * stride + kernel - size, 0) // 2


def slow_conv2d(x, weights, biases, stride):
  n, height, width, _ = x.shape
  kernel = weights.shape[0]
  (out_h, top), (out_w, left) = _same_padding(height, kernel, stride), _same_padding(width, kernel, stride)
  y = np.zeros([n, out_h, out_w, weights.shape[3]])
  for i in range(out_h):
    for j in range(out_w):
      for a in range(kernel):
        for b in range(kernel):
          r, c = i * stride + a - top, j * stride + b - left
          if 0 <= r < height and 0 <= c < width:
            y[:, i, j] += x[:, r, c] @ weights[a, b]
  return y + biases


def slow_conv2d_transpose(x, weights, stride):
  """The adjoint of `slow_conv2d`: each input pixel adds its kernel where the convolution read it."""
  n, height, width, _ = x.shape
  kernel = weights.shape[0]
  _, top = _same_padding(height * stride, kernel, stride)
  _, left = _same_padding(width * stride, kernel, stride)
  y = np.zeros([n, height * stride, width * stride, weights.shape[2]])
  for i in range(height):
    for j in range(width):
      for a in range(kernel):
        for b in range(kernel):
          r, c = i * stride + a - top, j * stride + b - left
          if 0 <= r < y.shape[1] and 0 <= c < y.shape[2]:
            y[:, r, c] += x[:, i, j] @ weights[a, b].T
  return y


def _apply(layer, x):
  """Returns the layer's output and its variables, keyed by the last part of their names."""
  with tf.Graph().as_default(), tf.Session() as session:
    tf.set_random_seed(3)
    y = layer(tf.constant(x))
    session.run(tf.global_variables_initializer())
    return session.run([y, {v.op.name.split('/')[-1]: v for v in tf.trainable_variables()}])


def _random(*shape):
  return np.random.RandomState(0).normal(size=shape).astype(np.float32)


def test_dense():
  x = _random(3, 5)
  y, v = _apply(lambda x: layers.dense(x, 4, 'l'), x)
  np.testing.assert_allclose(y, x @ v['weights'] + v['biases'], rtol=1e-5, atol=1e-6)


def test_conv2d():
  for stride in (1, 2):
    x = _random(2, 6, 4, 3)
    y, v = _apply(lambda x, stride=stride: layers.conv2d(x, 5, 'l', stride=stride), x)
    np.testing.assert_allclose(y, slow_conv2d(x, v['weights'], v['biases'], stride), rtol=1e-4, atol=1e-5)


def test_conv2d_transpose():
  for stride in (1, 2):
    x = _random(2, 3, 4, 3)
    y, v = _apply(lambda x, stride=stride: layers.conv2d_transpose(x, 5, 'l', stride=stride), x)
    assert set(v) == {'weights'}
    np.testing.assert_allclose(y, slow_conv2d_transpose(x, v['weights'], stride), rtol=1e-4, atol=1e-5)


def test_variables_start_glorot_uniform_biases_too():
  _, v = _apply(lambda x: layers.conv2d(x, 300, 'l'), _random(1, 4, 4, 200))
  for name, bound in (('weights', (6 / (9 * 200 + 9 * 300)) ** 0.5), ('biases', (6 / (300 + 300)) ** 0.5)):
    assert 0.95 * bound < np.abs(v[name]).max() <= bound
    np.testing.assert_allclose(v[name].std(), bound / 3**0.5, rtol=0.1)


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
