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

# variant -> what its paper prescribes: WGAN (1701.07875) Algorithm 1; WGAN-GP (1704.00028) Algorithm 1;
# GAN (1406.2661) with the generator's -log D and DCGAN's (1511.06434) Adam.
VARIANTS = {
    'clip': dict(optimizer='rmsprop', learning_rate=5e-5, critic_steps=5, clip_value=0.01, clip_order='after'),
    'gp':   dict(optimizer='adam',    learning_rate=1e-4, critic_steps=5, beta1=0.0, beta2=0.9, penalty_weight=10.0,
                 penalty='two_sided'),
    'gan':  dict(optimizer='adam',    learning_rate=2e-4, critic_steps=1, beta1=0.5, beta2=0.999),
}

# What a preset has unless its row says otherwise.
_DEFAULTS = dict(
    form='image', image_channels=1, image_fit='pad', pixel_minimum=-1.0, latent_size=128, batch_size=64,
    generator_norm='none', critic_norm='none', dequantize=False, extra_critic_steps=False, ema_decay=0.0,
    learning_rate_decay_steps=0, fixed_generator=False, save_every_steps=100, sample_every_steps=50,
    summary_every_steps=20, evaluate_every_steps=0,
)
_BLOG = dict(architecture='blog', dataset='mnist', image_size=32, width=64, generator_steps=2000,
             # The post states no learning rate. With the paper's 5e-5 the clip variant shows only a
             # checkerboard after 500 generator steps, with 5e-4 digit shapes appear by step 300.
             clip=dict(learning_rate=5e-4), gp=dict(beta1=0.5))
_LSUN64 = dict(dataset='lsun', image_size=64, image_channels=3, latent_size=100, width=64, generator_steps=200000,
               critic_norm='batch',
               clip=dict(optimizer='rmsprop_torch', clip_order='before', extra_critic_steps=True))
_RESNET = dict(architecture='resnet', dataset='cifar10', image_size=32, image_channels=3, width=128,
               generator_batch_size=128, generator_steps=100000, generator_norm='batch', dequantize=True,
               gp=dict(learning_rate=2e-4, learning_rate_decay_steps=100000))
_TOY = dict(architecture='toy', form='points', latent_size=2, width=512, batch_size=256, generator_steps=100000,
            save_every_steps=1000, sample_every_steps=1000, summary_every_steps=100,
            gp=dict(penalty_weight=0.1, beta1=0.5))

# preset -> its settings, and under a variant's name what it changes for that variant.
PRESETS = {
    'blog-mnist':     dict(_BLOG, source='MNIST post'),
    'blog-mnist-bn':  dict(_BLOG, source='MNIST post, 5.1', generator_norm='batch', critic_norm='batch'),
    'blog-mnist-mlp': dict(_BLOG, source='MNIST post, 5.3', architecture='mlp', width=512),
    'keras-mnist': dict(
        source='Keras post', architecture='keras', dataset='mnist', image_size=28, latent_size=50, width=64,
        generator_steps=8000, generator_norm='batch', critic_norm='batch'),
    'fashion-upsample': dict(
        source='Fashion-MNIST post', architecture='upsample', dataset='fashion_mnist', image_size=32,
        image_fit='resize', width=128, generator_steps=2000, generator_norm='batch', critic_norm='batch',
        gp=dict(architecture='upsample-gp', critic_norm='none', beta1=0.5, generator_steps=5000)),
    'gp-mnist': dict(
        source='WGAN-GP code', architecture='crop', dataset='mnist', image_size=28, pixel_minimum=0.0, width=64,
        batch_size=50, generator_steps=200000,
        clip=dict(generator_norm='batch', critic_norm='batch'), gp=dict(beta1=0.5)),
    'cifar10-dcgan': dict(
        source='WGAN-GP code', architecture='dcgan5', dataset='cifar10', image_size=32, image_channels=3, width=128,
        generator_steps=200000, generator_norm='batch', critic_norm='batch', gp=dict(critic_norm='none', beta1=0.5)),
    'cifar10-resnet': dict(_RESNET, source='WGAN-GP app. F'),
    'cifar10-resnet-acgan': dict(
        _RESNET, source='WGAN-GP 5.4', class_count=10, critic_class_weight=1.0, generator_class_weight=0.1),
    'lsun64-dcgan':      dict(_LSUN64, source='WGAN fig. 5', architecture='dcgan4', generator_norm='batch'),
    'lsun64-dcgan-nobn': dict(_LSUN64, source='WGAN fig. 6', architecture='dcgan4-constant'),
    'lsun64-mlp':        dict(_LSUN64, source='WGAN fig. 7', architecture='mlp-dcgan4'),
    'lsun128-resnet': dict(
        source='WGAN-GP fig. 4', architecture='resnet128', dataset='lsun', image_size=128, image_channels=3, width=64,
        generator_steps=200000, generator_norm='batch', critic_norm='batch', gp=dict(critic_norm='layer')),
    'text-char': dict(
        source='WGAN-GP 5.5', architecture='text', form='text', dataset='text', text_length=32, width=512,
        generator_steps=200000, clip=dict(critic_steps=10), gp=dict(critic_steps=10, beta1=0.5)),
    'toy-8gaussians':  dict(_TOY, source='WGAN-GP fig. 1', dataset='8gaussians'),
    'toy-25gaussians': dict(_TOY, source='WGAN-GP fig. 1', dataset='25gaussians'),
    'toy-swissroll':   dict(_TOY, source='WGAN-GP fig. 1', dataset='swissroll'),
}

# fmt: on

# What the samples are -> the data sets that have such.
DATASETS = {
  'image': ['mnist', 'fashion_mnist', 'digits', 'cifar10', 'lsun', 'folder'],
  'text': ['text'],
  'points': ['8gaussians', '25gaussians', 'swissroll'],
}
LABELLED = ['mnist', 'fashion_mnist', 'digits', 'cifar10']
# Taken, after a warning, where the preset's own can neither be found nor downloaded.
_FALLBACKS = {'mnist': 'digits', 'fashion_mnist': 'digits'}

# What a flag may say. `auto` is the preset's own data set, or the one it falls back to.
CHOICES = {
  'preset': list(PRESETS),
  'variant': list(VARIANTS),
  'dataset': ['auto', *sum(DATASETS.values(), [])],
  'optimizer': ['rmsprop', 'rmsprop_torch', 'adam'],
  'clip_order': ['after', 'before'],
  'penalty': ['two_sided', 'one_sided'],
  'generator_norm': ['none', 'batch'],
  'critic_norm': ['none', 'batch', 'layer'],
  'precision': ['fp32', 'bf16'],
  # Of no flag, but of a config.json.
  'form': list(DATASETS),
  'image_fit': ['pad', 'resize'],
  'image_channels': [1, 3],
  'pixel_minimum': [-1.0, 0.0],
  'fallback_dataset': sorted(set(_FALLBACKS.values())),
}
# Beyond them a slip of the keyboard, or a damaged config.json, would take all the memory there is.
_LARGEST = {
  'batch_size': 2**16, 'generator_batch_size': 2**16, 'width': 2**16, 'latent_size': 2**16, 'image_size': 2**12,
  'text_length': 2**16, 'class_count': 2**16,
}  # fmt: skip
_SMALLEST_IMAGE = 8  # height and width in pixels, which networks halve three times
_LARGEST_FILE = 2**20  # bytes of a config.json
_LARGEST_VOCABULARY = 2048  # characters; as text_files has it

# The WGAN authors' code (main.py): so many critic updates before each of the first 25 generator updates, and of every
# 500th.
EXTRA_CRITIC_STEPS, EXTRA_UNTIL, EXTRA_EVERY = 100, 25, 500


def _field(meaning, **kwargs):
  return dataclasses.field(metadata={'meaning': meaning}, **kwargs)


def _check_type(name, value, annotation):
  """Refuses what is not of the annotated type: a config.json may come from anywhere."""
  types = getattr(annotation, '__args__', (annotation,))  # of Optional[T]: T and None's
  types += (int,) if float in types else ()
  if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
    words = {'str': 'a text', 'int': 'a whole number', 'float': 'a number', 'bool': 'true or false'}
    raise UserError('%s=%.50r is out of place: it is %s' % (name, value, words[types[0].__name__]))
  if isinstance(value, int) and abs(value) >= 2**31:
    raise UserError('%s is out of range: it is below 2^31' % name)
  if isinstance(value, str) and name not in ('data_dir', 'data_path', 'run_dir', 'vocabulary'):
    if len(value) > 256 or not value.isprintable():
      raise UserError('%s=%.50r is out of place: it is a short text without control characters' % (name, value))


@dataclasses.dataclass(frozen=True)
class Config:
  """A resolved run. None stands for a setting that the variant, the optimizer or the data do not have.

  Raises:
    UserError: if a value is out of range, or two of them exclude each other.
  """

  preset: str = _field('networks, data and hyper-parameters; --list_presets shows them')
  variant: str = _field('loss and Lipschitz constraint: weight clipping, gradient penalty, or the plain GAN')
  architecture: str = _field('pair of networks')
  form: str = _field('what a sample is: image, text or points')
  dataset: str = _field(
    "training data; auto is the preset's own, or digits where it can be neither found nor downloaded"
  )
  data_dir: str = _field('directory that holds the data sets, each in a folder of its name')
  run_dir: str = _field('directory for checkpoints, events and samples')
  latent_size: int = _field('components of a latent vector')
  width: int = _field('units of a hidden layer, or filters of the narrowest: the others are multiples of it')
  generator_norm: str = _field('normalisation in the generator')
  critic_norm: str = _field('normalisation in the critic; batch is refused with the gradient penalty')
  generator_steps: int = _field('generator updates to train for, in all')
  batch_size: int = _field('samples in a batch')
  generator_batch_size: int = _field('samples in the batch of a generator update')
  critic_steps: int = _field('critic updates before each generator update')
  extra_critic_steps: bool = _field(
    "100 critic updates before each of the first 25 generator updates and of every 500th, as in the WGAN authors' code"
  )
  optimizer: str = _field(
    "rmsprop is TensorFlow's (mean square from 1, decay 0.9, epsilon 1e-10 inside the root), "
    "rmsprop_torch is PyTorch's (from 0, 0.99, 1e-8 outside)"
  )
  generator_learning_rate: float = _field("step size of the generator's optimizer")
  critic_learning_rate: float = _field("step size of the critic's optimizer")
  learning_rate_decay_steps: int = _field(
    'generator updates over which both step sizes fall linearly to zero; 0 keeps them'
  )
  ema_decay: float = _field("decay of a moving average of the generator's weights, to sample from; 0 keeps none")
  fixed_generator: bool = _field('points: train the critic alone, against real points plus N(0, 1)')
  dequantize: bool = _field('images: add uniform noise of one grey level, new for each batch')
  seed: int = _field('of the initial weights, the latents, the interpolation weights and the data order')
  save_every_steps: int = _field('generator updates between checkpoints')
  sample_every_steps: int = _field('generator updates between samples')
  summary_every_steps: int = _field('generator updates between summaries; every fifth has the histograms')
  keep_checkpoints: int = _field('newest checkpoints that are kept')
  gpu_memory_fraction: float = _field("largest share of a GPU's memory to take")
  allow_growth: bool = _field('take GPU memory as it is needed, not all at the start')
  log_device_placement: bool = _field('print the device of every operation')
  evaluate_every_steps: int = _field(
    "generator updates between evaluations, by evaluate.py's metrics; 0 makes none", default=0
  )
  profile_step: int = _field(
    'generator update to trace with the last critic update before it, for Chrome and TensorBoard; 0 traces none',
    default=0,
  )
  precision: str = _field(
    'arithmetic of products and convolutions: bf16 has float32 weights, and needs TensorFlow 2 and a processor with it',
    default='fp32',
  )
  cluster_wait_seconds: int = _field(
    'with TF_CONFIG: seconds to wait for another process, at the start and after it has gone', default=45
  )
  num_gpus: int = _field('GPUs that share each batch: towers in one graph, gradients averaged', default=1)
  clip_value: Optional[float] = _field('clip: largest magnitude of a critic weight', default=None)
  clip_order: Optional[str] = _field(
    "clip: after each critic update (the paper's Algorithm 1) or before it (its authors' code)", default=None
  )
  penalty_weight: Optional[float] = _field('gp: weight lambda of the gradient penalty', default=None)
  penalty: Optional[str] = _field('gp: on every gradient norm that is not 1, or only on those above 1', default=None)
  beta1: Optional[float] = _field('adam: decay of the first moment', default=None)
  beta2: Optional[float] = _field('adam: decay of the second moment', default=None)
  data_path: Optional[str] = _field(
    'file or folder to read instead of DATA_DIR/DATASET, for folder, lsun and text', default=None
  )
  classes: Optional[str] = _field('labels to train on, e.g. 3 or 0,3,5; all unless given', default=None)
  class_count: Optional[int] = _field('classes of a class-conditional pair of networks', default=None)
  critic_class_weight: Optional[float] = _field("weight of the class loss in the critic's", default=None)
  generator_class_weight: Optional[float] = _field("weight of the class loss in the generator's", default=None)
  image_size: Optional[int] = _field('height and width of an image, in pixels', default=None)
  image_channels: Optional[int] = _field('colour channels of an image', default=None)
  image_fit: Optional[str] = _field('pad smaller images with black, or resize them', default=None)
  pixel_minimum: Optional[float] = _field('what black is to the networks; white is 1', default=None)
  text_length: Optional[int] = _field('characters of a line', default=None)
  vocabulary: Optional[str] = _field('characters of a text, counted when the run begins', default=None)
  fallback_dataset: Optional[str] = _field('data set that auto may fall back to', default=None)
  data_fingerprint: Optional[str] = _field('changes with the training data', default=None)

  def __post_init__(self):
    for field in dataclasses.fields(self):
      _check_type(field.name, getattr(self, field.name), field.type)
    for name, choices in CHOICES.items():
      value = getattr(self, name)
      if value not in [*choices, None]:
        raise UserError('%s=%s is unknown: it is one of %s' % (name, value, ', '.join(map(str, choices))))
    for name in (
      'batch_size', 'generator_batch_size', 'critic_steps', 'generator_steps', 'save_every_steps',
      'sample_every_steps', 'summary_every_steps', 'keep_checkpoints', 'generator_learning_rate',
      'critic_learning_rate', 'clip_value', 'penalty_weight', 'width', 'critic_class_weight', 'generator_class_weight',
      'num_gpus', 'cluster_wait_seconds', 'latent_size', 'image_size', 'text_length', 'class_count',
    ):  # fmt: skip
      value = getattr(self, name)
      if value is not None and not 0 < value < float('inf'):
        raise UserError('%s=%s is out of range: it is a number above 0' % (name, value))
      if name == 'image_size' and value is not None and value < _SMALLEST_IMAGE:
        raise UserError('image_size=%s is out of range: it is at least %d' % (value, _SMALLEST_IMAGE))
      if value is not None and value > _LARGEST.get(name, value):
        raise UserError('%s=%s is out of range: it is at most %d' % (name, value, _LARGEST[name]))
    for name in ('beta1', 'beta2', 'ema_decay'):
      value = getattr(self, name)
      if value is not None and not 0 <= value < 1:
        raise UserError('%s=%s is out of range: it is at least 0 and below 1' % (name, value))
    if not 0 < self.gpu_memory_fraction <= 1:
      raise UserError('gpu_memory_fraction=%s is out of range: it is above 0 and at most 1' % self.gpu_memory_fraction)
    for name in ('evaluate_every_steps', 'profile_step'):
      if getattr(self, name) < 0:
        raise UserError('%s=%d is out of range: it is at least 0' % (name, getattr(self, name)))
    if not 0 <= self.seed < 2**31:
      raise UserError('seed=%s is out of range: it is at least 0 and below 2^31' % self.seed)
    if self.learning_rate_decay_steps and not 0 < self.generator_steps <= self.learning_rate_decay_steps:
      raise UserError(
        'generator_steps=%d goes beyond learning_rate_decay_steps=%d, where the learning rates are zero: raise the '
        'second, or set it to 0' % (self.generator_steps, self.learning_rate_decay_steps)
      )
    for names, there, where in (
      (('clip_value', 'clip_order'), self.variant == 'clip', 'variant=clip'),
      (('penalty_weight', 'penalty'), self.variant == 'gp', 'variant=gp'),
      (('beta1', 'beta2'), self.optimizer == 'adam', 'optimizer=adam'),
      (('fixed_generator',), self.form == 'points', 'a toy preset'),
      (('dequantize',), self.form == 'image', 'images'),
      (('critic_class_weight', 'generator_class_weight'), self.class_count is not None, 'a class-conditional preset'),
      (('data_path',), self.dataset in ('folder', 'lsun', 'text'), 'dataset=folder, lsun or text'),
      (('class_count',), 'class_count' in PRESETS[self.preset], 'a class-conditional preset'),
      (('image_size', 'image_channels', 'image_fit', 'pixel_minimum'), self.form == 'image', 'images'),
      (('text_length',), self.form == 'text', 'text'),
    ):
      for name in names:
        value = getattr(self, name)
        if value is not None and value is not False and not there:
          raise UserError('%s has no effect without %s: leave it out' % (name, where))
        if value is None and there and name != 'data_path':
          raise UserError('%s is missing, and %s cannot go without: give it' % (name, where))
    self._check_pairs()

  def _check_pairs(self):
    """Refuses a data set, a norm or classes that the rest of the settings cannot go with."""
    if self.dataset not in DATASETS[self.form]:
      raise UserError(
        'preset=%s is for %s, and dataset=%s has none: take one of %s'
        % (self.preset, {'image': 'images'}.get(self.form, self.form), self.dataset, ', '.join(DATASETS[self.form]))
      )
    for settings in PRESETS.values():
      for own in (settings, settings.get(self.variant, {})):
        if own.get('architecture') == self.architecture and settings.get('form', 'image') != self.form:
          raise UserError('architecture=%s is not for form=%s: take another' % (self.architecture, self.form))
    if self.variant == 'gp' and self.critic_norm == 'batch':
      raise UserError(
        "preset=%s has batch norm in its critic, and the gradient penalty is on each sample's own gradient, which "
        'batch norm mixes with those of its batch: take --critic_norm=layer or none, or another variant' % self.preset
      )
    if (self.class_count or self.classes) and self.dataset not in LABELLED:
      needs = 'preset=%s' % self.preset if self.class_count else 'classes=%s' % self.classes
      raise UserError(
        '%s needs labels, and dataset=%s has none: take one of %s' % (needs, self.dataset, ', '.join(LABELLED))
      )
    for name in ('batch_size', 'generator_batch_size'):
      if getattr(self, name) % self.num_gpus:
        raise UserError(
          '%s=%d cannot be shared by num_gpus=%d: take a multiple of it' % (name, getattr(self, name), self.num_gpus)
        )
    if self.fixed_generator and self.ema_decay:
      raise UserError('ema_decay has no effect with fixed_generator: leave one of them out')
    if self.classes is not None:
      class_numbers(self.classes)
    characters = self.vocabulary
    if characters is not None:
      # A surrogate alone, which JSON can write, is no character.
      right = all(not 0xD800 <= ord(c) < 0xE000 for c in characters) and len(set(characters)) == len(characters)
      if not right or not 0 < len(characters) <= _LARGEST_VOCABULARY:
        raise UserError('vocabulary is out of place: it is up to %d characters, none twice' % _LARGEST_VOCABULARY)


# field -> what it means, in one line.
MEANINGS = {field.name: field.metadata['meaning'] for field in dataclasses.fields(Config)}

# What a run may be started again with other values of: none of it reaches the weights.
CHANGEABLE = {
  'data_dir', 'data_path', 'run_dir', 'generator_steps', 'save_every_steps', 'sample_every_steps',
  'summary_every_steps', 'evaluate_every_steps', 'keep_checkpoints', 'gpu_memory_fraction', 'allow_growth',
  'log_device_placement', 'num_gpus', 'profile_step', 'cluster_wait_seconds',
}  # fmt: skip
# What the data decide: looked up when a run begins, and checked against the data when it goes on.
FROM_DATA = {'vocabulary', 'data_fingerprint', 'fallback_dataset'}


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
    _DEFAULTS, preset=preset, variant=variant, seed=0,
    data_dir=os.environ.get('WGAN_DATA_DIR') or 'data', run_dir=os.path.join('runs', preset + '-' + variant),
    keep_checkpoints=5, gpu_memory_fraction=0.8, allow_growth=True, log_device_placement=False,  # the MNIST post's
  )  # fmt: skip
  settings.update(VARIANTS[variant])
  settings.update(PRESETS[preset])
  by_variant = {name: settings.pop(name) for name in VARIANTS if name in settings}
  settings.update(by_variant.get(variant, {}))
  del settings['source']
  if settings['form'] != 'image':
    for name in ('image_channels', 'image_fit', 'pixel_minimum'):
      del settings[name]
  overrides = {name: value for name, value in overrides.items() if value is not None}
  if overrides.get('dataset', 'auto') == 'auto':
    overrides.pop('dataset', None)
    settings['fallback_dataset'] = _FALLBACKS.get(settings['dataset'])
  if overrides.get('optimizer', settings['optimizer']) != 'adam':
    settings.pop('beta1', None), settings.pop('beta2', None)
  elif 'beta1' not in settings:
    settings.update(beta1=VARIANTS['gp']['beta1'], beta2=VARIANTS['gp']['beta2'])
  learning_rate = settings.pop('learning_rate')
  settings.update(generator_learning_rate=learning_rate, critic_learning_rate=learning_rate)
  settings.update(overrides)
  settings.setdefault('generator_batch_size', settings['batch_size'])
  return Config(**settings)


def class_numbers(classes):
  """Returns the labels that `classes` names, in order: '3,0' -> (0, 3).

  Raises:
    UserError: if it is not a list of numbers, each there once.
  """
  try:
    numbers = sorted(int(word) for word in classes.split(','))
  except ValueError:
    numbers = []
  if not numbers or numbers[0] < 0 or len(set(numbers)) < len(numbers) or numbers[-1] >= _LARGEST['class_count']:
    raise UserError('classes=%s is not a list of labels: write it like 0,3,5' % classes)
  return tuple(numbers)


def sample_classes(config):
  """Returns the classes that a class-conditional generator is trained on, in order."""
  return class_numbers(config.classes) if config.classes else tuple(range(config.class_count))


def critic_updates(config, generator_step):
  """Returns the critic updates that are due, in all, before generator update `generator_step` (the first is 1).

  Without the extra ones that is critic_steps for each; with them 100 where the WGAN authors' code has 100.
  """
  long = 0
  if config.extra_critic_steps and generator_step > 0:
    long = min(generator_step, EXTRA_UNTIL) + (generator_step - 1) // EXTRA_EVERY
  return EXTRA_CRITIC_STEPS * long + config.critic_steps * (generator_step - long)


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
  fields = [field for field in dataclasses.fields(Config) if field.name != 'run_dir']
  try:
    with open(path, encoding='utf-8') as f:
      settings = json.loads(f.read(_LARGEST_FILE))
    if not isinstance(settings, dict):
      raise ValueError('it holds no settings')
    unknown = sorted(set(settings) - {field.name for field in fields})
    missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in settings]
    if unknown or missing:
      raise ValueError('%s %.50r' % (('the unknown setting', unknown[0]) if unknown else ('no', missing[0])))
    return Config(run_dir=run_dir, **settings)
  except (FileNotFoundError, NotADirectoryError):
    raise UserError('%s holds no run: there is no config.json in it' % run_dir)
  except (OSError, ValueError, RecursionError, UserError) as e:
    raise UserError('%s cannot be read (%s): put it back, or start another run_dir' % (path, e))


def check_same_run(old, new):
  """Refuses to go on with a run under settings that would have made it another one.

  Raises:
    UserError: naming each field that differs and may not.
  """
  differing = [
    '%s=%s, not %s' % (f.name, getattr(old, f.name), getattr(new, f.name))
    for f in dataclasses.fields(Config)
    if f.name not in CHANGEABLE | FROM_DATA and getattr(old, f.name) != getattr(new, f.name)
  ]
  if differing:
    raise UserError(
      '%s was started with %s: use the same flags to go on, or another --run_dir' % (new.run_dir, '; '.join(differing))
    )
