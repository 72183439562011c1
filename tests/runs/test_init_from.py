"""New runs from the weights of another: what is taken over, and what is refused."""

import os

import numpy as np
import pytest

from tests.helpers.checkpoints import variables
from tests.helpers.processes import refused, run_here
from wgan_tf1 import config as configs
from wgan_tf1 import training
from wgan_tf1.errors import UserError
from wgan_tf1.runs import checkpoints, directory, starting

TINY = dict(dataset='digits', width=2, batch_size=4, critic_steps=1, save_every_steps=1)


def train(folder, name, steps, **settings):
  settings = dict(TINY, **settings)
  training.train(configs.make(run_dir=os.path.join(str(folder), name), generator_steps=steps, **settings))
  return os.path.join(str(folder), name)


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  return train(tmp_path_factory.mktemp('source'), 'a', 3)


def first_values(folder, source, **settings):
  """Returns the variables of a new run before its first update, by name."""
  config = configs.make(run_dir=str(folder / 'new'), init_from=source, **dict(TINY, generator_steps=1, **settings))
  config = starting.initialised(config, source)
  with training.new_trainer(config) as trainer:
    checkpoints.start_from(trainer.session, source, config.init_step, config.init_optimizers)
    names = {v.op.name: v for v in training.tf.global_variables()}
    return trainer.session.run(names), config


@pytest.mark.parametrize(
  'settings, kept',
  [
    (dict(), False),
    (dict(init_optimizers=True), True),
    (dict(variant='gp'), False),
    (dict(generator_learning_rate=1e-3, batch_size=6, seed=3, clip_value=0.1), False),
    (dict(ema_decay=0.5), False),
  ],
)
def test_the_networks_start_from_the_other_runs_weights(source, tmp_path, settings, kept):
  found, config = first_values(tmp_path, source, **settings)
  old = variables(source, 3)
  assert config.init_step == 3 and found['global_step'] == found['critic_step'] == 0
  networks = [n for n in old if n.rsplit('/', 1)[-1] in ('weights', 'biases', 'gamma', 'beta')]
  assert len(networks) == 16
  for name in networks:
    np.testing.assert_array_equal(found[name], old[name])
    if 'ema_decay' in settings and name.startswith('generator/'):
      np.testing.assert_array_equal(found[name + '/ExponentialMovingAverage'], old[name])
    slot = name + '/RMSProp'
    assert slot not in found or np.array_equal(found[slot], old[slot]) == kept, name


def test_an_earlier_checkpoint(source, tmp_path):
  found, _ = first_values(tmp_path, source, init_step=1)
  for step, same in ((1, True), (3, False)):
    old = variables(source, step)
    assert np.array_equal(found['critic/conv_1/weights'], old['critic/conv_1/weights']) == same


@pytest.mark.parametrize(
  'settings, words',
  [
    (dict(width=3), r'generator/dense/weights: shape \[128, 256\] there, shape \[128, 384\] here. Use a run with'),
    (dict(generator_norm='batch'), 'generator/norm/gamma: none there, shape .256. here. Use a run with the same'),
    (dict(preset='keras-mnist'), 'generator/dense/weights: shape'),
    (dict(image_channels=3), 'generator/conv_transpose_4/weights: shape'),
    (dict(variant='gp', init_optimizers=True), 'train_critic/beta1_power: none there, .* Leave --init_optimizers out'),
    (dict(init_step=2, batch_size=5), None),
    (dict(init_step=7), 'has no checkpoint of step 7; it has: 1, 2, 3'),
  ],
)
def test_other_networks_are_refused_by_their_first_variable(source, tmp_path, settings, words):
  if words is None:
    first_values(tmp_path, source, **settings)
    return
  with pytest.raises(UserError, match=words):
    first_values(tmp_path, source, **settings)


def test_a_checkpoint_that_cannot_be_read(source, tmp_path):
  damaged = train(tmp_path, 'b', 1)
  index = os.path.join(damaged, 'model-1.index')
  with open(index, 'r+b') as f:
    f.truncate(os.path.getsize(index) // 2)
  with pytest.raises(UserError, match='checkpoint .*model-1 cannot be read: .*. Use another --init_step'):
    first_values(tmp_path, damaged)


def test_the_command_line(source, tmp_path):
  flags = [
    '--init_from=' + source,
    '--run_dir=new',
    '--variant=gp',
    '--dataset=digits',
    '--width=2',
    '--critic_steps=1',
  ]
  out, _ = run_here(tmp_path, 'train.py', *flags, '--generator_steps=1')
  assert 'weights    of %s, generator step 3' % source in ' '.join(out.split('\n           '))
  new = configs.load(str(tmp_path / 'new'))
  assert (new.init_from, new.init_step, new.init_optimizers) == (source, 3, False)
  # The same command resumes, also where the other run has a newer checkpoint by then; so does --run_dir alone.
  os.makedirs(str(tmp_path / 'no'))
  again = directory.resumed(new, configs.make(run_dir=new.run_dir, init_from=source, variant='gp', **{
    name: getattr(new, name) for name in ('dataset', 'width', 'critic_steps', 'generator_steps')}))  # fmt: skip
  assert again.init_step == 3
  out, _ = run_here(tmp_path, 'train.py', '--run_dir=new', '--generator_steps=2')
  assert 'blog-mnist, gp: generator steps 1 to 2, each after 1 critic step' in out
  line = refused(tmp_path, 'train.py', '--run_dir=new', '--batch_size=8', '--seed=2')
  assert 'new was started with batch_size=64, not 8; seed=0, not 2. Give its own settings' in line
  assert 'no holds no run' in refused(tmp_path, 'train.py', '--init_from=no', '--run_dir=other')
  assert 'init_step: has no effect without init_from' in refused(tmp_path, 'train.py', '--init_step=1')
