"""Experiments 1 to 3: their exact numbers against independent ones, their rules decided both ways."""

import copy
import json
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from experiments import common, distances, earth_mover, two_gaussians
from wgan_tf1 import config as configs

pytestmark = pytest.mark.xdist_group('distances')  # the quick results are made once


@pytest.fixture(scope='module')
def quick(tmp_path_factory):
  """The quick results of the three, by name, each run once."""
  folder = tmp_path_factory.mktemp('quick')
  return {
    experiment.__name__.split('.')[1]: common.run(experiment, True, str(folder), 'data')
    for experiment in (earth_mover, distances, two_gaussians)
  }


@pytest.mark.parametrize('name', ['earth_mover', 'distances', 'two_gaussians'])
def test_quick_results_are_numbers(quick, name):
  result = quick[name]
  json.dumps(result, allow_nan=False)
  assert result['quick'] and all(claim['measured'] for claim in result['claims'])


def holds(experiment, numbers):
  return [claim.holds(numbers) for claim in experiment.CLAIMS]


def test_three_points_by_hand():
  whole, best, plan = earth_mover.three_points(1.0)
  assert len(whole) == 6 and whole['ABC'] == 1
  assert whole['BCA'] == pytest.approx((2 * math.sqrt(2) + math.sqrt(5)) / 3)
  assert best == pytest.approx(1, abs=1e-9) and plan == pytest.approx(np.eye(3) / 3, abs=1e-9)


def test_moves_by_hand():
  stages, carried = earth_mover.moves([3, 0, 1], [0, 3, 1])
  assert stages.tolist() == [[3, 0, 1], [0, 3, 1], [0, 3, 1]] and carried == [3, 0]
  stages, carried = earth_mover.moves([0, 2], [1, 1])  # a lack is handed on, too
  assert stages.tolist() == [[0, 2], [1, 1]] and carried == [1]
  assert earth_mover.blocks([2, 0, 1]).tolist() == [0, 0, 2]


@pytest.mark.parametrize('example', ['apart', 'mixed'])
def test_moves_cost_what_scipy_says(quick, example):
  found = quick['earth_mover']['numbers']['histograms'][example]
  bins = np.arange(len(found['p']))
  wanted = scipy.stats.wasserstein_distance(bins, bins, found['p'], found['q']) * sum(found['p'])
  assert found['best'] == pytest.approx(wanted) and found['area'] == pytest.approx(wanted)
  assert sum(found['carried']) == pytest.approx(wanted)
  assert found['stages'][-1] == found['q'] and np.min(found['stages']) >= 0
  assert sum(count for _, count in found['random']) == 50


def test_area_between_cdfs_against_scipy():
  random = np.random.RandomState(3)
  a, b = random.normal(size=7), random.normal(1, 2, size=12)
  assert earth_mover.area_between_cdfs(a, b) == pytest.approx(scipy.stats.wasserstein_distance(a, b))


def test_rules_of_the_earth_mover(quick):
  numbers = quick['earth_mover']['numbers']
  # Of two histograms without overlap, all plans that move blocks straight cost the same: known, and no fault.
  assert holds(earth_mover, numbers) == [True, True, False, True, True]
  for claim, spoil in enumerate([
    lambda n: n['three_points'][1].update(best=0.9),
    lambda n: n['shifted'][-1].update(jensen_shannon=0.7),
    None,
    lambda n: n['histograms']['mixed'].update(random=[[13, 50]]),
    lambda n: n['pairs'][0].__setitem__(1, 0.0),
  ]):  # fmt: skip
    if spoil is not None:
      spoiled = copy.deepcopy(numbers)
      spoil(spoiled)
      assert not earth_mover.CLAIMS[claim].holds(spoiled)
  assert earth_mover.CLAIMS[2].holds({'histograms': {'apart': numbers['histograms']['mixed']}})


def test_lines_are_what_the_paper_says():
  line = distances.exact_lines(0.5, 20)
  assert line['wasserstein'] == pytest.approx(0.5) and line['jensen_shannon'] == pytest.approx(math.log(2))
  assert line['kullback_leibler'] is None and line['total_variation'] == 1
  assert set(distances.exact_lines(0.0, 20).values()) == {0.0}


@pytest.mark.parametrize('distance', [0.5, 3.0])
def test_gaussians_against_quadrature(distance):
  p, q = scipy.stats.norm(0).pdf, scipy.stats.norm(distance).pdf
  kl = lambda p, q: scipy.integrate.quad(lambda x: p(x) * math.log(p(x) / q(x)), -9, 9 + distance)[0]
  middle = lambda x: (p(x) + q(x)) / 2
  exact = distances.exact_gaussians(distance)
  assert exact['kullback_leibler'] == pytest.approx(kl(p, q), rel=1e-6)
  assert exact['jensen_shannon'] == pytest.approx((kl(p, middle) + kl(q, middle)) / 2, rel=1e-6)
  assert exact['kullback_leibler_floored'] == pytest.approx(kl(p, q), rel=1e-3)


def test_penalised_optimum_is_the_best_slope():
  slopes = np.linspace(0, 3, 30001)
  gains = slopes * 4 - 10 * np.square(slopes - 1)
  best = slopes[gains.argmax()]
  assert best * 4 == pytest.approx(distances.penalised_optimum(4.0, 10.0), rel=1e-3)


@pytest.mark.parametrize('kind', ['lines', 'gaussians'])
def test_draw(kind):
  real, fake = distances.draw(kind, 3.0, 20000, np.random.RandomState(0))
  assert real.dtype == fake.dtype == np.float32 and real.shape == fake.shape == (20000, 2)
  assert (fake.mean(axis=0) - real.mean(axis=0)).tolist() == pytest.approx([3, 0], abs=0.05)
  assert np.abs(real - fake)[:, 1].max() > 0.5  # drawn apart, not copied
  deviation = 1 if kind == 'gaussians' else math.sqrt(1 / 12)
  assert fake.std(axis=0).tolist() == pytest.approx([1 if kind == 'gaussians' else 0, deviation], abs=0.02)


def test_the_fake_points_are_those_that_were_fed_and_training_is_repeated_exactly():
  config = configs.make('toy-8gaussians', 'gp', fixed_generator=True, width=8, batch_size=16, seed=1)
  sample = lambda n, random: distances.draw('lines', 1.0, n, random)
  weights = []
  for _, graph, session in distances.trained(config, [sample, sample], 3):
    real, fake = sample(50, np.random.RandomState(5))
    feed = {graph.real: real, graph.latents: fake - real}
    estimate, real_scores, fake_scores = session.run([graph.scalars[graph.estimate], graph.real_scores,
                                                      graph.fake_scores], feed)  # fmt: skip
    assert fake_scores == pytest.approx(session.run(graph.real_scores, {graph.real: fake}), abs=1e-5)
    assert estimate == pytest.approx(real_scores.mean() - fake_scores.mean(), abs=1e-5)
    assert session.run(graph.critic_step) == 3
    weights.append(session.run(graph.critic_variables[0]))
  assert np.abs(weights[0] - weights[1]).max() > 0.1  # from other initial weights
  again = [session.run(graph.critic_variables[0]) for _, graph, session in distances.trained(config, [sample] * 2, 3)]
  assert np.array_equal(weights, again)


def made_up_distances(clip=(0, 0.1, 0.2), gp=(0, 1.1, 2.3), gan=(0.01, 0.66, 0.69)):
  xs = [0.0, 1.0, 2.0]
  rows = lambda values: [{'distance': x, 'estimate': value} for x, value in zip(xs, values)]
  curve = [distances.exact_gaussians(x) for x in (0.0, 2.0, 20.0, 35.0)]
  return {
    'exact': {
      'lines': [distances.exact_lines(x, 5) for x in xs],
      'gaussians': [distances.exact_gaussians(x) for x in xs],
      'gaussian_curve': curve,
    },
    'trained': {
      '%s %s' % (kind, variant): rows(values)
      for kind in ('lines', 'gaussians')
      for variant, values in (('clip', clip), ('gp', gp), ('gan', gan))
    },
  }


def test_rules_of_the_distances():
  assert holds(distances, made_up_distances()) == [True] * 7 + [False]  # KL does not level off
  for claim, wrong in (
    (1, made_up_distances(clip=(0, 0.1, 0.1))),  # does not rise
    (2, made_up_distances(gp=(0, 0.1, 2))),  # rises, not in proportion
    (3, made_up_distances(clip=(0, 0, 0))),
    (4, made_up_distances(gp=(0, -1, -2))),
    (5, made_up_distances(gan=(0.01, 0.6, 0.69))),
    (5, made_up_distances(gan=(0.1, 0.69, 0.69))),
  ):
    assert not distances.CLAIMS[claim].holds(wrong)
  wrong = made_up_distances()
  wrong['exact']['lines'][1]['kullback_leibler'] = 5.0
  assert not distances.CLAIMS[0].holds(wrong)
  wrong['exact']['gaussian_curve'].pop()
  wrong['exact']['gaussian_curve'].pop()
  assert not distances.CLAIMS[6].holds(wrong)  # still rising
  for row in wrong['exact']['gaussian_curve']:
    row['kullback_leibler'] = row['kullback_leibler_floored'] = min(row['distance'], 1.0)
  wrong['exact']['gaussian_curve'].append(dict(wrong['exact']['gaussian_curve'][-1], distance=9.0))
  assert distances.CLAIMS[7].holds(wrong)


def test_rows_for_the_report(quick):
  rows = {(row['metric'], row['protocol']['distance']): row['value'] for row in quick['distances']['numbers']['rows']}
  assert rows['jensen_shannon', 1.0] == pytest.approx(math.log(2)) and rows['kullback_leibler', 1.0] is None
  assert rows['wasserstein_distance', 0.0] == 0 and len(rows) == 8


def test_optimal_discriminator():
  settings = {'mean': 2.0, 'deviation': 0.5}
  x = np.linspace(-3, 3, 13)
  log_density = lambda mean: scipy.stats.norm(mean, 0.5).logpdf(x)
  logits = two_gaussians.optimal_logit(settings, x)
  assert logits == pytest.approx(log_density(-2) - log_density(2))
  step = 1e-6
  numeric = (two_gaussians.sigmoid(logits - 16 * step) - two_gaussians.sigmoid(logits + 16 * step)) / (2 * step)
  assert two_gaussians.discriminator_slope(logits, -16.0) == pytest.approx(numeric, rel=1e-4, abs=1e-9)
  assert two_gaussians.sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]


def test_slopes_are_those_of_the_values():
  settings = dict(two_gaussians.SETTINGS['quick'], critic_updates=3, seeds=1, grid=4001)
  config = configs.make('toy-8gaussians', 'gan', fixed_generator=True, width=8, batch_size=32)
  (found,) = two_gaussians._look(config, settings)
  values, slopes = np.array(found['values']), np.array(found['slopes'])
  step = 2 * settings['reach'] / 4000
  risen = np.concatenate([[0], np.cumsum((slopes[1:] + slopes[:-1]) / 2) * step])
  assert np.ptp(values) > 0.5 and values - values[0] == pytest.approx(risen, abs=0.02)
  # D (1 - D), D and 1 - D of the same norms: the first is below either of the others, which add up to the norm.
  product, for_log_1_minus_d, for_minus_log_d = found['for_fake']
  assert 0 < product < min(for_log_1_minus_d, for_minus_log_d)


def made_up_two_gaussians(critic_slopes=(-1.0, -1.0, -1.0), for_fake=1e-5):
  axis = np.linspace(-3, 3, 61)
  pieces = np.repeat(critic_slopes, [20, 21, 20])
  values = np.cumsum(pieces) * 0.1
  critic = dict(estimate=4.0, values=values.tolist(), slopes=pieces.tolist(), for_fake=[1.0])
  gan = dict(estimate=0.69, values=(-4 * axis).tolist(), slopes=[-4.0] * 61, for_fake=[for_fake, 0.0, 1.0])
  return {'axis': axis.tolist(), 'mean': 2.0, 'deviation': 0.5, 'trained': dict(gan=[gan], clip=[critic], gp=[critic])}


def test_rules_of_the_two_gaussians():
  assert holds(two_gaussians, made_up_two_gaussians()) == [True] * 5
  assert holds(two_gaussians, made_up_two_gaussians(for_fake=0.02)) == [False] + [True] * 4  # D's largest slope is 1
  assert holds(two_gaussians, made_up_two_gaussians((-1.0, -1.0, -0.2))) == [True, True, False, True, False]
  assert holds(two_gaussians, made_up_two_gaussians((-1.0, -1.0, -0.01))) == [True, False, False, False, False]
  assert holds(two_gaussians, made_up_two_gaussians((0.0, 0.0, 0.0))) == [True, False, False, False, False]
