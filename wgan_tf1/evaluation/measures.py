"""What is measured of generated images, points and text, and of as many real samples: the floors of the distances."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from wgan_tf1 import images
from wgan_tf1.config import Config
from wgan_tf1.data import points
from wgan_tf1.data.datasets import Dataset
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import classifiers, distances, inception, metrics, small_classifier

SPLITS = 10  # of the inception score
MATCHED_SAMPLES = 1000  # at most, for the exact earth mover's distance: its time grows with their cube
SLICED_SAMPLES = 1024  # images at most, for the sliced Wasserstein distance
TEXT_SAMPLES = 640  # lines that the WGAN-GP code draws
LONGEST_NGRAM = 4


class Row(NamedTuple):
  """One measured number, or the reason why there is none."""

  metric: str
  value: Optional[float]  # finite; None if it could not be measured
  unit: str
  protocol: Dict[str, Any]  # samples, reference, features and so on: what a comparable number must share
  deviation: Optional[float] = None  # standard deviation over the protocol's splits
  reason: Optional[str] = None  # why there is no value


def _row(metric: str, unit: str, protocol: Dict[str, Any], formula: Callable[..., Any], *args: Any) -> Row:
  """Returns the `Row` of formula(*args): a number, (number, deviation), or the message of its `UserError`."""
  try:
    value = formula(*args)
  except UserError as e:
    return Row(metric, None, unit, protocol, reason=str(e))
  value, deviation = value if isinstance(value, tuple) else (value, None)
  return Row(metric, float(value), unit, protocol, deviation)


def spread(n: int, count: int) -> np.ndarray:
  """Returns `count` indices spread evenly over n, or all n of them: files may be sorted by class."""
  return np.arange(min(n, count)) * n // min(n, count)


def of_images(
  config: Config, dataset: Dataset, count: int, classifier: Optional[classifiers.Classifier], seed: int
) -> Callable[[np.ndarray], List[Row]]:
  """Returns a function that measures generated images, float [N, H, W, C]."""
  black = config.pixel_minimum
  assert black is not None
  held_out = dataset.validation[spread(len(dataset.validation), count)]
  training = dataset.train[spread(len(dataset.train), count)]
  unpadded = classifiers.unpadded_size(dataset.name, config.image_fit)
  drawn = _drawing(config)
  rows_of_real = _matched_images(held_out, training, seed, '/floor')
  if classifier is None:
    reason = 'needs a classifier: evaluate.py --train_classifier, or --classifier_graph=FILE'
    if dataset.name not in small_classifier.TRAININGS:
      reason = 'needs a classifier: --classifier_graph=FILE, or =inception'
    names = ('inception_score', 'frechet_distance', 'class_coverage', 'class_entropy')
    rows_of_real += [Row(name, None, '', {}, reason=reason) for name in names]
  else:
    of_held_out, _ = classifiers.features(classifier, held_out, unpadded)
    of_training, _ = classifiers.features(classifier, training, unpadded)
    rows_of_real.append(_frechet(classifier, of_training, of_held_out, '/floor', seed, {}))

  def measure(samples: np.ndarray) -> List[Row]:
    generated = images.to_uint8(samples, black, config.dequantize)
    rows = _matched_images(held_out, generated, seed, '') + rows_of_real
    if classifier is None:
      return rows
    of_generated, probabilities = classifiers.features(classifier, generated, unpadded)
    protocol = dict(_network(classifier), samples=len(generated), seed=seed, **drawn)
    scored = dict(protocol, splits=SPLITS)
    classes = probabilities.shape[1]
    of_classes, nats = 'of %d classes' % classes, 'nats, at most %.3f' % np.log(classes)
    return [
      _row('inception_score', 'at most %d' % classes, scored, metrics.inception_score, probabilities, SPLITS),
      _frechet(classifier, of_generated, of_held_out, '', seed, drawn),
      _row('class_coverage', of_classes, protocol, metrics.class_coverage, probabilities),
      _row('class_entropy', nats, protocol, metrics.class_entropy, probabilities),
    ] + rows

  return measure


def _drawing(config: Config) -> Dict[str, str]:
  """Returns how images are drawn from a generator, as part of a protocol, in the words of published.json.

  The pixel x that is made an integer is 0 if it is black, 1 if it is white.
  """
  drawn = {'quantisation': 'floor(256 x)' if config.dequantize else 'round(255 x)'}
  if config.generator_norm == 'batch':
    drawn['batch_norm'] = 'moving averages'
  if config.class_count:
    drawn['labels'] = 'each class in turn'
  return drawn


def _network(classifier: classifiers.Classifier) -> Dict[str, Any]:
  known = classifier.checksum == inception.SHA256
  return {'features': 'Inception 2015' if known else classifier.name, 'checksum': classifier.checksum}


def _frechet(
  classifier: classifiers.Classifier,
  of_samples: np.ndarray,
  of_held_out: np.ndarray,
  suffix: str,
  seed: int,
  drawn: Dict[str, str],
) -> Row:
  reference = '%s test images' % format(len(of_held_out), ',')  # in the words of published.json, for all of MNIST's
  protocol = dict(_network(classifier), samples=len(of_samples), reference=reference, seed=seed, **drawn)
  name = 'frechet_distance' + suffix
  return _row(name, 'squared feature units', protocol, metrics.frechet_distance, of_samples, of_held_out)


def _matched_images(held_out: np.ndarray, others: np.ndarray, seed: int, suffix: str) -> List[Row]:
  """The distances that need no classifier, between equally many images: uint8 [N, H, W, C] and [M, H, W, C]."""

  def pair(most: int) -> Tuple[np.ndarray, np.ndarray]:
    n = min(most, len(held_out), len(others))
    return others[spread(len(others), n)], held_out[spread(len(held_out), n)]

  a, b = pair(MATCHED_SAMPLES)
  protocol = {'samples': len(a), 'reference': 'held_out', 'seed': seed}
  name, unit = 'earth_movers_distance' + suffix, 'Euclidean, pixels from 0 to 1'
  rows = [_row(name, unit, protocol, distances.earth_movers_distance, a / 255, b / 255)]
  a, b = pair(SLICED_SAMPLES)
  protocol = dict(protocol, samples=len(a))
  name, unit = 'sliced_wasserstein', 'x 1000'
  try:
    by_size = distances.sliced_wasserstein(a, b, seed=seed)
  except UserError as e:
    return rows + [Row(name + suffix, None, unit, protocol, reason=str(e))]
  return rows + [Row('%s_%d%s' % (name, size, suffix), value, unit, protocol) for size, value in by_size.items()]


def of_points(config: Config, dataset: Dataset, seed: int) -> Callable[[np.ndarray], List[Row]]:
  """Returns a function that measures generated points, float [N, 2]."""
  # Spread evenly, since neighbouring points may be of one mode.
  held_out = dataset.validation[spread(len(dataset.validation), MATCHED_SAMPLES)]

  def distance(drawn: np.ndarray, suffix: str) -> Row:
    drawn = drawn[spread(len(drawn), MATCHED_SAMPLES)]
    protocol = {'samples': len(drawn), 'reference': 'held_out', 'seed': seed}
    name, real = 'earth_movers_distance' + suffix, held_out[: len(drawn)]
    return _row(name, 'Euclidean', protocol, distances.earth_movers_distance, drawn, real)

  floor = distance(dataset.train, '/floor')

  def measure(samples: np.ndarray) -> List[Row]:
    rows = [distance(samples, ''), floor]
    if dataset.name == 'swissroll' or config.fixed_generator:
      return rows
    centres, deviation = points.mode_centres(dataset.name), points.mode_deviation(dataset.name)
    modes, share = metrics.mode_coverage(samples, centres, deviation)
    protocol = {'samples': len(samples), 'sigma': points.published_sigma(dataset.name), 'seed': seed}
    return [
      Row('modes_captured', float(modes), 'of %d' % len(centres), protocol),
      Row('high_quality_share', share, 'share', protocol),
    ] + rows

  return measure


def of_text(config: Config, dataset: Dataset, count: int, seed: int) -> Callable[[np.ndarray], List[Row]]:
  """Returns a function that measures generated text, float [N, L, V]."""
  characters = np.array(list(config.vocabulary or ''))

  def lines(tokens: np.ndarray) -> List[str]:
    # With the padding, which the WGAN-GP code counts as a character too.
    return [''.join(characters[row]) for row in tokens]

  held_out = lines(dataset.validation)

  def divergences(of: List[str], suffix: str) -> List[Row]:
    rows = []
    for c in sorted({min(TEXT_SAMPLES, count), count}):
      protocol = {'samples': len(of[:c]), 'reference': 'held_out', 'reference_samples': len(held_out), 'seed': seed}
      for n in range(1, LONGEST_NGRAM + 1):
        name = 'ngram_divergence_%d%s' % (n, suffix)
        rows.append(_row(name, 'bits', protocol, metrics.ngram_divergence, of[:c], held_out, n))
    return rows

  floor = divergences(lines(dataset.train[spread(len(dataset.train), count)]), '/floor')
  return lambda samples: divergences(lines(samples.argmax(axis=2)), '') + floor
