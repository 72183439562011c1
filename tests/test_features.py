import contextlib
import hashlib
import io
import os
import tarfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from test_downloads import mirror  # noqa: F401

from wgan_tf1 import UserError
from wgan_tf1 import array_sets
from wgan_tf1 import features

WEIGHTS = np.random.RandomState(0).normal(size=[6, 5]).astype(np.float32)  # of the look-alike's logits


def look_alike():
  """A small graph with the Inception graph's tensors, its deprecated op and its batch fixed at 1; as bytes."""
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
  graph_def.versions.producer = 8  # the last with this op
  for node in graph_def.node:
    if node.name == 'conv/batchnorm':
      node.op = 'BatchNormWithGlobalNormalization'
      node.input.extend('s%d' % i for i in range(4))
      node.attr['variance_epsilon'].f = 1e-3
      node.attr['scale_after_normalization'].b = False
    if node.name == 'pool_3':
      node.attr['_output_shapes'].list.shape.add().CopyFrom(tf.TensorShape([1, 1, 1, 6]).as_proto())
  return graph_def.SerializeToString()


def one_by_one(content, images):
  """(pooled [N, D], probabilities [N, C]) of a look-alike, run as it was published: on one image at a time."""
  graph_def = tf.GraphDef.FromString(content)
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(graph_def, name='')
    pooled = [session.run('pool_3:0', {'ExpandDims:0': image[None].astype(np.float32)}).ravel() for image in images]
  logits = np.float64(pooled) @ WEIGHTS
  exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
  return np.array(pooled), exponentials / exponentials.sum(axis=1, keepdims=True)


@contextlib.contextmanager
def user_error(*words):
  with pytest.raises(UserError) as e:
    yield
  assert '\n' not in str(e.value)
  for word in words:
    assert word in str(e.value), str(e.value)


def write_graph(path, build):
  with tf.Graph().as_default() as graph:
    build()
    graph_def = tf.train.export_meta_graph(graph=graph, strip_default_attrs=True).graph_def
  path.write_bytes(graph_def.SerializeToString())
  return str(path)


def pixels(*shape):
  return np.random.RandomState(2).randint(0, 256, shape).astype(np.uint8)


@pytest.fixture(scope='module')
def inception(tmp_path_factory):
  path = tmp_path_factory.mktemp('graph') / 'classify_image_graph_def.pb'
  path.write_bytes(look_alike())
  return path


def test_inceptions_graph_takes_batches_and_gives_what_it_gives_for_single_images(inception):
  images = pixels(7, 12, 12, 3)
  pooled, probabilities = one_by_one(inception.read_bytes(), images)
  classifier = features.load(str(inception))
  assert (classifier.size, classifier.channels, classifier.dataset, classifier.test_accuracy) == (None, 3, None, None)
  assert classifier.checksum == hashlib.sha256(inception.read_bytes()).hexdigest()
  found = features.features(classifier, images, batch_size=3)  # the last batch is of one image
  assert found[0].dtype == found[1].dtype == np.float32 and np.ptp(pooled, axis=0).min() > 0.01
  np.testing.assert_allclose(found[0], pooled, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(found[1], probabilities, rtol=1e-4, atol=1e-5)


def test_grey_images_are_inceptions_in_three_equal_channels(inception):
  classifier, grey = features.load(str(inception)), pixels(2, 12, 12, 1)
  for a, b in zip(features.features(classifier, grey), features.features(classifier, np.repeat(grey, 3, axis=3))):
    assert np.array_equal(a, b)


def identity_graph(path, size=4, channels=1, **changes):
  """A graph whose features are the pixels it is given, so that they can be looked at."""

  def build():
    images = tf.placeholder(tf.uint8, [None, size, size, channels], 'images')
    flat = tf.cast(tf.reshape(images, [-1, size * size * channels]), tf.float32)
    tf.identity(changes.get('change', lambda x: x)(flat), 'features')
    tf.nn.softmax(flat[:, :3], name='probabilities')

  return features.load(write_graph(path, build))


def test_padded_images_are_cut_out_of_their_border(tmp_path):
  classifier, images = identity_graph(tmp_path / 'g.pb'), pixels(3, 4, 4, 1)
  for size in (4, 5, 8, 9):
    padded = array_sets.fit(images, size, 1, 'pad')
    assert np.array_equal(features.features(classifier, padded, unpadded=4)[0], images.reshape(3, 16))
  # Their own size is that of the data set, not of the classifier.
  twice = np.repeat(np.repeat(images // 255 * 255, 2, axis=1), 2, axis=2)
  a = features.features(classifier, array_sets.fit(twice, 12, 1, 'pad'), unpadded=8)[0]
  assert np.array_equal(a, features.features(classifier, twice)[0])


def test_which_images_were_padded():
  sizes = {'mnist': 28, 'fashion_mnist': 28, 'cifar10': 32, 'digits': None, 'folder': None, 'lsun': None}
  for name, size in sizes.items():
    assert features.unpadded_size(name, 'pad') == size and features.unpadded_size(name, 'resize') is None


def test_images_of_another_size_are_resized(tmp_path):
  classifier = identity_graph(tmp_path / 'g.pb')
  flat = np.repeat(np.arange(0, 250, 50, dtype=np.uint8), 64).reshape(5, 8, 8, 1)
  assert np.array_equal(features.features(classifier, flat)[0], np.repeat(flat[:, :1, :1], 16).reshape(5, 16))
  corner = np.zeros([1, 8, 8, 1], np.uint8)
  corner[:, :2, :2] = 200  # the centre alone is black
  assert features.features(classifier, corner)[0][0, 0] > 100
  assert not features.features(classifier, corner, unpadded=4)[0].any()
  assert features.features(classifier, pixels(1, 2, 2, 1), unpadded=4)[0].shape == (1, 16)  # smaller ones are enlarged


def test_colours_are_made_grey(tmp_path):
  classifier = identity_graph(tmp_path / 'g.pb')
  red = np.zeros([1, 4, 4, 3], np.uint8)
  red[..., 0] = 255
  assert np.array_equal(features.features(classifier, red)[0], np.full([1, 16], 76))  # 0.299 of 255


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_features_that_are_not_finite_are_counted(tmp_path, value):
  change = lambda x: tf.where(tf.equal(x, 7), tf.fill(tf.shape(x), value), x)
  classifier, images = identity_graph(tmp_path / 'g.pb', change=change), np.zeros([5, 4, 4, 1], np.uint8)
  features.features(classifier, images)
  images[[1, 4], 2, 2] = 7
  with user_error('features are not finite', '2 of 5', 'g.pb'):
    features.features(classifier, images, batch_size=2)


def test_logits_are_not_taken_for_probabilities(tmp_path):
  classifier = identity_graph(tmp_path / 'g.pb')._replace(probabilities_name='features:0')
  with user_error('features:0', 'rows sum to 1'):
    features.features(classifier, pixels(2, 4, 4, 1))


def test_what_is_not_a_graph_is_refused(tmp_path):
  with user_error('absent.pb cannot be read', 'No such file'):
    features.load(str(tmp_path / 'absent.pb'))
  with user_error('cannot be read'):
    features.load(str(tmp_path))
  unknown = tf.GraphDef()
  unknown.node.add(name='a', op='NoSuchOp')
  cut = look_alike()[:-200]
  for content in (b'', b'<html>not found</html>', b'\x80\x04pickle', unknown.SerializeToString(), cut):
    (tmp_path / 'wrong.pb').write_bytes(content)
    with user_error('wrong.pb is not a frozen graph'):
      features.load(str(tmp_path / 'wrong.pb'))


def test_a_missing_tensor_is_named_with_those_that_are_there(tmp_path, inception):
  def build():
    tf.nn.softmax(tf.placeholder(tf.float32, [None, 3], 'inputs'), name='outputs')

  path = write_graph(tmp_path / 'g.pb', build)
  with user_error('g.pb has no tensor ExpandDims:0', 'inputs:0', 'outputs:0'):
    features.load(path)
  with user_error('no tensor pool_4', 'softmax:0'):
    features.load(str(inception), features_name='pool_4')
  with user_error('no tensor pool_3:1'):
    features.load(str(inception), features_name='pool_3:1')
  with user_error('square images'):
    features.load(path, 'inputs', 'outputs', 'outputs')


def test_other_names_can_be_given(inception):
  images = pixels(1, 9, 9, 3)
  classifier = features.load(str(inception), 'Mul', 'pool_3/_reshape:0', 'softmax')
  assert (classifier.size, classifier.input_dtype) == (9, 'float32')
  _, probabilities = features.features(classifier, images)
  assert probabilities.shape == (1, 5) and probabilities[0, 0] > 0.9  # the bias is in the graph's own softmax
  with user_error('cannot be run on a batch'):
    features.features(classifier, pixels(2, 9, 9, 3))


def test_a_wrong_checksum_is_refused(inception):
  right = hashlib.sha256(inception.read_bytes()).hexdigest()
  assert features.load(str(inception), checksum=right.upper()).checksum == right
  with user_error(right, 'f' * 64):
    features.load(str(inception), checksum='f' * 64)


def archive(members):
  """Bytes of a .tgz; `members` are (name, content), or content None for a link to a file beside the archive."""
  content = io.BytesIO()
  with tarfile.open(fileobj=content, mode='w:gz') as tar:
    for name, part in members:
      info = tarfile.TarInfo(name)
      if part is None:
        info.type, info.linkname = tarfile.SYMTYPE, '../outside'
      else:
        info.size = len(part)
      tar.addfile(info, io.BytesIO(part or b''))
  return content.getvalue()


def test_inceptions_graph_is_downloaded_once_and_kept(tmp_path, mirror, inception, capsys):  # noqa: F811
  folder, url = mirror
  graph = inception.read_bytes()
  contents = {
    'cut.tgz': archive([(features.INCEPTION_FILE, graph)])[:-300], 'empty.tgz': archive([('LICENSE', b'')]),
    'wrong.pb': graph + b'x', 'page.html': b'<html>',
    'link.tgz': archive([(features.INCEPTION_FILE, None)]),
    'good.tgz': archive([('../../escaped', b'x'), ('/tmp/escaped', b'x'), ('./' + features.INCEPTION_FILE, graph)]),
  }  # fmt: skip
  for name, content in contents.items():
    (folder / name).write_bytes(content)
  urls = ['http://127.0.0.1:1/', url + 'absent.tgz', *(url + name for name in contents)]
  checksum, kept = hashlib.sha256(graph).hexdigest(), tmp_path / 'a' / 'kept'
  with user_error('cannot be downloaded', 'Connection refused', 'File not found', 'holds no classify_image', 'SHA-256'):
    features.inception(str(kept), checksum, urls[:-1])
  assert not kept.exists()
  classifier = features.inception(str(kept), checksum, urls)
  assert classifier.checksum == checksum and classifier.features_name == 'pool_3:0'
  assert os.listdir(str(kept)) == [features.INCEPTION_FILE] and os.listdir(str(tmp_path / 'a')) == ['kept']
  assert capsys.readouterr().out.count('downloading') == 2
  features.inception(str(kept), checksum, urls=[])
  (kept / features.INCEPTION_FILE).write_bytes(graph + b'x')
  with user_error('SHA-256'):
    features.inception(str(kept), checksum, urls=[])


def test_the_bare_graph_can_be_downloaded(tmp_path, mirror, inception):  # noqa: F811
  folder, url = mirror
  graph = inception.read_bytes()
  (folder / 'graph.pb').write_bytes(graph)
  classifier = features.inception(str(tmp_path), hashlib.sha256(graph).hexdigest(), [url + 'graph.pb'])
  assert classifier.name == 'classify_image_graph_def'
