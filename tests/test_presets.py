"""Every preset with every variant that it allows: its settings, its size, and a few updates at a small width."""

import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.checkpoints import assert_same_variables
from tests.helpers.processes import run, run_here
from tests.helpers.references import randomize
from wgan_tf1 import config, networks, presets, sampling, training
from wgan_tf1.data import datasets
from wgan_tf1.errors import UserError

REFUSED = ['blog-mnist-bn', 'keras-mnist', 'lsun64-dcgan', 'lsun64-dcgan-nobn', 'lsun64-mlp']  # with gp
TOYS = ['toy-8gaussians', 'toy-25gaussians', 'toy-swissroll']
PAIRS = [(p, v) for p in config.PRESETS for v in config.VARIANTS if v != 'gp' or p not in REFUSED]


def test_which_pairs_are_refused_and_why():
  assert len(config.PRESETS) == 17
  refused = {}
  for preset in config.PRESETS:
    for variant in config.VARIANTS:
      try:
        config.make(preset, variant)
      except UserError as e:
        refused[preset, variant] = str(e)
  assert sorted(refused) == sorted((preset, 'gp') for preset in REFUSED)
  for (preset, _), words in refused.items():
    assert all(w in words for w in ('preset=' + preset, 'batch norm', 'gradient penalty', '--critic_norm', 'variant'))
    for norm in ('layer', 'none'):  # what the message advises
      assert config.make(preset, 'gp', critic_norm=norm).critic_norm == norm


# fmt: off

# What a sample is, by the sources: data set, then height and width, channels, black and how other images are
# brought to the size, or the characters of a line; latent size; batch of the critic and of the generator.
DATA = {
  'blog-mnist':           ('mnist',         (32, 1, -1, 'pad'),    128,  64,  64),
  'blog-mnist-bn':        ('mnist',         (32, 1, -1, 'pad'),    128,  64,  64),
  'blog-mnist-mlp':       ('mnist',         (32, 1, -1, 'pad'),    128,  64,  64),
  'keras-mnist':          ('mnist',         (28, 1, -1, 'pad'),     50,  64,  64),
  'fashion-upsample':     ('fashion_mnist', (32, 1, -1, 'stretch'), 128, 64,  64),
  'gp-mnist':             ('mnist',         (28, 1,  0, 'pad'),    128,  50,  50),
  'cifar10-dcgan':        ('cifar10',       (32, 3, -1, 'pad'),    128,  64,  64),
  'cifar10-resnet':       ('cifar10',       (32, 3, -1, 'pad'),    128,  64, 128),
  'cifar10-resnet-acgan': ('cifar10',       (32, 3, -1, 'pad'),    128,  64, 128),
  'lsun64-dcgan':         ('lsun',          (64, 3, -1, 'crop'),   100,  64,  64),
  'lsun64-dcgan-nobn':    ('lsun',          (64, 3, -1, 'crop'),   100,  64,  64),
  'lsun64-mlp':           ('lsun',          (64, 3, -1, 'crop'),   100,  64,  64),
  'lsun128-resnet':       ('lsun',          (128, 3, -1, 'crop'),  128,  64,  64),
  'text-char':            ('text',          32,                    128,  64,  64),
  'toy-8gaussians':       ('8gaussians',    None,                    2, 256, 256),
  'toy-25gaussians':      ('25gaussians',   None,                    2, 256, 256),
  'toy-swissroll':        ('swissroll',     None,                    2, 256, 256),
}

# Optimizer, step size, betas; critic steps; clip bound and order, or lambda; norm of generator and of critic.
CLIP, CLIP_FIRST, NO_BETAS, NO_NORMS = (0.01, 'after'), (0.01, 'before'), (None, None), ('none', 'none')
TRAINING = {
  ('blog-mnist', 'clip'):           ('rmsprop',       5e-4, NO_BETAS,      5, CLIP,       NO_NORMS),
  ('blog-mnist', 'gp'):             ('adam',          1e-4, (0.5, 0.9),    5, 10,         NO_NORMS),
  ('blog-mnist', 'gan'):            ('adam',          2e-4, (0.5, 0.999),  1, None,       NO_NORMS),
  ('blog-mnist-bn', 'clip'):        ('rmsprop',       5e-4, NO_BETAS,      5, CLIP,       ('batch', 'batch')),
  ('blog-mnist-bn', 'gan'):         ('adam',          2e-4, (0.5, 0.999),  1, None,       ('batch', 'batch')),
  ('blog-mnist-mlp', 'clip'):       ('rmsprop',       5e-4, NO_BETAS,      5, CLIP,       NO_NORMS),
  ('blog-mnist-mlp', 'gp'):         ('adam',          1e-4, (0.5, 0.9),    5, 10,         NO_NORMS),
  ('blog-mnist-mlp', 'gan'):        ('adam',          2e-4, (0.5, 0.999),  1, None,       NO_NORMS),
  ('keras-mnist', 'clip'):          ('rmsprop',       5e-5, NO_BETAS,      5, CLIP,       ('batch', 'batch')),
  ('keras-mnist', 'gan'):           ('adam',          2e-4, (0.5, 0.999),  1, None,       ('batch', 'batch')),
  ('fashion-upsample', 'clip'):     ('rmsprop',       5e-5, NO_BETAS,      5, CLIP,       ('batch', 'batch')),
  ('fashion-upsample', 'gp'):       ('adam',          1e-4, (0.5, 0.9),    5, 10,         ('batch', 'none')),
  ('fashion-upsample', 'gan'):      ('adam',          2e-4, (0.5, 0.999),  1, None,       ('batch', 'batch')),
  ('gp-mnist', 'clip'):             ('rmsprop',       5e-5, NO_BETAS,      5, CLIP,       ('batch', 'batch')),
  ('gp-mnist', 'gp'):               ('adam',          1e-4, (0.5, 0.9),    5, 10,         NO_NORMS),
  ('gp-mnist', 'gan'):              ('adam',          2e-4, (0.5, 0.999),  1, None,       NO_NORMS),
  ('cifar10-dcgan', 'clip'):        ('rmsprop',       5e-5, NO_BETAS,      5, CLIP,       ('batch', 'batch')),
  ('cifar10-dcgan', 'gp'):          ('adam',          1e-4, (0.5, 0.9),    5, 10,         ('batch', 'none')),
  ('cifar10-dcgan', 'gan'):         ('adam',          2e-4, (0.5, 0.999),  1, None,       ('batch', 'batch')),
  ('cifar10-resnet', 'clip'):       ('rmsprop',       5e-5, NO_BETAS,      5, CLIP,       ('batch', 'none')),
  ('cifar10-resnet', 'gp'):         ('adam',          2e-4, (0.0, 0.9),    5, 10,         ('batch', 'none')),
  ('cifar10-resnet', 'gan'):        ('adam',          2e-4, (0.5, 0.999),  1, None,       ('batch', 'none')),
  ('cifar10-resnet-acgan', 'clip'): ('rmsprop',       5e-5, NO_BETAS,      5, CLIP,       ('batch', 'none')),
  ('cifar10-resnet-acgan', 'gp'):   ('adam',          2e-4, (0.0, 0.9),    5, 10,         ('batch', 'none')),
  ('cifar10-resnet-acgan', 'gan'):  ('adam',          2e-4, (0.5, 0.999),  1, None,       ('batch', 'none')),
  ('lsun64-dcgan', 'clip'):         ('rmsprop_torch', 5e-5, NO_BETAS,      5, CLIP_FIRST, ('batch', 'batch')),
  ('lsun64-dcgan', 'gan'):          ('adam',          2e-4, (0.5, 0.999),  1, None,       ('batch', 'batch')),
  ('lsun64-dcgan-nobn', 'clip'):    ('rmsprop_torch', 5e-5, NO_BETAS,      5, CLIP_FIRST, ('none', 'batch')),
  ('lsun64-dcgan-nobn', 'gan'):     ('adam',          2e-4, (0.5, 0.999),  1, None,       ('none', 'batch')),
  ('lsun64-mlp', 'clip'):           ('rmsprop_torch', 5e-5, NO_BETAS,      5, CLIP_FIRST, ('none', 'batch')),
  ('lsun64-mlp', 'gan'):            ('adam',          2e-4, (0.5, 0.999),  1, None,       ('none', 'batch')),
  ('lsun128-resnet', 'clip'):       ('rmsprop',       5e-5, NO_BETAS,      5, CLIP,       ('batch', 'batch')),
  ('lsun128-resnet', 'gp'):         ('adam',          1e-4, (0.0, 0.9),    5, 10,         ('batch', 'layer')),
  ('lsun128-resnet', 'gan'):        ('adam',          2e-4, (0.5, 0.999),  1, None,       ('batch', 'batch')),
  ('text-char', 'clip'):            ('rmsprop',       5e-5, NO_BETAS,     10, CLIP,       NO_NORMS),
  ('text-char', 'gp'):              ('adam',          1e-4, (0.5, 0.9),   10, 10,         NO_NORMS),
  ('text-char', 'gan'):             ('adam',          2e-4, (0.5, 0.999),  1, None,       NO_NORMS),
}
for _toy in TOYS:
  TRAINING[_toy, 'clip'] =          ('rmsprop',       5e-5, NO_BETAS,      5, CLIP,       NO_NORMS)
  TRAINING[_toy, 'gp'] =            ('adam',          1e-4, (0.5, 0.9),    5, 0.1,        NO_NORMS)
  TRAINING[_toy, 'gan'] =           ('adam',          2e-4, (0.5, 0.999),  1, None,       NO_NORMS)

# fmt: on


def test_the_settings_are_the_sources():
  assert sorted(TRAINING) == sorted(PAIRS) and sorted(DATA) == sorted(config.PRESETS)
  for (preset, variant), row in TRAINING.items():
    c = config.make(preset, variant)
    sample = {
      'image': (c.image_size, c.image_channels, c.pixel_minimum, c.image_fit), 'text': c.text_length, 'points': None
    }[c.form]  # fmt: skip
    assert (c.dataset, sample, c.latent_size, c.batch_size, c.generator_batch_size) == DATA[preset], (preset, variant)
    assert c.generator_learning_rate == c.critic_learning_rate
    constraint = {'clip': (c.clip_value, c.clip_order), 'gp': c.penalty_weight, 'gan': None}[variant]
    norms = (c.generator_norm, c.critic_norm)
    settings = (c.optimizer, c.critic_learning_rate, (c.beta1, c.beta2), c.critic_steps, constraint, norms)
    assert settings == row, (preset, variant)


def test_the_settings_that_few_have():
  """Everything that is not in the tables above, by where it is on."""
  falling = {('cifar10-resnet', 'gp'), ('cifar10-resnet-acgan', 'gp')}
  wgan_code = {('lsun64-dcgan', 'clip'), ('lsun64-dcgan-nobn', 'clip'), ('lsun64-mlp', 'clip')}
  for preset, variant in PAIRS:
    c = config.make(preset, variant)
    assert c.learning_rate_decay_steps == (100000 if (preset, variant) in falling else 0)
    assert c.generator_steps == 100000 or (preset, variant) not in falling
    assert c.extra_critic_steps == ((preset, variant) in wgan_code)
    assert c.dequantize == preset.startswith('cifar10-resnet')
    assert c.penalty == ('two_sided' if variant == 'gp' else None)
    classes = (10, 1.0, 0.1) if preset == 'cifar10-resnet-acgan' else (None, None, None)
    assert (c.class_count, c.critic_class_weight, c.generator_class_weight) == classes
    assert not c.ema_decay and not c.fixed_generator and c.classes is None and c.data_path is None
  assert config.make('fashion-upsample', 'clip').generator_steps == 2000
  assert config.make('fashion-upsample', 'gp').generator_steps == 5000


def _counts():
  """Parameters of (generator, critic) of a preset, or of it with one variant, added up from the sources' layers."""
  counts = {
    'blog-mnist': (
      128 * 8192 + 8192 + 3 * 3 * 512 * 256 + 3 * 3 * 256 * 128 + 3 * 3 * 128 * 64 + 3 * 3 * 64 * 1,
      3 * 3 * 1 * 64 + 64 + 3 * 3 * 64 * 128 + 128 + 3 * 3 * 128 * 256 + 256 + 3 * 3 * 256 * 512 + 512 + 2048 + 1,
    ),
    'blog-mnist-mlp': (
      128 * 512 + 512 + 3 * (512 * 512 + 512) + 512 * 1024 + 1024,
      1024 * 512 + 512 + 3 * (512 * 512 + 512) + 512 + 1,
    ),
    'keras-mnist': (
      50 * 7 * 7 * 128 + 7 * 7 * 128 + 2 * (4 * 4 * 128 * 128 + 128 + 2 * 128) + 7 * 7 * 128 * 1 + 1,
      4 * 4 * 1 * 64 + 64 + 2 * 64 + 4 * 4 * 64 * 64 + 64 + 2 * 64 + 7 * 7 * 64 + 1,
    ),
    'gp-mnist': (
      128 * 4096 + 4096 + 5 * 5 * 256 * 128 + 128 + 5 * 5 * 128 * 64 + 64 + 5 * 5 * 64 * 1 + 1,
      5 * 5 * 1 * 64 + 64 + 5 * 5 * 64 * 128 + 128 + 5 * 5 * 128 * 256 + 256 + 4 * 4 * 256 + 1,
    ),
    'text-char': (  # of 96 characters
      128 * 32 * 512 + 32 * 512 + 5 * 2 * (5 * 512 * 512 + 512) + 512 * 96 + 96,
      96 * 512 + 512 + 5 * 2 * (5 * 512 * 512 + 512) + 32 * 512 + 1,
    ),
  }
  generator, critic = counts['blog-mnist']
  counts['blog-mnist-bn'] = (generator + 2 * (8192 + 256 + 128 + 64), critic + 2 * (128 + 256 + 512))
  generator, critic = counts['gp-mnist']
  counts['gp-mnist', 'clip'] = (generator + 2 * (4096 + 128 + 64), critic + 2 * (128 + 256))

  dense = 128 * 4 * 4 * 512 + 4 * 4 * 512 + 2 * 4 * 4 * 512  # with batch norm of each unit
  first = 5 * 5 * 512 * 256 + 256 + 2 * 256  # with batch norm of each filter
  counts['fashion-upsample'] = (
    dense + first + 5 * 5 * 256 * 128 + 128 + 2 * 128 + 5 * 5 * 128 * 1 + 1,
    5 * 5 * 1 * 128 + 128 + 5 * 5 * 128 * 256 + 256 + 2 * 256 + 5 * 5 * 256 * 512 + 512 + 2 * 512 + 4 * 4 * 512 + 1,
  )
  counts['fashion-upsample', 'gp'] = (
    dense + first + 5 * 5 * 256 * 256 + 256 + 2 * 256 + 5 * 5 * 256 * 1 + 1,
    5 * 5 * 1 * 128 + 5 * 5 * 128 * 256 + 5 * 5 * 256 * 512 + 4 * 4 * 512 + 1,
  )
  counts['cifar10-dcgan'] = (
    dense + first + 5 * 5 * 256 * 128 + 128 + 2 * 128 + 5 * 5 * 128 * 3 + 3,
    5 * 5 * 3 * 128 + 128 + 5 * 5 * 128 * 256 + 256 + 2 * 256 + 5 * 5 * 256 * 512 + 512 + 2 * 512 + 4 * 4 * 512 + 1,
  )
  generator, critic = counts['cifar10-dcgan']
  counts['cifar10-dcgan', 'gp'] = (generator, critic - 2 * 256 - 2 * 512)

  conv, shortcut, norm = 3 * 3 * 128 * 128 + 128, 128 * 128 + 128, 2 * 128
  counts['cifar10-resnet'] = (
    128 * 4 * 4 * 128 + 4 * 4 * 128 + 3 * (2 * conv + shortcut + 2 * norm) + norm + 3 * 3 * 128 * 3 + 3,
    (3 * 3 * 3 * 128 + 128 + conv + 3 * 128 + 128) + (2 * conv + shortcut) + 2 * 2 * conv + 128 + 1,
  )
  generator, critic = counts['cifar10-resnet']
  # Ten gammas and betas for one in each of the six norms inside blocks, and ten logits.
  counts['cifar10-resnet-acgan'] = (generator + 6 * 9 * norm, critic + 128 * 10 + 10)

  critic = 4 * 4 * 3 * 64
  critic += 4 * 4 * 64 * 128 + 2 * 128 + 4 * 4 * 128 * 256 + 2 * 256 + 4 * 4 * 256 * 512 + 2 * 512 + 4 * 4 * 512 * 1
  generator = 100 * 4 * 4 * 512 + 2 * 512 + 4 * 4 * 512 * 256 + 2 * 256 + 4 * 4 * 256 * 128 + 2 * 128
  counts['lsun64-dcgan'] = (generator + 4 * 4 * 128 * 64 + 2 * 64 + 4 * 4 * 64 * 3, critic)
  counts['lsun64-dcgan-nobn'] = (100 * 4 * 4 * 64 + 3 * 4 * 4 * 64 * 64 + 4 * 4 * 64 * 3, critic)
  counts['lsun64-mlp'] = (100 * 512 + 512 + 3 * (512 * 512 + 512) + 512 * 64 * 64 * 3 + 64 * 64 * 3, critic)

  generator = 128 * 4 * 4 * 512 + 4 * 4 * 512
  for a, b in ((512, 512), (512, 256), (256, 128), (128, 64), (64, 64)):  # norms, convolutions, shortcut
    generator += 2 * a + 3 * 3 * a * b + 2 * b + 3 * 3 * b * b + b + a * b + b
  critic = 3 * 3 * 3 * 64 + 64
  for a, b in ((64, 64), (64, 128), (128, 256), (256, 512), (512, 512)):
    critic += 2 * a + 3 * 3 * a * a + 2 * a + 3 * 3 * a * b + b + a * b + b
  counts['lsun128-resnet'] = (generator + 2 * 64 + 3 * 3 * 64 * 3 + 3, critic + 4 * 4 * 512 + 1)

  hidden = 2 * 512 + 512 + 2 * (512 * 512 + 512)
  counts.update({toy: (hidden + 512 * 2 + 2, hidden + 512 + 1) for toy in TOYS})
  return counts


COUNTS = _counts()


def test_the_parameters_of_the_full_size():
  listed = {}
  for preset, rows in presets.PARAMETERS.items():
    for variants, *counts in rows:
      for variant in variants.split():
        listed[preset, variant] = tuple(counts)
  assert listed == {pair: COUNTS.get(pair) or COUNTS[pair[0]] for pair in PAIRS}
  for (preset, variant), counts in listed.items():
    if variant != 'gan':  # has the networks of one of the others
      assert networks.count_parameters(config.make(preset, variant)) == counts


# fmt: off

# Parameters of the generator and of the critic at sizes that are not published, layer by layer, worked out by hand.
_BLOG_CONVS = 9 * (512 * 256 + 256 * 128 + 128 * 64)
_DCGAN5_CONVS = 25 * (512 * 256 + 256 * 128) + 256 + 128 + 2 * (256 + 128)  # and batch norm's gamma and beta
_CONV5 = 25 * (128 * 256 + 256 * 512) + 128 + 256 + 512


def _blocks(filters, up=True):
  """Parameters of residual blocks: two norms' gamma and beta, two convolutions and the shortcut."""
  total = 0
  for i, o in zip(filters, filters[1:]):
    middle = o if up else i
    total += 2 * i + 2 * middle + 9 * i * middle + 9 * middle * o + o + i * o + o
  return total


AT_OTHER_SIZES = [
  (dict(preset='blog-mnist', image_size=48), 129 * 6 * 6 * 512 + _BLOG_CONVS + 9 * 64,
   9 * 64 + _BLOG_CONVS + 64 + 128 + 256 + 512 + 3 * 3 * 512 + 1),
  (dict(preset='blog-mnist', image_size=64, image_channels=3), 129 * 8 * 8 * 512 + _BLOG_CONVS + 9 * 64 * 3,
   9 * 64 * 3 + _BLOG_CONVS + 64 + 128 + 256 + 512 + 4 * 4 * 512 + 1),
  (dict(preset='blog-mnist-mlp', image_size=16), 129 * 512 + 3 * 513 * 512 + 513 * 256,
   257 * 512 + 3 * 513 * 512 + 513),
  (dict(preset='keras-mnist', image_size=32), 51 * 8 * 8 * 128 + 2 * (16 * 128 * 128 + 128 + 2 * 128) + 49 * 128 + 1,
   16 * (64 + 64 * 64) + 2 * (64 + 2 * 64) + 8 * 8 * 64 + 1),
  (dict(preset='fashion-upsample', image_size=48), 129 * 6 * 6 * 512 + 2 * 6 * 6 * 512 + _DCGAN5_CONVS + 25 * 128 + 1,
   25 * 128 + _CONV5 + 2 * (256 + 512) + 6 * 6 * 512 + 1),
  (dict(preset='gp-mnist', image_size=64, variant='gp'), 129 * 8 * 8 * 256 + 25 * (256 * 128 + 128 * 64 + 64) + 193,
   25 * (64 + 64 * 128 + 128 * 256) + 64 + 128 + 256 + 8 * 8 * 256 + 1),
  (dict(preset='lsun128-resnet', image_size=64, variant='gp', width=1), 129 * 4 * 4 * 8 + _blocks((8, 8, 4, 2, 1)) +
   2 + 9 * 3 + 3, 9 * 3 + 1 + _blocks((1, 2, 4, 8, 8), up=False) + 4 * 4 * 8 + 1),
  (dict(preset='cifar10-dcgan', image_size=48), 129 * 6 * 6 * 512 + 2 * 6 * 6 * 512 + _DCGAN5_CONVS + 25 * 128 * 3 + 3,
   25 * 3 * 128 + _CONV5 + 2 * (256 + 512) + 6 * 6 * 512 + 1),
  (dict(preset='lsun64-dcgan', image_size=32), 100 * 4 * 4 * 256 + 2 * 256 + 16 * (256 * 128 + 128 * 64 + 64 * 3) +
   2 * (128 + 64), 16 * (3 * 64 + 64 * 128 + 128 * 256) + 2 * (128 + 256) + 4 * 4 * 256),
  (dict(preset='lsun64-dcgan', image_size=128), 100 * 4 * 4 * 1024 + 2 * 1024 +
   16 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 2 * (512 + 256 + 128 + 64),
   16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 1024) + 2 * (128 + 256 + 512 + 1024) + 4 * 4 * 1024),
  (dict(preset='lsun64-dcgan-nobn', image_size=256), 100 * 4 * 4 * 64 + 16 * (5 * 64 * 64 + 64 * 3), None),
  (dict(preset='lsun64-mlp', image_size=16), 101 * 512 + 3 * 513 * 512 + 513 * 16 * 16 * 3,
   16 * (3 * 64 + 64 * 128) + 2 * 128 + 4 * 4 * 128),
  (dict(preset='blog-mnist-mlp', image_size=64), 129 * 512 + 3 * 513 * 512 + 513 * 4096,
   4097 * 512 + 3 * 513 * 512 + 513),
  (dict(preset='keras-mnist', image_size=64), 51 * 16 * 16 * 128 + 2 * (16 * 128 * 128 + 128 + 2 * 128) + 49 * 128 + 1,
   16 * (64 + 64 * 64) + 2 * (64 + 2 * 64) + 16 * 16 * 64 + 1),
  (dict(preset='fashion-upsample', image_size=64), 129 * 8 * 8 * 512 + 2 * 8 * 8 * 512 + _DCGAN5_CONVS + 25 * 128 + 1,
   25 * 128 + _CONV5 + 2 * (256 + 512) + 8 * 8 * 512 + 1),
  (dict(preset='gp-mnist', image_size=48, variant='gp'), 129 * 6 * 6 * 256 + 25 * (256 * 128 + 128 * 64 + 64) + 193,
   25 * (64 + 64 * 128 + 128 * 256) + 64 + 128 + 256 + 6 * 6 * 256 + 1),
  (dict(preset='lsun128-resnet', image_size=256, variant='gp', width=1), 129 * 4 * 4 * 8 +
   _blocks((8, 8, 4, 2, 1, 1, 1)) + 2 + 9 * 3 + 3,
   9 * 3 + 1 + _blocks((1, 1, 1, 2, 4, 8, 8), up=False) + 4 * 4 * 8 + 1),
  (dict(preset='cifar10-dcgan', image_size=64), 129 * 8 * 8 * 512 + 2 * 8 * 8 * 512 + _DCGAN5_CONVS + 25 * 128 * 3 + 3,
   25 * 3 * 128 + _CONV5 + 2 * (256 + 512) + 8 * 8 * 512 + 1),
  (dict(preset='lsun64-dcgan-nobn', image_size=32), 100 * 4 * 4 * 64 + 16 * (2 * 64 * 64 + 64 * 3),
   16 * (3 * 64 + 64 * 128 + 128 * 256) + 2 * (128 + 256) + 4 * 4 * 256),
  (dict(preset='lsun64-mlp', image_size=128), 101 * 512 + 3 * 513 * 512 + 513 * 128 * 128 * 3,
   16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 1024) + 2 * (128 + 256 + 512 + 1024) + 4 * 4 * 1024),
]
# fmt: on


@pytest.mark.parametrize('settings, generator, critic', AT_OTHER_SIZES)
def test_the_parameters_at_other_sizes(settings, generator, critic):
  counts = networks.count_parameters(config.make(**settings))
  assert counts[0] == generator and critic in (None, counts[1])


@pytest.mark.parametrize('architecture', sorted(presets.IMAGE_SIZES))
def test_a_pair_makes_and_takes_images_of_each_size_that_it_lists(architecture):
  preset, variant = next(
    (p, v) for p, v in PAIRS if config.make(p, v).architecture == architecture and config.make(p, v).form == 'image'
  )
  sizes = presets.IMAGE_SIZES[architecture]
  for size in {min(sizes), max(sizes), *(s for s in (24, 28, 128) if s in sizes)}:
    c = config.make(preset, variant, image_size=size, image_channels=1, width=1)
    generate, score = networks.networks_of(c)
    with tf.Graph().as_default():
      images = generate(tf.zeros([2, c.latent_size]), None, training=True)
      assert images.shape.as_list() == [2, size, size, 1]
      assert score(images)[0].shape.as_list() == [2]


@pytest.mark.parametrize(
  'preset, size, words',
  [
    ('blog-mnist', 28, 'a multiple of 8 from 16 to 256 pixels'),
    ('keras-mnist', 100, 'a multiple of 8 from 16 to 256, or 28 pixels'),
    ('lsun64-dcgan', 96, '16, 32, 64, 128 or 256 pixels'),
    ('cifar10-resnet', 64, 'preset=cifar10-resnet can have 32 pixels'),
  ],
)
def test_a_size_that_the_networks_do_not_follow_is_refused(preset, size, words):
  with pytest.raises(UserError, match='image_size=%d: .* %s. Use such a size, or another preset' % (size, words)):
    config.make(preset, image_size=size)


def test_the_list_of_presets_fits_a_terminal_and_needs_no_tensorflow(tmp_path):
  (tmp_path / 'tensorflow.py').write_text('raise AssertionError')
  out, err = run(tmp_path, 'train.py', '--list_presets', PYTHONPATH=str(tmp_path))
  header, *rows, note = out.splitlines()
  assert header.split() == ['name', 'source', 'data', 'variants', 'parameters']
  assert '96 characters' in note and err == '' and max(map(len, out.splitlines())) <= 80
  assert [row.split()[0] for row in rows if not row.startswith(' ')] == list(config.PRESETS)
  assert 'keras-mnist Keras post mnist clip gan 0.85 0.07' in [' '.join(row.split()) for row in rows]


def test_print_config_shows_the_run_and_starts_nothing(tmp_path):
  (tmp_path / 'tensorflow.py').write_text('raise AssertionError')
  out, err = run(tmp_path, 'train.py', '--print_config', '--variant=gp', '--batch_size=7', PYTHONPATH=str(tmp_path))
  shown = json.loads(out)
  assert (shown['variant'], shown['batch_size'], shown['penalty_weight'], shown['run_dir']) == (
    'gp', 7, 10.0, 'runs/blog-mnist-gp',
  )  # fmt: skip
  assert err == '' and os.listdir(str(tmp_path)) == ['tensorflow.py']
  run_here(tmp_path, 'train.py', '--print_config', '--batch_size=0', status=2)


@pytest.mark.parametrize('preset', list(config.PRESETS))
def test_shapes_of_the_full_size(preset):
  c = config.make(preset)
  shape = {'text': [32, 96], 'points': [2]}.get(c.form)
  if c.form == 'image':
    size, channels = DATA[preset][1][:2]
    shape = [size, size, channels]
  with tf.Graph().as_default():
    assert sampling.build_sampler(c).samples.shape.as_list()[1:] == shape
    classes = {'class_count': c.class_count} if c.class_count else {}
    critic = networks.ARCHITECTURES[c.architecture][1]
    scores = critic(tf.zeros([3] + shape), width=c.width, norm=c.critic_norm, **classes)
    if c.class_count:
      scores, logits = scores
      assert logits.shape.as_list()[1:] == [10]
    assert scores.shape.ndims == 1


def small(preset, variant):
  """The `Config` of a preset at a width of 4 and batches of 4, the generator's in the preset's ratio to it.

  At that width the sources' bound and step sizes would leave gradients below what float32 can add to a weight.
  """
  full = config.make(preset, variant)
  extra = {'vocabulary': '\nabcde '} if full.form == 'text' else {}
  if variant == 'clip':
    extra['clip_value'] = 0.5
  return config.make(
    preset, variant, width=16 if full.form == 'points' else 4, batch_size=4,
    generator_batch_size=4 * full.generator_batch_size // full.batch_size,
    generator_learning_rate=0.01, critic_learning_rate=0.01, **extra,
  )  # fmt: skip


def random_dataset(c):
  """Returns 12 random samples of the form that a preset is trained on."""
  random, shape = np.random.RandomState(0), (12, *networks.sample_shape(c))
  if c.form == 'image':
    raw = random.randint(0, 256, shape).astype(np.uint8)
  elif c.form == 'text':
    raw = random.randint(0, shape[2], shape[:2]).astype(np.uint16)
  else:
    raw = random.normal(size=shape).astype(np.float32)
  labels = random.randint(0, c.class_count, 12).astype(np.int32) if c.class_count else None
  return datasets.Dataset('random', raw, raw, labels, labels, c.vocabulary, '')


def values(session):
  """Returns {name: value} of every variable, optimizer slots and counters included."""
  return session.run({v.op.name: v for v in tf.global_variables()})


def unchanged(a, b, names):
  return {name for name in names if np.array_equal(a[name], b[name])}


def beyond(values, names, bound):
  return {name for name in names if np.abs(values[name]).max() > np.float32(bound)}


# The toys differ in their data alone.
@pytest.mark.parametrize('preset, variant', [(p, v) for p, v in PAIRS if p not in TOYS[1:]])
def test_two_updates_and_a_resumed_third_and_fourth(tmp_path, preset, variant):
  c = small(preset, variant)
  bound = c.clip_value or 0.01
  options = tf.ConfigProto()
  options.graph_options.rewrite_options.disable_meta_optimizer = True  # it takes longer than these few steps
  with training.new_trainer(c, random_dataset(c), session_config=options) as trainer:
    graph, session, saver = trainer.graph, trainer.session, tf.train.Saver()
    critic = {v.op.name for v in graph.critic_variables}
    trainable = {v.op.name for v in graph.generator_variables}
    randomize(session, [v for v in tf.global_variables() if v.op.name in critic | trainable])
    start = values(session)
    moving = {name for name in start if 'moving_' in name}
    assert bool(moving) == (c.generator_norm == 'batch') and all(name.startswith('generator/') for name in moving)
    generator = trainable | moving
    assert beyond(start, critic, bound)  # so that clipping has work to do
    assert beyond(start, moving, bound) == {name for name in moving if name.endswith('variance')}

    scalars = trainer.critic_update(graph.scalars)
    assert graph.estimate in scalars and all(np.isfinite(value) for value in scalars.values())
    after = values(session)
    assert (after['critic_step'], after['global_step']) == (1, 0)
    assert unchanged(start, after, generator) == generator
    moved = critic - unchanged(start, after, critic)
    assert moved >= {name for name in critic if name.endswith('/weights')}
    if variant != 'clip':
      assert beyond(after, critic, 0.5)
    elif c.clip_order == 'after':
      assert not beyond(after, critic, bound)
    else:
      assert beyond(after, critic, bound)  # the update comes after the clip
      session.run(graph.before_critic)
      after = values(session)
      assert not beyond(after, critic, bound)

    trainer.generator_update()
    saved = values(session)
    assert (saved['critic_step'], saved['global_step']) == (1, 1)
    assert unchanged(after, saved, critic) == critic
    moved = generator - unchanged(after, saved, generator)
    assert moved >= moving | {name for name in generator if name.endswith('/weights')}
    samples, _ = session.run([graph.samples, graph.check_weights])
    assert samples.shape == (networks.sample_count(c), *networks.sample_shape(c)) and np.isfinite(samples).all()
    saver.save(session, str(tmp_path / 'model'), write_meta_graph=False)
    trainer.critic_update()
    trainer.generator_update()
    end = values(session)
    assert all(np.isfinite(value).all() for value in end.values())
    assert not unchanged(saved, end, {name for name in critic | generator if name.endswith('/weights')})

    with tf.Session(config=options) as session:  # where the variables have no values yet
      saver.restore(session, str(tmp_path / 'model'))
      assert_same_variables(values(session), saved)
      with training.Trainer(c, trainer.dataset, graph, session) as resumed:
        resumed.critic_update()
        resumed.generator_update()
      assert_same_variables(values(session), end)
