"""Which metrics fit a run's data, measured by one protocol, and which published rows they may be compared with."""

import contextlib
import dataclasses
import json
import os
from typing import Any
from typing import Dict
from typing import NamedTuple
from typing import Optional

import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1 import array_sets
from wgan_tf1 import checkpoints
from wgan_tf1 import data
from wgan_tf1 import features
from wgan_tf1 import images
from wgan_tf1 import metrics
from wgan_tf1 import small_classifier
from wgan_tf1.config import sample_classes
from wgan_tf1.events import EventWriter
from wgan_tf1.graph import build_graph

# How many samples are drawn unless another number is asked for: the published protocols', but for the inception score's
# 50,000 images.
SAMPLES = {'image': 10000, 'text': 640, 'points': 2500}
SPLITS = 10  # of the inception score
MATCHED_SAMPLES = 1000  # at most, for the exact earth mover's distance: its time grows with their cube
SLICED_SAMPLES = 1024  # images at most, for the sliced Wasserstein distance
TEXT_SAMPLES = 640  # lines that the WGAN-GP code draws
LONGEST_NGRAM = 4
TAG = 'evaluation/'  # of a metric in the event file
# What two numbers have to have in common to be compared.
PROTOCOL = ('samples', 'splits', 'features', 'reference', 'sigma')


class Row(NamedTuple):
  """One measured number, or why there is none."""

  metric: str
  value: Optional[float]  # finite; None if it could not be measured
  unit: str
  protocol: Dict[str, Any]  # samples, reference, features and so on: what must be alike for a comparison
  deviation: Optional[float] = None  # standard deviation over the protocol's splits
  reason: Optional[str] = None  # why there is no value


def _row(metric, unit, protocol, measure):
  """Returns the `Row` of measure(), which returns a number or (number, deviation), or raises a `UserError`."""
  try:
    value = measure()
  except UserError as e:
    return Row(metric, None, unit, protocol, reason=str(e))
  value, deviation = value if isinstance(value, tuple) else (value, None)
  return Row(metric, float(value), unit, protocol, deviation)


def _spread(n, count):
  """Returns `count` indices spread evenly over n, or all n: files may be sorted by class."""
  return np.arange(min(n, count)) * n // min(n, count)


def _in_batches(session, tensor, feeds, size):
  """Returns `tensor` for every row of `feeds`, {placeholder: array [N, ...]}, `size` rows at a time."""
  count = len(next(iter(feeds.values())))
  return np.concatenate([
    session.run(tensor, {key: rows[i : i + size] for key, rows in feeds.items()}) for i in range(0, count, size)
  ])  # fmt: skip


def _latents(config, graph, count, seed, latents, labels):
  """Returns {latents: [count, Z]} and, of a class-conditional run, {labels: each class in turn}, to be fed."""
  feeds = {latents: np.random.RandomState([seed, 1]).normal(size=[count, config.latent_size])}
  if labels is not None:
    feeds[labels] = np.resize(sample_classes(config), count)
  return feeds


def evaluator(config, dataset, num_samples=None, classifier=None, seed=0):
  """Prepares what can be measured of a run at any step: draws and scores the real samples once.

  Args:
    config: a `config.Config`.
    dataset: its `data.Dataset`.
    num_samples: generated samples; None is `SAMPLES`' number. Fewer are taken where a metric's own limit is lower.
    classifier: a `features.Classifier`, for the metrics of images that need one; None leaves them out, and says so.
    seed: of the latents and of the metrics' own draws.

  Returns:
    A function of (`graph.Graph`, session) that returns a list of `Row`s.

  Raises:
    UserError: if `classifier` cannot be run on the real images.
  """
  count = num_samples or SAMPLES[config.form]
  measure = {'image': _of_images, 'text': _of_text, 'points': _of_points}[config.form](
    config, dataset, count, classifier, seed
  )

  def evaluate(graph, session):
    rows = _estimates(config, dataset, graph, session, count, seed)
    feeds = _latents(config, graph, count, seed, graph.sample_latents, graph.sample_labels)
    if config.fixed_generator:
      feeds[graph.real] = data.encode(config, dataset.train[np.arange(count) % len(dataset.train)])
    return rows + measure(_in_batches(session, graph.samples, feeds, config.batch_size))

  return evaluate


def _estimates(config, dataset, graph, session, count, seed):
  """The variant's own estimate, of the critic as it is, on training and on held-out samples.

  Fake samples are made as in training: by batch norm's statistics of the batch, and without a moving average of the
  weights, for that is what the critic was trained on.
  """
  rows = []
  # Whole batches, in which batch norm has what it had in training.
  n = min(count, len(dataset.train), len(dataset.validation)) // config.batch_size
  n = max(n, 1) * config.batch_size
  feeds = _latents(config, graph, n, seed, graph.latents, graph.labels)
  fake_scores = None
  for name, part in (('training', dataset.train), ('held_out', dataset.validation)):
    real = part[np.resize(_spread(len(part), n), n)]
    feeds[graph.real] = data.encode(config, real)
    real_scores = _in_batches(session, graph.real_scores, feeds, config.batch_size)
    if fake_scores is None or config.fixed_generator:  # that makes its samples of real ones
      fake_scores = _in_batches(session, graph.fake_scores, feeds, config.batch_size)
    protocol = {'samples': n, 'reference': name, 'seed': seed}
    estimate = session.run(
      graph.scalars[graph.estimate], {graph.real_scores: real_scores, graph.fake_scores: fake_scores}
    )  # fmt: skip
    unit = 'nats' if graph.estimate == 'js_estimate' else 'score'
    rows.append(Row('%s/%s' % (graph.estimate, name), float(estimate), unit, protocol))
  return rows


def _of_images(config, dataset, count, classifier, seed):
  held_out = dataset.validation[_spread(len(dataset.validation), count)]
  training = dataset.train[_spread(len(dataset.train), count)]
  unpadded = features.unpadded_size(dataset.name, config.image_fit)
  score = lambda x: features.features(classifier, x, unpadded)
  rows_of_real = _matched_images(held_out, training, seed, '/floor')
  of_held_out = None
  if classifier is not None:
    of_held_out, _ = score(held_out)
    of_training, _ = score(training)
    rows_of_real.append(_frechet(classifier, of_training, of_held_out, '/floor', seed))

  def measure(samples):
    generated = images.to_uint8(samples, config.pixel_minimum)
    rows = _matched_images(held_out, generated, seed, '')
    if classifier is None:
      reason = 'needs a classifier: evaluate.py --train_classifier, or --classifier_graph=FILE'
      if dataset.name not in small_classifier.TRAININGS:
        reason = 'needs a classifier: --classifier_graph=FILE, or =inception'
      names = ('inception_score', 'frechet_distance', 'class_coverage', 'class_entropy')
      return rows + rows_of_real + [Row(name, None, '', {}, reason=reason) for name in names]
    of_generated, probabilities = score(generated)
    protocol = dict(_network(classifier), samples=len(generated), seed=seed)
    classes = probabilities.shape[1]
    return [
      _row('inception_score', 'at most %d' % classes, dict(protocol, splits=SPLITS),
           lambda: metrics.inception_score(probabilities, SPLITS)),
      _frechet(classifier, of_generated, of_held_out, '', seed),
      _row('class_coverage', 'of %d classes' % classes, protocol, lambda: metrics.class_coverage(probabilities)),
      _row('class_entropy', 'nats, at most %.3f' % np.log(classes), protocol,
           lambda: metrics.class_entropy(probabilities)),
    ] + rows + rows_of_real  # fmt: skip

  return measure


def _network(classifier):
  known = classifier.checksum == features.INCEPTION_SHA256
  return {'features': 'Inception 2015' if known else classifier.name, 'checksum': classifier.checksum}


def _frechet(classifier, of_samples, of_held_out, suffix, seed):
  reference = '%s test images' % format(len(of_held_out), ',')  # of MNIST's 10,000 all, as the tables have them
  protocol = dict(_network(classifier), samples=len(of_samples), reference=reference, seed=seed)
  return _row(
    'frechet_distance' + suffix, 'squared feature units', protocol,
    lambda: metrics.frechet_distance(of_samples, of_held_out),
  )  # fmt: skip


def _matched_images(held_out, others, seed, suffix):
  """The distances that need no classifier, between equally many images: uint8 [N, H, W, C] and [M, H, W, C]."""

  def pair(most):
    n = min(most, len(held_out), len(others))
    return others[_spread(len(others), n)], held_out[_spread(len(held_out), n)]

  a, b = pair(MATCHED_SAMPLES)
  protocol = {'samples': len(a), 'reference': 'held_out', 'seed': seed}
  flat = lambda x: x.reshape(len(x), -1) / 255
  rows = [
    _row('earth_movers_distance' + suffix, 'Euclidean, pixels from 0 to 1', protocol,
         lambda: metrics.earth_movers_distance(flat(a), flat(b)))
  ]  # fmt: skip
  a, b = pair(SLICED_SAMPLES)
  protocol = dict(protocol, samples=len(a))
  try:
    by_size = metrics.sliced_wasserstein(a, b, seed=seed)
  except UserError as e:
    return rows + [Row('sliced_wasserstein' + suffix, None, 'x 1000', protocol, reason=str(e))]
  return rows + [
    Row('sliced_wasserstein_%d%s' % (size, suffix), float(value), 'x 1000', protocol) for size, value in by_size.items()
  ]


def _of_points(config, dataset, count, classifier, seed):
  del classifier
  # Spread evenly: points of a mode may lie together.
  held_out = dataset.validation[_spread(len(dataset.validation), MATCHED_SAMPLES)]

  def distance(points, suffix):
    points = points[_spread(len(points), MATCHED_SAMPLES)]
    real = held_out[: len(points)]
    protocol = {'samples': len(points), 'reference': 'held_out', 'seed': seed}
    return _row('earth_movers_distance' + suffix, 'Euclidean', protocol,
                lambda: metrics.earth_movers_distance(points, real))  # fmt: skip

  floor = distance(dataset.train, '/floor')

  def measure(points):
    rows = [distance(points, ''), floor]
    if dataset.name == 'swissroll' or config.fixed_generator:
      return rows
    centres, deviation = array_sets.mode_centres(dataset.name), array_sets.mode_deviation(dataset.name)
    modes, share = metrics.mode_coverage(points, centres, deviation)
    protocol = {'samples': len(points), 'sigma': array_sets.published_sigma(dataset.name), 'seed': seed}
    return [
      Row('modes_captured', float(modes), 'of %d' % len(centres), protocol),
      Row('high_quality_share', float(share), 'share', protocol),
    ] + rows  # fmt: skip

  return measure


def _of_text(config, dataset, count, classifier, seed):
  del classifier
  characters = np.array(list(config.vocabulary))
  # With its padding, which the WGAN-GP code counts as a character too.
  lines = lambda tokens: [''.join(characters[row]) for row in tokens]
  held_out = lines(dataset.validation)
  training = lines(dataset.train[_spread(len(dataset.train), count)])
  counts = sorted({min(TEXT_SAMPLES, count), count})

  def divergences(of, suffix):
    return [
      _row('ngram_divergence_%d%s' % (n, suffix), 'bits',
           {'samples': len(of[:c]), 'reference': 'held_out', 'reference_samples': len(held_out), 'seed': seed},
           lambda n=n, c=c: metrics.ngram_divergence(of[:c], held_out, n))
      for c in counts
      for n in range(1, LONGEST_NGRAM + 1)
    ]  # fmt: skip

  floor = divergences(training, '/floor')
  return lambda samples: divergences(lines(samples.argmax(axis=2)), '') + floor


def evaluate_run(config, data_dir=None, num_samples=None, classifier=None, seed=0, checkpoint_step=None):
  """Measures a run at one of its checkpoints.

  Args:
    config: a `config.Config` as a run directory has it.
    data_dir: directory of the data sets; None is the one it was trained from.
    num_samples, classifier, seed: as for `evaluator`.
    checkpoint_step: generator step to measure at; None is the newest.

  Returns:
    (generator step, list of `Row`s).

  Raises:
    UserError: if there is no such checkpoint, it cannot be read, the data cannot be had or are not those that it was
      trained on, or the classifier cannot be run.
  """
  with tf.Graph().as_default(), tf.Session() as session:
    graph = build_graph(config)
    if not checkpoints.restore(session, tf.train.Saver(), config.run_dir, checkpoint_step):
      raise UserError('%s has no checkpoint yet: train it for longer' % config.run_dir)
    dataset = data.load(dataclasses.replace(config, data_dir=data_dir or config.data_dir))
    if dataset.fingerprint != config.data_fingerprint:
      raise UserError(
        '%s was trained on other data than dataset=%s has now: put those back, or name them by --data_dir'
        % (config.run_dir, config.dataset)
      )
    rows = evaluator(config, dataset, num_samples, classifier, seed)(graph, session)
    return int(session.run(graph.global_step)), rows


def record(config, step, rows, writer=None):
  """Adds rows to metrics.jsonl in the run directory, and to an event file.

  Args:
    config: the run's `config.Config`.
    step: generator step that they were measured at.
    rows: list of `Row`s.
    writer: the `EventWriter` of the training that is going on; None makes one.

  Raises:
    UserError: if they cannot be written.
  """
  lines = [json.dumps(dict(row._asdict(), step=step), allow_nan=False) + '\n' for row in rows]
  path = os.path.join(config.run_dir, 'metrics.jsonl')
  try:
    with open(path, 'a') as f:
      f.write(''.join(lines))
    values = [tf.Summary.Value(tag=TAG + row.metric, simple_value=row.value) for row in rows if row.value is not None]
    with contextlib.ExitStack() as stack:
      if writer is None:
        writer = stack.enter_context(contextlib.closing(EventWriter(config.run_dir)))
      writer.add_summary(tf.Summary(value=values), step)
      writer.flush()
  except OSError as e:
    raise UserError('%s cannot be written: %s' % (path, e.strerror or e))


def comparisons(row, dataset_name, published):
  """Sets a row beside published ones of the same metric and data.

  Args:
    row: a `Row`.
    dataset_name: of the run.
    published: list of dicts with metric, dataset, system, value, deviation, source and protocol, as
      experiments/paper_numbers.json has them.

  Returns:
    List of (published dict, None if the two may be compared, else why not: str).
  """
  found = []
  for other in published:
    if (other['metric'], other['dataset']) != (row.metric, dataset_name):
      continue
    reasons = ['of another text'] if dataset_name == 'text' else []
    for name in PROTOCOL:
      here, there = row.protocol.get(name), other['protocol'].get(name)
      if name == 'samples' and there is None:
        reasons.append('how many samples is not known')
      elif there is not None and here != there:
        reasons.append('%s: %s, here %s' % (name, there, 'none' if here is None else here))
    found.append((other, '; '.join(reasons) or None))
  return found
