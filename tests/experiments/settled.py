"""What is settled by an experiment's SETTINGS: the rule at the top of experiments/common.py."""

import contextlib
import json
from unittest import mock

import pytest

from wgan_tf1 import config as configs


def name_of(module):
  return module.__name__.split('.')[-1]


def group(module):
  """A mark: with xdist, all tests that use the quick results of an experiment run in one process."""
  return pytest.mark.xdist_group('experiment-' + name_of(module))


def in_group(module):
  return pytest.param(module, marks=group(module), id=name_of(module))


def unsettled(settings, overrides):
  """Returns the names of those overrides whose value is not among the settings, as the rule has it."""
  found = {}  # name -> what the settings have under it, at any depth

  def collect(value):
    for name, inner in value.items() if isinstance(value, dict) else ():
      found.setdefault(name, []).append(inner)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
      collect(inner)

  def values(name):
    plural = name[:-1] + 'ies' if name.endswith('y') else name + 's'
    groups = found.get(plural, [])
    of_dicts = [value for group in groups if isinstance(group, dict) for value in (*group, *group.values())]
    return found.get(name, []) + [value for group in groups if isinstance(group, list) for value in group] + of_dicts

  collect(json.loads(json.dumps(settings)))
  missing = []
  for name, value in overrides.items():
    names = (name, 'learning_rate') if name in ('generator_learning_rate', 'critic_learning_rate') else (name,)
    settled = value is None or name in ('data_dir', 'run_dir') or any(value in values(n) for n in names)
    missing += [] if settled else ['%s=%s' % (name, value)]
  return missing


@contextlib.contextmanager
def checked_configs(settings):
  """Within the block, `config.make` fails if it is given a field that the settings do not have."""
  make = configs.make

  def checked(preset=None, variant=None, **overrides):
    missing = unsettled(settings, dict(overrides, preset=preset, variant=variant))
    assert not missing, 'not among the SETTINGS: ' + ', '.join(missing)
    return make(preset, variant, **overrides)

  with mock.patch.object(configs, 'make', checked):
    yield
