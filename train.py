"""Trains a Wasserstein GAN, or goes on with a run that was stopped.

python train.py --variant=clip                         the MNIST post's WGAN: clipped weights, RMSProp
python train.py --variant=gp                           the same networks with the gradient penalty, Adam
python train.py --variant=clip --generator_steps=300   a first look
python train.py --preset=cifar10-resnet --variant=gp   another system of the posts and papers
python train.py --list_presets                         all of them

Ctrl-C saves, and the same command goes on from there. The run directory has the checkpoints, the
samples and what TensorBoard shows; sample.py draws more from it.
"""

import contextlib
import os
from typing import Optional

from absl import flags

from wgan_tf1 import config
from wgan_tf1 import console
from wgan_tf1.distributed import tf_config
from wgan_tf1.errors import UserError

FLAGS = flags.FLAGS

# A preset decides the networks and the form of its data; flags can override the rest.
FLAG_NAMES = [name for name, about in config.FIELDS.items() if about['flag']]


def _allowed(preset):
  """Returns {variant: Config} of the variants that a preset has."""
  allowed = {}
  for variant in config.VARIANTS:
    with contextlib.suppress(UserError):
      allowed[variant] = config.make(preset, variant)
  return allowed


def _default(name):
  """Says what a flag is when it is left out: one value, or that of the default preset and where others differ."""
  if name in ('preset', 'variant'):
    return getattr(config.make(), name)
  if name == 'dataset':
    return 'auto'
  if name == 'run_dir':
    return os.path.join('runs', 'PRESET-VARIANT')
  if name == 'data_dir':
    return '$WGAN_DATA_DIR, else data'
  values = [getattr(c, name) for preset in config.PRESETS for c in _allowed(preset).values()]
  values = sorted({value for value in values if value is not None}, key=str)
  if len(values) < 2:
    return values[0] if values else 'none'
  return 'that of preset and variant: one of %s' % ', '.join(map(str, values))


def _define_flags():
  define = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    bool: flags.DEFINE_boolean,
    float: flags.DEFINE_float,
    Optional[float]: flags.DEFINE_float,
    Optional[str]: flags.DEFINE_string,
  }
  flags.DEFINE_boolean('list_presets', False, 'print a table of the presets, and do nothing else.')
  for name in FLAG_NAMES:
    about = config.FIELDS[name]
    text = '%s. Default: %s.' % (about['meaning'], _default(name))
    if about['choices']:
      flags.DEFINE_enum(name, None, about['choices'], text)
    else:
      define[config.Config.__annotations__[name]](name, None, text)


def print_presets():
  """Prints name, source, network, data, variants and parameters of each preset."""
  with console.quiet_tensorflow():
    from wgan_tf1 import networks

  rows = [('name', 'source', 'network', 'data', 'variants', 'parameters: generator, critic')]
  for preset, settings in config.PRESETS.items():
    by_count = {}  # parameters -> the variants and networks that have so many
    for variant, run_config in _allowed(preset).items():
      counts = ', '.join(format(n, ',') for n in networks.count_parameters(run_config))
      by_count.setdefault((run_config.architecture, counts), []).append(variant)
    for i, ((architecture, counts), variants) in enumerate(by_count.items()):
      first = (preset, settings['source']) if i == 0 else ('', '')
      rows.append((*first, architecture, settings['dataset'], ' '.join(variants), counts))
  widths = [max(map(len, column)) for column in zip(*rows)]
  for row in rows:
    print('  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
  print('Parameters of text-char are for a vocabulary of %d characters.' % networks.NOMINAL_VOCABULARY)


def main():
  if FLAGS.list_presets:
    return print_presets()
  run_config = config.make(**{name: FLAGS[name].value for name in FLAG_NAMES})
  tf_config.place()  # so that a mistake in TF_CONFIG answers at once, too
  with console.quiet_tensorflow():  # here and not above, so that --help and a mistake answer at once
    from wgan_tf1 import training

  stopped_by = training.train(run_config)
  return 128 + stopped_by if stopped_by else 0


if __name__ == '__main__':
  _define_flags()
  console.run(main)
