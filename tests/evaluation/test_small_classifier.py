import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.errors import user_error
from wgan_tf1.data import arrays
from wgan_tf1.evaluation import classifiers, small_classifier


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  path = tmp_path_factory.mktemp('trained') / 'digits-classifier.pb'
  return path, small_classifier.train('digits', 'nowhere', str(path), steps=40)


def test_a_classifier_is_trained_frozen_and_saved(trained):
  path, classifier = trained
  assert os.listdir(str(path.parent)) == [path.name]
  found = small_classifier.cached('digits', str(path.parent))
  assert found._replace(graph_def=None) == classifier._replace(graph_def=None)
  assert (found.dataset, found.size, found.channels, found.input_dtype) == ('digits', 28, 1, 'uint8')
  assert not [node for node in found.graph_def.node if 'Variable' in node.op or 'Handle' in node.op]
  digits = arrays.read_digits()
  values, probabilities = classifiers.features(found, digits.validation)
  assert values.shape == (297, 64) and probabilities.shape == (297, 10) and values.min() == 0
  np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
  right = np.mean(probabilities.argmax(axis=1) == digits.validation_labels)
  assert found.test_accuracy == np.float32(right) and right > 0.7


def test_training_is_a_function_of_the_seed_and_prints_no_results(tmp_path, capsys):
  paths = [str(tmp_path / name) for name in 'abc']
  checksums = [
    small_classifier.train('digits', 'nowhere', path, steps=2, seed=seed).checksum
    for path, seed in zip(paths, (0, 0, 1))
  ]
  assert checksums[0] == checksums[1] != checksums[2]
  assert capsys.readouterr().out == ''


def test_a_frozen_classifier_has_no_attribute_that_an_older_tensorflow_lacks(trained):
  path, _ = trained
  graph_def = tf.GraphDef.FromString(path.read_bytes())
  known = {
    'Conv2D': {'T', 'strides', 'padding'},
    'MatMul': {'T'},
    'MaxPool': {'T', 'ksize', 'strides', 'padding'},
    'Placeholder': {'dtype', 'shape'},
    'Const': {'dtype', 'value'},
  }
  seen = set()
  for node in graph_def.node:
    if node.op in known:
      seen.add(node.op)
      assert set(node.attr) <= known[node.op], node.name
  assert seen == set(known)
  assert graph_def.versions.min_consumer <= 134  # TensorFlow 1.15's own version


def test_a_classifier_that_cannot_be_trained(tmp_path, monkeypatch):
  with user_error('no small classifier of lsun', 'mnist', '--classifier_graph'):
    small_classifier.train('lsun', str(tmp_path))
  monkeypatch.setattr(arrays, 'MIRRORS', {'mnist': ['http://127.0.0.1:1/']})
  with user_error('MNIST is not in', 'Put the files of mnist there'):
    small_classifier.train('mnist', str(tmp_path))
  (tmp_path / 'file').write_bytes(b'')
  with user_error('cannot be written'):
    small_classifier.train('digits', str(tmp_path), str(tmp_path / 'file' / 'x.pb'), steps=1)


def test_a_failed_write_leaves_the_old_classifier(trained, monkeypatch):
  path, classifier = trained

  def fail(*args):
    raise OSError('disk')

  monkeypatch.setattr(os, 'replace', fail)
  with user_error('cannot be written', 'disk'):
    small_classifier.train('digits', 'nowhere', str(path), steps=1)
  monkeypatch.undo()
  assert small_classifier.cached('digits', str(path.parent)).checksum == classifier.checksum


def test_a_cached_classifier_is_of_its_data_set(trained, inception_graph, tmp_path):
  path, _ = trained
  assert small_classifier.cached('mnist', str(tmp_path)) is None
  (tmp_path / 'mnist-classifier.pb').write_bytes(path.read_bytes())
  with user_error('is a classifier of digits', 'train a classifier of mnist'):
    small_classifier.cached('mnist', str(tmp_path))
  (tmp_path / 'mnist-classifier.pb').write_bytes(inception_graph.read_bytes())
  with user_error('no tensor images:0'):
    small_classifier.cached('mnist', str(tmp_path))
