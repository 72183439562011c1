import dataclasses
import json

import pytest

from wgan_tf1 import UserError
from wgan_tf1 import config
from wgan_tf1 import data
from wgan_tf1 import networks


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
    (dict(batch_size=0), ['batch_size=0', 'above 0']),
    (dict(critic_learning_rate=float('nan')), ['critic_learning_rate=nan']),
    (dict(clip_value=-1.0), ['clip_value=-1.0']),
    (dict(optimizer='adam', beta2=1.0), ['beta2=1.0', 'below 1']),
    (dict(seed=-1), ['seed=-1']),
    (dict(gpu_memory_fraction=1.5), ['gpu_memory_fraction=1.5']),
    (dict(penalty_weight=5.0), ['penalty_weight', 'variant=gp']),
    (dict(variant='gp', clip_value=0.1), ['clip_value', 'variant=clip']),
    (dict(variant='gp', clip_order='before'), ['clip_order', 'variant=clip']),
    (dict(beta1=0.5), ['beta1', 'optimizer=adam']),
  ],
)
def test_impossible_settings_are_refused_by_name(overrides, words):
  with pytest.raises(UserError) as e:
    config.make(**overrides)
  assert all(word in str(e.value) for word in words)
  assert '\n' not in str(e.value)


def test_json_round_trip(tmp_path):
  for c in (config.make(run_dir=str(tmp_path)), config.make(variant='gp', run_dir=str(tmp_path), seed=7)):
    (tmp_path / 'config.json').write_text(config.to_json(c))
    assert config.load(str(tmp_path)) == c


@pytest.mark.parametrize('text', ['', '{"preset": "blog', '[]', '{"preset": "blog-mnist"}', '{"colour": 1}'])
def test_an_unreadable_config_is_a_sentence(tmp_path, text):
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(UserError, match=r'config\.json'):
    config.load(str(tmp_path))


def test_a_directory_without_a_run_is_a_sentence(tmp_path):
  with pytest.raises(UserError, match='no run'):
    config.load(str(tmp_path))


def test_going_on_refuses_what_would_change_the_weights():
  old = config.make()
  new = config.make(batch_size=32, seed=1, generator_steps=3000)
  with pytest.raises(UserError) as e:
    config.check_same_run(old, new)
  assert 'batch_size=64, not 32' in str(e.value) and 'seed=0, not 1' in str(e.value)
  assert 'generator_steps' not in str(e.value)


def test_going_on_allows_what_does_not():
  new = config.make(
    data_dir='x', run_dir='y', generator_steps=1, save_every_steps=1, sample_every_steps=1, summary_every_steps=1,
    keep_checkpoints=1, gpu_memory_fraction=0.5, allow_growth=False, log_device_placement=True,
  )  # fmt: skip
  config.check_same_run(config.make(), new)
  differing = {k for k, v in dataclasses.asdict(config.make()).items() if v != dataclasses.asdict(new)[k]}
  assert differing == config.CHANGEABLE


def test_the_tables_fit_together():
  assert set(config.CHOICES['dataset']) == {'auto', *data.DATASETS}
  assert {preset['architecture'] for preset in config.PRESETS.values()} <= set(networks.ARCHITECTURES)
  for preset in config.PRESETS:
    for variant in config.VARIANTS:
      assert 'run_dir' not in json.loads(config.to_json(config.make(preset, variant)))
