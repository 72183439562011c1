"""long_runs: its rules, and what it reads of a run."""

import json

import pytest

from experiments import long_runs
from tests.experiments.settled import group


def _numbers(**kwargs):
  """Two runs whose estimate and distance fall together, and that end well; kwargs are what gp has instead."""
  clip = {
    'step': [1, 2, 3, 4, 5], 'estimate/train': [9.0, 8, 7, 6, 5],
    'frechet_distance': [50.0, 40, 30, 20, 10],
    'class_coverage': [1.0, 5, 9, 10, 10],
  }  # fmt: skip
  return {'clip': clip, 'gp': dict(dict(clip, frechet_distance=[50.0, 40, 30, 20, 9]), **kwargs)}


@pytest.mark.parametrize(
  'kwargs, verdicts',
  [
    ({}, (True, True, True, True)),
    ({'estimate/train': [5.0, 6, 7, 8, 9]}, (False, True, True, True)),
    ({'estimate/train': [5.0, 5, 5, 5, 5]}, (None, True, True, True)),
    ({'class_coverage': [10.0, 10, 10, 10, 9]}, (True, True, False, True)),
    ({'frechet_distance': [50.0, 40, 30, 20, 10]}, (True, True, True, False)),
    ({'frechet_distance': []}, (None, True, True, None)),
  ],
)
def test_rules_are_decided(kwargs, verdicts):
  numbers = _numbers(**kwargs)
  numbers['gp'] = {name: values for name, values in numbers['gp'].items() if values}
  assert tuple(claim.holds(numbers) for claim in long_runs.CLAIMS) == verdicts
  assert all(claim.measured(numbers) for claim in long_runs.CLAIMS)


def test_of_a_step_measured_twice_the_last_counts_and_gaps_are_left_out(tmp_path):
  rows = [(1, 'a', 1.0), (2, 'a', 2.0), (1, 'a', 3.0), (1, 'b', None), (2, 'b', 4.0), (1, 'c', 5.0), (2, 'c', 6.0)]
  (tmp_path / 'm').write_text(''.join(json.dumps(dict(step=s, metric=m, value=v)) + '\n' for s, m, v in rows))
  assert long_runs.series(str(tmp_path / 'm')) == {'step': [1, 2], 'a': [3.0, 2.0], 'c': [5.0, 6.0]}


@group(long_runs)
def test_a_quick_run_is_measured_on_the_way(quick):
  numbers = quick(long_runs)[0]['numbers']
  assert [numbers[variant]['step'] for variant in long_runs.VARIANTS] == [[2, 4], [2, 4]]
  assert len(numbers['gp']['earth_movers_distance']) == 2
