"""Precision, recall, density and coverage, against the definitions and against public implementations."""

import numpy as np
import pytest

from tests.helpers.errors import user_error
from wgan_tf1.evaluation import neighbours


def _sets(n, m, d, shift):
  random = np.random.RandomState(0)
  return random.normal(size=[n, d]), shift + 1.2 * random.normal(size=[m, d])


@pytest.mark.parametrize(
  'sizes, precision, recall, density, coverage',
  [  # Precision and recall by torch-fidelity 0.4.0 and by prdc 0.2, k=3; density and coverage by prdc 0.2, k=5.
    ((300, 200, 8, 0.5), 0.56, 0.9066666666666666, 0.4650000000000001, 0.6566666666666666),
    ((120, 400, 3, 0.2), 0.9, 0.975, 0.8810000000000001, 1.0),
    ((500, 500, 64, 0.1), 0.126, 0.994, 0.0696, 0.28),
  ],
)
@pytest.mark.parametrize('rows', [512, 7])
def test_scores_are_those_of_public_implementations(monkeypatch, sizes, precision, recall, density, coverage, rows):
  monkeypatch.setattr(neighbours, '_ROWS', rows)
  found = neighbours.scores(*_sets(*sizes))
  assert found == pytest.approx(dict(precision=precision, recall=recall, density=density, coverage=coverage), rel=1e-12)


def test_scores_on_a_line_worked_out_by_hand():
  real = np.array([[0.0], [1], [2], [10]])
  generated = np.array([[0.5], [0.6], [5.0], [30]])
  # With one neighbour the real balls are 0 +- 1, 1 +- 1, 2 +- 1 and 10 +- 8; the generated ones are 0.5 +- 0.1,
  # 0.6 +- 0.1, 5 +- 4.4 and 30 +- 25.
  found = neighbours.scores(real, generated, 1, 1)
  assert found == {'precision': 0.75, 'recall': 0.75, 'density': 5 / 4, 'coverage': 0.75}


def test_a_set_scores_fully_against_itself_far_from_zero_and_with_equal_rows():
  features = np.random.RandomState(0).normal(size=[50, 16]).astype(np.float32) + 1e4
  features[10:20] = features[0]
  found = neighbours.scores(features, features)
  assert (found['precision'], found['recall'], found['coverage']) == (1, 1, 1) and found['density'] >= 1


def test_what_cannot_be_scored_is_refused():
  features = np.zeros([6, 4])
  assert neighbours.scores(features, features)['precision'] == 1
  with user_error('5 real and 6 generated samples', 'at least 6'):
    neighbours.scores(features[:5], features)
  with user_error('use the same classifier'):
    neighbours.scores(features, features[:, :3])
  with user_error('not finite'):
    neighbours.scores(features, np.full([6, 4], np.nan))
