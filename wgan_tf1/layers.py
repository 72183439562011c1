"""Layers over tf.get_variable and tf.nn: the only place that makes a network's variables."""

import zlib

import tensorflow.compat.v1 as tf


def _variable(name, shape):
  """A float32 resource variable with get_variable's default initializer, Glorot uniform, for biases too.

  Its seed is drawn from the graph's seed and the variable's full name, so that a network starts from the
  same weights whatever is built beside it. A resource variable is read by an op of its own, which control
  dependencies can order; a reference variable's read is an alias.
  """
  full_name = tf.get_variable_scope().name + '/' + name
  initializer = tf.glorot_uniform_initializer(seed=zlib.crc32(full_name.encode()) & 0x7FFFFFFF)
  return tf.get_variable(name, shape, tf.float32, initializer, use_resource=True)


def dense(x, units, name):
  """Affine map: [N, D] -> [N, units]."""
  with tf.variable_scope(name):
    weights = _variable('weights', [int(x.shape[1]), units])
    return tf.nn.bias_add(tf.matmul(x, weights), _variable('biases', [units]))


def conv2d(x, filters, name, size=3, stride=2):
  """Convolution with bias, SAME padding: [N, H, W, C] -> [N, H / stride, W / stride, filters]."""
  with tf.variable_scope(name):
    weights = _variable('weights', [size, size, int(x.shape[3]), filters])
    y = tf.nn.conv2d(x, weights, strides=[1, stride, stride, 1], padding='SAME')
    return tf.nn.bias_add(y, _variable('biases', [filters]))


def conv2d_transpose(x, filters, name, size=3, stride=2):
  """Transposed convolution without bias, SAME padding: [N, H, W, C] -> [N, H * stride, W * stride, filters]."""
  with tf.variable_scope(name):
    height, width, channels = (int(d) for d in x.shape[1:])
    weights = _variable('weights', [size, size, filters, channels])
    shape = tf.stack([tf.shape(x)[0], height * stride, width * stride, filters])
    y = tf.nn.conv2d_transpose(x, weights, shape, strides=[1, stride, stride, 1], padding='SAME')
    y.set_shape([None, height * stride, width * stride, filters])
    return y
