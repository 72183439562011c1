import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import recording, training
from wgan_tf1.data import batches


@pytest.mark.parametrize(
  'before, step, last, stopping, done',
  [
    (0, 1, False, False, []),
    (4, 5, False, False, ['samples']),
    (9, 10, False, False, ['samples', 'flush', 'save']),
    (3, 7, False, False, ['samples']),  # several processes together skip steps
    (8, 11, False, False, ['samples', 'flush', 'save']),
    (11, 12, False, True, ['flush', 'save']),
    (12, 13, True, False, ['samples', 'flush', 'save', 'evaluation']),
    (29, 30, False, False, ['samples', 'flush', 'save', 'evaluation']),
  ],
)
def test_what_is_kept_after_a_generator_update(tiny, tmp_path, monkeypatch, before, step, last, stopping, done):
  config = tiny(sample_every_steps=5, save_every_steps=10, evaluate_every_steps=30, run_dir=str(tmp_path))
  found = []
  monkeypatch.setattr(recording, '_evaluator', lambda trainer: lambda model: found.append('evaluation') or [])
  held_out = types.SimpleNamespace(validation=recording.np.zeros([2, 32, 32, 1], 'uint8'))
  trainer = types.SimpleNamespace(config=config, dataset=held_out, global_step=step)
  writer = types.SimpleNamespace(flush=lambda: found.append('flush'))
  recorder = recording.Recorder(trainer, None, writer)
  monkeypatch.setattr(recorder, 'write_samples', lambda: found.append('samples'))
  monkeypatch.setattr(recorder, 'save', lambda ends: found.append('save'))
  monkeypatch.setattr(recording.protocol, 'record', lambda *args: None)
  recorder.keep(before, last, stopping)
  assert found == done


def test_a_run_that_is_evaluated_without_a_classifier_warns(tiny, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(recording.small_classifier, 'cached', lambda name: None)
  monkeypatch.setattr(recording.protocol, 'evaluator', lambda config, dataset, classifier: classifier)
  trainer = types.SimpleNamespace(config=tiny(evaluate_every_steps=1), dataset=types.SimpleNamespace(name='digits'))
  assert recording._evaluator(trainer) is None
  assert 'warning: there is no classifier of digits' in capsys.readouterr().err


@pytest.mark.parametrize('variant, preset', [('clip', 'blog-mnist'), ('gan', 'blog-mnist'), ('gp', 'toy-swissroll')])
def test_the_held_out_estimate_is_the_same_critics_on_the_same_fake_samples(tiny, tmp_path, variant, preset):
  config = tiny(variant, preset, width=4, critic_steps=2, run_dir=str(tmp_path), summary_every_steps=40)
  with training.new_trainer(config) as trainer:
    graph, session = trainer.graph, trainer.session
    records = recording.Recorder(trainer, None, None)
    for step in (1, 2, 3, 4):
      trainer.critic_update()
      # The critic before its last update, on the samples of that update, and on held-out ones.
      expected, fake = session.run([graph.scalars[graph.estimate], graph.fake_scores], trainer.feed())
      held_out = batches.encode(config, trainer.dataset.validation[np.arange(step * 4, step * 4 + 4)])
      real = session.run(graph.real_scores, {graph.real: held_out}).astype(np.float64)
      np.testing.assert_allclose(records.last_critic_update(), expected, rtol=1e-5)
      assert [at for at, _ in records._curve.training] == list(range(1, step + 1))
      if step % 2 == 0:
        if variant == 'gan':
          likelihoods = np.mean(np.log(1 / (1 + np.exp(-real)))) + np.mean(np.log(1 / (1 + np.exp(fake))))
          expected = np.log(2) + likelihoods / 2
        else:
          expected = np.mean(real) - np.mean(fake)
        at, estimate = records._curve.held_out[-1]
        assert at == step and len(records._curve.held_out) == step // 2
        np.testing.assert_allclose(estimate, expected, rtol=1e-3, atol=1e-6)
      trainer.generator_update()


def test_every_critic_update_of_a_run_has_the_same_fetches(tiny, tmp_path, monkeypatch):
  fetched = []
  update = training.Trainer.critic_update

  def noted(trainer, fetches=None, **rest):
    fetched.append(tuple(tensor.name for tensor in fetches))
    return update(trainer, fetches, **rest)

  monkeypatch.setattr(training.Trainer, 'critic_update', noted)
  training.train(tiny(width=2, critic_steps=3, generator_steps=2, run_dir=str(tmp_path / 'run')))
  assert len(fetched) == 6 and len(set(fetched)) == 1


def test_a_dead_critic_is_reported_once(tiny, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(recording.curve, 'FILTER_STEPS', 4)
  config = tiny(width=4, critic_steps=1, run_dir=str(tmp_path))
  with training.new_trainer(config) as trainer:
    records = recording.Recorder(trainer, None, None)

    def train(steps):
      for _ in range(steps):
        records.last_critic_update()
        trainer.generator_update()
      return capsys.readouterr().err

    assert train(6) == ''
    trainer.session.run([tf.assign(v, tf.zeros_like(v)) for v in trainer.graph.critic_variables])
    generator = trainer.session.run(trainer.graph.generator_variables)
    assert train(3) == ''
    said = train(1)
    assert said.startswith('warning: the critic gives every sample the same score: its estimate was exactly 0 for 4')
    assert said.count('\n') == 1 and '--critic_learning_rate' in said
    for before, after in zip(generator, trainer.session.run(trainer.graph.generator_variables)):
      np.testing.assert_array_equal(before, after)
    assert train(2) == ''
    # A process that resumes the run says it again.
    records._curve.write()
    trainer.global_step = 12
    records = recording.Recorder(trainer, None, None)
    assert train(1) == said
