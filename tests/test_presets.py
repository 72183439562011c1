"""Every preset with every variant that it allows: its settings, its size, and two updates of it at a small width."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1 import config
from wgan_tf1 import data
from wgan_tf1 import graph as graphs
from wgan_tf1 import networks

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
    for norm in ('layer', 'none'):  # the way out that it names
      assert config.make(preset, 'gp', critic_norm=norm).critic_norm == norm


# fmt: off

# What a sample is, by the sources: data set, then height and width, channels, black and how smaller images are
# brought to the size, or the characters of a line; latent size; batch of the critic and of the generator.
DATA = {
  'blog-mnist':           ('mnist',         (32, 1, -1, 'pad'),    128,  64,  64),
  'blog-mnist-bn':        ('mnist',         (32, 1, -1, 'pad'),    128,  64,  64),
  'blog-mnist-mlp':       ('mnist',         (32, 1, -1, 'pad'),    128,  64,  64),
  'keras-mnist':          ('mnist',         (28, 1, -1, 'pad'),     50,  64,  64),
  'fashion-upsample':     ('fashion_mnist', (32, 1, -1, 'resize'), 128,  64,  64),
  'gp-mnist':             ('mnist',         (28, 1,  0, 'pad'),    128,  50,  50),
  'cifar10-dcgan':        ('cifar10',       (32, 3, -1, 'pad'),    128,  64,  64),
  'cifar10-resnet':       ('cifar10',       (32, 3, -1, 'pad'),    128,  64, 128),
  'cifar10-resnet-acgan': ('cifar10',       (32, 3, -1, 'pad'),    128,  64, 128),
  'lsun64-dcgan':         ('lsun',          (64, 3, -1, 'pad'),    100,  64,  64),
  'lsun64-dcgan-nobn':    ('lsun',          (64, 3, -1, 'pad'),    100,  64,  64),
  'lsun64-mlp':           ('lsun',          (64, 3, -1, 'pad'),    100,  64,  64),
  'lsun128-resnet':       ('lsun',          (128, 3, -1, 'pad'),   128,  64,  64),
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
  first = 5 * 5 * 512 * 256 + 256 + 2 * 256  # likewise of each filter
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


@pytest.mark.parametrize('preset, variant', PAIRS)
def test_parameters_of_the_full_size(preset, variant):
  counts = COUNTS.get((preset, variant)) or COUNTS[preset]
  assert graphs.count_parameters(config.make(preset, variant)) == counts


@pytest.mark.parametrize('preset', list(config.PRESETS))
def test_shapes_of_the_full_size(preset):
  c = config.make(preset)
  shape = {'text': [32, 96], 'points': [2]}.get(c.form)
  if c.form == 'image':
    size, channels = DATA[preset][1][:2]
    shape = [size, size, channels]
  with tf.Graph().as_default():
    assert graphs.build_sampler(c).samples.shape.as_list()[1:] == shape
    classes = {'class_count': c.class_count} if c.class_count else {}
    critic = networks.ARCHITECTURES[c.architecture][1]
    scores = critic(tf.zeros([3] + shape), width=c.width, norm=c.critic_norm, **classes)
    if c.class_count:
      scores, logits = scores
      assert logits.shape.as_list()[1:] == [10]
    assert scores.shape.ndims == 1


def small(preset, variant):
  """The `Config` of a preset at a width of 4 and batches of 4, the generator's in the preset's ratio to it."""
  full = config.make(preset, variant)
  extra = {'vocabulary': '\nabcde '} if full.form == 'text' else {}
  return config.make(
    preset, variant, width=16 if full.form == 'points' else 4, batch_size=4,
    generator_batch_size=4 * full.generator_batch_size // full.batch_size, **extra,
  )  # fmt: skip


def make_feed(c, graph, seed):
  """Random samples of the form that the preset is trained on, as the loop feeds them."""
  random = np.random.RandomState(seed)
  n, shape = c.batch_size, graphs.sample_shape(c)
  if c.form == 'image':
    raw = random.randint(0, 256, [n, *shape]).astype(np.uint8)
  elif c.form == 'text':
    raw = random.randint(0, shape[1], [n, shape[0]]).astype(np.uint16)
  else:
    raw = random.normal(size=[n, *shape]).astype(np.float32)
  feed = {graph.real: data.encode(c, raw)}
  assert feed[graph.real].dtype == np.float32 and feed[graph.real].shape == (n, *shape)
  if c.class_count:
    feed[graph.labels] = feed[graph.real_labels] = random.randint(0, c.class_count, n)
  return feed


def values_of(session, scope=None):
  return session.run({v.op.name: v for v in tf.global_variables(scope)})


def unchanged(a, b):
  """The names of those that are the same, to the bit."""
  assert set(a) == set(b)
  return {name for name in a if np.array_equal(a[name], b[name])}


def weights(names):
  return {name for name in names if name.endswith('/weights')}


def critic_step(graph, session, feed):
  if graph.before_critic is not None:
    session.run(graph.before_critic)
  session.run(graph.train_critic, feed)


def generator_step(c, graph, session):
  session.run(graph.train_generator, {graph.fake_count: c.generator_batch_size})


def beyond(values, bound):
  return [name for name, value in values.items() if np.abs(value).max() > np.float32(bound)]


@pytest.mark.parametrize('preset, variant', PAIRS)
def test_two_updates_and_a_resumed_third_and_fourth(tmp_path, preset, variant):
  c = small(preset, variant)
  path = str(tmp_path / 'model')
  with tf.Graph().as_default(), tf.Session() as session:
    graph = graphs.build_graph(c)
    session.run(tf.global_variables_initializer())
    saver = tf.train.Saver()
    critic_names = {v.op.name for v in graph.critic_variables}
    assert critic_names == {v.op.name for v in tf.global_variables('critic/')}
    generator, critic = values_of(session, 'generator/'), values_of(session, 'critic/')
    assert beyond(critic, 0.01)  # so that clipping has work to do

    feed = make_feed(c, graph, seed=0)
    scalars = session.run(graph.scalars, feed)
    assert graph.estimate in scalars and all(np.isfinite(value) for value in scalars.values())
    critic_step(graph, session, feed)
    after = values_of(session, 'critic/')
    assert unchanged(generator, values_of(session, 'generator/')) == set(generator)
    assert not weights(unchanged(critic, after))
    if c.clip_order == 'before':
      assert beyond(after, 0.01)  # the update comes after it
      session.run(graph.before_critic)
      after = values_of(session, 'critic/')
    assert bool(beyond(after, 0.01)) == (variant != 'clip')
    assert session.run([graph.critic_step, graph.global_step]) == [1, 0]

    generator_step(c, graph, session)
    assert unchanged(after, values_of(session, 'critic/')) == set(after)
    moved = values_of(session, 'generator/')
    assert not weights(unchanged(generator, moved))
    moving = {name for name in moved if 'moving_' in name}
    assert bool(moving) == (c.generator_norm == 'batch')
    assert not unchanged({n: generator[n] for n in moving}, {n: moved[n] for n in moving})
    means = {name: moved[name] for name in moving if name.endswith('moving_mean')}
    assert bool(beyond(means, 0.01)) == bool(moving)  # they move as far as they please
    session.run(graph.check_weights)
    assert session.run([graph.critic_step, graph.global_step]) == [1, 1]
    samples = session.run(graph.samples)
    assert samples.shape == (graphs.sample_count(c), *graphs.sample_shape(c)) and np.isfinite(samples).all()
    saver.save(session, path)
    saved = values_of(session)

    feed = make_feed(c, graph, seed=1)
    critic_step(graph, session, feed)
    generator_step(c, graph, session)
    end = values_of(session)
    assert all(np.isfinite(value).all() for value in end.values())
    assert not weights(unchanged(saved, end))

  with tf.Graph().as_default(), tf.Session() as session:
    graph = graphs.build_graph(c)
    tf.train.Saver().restore(session, path)
    assert unchanged(saved, values_of(session)) == set(saved)
    critic_step(graph, session, make_feed(c, graph, seed=1))
    generator_step(c, graph, session)
    assert unchanged(end, values_of(session)) == set(end)
