import dataclasses
import json
import os

import pytest

import wgan_tf1
from tests.helpers.processes import run_here
from wgan_tf1 import config, networks
from wgan_tf1.classes import class_number, class_numbers, sample_classes
from wgan_tf1.data import datasets
from wgan_tf1.errors import UserError


def test_the_posts_clip_run():
  c = config.make()
  assert (c.preset, c.variant, c.image_size, c.latent_size, c.batch_size) == ('blog-mnist', 'clip', 32, 128, 64)
  assert (c.optimizer, c.critic_steps, c.clip_value, c.clip_order) == ('rmsprop', 5, 0.01, 'after')
  assert c.generator_learning_rate == c.critic_learning_rate == 5e-4
  assert (c.penalty_weight, c.beta1, c.beta2) == (None, None, None)


def test_the_posts_penalty_run():
  c = config.make('blog-mnist', 'gp')
  assert (c.optimizer, c.beta1, c.beta2, c.penalty_weight, c.critic_steps) == ('adam', 0.5, 0.9, 10, 5)
  assert c.generator_learning_rate == c.critic_learning_rate == 1e-4
  assert (c.clip_value, c.clip_order) == (None, None)


def test_an_optimizer_brings_and_drops_its_betas():
  assert config.make(variant='gp', optimizer='rmsprop').beta1 is None
  adam = config.make(variant='clip', optimizer='adam')
  assert (adam.beta1, adam.beta2) == (0.0, 0.9)
  assert config.make(variant='clip', optimizer='adam', beta1=0.5).beta1 == 0.5


def test_the_data_directory_comes_from_the_environment(monkeypatch):
  monkeypatch.setenv('WGAN_DATA_DIR', '/somewhere')
  assert config.make().data_dir == '/somewhere'
  assert config.make(data_dir='here').data_dir == 'here'
  monkeypatch.delenv('WGAN_DATA_DIR')
  assert config.make().data_dir == 'data'


@pytest.mark.parametrize(
  'overrides, words',
  [
    (dict(preset='lsun'), ['preset=lsun', 'blog-mnist']),
    (dict(variant='wgan'), ['variant=wgan', 'clip', 'gp']),
    (dict(optimizer='sgd'), ['optimizer=sgd', 'rmsprop_torch']),
    (dict(batch_size=0), ['batch_size=0: must be greater than 0']),
    (dict(critic_learning_rate=float('nan')), ['critic_learning_rate=nan']),
    (dict(clip_value=-1.0), ['clip_value=-1.0']),
    (dict(optimizer='adam', beta2=1.0), ['beta2=1.0: must be at least 0 and less than 1']),
    (dict(seed=-1), ['seed=-1']),
    (dict(gpu_memory_fraction=1.5), ['gpu_memory_fraction=1.5']),
    (dict(penalty_weight=5.0), ['penalty_weight', 'variant=gp']),
    (dict(variant='gp', clip_value=0.1), ['clip_value', 'variant=clip']),
    (dict(variant='gp', clip_order='before'), ['clip_order', 'variant=clip']),
    (dict(beta1=0.5), ['beta1', 'optimizer=adam']),
    (dict(width=0), ['width=0: must be greater than 0 and at most 65536']),
    (dict(generator_batch_size=0), ['generator_batch_size=0']),
    (dict(ema_decay=1.0), ['ema_decay=1.0', 'less than 1']),
    (dict(learning_rate_decay_steps=-1), ['learning_rate_decay_steps=-1: must be at least 0']),
    (dict(ema_decay=-0.1), ['ema_decay=-0.1']),
    (dict(generator_norm='layer'), ['generator_norm=layer', 'none, batch']),
    (dict(critic_norm='instance'), ['critic_norm=instance', 'layer']),
    (dict(variant='gp', penalty='three_sided'), ['penalty=three_sided', 'one_sided']),
    (dict(clip_order='never'), ['clip_order=never', 'before']),
    (dict(penalty='one_sided'), ['penalty: ', 'variant=gp']),
    (dict(variant='gan', clip_value=0.1), ['clip_value', 'variant=clip']),
    (dict(variant='gan', penalty_weight=1.0), ['penalty_weight', 'variant=gp']),
    # batch norm under the penalty
    (dict(variant='gp', critic_norm='batch'), ['preset=blog-mnist', 'batch norm', '--critic_norm=layer']),
    (dict(preset='keras-mnist', variant='gp'), ['preset=keras-mnist', 'batch norm', '--critic_norm=layer']),
    # data of another form
    (dict(dataset='imagenet'), ['dataset=imagenet', 'mnist']),
    (dict(dataset='text'), ['preset=blog-mnist', 'images', 'dataset=text', 'cifar10']),
    (dict(preset='text-char', dataset='mnist'), ['preset=text-char', 'text', 'dataset=mnist']),
    (dict(preset='toy-swissroll', dataset='text'), ['preset=toy-swissroll', 'points', '8gaussians']),
    # labels
    (dict(dataset='lsun', classes='3'), ['classes=3', 'labels', 'dataset=lsun', 'fashion_mnist']),
    (dict(preset='toy-8gaussians', classes='3'), ['classes=3', 'labels', 'dataset=8gaussians']),
    (dict(preset='cifar10-resnet-acgan', dataset='lsun'), ['preset=cifar10-resnet-acgan', 'labels', 'dataset=lsun']),
    (dict(classes='three'), ['classes=three', '0,3,5']),
    (dict(classes=''), ['classes=: ', '0,3,5']),
    (dict(classes='3,'), ['classes=3,', '0,3,5']),
    (dict(classes='3,3'), ['classes=3,3', '0,3,5']),
    (dict(classes='-1,3'), ['classes=-1,3', '0,3,5']),
    (dict(classes='1.5'), ['classes=1.5', '0,3,5']),
    # options without effect
    (dict(fixed_generator=True), ['fixed_generator', 'toy']),
    (dict(preset='text-char', fixed_generator=True), ['fixed_generator', 'toy']),
    (dict(preset='toy-swissroll', fixed_generator=True, ema_decay=0.9), ['ema_decay', 'fixed_generator']),
    (dict(preset='toy-swissroll', dequantize=True), ['dequantize', 'images']),
    (dict(data_path='x'), ['data_path', 'dataset=folder']),
    (dict(critic_class_weight=1.0), ['critic_class_weight', 'class-conditional']),
    (dict(generator_class_weight=1.0), ['generator_class_weight', 'class-conditional']),
    # beyond the end of the learning rate
    (
      dict(preset='cifar10-resnet', variant='gp', generator_steps=100001),
      ['generator_steps=100001', 'learning_rate_decay_steps=100000'],
    ),
    (dict(learning_rate_decay_steps=100), ['generator_steps=2000', 'learning_rate_decay_steps=100']),
  ],
)
def test_impossible_settings_are_refused_by_name(overrides, words):
  with pytest.raises(UserError) as e:
    config.make(**overrides)
  assert all(word in str(e.value) for word in words)
  assert '\n' not in str(e.value)


@pytest.mark.parametrize(
  'overrides',
  [
    dict(preset='cifar10-resnet', variant='gp', generator_steps=100000),
    dict(preset='cifar10-resnet', variant='gp', generator_steps=100001, learning_rate_decay_steps=0),
    dict(preset='keras-mnist', variant='gp', critic_norm='layer'),
    dict(preset='keras-mnist', classes='3'),
    dict(preset='cifar10-resnet-acgan', classes='0,9'),
    dict(preset='cifar10-resnet-acgan', dataset='digits', critic_class_weight=0.5),
    dict(preset='toy-swissroll', variant='gp', fixed_generator=True),
    dict(dataset='folder', data_path='x'),
    dict(preset='text-char', variant='gp', data_path='x'),
  ],
)
def test_possible_settings_near_the_impossible_ones(overrides):
  c = config.make(**overrides)
  assert all(getattr(c, name) == value for name, value in overrides.items())


def test_a_run_from_before_mirror_keeps_what_it_was(tmp_path):
  def loaded(preset, dataset, **old):
    values = json.loads(config.to_json(config.make(preset, 'clip', dataset=dataset)))
    for name in ('mirror', 'image_memory_mb', 'long_lines', 'class_names'):
      del values[name]
    (tmp_path / 'config.json').write_text(json.dumps(dict(values, **old)))
    return config.load(str(tmp_path))

  assert loaded('blog-mnist', 'mnist', image_fit='pad').image_fit == 'pad'
  assert loaded('fashion-upsample', 'fashion_mnist', image_fit='resize').image_fit == 'stretch'
  for how in ('pad', 'resize'):  # these cropped, whatever the setting was
    assert loaded('blog-mnist', 'folder', image_fit=how).image_fit == 'crop'
  assert loaded('lsun64-dcgan', 'lsun', image_fit='pad').image_fit == 'crop'
  assert loaded('text-char', 'text', image_fit=None).long_lines == 'start'
  assert config.make('text-char', 'clip').long_lines == 'split'
  with pytest.raises(UserError, match='image_fit=x: must be one of crop, pad, stretch'):
    loaded('blog-mnist', 'mnist', image_fit='x')


@pytest.mark.parametrize(
  'preset, dataset, fit',
  [('blog-mnist', 'folder', 'crop'), ('lsun64-dcgan', None, 'crop'), ('lsun64-dcgan', 'cifar10', 'pad'),
   ('fashion-upsample', None, 'stretch'), ('fashion-upsample', 'folder', 'crop'), ('blog-mnist', 'idx', 'pad')],
)  # fmt: skip
def test_images_on_the_disk_are_cropped_unless_told_otherwise(preset, dataset, fit):
  assert config.make(preset, dataset=dataset).image_fit == fit
  assert config.make(preset, dataset=dataset, image_fit='pad').image_fit == 'pad'


def test_classes_may_be_given_by_name_or_number():
  numbers = [class_number(('cat', 'dog', '7'), word) for word in ('dog', '1', '7', '2', '3', 'cow', '')]
  assert numbers == [1, 1, 2, 2, None, None, None]
  assert [class_number(('3', '7'), word) for word in ('3', '7', '0', '1')] == [0, 1, None, None]
  assert [class_number((), word) for word in ('3', '-1', 'cat')] == [3, None, None]
  c = config.make(preset='keras-mnist', dataset='folder', classes='dog, cat')
  assert sample_classes(dataclasses.replace(c, class_names='cat/dog/fox')) == (0, 1)
  with pytest.raises(UserError, match='classes=dog, cat: there is no class dog. The classes are cat, cow'):
    dataclasses.replace(c, class_names='cat/cow')
  with pytest.raises(UserError, match='must be a list of different classes'):
    dataclasses.replace(c, classes='dog,1', class_names='cat/dog/fox')


def test_class_numbers_are_sorted():
  assert class_numbers('3') == (3,) and class_numbers('5, 0,3') == (0, 3, 5)


def test_auto_is_the_presets_own_data_and_may_fall_back():
  for dataset in (None, 'auto'):
    c = config.make(dataset=dataset)
    assert (c.dataset, c.fallback_dataset) == ('mnist', 'digits')
    c = config.make('fashion-upsample', dataset=dataset)
    assert (c.dataset, c.fallback_dataset) == ('fashion_mnist', 'digits')
    c = config.make('cifar10-resnet', dataset=dataset)
    assert (c.dataset, c.fallback_dataset) == ('cifar10', None)
  c = config.make(dataset='mnist')  # by name: nothing else will do
  assert (c.dataset, c.fallback_dataset) == ('mnist', None)


def test_the_generators_batch_is_the_critics_unless_it_is_set():
  assert config.make(batch_size=7).generator_batch_size == 7
  assert config.make(batch_size=7, generator_batch_size=9).generator_batch_size == 9
  assert config.make('cifar10-resnet').generator_batch_size == 128


@pytest.mark.parametrize('preset', ['lsun64-dcgan', 'blog-mnist'])
def test_critic_updates_due_are_the_authors(preset):
  """main.py: 100 where gen_iterations, the generator updates so far, is below 25 or a multiple of 500."""
  c = config.make(preset, critic_steps=3)
  assert c.extra_critic_steps == (preset == 'lsun64-dcgan')
  due = config.critic_updates(c, 0)
  assert due == 0
  for gen_iterations in range(1600):
    extra = c.extra_critic_steps and (gen_iterations < 25 or gen_iterations % 500 == 0)
    due += 100 if extra else 3
    assert config.critic_updates(c, gen_iterations + 1) == due, gen_iterations


def test_json_round_trip_of_every_preset_and_variant(tmp_path):
  pairs = 0
  for preset in config.PRESETS:
    for variant in config.VARIANTS:
      norm = {'critic_norm': 'none'} if variant == 'gp' else {}
      c = config.make(preset, variant, run_dir=str(tmp_path), seed=7, **norm)
      c = dataclasses.replace(c, vocabulary='\n aé\ufffd"' if c.form == 'text' else None, data_fingerprint='0f')
      (tmp_path / 'config.json').write_text(config.to_json(c))
      assert config.load(str(tmp_path)) == c
      assert set(json.loads(config.to_json(c))) == {f.name for f in dataclasses.fields(c)} - {'run_dir'} | {'version'}
      pairs += 1
  assert pairs == 17 * 3


@pytest.mark.parametrize('text', ['', '{"preset": "blog', '[]', '{"preset": "blog-mnist"}', '{"colour": 1}'])
def test_an_unreadable_config_is_a_sentence(tmp_path, text):
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(UserError, match=r'config\.json'):
    config.load(str(tmp_path))


@pytest.mark.parametrize('name, value, words', [
  ('batch_size', '4', "batch_size='4': must be an integer"),
  ('batch_size', 4.0, 'batch_size=4.0: must be an integer'),
  ('batch_size', True, 'batch_size=True: must be an integer'),
  ('batch_size', None, 'batch_size=None: must be an integer'),
  pytest.param('batch_size', 10**400, 'batch_size: must be less than 2.31', id='batch_size-long'),
  ('batch_size', 10**7, 'batch_size=10000000: must be .*at most 65536'),
  ('width', -4, 'width=-4: must be greater than 0'),
  ('latent_size', 0, 'latent_size=0: must be greater than 0'),
  ('image_size', 7, 'image_size=7: must be at least 8'),
  ('image_size', 5000, 'image_size=5000: must be'),
  ('image_size', None, 'image_size is required with images'),
  ('image_channels', 2, 'image_channels=2: must be one of 1, 3'),
  ('pixel_minimum', float('nan'), 'pixel_minimum=nan: must be one of'),
  ('ema_decay', float('nan'), 'ema_decay=nan: must be'),
  ('generator_learning_rate', float('inf'), 'generator_learning_rate=inf: must be greater than 0'),
  ('clip_value', [0.01], r'clip_value=\[0.01\]: must be a number'),
  ('clip_value', None, 'clip_value is required with variant=clip'),
  ('dequantize', 1, 'dequantize=1: must be true or false'),
  ('dataset', {'name': 'mnist'}, "dataset={'name': 'mnist'}: must be text"),
  ('dataset', '../../etc', 'dataset=../../etc: must be one of'),
  ('fallback_dataset', 'folder', 'fallback_dataset=folder: must be one of'),
  pytest.param('preset', 'a' * 10**6, "preset='a{49}: must be at most 256 printable characters", id='preset-long'),
  ('architecture', 'a\nb', r"architecture='a\\nb': must be"),
  ('architecture', 'text', 'architecture=text: cannot be used with form=image'),
  ('form', 'os.system', 'form=os.system: must be one of'),
  ('form', 'points', 'has no effect without images'),
  ('class_count', 10, 'class_count: has no effect without a class-conditional preset'),
  ('classes', '0,99999999999', 'must be a list of labels'),
  ('vocabulary', '\ud800', 'vocabulary: must be 1 to 2048 different characters'),
  ('vocabulary', 'aa', 'vocabulary: must be 1 to 2048 different characters'),
  ('vocabulary', '', 'vocabulary: must be 1 to 2048 different characters'),
  ('colour', 1, "unknown setting 'colour'"),
  ('run_dir', '/etc', "unknown setting 'run_dir'"),
])  # fmt: skip
def test_a_setting_from_elsewhere_is_checked(tmp_path, name, value, words):
  settings = json.loads(config.to_json(config.make(run_dir=str(tmp_path))))
  settings[name] = value
  (tmp_path / 'config.json').write_text(json.dumps(settings))
  with pytest.raises(UserError, match=r'config\.json cannot be read [(].*' + words) as e:
    config.load(str(tmp_path))
  assert len(str(e.value).splitlines()) == 1 and len(str(e.value)) < 500


@pytest.mark.parametrize(
  'text',
  ['[' * 10**5, '{"a": ' * 10**5, ' ' * 2**21, '\x00', '{"preset": 1e999}'],
  ids=['lists', 'objects', 'spaces', 'nul', 'infinity'],
)
def test_a_text_that_is_no_config_is_a_sentence(tmp_path, text):
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(UserError, match=r'config\.json cannot be read'):
    config.load(str(tmp_path))


def test_a_setting_that_is_missing_is_named(tmp_path):
  settings = json.loads(config.to_json(config.make(run_dir=str(tmp_path))))
  del settings['critic_steps']
  (tmp_path / 'config.json').write_text(json.dumps(settings))
  with pytest.raises(UserError, match="it lacks 'critic_steps'"):
    config.load(str(tmp_path))


@pytest.mark.parametrize(
  'version, words',
  [
    ('1.0.1', 'was written by version 1.0.1; this is version 1.0.0. Update this program'),
    ('1.10.0', 'version 1.10.0'),
    ('one', "'one' is not a version"),
    ('1.0', "'1.0' is not a version"),
    (1.0, '1.0 is not a version'),
    ('9' * 1000 + '.0.0', 'is not a version'),
  ],
)
def test_the_version_of_a_config_is_checked_and_named(tmp_path, monkeypatch, version, words):
  monkeypatch.setattr(wgan_tf1, '__version__', '1.0.0')
  settings = dict(json.loads(config.to_json(config.make())), version=version)
  (tmp_path / 'config.json').write_text(json.dumps(settings))
  with pytest.raises(UserError) as e:
    config.load(str(tmp_path))
  assert words in str(e.value) and len(str(e.value)) < 500


def test_configs_of_this_version_and_of_those_before_it_are_read(tmp_path):
  c = config.make(run_dir=str(tmp_path))
  settings = json.loads(config.to_json(c))
  assert settings.pop('version') == wgan_tf1.__version__
  for version in ({}, {'version': '0.9.12'}, {'version': wgan_tf1.__version__}):  # before 1.0.0 there was none
    (tmp_path / 'config.json').write_text(json.dumps(dict(settings, **version)))
    assert config.load(str(tmp_path)) == c


def test_a_directory_without_a_run_is_a_sentence(tmp_path):
  with pytest.raises(UserError, match='no run'):
    config.load(str(tmp_path))


def test_resuming_refuses_what_would_change_the_weights():
  old = config.make()
  new = config.make(batch_size=32, seed=1, generator_steps=3000)
  with pytest.raises(UserError) as e:
    config.check_same_run(old, new)
  assert 'batch_size=64, not 32' in str(e.value) and 'seed=0, not 1' in str(e.value)
  assert 'generator_steps' not in str(e.value)


def test_resuming_allows_what_does_not():
  old = config.make(dataset='folder')
  new = config.make(
    dataset='folder', data_dir='x', data_path='z', run_dir='y', generator_steps=1, save_every_steps=1,
    sample_every_steps=1, summary_every_steps=1, evaluate_every_steps=1, keep_checkpoints=1, gpu_memory_fraction=0.5,
    allow_growth=False, log_device_placement=True, num_gpus=2, profile_step=1, cluster_wait_seconds=1,
    image_memory_mb=5,
  )  # fmt: skip
  config.check_same_run(old, new)
  differing = {k for k, v in dataclasses.asdict(old).items() if v != dataclasses.asdict(new)[k]}
  assert differing == config.CHANGEABLE


def test_what_the_data_decide_is_not_for_the_settings_to_differ_in():
  old = dataclasses.replace(config.make('cifar10-resnet-acgan'), fallback_dataset='digits')
  found = dict(vocabulary='ab', data_fingerprint='0f', class_count=2, class_names='cat/dog')
  new = dataclasses.replace(old, fallback_dataset=None, **found)
  config.check_same_run(old, new)
  differing = {k for k, v in dataclasses.asdict(old).items() if v != dataclasses.asdict(new)[k]}
  assert differing == config.FROM_DATA


def test_a_field_of_config_is_a_flag_with_its_meaning_and_needs_no_other_place(tmp_path):
  out, _ = run_here(tmp_path, 'train.py', '--help')
  shown = ' '.join(out.split())
  for name, about in config.FIELDS.items():
    listed = out.count('\n  --%s=' % name) + out.count('\n  --[no]%s\n' % name)
    assert listed == about['flag'], name
    assert not about['flag'] or about['meaning'] in shown, name


def test_help_has_its_groups_in_order_and_fits_a_terminal(tmp_path):
  out, _ = run_here(tmp_path, 'train.py', '--help')
  flags = out[out.index('\nrun:') :].splitlines()
  headings = ['run', 'data', 'networks', 'optimisation', 'constraint', 'output', 'devices']  # no 'other'
  assert [line[:-1] for line in flags if line and not line.startswith(' ')] == headings
  assert max(map(len, flags)) <= 80 and all(' %s' % name in out for name in config.PRESETS)


def test_the_tables_fit_together():
  everything = sum(config.DATASETS.values(), [])
  assert len(everything) == len(set(everything)) and set(everything) == set(datasets.DATASETS)
  assert config.FIELDS['dataset']['choices'] == ['auto', *everything]
  assert set(config.LABELLED) <= set(config.DATASETS['image'])
  fields = {field.name for field in dataclasses.fields(config.Config)}
  assert set(config.FIELDS) == fields and all(about['meaning'] for about in config.FIELDS.values())
  assert config.CHANGEABLE | config.FROM_DATA <= fields
  assert not config.CHANGEABLE & config.FROM_DATA
  architectures = set()
  for preset, row in config.PRESETS.items():
    own = {name: value for name, value in row.items() if name not in config.VARIANTS}
    assert set(own) - {'source', 'learning_rate'} <= fields and own['source']
    for variant in config.VARIANTS:
      assert set(row.get(variant, {})) - {'learning_rate'} <= fields
      c = config.make(preset, variant, **({'critic_norm': 'none'} if variant == 'gp' else {}))
      assert c.dataset == own['dataset'] and c.dataset in config.DATASETS[c.form]
      assert c.class_count is None or c.dataset in config.LABELLED
      for name, there in (('image', c.image_size), ('text', c.text_length)):
        assert (there is not None) == (c.form == name)
      architectures.add(c.architecture)
  assert architectures == set(networks.ARCHITECTURES)  # each is used


@pytest.mark.parametrize('name', [b'[a]', b'\xff\n', '\u65e5'.encode()])
def test_config_json_keeps_any_name_of_a_file(tmp_path, name):
  c = config.make('text-char', 'gp', data_dir=os.fsdecode(name), data_path=os.fsdecode(name), run_dir=str(tmp_path))
  (tmp_path / 'config.json').write_text(config.to_json(c))
  assert config.load(str(tmp_path)) == c


@pytest.mark.parametrize('name', ['run_dir', 'data_dir', 'data_path'])
@pytest.mark.parametrize('value', ['a\0b', 'a\ud800'])
def test_what_no_file_can_be_called_is_refused(name, value):
  with pytest.raises(UserError, match=name + '=.*: must be a name that a file can have'):
    config.make('text-char', 'gp', **{name: value})


def test_the_run_that_a_run_starts_from_may_be_named_in_another_way(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  old = config.make('toy-8gaussians', 'gp', init_from='first', init_step=3)
  for same in ('first', str(tmp_path / 'first'), './first/'):
    config.check_same_run(old, dataclasses.replace(old, init_from=same))
  with pytest.raises(UserError, match='was started with init_from=first, not second'):
    config.check_same_run(old, dataclasses.replace(old, init_from='second'))


def test_only_the_chief_of_a_cluster_reads_the_run_to_start_from(tmp_path):
  flags = dict(preset='toy-8gaussians', init_from=str(tmp_path / 'none'), init_step=3, run_dir=str(tmp_path / 'run'))
  assert config.requested(in_cluster=True, chief=False, **flags).init_step == 3
  for in_cluster in (True, False):
    with pytest.raises(UserError, match='none holds no run'):
      config.requested(in_cluster, **flags)
