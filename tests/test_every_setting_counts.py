"""Each setting that a started run may not change has an effect: another value gives other weights, samples or data."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import config as configs
from wgan_tf1 import training
from wgan_tf1.data import batches, datasets

# What a setting is tried on: arguments of `config.make`, small enough for two generator updates in a moment.
POINTS = dict(preset='toy-8gaussians', variant='gp', width=4)
CLIPPED = dict(preset='toy-8gaussians', variant='clip', width=4)
IMAGES = dict(preset='blog-mnist', variant='gp', dataset='digits', width=2)
COLOURS = dict(preset='cifar10-dcgan', variant='gp', dataset='digits', width=2)
CLASSES = dict(preset='cifar10-resnet-acgan', variant='gp', dataset='digits', width=2, learning_rate_decay_steps=0)
TEXT = dict(preset='text-char', variant='gp', width=2)

# setting -> (what it is tried on, a value, another value). Neither is one that a slip would leave in the code: two
# values are compared, so a constant in place of the setting is noticed whatever it is.
TRIED = {
  'variant': (POINTS, 'gp', 'gan'),
  'dataset': (POINTS, '8gaussians', '25gaussians'),
  'width': (POINTS, 4, 5),
  'generator_norm': (IMAGES, 'none', 'batch'),
  'critic_norm': (IMAGES, 'none', 'layer'),
  'batch_size': (POINTS, 4, 5),
  'generator_batch_size': (POINTS, 4, 6),
  'critic_steps': (POINTS, 2, 3),
  'extra_critic_steps': (POINTS, False, True),
  'optimizer': (CLIPPED, 'rmsprop', 'rmsprop_torch'),
  'generator_learning_rate': (POINTS, 1e-3, 2e-3),
  'critic_learning_rate': (POINTS, 1e-3, 2e-3),
  'learning_rate_decay_steps': (POINTS, 4, 8),
  'ema_decay': (POINTS, 0.05, 0.1),  # below the limit of the first updates
  'fixed_generator': (POINTS, False, True),
  'dequantize': (IMAGES, False, True),
  'seed': (POINTS, 1, 2),
  'precision': (IMAGES, 'fp32', 'bf16'),
  'xla': (POINTS, 'off', 'on'),  # by rounding errors
  'clip_value': (CLIPPED, 0.02, 0.03),
  'clip_order': (CLIPPED, 'after', 'before'),
  'penalty_weight': (POINTS, 3.0, 7.0),
  'penalty': (POINTS, 'two_sided', 'one_sided'),
  'beta1': (POINTS, 0.2, 0.4),
  'beta2': (POINTS, 0.7, 0.8),
  'classes': (IMAGES, '3', '3,5'),
  'critic_class_weight': (CLASSES, 0.5, 2.0),
  'generator_class_weight': (CLASSES, 0.5, 2.0),
  # Without a flag: a preset decides them.
  'architecture': (IMAGES, 'blog', 'mlp'),
  'latent_size': (POINTS, 2, 3),
  'image_size': (IMAGES, 32, 16),
  'image_channels': (COLOURS, 3, 1),
  'image_fit': (IMAGES, 'pad', 'stretch'),
  'mirror': (IMAGES, False, True),
  'pixel_minimum': (IMAGES, -1.0, 0.0),
  'text_length': (TEXT, 8, 9),
  'long_lines': (dict(TEXT, text_length=8), 'split', 'start'),
  'vocabulary': (TEXT, None, None),  # of the data, see `_config`
}
# Names alone: what they stand for are the settings above.
NAMES = {'preset', 'form', 'fallback_dataset', 'data_fingerprint', 'class_count', 'class_names'}
# Of a run that starts from another's weights: `test_init_from` tries them.
NAMES |= {'init_from', 'init_step', 'init_optimizers'}


def _config(tmp_path, name, value):
  base = TRIED[name][0]
  lines = tmp_path / 'lines.txt'
  lines.write_text(''.join('line %d, short and plain\n' % i for i in range(60)))
  own = dict(batch_size=4, critic_steps=2, generator_steps=2, seed=1)
  if base['preset'] == TEXT['preset']:
    own['data_path'] = str(lines)
  config = configs.make(**dict(own, **base))
  if name == 'learning_rate_decay_steps':
    return dataclasses.replace(config, learning_rate_decay_steps=value)
  made = dict(own, **base)
  if name in ('variant', 'optimizer'):  # decide other settings too
    return configs.make(**dict(made, **{name: value}))
  return dataclasses.replace(config, **{name: value})


def _found(config):
  """Returns every weight after two generator updates, samples, and the first batch."""
  dataset = datasets.load(config)
  with training.new_trainer(config, dataset) as trainer:
    graph = trainer.graph
    trainer.step()
    trainer.step()
    feed = {graph.sample_latents: np.random.RandomState(0).normal(size=[3, config.latent_size])}
    if graph.sample_labels is not None:
      feed[graph.sample_labels] = [0, 1, 2]
    if config.fixed_generator:
      feed = {graph.real: batches.encode(config, dataset.train[:3]), **feed}
    weights = trainer.session.run(graph.critic_variables + graph.generator_variables)
    return weights + [trainer.session.run(graph.samples, feed)]


def _differ(some, others):
  return len(some) != len(others) or any(not np.array_equal(a, b) for a, b in zip(some, others))


def test_the_table_has_every_setting_that_a_started_run_may_not_change():
  fixed = {name for name in configs.FIELDS if name not in configs.CHANGEABLE}
  assert set(TRIED) | NAMES == fixed and not set(TRIED) & NAMES


@pytest.mark.parametrize('name', sorted(set(TRIED) - {'vocabulary'}))
def test_a_setting_counts(tmp_path, name):
  if name == 'precision' and tf.__version__ < '2':
    pytest.skip('bf16 needs TensorFlow 2')
  _, value, other = TRIED[name]
  some, others = (_found(_config(tmp_path, name, v)) for v in (value, other))
  assert _differ(some, others), '%s=%s and %s=%s train the same' % (name, value, name, other)


@pytest.mark.parametrize('name', ['seed', 'clip_value', 'dequantize', 'critic_class_weight', 'text_length'])
def test_without_a_change_nothing_changes(tmp_path, name):
  """Otherwise the table above could not fail."""
  once, again = (_found(_config(tmp_path, name, TRIED[name][1])) for _ in range(2))
  assert not _differ(once, again)


def test_the_vocabulary_counts(tmp_path):
  """It is the data's: other lines have other characters, and the networks other sizes."""
  config = _config(tmp_path, 'vocabulary', None)
  some = _found(config)
  (tmp_path / 'lines.txt').write_text(''.join('zeile %d, KURZ und klar\n' % i for i in range(60)))
  assert _differ(some, _found(config))
