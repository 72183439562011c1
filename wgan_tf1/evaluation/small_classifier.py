"""A small classifier of a data set: trained, tested, and saved as a frozen graph."""

import os
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1 import files, layers
from wgan_tf1.data import arrays, batches, downloads
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import classifiers
from wgan_tf1.progress import progress


class _Training(NamedTuple):
  size: int  # height and width of an image, in pixels
  channels: int
  steps: int  # updates


# Data set -> the images and the number of updates that its small classifier is trained with.
TRAININGS = {
  'mnist': _Training(28, 1, 2400),
  'fashion_mnist': _Training(28, 1, 2400),
  'digits': _Training(28, 1, 600),
  'cifar10': _Training(32, 3, 2400),
}
_CLASSES = 10  # of each of these data sets
_FEATURES = 64
_BATCH_SIZE = 128
_LEARNING_RATE = 2e-3
_DROPOUT = 0.5


def _network(images: Any, keep: Optional[Callable[[Any], Any]] = None) -> Tuple[Any, Any]:
  """The small classifier: two convolutions, each max-pooled to half the size, then a hidden layer, the features.

  The first convolution is over blocks of 2x2 pixels, which takes half the time of a convolution over pixels.

  Args:
    images: uint8 [N, H, W, C].
    keep: for dropout, a function that takes the hidden layer's input, float32 [N, D], and returns float32 [N, D] to
      multiply it by. None keeps everything.

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


def _labelled_images(dataset_name: str, data_dir: str) -> arrays.Arrays:
  """Returns the `arrays.Arrays` that a small classifier is trained and tested on."""
  training = TRAININGS[dataset_name]
  try:
    if dataset_name == 'digits':
      loaded = arrays.read_digits()
    elif dataset_name == 'cifar10':
      loaded = arrays.read_cifar10(os.path.join(data_dir, dataset_name))
    else:
      loaded = arrays.read_idx_set(dataset_name, os.path.join(data_dir, dataset_name), with_labels=True)
  except downloads.Missing as e:
    raise UserError('%s. Put the files of %s there to train a classifier' % (e.problem, dataset_name)) from e
  return loaded._replace(
    train=arrays.fit(loaded.train, training.size, training.channels, 'stretch'),
    validation=arrays.fit(loaded.validation, training.size, training.channels, 'stretch'),
  )


def _trained_weights(dataset_name: str, loaded: arrays.Arrays, steps: int, seed: int) -> Dict[str, np.ndarray]:
  """Trains a small classifier by Adam, whose step size falls linearly to zero; returns {variable name: array}."""
  training = TRAININGS[dataset_name]
  assert loaded.train_labels is not None
  options = tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True))  # a training run may have the rest
  with tf.Graph().as_default(), tf.Session(config=options) as session:
    tf.set_random_seed(seed)
    images = tf.placeholder(tf.uint8, [None, training.size, training.size, training.channels])
    labels = tf.placeholder(tf.int32, [None])
    step = tf.placeholder(tf.int32, [])

    def keep(x: Any) -> Any:
      kept = tf.random.stateless_uniform(tf.shape(x), tf.stack([seed, step])) >= _DROPOUT
      return tf.cast(kept, tf.float32) / (1 - _DROPOUT)

    _, logits = _network(images, keep)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    rate = _LEARNING_RATE * (1 - tf.cast(step, tf.float32) / steps)
    train = tf.train.AdamOptimizer(rate).minimize(loss)
    session.run(tf.global_variables_initializer())
    with progress('training a classifier of %s' % dataset_name, steps, 'steps') as advance:
      for i in range(steps):
        batch = batches.batch_indices(len(loaded.train), _BATCH_SIZE, seed, i)
        session.run(train, {images: loaded.train[batch], labels: loaded.train_labels[batch], step: i})
        advance(1)
    variables = tf.trainable_variables()
    return dict(zip([v.op.name for v in variables], session.run(variables)))


def _frozen(dataset_name: str, weights: Dict[str, np.ndarray], accuracy: float) -> bytes:
  """Returns the bytes of a GraphDef: the trained network with constants for variables.

  Attributes at their defaults are left out, so that an older TensorFlow, which lacks the newest of them, can read it.
  """
  training = TRAININGS[dataset_name]
  with tf.Graph().as_default() as graph:
    images = tf.placeholder(tf.uint8, [None, training.size, training.size, training.channels], 'images')

    def constant(getter: Any, name: str, *args: Any, **kwargs: Any) -> Any:
      return tf.constant(weights[name])

    with tf.variable_scope(tf.get_variable_scope(), custom_getter=constant):
      of_images, logits = _network(images)
    tf.identity(of_images, 'features')
    tf.nn.softmax(logits, name='probabilities')
    tf.constant(dataset_name, name='dataset')
    tf.constant(_CLASSES, name='classes')
    tf.constant(accuracy, tf.float32, name='test_accuracy')
    graph_def = tf.train.export_meta_graph(graph=graph, strip_default_attrs=True).graph_def
  return classifiers.without_shapes(graph_def).SerializeToString(deterministic=True)


def cache_path(dataset_name: str, cache_dir: str = classifiers.CACHE_DIR) -> str:
  """Returns the path of a data set's small classifier."""
  return os.path.join(cache_dir, dataset_name + '-classifier.pb')


def cached(dataset_name: str, cache_dir: str = classifiers.CACHE_DIR) -> Optional[classifiers.Classifier]:
  """Returns the small classifier of a data set, or None if none has been trained.

  Raises:
    UserError: if the file is not a classifier of this data set.
  """
  path = cache_path(dataset_name, cache_dir)
  if not os.path.exists(path):
    return None
  classifier = classifiers.load(path, *classifiers.SMALL_NAMES)
  if classifier.dataset != dataset_name:
    raise UserError(
      '%s is a classifier of %s. Delete it, and train a classifier of %s' % (path, classifier.dataset, dataset_name)
    )
  return classifier


def train(
  dataset_name: str, data_dir: str, path: Optional[str] = None, steps: Optional[int] = None, seed: int = 0
) -> classifiers.Classifier:
  """Trains, tests and freezes a small classifier.

  Adam (1412.6980), batches of 128, dropout (1207.0580) before the hidden layer, no augmentation: a function of the data
  and the seed. Images are 28x28 and grey: MNIST's and Fashion-MNIST's as published, scikit-learn's digits as
  `arrays.read_digits` draws them. CIFAR-10's are 32x32 and RGB.

  Args:
    dataset_name: a key of `TRAININGS`.
    data_dir: directory of the data sets.
    path: .pb file to write; None is `cache_path`'s.
    steps: number of updates; None is the data set's own.
    seed: of the initial weights, the order of the images and the dropout.

  Returns:
    The classifier as `classifiers.load` reads it; its `test_accuracy` is of the whole held-out set.

  Raises:
    UserError: if there is no such classifier, the data cannot be loaded or the file cannot be written.
  """
  if dataset_name not in TRAININGS:
    raise UserError(
      'there is no small classifier of %s, only of %s. Name a graph with --classifier_graph'
      % (dataset_name, ', '.join(TRAININGS))
    )
  path = path or cache_path(dataset_name)
  writing = '%s cannot be written' % path, 'Name another file or folder'
  with files.user_errors(*writing):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)  # to fail before the training
  loaded = _labelled_images(dataset_name, data_dir)
  weights = _trained_weights(dataset_name, loaded, steps or TRAININGS[dataset_name].steps, seed)
  untested = classifiers.parse(path, _frozen(dataset_name, weights, accuracy=0.0))
  _, probabilities = classifiers.features(untested, loaded.validation)
  accuracy = float(np.mean(probabilities.argmax(axis=1) == loaded.validation_labels))
  content = _frozen(dataset_name, weights, accuracy)
  with files.user_errors(*writing):
    files.write_file(path, content)
  return classifiers.parse(path, content)
