import os

import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import training
from wgan_tf1.data import batches
from wgan_tf1.errors import UserError
from wgan_tf1.runs import checkpoints


def test_data_that_go_away_end_the_run_and_it_is_saved(tiny, tmp_path, monkeypatch):
  make = batches.batch

  def batch(config, dataset, step):
    if step >= 5:
      raise UserError('the disk is gone')
    return make(config, dataset, step)

  monkeypatch.setattr(batches, 'batch', batch)
  config = tiny(width=2, generator_steps=9, run_dir=str(tmp_path))
  with pytest.raises(UserError, match='the disk is gone'):
    training.train(config)
  (path,) = checkpoints.paths(str(tmp_path)).values()
  assert [int(tf.train.load_variable(path, name)) for name in ('global_step', 'critic_step')] == [2, 5]
  monkeypatch.undo()
  assert training.train(config) is None  # it goes on


def test_a_run_directory_is_one_process_at_a_time(tiny, tmp_path):
  config = tiny(width=2, generator_steps=1, run_dir=str(tmp_path / 'run'))
  with training._only_process(config.run_dir):
    with pytest.raises(UserError, match='another process trains in .*run: wait for it or stop it'):
      training.train(config)
    assert os.listdir(config.run_dir) == ['.lock']  # it wrote nothing
  assert training.train(config) is None


def test_a_run_directory_that_cannot_be_made_is_one_line(tiny, tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='run_dir=.*file.run cannot be written: '):
    training.train(tiny(run_dir=str(tmp_path / 'file' / 'run')))
