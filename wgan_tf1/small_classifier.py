"""A small classifier of a data set: trained in the style of everything here, tested, frozen and kept."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1 import array_sets
from wgan_tf1 import data
from wgan_tf1 import downloads
from wgan_tf1 import features
from wgan_tf1 import layers


class _Training(NamedTuple):
  size: int  # height and width of an image, in pixels
  channels: int
  steps: int  # updates


# Data set -> how its small classifier is trained.
TRAININGS = {
  'mnist': _Training(28, 1, 2400),
  'fashion_mnist': _Training(28, 1, 2400),
  'digits': _Training(28, 1, 600),
  'cifar10': _Training(32, 3, 2400),
}
_CLASSES = 10  # of each of them
_FEATURES = 64
_BATCH_SIZE = 128
_LEARNING_RATE = 2e-3
_DROPOUT = 0.5


def _network(images, keep=None):
  """The small classifier: two convolutions, each halved by its maxima, then a hidden layer, the features.

  The first convolution is over blocks of 2x2 pixels, which takes half the time of one over pixels.

  Args:
    images: uint8 [N, H, W, C].
    keep: float32 [N, D], what the hidden layer's input is multiplied by: dropout. None keeps all.

  Returns:
    (features, float32 [N, 64], not negative; logits, float32 [N, 10]).
  """
  x = tf.space_to_depth(tf.cast(images, tf.float32) / 255, 2)
  for i, filters in enumerate((32, 64)):
    x = tf.nn.relu(layers.conv2d(x, filters, 'conv%d' % i, stride=1, init='he'))
    x = tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], 'SAME')
  x = layers.flatten(x)
  x = tf.nn.relu(layers.dense(x if keep is None else x * keep(x), _FEATURES, 'hidden', init='he'))
  return x, layers.dense(x, _CLASSES, 'logits', init='glorot')


def _labelled_images(dataset_name, data_dir):
  """Returns the `array_sets.Arrays` that a small classifier is trained and tested on."""
  training = TRAININGS[dataset_name]
  try:
    if dataset_name == 'digits':
      arrays = array_sets.read_digits()
    elif dataset_name == 'cifar10':
      arrays = array_sets.read_cifar10(os.path.join(data_dir, dataset_name))
    else:
      arrays = array_sets.read_idx_set(dataset_name, os.path.join(data_dir, dataset_name), with_labels=True)
  except downloads.Missing as e:
    raise UserError('%s cannot be had (%s)' % (dataset_name, e.problem))
  fitted = [array_sets.fit(i, training.size, training.channels, 'enlarge') for i in (arrays.train, arrays.validation)]
  return array_sets.Arrays(*fitted, arrays.train_labels, arrays.validation_labels)


def _trained_weights(dataset_name, arrays, steps, seed):
  """Trains a small classifier by Adam, whose step size falls linearly to zero; returns {variable name: array}."""
  training = TRAININGS[dataset_name]
  with tf.Graph().as_default(), tf.Session() as session:
    tf.set_random_seed(seed)
    images = tf.placeholder(tf.uint8, [None, training.size, training.size, training.channels])
    labels = tf.placeholder(tf.int32, [None])
    step = tf.placeholder(tf.int32, [])

    def keep(x):
      kept = tf.random.stateless_uniform(tf.shape(x), tf.stack([seed, step])) >= _DROPOUT
      return tf.cast(kept, tf.float32) / (1 - _DROPOUT)

    _, logits = _network(images, keep)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    rate = _LEARNING_RATE * (1 - tf.cast(step, tf.float32) / steps)
    train = tf.train.AdamOptimizer(rate).minimize(loss)
    session.run(tf.global_variables_initializer())
    for i in range(steps):
      batch = data.batch_indices(len(arrays.train), _BATCH_SIZE, seed, i)
      feed = {images: arrays.train[batch], labels: arrays.train_labels[batch], step: i}
      _, value = session.run([train, loss], feed)
      if (i + 1) % 200 == 0 or i + 1 == steps:
        print('%s classifier: step %d of %d, loss %.4f' % (dataset_name, i + 1, steps, value), flush=True)
    variables = tf.trainable_variables()
    return dict(zip([v.op.name for v in variables], session.run(variables)))


def _frozen(dataset_name, weights, accuracy):
  """Returns the bytes of a GraphDef: the trained network with constants for variables.

  Attributes at their defaults are left out, so that a TensorFlow that does not know the newest of them can read it.
  """
  training = TRAININGS[dataset_name]
  with tf.Graph().as_default() as graph:
    images = tf.placeholder(tf.uint8, [None, training.size, training.size, training.channels], 'images')
    constant = lambda getter, name, *args, **kwargs: tf.constant(weights[name])
    with tf.variable_scope(tf.get_variable_scope(), custom_getter=constant):
      of_images, logits = _network(images)
    tf.identity(of_images, 'features')
    tf.nn.softmax(logits, name='probabilities')
    tf.constant(dataset_name, name='dataset')
    tf.constant(_CLASSES, name='classes')
    tf.constant(accuracy, tf.float32, name='test_accuracy')
    graph_def = tf.train.export_meta_graph(graph=graph, strip_default_attrs=True).graph_def
  return features.without_shapes(graph_def).SerializeToString(deterministic=True)


def cache_path(dataset_name, cache_dir=features.CACHE_DIR):
  """Returns where a data set's small classifier is kept."""
  return os.path.join(cache_dir, dataset_name + '-classifier.pb')


def cached(dataset_name, cache_dir=features.CACHE_DIR):
  """Returns the small classifier of a data set, or None if none has been trained.

  Raises:
    UserError: if the file is not one for this data set.
  """
  path = cache_path(dataset_name, cache_dir)
  if not os.path.exists(path):
    return None
  classifier = features.load(path, *features.SMALL_NAMES)
  if classifier.dataset != dataset_name:
    raise UserError(
      '%s is a classifier of %s: delete it, and train one of %s' % (path, classifier.dataset, dataset_name)
    )
  return classifier


def _cannot_write(path, error):
  return UserError('%s cannot be written (%s): name another file or folder' % (path, error.strerror or error))


def train(dataset_name, data_dir, path=None, steps=None, seed=0):
  """Trains, tests and freezes a small classifier.

  Adam (1412.6980), batches of 128, dropout (1207.0580) before the hidden layer, no augmentation; a function of the data
  and the seed. Images are 28x28 and grey: MNIST's and Fashion-MNIST's as published, scikit-learn's digits enlarged;
  CIFAR-10's 32x32 and RGB.

  Args:
    dataset_name: a key of `TRAININGS`.
    data_dir: directory of the data sets.
    path: .pb file to write, whole or not at all; None is `cache_path`'s.
    steps: updates; None is the data set's own number.
    seed: of the initial weights, the order and the dropout.

  Returns:
    A `features.Classifier`, as `features.load` reads it; its `test_accuracy` is of the whole held-out set.

  Raises:
    UserError: if there is no such classifier, the data cannot be had or the file cannot be written.
  """
  if dataset_name not in TRAININGS:
    raise UserError(
      'there is no small classifier of %s, but of %s: name a graph by --classifier_graph'
      % (dataset_name, ', '.join(TRAININGS))
    )
  path = path or cache_path(dataset_name)
  try:
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)  # to know before the training
  except OSError as e:
    raise _cannot_write(path, e)
  arrays = _labelled_images(dataset_name, data_dir)
  weights = _trained_weights(dataset_name, arrays, steps or TRAININGS[dataset_name].steps, seed)
  _, probabilities = features.features(features.parse(path, _frozen(dataset_name, weights, 0.0)), arrays.validation)
  accuracy = float(np.mean(probabilities.argmax(axis=1) == arrays.validation_labels))
  content = _frozen(dataset_name, weights, accuracy)
  try:
    downloads.write_file(path, content)
  except OSError as e:
    raise _cannot_write(path, e)
  return features.parse(path, content)
