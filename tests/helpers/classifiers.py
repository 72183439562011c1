"""A small stand-in for the Inception graph."""

import numpy as np
import tensorflow.compat.v1 as tf

WEIGHTS = np.random.RandomState(0).normal(size=[6, 5]).astype(np.float32)  # of the logits


def look_alike():
  """Returns the bytes of a small graph with the Inception graph's tensors, deprecated op and fixed batch of 1."""
  with tf.Graph().as_default() as graph:
    contents = tf.constant(b'', name='DecodeJpeg/contents')
    decoded = tf.image.decode_jpeg(contents, channels=3, name='DecodeJpeg')
    images = tf.expand_dims(tf.cast(decoded, tf.float32, name='Cast'), 0, name='ExpandDims')
    x = tf.image.resize_bilinear(images, [9, 9], name='ResizeBilinear')
    x = tf.multiply(tf.subtract(x, 128.0, name='Sub'), 1 / 128, name='Mul')
    kernel = tf.constant(np.random.RandomState(1).normal(size=[3, 3, 3, 6]), tf.float32)
    x = tf.identity(tf.nn.conv2d(x, kernel, [1, 1, 1, 1], 'VALID'), 'conv/batchnorm')
    mean, variance, beta, gamma = (
      tf.constant(np.full(6, v), tf.float32, name='s%d' % i) for i, v in enumerate([0.1, 2, 3, 4])
    )
    x = tf.nn.avg_pool(tf.nn.relu(x), [1, 7, 7, 1], [1, 1, 1, 1], 'VALID', name='pool_3')
    x = tf.reshape(x, [1, 6], name='pool_3/_reshape')
    x = tf.nn.bias_add(tf.matmul(x, tf.constant(WEIGHTS), name='softmax/logits/MatMul'), tf.constant([1e5, 0, 0, 0, 0]))
    tf.nn.softmax(x, name='softmax')
    graph_def = tf.train.export_meta_graph(graph=graph, strip_default_attrs=True).graph_def
  graph_def.versions.producer = 8  # the last version that has the op below
  for node in graph_def.node:
    if node.name == 'conv/batchnorm':
      node.op = 'BatchNormWithGlobalNormalization'
      node.input.extend('s%d' % i for i in range(4))
      node.attr['variance_epsilon'].f = 1e-3
      node.attr['scale_after_normalization'].b = False
    if node.name == 'pool_3':
      node.attr['_output_shapes'].list.shape.add().CopyFrom(tf.TensorShape([1, 1, 1, 6]).as_proto())
  return graph_def.SerializeToString()
