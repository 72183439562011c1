import dataclasses
import glob
import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1 import array_sets
from wgan_tf1 import data
from wgan_tf1 import evaluation
from wgan_tf1 import features
from wgan_tf1 import images
from wgan_tf1 import metrics
from wgan_tf1 import training


def _by_name(rows):
  return {row.metric: row for row in rows}


def _latents(config, count, seed):
  return np.random.RandomState([seed, 1]).normal(size=[count, config.latent_size])


def test_points_are_measured_by_the_formulas(tiny, running):
  config = tiny('gp', preset='toy-8gaussians', width=8)
  dataset = data.load(config)
  with running(config) as (graph, session):
    rows = _by_name(evaluation.evaluator(config, dataset, num_samples=30, seed=3)(graph, session))
    points = session.run(graph.samples, {graph.sample_latents: _latents(config, 30, 3)})
  held_out = dataset.validation[np.arange(1000) * 10]  # evenly over the 10,000
  assert rows['earth_movers_distance'].value == pytest.approx(metrics.earth_movers_distance(points, held_out[:30]))
  train = dataset.train[np.arange(1000) * 100]
  assert rows['earth_movers_distance/floor'].value == pytest.approx(metrics.earth_movers_distance(train, held_out))
  centres, sigma = array_sets.mode_centres('8gaussians'), array_sets.mode_deviation('8gaussians')
  modes, share = metrics.mode_coverage(points, centres, sigma)
  assert (rows['modes_captured'].value, rows['high_quality_share'].value) == (modes, share)
  assert rows['modes_captured'].protocol == {'samples': 30, 'sigma': 0.01, 'seed': 3}


def test_a_fixed_generator_has_no_modes_to_capture(tiny, running):
  config = tiny('clip', preset='toy-swissroll', width=4, fixed_generator=True)
  dataset = data.load(config)
  with running(config) as (graph, session):
    rows = _by_name(evaluation.evaluator(config, dataset, num_samples=20)(graph, session))
  assert set(rows) == {
    'wasserstein_estimate/training', 'wasserstein_estimate/held_out', 'earth_movers_distance',
    'earth_movers_distance/floor',
  }  # fmt: skip
  assert rows['earth_movers_distance'].value > 2 * rows['earth_movers_distance/floor'].value  # noise of N(0, 1)


@pytest.mark.parametrize('variant, name', [('clip', 'wasserstein_estimate'), ('gan', 'js_estimate')])
def test_estimates_are_of_whole_batches_of_both_splits(tiny, running, variant, name):
  config = tiny(variant, preset='toy-25gaussians', width=8)
  dataset = data.load(config)
  with running(config) as (graph, session):
    for v in graph.critic_variables:
      v.load(np.random.RandomState(0).normal(size=v.shape), session)
    rows = _by_name(evaluation.evaluator(config, dataset, num_samples=14)(graph, session))
    for split, part in (('training', dataset.train), ('held_out', dataset.validation)):
      real = part[np.arange(12) * len(part) // 12]  # three batches of 4
      real_scores, fake_scores = session.run(
        [graph.real_scores, graph.fake_scores], {graph.real: real, graph.latents: _latents(config, 12, 0)}
      )
      expected = real_scores.mean() - fake_scores.mean()
      if variant == 'gan':
        softplus = lambda x: np.log1p(np.exp(x.astype(np.float64)))
        expected = np.log(2) - (softplus(-real_scores).mean() + softplus(fake_scores).mean()) / 2
      row = rows['%s/%s' % (name, split)]
      assert row.value == pytest.approx(expected, rel=1e-4, abs=1e-5)
      assert row.protocol == {'samples': 12, 'reference': split, 'seed': 0}


def _tiny_classifier(monkeypatch):
  """A classifier that needs no graph: features are the means of four quarters, probabilities of two classes."""
  classifier = features.Classifier('quarters', 'f00d', *[None] * 6, 1, None, None)
  calls = []

  def score(given, x, unpadded):
    assert given is classifier and x.dtype == np.uint8
    calls.append(unpadded)
    quarters = x.reshape(len(x), 2, 16, 2, 16).mean((2, 4)).reshape(len(x), 4)
    dark = quarters.mean(1, keepdims=True) / 255
    return quarters.astype(np.float32), np.concatenate([dark, 1 - dark], 1).astype(np.float32)

  monkeypatch.setattr(features, 'features', score)
  return classifier, score, calls


def test_images_are_measured_by_the_formulas(tiny, running, monkeypatch):
  config = tiny('clip', width=2)
  dataset = data.load(config)
  classifier, score, calls = _tiny_classifier(monkeypatch)
  with running(config) as (graph, session):
    rows = evaluation.evaluator(config, dataset, num_samples=40, classifier=classifier, seed=1)(graph, session)
    samples = session.run(graph.samples, {graph.sample_latents: _latents(config, 40, 1)})
  rows = _by_name(rows)
  generated = images.to_uint8(samples)
  held_out = dataset.validation[np.arange(40) * len(dataset.validation) // 40]
  of_generated, probabilities = score(classifier, generated, None)
  assert set(calls) == {features.unpadded_size('digits', 'pad')}
  expected = {
    'inception_score': metrics.inception_score(probabilities, 10)[0],
    'frechet_distance': metrics.frechet_distance(of_generated, score(classifier, held_out, None)[0]),
    'class_coverage': metrics.class_coverage(probabilities),
    'class_entropy': metrics.class_entropy(probabilities),
    'earth_movers_distance': metrics.earth_movers_distance(
      generated.reshape(40, -1) / 255, held_out.reshape(40, -1) / 255
    ),
    'sliced_wasserstein_32': metrics.sliced_wasserstein(generated, held_out, seed=1)[32],
  }  # fmt: skip
  assert {name: rows[name].value for name in expected} == pytest.approx(expected, rel=1e-6)
  assert rows['inception_score'].deviation == pytest.approx(metrics.inception_score(probabilities, 10)[1])
  protocol = {'samples': 40, 'reference': '40 test images', 'features': 'quarters', 'checksum': 'f00d', 'seed': 1}
  assert rows['frechet_distance'].protocol == protocol
  assert 0 < rows['frechet_distance/floor'].value < rows['frechet_distance'].value
  assert 0 < rows['earth_movers_distance/floor'].value < rows['earth_movers_distance'].value


def test_what_cannot_be_measured_says_why(tiny, running, monkeypatch):
  config = tiny('clip', width=2)
  dataset = data.load(config)
  with running(config) as (graph, session):
    rows = _by_name(evaluation.evaluator(config, dataset, num_samples=12)(graph, session))
    for name in ('inception_score', 'frechet_distance', 'class_coverage', 'class_entropy'):
      assert rows[name].value is None and '--train_classifier' in rows[name].reason
    assert np.isfinite(rows['sliced_wasserstein_32'].value)
    classifier, _, _ = _tiny_classifier(monkeypatch)
    rows = _by_name(evaluation.evaluator(config, dataset, num_samples=5, classifier=classifier)(graph, session))
  assert rows['inception_score'].value is None and 'split' in rows['inception_score'].reason
  assert np.isfinite(rows['frechet_distance'].value)


def test_text_is_measured_at_the_papers_number_and_at_the_one_asked_for(tiny, running, tmp_path):
  words = ['to be', 'or not', 'that is', 'the question', 'whether', 'tis nobler']
  (tmp_path / 'text').mkdir()
  lines = [words[i % 6] + ' ' + words[i // 6 % 6] for i in range(800)]
  (tmp_path / 'text' / 'a.txt').write_text('\n'.join(lines))
  config = tiny('gp', preset='text-char', width=2, data_dir=str(tmp_path), text_length=8)
  dataset = data.load(config)
  config = dataclasses.replace(config, vocabulary=dataset.vocabulary)
  with running(config) as (graph, session):
    rows = evaluation.evaluator(config, dataset, num_samples=650)(graph, session)
    tokens = session.run(graph.samples, {graph.sample_latents: _latents(config, 650, 0)}).argmax(2)
  characters = np.array(list(config.vocabulary))
  drawn, held_out = ([''.join(row) for row in characters[t]] for t in (tokens, dataset.validation))
  for count in (640, 650):
    for n in (1, 2, 3, 4):
      (row,) = [r for r in rows if r.metric == 'ngram_divergence_%d' % n and r.protocol['samples'] == count]
      assert row.value == pytest.approx(metrics.ngram_divergence(drawn[:count], held_out, n)) and row.unit == 'bits'
      (floor,) = [r for r in rows if r.metric == 'ngram_divergence_%d/floor' % n and r.protocol['samples'] == count]
      assert 0 <= floor.value < row.value


def _published(**kwargs):
  protocol = {'samples': 100, 'splits': None, 'features': None, 'reference': None, **kwargs.pop('protocol', {})}
  return dict(
    dict(metric='modes_captured', dataset='8gaussians', system='S', value=1, deviation=None, source='T',
         protocol=protocol), **kwargs)  # fmt: skip


@pytest.mark.parametrize(
  'published, expected',
  [
    (_published(), [None]),
    (_published(protocol={'sigma': 0.02}), [None]),
    (_published(protocol={'sigma': 0.01}), ['sigma: 0.01, here 0.02']),
    (_published(protocol={'samples': 50}), ['samples: 50, here 100']),
    (_published(protocol={'samples': None}), ['how many samples is not known']),
    (_published(protocol={'features': 'F', 'splits': 10}), ['splits: 10, here none; features: F, here none']),
    (_published(metric='high_quality_share'), []),
    (_published(dataset='25gaussians'), []),
  ],
)
def test_only_one_protocol_compares(published, expected):
  row = evaluation.Row('modes_captured', 8.0, 'of 8', {'samples': 100, 'sigma': 0.02, 'seed': 0})
  assert [reason for _, reason in evaluation.comparisons(row, '8gaussians', [published])] == expected


def test_another_texts_divergence_is_shown_as_such():
  row = evaluation.Row('ngram_divergence_2', 0.2, 'bits', {'samples': 100, 'reference': 'held_out'})
  other = _published(metric='ngram_divergence_2', dataset='text')
  assert [reason for _, reason in evaluation.comparisons(row, 'text', [other])] == ['of another text']


def _events(run_dir):
  """Returns {(tag, step): value} of the metrics in a run's events."""
  found = {}
  for path in glob.glob(os.path.join(run_dir, 'events*')):
    for event in tf.train.summary_iterator(path):
      for value in event.summary.value:
        if value.tag.startswith('evaluation/'):
          found[value.tag, event.step] = value.simple_value
  return found


def test_a_run_is_measured_as_it_trains_and_again_afterwards(tiny, tmp_path):
  run_dir = str(tmp_path / 'run')
  config = tiny('gp', preset='toy-8gaussians', width=4, generator_steps=4, evaluate_every_steps=2, run_dir=run_dir)
  plain = dataclasses.replace(config, evaluate_every_steps=0, run_dir=str(tmp_path / 'plain'))
  for c in (config, plain):
    training.train(c)
  path = os.path.join(run_dir, 'metrics.jsonl')
  lines = [json.loads(line) for line in open(path)]
  assert {line['step'] for line in lines} == {2, 4} and len({line['metric'] for line in lines}) == 6
  events = _events(run_dir)
  assert events == {('evaluation/' + line['metric'], line['step']): pytest.approx(line['value']) for line in lines}
  # To be measured leaves no trace in what is trained.
  variables = [tf.train.load_checkpoint(os.path.join(c.run_dir, 'model-4')) for c in (config, plain)]
  for name in variables[0].get_variable_to_shape_map():
    assert np.array_equal(*[v.get_tensor(name) for v in variables]), name

  trained = dataclasses.replace(config, data_fingerprint=data.load(config).fingerprint)
  step, rows = evaluation.evaluate_run(trained)
  at_the_end = {line['metric']: line['value'] for line in lines if line['step'] == 4}
  assert step == 4 and {row.metric: row.value for row in rows} == pytest.approx(at_the_end)
  evaluation.record(trained, step, rows[:1])
  assert len(open(path).readlines()) == len(lines) + 1

  with pytest.raises(UserError, match='was trained on other data than dataset=8gaussians has now'):
    evaluation.evaluate_run(dataclasses.replace(trained, data_fingerprint='0'))
  with pytest.raises(UserError, match='has no checkpoint of step 3; it has: 4'):
    evaluation.evaluate_run(trained, checkpoint_step=3)
  with pytest.raises(UserError, match='has no checkpoint yet'):
    evaluation.evaluate_run(dataclasses.replace(trained, run_dir=str(tmp_path)))
  os.remove(path)
  os.mkdir(path)
  with pytest.raises(UserError, match='metrics.jsonl cannot be written: Is a directory'):
    evaluation.record(trained, step, rows)
