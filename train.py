"""Trains a Wasserstein GAN, or goes on with a run that was stopped.

python train.py --variant=clip                         the MNIST post's WGAN: clipped weights, RMSProp
python train.py --variant=gp                           the same networks with the gradient penalty, Adam
python train.py --variant=clip --generator_steps=300   a first look

Ctrl-C saves, and the same command goes on from there. The run directory has the checkpoints, the
samples and what TensorBoard shows; sample.py draws more from it.
"""

import os
from typing import Optional

from absl import flags

from wgan_tf1 import cli
from wgan_tf1 import config

FLAGS = flags.FLAGS

# A preset is the networks and the shape of its images; everything else can be overridden.
FLAG_NAMES = [
  name for name in config.MEANINGS if name not in ('architecture', 'image_size', 'image_channels', 'latent_size')
]


def _default(name):
  """Says what a flag is when it is left out: one value, or one for each preset and variant that has it."""
  if name in ('preset', 'variant'):
    return getattr(config.make(), name)
  if name == 'run_dir':
    return os.path.join('runs', 'PRESET-VARIANT')
  if name == 'data_dir':
    return '$WGAN_DATA_DIR, else data'
  where = {}
  for preset in config.PRESETS:
    for variant in config.VARIANTS:
      value = getattr(config.make(preset, variant), name)
      if value is not None:
        where.setdefault(str(value), []).append(preset + '-' + variant)
  if len(where) == 1:
    return next(iter(where))
  return ', '.join('%s with %s' % (value, ' '.join(names)) for value, names in where.items())


def _define_flags():
  define = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    bool: flags.DEFINE_boolean,
    float: flags.DEFINE_float,
    Optional[float]: flags.DEFINE_float,
  }
  for name in FLAG_NAMES:
    text = '%s. Default: %s.' % (config.MEANINGS[name], _default(name))
    if name in config.CHOICES:
      flags.DEFINE_enum(name, None, config.CHOICES[name], text)
    else:
      define[config.Config.__annotations__[name]](name, None, text)


def main():
  run_config = config.make(**{name: FLAGS[name].value for name in FLAG_NAMES})
  with cli.quiet_tensorflow():  # here and not above, so that --help and a mistake answer at once
    from wgan_tf1 import training

  stopped_by = training.train(run_config)
  return 128 + stopped_by if stopped_by else 0


if __name__ == '__main__':
  _define_flags()
  cli.run(main)
