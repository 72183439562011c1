"""How samples and estimates are drawn from networks, and what is recorded of a run."""

import dataclasses
import glob
import io
import json
import os
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import images, progress, training
from wgan_tf1.data import datasets
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import measures, protocol, small_classifier


def _by_name(rows):
  return {row.metric: row for row in rows}


def _latents(config, count, seed):
  return np.random.RandomState([seed, 1]).normal(size=[count, config.latent_size])


@pytest.mark.parametrize(
  'preset, overrides, measure',
  [
    ('blog-mnist', {}, 'of_images'),
    ('toy-8gaussians', {}, 'of_points'),
    ('text-char', {'vocabulary': '~abc', 'text_length': 4}, 'of_text'),
    ('cifar10-resnet-acgan', {'dataset': 'digits', 'classes': '2,5,7'}, 'of_images'),
  ],
)
def test_samples_are_drawn_from_the_latents_of_the_seed(tiny, model_of, monkeypatch, preset, overrides, measure):
  drawn = []

  def instead(*given):
    assert given[-2:] == (3, 'train')
    return lambda samples: drawn.append(samples) or ['measured']

  monkeypatch.setattr(measures, measure, instead)
  monkeypatch.setattr(protocol, '_estimates', lambda model, dataset, count, seed: ['estimate', count])
  config = tiny('gp', preset=preset, width=2, **overrides)
  with model_of(config) as model:
    evaluate = protocol.evaluator(config, None, num_samples=6, seed=3, reference='train')
    assert evaluate(model) == ['estimate', 6, 'measured']
    feeds = {model.graph.sample_latents: _latents(config, 6, 3)}
    if config.class_count:
      feeds[model.graph.sample_labels] = [2, 5, 7, 2, 5, 7]
    expected = model.session.run(model.graph.samples, feeds)
  assert len(expected) == 6 and np.ptp(expected) > 0
  if config.form == 'image':
    assert drawn[0].dtype == np.uint8
    np.testing.assert_allclose(drawn[0], images.to_uint8(expected, config.pixel_minimum, config.dequantize), atol=1)
  else:
    np.testing.assert_allclose(drawn[0], expected, rtol=1e-4, atol=1e-5)


def test_a_fixed_generator_has_no_modes_to_capture(tiny, model_of):
  config = tiny('clip', preset='toy-swissroll', width=4, fixed_generator=True)
  dataset = datasets.load(config)
  with model_of(config) as model:
    rows = _by_name(protocol.evaluator(config, dataset, num_samples=20)(model))
  expected = {'estimate/train', 'estimate/held_out'}
  assert set(rows) == expected | {'earth_movers_distance', 'earth_movers_distance/floor'}
  assert rows['earth_movers_distance'].value > 2 * rows['earth_movers_distance/floor'].value  # noise of N(0, 1)


@pytest.mark.parametrize('variant', ['clip', 'gan'])
def test_estimates_are_of_whole_batches_of_both_splits(tiny, model_of, variant):
  config = tiny(variant, preset='toy-25gaussians', width=8)
  dataset = datasets.load(config)
  with model_of(config) as model:
    graph, session = model.graph, model.session
    for v in graph.critic_variables:
      v.load(np.random.RandomState(0).normal(size=v.shape), session)
    rows = _by_name(protocol.evaluator(config, dataset, num_samples=14)(model))
    for split, part in (('training', dataset.train), ('held_out', dataset.validation)):
      real = part[np.arange(12) * len(part) // 12]  # three batches of 4
      feed = {graph.real: real, graph.latents: _latents(config, 12, 0)}
      real_scores, fake_scores = session.run([graph.real_scores, graph.fake_scores], feed)
      expected = real_scores.mean() - fake_scores.mean()
      if variant == 'gan':
        real_scores, fake_scores = np.float64(real_scores), np.float64(fake_scores)
        softplus = np.log1p(np.exp(-real_scores)).mean() + np.log1p(np.exp(fake_scores)).mean()
        expected = np.log(2) - softplus / 2
      row = rows['estimate/' + {'training': 'train'}.get(split, split)]
      assert row.value == pytest.approx(expected, rel=1e-4, abs=1e-5)
      assert row.protocol == {'samples': 12, 'reference': split, 'seed': 0}


def _events(run_dir):
  """Returns {(tag, step): value} of the metrics in a run's events."""
  found = {}
  for path in glob.glob(os.path.join(run_dir, 'events*')):
    for event in tf.train.summary_iterator(path):
      for value in event.summary.value:
        if value.tag.startswith('evaluation/'):
          found[value.tag, event.step] = value.simple_value
  return found


def test_a_run_is_measured_while_it_trains_and_again_afterwards(tiny, tmp_path, monkeypatch):
  monkeypatch.setattr(measures, 'MATCHED_SAMPLES', 100)  # less work; the formulas have their own tests
  monkeypatch.setitem(protocol.SAMPLES, 'points', 40)
  run_dir = str(tmp_path / 'run')
  config = tiny('gp', preset='toy-8gaussians', width=4, generator_steps=4, evaluate_every_steps=2, run_dir=run_dir)
  plain = dataclasses.replace(config, evaluate_every_steps=0, run_dir=str(tmp_path / 'plain'))
  for c in (config, plain):
    training.train(c)
  path = os.path.join(run_dir, 'metrics.jsonl')
  lines = [json.loads(line) for line in open(path)]
  assert {line['step'] for line in lines} == {2, 4} and len({line['metric'] for line in lines}) == 6
  events = _events(run_dir)
  measured = [line for line in lines if not line['metric'].startswith('estimate/')]  # training writes these itself
  assert events == {('evaluation/' + line['metric'], line['step']): pytest.approx(line['value']) for line in measured}
  # The measurement leaves no trace in the trained variables.
  variables = [tf.train.load_checkpoint(os.path.join(c.run_dir, 'model-4')) for c in (config, plain)]
  for name in variables[0].get_variable_to_shape_map():
    assert np.array_equal(*[v.get_tensor(name) for v in variables]), name

  trained = dataclasses.replace(config, data_fingerprint=datasets.load(config).fingerprint)
  dataset = datasets.load(trained)
  step, rows = protocol.evaluate_run(trained, dataset)
  at_the_end = {line['metric']: line['value'] for line in lines if line['step'] == 4}
  assert step == 4 and {row.metric: row.value for row in rows} == pytest.approx(at_the_end)
  protocol.record(trained, step, rows[:1])
  assert len(open(path).readlines()) == len(lines) + 1

  with pytest.raises(UserError, match='has no checkpoint of step 3; it has: 4'):
    protocol.evaluate_run(trained, dataset, checkpoint_step=3)
  with pytest.raises(UserError, match='has no checkpoint yet'):
    protocol.evaluate_run(dataclasses.replace(trained, run_dir=str(tmp_path)), dataset)
  os.remove(path)
  os.mkdir(path)
  with pytest.raises(UserError, match='metrics.jsonl cannot be written: Is a directory'):
    protocol.record(trained, step, rows)


def test_a_terminal_shows_what_takes_long(tiny, model_of, tmp_path, monkeypatch):
  class Terminal(io.StringIO):
    def isatty(self):
      return True

  monkeypatch.setattr(progress, 'SECONDS', 0)
  monkeypatch.setattr(sys, 'stderr', Terminal())
  classifier = small_classifier.train('digits', 'data', str(tmp_path / 'a.pb'), steps=2)
  config = tiny('clip', width=2)
  with model_of(config) as model:
    protocol.evaluator(config, datasets.load(config), num_samples=8, classifier=classifier)(model)
  shown = sys.stderr.getvalue()
  for words in ('training a classifier of digits', 'classifying images', 'drawing samples', 'computing distances'):
    assert words + ':   0%|' in shown, words
