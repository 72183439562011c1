import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1.kernels import patches


def test_both_by_hand():
  """Three pixels, two taps, stride 2: two patches, the second with padding after the last pixel."""
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.constant([[[[1.0], [2.0], [3.0]]]])  # [1, 1, 3, 1]
    seen = patches.extract(x, tf.TensorShape([1, 2, 1, 1]), 2)
    assert session.run(seen).tolist() == [[1, 2], [3, 0]]
    # Two patches of three taps, stride 1: padded on both sides.
    p = tf.constant([[1.0, 20.0, 300.0], [4000.0, 5e4, 6e5]])
    assert session.run(patches.fold(p, [1, 2, 1], tf.TensorShape([1, 3, 1, 1]), 1)).ravel().tolist() == [4020, 50300]


@pytest.mark.parametrize(
  'height, width, size, stride', [(5, 4, 3, 2), (4, 4, 3, 1), (6, 3, 4, 2), (3, 3, 1, 1), (1, 5, 5, 1)]
)
def test_each_is_the_others_transpose_and_gradient(height, width, size, stride):
  """<extract(x), p> = <x, fold(p)>, and the gradient of each is the other."""
  shape = tf.TensorShape([min(size, height), size, 2, 7])
  random = np.random.RandomState(0)
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.constant(random.normal(size=[3, height, width, 2]))
    seen = patches.extract(x, shape, stride)
    p = tf.constant(random.normal(size=seen.shape.as_list()))
    back = patches.fold(p, [height, width, 2], shape, stride)
    products = session.run([tf.reduce_sum(seen * p), tf.reduce_sum(x * back)])
    np.testing.assert_allclose(*products)
    of_seen, of_back = tf.gradients(tf.reduce_sum(seen * p), x), tf.gradients(tf.reduce_sum(x * back), p)
    np.testing.assert_array_equal(*session.run([of_seen[0], back]))
    np.testing.assert_array_equal(*session.run([of_back[0], seen]))


def test_shifts_by_hand():
  """A filter of three taps in a row of four pixels: tap 0 reads the pixel on the left, tap 2 the one on the right."""
  with tf.Graph().as_default(), tf.Session() as session:
    maps = tf.constant([[[[1.0, 2, 3, 4]]], [[[10.0, 20, 30, 40]]], [[[100.0, 200, 300, 400]]]])  # [3, 1, 1, 4]
    assert session.run(patches.add_shifted(maps, (1, 3))).tolist() == [[[210, 321, 432, 43]]]
    assert session.run(patches.add_shifted(maps, (1, 3), True)).tolist() == [[[12, 123, 234, 340]]]
    seen = session.run(patches.shifted(maps[1], (1, 3)))
    assert seen[:, 0, 0].tolist() == [[20, 30, 40, 0], [10, 20, 30, 40], [0, 10, 20, 30]]


@pytest.mark.parametrize('transposed', [False, True])
@pytest.mark.parametrize('size', [(1, 1), (3, 3), (2, 5), (4, 3), (7, 1)])
def test_each_shift_is_the_others_transpose_and_gradient(size, transposed):
  random = np.random.RandomState(0)
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.constant(random.normal(size=[3, 4, 5]))
    seen = patches.shifted(x, size, transposed)
    maps = tf.constant(random.normal(size=[size[0] * size[1], 3, 4, 5]))
    added = patches.add_shifted(maps, size, transposed)
    assert seen.shape == maps.shape and added.shape == x.shape
    products = session.run([tf.reduce_sum(seen * maps), tf.reduce_sum(x * added)])
    np.testing.assert_allclose(*products)
    of_seen, of_added = tf.gradients(tf.reduce_sum(seen * maps), x), tf.gradients(tf.reduce_sum(x * added), maps)
    np.testing.assert_allclose(*session.run([of_seen[0], added]))  # constant folding changes the sum's order
    np.testing.assert_array_equal(*session.run([of_added[0], seen]))
