import concurrent.futures
import dataclasses
import os
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.checkpoints import variables
from wgan_tf1 import config as configs
from wgan_tf1 import training
from wgan_tf1.data import batches
from wgan_tf1.errors import UserError
from wgan_tf1.runs import directory


def test_a_step_is_the_critic_updates_that_are_due_and_a_generator_update(tiny):
  config = tiny(preset='toy-8gaussians', width=4, critic_steps=3)
  with training.new_trainer(config) as trainer:
    graph = trainer.graph
    assert (trainer.global_step, trainer.critic_step, trainer.critic_updates_left) == (0, 0, 3)
    estimate, real = trainer.step([graph.scalars[graph.estimate], graph.real])
    assert np.isfinite(estimate) and (real == batches.batch(config, trainer.dataset, 2).real).all()
    assert (trainer.global_step, trainer.critic_step, trainer.critic_updates_left) == (1, 3, 3)
    assert trainer.session.run([graph.global_step, graph.critic_step]) == [1, 3]
    for _ in range(2):  # a look at the batch to come does not use it up
      assert (trainer.feed()[graph.real] == batches.batch(config, trainer.dataset, 3).real).all()
    trainer.critic_update()
    assert (trainer.critic_step, trainer.critic_updates_left) == (4, 2)


def test_a_trainer_continues_from_the_counters_of_its_session(tiny):
  config = tiny(preset='toy-8gaussians', width=4, extra_critic_steps=True)
  with training.new_trainer(config) as trainer:
    assert trainer.critic_updates_left == 100  # the extra updates of the WGAN authors' code
    trainer.session.run([trainer.graph.global_step.assign(30), trainer.graph.critic_step.assign(2510)])
    later = training.Trainer(config, trainer.dataset, trainer.graph, trainer.session)
    assert (later.global_step, later.critic_step, later.critic_updates_left) == (30, 2510, 2)


def test_an_update_can_be_run_by_another_function(tiny):
  """As it is to be traced."""
  calls = []
  with training.new_trainer(tiny('gp', 'toy-8gaussians', width=4)) as trainer:

    def run(*args):
      calls.append(args)
      return trainer.session.run(*args)

    trainer.critic_update(run=run)
    trainer.generator_update(run)
    assert len(calls) == 2 and trainer.session.run([trainer.graph.critic_step, trainer.graph.global_step]) == [1, 1]


def test_other_networks_and_a_changed_graph_can_be_trained(tiny):
  def generator(latents, shape, width, norm, training):
    del shape, width, norm, training
    with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
      return latents * tf.get_variable('scale', [2], use_resource=True)

  def critic(samples, width, norm):
    del width, norm
    with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
      return tf.reduce_sum(samples * tf.get_variable('slope', [2], use_resource=True), axis=1)

  def change(graph):
    return graph._replace(train_generator=tf.group(graph.global_step.assign_add(7)))

  config = tiny(preset='toy-8gaussians', width=4)
  with training.new_trainer(config, architecture=(generator, critic), change=change) as trainer:
    assert [v.op.name for v in trainer.graph.generator_variables] == ['generator/scale']
    trainer.step()
    assert trainer.session.run(trainer.graph.global_step) == 7


def test_data_that_cannot_be_read_end_the_run_and_it_is_saved(tiny, tmp_path, monkeypatch):
  make = batches.batch

  def batch(config, dataset, step):
    if step >= 5:
      raise UserError('the disk is gone')
    return make(config, dataset, step)

  monkeypatch.setattr(batches, 'batch', batch)
  config = tiny(width=2, generator_steps=4, run_dir=str(tmp_path))
  with pytest.raises(UserError, match='the disk is gone'):
    training.train(config)
  assert list(directory.checkpoint_paths(str(tmp_path))) == [2]
  saved = variables(tmp_path, 2)
  assert (saved['global_step'], saved['critic_step']) == (2, 5)
  monkeypatch.undo()
  assert training.train(config) is None  # the run resumes


def test_a_run_directory_is_for_one_process_at_a_time(tiny, tmp_path):
  config = tiny(preset='toy-8gaussians', width=2, generator_steps=1, run_dir=str(tmp_path / 'run'))
  with directory.only_process(config.run_dir):
    with pytest.raises(UserError, match='another process is training in .*run. Wait for it, stop it'):
      training.train(config)
    assert os.listdir(config.run_dir) == ['.lock']  # it wrote nothing
  assert training.train(config) is None


@pytest.mark.parametrize('name, fails', [('curve.png', False), ('curve.npz', True)])
def test_a_curve_that_cannot_be_written_loses_no_checkpoint(tiny, tmp_path, capsys, name, fails):
  config = tiny(preset='toy-8gaussians', width=2, generator_steps=2, save_every_steps=1, run_dir=str(tmp_path / 'run'))
  (tmp_path / 'run' / name).mkdir(parents=True)
  if fails:
    with pytest.raises(UserError, match='run_dir=.*run cannot be written: .*it is a directory'):
      training.train(config)
    assert list(directory.checkpoint_paths(config.run_dir)) == [1]
  else:
    assert training.train(config) is None
    assert list(directory.checkpoint_paths(config.run_dir)) == [1, 2]
    warning = 'warning: %s cannot be written: it is a directory, not a file' % (tmp_path / 'run' / name)
    assert warning in capsys.readouterr().err


def test_a_smaller_number_of_steps_does_not_give_up_the_goal_of_a_run(tiny, tmp_path):
  config = tiny(preset='toy-8gaussians', width=2, generator_steps=2, run_dir=str(tmp_path))
  assert training.train(config) is None
  directory.write_config(dataclasses.replace(configs.load(str(tmp_path)), generator_steps=9))  # it was stopped at 2
  assert training.train(dataclasses.replace(config, generator_steps=1)) is None
  assert configs.load(str(tmp_path)).generator_steps == 9


def test_a_run_trains_in_a_thread(tiny, tmp_path):
  config = tiny(preset='toy-8gaussians', width=2, generator_steps=1, run_dir=str(tmp_path))
  with concurrent.futures.ThreadPoolExecutor() as pool:
    assert pool.submit(training.train, config).result() is None
  assert list(directory.checkpoint_paths(str(tmp_path))) == [1]


def test_a_run_directory_that_cannot_be_made_is_one_line(tiny, tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='run_dir=.*file.run cannot be written: '):
    training.train(tiny(run_dir=str(tmp_path / 'file' / 'run')))


@pytest.mark.parametrize(
  'preset, advice',
  [
    ('blog-mnist', 'Other versions of this project draw the digits differently. Use the one that the run was trained'),
    ('toy-8gaussians', 'Restore that data, or use another --run_dir'),
  ],
)
def test_a_run_of_other_data_is_refused_with_what_can_be_done(tiny, tmp_path, preset, advice):
  config = tiny(preset=preset, width=2, generator_steps=1, run_dir=str(tmp_path / 'run'))
  training.train(config)
  path = tmp_path / 'run' / 'config.json'
  path.write_text(re.sub('("data_fingerprint": )"[^"]*"', r'\1"0"', path.read_text()))
  with pytest.raises(UserError, match='other data than dataset=%s has now. %s' % (config.dataset, advice)):
    training.train(config)
