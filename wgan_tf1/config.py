"""What a run is: one frozen dataclass, and the tables that fill it. No TensorFlow here.

A preset fixes networks, data and hyper-parameters; a variant fixes loss, constraint and the
optimizer's defaults. They are independent: `make('blog-mnist', 'gp', batch_size=32)`.
"""

import dataclasses
import json
import os
from typing import Optional

from wgan_tf1 import UserError

# fmt: off

# variant -> what its paper prescribes: WGAN (1701.07875) Algorithm 1; WGAN-GP (1704.00028) Algorithm 1.
VARIANTS = {
    'clip': dict(optimizer='rmsprop', learning_rate=5e-5, critic_steps=5, clip_value=0.01, clip_order='after'),
    'gp':   dict(optimizer='adam',    learning_rate=1e-4, critic_steps=5, beta1=0.0, beta2=0.9, penalty_weight=10.0),
}

# preset -> its settings, and under a variant's name what it changes for that variant.
PRESETS = {
    # The MNIST post. It states no learning rate. With the paper's 5e-5 the clip variant shows only a
    # checkerboard after 500 generator steps, with 5e-4 digit shapes appear by step 300.
    'blog-mnist': dict(architecture='blog', dataset='auto', image_size=32, image_channels=1, latent_size=128,
                       batch_size=64, generator_steps=2000,
                       clip=dict(learning_rate=5e-4), gp=dict(beta1=0.5)),
}

# fmt: on

# What a flag may say. `auto` is MNIST where it can be had, else `digits`.
CHOICES = {
  'preset': sorted(PRESETS),
  'variant': sorted(VARIANTS),
  'dataset': ['auto', 'mnist', 'digits'],
  'optimizer': ['rmsprop', 'rmsprop_torch', 'adam'],
  'clip_order': ['after', 'before'],
}


def _field(meaning, **kwargs):
  return dataclasses.field(metadata={'meaning': meaning}, **kwargs)


@dataclasses.dataclass(frozen=True)
class Config:
  """A resolved run. None stands for a setting that the variant or the optimizer does not have.

  Raises:
    UserError: if a value is out of range, or two of them exclude each other.
  """

  preset: str = _field('networks, data and hyper-parameters')
  variant: str = _field('loss and Lipschitz constraint: weight clipping or gradient penalty')
  architecture: str = _field('pair of networks')
  dataset: str = _field('training images; auto is MNIST from data_dir or downloaded, else digits')
  data_dir: str = _field('directory that holds the data sets, each in a folder of its name')
  run_dir: str = _field('directory for checkpoints, events and samples')
  image_size: int = _field('height and width of an image, in pixels')
  image_channels: int = _field('colour channels of an image')
  latent_size: int = _field('components of a latent vector')
  generator_steps: int = _field('generator updates to train for, in all')
  batch_size: int = _field('images in a batch')
  critic_steps: int = _field('critic updates before each generator update')
  optimizer: str = _field(
    "rmsprop is TensorFlow's (mean square from 1, decay 0.9, epsilon 1e-10 inside the root), "
    "rmsprop_torch is PyTorch's (from 0, 0.99, 1e-8 outside)"
  )
  generator_learning_rate: float = _field("step size of the generator's optimizer")
  critic_learning_rate: float = _field("step size of the critic's optimizer")
  seed: int = _field('of the initial weights, the latents, the interpolation weights and the data order')
  save_every_steps: int = _field('generator updates between checkpoints')
  sample_every_steps: int = _field('generator updates between sample grids')
  summary_every_steps: int = _field('generator updates between summaries; every fifth has the histograms')
  keep_checkpoints: int = _field('newest checkpoints that are kept')
  gpu_memory_fraction: float = _field("largest share of a GPU's memory to take")
  allow_growth: bool = _field('take GPU memory as it is needed, not all at the start')
  log_device_placement: bool = _field('print the device of every operation')
  clip_value: Optional[float] = _field('clip: largest magnitude of a critic weight', default=None)
  clip_order: Optional[str] = _field(
    "clip: after each critic update (the paper's Algorithm 1) or before it (its authors' code)", default=None
  )
  penalty_weight: Optional[float] = _field('gp: weight lambda of the gradient penalty', default=None)
  beta1: Optional[float] = _field('adam: decay of the first moment', default=None)
  beta2: Optional[float] = _field('adam: decay of the second moment', default=None)

  def __post_init__(self):
    for name, choices in CHOICES.items():
      value = getattr(self, name)
      if value not in [*choices, None]:
        raise UserError('%s=%s is unknown: it is one of %s' % (name, value, ', '.join(choices)))
    for name in (
      'batch_size', 'critic_steps', 'generator_steps', 'save_every_steps', 'sample_every_steps',
      'summary_every_steps', 'keep_checkpoints', 'generator_learning_rate', 'critic_learning_rate',
      'clip_value', 'penalty_weight',
    ):  # fmt: skip
      value = getattr(self, name)
      if value is not None and not 0 < value < float('inf'):
        raise UserError('%s=%s is out of range: it is a number above 0' % (name, value))
    for name in ('beta1', 'beta2'):
      value = getattr(self, name)
      if value is not None and not 0 <= value < 1:
        raise UserError('%s=%s is out of range: it is at least 0 and below 1' % (name, value))
    if not 0 < self.gpu_memory_fraction <= 1:
      raise UserError('gpu_memory_fraction=%s is out of range: it is above 0 and at most 1' % self.gpu_memory_fraction)
    if not 0 <= self.seed < 2**31:
      raise UserError('seed=%s is out of range: it is at least 0 and below 2^31' % self.seed)
    for names, there, where in (
      (('clip_value', 'clip_order'), self.variant == 'clip', 'variant=clip'),
      (('penalty_weight',), self.variant == 'gp', 'variant=gp'),
      (('beta1', 'beta2'), self.optimizer == 'adam', 'optimizer=adam'),
    ):
      for name in names:
        if getattr(self, name) is not None and not there:
          raise UserError('%s has no effect without %s: leave it out' % (name, where))


# field -> what it means, in one line.
MEANINGS = {field.name: field.metadata['meaning'] for field in dataclasses.fields(Config)}

# What a run may be started again with other values of: none of it reaches the weights.
CHANGEABLE = {
  'data_dir', 'run_dir', 'generator_steps', 'save_every_steps', 'sample_every_steps', 'summary_every_steps',
  'keep_checkpoints', 'gpu_memory_fraction', 'allow_growth', 'log_device_placement',
}  # fmt: skip


def make(preset=None, variant=None, **overrides):
  """Returns the `Config` of a preset and a variant.

  Args:
    preset: a name in `PRESETS`; None is blog-mnist.
    variant: a name in `VARIANTS`; None is clip.
    **overrides: other fields of `Config`; None leaves the preset's value.

  Raises:
    UserError: see `Config`.
  """
  preset, variant = preset or 'blog-mnist', variant or 'clip'
  for name, value in (('preset', preset), ('variant', variant)):
    if value not in CHOICES[name]:
      raise UserError('%s=%s is unknown: it is one of %s' % (name, value, ', '.join(CHOICES[name])))
  settings = dict(
    preset=preset, variant=variant, seed=0,
    data_dir=os.environ.get('WGAN_DATA_DIR') or 'data', run_dir=os.path.join('runs', preset + '-' + variant),
    save_every_steps=100, sample_every_steps=50, summary_every_steps=20, keep_checkpoints=5,
    gpu_memory_fraction=0.8, allow_growth=True, log_device_placement=False,  # the post's
  )  # fmt: skip
  settings.update(VARIANTS[variant])
  settings.update(PRESETS[preset])
  by_variant = {name: settings.pop(name) for name in VARIANTS if name in settings}
  settings.update(by_variant.get(variant, {}))
  overrides = {name: value for name, value in overrides.items() if value is not None}
  if overrides.get('optimizer', settings['optimizer']) != 'adam':
    settings.pop('beta1', None), settings.pop('beta2', None)
  elif 'beta1' not in settings:
    settings.update(beta1=VARIANTS['gp']['beta1'], beta2=VARIANTS['gp']['beta2'])
  learning_rate = settings.pop('learning_rate')
  settings.update(generator_learning_rate=learning_rate, critic_learning_rate=learning_rate)
  settings.update(overrides)
  return Config(**settings)


def to_json(config):
  """Returns the text of config.json: every field but run_dir, which is the folder that holds it."""
  fields = dataclasses.asdict(config)
  del fields['run_dir']
  return json.dumps(fields, indent=2) + '\n'


def load(run_dir):
  """Returns the `Config` that the run in `run_dir` was started with.

  Raises:
    UserError: if there is none, or it cannot be read.
  """
  path = os.path.join(run_dir, 'config.json')
  try:
    with open(path) as f:
      return Config(run_dir=run_dir, **json.load(f))
  except FileNotFoundError:
    raise UserError('%s holds no run: there is no config.json in it' % run_dir)
  except (OSError, ValueError, TypeError) as e:
    raise UserError('%s cannot be read (%s): put it back, or start another run_dir' % (path, e))


def check_same_run(old, new):
  """Refuses to go on with a run under settings that would have made it another one.

  Raises:
    UserError: naming each field that differs and may not.
  """
  differing = [
    '%s=%s, not %s' % (f.name, getattr(old, f.name), getattr(new, f.name))
    for f in dataclasses.fields(Config)
    if f.name not in CHANGEABLE and getattr(old, f.name) != getattr(new, f.name)
  ]
  if differing:
    raise UserError(
      '%s was started with %s: use the same flags to go on, or another --run_dir' % (new.run_dir, '; '.join(differing))
    )
