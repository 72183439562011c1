"""Random architectures, trained by GAN, clipped WGAN and WGAN-GP: how many work? WGAN-GP, tables 1 and 5, in small."""

import sys

import numpy as np

from experiments import common
from experiments import image_runs
from wgan_tf1 import console
from wgan_tf1.evaluation import published

TITLE = 'Random architectures: how many train?'

# The paper: 200 architectures, 32x32 ImageNet, 100,000 updates, GAN and WGAN-GP, filters of 32, 64 or 128. Here: a few
# architectures, MNIST padded to 32x32, hundreds of updates, the clipped WGAN too, filters of 4, 8 or 16. What else the
# table varies is as it has it; how deeper networks are made of DCGAN's it does not say, and is ours: see `networks_of`.
CHOICES = {
  'generator_nonlinearity': ['relu', 'leaky_relu', 'softplus', 'tanh'],
  'critic_nonlinearity': ['relu', 'leaky_relu', 'softplus', 'tanh'],
  'generator_depth': [4, 8, 12, 20],
  'critic_depth': [4, 8, 12, 20],
  'generator_norm': [True, False],
  'critic_norm': [True, False],
  'generator_filters': [4, 8, 16],
  'critic_filters': [4, 8, 16],
}
SETTINGS = {
  'full': dict(
    dataset='mnist', image_size=32, batch_size=32, generator_steps=200, scored_samples=1000, architectures=10,
    variants=['gan', 'clip', 'gp'], thresholds=[1.5, 2, 3, 4, 5], success=2, seed=0,
  ),
  'quick': dict(
    dataset='digits', image_size=16, batch_size=8, generator_steps=2, scored_samples=50, classifier_steps=20,
    architectures=1, variants=['gan', 'clip', 'gp'], thresholds=[1.1, 2, 3], success=2, seed=33,
  ),
}  # fmt: skip
# As in without_batch_norm, for the same reason.
LEARNING_RATES = {'gan': 1e-3, 'clip': 3e-3, 'gp': 1e-3}
CLIP_VALUE = 0.05
LABELS = {'gan': 'GAN', 'clip': 'WGAN', 'gp': 'WGAN-GP'}


def sample(seed, index):
  """Returns architecture `index`: {name: one of `CHOICES`}, each with the same chance."""
  random = np.random.RandomState([seed, index, 13])
  return {name: values[random.randint(len(values))] for name, values in CHOICES.items()}


def _activation(name):
  import tensorflow.compat.v1 as tf

  return {
    'relu': tf.nn.relu,
    'leaky_relu': lambda x: tf.nn.leaky_relu(x, 0.2),
    'softplus': lambda x: tf.nn.softplus(2 * x + 2) / 2 - 1,  # the table's
    'tanh': tf.tanh,
  }[name]


def networks_of(architecture):
  """Returns (generator, critic) of an architecture, as `networks.ARCHITECTURES` has them.

  Depth counts dense layers, convolutions and transposed ones: at depth 4 they are DCGAN's for 32x32 pixels, a dense
  layer and three transposed convolutions, and three convolutions and a dense layer; of 4, 2 and 1 times the filters,
  and the other way round. At depth 4 k there are k - 1 convolutions of stride 1 more at 16x16 and at 8x8, and
  2 (k - 1) at 4x4. All have 3x3 filters and the WGAN-GP code's initial weights.
  """
  with console.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import layers

  def more(x, count, name, normalized):
    for i in range(count):
      x = normalized(layers.conv2d(x, int(x.shape[3]), '%s_conv_%d' % (name, i), stride=1, init='he'), name + str(i))
    return x

  def generator(latents, *, shape, width, norm, training):
    del width
    activation, filters = _activation(architecture['generator_nonlinearity']), architecture['generator_filters']
    extra = architecture['generator_depth'] // 4 - 1
    rows = shape[0] // 8
    normalized = lambda x, name: activation(layers.normalize(x, norm, 'norm_' + name, training))
    with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
      x = tf.reshape(
        layers.dense(latents, rows * rows * 4 * filters, 'dense', init='he'), [-1, rows, rows, 4 * filters]
      )
      x = more(normalized(x, 'first'), 2 * extra, 'a', normalized)
      for stage, multiple in (('b', 2), ('c', 1)):
        x = layers.conv2d_transpose(x, multiple * filters, stage + '_conv_transpose', init='he', bias=True)
        x = more(normalized(x, stage), extra, stage, normalized)
      return tf.tanh(layers.conv2d_transpose(x, shape[2], 'conv_transpose', init='he', bias=True))

  def critic(samples, *, width, norm):
    del width
    activation, filters = _activation(architecture['critic_nonlinearity']), architecture['critic_filters']
    extra = architecture['critic_depth'] // 4 - 1
    normalized = lambda x, name: activation(layers.normalize(x, norm, 'norm_' + name))
    with tf.variable_scope('critic', reuse=tf.AUTO_REUSE):
      x = samples
      for stage, multiple, count in (('a', 1, extra), ('b', 2, extra), ('c', 4, 2 * extra)):
        x = layers.conv2d(x, multiple * filters, stage + '_conv', init='he')
        # As in DCGAN, the first convolution is not normalised.
        x = activation(x) if stage == 'a' else normalized(x, stage)
        x = more(x, count, stage, normalized)
      return tf.squeeze(layers.dense(layers.flatten(x), 1, 'dense', init='he'), axis=1)

  return generator, critic


def _run(settings, run, score, index, variant):
  """Trains one architecture; returns {score: float} of its samples, and whether it diverged."""
  with console.quiet_tensorflow():
    from wgan_tf1 import networks

  architecture = sample(settings['seed'], index)
  networks.ARCHITECTURES['random'] = networks_of(architecture)
  in_critic = 'layer' if variant == 'gp' else 'batch'  # the table's: layer norm for WGAN-GP
  rate = LEARNING_RATES[variant]
  config = image_runs.make_config(
    settings, run, variant, architecture='random',
    generator_norm='batch' if architecture['generator_norm'] else 'none',
    critic_norm=in_critic if architecture['critic_norm'] else 'none',
    generator_learning_rate=rate, critic_learning_rate=rate, clip_value=CLIP_VALUE if variant == 'clip' else None,
  )  # fmt: skip
  found = image_runs.train(config, score, settings['generator_steps'])
  last = {name: found[name][-1] for name in ('fid', 'inception_score', 'coverage', 'entropy')}
  return dict(last, diverged=found['diverged'])


def successes(runs, threshold):
  """Returns the architectures that reach a score, for each variant a sorted list of their numbers.

  Args:
    runs: {variant: list of {inception_score, diverged}}, one for each architecture.
    threshold: least inception score; a run that diverged never reaches it.
  """
  return {
    variant: [i for i, f in enumerate(found) if f['inception_score'] >= threshold and not f['diverged']]
    for variant, found in runs.items()
  }


def measure(settings, run):
  """Trains every architecture with every variant.

  Returns:
    dict: architectures, list of `sample`; runs, of each variant a list of scores; table, a row for each threshold, of
    how many architectures reach it with each variant, only with GAN, only with WGAN-GP, with both, with neither;
    success and successes, the threshold of the claims and the numbers of those that reach it; protocol.
  """
  score = image_runs.scorer(settings, run)
  runs = {
    variant: [
      run.part('%s-%d' % (variant, i), lambda: _run(settings, run, score, i, variant))
      for i in range(settings['architectures'])
    ]
    for variant in settings['variants']
  }
  table = []
  for threshold in settings['thresholds']:
    reached = {variant: set(numbers) for variant, numbers in successes(runs, threshold).items()}
    gan, gp = reached['gan'], reached['gp']
    table.append(dict(
      threshold=threshold, **{variant: len(numbers) for variant, numbers in reached.items()},
      only_gan=len(gan - gp), only_gp=len(gp - gan), both=len(gan & gp),
      neither=settings['architectures'] - len(gan | gp),
    ))  # fmt: skip
  return dict(
    architectures=[sample(settings['seed'], i) for i in range(settings['architectures'])], runs=runs, table=table,
    success=settings['success'], successes=successes(runs, settings['success']), protocol=score.protocol,
  )  # fmt: skip


def _more(variant, than):
  def holds(numbers):
    return len(numbers['successes'][variant]) > len(numbers['successes'][than])

  return holds


def _none_by_gan_alone(numbers):
  if not numbers['successes']['gan']:
    return None
  return set(numbers['successes']['gan']) <= set(numbers['successes']['gp'])


def _measured(numbers):
  total = len(numbers['architectures'])
  counts = ['%s %d' % (LABELS[v], len(reached)) for v, reached in numbers['successes'].items()]
  return 'of %d architectures %s reach a score of %g' % (total, ', '.join(counts), numbers['success'])


def _measured_alone(numbers):
  alone = sorted(set(numbers['successes']['gan']) - set(numbers['successes']['gp']))
  return '%d of %d architectures train by GAN and not by WGAN-GP' % (len(alone), len(numbers['architectures']))


def _published():
  """Returns what table 5 prints, in words."""
  rows = {}
  for row in published.rows():
    if row['metric'] == 'architectures':
      rows.setdefault(row['protocol']['minimum_inception_score'], []).append('%s %d' % (row['system'], row['value']))
  return 'of 200, ' + '; '.join('at a score of %g: %s' % (score, ', '.join(found)) for score, found in rows.items())


_RULE = 'the number of architectures whose 1,000 samples have an inception score (small classifier) of 2 or more is '
CLAIMS = [
  common.Claim('WGAN-GP trains more of the random architectures than the GAN.', 'WGAN-GP (1704.00028), table 5',
               _RULE + 'larger with WGAN-GP than with the GAN.', _more('gp', 'gan'), _measured, _published()),
  common.Claim('Hardly an architecture trains by GAN alone.', 'WGAN-GP (1704.00028), table 5',
               'none reaches that score with the GAN and not with WGAN-GP; not testable if none does with the GAN.',
               _none_by_gan_alone, _measured_alone, _published()),
  common.Claim('WGAN-GP trains architectures that weight clipping does not.', 'WGAN-GP (1704.00028), figure 2',
               _RULE + 'larger with WGAN-GP than with clipping.', _more('gp', 'clip'), _measured),
]  # fmt: skip


REMARKS = (
  "Ten architectures and one seed of each: the order of the three is the paper's, their distances are not to be read "
  'off. After 200 updates nothing reaches a score of 5, of about 9.6 for real images.'
)


def plot(numbers):
  """Draws how many architectures reach each score, and the score of each architecture."""
  figure = common.figure(8.5, 3.8)
  axes = figure.add_subplot(1, 2, 1)
  table = numbers['table']
  places = np.arange(len(table))
  variants = list(numbers['runs'])
  for i, variant in enumerate(variants):
    axes.bar(places + (i - 1) * 0.27, [row[variant] for row in table], 0.25, color='C%d' % i, label=LABELS[variant])
  axes.set_xticks(places)
  axes.set_xticklabels(['%g' % row['threshold'] for row in table])
  axes.set_xlabel('inception score (small classifier) at least')
  axes.set_ylabel('architectures, of %d' % len(numbers['architectures']))
  axes.set_ylim(0, len(numbers['architectures']) * 1.25)
  axes.legend(fontsize=8, ncol=3, loc='upper center')
  axes = figure.add_subplot(1, 2, 2)
  for i, variant in enumerate(variants):
    scores = [f['inception_score'] for f in numbers['runs'][variant]]
    axes.plot(np.arange(1, len(scores) + 1), scores, 'o', color='C%d' % i, markersize=5)
  axes.axhline(numbers['success'], color='0.4', linestyle=':', linewidth=1)
  axes.set_xlabel('architecture (dotted: success)')
  axes.set_ylabel('inception score (small classifier)')
  figure.tight_layout()
  return figure


if __name__ == '__main__':
  common.main(sys.modules[__name__])
