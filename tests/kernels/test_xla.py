import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.checkpoints import assert_same_variables, variables
from tests.helpers.processes import refused, run_here
from wgan_tf1 import config as configs
from wgan_tf1 import graph as graphs
from wgan_tf1.errors import UserError
from wgan_tf1.kernels import choices, devices, xla

TOY = ['--preset=toy-8gaussians', '--variant=gp', '--width=8', '--batch_size=16']


def test_a_run_with_xla_resumes_bit_for_bit(tmp_path):
  whole, parts = (['--run_dir=' + str(tmp_path / name), *TOY] for name in ('whole', 'parts'))
  run_here(tmp_path, 'train.py', '--xla=on', '--generator_steps=4', *whole)
  run_here(tmp_path, 'train.py', '--xla=on', '--generator_steps=2', *parts)
  run_here(tmp_path, 'train.py', '--generator_steps=4', *parts)
  assert_same_variables(variables(tmp_path / 'whole', 4), variables(tmp_path / 'parts', 4))


def test_what_auto_was_is_kept(tmp_path):
  run_dir = '--run_dir=' + str(tmp_path / 'run')
  run_here(tmp_path, 'train.py', '--xla=auto', '--generator_steps=1', run_dir, *TOY)
  with open(str(tmp_path / 'run' / 'config.json')) as f:
    assert json.load(f)['xla'] == 'off'
  run_here(tmp_path, 'train.py', '--xla=auto', '--generator_steps=2', run_dir, *TOY)
  assert 'was started with xla=off, not on' in refused(tmp_path, 'train.py', '--xla=on', run_dir, here=True)


def test_auto_is_what_the_table_has(tiny, monkeypatch):
  assert xla.resolved(tiny()) == xla.resolved(tiny(xla='off')) == 'off' and xla.resolved(tiny(xla='on')) == 'on'
  for kind in ('cpu', 'gpu'):
    monkeypatch.setitem(choices.CHOICES, (kind, 'convolutions'), choices.Choice(xla=True, layout=True, at_once=0))
  assert xla.resolved(tiny()) == 'on' and xla.resolved(tiny(xla='off')) == 'off'
  monkeypatch.setattr(xla, '_exists', lambda: False)
  assert xla.resolved(tiny()) == 'off'
  with pytest.raises(UserError, match='xla=on: this TensorFlow was built without XLA. Start a run without it'):
    xla.resolved(tiny(xla='on'))


def _compiled(operation):
  return b'_XlaCompile' in operation.node_def.attr or '_XlaCompile' in operation.node_def.attr


def test_products_and_updates_are_compiled_and_checks_are_not(running):
  made = configs.make('toy-8gaussians', 'gp', width=4, xla='on')
  with running(made) as (_, session):
    operations = session.graph.get_operations()
  is_compiled = {op.type: _compiled(op) and op.get_attr('_XlaCompile') for op in operations}
  assert is_compiled['MatMul'] and is_compiled['ResourceApplyAdam'] and is_compiled['ReluGrad']
  assert not is_compiled['CheckNumerics'] and not any(is_compiled[name] for name in is_compiled if 'Random' in name)
  with running(configs.make('toy-8gaussians', 'gp', width=4, xla='off')) as (_, session):
    assert not any(map(_compiled, session.graph.get_operations()))


def test_a_weight_that_is_not_finite_is_named(tiny):
  made = configs.make('toy-8gaussians', 'gp', width=4, batch_size=4, xla='on')
  with tf.Graph().as_default(), tf.Session(config=devices.session_options(made)) as session:
    graph = graphs.build_graph(made)
    session.run(tf.global_variables_initializer())
    graph.critic_variables[0].load(np.full(graph.critic_variables[0].shape.as_list(), np.nan), session)
    with pytest.raises(tf.errors.InvalidArgumentError, match=graphs.NOT_FINITE):
      session.run(graph.train_critic, {graph.real: np.zeros([4, 2])})
