"""What every experiment shares, with made-up experiments; without TensorFlow."""

import importlib.machinery
import json
import types

import pytest

from experiments import common
from tests.helpers import processes
from wgan_tf1 import config as configs
from wgan_tf1.errors import UserError


def made_up(measure=None, holds=lambda numbers: numbers['value'] > 1, full=None):
  experiment = types.ModuleType('__main__')
  experiment.__spec__ = importlib.machinery.ModuleSpec('experiments.made_up', None)
  experiment.TITLE = 'Made up'
  experiment.SETTINGS = {'full': full or {'steps': 2, 'pair': (1, 2)}, 'quick': {'steps': 1}}
  experiment.CLAIMS = [common.Claim('more', 'Nobody', 'above 1', holds, lambda numbers: '%g' % numbers['value'])]
  experiment.measure = measure or (lambda settings, run: {'value': settings['steps']})
  experiment.plot = lambda numbers: common.figure()
  return experiment


@pytest.mark.parametrize('holds, verdict', [
  (lambda numbers: numbers['value'] == 2, 'reproduced'),
  (lambda numbers: numbers['value'] != 2, 'contradicted'),
  (lambda numbers: None, 'undecided'),
])  # fmt: skip
def test_a_rule_decides_and_the_quick_settings_do_not(tmp_path, holds, verdict):
  full = common.run(made_up(holds=holds), False, str(tmp_path / 'full'), 'data')
  assert [claim['verdict'] for claim in full['claims']] == [verdict] and full['claims'][0]['measured'] == '2'
  quick = common.run(made_up(holds=holds), True, str(tmp_path / 'quick'), 'data')
  assert [claim['verdict'] for claim in quick['claims']] == ['undecided'] and quick['quick']
  assert json.loads((tmp_path / 'full' / 'made_up.json').read_text()) == full
  assert (tmp_path / 'full' / 'made_up.png').read_bytes().startswith(b'\x89PNG')


def test_a_limited_run_contradicts_nothing_but_what_it_computes_exactly():
  claim = common.Claim('more', 'Nobody', 'above 1', lambda numbers: numbers['value'] > 1, str)
  assert common.judge(claim, {'value': 1}, '') == ('contradicted', '')
  assert common.judge(claim, {'value': 1}, 'one seed') == ('undecided', 'one seed')
  assert common.judge(claim._replace(exact=True), {'value': 1}, 'one seed') == ('contradicted', '')
  assert common.judge(claim, {'value': 2}, 'one seed') == ('reproduced', '')
  assert common.judge(claim._replace(limits=''), {'value': 1}, 'one seed') == ('contradicted', '')
  assert common.judge(claim._replace(limits='too narrow'), {'value': 1}, '') == ('undecided', 'too narrow')
  assert common.judge(claim._replace(limits=''), {'value': 1}, 'quick settings', True) == (
    'undecided',
    'quick settings',
  )
  assert common.judge(claim._replace(holds=lambda numbers: None), {}, '') == ('undecided', 'the rule cannot tell')


def test_results_are_kept_until_the_settings_change(tmp_path):
  calls = []

  def measure(settings, run):
    calls.append(settings)
    return {'value': 2}

  first = common.run(made_up(measure), False, str(tmp_path), 'data')
  assert common.run(made_up(measure), False, str(tmp_path), 'data') == first and len(calls) == 1
  common.run(made_up(measure, full={'steps': 3}), False, str(tmp_path), 'data')
  assert len(calls) == 2


def test_a_stopped_run_resumes_where_it_was(tmp_path):
  made = []

  def part(name):
    made.append(name)
    return [name]

  def measure(settings, run):
    first = run.part('first', lambda: part('first'))
    if len(made) == 1:
      raise KeyboardInterrupt
    return {'value': 2, 'parts': first + run.part('second', lambda: part('second'))}

  with pytest.raises(KeyboardInterrupt):
    common.run(made_up(measure), False, str(tmp_path), 'data')
  assert not (tmp_path / 'made_up.json').exists()
  kept = tmp_path / 'parts' / 'made_up-first.json'
  content = json.loads(kept.read_text())
  kept.write_text(json.dumps(dict(content, seconds=1000.0, machine='a loom')))
  made.append('between')
  result = common.run(made_up(measure), False, str(tmp_path), 'data')
  assert made == ['first', 'between', 'second'] and result['numbers']['parts'] == ['first', 'second']
  assert result['seconds'] >= 1000  # the time of the first run counts
  assert result['machine'] == '; '.join(sorted(['a loom', common.machine()]))  # and so does what it ran on


def test_a_number_that_json_has_not_is_refused(tmp_path):
  with pytest.raises(ValueError):
    common.run(made_up(lambda settings, run: {'value': float('nan')}), False, str(tmp_path), 'data')
  assert not (tmp_path / 'made_up.json').exists()


def test_bad_places_get_one_line(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='out_dir=.* cannot be written: .*. Use another --out_dir'):
    common.run(made_up(), False, str(tmp_path / 'file' / 'out'), 'data')
  (tmp_path / 'made_up.json').write_text('{"name":')
  with pytest.raises(UserError, match=r'made_up.json cannot be read .*\). Delete it to measure again'):
    common.run(made_up(), False, str(tmp_path), 'data')


def test_a_grid_computes_each_point_once_until_its_config_changes(tmp_path):
  computed = []

  def measure(settings, run, width=4):
    def make(seed, variant):
      return common.config(settings, run, seed=seed, variant=variant, width=width)

    def compute(config, seed, variant):
      computed.append((seed, variant, config.width, config.batch_size))
      return [config.seed, config.variant]

    found = common.grid(run, make, compute, [0, 1], {'gp': {}, 'clip': {}})
    assert found == {(s, v): [s, v] for s in (0, 1) for v in ('gp', 'clip')}
    return {'value': 2}

  settings = dict(batch_size=8, other=1)
  points = [(0, 'gp'), (0, 'clip'), (1, 'gp'), (1, 'clip')]
  experiment = made_up(measure, full=settings)
  for data_dir in ('data', 'elsewhere'):  # where the data are does not matter
    common.run(experiment, False, str(tmp_path), data_dir)
    (tmp_path / 'made_up.json').unlink()
  assert computed == [(*point, 4, 8) for point in points]
  assert sorted(path.name for path in (tmp_path / 'parts').iterdir()) == sorted(
    'made_up-%d-%s.json' % point for point in points
  )
  experiment.measure = lambda settings, run: measure(settings, run, width=5)
  common.run(experiment, False, str(tmp_path), 'data')
  assert computed[4:] == [(*point, 5, 8) for point in points]


def test_a_config_has_the_settings_that_are_its_fields_and_the_overrides():
  settings = dict(preset='toy-8gaussians', variant='gp', width=8, learning_rate=0.5, samples=3, penalty_weight=7.0)
  run = common.Run(None, 'nowhere')
  config = common.config(settings, run, width=9, penalty_weight=None)
  assert (config.preset, config.variant, config.width, config.data_dir) == ('toy-8gaussians', 'gp', 9, 'nowhere')
  assert config.generator_learning_rate == config.critic_learning_rate == 0.5
  assert config.penalty_weight == configs.make('toy-8gaussians', 'gp').penalty_weight  # None leaves the preset's
  assert common.config(settings, run, learning_rate=0.25).critic_learning_rate == 0.25


def test_command_line(tmp_path):
  out, err = processes.run(tmp_path, '-m', 'experiments.earth_mover', '--quick', PYTHONPATH=processes.ROOT)
  result = json.loads((tmp_path / 'results' / 'quick' / 'earth_mover.json').read_text())
  lines = out.splitlines()
  assert len(lines) == len(result['claims']) + 2 and all('undecided' in line for line in lines[1:-1])
  assert (tmp_path / 'results' / 'quick' / 'earth_mover.png').exists()
  assert err == ''


def test_flags_of_a_command_line(tmp_path):
  out, _ = processes.run(tmp_path, '-m', 'experiments.earth_mover', '--help', PYTHONPATH=processes.ROOT)
  assert all('--' + name in out for name in ('[no]quick', 'out_dir', 'data_dir'))
  _, err = processes.run(tmp_path, '-m', 'experiments.earth_mover', '--quik', status=2, PYTHONPATH=processes.ROOT)
  assert len(err.splitlines()) == 1 and 'quik' in err
