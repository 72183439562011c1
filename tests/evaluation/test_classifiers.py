import hashlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.classifiers import WEIGHTS, look_alike
from tests.helpers.errors import user_error
from wgan_tf1.data import arrays
from wgan_tf1.evaluation import classifiers


def one_by_one(content, images):
  """Runs a look-alike on one image at a time, as published; returns (pooled [N, D], probabilities [N, C])."""
  graph_def = tf.GraphDef.FromString(content)
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(graph_def, name='')
    pooled = [session.run('pool_3:0', {'ExpandDims:0': image[None].astype(np.float32)}).ravel() for image in images]
  logits = np.float64(pooled) @ WEIGHTS
  exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
  return np.array(pooled), exponentials / exponentials.sum(axis=1, keepdims=True)


def write_graph(path, build):
  """Writes the graph that build() makes; returns its path."""
  with tf.Graph().as_default() as graph:
    build()
    graph_def = tf.train.export_meta_graph(graph=graph, strip_default_attrs=True).graph_def
  path.write_bytes(graph_def.SerializeToString())
  return str(path)


def pixels(*shape):
  return np.random.RandomState(2).randint(0, 256, shape).astype(np.uint8)


def test_inceptions_graph_gives_the_same_for_batches_as_for_single_images(inception_graph):
  images = pixels(7, 12, 12, 3)
  pooled, probabilities = one_by_one(inception_graph.read_bytes(), images)
  classifier = classifiers.load(str(inception_graph))
  assert (classifier.size, classifier.channels, classifier.dataset, classifier.test_accuracy) == (None, 3, None, None)
  assert classifier.checksum == hashlib.sha256(inception_graph.read_bytes()).hexdigest()
  found = classifiers.features(classifier, images, batch_size=3)  # the last batch is of one image
  assert found[0].dtype == found[1].dtype == np.float32 and np.ptp(pooled, axis=0).min() > 0.01
  np.testing.assert_allclose(found[0], pooled, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(found[1], probabilities, rtol=1e-4, atol=1e-5)


def test_grey_images_become_three_equal_channels_for_inception(inception_graph):
  classifier, grey = classifiers.load(str(inception_graph)), pixels(2, 12, 12, 1)
  for a, b in zip(classifiers.features(classifier, grey), classifiers.features(classifier, np.repeat(grey, 3, axis=3))):
    assert np.array_equal(a, b)


def identity_graph(path, size=4, channels=1, change=tf.identity):
  """Returns a classifier whose features are the pixels that it is given, so that a test can look at them."""

  def build():
    images = tf.placeholder(tf.uint8, [None, size, size, channels], 'images')
    flat = tf.cast(tf.reshape(images, [-1, size * size * channels]), tf.float32)
    tf.identity(change(flat), 'features')
    tf.nn.softmax(flat[:, :3], name='probabilities')

  return classifiers.load(write_graph(path, build))


def test_padding_is_cut_off(tmp_path):
  classifier, images = identity_graph(tmp_path / 'g.pb'), pixels(3, 4, 4, 1)
  for size in (4, 5, 8, 9):
    padded = arrays.fit(images, size, 1, 'pad')
    assert np.array_equal(classifiers.features(classifier, padded, unpadded=4)[0], images.reshape(3, 16))
  # The size without padding is that of the data set, not that of the classifier.
  twice = np.repeat(np.repeat(images // 255 * 255, 2, axis=1), 2, axis=2)
  a = classifiers.features(classifier, arrays.fit(twice, 12, 1, 'pad'), unpadded=8)[0]
  assert np.array_equal(a, classifiers.features(classifier, twice)[0])


def test_which_images_were_padded():
  sizes = {'mnist': 28, 'fashion_mnist': 28, 'cifar10': 32, 'digits': 28, 'folder': None, 'lsun': None}
  for name, size in sizes.items():
    assert classifiers.unpadded_size(name, 'pad') == size and classifiers.unpadded_size(name, 'resize') is None


def test_images_of_another_size_are_resized(tmp_path):
  classifier = identity_graph(tmp_path / 'g.pb')
  flat = np.repeat(np.arange(0, 250, 50, dtype=np.uint8), 64).reshape(5, 8, 8, 1)
  assert np.array_equal(classifiers.features(classifier, flat)[0], np.repeat(flat[:, :1, :1], 16).reshape(5, 16))
  corner = np.zeros([1, 8, 8, 1], np.uint8)
  corner[:, :2, :2] = 200  # the centre of 4x4 stays black
  assert classifiers.features(classifier, corner)[0][0, 0] > 100
  assert not classifiers.features(classifier, corner, unpadded=4)[0].any()
  enlarged, _ = classifiers.features(classifier, pixels(1, 2, 2, 1), unpadded=4)
  assert enlarged.shape == (1, 16)


def test_colours_are_made_grey(tmp_path):
  classifier = identity_graph(tmp_path / 'g.pb')
  red = np.zeros([1, 4, 4, 3], np.uint8)
  red[..., 0] = 255
  assert np.array_equal(classifiers.features(classifier, red)[0], np.full([1, 16], 76))  # 0.299 of 255


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_features_that_are_not_finite_are_counted(tmp_path, value):

  def change(x):
    return tf.where(tf.equal(x, 7), tf.fill(tf.shape(x), value), x)

  classifier, images = identity_graph(tmp_path / 'g.pb', change=change), np.zeros([5, 4, 4, 1], np.uint8)
  classifiers.features(classifier, images)
  images[[1, 4], 2, 2] = 7
  with user_error('features of 2 of 5 images are not finite', 'g.pb'):
    classifiers.features(classifier, images, batch_size=2)


def test_logits_are_not_accepted_as_probabilities(tmp_path):
  classifier = identity_graph(tmp_path / 'g.pb')._replace(probabilities_name='features:0')
  with user_error('features:0', 'rows sum to 1'):
    classifiers.features(classifier, pixels(2, 4, 4, 1))


def test_files_that_are_not_graphs_are_refused(tmp_path):
  with user_error('absent.pb cannot be read', 'No such file'):
    classifiers.load(str(tmp_path / 'absent.pb'))
  with user_error('cannot be read'):
    classifiers.load(str(tmp_path))
  unknown = tf.GraphDef()
  unknown.node.add(name='a', op='NoSuchOp')
  cut = look_alike()[:-200]
  for content in (b'', b'<html>not found</html>', b'\x80\x04pickle', unknown.SerializeToString(), cut):
    (tmp_path / 'wrong.pb').write_bytes(content)
    with user_error('wrong.pb is not a frozen graph'):
      classifiers.load(str(tmp_path / 'wrong.pb'))


def test_a_missing_tensor_is_named_with_the_existing_ones(tmp_path, inception_graph):
  def build():
    tf.nn.softmax(tf.placeholder(tf.float32, [None, 3], 'inputs'), name='outputs')

  path = write_graph(tmp_path / 'g.pb', build)
  with user_error('g.pb has no tensor ExpandDims:0', 'inputs:0', 'outputs:0'):
    classifiers.load(path)
  with user_error('no tensor pool_4', 'softmax:0'):
    classifiers.load(str(inception_graph), features_name='pool_4')
  with user_error('no tensor pool_3:1'):
    classifiers.load(str(inception_graph), features_name='pool_3:1')
  with user_error('square images'):
    classifiers.load(path, 'inputs', 'outputs', 'outputs')


def test_other_names_can_be_given(inception_graph):
  images = pixels(1, 9, 9, 3)
  classifier = classifiers.load(str(inception_graph), 'Mul', 'pool_3/_reshape:0', 'softmax')
  assert (classifier.size, classifier.input_dtype) == (9, 'float32')
  _, probabilities = classifiers.features(classifier, images)
  assert probabilities.shape == (1, 5) and probabilities[0, 0] > 0.9  # the bias is in the graph's own softmax
  with user_error('cannot be run on a batch'):
    classifiers.features(classifier, pixels(2, 9, 9, 3))


def test_a_wrong_checksum_is_refused(inception_graph):
  right = hashlib.sha256(inception_graph.read_bytes()).hexdigest()
  assert classifiers.load(str(inception_graph), checksum=right.upper()).checksum == right
  with user_error('has SHA-256 %s, expected %s' % (right, 'f' * 64)):
    classifiers.load(str(inception_graph), checksum='f' * 64)
