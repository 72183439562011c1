"""What is measured of samples of each form, against the formulas; no networks."""

import numpy as np
import pytest

from wgan_tf1 import images, sampling
from wgan_tf1.data import batches, datasets, points
from wgan_tf1.evaluation import classifiers, distances, measures, metrics, neighbours


def _by_name(rows):
  return {row.metric: row for row in rows}


def _random(*shape):
  return np.random.RandomState(0).uniform(-1, 1, shape).astype(np.float32)


def test_points_are_measured_by_the_formulas(tiny):
  config = tiny('gp', preset='toy-8gaussians')
  dataset = datasets.load(config)
  samples = np.concatenate([dataset.train[:20], _random(10, 2)])
  rows = _by_name(measures.of_points(config, dataset, 30, seed=3)(samples))
  held_out = dataset.validation[np.arange(30) * 10000 // 30]
  assert rows['earth_movers_distance'].value == pytest.approx(distances.earth_movers_distance(samples, held_out))
  train = dataset.train[np.arange(30) * 100000 // 30]
  assert rows['earth_movers_distance/floor'].value == pytest.approx(distances.earth_movers_distance(train, held_out))
  centres, deviation = points.mode_centres('8gaussians'), points.mode_deviation('8gaussians')
  modes, share = metrics.mode_coverage(samples, centres, deviation)
  assert (rows['modes_captured'].value, rows['high_quality_share'].value) == (modes, share) and modes > 1
  assert rows['modes_captured'].protocol == {'samples': 30, 'sigma': 0.01, 'seed': 3}


def test_a_swiss_roll_has_no_modes_to_capture(tiny):
  config = tiny('gp', preset='toy-swissroll')
  rows = measures.of_points(config, datasets.load(config), 20, seed=0)(_random(20, 2))
  assert set(_by_name(rows)) == {'earth_movers_distance', 'earth_movers_distance/floor'}


@pytest.fixture
def quarters(monkeypatch):
  """A classifier without a graph: features are the means of four quarters, probabilities are of two classes.

  Returns (the classifier, the function that scores images, the list of unpadded sizes that the function was given).
  """
  classifier = classifiers.Classifier('quarters', 'f00d', *[None] * 6, 1, None, None)
  sizes = []

  def score(given, x, unpadded):
    assert given is classifier and x.dtype == np.uint8
    sizes.append(unpadded)
    means = x.reshape(len(x), 2, 16, 2, 16).mean((2, 4)).reshape(len(x), 4)
    light = means.mean(1, keepdims=True) / 255
    return means.astype(np.float32), np.concatenate([light, 1 - light], 1).astype(np.float32)

  monkeypatch.setattr(classifiers, 'features', score)
  return classifier, score, sizes


def test_images_are_measured_by_the_formulas(tiny, quarters):
  config = tiny('clip')
  dataset = datasets.load(config)
  classifier, score, sizes = quarters
  samples = _random(40, 32, 32, 1)
  rows = _by_name(measures.of_images(config, dataset, 40, classifier, seed=1)(images.to_uint8(samples)))
  generated = images.to_uint8(samples)
  held_out = dataset.validation[np.arange(40) * len(dataset.validation) // 40]
  of_generated, probabilities = score(classifier, generated, 28)
  assert set(sizes) == {classifiers.unpadded_size('digits', 'pad')}
  flat_a, flat_b = (x.reshape(40, -1) / 255 for x in (generated, held_out))
  of_held_out, _ = score(classifier, held_out, 28)
  training = dataset.train[np.arange(40) * len(dataset.train) // 40]
  of_training, training_probabilities = score(classifier, training, 28)
  expected = {
    'inception_score': metrics.inception_score(probabilities, 10)[0],
    'inception_score/floor': metrics.inception_score(training_probabilities, 10)[0],
    'frechet_distance': metrics.frechet_distance(of_generated, of_held_out),
    'frechet_distance/floor': metrics.frechet_distance(of_training, of_held_out),
    'kernel_distance': distances.kernel_distance(of_generated, of_held_out, 100, 20, 1)[0],
    'kernel_distance/floor': distances.kernel_distance(of_training, of_held_out, 100, 20, 1)[0],
    **neighbours.scores(of_held_out, of_generated),
    **{name + '/floor': value for name, value in neighbours.scores(of_held_out, of_training).items()},
    'class_coverage': metrics.class_coverage(probabilities),
    'class_entropy': metrics.class_entropy(probabilities),
    'earth_movers_distance': distances.earth_movers_distance(flat_a, flat_b),
    'sliced_wasserstein_32': distances.sliced_wasserstein(generated, held_out, seed=1)[32],
  }
  assert {name: rows[name].value for name in expected} == pytest.approx(expected, rel=1e-6)
  assert rows['kernel_distance'].deviation > 0 and rows['recall'].protocol['neighbours'] == 3
  better = {name: rows[name].better for name in rows if not name.endswith('/floor')}
  lower = {name for name in better if 'distance' in name or 'wasserstein' in name}
  assert better == {name: 'lower' if name in lower else 'higher' for name in better} and len(lower) == 5
  assert rows['inception_score'].deviation == pytest.approx(metrics.inception_score(probabilities, 10)[1])
  expected = {'samples': 40, 'reference': '40 test images', 'features': 'quarters', 'checksum': 'f00d', 'seed': 1}
  assert rows['frechet_distance/floor'].protocol == expected
  expected['quantisation'] = 'round(255 x)'
  assert rows['frechet_distance'].protocol == expected
  assert 0 < rows['frechet_distance/floor'].value < rows['frechet_distance'].value
  assert 0 < rows['earth_movers_distance/floor'].value < rows['earth_movers_distance'].value


@pytest.mark.parametrize(
  'preset, variant, drawn',
  [
    ('blog-mnist', 'gp', ['round(255 x)', None, None]),
    ('blog-mnist-bn', 'clip', ['round(255 x)', 'moving averages', None]),
    ('cifar10-resnet', 'gp', ['floor(256 x)', 'moving averages', None]),
    ('cifar10-resnet-acgan', 'gp', ['floor(256 x)', 'moving averages', 'each class in turn']),
  ],
)
def test_scores_say_how_their_images_are_drawn(tiny, quarters, preset, variant, drawn):
  config = tiny(variant, preset=preset, dataset='digits', image_channels=1)
  dataset = datasets.load(config)
  samples = _random(20, *dataset.train.shape[1:])
  rows = _by_name(measures.of_images(config, dataset, 20, quarters[0], seed=0)(images.to_uint8(samples)))
  for name in ('inception_score', 'frechet_distance'):
    assert [rows[name].protocol.get(field) for field in ('quantisation', 'batch_norm', 'labels')] == drawn
  assert 'quantisation' not in rows['frechet_distance/floor'].protocol  # real images are not drawn


def test_dequantised_samples_are_measured_as_the_grey_levels_that_they_stand_for(tiny, quarters):
  config = tiny('gp', preset='cifar10-resnet', dataset='digits', image_channels=1)
  dataset = datasets.load(config)
  held_out = dataset.validation[:40]
  noise = np.random.RandomState(0).randint(0, 65536, held_out.shape, np.uint16)
  samples = batches.encode(config, held_out, noise)  # those of a perfect generator
  dataset = dataset._replace(validation=held_out)
  rows = _by_name(measures.of_images(config, dataset, 40, quarters[0], seed=0)(sampling.to_uint8(config, samples)))
  assert rows['frechet_distance'].value == pytest.approx(0, abs=1e-6) and rows['earth_movers_distance'].value == 0


def test_metrics_that_cannot_be_measured_have_a_reason(tiny, quarters):
  config = tiny('clip')
  dataset = datasets.load(config)
  rows = _by_name(measures.of_images(config, dataset, 12, None, seed=0)(images.to_uint8(_random(12, 32, 32, 1))))
  for name in measures.CLASSIFIED:
    assert rows[name].value is None and '--train_classifier' in rows[name].reason
  assert np.isfinite(rows['sliced_wasserstein_32'].value)
  rows = _by_name(measures.of_images(config, dataset, 5, quarters[0], seed=0)(images.to_uint8(_random(5, 32, 32, 1))))
  assert rows['inception_score'].value is None and 'split' in rows['inception_score'].reason
  assert np.isfinite(rows['frechet_distance'].value)
  for name in ('precision', 'recall', 'density', 'coverage'):
    assert rows[name].value is None and 'need at least 6. Use more samples' in rows[name].reason
  rows = _by_name(measures.of_images(config, dataset, 3, quarters[0], seed=0)(images.to_uint8(_random(3, 32, 32, 1))))
  assert rows['kernel_distance'].value is None and 'use more samples' in rows['kernel_distance'].reason


def test_images_are_compared_with_the_training_images_if_asked_for_or_if_nothing_else_can_be(tiny, quarters):
  config = tiny('clip')
  dataset = datasets.load(config)
  samples = _random(60, 32, 32, 1)
  train, held_out = (x[np.arange(60) * len(x) // 60] for x in (dataset.train, dataset.validation))
  rows = _by_name(measures.of_images(config, dataset, 60, quarters[0], 0, 'train')(images.to_uint8(samples)))
  of_train, _ = quarters[1](quarters[0], train, 28)
  assert rows['frechet_distance'].protocol['reference'] == '60 training images'
  assert rows['kernel_distance'].protocol['reference'] == 'training'
  of_generated, _ = quarters[1](quarters[0], images.to_uint8(samples), 28)
  assert rows['frechet_distance'].value == pytest.approx(metrics.frechet_distance(of_generated, of_train), rel=1e-6)
  expected = metrics.frechet_distance(quarters[1](quarters[0], held_out, 28)[0], of_train)
  assert rows['frechet_distance/floor'].value == pytest.approx(expected, rel=1e-6)

  small = dataset._replace(train=train, validation=held_out[:3])
  rows = _by_name(measures.of_images(config, small, 60, quarters[0], 0, 'train')(images.to_uint8(samples)))
  expected = metrics.frechet_distance(*(quarters[1](quarters[0], part, 28)[0] for part in (train[::2], train[1::2])))
  assert rows['frechet_distance/floor'].value == pytest.approx(expected, rel=1e-6)
  assert rows['frechet_distance/floor'].protocol['samples'] == 30


def test_points_and_text_are_compared_with_training_samples_if_asked_for(tiny):
  config = tiny('gp', preset='toy-8gaussians')
  dataset = datasets.load(config)
  samples = dataset.validation[::10]
  rows = _by_name(measures.of_points(config, dataset, 1000, 0, 'train')(samples))
  assert rows['earth_movers_distance'].protocol['reference'] == 'training'
  expected = distances.earth_movers_distance(samples, dataset.train[np.arange(1000) * 100])
  assert rows['earth_movers_distance'].value == pytest.approx(expected)
  assert rows['earth_movers_distance/floor'].value == pytest.approx(expected)  # the same held-out points

  tokens = np.random.RandomState(0).randint(0, 3, [90, 5]).astype(np.uint16)
  config = tiny('gp', preset='text-char', text_length=5, vocabulary='abc')
  text = datasets.Dataset('text', tokens[:60], tokens[60:], None, None, 'abc', '')
  one_hot = np.eye(3)[tokens[:60]]
  rows = _by_name(measures.of_text(config, text, 60, 0, 'train')(one_hot))
  assert rows['ngram_divergence_2'].value == 0 and rows['ngram_divergence_2'].protocol['reference'] == 'training'
  assert rows['ngram_divergence_2/floor'].value > 0 and rows['ngram_divergence_2/floor'].protocol['samples'] == 30


def test_text_is_measured_at_the_papers_number_and_at_the_given_one(tiny, tmp_path):
  words = ['to be', 'or not', 'that is', 'the question', 'whether', 'tis nobler']
  (tmp_path / 'text').mkdir()
  lines = [words[i % 6] + ' ' + words[i // 6 % 6] for i in range(800)]
  (tmp_path / 'text' / 'a.txt').write_text('\n'.join(lines))
  config = tiny('gp', preset='text-char', data_dir=str(tmp_path), text_length=8)
  dataset = datasets.load(config)
  config = tiny('gp', preset='text-char', data_dir=str(tmp_path), text_length=8, vocabulary=dataset.vocabulary)
  samples = _random(650, 8, len(dataset.vocabulary))
  rows = measures.of_text(config, dataset, 650, seed=0)(samples)
  characters = np.array(list(dataset.vocabulary))
  drawn, held_out = ([''.join(row) for row in characters[t]] for t in (samples.argmax(2), dataset.validation))
  for count in (640, 650):
    of_count = _by_name(row for row in rows if row.protocol['samples'] == count)
    for n in (1, 2, 3, 4):
      row = of_count['ngram_divergence_%d' % n]
      some = [drawn[i * 650 // count] for i in range(count)]
      assert row.value == pytest.approx(metrics.ngram_divergence(some, held_out, n)) and row.unit == 'bits'
      assert 0 <= of_count['ngram_divergence_%d/floor' % n].value < row.value
  assert len(rows) == 16


def test_the_floor_of_a_text_is_of_lines_from_all_of_it(tiny):
  parts = np.repeat(np.arange(10), 200)  # a text of ten parts, each with lines of its own
  tokens = np.stack([parts, (parts + 1) % 10], 1).astype(np.uint16)
  config = tiny('gp', preset='text-char', text_length=2, vocabulary='abcdefghij')
  text = datasets.Dataset('text', tokens, tokens[::2], None, None, 'abcdefghij', '')
  rows = measures.of_text(config, text, 2000, 0)(np.eye(10)[tokens])
  floors = {row.protocol['samples']: row.value for row in rows if row.metric == 'ngram_divergence_2/floor'}
  assert sorted(floors) == [640, 2000] and floors[640] < 0.01
