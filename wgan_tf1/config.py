"""Config: what a run is. Each setting with its meaning and bounds; made from a preset, kept in config.json.

The file is long because a third of it is the table of settings.

    config.make('blog-mnist', 'gp', batch_size=32)

No TensorFlow here.
"""

import dataclasses
import json
import os
from typing import Any, Callable, Dict, Optional, Sequence

import wgan_tf1
from wgan_tf1 import files
from wgan_tf1.classes import class_words, sample_classes
from wgan_tf1.errors import UserError
from wgan_tf1.presets import DEFAULTS, IMAGE_SIZES, PRESETS, VARIANTS

# What the samples are -> the data sets that have such samples.
DATASETS = {
  'image': ['mnist', 'fashion_mnist', 'digits', 'cifar10', 'lsun', 'folder', 'idx'],
  'text': ['text'],
  'points': ['8gaussians', '25gaussians', 'swissroll'],
}
LABELLED = ['mnist', 'fashion_mnist', 'digits', 'cifar10', 'folder', 'idx']  # the last two may have labels
_NUMBERED = ['mnist', 'digits']  # their classes have no other names
# Used, after a warning, where the preset's own data set can neither be found nor downloaded.
_FALLBACKS = {'mnist': 'digits', 'fashion_mnist': 'digits'}

# The WGAN authors' code (main.py): so many critic updates before each of the first 25 generator updates, and after
# every 500th.
EXTRA_CRITIC_STEPS, EXTRA_UNTIL, EXTRA_EVERY = 100, 25, 500

MOST_CHARACTERS = 2048  # in the vocabulary of a text
_MOST = 2**16  # beyond this a typing error, or a damaged config.json, would use up the memory
_LARGEST_FILE = 2**20  # bytes of a config.json
_SAVED_PATHS = ('data_dir', 'data_path', 'init_from')  # in config.json; run_dir is not
_TYPE_WORDS = {'str': 'text', 'int': 'an integer', 'float': 'a number', 'bool': 'true or false'}

# What a setting needs, in words -> whether a Config has it.
_NEEDS: Dict[str, Callable[[Any], bool]] = {
  'variant=clip': lambda c: c.variant == 'clip',
  'variant=gp': lambda c: c.variant == 'gp',
  'optimizer=adam': lambda c: c.optimizer == 'adam',
  'a toy preset': lambda c: c.form == 'points',
  'images': lambda c: c.form == 'image',
  'text': lambda c: c.form == 'text',
  'init_from': lambda c: c.init_from is not None,
  'a class-conditional preset': lambda c: 'class_count' in PRESETS[c.preset],
  'dataset=folder, idx, lsun or text': lambda c: c.dataset in ('folder', 'idx', 'lsun', 'text'),
}


def _setting(
  meaning: str,
  above: Optional[float] = None,
  least: Optional[float] = None,
  below: Optional[float] = None,
  most: Optional[float] = None,
  choices: Optional[Sequence[Any]] = None,
  needs: Optional[str] = None,
  required: bool = True,
  changeable: bool = False,
  flag: bool = True,
  from_data: bool = False,
  any_text: bool = False,
  **kwargs: Any,
) -> Any:
  """A field of `Config`; whatever is known of a setting is said here, and nowhere else.

  Args:
    meaning: one line, for --help.
    above, least, below, most: bounds: value > above, value >= least, value < below, value <= most.
    choices: all the values it may have.
    needs: a key of `_NEEDS`, without which the setting is refused.
    required: whether the setting is required with what it needs, if it is Optional.
    any_text: whether its text may be long or have any character, as a path may.
    changeable: whether a started run may change it. None of these reaches the weights, except that with `num_gpus` each
      GPU normalises its own part of a batch.
    flag: whether train.py has a flag for it.
    from_data: whether the data decide it: looked up when a run starts, and checked when it resumes.
    **kwargs: for `dataclasses.field`.
  """
  bounds = [('greater than', above), ('at least', least), ('less than', below), ('at most', most)]
  return dataclasses.field(
    metadata=dict(
      meaning=meaning, bounds=[(words, bound) for words, bound in bounds if bound is not None], choices=choices,
      needs=needs, required=required, changeable=changeable, flag=flag, from_data=from_data, any_text=any_text,
    ),
    **kwargs
  )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Config:
  """A resolved run. None stands for a setting that the variant, the optimizer or the data do not have.

  Raises:
    UserError: if a value is out of range, or two of them exclude each other.
  """

  # fmt: off
  preset: str = _setting('networks, data and hyper-parameters; --list_presets shows them', choices=list(PRESETS))
  variant: str = _setting('loss and Lipschitz constraint: weight clipping, gradient penalty, or the plain GAN',
                          choices=list(VARIANTS))
  architecture: str = _setting('pair of networks', flag=False)
  form: str = _setting('what a sample is', choices=list(DATASETS), flag=False)
  dataset: str = _setting("training data; auto is the preset's own, or digits if MNIST or Fashion-MNIST can be "
                          'neither found nor downloaded', choices=['auto', *sum(DATASETS.values(), [])])
  data_dir: str = _setting('directory that holds the data sets, each in a folder of its name', changeable=True,
                            any_text=True)
  run_dir: str = _setting('directory for checkpoints, events and samples', changeable=True, any_text=True)
  latent_size: int = _setting('components of a latent vector', above=0, most=_MOST, flag=False)
  width: int = _setting('units of a hidden layer, or filters of the narrowest: the others are multiples of it',
                        above=0, most=_MOST)
  generator_norm: str = _setting('normalisation in the generator', choices=['none', 'batch'])
  critic_norm: str = _setting('normalisation in the critic; batch is refused with the gradient penalty',
                              choices=['none', 'batch', 'layer'])
  generator_steps: int = _setting('generator updates to train for, in all', above=0, changeable=True)
  batch_size: int = _setting('samples in a batch', above=0, most=_MOST)
  generator_batch_size: int = _setting('samples in the batch of a generator update', above=0, most=_MOST)
  critic_steps: int = _setting('critic updates before each generator update', above=0)
  extra_critic_steps: bool = _setting("100 critic updates before each of the first 25 generator updates and after "
                                      "every 500th, as in the WGAN authors' code")
  optimizer: str = _setting("rmsprop is TensorFlow's (mean square from 1, decay 0.9, epsilon 1e-10 inside the root), "
                            "rmsprop_torch is PyTorch's (from 0, 0.99, 1e-8 outside)",
                            choices=['rmsprop', 'rmsprop_torch', 'adam'])
  generator_learning_rate: float = _setting("step size of the generator's optimizer", above=0, below=float('inf'))
  critic_learning_rate: float = _setting("step size of the critic's optimizer", above=0, below=float('inf'))
  learning_rate_decay_steps: int = _setting('generator updates over which both step sizes fall linearly to zero; 0 '
                                            'keeps them', least=0)
  ema_decay: float = _setting("decay of a moving average of the generator's weights, to sample from; 0 keeps none",
                              least=0, below=1)
  fixed_generator: bool = _setting('points: train the critic alone, against real points plus N(0, 1)',
                                   needs='a toy preset')
  dequantize: bool = _setting('images: add uniform noise of one grey level, new for each batch', needs='images')
  seed: int = _setting('seed of the initial weights, the latents, the interpolation weights and the data order',
                       least=0)
  save_every_steps: int = _setting('generator updates between checkpoints', above=0, changeable=True)
  sample_every_steps: int = _setting('generator updates between samples', above=0, changeable=True)
  summary_every_steps: int = _setting('generator updates between summaries; every fifth has the histograms', above=0,
                                      changeable=True)
  keep_checkpoints: int = _setting('newest checkpoints to keep', above=0, changeable=True)
  gpu_memory_fraction: float = _setting("largest share of a GPU's memory to use", above=0, most=1, changeable=True)
  allow_growth: bool = _setting('allocate GPU memory as it is needed, not all at the start', changeable=True)
  log_device_placement: bool = _setting('print the device of every operation', changeable=True)
  evaluate_every_steps: int = _setting("generator updates between evaluations with evaluate.py's metrics; 0 for none",
                                       least=0, changeable=True, default=0)
  profile_step: int = _setting('generator update to trace, with the last critic update before it, for Chrome and '
                               'TensorBoard; 0 for none', least=0, changeable=True, default=0)
  precision: str = _setting('arithmetic of products and convolutions: bf16 keeps float32 weights, and needs TensorFlow '
                            '2 and a processor or GPU that supports it', choices=['fp32', 'bf16'], default='fp32')
  xla: str = _setting('whether XLA compiles the graph; auto looks up device and network, and is off for all so far',
                      choices=['auto', 'on', 'off'], default='auto')
  cluster_wait_seconds: int = _setting('with TF_CONFIG: seconds to wait for another process, at the start and after it '
                                       'is lost', above=0, changeable=True, default=45)
  num_gpus: int = _setting('GPUs that share each batch: towers in one graph, gradients averaged', above=0,
                           changeable=True, default=1)
  clip_value: Optional[float] = _setting('clip: largest magnitude of a critic weight', above=0, below=float('inf'),
                                         needs='variant=clip', default=None)
  clip_order: Optional[str] = _setting("clip: after each critic update (the paper's Algorithm 1) or before it (its "
                                       "authors' code)", choices=['after', 'before'], needs='variant=clip',
                                       default=None)
  penalty_weight: Optional[float] = _setting('gp: weight lambda of the gradient penalty', above=0, below=float('inf'),
                                             needs='variant=gp', default=None)
  penalty: Optional[str] = _setting('gp: penalise every gradient norm that is not 1, or only those above 1',
                                    choices=['two_sided', 'one_sided'], needs='variant=gp', default=None)
  beta1: Optional[float] = _setting('adam: decay of the first moment', least=0, below=1, needs='optimizer=adam',
                                    default=None)
  beta2: Optional[float] = _setting('adam: decay of the second moment', least=0, below=1, needs='optimizer=adam',
                                    default=None)
  data_path: Optional[str] = _setting('file or folder to read instead of DATA_DIR/DATASET, for folder, idx, lsun and '
                                      'text; for folder also a .zip, .npz or .npy file',
                                      needs='dataset=folder, idx, lsun or text', required=False, changeable=True,
                                      any_text=True, default=None)
  init_from: Optional[str] = _setting('directory of a run whose weights this run starts from, at step 0', any_text=True,
                                      default=None)
  init_step: Optional[int] = _setting("generator step of init_from's checkpoint; its newest unless given", least=0,
                                      needs='init_from', required=False, default=None)
  init_optimizers: bool = _setting("start from the state of init_from's optimizers too", needs='init_from',
                                   default=False)
  classes: Optional[str] = _setting('classes to train on, by name or number, e.g. 3 or 0,3,5 or cat,dog; all unless '
                                    'given', any_text=True, default=None)
  class_count: Optional[int] = _setting('classes of a class-conditional pair of networks', above=0, most=_MOST,
                                        needs='a class-conditional preset', flag=False, from_data=True, default=None)
  class_names: Optional[str] = _setting('names of the classes, in the order of their numbers, with slashes between',
                                        flag=False, from_data=True, any_text=True, default=None)
  critic_class_weight: Optional[float] = _setting("weight of the class loss in the critic's loss", above=0,
                                                  below=float('inf'), needs='a class-conditional preset', default=None)
  generator_class_weight: Optional[float] = _setting("weight of the class loss in the generator's loss", above=0,
                                                     below=float('inf'), needs='a class-conditional preset',
                                                     default=None)
  image_size: Optional[int] = _setting('height and width of an image, in pixels; other sizes of image are fitted to it',
                                       least=8, most=2**12, needs='images', default=None)
  image_channels: Optional[int] = _setting('colour channels of an image: 1 is grey, 3 is RGB', choices=[1, 3],
                                           needs='images', default=None)
  image_fit: Optional[str] = _setting('how an image gets its size: crop the central square and resize it, pad with '
                                      'black and only ever shrink, or stretch to a square; crop for folder and lsun '
                                      'unless given', choices=['crop', 'pad', 'stretch'], needs='images', default=None)
  mirror: bool = _setting('images: flip each left to right with probability 1/2, independently at every step',
                          needs='images', default=False)
  image_memory_mb: int = _setting('images of folder, idx and lsun: decoded once if they fit into this many megabytes '
                                  'of memory, otherwise again for each batch', least=0, most=2**24, changeable=True,
                                  default=1024)
  pixel_minimum: Optional[float] = _setting('value of a black pixel in the networks; white is 1', choices=[-1.0, 0.0],
                                            needs='images', flag=False, default=None)
  text_length: Optional[int] = _setting('text: characters of a sample', above=0, most=_MOST, needs='text', default=None)
  long_lines: Optional[str] = _setting('text: split a line that is longer than a sample into several, after spaces '
                                       "where possible, or keep its start alone, as in the WGAN-GP code",
                                       choices=['split', 'start'], needs='text', default=None)
  vocabulary: Optional[str] = _setting('characters of a text, counted when the run starts', flag=False, from_data=True,
                                       any_text=True, default=None)
  fallback_dataset: Optional[str] = _setting('data set that auto may fall back to', flag=False, from_data=True,
                                             choices=sorted(set(_FALLBACKS.values())), default=None)
  data_fingerprint: Optional[str] = _setting('changes with the training data', flag=False, from_data=True, default=None)
  # fmt: on

  def __post_init__(self) -> None:
    for field in dataclasses.fields(self):
      _check_value(field, getattr(self, field.name))
    if self.learning_rate_decay_steps and self.generator_steps > self.learning_rate_decay_steps:
      raise UserError(
        'generator_steps=%d: must be at most learning_rate_decay_steps=%d, where the learning rates reach zero. Raise '
        '--learning_rate_decay_steps too; if the run has started, use another --run_dir with --init_from'
        % (self.generator_steps, self.learning_rate_decay_steps)
      )
    for field in dataclasses.fields(self):
      needs, value = field.metadata['needs'], getattr(self, field.name)
      if needs is None:
        continue
      applies = _NEEDS[needs](self)
      if value is not None and value is not False and not applies:
        raise UserError('%s: has no effect without %s. Leave it out' % (field.name, needs))
      if value is None and applies and field.metadata['required']:
        raise UserError('%s is required with %s' % (field.name, needs))
    self._check_pairs()

  def _check_pairs(self) -> None:
    """Refuses a data set, a norm or classes that the other settings exclude."""
    if self.dataset not in DATASETS[self.form]:
      samples = {'image': 'images'}.get(self.form, self.form)
      raise UserError(
        'dataset=%s: preset=%s needs %s. Use one of %s'
        % (self.dataset, self.preset, samples, ', '.join(DATASETS[self.form]))
      )
    for settings in PRESETS.values():
      for own in (settings, settings.get(self.variant, {})):
        if own.get('architecture') == self.architecture and settings.get('form', 'image') != self.form:
          raise UserError('architecture=%s: cannot be used with form=%s' % (self.architecture, self.form))
    sizes = IMAGE_SIZES.get(self.architecture, (self.image_size,))  # `networks` refuses an unknown architecture
    if self.image_size is not None and self.image_size not in sizes:
      raise UserError(
        'image_size=%d: the networks of preset=%s can have %s pixels. Use such a size, or another preset'
        % (self.image_size, self.preset, _size_words(sizes))
      )
    if self.variant == 'gp' and self.critic_norm == 'batch':
      raise UserError(
        "preset=%s with critic_norm=batch: the gradient penalty needs each sample's own gradient, which batch norm "
        'mixes with the rest of the batch. Use --critic_norm=layer, --critic_norm=none or another variant' % self.preset
      )
    if (self.class_count or self.classes) and self.dataset not in LABELLED:
      needs = 'preset=%s' % self.preset if self.class_count else 'classes=%s' % self.classes
      labelled = ', '.join(LABELLED)
      raise UserError('dataset=%s has no labels, which %s needs. Use one of %s' % (self.dataset, needs, labelled))
    for name in ('batch_size', 'generator_batch_size'):
      if getattr(self, name) % self.num_gpus:
        raise UserError('%s=%d: must be a multiple of num_gpus=%d' % (name, getattr(self, name), self.num_gpus))
    if self.fixed_generator and self.ema_decay:
      raise UserError('ema_decay: has no effect with fixed_generator. Leave one of them out')
    if self.class_names is not None and '' in self.class_names.split('/'):
      raise UserError('class_names: must not be empty')
    if self.classes is not None and (self.class_names is not None or self.dataset in _NUMBERED):
      sample_classes(self)
    elif self.classes is not None:
      class_words(self.classes)
    if self.vocabulary is not None:
      # JSON can hold half of a surrogate pair, which is not a character.
      whole = all(not 0xD800 <= ord(c) < 0xE000 for c in self.vocabulary)
      if not whole or not 0 < len(self.vocabulary) == len(set(self.vocabulary)) <= MOST_CHARACTERS:
        raise UserError('vocabulary: must be 1 to %d different characters' % MOST_CHARACTERS)


def _size_words(sizes: Sequence[int]) -> str:
  """Returns '16, 32 or 64', or 'a multiple of 8 from 16 to 256, or 28'."""
  if len(sizes) > 6:
    others = [str(size) for size in sizes if size % 8]
    return ', or '.join(['a multiple of 8 from %d to %d' % (min(sizes), max(sizes)), *others])
  return ' or '.join(filter(None, [', '.join(map(str, sizes[:-1])), str(sizes[-1])]))


def _check_value(field: Any, value: Any) -> None:
  """Refuses a value of another type, or out of bounds: a config.json may come from anywhere."""
  name, types = field.name, getattr(field.type, '__args__', (field.type,))  # of Optional[T]: T and None's type
  types += (int,) if float in types else ()
  if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
    raise UserError('%s=%.50r: must be %s' % (name, value, _TYPE_WORDS[types[0].__name__]))
  if isinstance(value, int) and abs(value) >= 2**31:
    raise UserError('%s: must be less than 2^31' % name)
  if isinstance(value, str) and not field.metadata['any_text'] and not (len(value) <= 256 and value.isprintable()):
    raise UserError('%s=%.50r: must be at most 256 printable characters' % (name, value))
  if value is None:
    return
  if name in ('run_dir', *_SAVED_PATHS) and not files.is_name(value):
    raise UserError('%s=%.50r: must be a name that a file can have' % (name, value))
  if field.metadata['choices'] is not None and value not in field.metadata['choices']:
    raise UserError('%s=%s: must be one of %s' % (name, value, ', '.join(map(str, field.metadata['choices']))))
  bounds = field.metadata['bounds']
  within = {
    'greater than': lambda bound: value > bound, 'at least': lambda bound: value >= bound,
    'less than': lambda bound: value < bound, 'at most': lambda bound: value <= bound,
  }  # fmt: skip
  if not all(within[words](bound) for words, bound in bounds):
    raise UserError('%s=%s: must be %s' % (name, value, ' and '.join('%s %g' % bound for bound in bounds)))


# field -> its metadata; see `_setting`.
FIELDS = {field.name: field.metadata for field in dataclasses.fields(Config)}
CHANGEABLE = {name for name, about in FIELDS.items() if about['changeable']}
FROM_DATA = {name for name, about in FIELDS.items() if about['from_data']}


def make(preset: Optional[str] = None, variant: Optional[str] = None, **overrides: Any) -> Config:
  """Returns the `Config` of a preset and a variant.

  Args:
    preset: a key of `PRESETS`; None is blog-mnist.
    variant: a key of `VARIANTS`; None is clip.
    **overrides: other fields of `Config`; None leaves the preset's value.

  Raises:
    UserError: see `Config`.
  """
  preset, variant = preset or 'blog-mnist', variant or 'clip'
  for name, value in (('preset', preset), ('variant', variant)):
    if value not in FIELDS[name]['choices']:
      raise UserError('%s=%s: must be one of %s' % (name, value, ', '.join(FIELDS[name]['choices'])))
  settings: Dict[str, Any] = dict(
    DEFAULTS,
    preset=preset,
    variant=variant,
    data_dir=os.environ.get('WGAN_DATA_DIR') or 'data',
    run_dir=os.path.join('runs', preset + '-' + variant),
  )
  settings.update(VARIANTS[variant])
  settings.update(PRESETS[preset])
  by_variant = {name: settings.pop(name) for name in VARIANTS if name in settings}
  settings.update(by_variant.get(variant, {}))
  del settings['source']
  if settings['form'] != 'image':  # the defaults of images do not apply
    settings = {n: v for n, v in settings.items() if n not in FIELDS or v is False or FIELDS[n]['needs'] != 'images'}
  overrides = {name: value for name, value in overrides.items() if value is not None}
  if overrides.get('dataset', 'auto') == 'auto':
    overrides.pop('dataset', None)
    settings['fallback_dataset'] = _FALLBACKS.get(settings['dataset'])
  if overrides.get('optimizer', settings['optimizer']) != 'adam':
    settings.pop('beta1', None)
    settings.pop('beta2', None)
  elif 'beta1' not in settings:
    settings.update(beta1=VARIANTS['gp']['beta1'], beta2=VARIANTS['gp']['beta2'])
  if overrides.get('dataset') in ('folder', 'lsun') or settings['dataset'] == 'lsun' and 'dataset' not in overrides:
    settings['image_fit'] = 'crop'
  learning_rate = settings.pop('learning_rate')
  settings.update(generator_learning_rate=learning_rate, critic_learning_rate=learning_rate)
  settings.update(overrides)
  settings.setdefault('generator_batch_size', settings['batch_size'])
  return Config(**settings)


def critic_updates(config: Config, generator_step: int) -> int:
  """Returns how many critic updates come, in all, before generator update `generator_step` (the first is 1).

  Without the extra ones that is critic_steps for each; with them 100 where the WGAN authors' code has 100.
  """
  long = 0
  if config.extra_critic_steps and generator_step > 0:
    long = min(generator_step, EXTRA_UNTIL) + (generator_step - 1) // EXTRA_EVERY
  return EXTRA_CRITIC_STEPS * long + config.critic_steps * (generator_step - long)


def to_json(config: Config) -> str:
  """Returns the text of config.json: the version, and every field but run_dir, which is the folder that holds it."""
  fields = dict(version=wgan_tf1.__version__, **dataclasses.asdict(config))
  del fields['run_dir']
  fields.update({name: files.portable_name(fields[name]) for name in _SAVED_PATHS if fields[name] is not None})
  return json.dumps(fields, indent=2) + '\n'


def load(run_dir: str) -> Config:
  """Returns the `Config` that the run in `run_dir` was started with.

  Raises:
    UserError: if there is none, a newer version wrote it, or it is damaged.
  """
  path = os.path.join(run_dir, 'config.json')
  try:
    with open(path, encoding='utf-8') as f:
      settings = json.loads(f.read(_LARGEST_FILE))
    if not isinstance(settings, dict):
      raise ValueError('it holds no settings')
    _check_version(path, settings.pop('version', None))
    fields = [field for field in dataclasses.fields(Config) if field.name != 'run_dir']
    unknown = sorted(set(settings) - {field.name for field in fields})
    missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in settings]
    if unknown or missing:
      raise ValueError('%s %.50r' % (('unknown setting', unknown[0]) if unknown else ('it lacks', missing[0])))
    settings.update({name: files.local_name(settings[name]) for name in _SAVED_PATHS if name in settings})
    _update_old(settings)
    return Config(run_dir=run_dir, **settings)
  except (FileNotFoundError, NotADirectoryError) as e:
    raise UserError('%s holds no run: it has no config.json. Use another directory' % run_dir) from e
  except _NewerVersion:
    raise
  except (OSError, ValueError, RecursionError, UserError) as e:
    raise UserError('%s cannot be read (%s). Restore it, or use another run' % (path, e)) from e


def _update_old(settings: Dict[str, Any]) -> None:
  """Gives settings of a run from before `xla`, or `mirror`, the names and values that mean the same now."""
  settings.setdefault('xla', 'off')
  if 'mirror' in settings:
    return
  if settings.get('form') == 'image':  # `folder` and `lsun` cropped, whatever image_fit was
    if settings.get('image_fit') in ('pad', 'resize') and settings.get('dataset') in ('folder', 'lsun'):
      settings['image_fit'] = 'crop'
    elif settings.get('image_fit') == 'resize':
      settings['image_fit'] = 'stretch'
  if settings.get('form') == 'text':
    settings['long_lines'] = 'start'


class _NewerVersion(UserError):
  """A config.json that a newer version of this package wrote."""


def _check_version(path: str, version: Any) -> None:
  """Refuses a newer version's config.json. Before 1.0.0 there was no version in it."""
  if version is None:
    return
  numbers = version.split('.') if isinstance(version, str) else []
  if len(numbers) != 3 or not all(number.isdigit() and len(number) < 10 for number in numbers):
    raise ValueError('%.50r is not a version' % (version,))
  if tuple(map(int, numbers)) > tuple(map(int, wgan_tf1.__version__.split('.'))):
    raise _NewerVersion(
      '%s was written by version %s; this is version %s. Update this program' % (path, version, wgan_tf1.__version__)
    )


def requested(in_cluster: bool = False, chief: bool = True, **flags: Any) -> Config:
  """Returns the `Config` that flags ask for: of the run in `flags['run_dir']` if there is one, otherwise a new one.

  A run that is named keeps its settings; flags may only repeat them, or change those that a started run may change.
  Args:
    in_cluster: whether this is one of several processes: each has its flags alone, since only the chief sees the run.
    chief: whether this process reads and writes the run directory.
    **flags: fields of `Config`; None is a flag that is not given.

  Raises:
    UserError: naming each flag that contradicts the run; or see `make` and `load`.
  """
  flags = {name: value for name, value in flags.items() if value is not None}
  run_dir = flags.get('run_dir')
  named = run_dir is not None and os.path.exists(os.path.join(run_dir, 'config.json'))
  if not named or in_cluster:
    config = make(**flags)
    if config.init_from is not None and config.init_step is None and in_cluster:
      raise UserError('init_step is required with init_from and TF_CONFIG')  # only the chief can look it up
    if chief and config.init_from is not None and not os.path.exists(os.path.join(config.run_dir, 'config.json')):
      load(config.init_from)  # refuses now what is no run
    return config
  old = load(run_dir)
  for name in ('dataset', 'xla'):
    if flags.get(name) == 'auto':
      del flags[name]
  _refuse(old, {name: value for name, value in flags.items() if name not in CHANGEABLE})
  if os.environ.get('WGAN_DATA_DIR'):
    flags.setdefault('data_dir', os.environ['WGAN_DATA_DIR'])
  return dataclasses.replace(old, **flags)


def check_same_run(old: Config, new: Config) -> None:
  """Refuses to resume a run with settings that would make it another one.

  Raises:
    UserError: naming each field that differs and must not.
  """
  _refuse(old, {name: getattr(new, name) for name in FIELDS if name not in CHANGEABLE | FROM_DATA}, new.run_dir)


def _refuse(old: Config, wanted: Dict[str, Any], run_dir: Optional[str] = None) -> None:
  """Raises a `UserError` that names each of the settings that an old run has otherwise."""

  def same(name: str, value: Any) -> bool:
    before = getattr(old, name)
    if name == 'init_from' and before is not None and value is not None:
      return os.path.realpath(before) == os.path.realpath(value)
    return before == value

  differing = ['%s=%s, not %s' % (n, getattr(old, n), value) for n, value in wanted.items() if not same(n, value)]
  if differing:
    name = run_dir or old.run_dir
    raise UserError(
      '%s was started with %s. Give its own settings to resume it, or start a new run from its weights: --init_from=%s '
      'and another --run_dir' % (name, '; '.join(differing), files.pasted(name))
    )
