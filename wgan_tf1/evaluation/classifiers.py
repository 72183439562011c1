"""Frozen classifier graphs: features and class probabilities of images.

A frozen graph is a GraphDef in one .pb file, with constants for weights. Nothing is unpickled, but a graph is a program
that TensorFlow runs: load only graphs that you trust, or give a checksum.

Two kinds of graph are recognised by their tensors. The 2015 Inception graph of the published inception scores and
Frechet distances takes images 0..255 of any size, and resizes them to 299x299 itself; see `inception`. The graphs that
`small_classifier` makes are for data sets on which Inception says little.
"""

import hashlib
import os
import re
from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError

from wgan_tf1.data import arrays
from wgan_tf1.errors import UserError
from wgan_tf1.progress import progress

# Tensors: the input, the features, and the probabilities or the logits' matrix product; see `load`.
SMALL_NAMES = ('images:0', 'features:0', 'probabilities:0')
INCEPTION_NAMES = ('ExpandDims:0', 'pool_3:0', 'softmax/logits/MatMul:0')

CACHE_DIR = 'classifiers'  # in the working directory, since the directory of the data may be read-only


class Classifier(NamedTuple):
  """A frozen graph, and what is known of it."""

  name: str  # of its file, without .pb
  checksum: str  # SHA-256 of the file, in hexadecimal
  graph_def: Any  # tf.GraphDef
  input_name: str  # tensors; see `load`
  features_name: str
  probabilities_name: str
  input_dtype: str  # 'uint8' or a float type, of pixels 0..255
  size: Optional[int]  # height and width of the images that it takes, in pixels; None if any
  channels: int  # 1 or 3
  dataset: Optional[str]  # a small classifier's data set, else None
  test_accuracy: Optional[float]  # a small classifier's share of right answers on the held-out images, else None


def _first_line(error: Exception) -> str:
  return str(error).strip().split('\n')[0]


def _read(path: str, checksum: Optional[str]) -> bytes:
  """Returns the bytes of a file after a check of its SHA-256."""
  try:
    with open(path, 'rb') as f:
      content = f.read()
  except OSError as e:
    raise UserError('%s cannot be read (%s). Name the .pb file of a frozen graph' % (path, e.strerror or e)) from e
  found = hashlib.sha256(content).hexdigest()
  if checksum is not None and found != checksum.lower():
    raise UserError(
      '%s has SHA-256 %s, expected %s. Use the right file, or correct the checksum' % (path, found, checksum)
    )
  return content


def without_shapes(graph_def: Any) -> Any:
  """Removes the inferred shapes that some graphs hold: they would fix the batch size, which `_attach` leaves open."""
  for node in graph_def.node:
    node.attr.pop('_output_shapes', None)
  return graph_def


def _constant(nodes: Dict[str, Any], name: str) -> Any:
  """Returns the value of a constant of a frozen graph, or None if there is no such constant."""
  node = nodes.get(name)
  return tf.make_ndarray(node.attr['value'].tensor) if node is not None and node.op == 'Const' else None


def _likely_tensors(graph: Any) -> str:
  """Lists the tensors of a graph that are likely to be meant: its inputs, and the outputs that no op uses."""
  ops = graph.get_operations()
  inputs = [op.outputs[0].name for op in ops if op.type.startswith('Placeholder')]
  ends = [op.outputs[0].name for op in ops if op.outputs and not any(t.consumers() for t in op.outputs)]
  names = list(dict.fromkeys(inputs + ends[::-1]))
  return ', '.join(names[:10]) + (', ...' if len(names) > 10 else '')


def load(
  path: str,
  input_name: Optional[str] = None,
  features_name: Optional[str] = None,
  probabilities_name: Optional[str] = None,
  checksum: Optional[str] = None,
) -> Classifier:
  """Reads a frozen graph.

  A name that is None is the one in `SMALL_NAMES` if the graph has all three of these, else the one in
  `INCEPTION_NAMES`.

  Args:
    path: a .pb file with a binary GraphDef.
    input_name: tensor to feed: images of 0..255, [N, H, H, 1 or 3], uint8 or float.
    features_name: tensor [N, ...], of any shape after the first axis.
    probabilities_name: tensor [N, C]. If it is a matrix product, the probabilities are the softmax of the features
      times its second factor, the weights. This is for Inception: its own softmax takes a single image, and the code
      of the published scores (improved-gan) leaves out the bias as well.
    checksum: the file's SHA-256 in hexadecimal; None accepts any.

  Raises:
    UserError: if the file cannot be read, is not a graph, has another checksum or lacks a tensor, or if its images are
      not square, or neither grey nor RGB.
  """
  return parse(path, _read(path, checksum), (input_name, features_name, probabilities_name))


def parse(path: str, content: bytes, given_names: Tuple[Optional[str], ...] = (None, None, None)) -> Classifier:
  """Returns the `Classifier` in the bytes of the file `path`; `given_names` are the three names of `load`."""
  graph_def = tf.GraphDef()
  graph = tf.Graph()
  try:
    graph_def.ParseFromString(content)
    if not graph_def.node:
      raise ValueError('no nodes')
    with graph.as_default():
      tf.import_graph_def(without_shapes(graph_def), name='')
  except (DecodeError, ValueError, TypeError, tf.errors.OpError) as e:
    message = '%s is not a frozen graph that this TensorFlow can read (%s). Use another file'
    raise UserError(message % (path, _first_line(e))) from e
  nodes = {node.name: node for node in graph_def.node}
  is_small = all(name.split(':')[0] in nodes for name in SMALL_NAMES)
  tensors = []
  for given, usual in zip(given_names, SMALL_NAMES if is_small else INCEPTION_NAMES):
    name = given or usual
    try:
      tensors.append(graph.get_tensor_by_name(name if ':' in name else name + ':0'))
    except (KeyError, ValueError):
      raise UserError('%s has no tensor %s. Use one of its own: %s' % (path, name, _likely_tensors(graph))) from None
  shape = tensors[0].shape
  height, width, channels = shape.as_list()[1:] if shape.ndims == 4 else (None, None, None)
  channels = channels or 3
  if shape.ndims not in (4, None) or height != width or channels not in (1, 3):
    raise UserError(
      '%s takes %s as %s, but must take square images, grey or RGB. Use another graph or input'
      % (path, shape, tensors[0].name)
    )
  dataset, accuracy = (_constant(nodes, name) if is_small else None for name in ('dataset', 'test_accuracy'))
  return Classifier(
    name=re.sub(r'\.pb$', '', os.path.basename(path)),
    checksum=hashlib.sha256(content).hexdigest(),
    graph_def=graph_def,
    input_name=tensors[0].name,
    features_name=tensors[1].name,
    probabilities_name=tensors[2].name,
    input_dtype=tensors[0].dtype.base_dtype.name,
    size=height,
    channels=channels,
    dataset=None if dataset is None else dataset.item().decode(),
    test_accuracy=None if accuracy is None else float(accuracy),
  )


def _attach(classifier: Classifier) -> Tuple[Any, Any, Any]:
  """Adds a classifier to the default graph.

  The published Inception graph takes one image at a time. The import of a graph infers its shapes again, so a
  placeholder for any number of images in place of its input lets it take a whole batch.

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


def unpadded_size(dataset_name: str, image_fit: Optional[str]) -> Optional[int]:
  """Returns the size in pixels of a data set's images without the black that `datasets.load` pads them with.

  None if it resizes them instead, as it always does with 'folder' and 'lsun'.
  """
  return (
    {'mnist': 28, 'fashion_mnist': 28, 'digits': 28, 'cifar10': 32}.get(dataset_name) if image_fit == 'pad' else None
  )


def _fitted(classifier: Classifier, images: np.ndarray, unpadded: Optional[int]) -> np.ndarray:
  """Returns uint8 [N, H, W, C] in the size and colours that the classifier takes."""
  if unpadded and images.shape[1] > unpadded:
    before = arrays.padding(unpadded, images.shape[1])
    images = images[:, before : before + unpadded, before : before + unpadded]
  return arrays.fit(images, classifier.size or images.shape[1], classifier.channels, 'stretch')


def features(
  classifier: Classifier, images: np.ndarray, unpadded: Optional[int] = None, batch_size: int = 100
) -> Tuple[np.ndarray, np.ndarray]:
  """Features and class probabilities of images.

  Padding is cut off first, so that a classifier of the data set's own size sees the original pixels. Images of another
  size than the classifier takes are resized bilinearly, and grey and RGB are converted to what it takes. Real and
  generated images of a run must both be scored by this function.

  Args:
    classifier: the graph to run.
    images: uint8 [N, H, H, 1 or 3], N above 0.
    unpadded: height and width of the images without padding; None if they have none; see `unpadded_size`.
    batch_size: number of images to run at a time.

  Returns:
    (float32 [N, D], float32 [N, C]).

  Raises:
    UserError: if the graph cannot run on a batch, or if its outputs are not finite, or not probabilities.
  """
  parts = []
  soft = tf.ConfigProto(allow_soft_placement=True, gpu_options=tf.GPUOptions(allow_growth=True))
  bar = progress('classifying images', len(images), 'images')
  with tf.Graph().as_default(), tf.Session(config=soft) as session, bar as advance:
    try:
      placeholder, *outputs = _attach(classifier)
      for i in range(0, len(images), batch_size):
        batch = _fitted(classifier, images[i : i + batch_size], unpadded)
        parts.append(session.run(outputs, {placeholder: batch.astype(classifier.input_dtype)}))
        if any(len(part) != len(batch) for part in parts[-1]):
          raise ValueError('%d rows for %d images' % (min(map(len, parts[-1])), len(batch)))
        advance(len(batch))
    except (ValueError, tf.errors.OpError) as e:
      message = '%s.pb cannot be run on a batch of images (%s). Use another graph'
      raise UserError(message % (classifier.name, _first_line(e))) from e
  of_images, probabilities = (np.concatenate(part).astype(np.float32) for part in zip(*parts))
  for what, values in (('features', of_images), ('probabilities', probabilities)):
    bad = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if bad.any():
      raise UserError(
        '%s of %d of %d images are not finite, by %s.pb. Use another classifier'
        % (what, bad.sum(), len(bad), classifier.name)
      )
  if probabilities.min() < 0 or np.abs(probabilities.sum(axis=-1) - 1).max() > 1e-3:
    raise UserError(
      '%s of %s.pb are not probabilities. Name a tensor whose rows sum to 1'
      % (classifier.probabilities_name, classifier.name)
    )
  return of_images, probabilities
