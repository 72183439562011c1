"""Frozen classifier graphs: features and class probabilities of images.

A frozen graph is a GraphDef whose weights are constants, in one .pb file; nothing is unpickled. But a graph is a
program that TensorFlow runs: name only those that you trust, or give the checksum of one that you know.

Two kinds are known by their tensors. The 2015 Inception graph, of the published inception scores and Frechet distances,
takes images 0..255 of any size, which it resizes to 299x299 itself. The small ones, which `small_classifier` makes, are
for data sets on which Inception says little.
"""

import hashlib
import http.client
import io
import os
import re
import tarfile
import urllib.parse
import urllib.request
import zlib
from typing import Any
from typing import NamedTuple
from typing import Optional

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError

from wgan_tf1 import UserError
from wgan_tf1 import array_sets
from wgan_tf1 import downloads

# Tensors: the input, the features, and the probabilities or the logits' matrix product; see `load`.
SMALL_NAMES = ('images:0', 'features:0', 'probabilities:0')
INCEPTION_NAMES = ('ExpandDims:0', 'pool_3:0', 'softmax/logits/MatMul:0')

INCEPTION_FILE = 'classify_image_graph_def.pb'
# Of the unpacked file. Its publisher gives no checksum. This is the one that several public projects pin for the copy
# at the second address, whose 95,673,916 bytes are as many as the archive's member has; no copy was at hand to check.
INCEPTION_SHA256 = '009d6814d1bc560d4e7b236e170e9b2d5ca6f4b57bd8037f6db05776204415c6'
INCEPTION_URLS = (
  'http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz',
  'https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches/classify_image_graph_def.pb',
)
_LARGEST_BYTES = 2**29  # that an archive may unpack to

CACHE_DIR = 'classifiers'  # in the working directory: the data's own may be read-only


class Classifier(NamedTuple):
  """A frozen graph, and what there is to know of it."""

  name: str  # of its file, without .pb
  checksum: str  # SHA-256 of the file, in hexadecimal
  graph_def: Any  # tf.GraphDef
  input_name: str  # tensors, as `load` has them
  features_name: str
  probabilities_name: str
  input_dtype: str  # 'uint8', or a float type; either way pixels are 0..255
  size: Optional[int]  # height and width of the images that it takes, in pixels; None if any
  channels: int  # 1 or 3
  dataset: Optional[str]  # a small classifier's data set, else None
  test_accuracy: Optional[float]  # a small classifier's share of right answers on the held-out images, else None


def _first_line(error):
  return str(error).strip().split('\n')[0]


def _read(path, checksum):
  """Returns the bytes of a file, checked."""
  try:
    with open(path, 'rb') as f:
      content = f.read()
  except OSError as e:
    raise UserError('%s cannot be read (%s): name the .pb file of a frozen graph' % (path, e.strerror or e))
  found = hashlib.sha256(content).hexdigest()
  if checksum is not None and found != checksum.lower():
    raise UserError(
      '%s is not the graph that is wanted: its SHA-256 is %s, not %s; get the right file, or correct the checksum'
      % (path, found, checksum)
    )
  return content


def without_shapes(graph_def):
  """Drops the inferred shapes that some graphs have kept: they would fix again the batch that `_attach` sets free."""
  for node in graph_def.node:
    node.attr.pop('_output_shapes', None)
  return graph_def


def _constant(nodes, name):
  """Returns the value of a constant of a frozen graph, or None."""
  node = nodes.get(name)
  return tf.make_ndarray(node.attr['value'].tensor) if node is not None and node.op == 'Const' else None


def _what_is_there(graph):
  """Says which tensors of a graph are likely to be meant: its inputs, and what nothing else uses."""
  ops = graph.get_operations()
  inputs = [op.outputs[0].name for op in ops if op.type.startswith('Placeholder')]
  ends = [op.outputs[0].name for op in ops if op.outputs and not any(t.consumers() for t in op.outputs)]
  names = list(dict.fromkeys(inputs + ends[::-1]))
  return ', '.join(names[:10]) + (', ...' if len(names) > 10 else '')


def load(path, input_name=None, features_name=None, probabilities_name=None, checksum=None):
  """Reads a frozen graph.

  Args:
    path: a .pb file, of a binary GraphDef.
    input_name: tensor to feed: images of 0..255, [N, H, H, 1 or 3], uint8 or float. None is that of `SMALL_NAMES` if
      the graph has all three of these, and else that of `INCEPTION_NAMES`; likewise the next two.
    features_name: tensor [N, ...], of any shape after the first axis.
    probabilities_name: tensor [N, C]. If a matrix product makes it, only the weights, its second factor, are taken,
      and the probabilities are the softmax of features times weights. So it is with Inception: its own softmax is for
      a single image, and the published scores' code (improved-gan) leaves out the bias as well.
    checksum: the file's SHA-256 in hexadecimal; None accepts any.

  Returns:
    A `Classifier`.

  Raises:
    UserError: if the file cannot be read, is not a graph, has another checksum or lacks a tensor, or if its images are
      not square, or neither grey nor RGB.
  """
  content = _read(path, checksum)
  return parse(path, content, (input_name, features_name, probabilities_name))


def parse(path, content, given_names=(None, None, None)):
  """Returns the `Classifier` of the bytes of a file `path`, its tensors' names given or None; see `load`."""
  graph_def = tf.GraphDef()
  graph = tf.Graph()
  try:
    graph_def.ParseFromString(content)
    if not graph_def.node:
      raise ValueError('no nodes')
    with graph.as_default():
      tf.import_graph_def(without_shapes(graph_def), name='')
  except (DecodeError, ValueError, TypeError, tf.errors.OpError) as e:
    raise UserError('%s is not a frozen graph that this TensorFlow can read (%s)' % (path, _first_line(e)))
  nodes = {node.name: node for node in graph_def.node}
  is_small = all(name.split(':')[0] in nodes for name in SMALL_NAMES)
  tensors = []
  for given, usual in zip(given_names, SMALL_NAMES if is_small else INCEPTION_NAMES):
    name = given or usual
    try:
      tensors.append(graph.get_tensor_by_name(name if ':' in name else name + ':0'))
    except (KeyError, ValueError):
      raise UserError('%s has no tensor %s: it has %s' % (path, name, _what_is_there(graph)))
  shape = tensors[0].shape
  height, width, channels = shape.as_list()[1:] if shape.ndims == 4 else (None, None, None)
  channels = channels or 3
  if shape.ndims not in (4, None) or height != width or channels not in (1, 3):
    raise UserError('%s takes %s as %s, not square images, grey or RGB: name another' % (path, shape, tensors[0].name))
  dataset, accuracy = (_constant(nodes, name) if is_small else None for name in ('dataset', 'test_accuracy'))
  return Classifier(
    re.sub(r'\.pb$', '', os.path.basename(path)), hashlib.sha256(content).hexdigest(), graph_def,
    *(t.name for t in tensors),
    tensors[0].dtype.base_dtype.name, height, channels,
    None if dataset is None else dataset.item().decode(), None if accuracy is None else float(accuracy),
  )  # fmt: skip


def _attach(classifier):
  """Adds a classifier to the default graph.

  The published Inception graph is for one image at a time. A graph's shapes are inferred anew when it is imported, so
  that a placeholder for any number of images in place of its input is enough to set it free.

  Returns:
    (placeholder [N, H, W, C], features [N, D], probabilities [N, C]).
  """
  size = classifier.size
  images = tf.placeholder(classifier.input_dtype, [None, size, size, classifier.channels])
  features, probabilities = tf.import_graph_def(
    classifier.graph_def, {classifier.input_name: images}, [classifier.features_name, classifier.probabilities_name]
  )
  features = tf.reshape(features, [tf.shape(features)[0], -1])
  if probabilities.op.type == 'MatMul':
    probabilities = tf.nn.softmax(tf.matmul(features, probabilities.op.inputs[1]))
  return images, features, probabilities


def unpadded_size(dataset_name, image_fit):
  """Returns the size in pixels that a data set's images have inside the black that `data.load` laid around them.

  None if it resized them, as it does scikit-learn's digits, 'folder' and 'lsun' always.
  """
  return {'mnist': 28, 'fashion_mnist': 28, 'cifar10': 32}.get(dataset_name) if image_fit == 'pad' else None


def _fitted(classifier, images, unpadded):
  """Returns uint8 [N, H, W, C] as the classifier takes them."""
  if unpadded and images.shape[1] > unpadded:
    before = (images.shape[1] - unpadded) // 2  # as `array_sets.fit` has it
    images = images[:, before : before + unpadded, before : before + unpadded]
  return array_sets.fit(images, classifier.size or images.shape[1], classifier.channels, 'resize')


def features(classifier, images, unpadded=None, batch_size=100):
  """Features and class probabilities of images.

  Those that were padded are first cut out of their border again, so that a classifier of the data set's own size sees
  the very pixels. Images of another size than the classifier takes are resized bilinearly; grey ones are made RGB, and
  the other way round. Real and generated images of a run are to go through here alike.

  Args:
    classifier: a `Classifier`.
    images: uint8 [N, H, H, 1 or 3], N above 0.
    unpadded: height and width of what is not border; None if there is none; see `unpadded_size`.
    batch_size: images at a time.

  Returns:
    (float32 [N, D], float32 [N, C]).

  Raises:
    UserError: if the graph cannot take a batch, or what it gives is not finite, or not probabilities.
  """
  parts = []
  with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as session:
    try:
      placeholder, *outputs = _attach(classifier)
      for i in range(0, len(images), batch_size):
        batch = _fitted(classifier, images[i : i + batch_size], unpadded)
        parts.append(session.run(outputs, {placeholder: batch.astype(classifier.input_dtype)}))
        if any(len(part) != len(batch) for part in parts[-1]):
          raise ValueError('%d rows for %d images' % (min(map(len, parts[-1])), len(batch)))
    except (ValueError, tf.errors.OpError) as e:
      raise UserError('%s.pb cannot be run on a batch of images (%s)' % (classifier.name, _first_line(e)))
  of_images, probabilities = (np.concatenate(part).astype(np.float32) for part in zip(*parts))
  for what, values in (('features', of_images), ('probabilities', probabilities)):
    bad = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if bad.any():
      raise UserError(
        '%s are not finite: those of %d of %d images, by %s.pb; take another classifier'
        % (what, bad.sum(), len(bad), classifier.name)
      )
  if probabilities.min() < 0 or np.abs(probabilities.sum(axis=-1) - 1).max() > 1e-3:
    raise UserError(
      '%s of %s.pb is not made of probabilities: name a tensor whose rows sum to 1'
      % (classifier.probabilities_name, classifier.name)
    )
  return of_images, probabilities


def _unpacked(content):
  """Returns the bytes of Inception's graph, from its archive or as they are.

  The archive's members are read in memory, and none but the one wanted: so none can be written outside a folder.

  Raises:
    ValueError: if the archive has no such file.
  """
  if content[:2] != b'\x1f\x8b':
    return content
  with tarfile.open(fileobj=io.BytesIO(content), mode='r|gz') as archive:
    for member in archive:
      if os.path.basename(member.name) == INCEPTION_FILE and member.isreg() and member.size <= _LARGEST_BYTES:
        return archive.extractfile(member).read()
  raise ValueError('the archive holds no %s' % INCEPTION_FILE)


def inception(cache_dir=CACHE_DIR, checksum=INCEPTION_SHA256, urls=INCEPTION_URLS):
  """The 2015 Inception graph, downloaded where it is not there: 2,048 features and 1,008 classes.

  Args:
    cache_dir: folder that holds classify_image_graph_def.pb, or will.
    checksum: SHA-256 of that file.
    urls: addresses of the file, or of a gzipped tar archive with it, tried in turn.

  Returns:
    A `Classifier`.

  Raises:
    UserError: if it is neither there nor to be downloaded, or is not the one wanted.
  """
  path = os.path.join(cache_dir, INCEPTION_FILE)
  reasons = []
  if not os.path.exists(path):
    print('downloading %s to %s' % (INCEPTION_FILE, cache_dir), flush=True)
    for url in urls:
      try:
        with urllib.request.urlopen(url, timeout=downloads.DOWNLOAD_TIMEOUT_SECONDS) as response:
          graph = _unpacked(response.read())
        found = hashlib.sha256(graph).hexdigest()
        if found != checksum.lower():
          raise ValueError('the SHA-256 is %s, not %s' % (found, checksum))
        downloads.write_file(path, graph)
        break
      except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError, http.client.HTTPException) as e:
        reasons.append('%s: %s' % (urllib.parse.urlsplit(url).netloc, getattr(e, 'reason', e)))
    else:
      raise UserError(
        '%s is not in %s and cannot be downloaded (%s): put it there, from %s'
        % (INCEPTION_FILE, cache_dir, '; '.join(reasons), urls[0])
      )
  return load(path, *INCEPTION_NAMES, checksum=checksum)
