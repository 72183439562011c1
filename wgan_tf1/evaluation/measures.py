"""What is measured of generated images, points and text, and of as many real samples: the floors of the distances."""

import itertools
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from wgan_tf1.config import Config
from wgan_tf1.data import points
from wgan_tf1.data.datasets import Dataset
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import classifiers, distances, inception, metrics, neighbours, small_classifier
from wgan_tf1.evaluation.references import Real, real_samples, spread
from wgan_tf1.progress import progress

SPLITS = 10  # of the inception score
BLOCKS, BLOCK_SAMPLES = 100, 1000  # of the kernel distance, in blocks of at most half the samples
NEIGHBOUR_SAMPLES = 10000  # at most, for precision, recall, density and coverage: their time grows with its square
MATCHED_SAMPLES = 1000  # at most, for the exact earth mover's distance: its time grows with their cube
SLICED_SAMPLES = 1024  # images at most, for the sliced Wasserstein distance
TEXT_SAMPLES = 640  # lines that the WGAN-GP code draws
LONGEST_NGRAM = 4
# Metrics of images that need a classifier.
CLASSIFIED = 'inception_score frechet_distance kernel_distance precision recall density coverage'.split()
CLASSIFIED += ['class_coverage', 'class_entropy']


class Row(NamedTuple):
  """One measured number, or the reason why there is none."""

  metric: str
  value: Optional[float]  # finite; None if it could not be measured
  unit: str
  protocol: Dict[str, Any]  # samples, reference, features and so on: what a comparable number must share
  deviation: Optional[float] = None  # standard deviation over the protocol's splits or blocks
  reason: Optional[str] = None  # why there is no value
  better: Optional[str] = None  # 'higher' or 'lower'; None of a number that says nothing alone


class Scored(NamedTuple):
  """Images with their features and class probabilities, which are None without a classifier."""

  images: np.ndarray  # uint8 [N, H, W, C]
  features: Any = None
  probabilities: Any = None


class _Pair(NamedTuple):
  """Two sets of images to compare, and what is said of it."""

  samples: Scored
  reference: Scored
  real: Real  # what the reference is of
  seed: int  # of the metrics' own draws
  drawn: Dict[str, str]  # how the samples were drawn, as part of a protocol
  suffix: str = ''  # of the metrics' names


def _row(metric: str, better: str, unit: str, protocol: Dict[str, Any], formula: Callable[..., Any], *args: Any) -> Row:
  """Returns the `Row` of formula(*args): a number, (number, deviation), or the message of its `UserError`."""
  try:
    value = formula(*args)
  except UserError as e:
    return Row(metric, None, unit, protocol, reason=str(e), better=better)
  value, deviation = value if isinstance(value, tuple) else (value, None)
  return Row(metric, float(value), unit, protocol, deviation, better=better)


def of_images(
  config: Config,
  dataset: Dataset,
  count: int,
  classifier: Optional[classifiers.Classifier],
  seed: int,
  reference: str = 'test',
) -> Callable[[np.ndarray], List[Row]]:
  """Returns a function that measures generated images, uint8 [N, H, W, C]."""
  unpadded = classifiers.unpadded_size(dataset.name, config.image_fit)
  real = real_samples(dataset, count, reference)
  return of_image_sets(real, classifier, seed, _drawing(config), unpadded, without_classifier(dataset.name))


def without_classifier(dataset_name: Optional[str]) -> str:
  """Returns why images of a data set, or of none, are not measured without a classifier, and how to get one."""
  if dataset_name in small_classifier.TRAININGS:
    return 'needs a classifier: evaluate.py --train_classifier, or --classifier_graph=FILE'
  return 'needs a classifier: --classifier_graph=FILE, or =inception'


def of_image_sets(
  real: Real,
  classifier: Optional[classifiers.Classifier],
  seed: int,
  drawn: Dict[str, str],
  unpadded: Optional[int] = None,
  reason: str = '',
) -> Callable[[np.ndarray], List[Row]]:
  """Returns a function that compares images, uint8 [N, H, W, C], with real ones.

  Args:
    real: the real images, of the same shape.
    classifier: for the metrics of `CLASSIFIED`; None leaves them out.
    seed: of the metrics' own draws.
    drawn: how the images are drawn, as part of a protocol.
    unpadded: see `classifiers.features`.
    reason: see `without_classifier`.
  """

  def scored(images: np.ndarray) -> Scored:
    return Scored(images, *(classifiers.features(classifier, images, unpadded) if classifier else ()))

  def rows(pair: _Pair) -> List[Row]:
    groups = itertools.chain(_classified(classifier, pair) if classifier else (), _matched_images(pair))
    found: List[Row] = []
    with progress('computing distances', 6 if classifier else 2, 'metrics') as advance:
      for group in groups:
        found += group
        advance(1)
    return found

  reference = scored(real.reference)
  for_floor = reference if real.floor[1] is real.reference else scored(real.floor[1])
  missing = [] if classifier else [Row(name, None, '', {}, reason=reason) for name in CLASSIFIED]
  floor = rows(_Pair(scored(real.floor[0]), for_floor, real, seed, {}, '/floor'))
  return lambda generated: missing + rows(_Pair(scored(generated), reference, real, seed, drawn)) + floor


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


def _classified(classifier: classifiers.Classifier, pair: _Pair) -> Iterator[List[Row]]:
  """Yields what is measured by a classifier, in four parts."""
  samples, reference, real, suffix = pair.samples, pair.reference, pair.real, pair.suffix
  protocol = dict(_network(classifier), samples=len(samples.images), seed=pair.seed, **pair.drawn)
  n, m = len(samples.features), len(reference.features)
  classes = samples.probabilities.shape[1]
  of_classes, nats = 'of %d classes' % classes, 'nats, at most %.3f' % np.log(classes)
  words = '%s %s' % (format(m, ','), real.words)  # in the words of published.json, for all of MNIST's
  yield [
    _row('inception_score' + suffix, 'higher', 'at most %d' % classes, dict(protocol, splits=SPLITS),
         metrics.inception_score, samples.probabilities, SPLITS),
    _row('frechet_distance' + suffix, 'lower', 'squared feature units', dict(protocol, reference=words),
         metrics.frechet_distance, samples.features, reference.features),
  ]  # fmt: skip
  size = min(BLOCK_SAMPLES, n // 2, m // 2)
  against = dict(protocol, reference=real.name, reference_samples=m)
  in_blocks = dict(against, blocks=BLOCKS, block_samples=size, kernel='(x . y / D + 1) ** 3')
  given = samples.features, reference.features, BLOCKS, size, pair.seed
  yield [_row('kernel_distance' + suffix, 'lower', '', in_blocks, distances.kernel_distance, *given)]
  yield _neighbours(samples.features, reference.features, against, suffix)
  yield [
    _row(name + suffix, 'higher', unit, protocol, formula, samples.probabilities)
    for name, unit, formula in (
      ('class_coverage', of_classes, metrics.class_coverage),
      ('class_entropy', nats, metrics.class_entropy),
    )
  ]


def _neighbours(features: np.ndarray, of_reference: np.ndarray, against: Dict[str, Any], suffix: str) -> List[Row]:
  """Precision, recall, density and coverage of equally many samples."""
  n = min(NEIGHBOUR_SAMPLES, len(features), len(of_reference))
  generated, real = (part[spread(len(part), n)] for part in (features, of_reference))
  reason, found = None, {}  # type: Optional[str], Dict[str, float]
  try:
    found = neighbours.scores(real, generated)
  except UserError as e:
    reason = str(e)
  rows = []
  for name, unit, k in (
    ('precision', 'at most 1', neighbours.PRECISION_NEIGHBOURS),
    ('recall', 'at most 1', neighbours.PRECISION_NEIGHBOURS),
    ('density', '', neighbours.DENSITY_NEIGHBOURS),
    ('coverage', 'at most 1', neighbours.DENSITY_NEIGHBOURS),
  ):
    protocol = dict(against, samples=n, reference_samples=n, neighbours=k)
    rows.append(Row(name + suffix, found.get(name), unit, protocol, reason=reason, better='higher'))
  return rows


def _matched_images(pair: _Pair) -> Iterator[List[Row]]:
  """Yields the distances that need no classifier, between equally many images, in two parts."""
  others, reference, suffix = pair.samples.images, pair.reference.images, pair.suffix

  def at_most(most: int) -> Tuple[np.ndarray, np.ndarray]:
    n = min(most, len(reference), len(others))
    return others[spread(len(others), n)], reference[spread(len(reference), n)]

  a, b = at_most(MATCHED_SAMPLES)
  protocol = {'samples': len(a), 'reference': pair.real.name, 'seed': pair.seed}
  metric, unit = 'earth_movers_distance' + suffix, 'Euclidean, pixels from 0 to 1'
  yield [_row(metric, 'lower', unit, protocol, distances.earth_movers_distance, a / 255, b / 255)]
  a, b = at_most(SLICED_SAMPLES)
  protocol, metric = dict(protocol, samples=len(a)), 'sliced_wasserstein'
  try:
    by_size = distances.sliced_wasserstein(a, b, seed=pair.seed)
  except UserError as e:
    yield [Row(metric + suffix, None, 'x 1000', protocol, reason=str(e), better='lower')]
    return
  yield [
    Row('%s_%d%s' % (metric, size, suffix), value, 'x 1000', protocol, better='lower')
    for size, value in by_size.items()
  ]


def of_points(
  config: Config, dataset: Dataset, count: int, seed: int, reference: str = 'test'
) -> Callable[[np.ndarray], List[Row]]:
  """Returns a function that measures generated points, float [count, 2]."""
  real = real_samples(dataset, min(count, MATCHED_SAMPLES), reference)

  def distance(drawn: np.ndarray, suffix: str) -> Row:
    drawn = drawn[spread(len(drawn), MATCHED_SAMPLES)]  # neighbouring points may be of one mode
    protocol = {'samples': len(drawn), 'reference': real.name, 'seed': seed}
    name, others = 'earth_movers_distance' + suffix, real.reference[: len(drawn)]
    return _row(name, 'lower', 'Euclidean', protocol, distances.earth_movers_distance, drawn, others)

  floor = distance(real.floor[0], '/floor')

  def measure(samples: np.ndarray) -> List[Row]:
    rows = [distance(samples, ''), floor]
    if dataset.name == 'swissroll' or config.fixed_generator:
      return rows
    centres, deviation = points.mode_centres(dataset.name), points.mode_deviation(dataset.name)
    modes, share = metrics.mode_coverage(samples, centres, deviation)
    protocol = {'samples': len(samples), 'sigma': points.published_sigma(dataset.name), 'seed': seed}
    return [
      Row('modes_captured', float(modes), 'of %d' % len(centres), protocol, better='higher'),
      Row('high_quality_share', share, 'at most 1', protocol, better='higher'),
    ] + rows

  return measure


def of_text(
  config: Config, dataset: Dataset, count: int, seed: int, reference: str = 'test'
) -> Callable[[np.ndarray], List[Row]]:
  """Returns a function that measures generated text, float [N, L, V]."""
  characters = np.array(list(config.vocabulary or ''))

  def lines(tokens: np.ndarray) -> List[str]:
    # With the padding, which the WGAN-GP code counts as a character too.
    return [''.join(characters[row]) for row in tokens]

  real = real_samples(dataset, count, reference, max(len(dataset.train), len(dataset.validation)))

  def divergences(of: List[str], against: List[str], suffix: str) -> List[Row]:
    rows = []
    for c in sorted({min(TEXT_SAMPLES, count), count}):
      some = [of[i] for i in spread(len(of), c)]  # the first lines of a text may be of one speaker
      protocol = {'samples': len(some), 'reference': real.name, 'reference_samples': len(against), 'seed': seed}
      for n in range(1, LONGEST_NGRAM + 1):
        name = 'ngram_divergence_%d%s' % (n, suffix)
        rows.append(_row(name, 'lower', 'bits', protocol, metrics.ngram_divergence, some, against, n))
    return rows

  against = lines(real.reference)
  floor = divergences(lines(real.floor[0]), lines(real.floor[1]), '/floor')
  return lambda samples: divergences(lines(samples.argmax(axis=2)), against, '') + floor
