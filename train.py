"""Trains a Wasserstein GAN, or resumes a run that was stopped.

python train.py --variant=clip                         the MNIST post's WGAN: clipped weights, RMSProp
python train.py --variant=gp                           the same networks with the gradient penalty, Adam
python train.py --variant=clip --generator_steps=300   a first look
python train.py --preset=cifar10-resnet --variant=gp   another system of the posts and papers
python train.py --list_presets                         all of them

Ctrl-C saves and stops. Run the same command to resume. The run directory has the checkpoints, the samples and
what TensorBoard shows; sample.py draws more samples from it.
"""

import wgan_tf1.packages  # isort: skip  # noqa: F401

import contextlib
import functools
import json
import os
from typing import Any, Dict, Optional

from absl import flags

from wgan_tf1 import config as configs
from wgan_tf1 import console
from wgan_tf1.config import Config
from wgan_tf1.distributed import tf_config
from wgan_tf1.errors import UserError
from wgan_tf1.presets import PARAMETERS

FLAGS = flags.FLAGS

# A preset fixes the networks and the form of the data; flags override the rest.
FLAG_NAMES = [name for name, about in configs.FIELDS.items() if about['flag']]
# The order of --help.
GROUPS = {
  'run': ['preset', 'variant', 'run_dir', 'generator_steps', 'seed', 'init_from', 'init_step',
    'init_optimizers', 'list_presets', 'print_config', 'version'],
  'data': [
    'dataset', 'data_dir', 'data_path', 'image_size', 'image_channels', 'image_fit', 'image_memory_mb', 'mirror',
    'classes', 'dequantize', 'text_length', 'long_lines',
  ],
  'networks': ['width', 'generator_norm', 'critic_norm', 'ema_decay', 'fixed_generator'],
  'optimisation': [
    'optimizer', 'generator_learning_rate', 'critic_learning_rate', 'learning_rate_decay_steps', 'beta1', 'beta2',
    'batch_size', 'generator_batch_size', 'critic_steps', 'extra_critic_steps', 'critic_class_weight',
    'generator_class_weight',
  ],
  'constraint': ['clip_value', 'clip_order', 'penalty_weight', 'penalty'],
  'output': [
    'save_every_steps', 'keep_checkpoints', 'sample_every_steps', 'summary_every_steps', 'evaluate_every_steps',
    'profile_step', 'log_device_placement',
  ],
  'devices': ['precision', 'xla', 'num_gpus', 'gpu_memory_fraction', 'allow_growth', 'cluster_wait_seconds'],
}  # fmt: skip


@functools.lru_cache(maxsize=None)
def _allowed(preset: str) -> Dict[str, Config]:
  """Returns {variant: Config} of the variants that a preset has."""
  allowed: Dict[str, Config] = {}
  for variant in configs.VARIANTS:
    with contextlib.suppress(UserError):
      allowed[variant] = configs.make(preset, variant)
  return allowed


def _default(name: str) -> str:
  """Says in words which value a setting has without its flag."""
  if name in ('preset', 'variant'):
    return getattr(configs.make(), name)
  if name == 'dataset':
    return 'auto'
  if name == 'run_dir':
    return os.path.join('runs', 'PRESET-VARIANT')
  if name == 'data_dir':
    return '$WGAN_DATA_DIR, else data'
  values = {getattr(c, name) for preset in configs.PRESETS for c in _allowed(preset).values()} - {None}
  if len(values) <= 1:
    return str(values.pop()) if values else 'none'
  own = {variant: getattr(c, name) for variant, c in _allowed('blog-mnist').items() if getattr(c, name) is not None}
  words = ', '.join('%s with %s' % (value, variant) for variant, value in own.items())
  words = str(own.popitem()[1]) if len(set(own.values())) == 1 else words
  others = ', '.join(str(value) for value in sorted(values))
  return '%s; other presets and variants have one of %s' % (words, others)


def _define_flags() -> None:
  define: Dict[Any, Any] = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    bool: flags.DEFINE_boolean,
    float: flags.DEFINE_float,
    Optional[float]: flags.DEFINE_float,
    Optional[int]: flags.DEFINE_integer,
    Optional[str]: flags.DEFINE_string,
  }
  flags.DEFINE_boolean('list_presets', False, 'print a table of the presets, and do nothing else.')
  flags.DEFINE_boolean('print_config', False, 'print the settings of the run as JSON, and do nothing else.')
  for name in FLAG_NAMES:
    about = configs.FIELDS[name]
    text = '%s. Default: %s.' % (about['meaning'], _default(name))
    if about['choices'] and isinstance(about['choices'][0], str):
      flags.DEFINE_enum(name, None, about['choices'], text)
    else:
      define[Config.__annotations__[name]](name, None, text)


def print_presets() -> None:
  """Prints a table: name, source, data, variants and millions of parameters of each preset."""
  rows = [('name', 'source', 'data', 'variants', 'parameters')]
  for preset, settings in configs.PRESETS.items():
    for i, (variants, *counts) in enumerate(PARAMETERS[preset]):
      first = (preset, settings['source'], settings['dataset']) if i == 0 else ('', '', '')
      rows.append((*first, variants, ' '.join('%.2f' % (n / 1e6) for n in counts)))
  widths = [max(map(len, column)) for column in zip(*rows)]
  for row in rows:
    print(' '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
  print("Parameters: generator and critic, in millions; text-char's for 96 characters.")


def main() -> Optional[int]:
  if FLAGS.list_presets:
    print_presets()
    return None
  place = tf_config.place()
  chief = place is None or place.name() == place.trainers()[0]
  config = configs.requested(place is not None, chief, **{name: FLAGS[name].value for name in FLAG_NAMES})
  if FLAGS.print_config:
    print(json.dumps(dict(json.loads(configs.to_json(config)), run_dir=config.run_dir), indent=2))
    return None
  dataset = None
  if place is None:  # in a cluster the others would miss this process while it loads its data
    from wgan_tf1.runs import starting  # imported here because --help does not need NumPy

    print('loading    %s' % config.dataset, flush=True)
    config, dataset = starting.resolved(config, chief)
  print('loading    TensorFlow', flush=True)
  with console.quiet_tensorflow():  # imported after the checks, so that --help and mistakes answer at once
    from wgan_tf1 import training

  stopped_by = training.train(config, dataset)
  return 128 + stopped_by if stopped_by else 0


if __name__ == '__main__':
  _define_flags()
  console.run(main, GROUPS)
