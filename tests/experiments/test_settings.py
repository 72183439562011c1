"""Every experiment: its quick run, and that its SETTINGS are all that its numbers depend on."""

import importlib
import itertools
import json
import os
import types

import pytest

from experiments import common, earth_mover, image_runs, overfitting, report
from tests.experiments import settled
from tests.helpers.processes import ROOT

MODULES = [importlib.import_module('experiments.' + name) for name, _, _ in report.EXPERIMENTS]


@pytest.mark.parametrize('module', [settled.in_group(module) for module in MODULES])
def test_quick_results_are_written_and_decide_nothing(module, quick):
  """And, as `quick` checks, each field that it gives a `Config` is among its settings."""
  result, folder = quick(module)
  name = settled.name_of(module)
  assert json.loads((folder / (name + '.json')).read_text(), parse_constant=pytest.fail) == result
  assert (folder / (name + '.png')).read_bytes().startswith(b'\x89PNG\r\n\x1a\n')
  assert {claim['verdict'] for claim in result['claims']} == {'undecided'} and result['quick']
  assert all(claim['measured'] and 'nan' not in claim['measured'] for claim in result['claims'])
  # Those of the full run are of the same form.
  full, small = (set(module.SETTINGS[kind]) for kind in ('full', 'quick'))
  assert full - small <= {'architecture'} and small - full <= {'architecture', 'classifier_steps'}


@pytest.mark.parametrize('module', [m for m in MODULES if m is not earth_mover], ids=settled.name_of)
def test_full_settings_make_configs_of_their_own_fields(module, monkeypatch):
  """Otherwise a misspelt setting would be found only after an hour's run."""
  made = []

  class Stop(Exception):
    pass

  def grid(run, make, compute, *axes):
    made.extend(make(*point) for point in itertools.product(*axes))
    raise Stop  # nothing is trained

  monkeypatch.setattr(common, 'grid', grid)
  monkeypatch.setattr(image_runs, 'Scorer', lambda settings, run: types.SimpleNamespace(protocol={}))
  settings = module.SETTINGS['full']
  with settled.checked_configs(settings), pytest.raises(Stop):
    module.measure(json.loads(json.dumps(settings)), common.Run(None, 'nowhere'))
  assert made and len(set(made)) > 1


@pytest.mark.parametrize('module', MODULES, ids=settled.name_of)
def test_results_have_the_full_settings(module):
  """So `make figures` leaves them as they are, and RESULTS.md shows what they were measured with."""
  with open(os.path.join(ROOT, 'results', settled.name_of(module) + '.json')) as f:
    assert json.load(f)['settings'] == json.loads(json.dumps(module.SETTINGS['full']))


SETTINGS = {
  'width': 8, 'seeds': [0, 1], 'variants': {'clip': {'learning_rate': 3e-3, 'clip_value': 0.05}, 'gp': {}},
  'runs': [{'critic_norm': 'batch'}], 'learning_rates': [1e-4], 'penalties': ('two_sided',),
  'clip_orders': {'race': 'before'},
}  # fmt: skip


@pytest.mark.parametrize('name, value, found', [
  ('width', 8, True), ('width', 9, False), ('batch_size', 8, False), ('seed', 1, True), ('seed', 2, False),
  ('variant', 'clip', True), ('variant', 'gan', False), ('clip_value', 0.05, True), ('clip_value', 0.01, False),
  ('critic_norm', 'batch', True), ('generator_norm', 'batch', False), ('generator_learning_rate', 3e-3, True),
  ('critic_learning_rate', 1e-4, True), ('critic_learning_rate', 5e-4, False), ('penalty', 'two_sided', True),
  ('penalty', 'one_sided', False), ('clip_order', 'before', True), ('clip_order', 'after', False),
  ('beta1', None, True), ('data_dir', 'anywhere', True),
])  # fmt: skip
def test_what_is_among_the_settings(name, value, found):
  assert settled.unsettled(SETTINGS, {name: value}) == ([] if found else ['%s=%s' % (name, value)])


def test_an_override_from_outside_of_the_settings_is_found(tmp_path, monkeypatch):
  """The learning rates of `overfitting` stood outside of its SETTINGS once."""
  settings = dict(overfitting.SETTINGS['quick'], variants={'gp': {}, 'clip': {}})
  config, rates = common.config, {'gp': 1e-4, 'clip': 5e-4}
  monkeypatch.setattr(common, 'config', lambda *a, variant: config(*a, variant=variant, learning_rate=rates[variant]))
  with settled.checked_configs(settings), pytest.raises(AssertionError, match='critic_learning_rate=0.0001'):
    overfitting.measure(settings, common.Run(None, 'nowhere'))
