"""earth_mover, distances and two_gaussians: exact numbers against independent ones, rules decided both ways."""

import copy
import functools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from experiments import common, distances, earth_mover, transport, two_distributions, two_gaussians
from experiments.two_distributions import INTEGRATION, exact_gaussians, exact_lines
from tests.experiments.settled import group
from wgan_tf1 import config as configs


def holds(experiment, numbers):
  return [claim.holds(numbers) for claim in experiment.CLAIMS]


def test_three_points_by_hand():
  found = transport.three_points(1.0)
  assert len(found['plans']) == 6 and found['plans']['ABC'] == 1
  assert found['plans']['BCA'] == pytest.approx((2 * math.sqrt(2) + math.sqrt(5)) / 3)
  assert found['best'] == pytest.approx(1, abs=1e-9) and np.allclose(found['plan'], np.eye(3) / 3, atol=1e-9)


def test_moves_by_hand():
  stages, carried = transport.moves([3, 0, 1], [0, 3, 1])
  assert stages.tolist() == [[3, 0, 1], [0, 3, 1], [0, 3, 1]] and carried == [3, 0]
  stages, carried = transport.moves([0, 2], [1, 1])  # a lack is handed on, too
  assert stages.tolist() == [[0, 2], [1, 1]] and carried == [1]
  assert transport.blocks([2, 0, 1]).tolist() == [0, 0, 2]


@group(earth_mover)
@pytest.mark.parametrize('example', ['apart', 'mixed'])
def test_moves_cost_what_scipy_says(quick, example):
  found = quick(earth_mover)[0]['numbers']['histograms'][example]
  bins = np.arange(len(found['p']))
  wanted = scipy.stats.wasserstein_distance(bins, bins, found['p'], found['q']) * sum(found['p'])
  assert found['best'] == pytest.approx(wanted) and found['area'] == pytest.approx(wanted)
  assert sum(found['carried']) == pytest.approx(wanted)
  assert found['stages'][-1] == found['q'] and np.min(found['stages']) >= 0
  assert sum(count for _, count in found['random']) == 50


def test_area_between_cdfs_against_scipy():
  random = np.random.RandomState(3)
  a, b = random.normal(size=7), random.normal(1, 2, size=12)
  assert transport.area_between_cdfs(a, b) == pytest.approx(scipy.stats.wasserstein_distance(a, b))


@group(earth_mover)
def test_rules_of_the_earth_mover(quick):
  numbers = quick(earth_mover)[0]['numbers']
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
  line = exact_lines(0.5, 20)
  assert line['wasserstein'] == pytest.approx(0.5) and line['jensen_shannon'] == pytest.approx(math.log(2))
  assert line['kullback_leibler'] is None and line['total_variation'] == 1
  assert set(exact_lines(0.0, 20).values()) == {0.0}


@pytest.mark.parametrize('distance', [0.5, 3.0])
def test_gaussians_against_quadrature(distance):
  p, q = scipy.stats.norm(0).pdf, scipy.stats.norm(distance).pdf

  def middle(x):
    return (p(x) + q(x)) / 2

  def kl(p, q):
    return scipy.integrate.quad(lambda x: p(x) * math.log(p(x) / q(x)), -9, 9 + distance)[0]

  exact = exact_gaussians(distance, **INTEGRATION)
  assert exact['kullback_leibler'] == pytest.approx(kl(p, q), rel=1e-6)
  assert exact['jensen_shannon'] == pytest.approx((kl(p, middle) + kl(q, middle)) / 2, rel=1e-6)
  assert exact['kullback_leibler_floored'] == pytest.approx(kl(p, q), rel=1e-3)


def test_penalised_optimum_is_the_best_slope():
  slopes = np.linspace(0, 3, 30001)
  gains = slopes * 4 - 10 * np.square(slopes - 1)
  best = slopes[gains.argmax()]
  assert best * 4 == pytest.approx(two_distributions.penalised_optimum(4.0, 10.0), rel=1e-3)


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
  sample = functools.partial(distances.draw, 'lines', 1.0)
  weights = []
  for _, trainer in two_distributions.trained(config, [sample, sample], 3):
    graph, session = trainer.graph, trainer.session
    real, fake = sample(50, np.random.RandomState(5))
    wanted = [graph.scalars[graph.estimate], graph.real_scores, graph.fake_scores]
    feed = two_distributions.feed_of(trainer, real, fake)
    estimate, real_scores, fake_scores = session.run(wanted, feed)
    assert fake_scores == pytest.approx(session.run(graph.real_scores, {graph.real: fake}), abs=1e-5)
    assert estimate == pytest.approx(real_scores.mean() - fake_scores.mean(), abs=1e-5)
    assert session.run(graph.critic_step) == 3
    weights.append(session.run(graph.critic_variables[0]))
  assert np.abs(weights[0] - weights[1]).max() > 0.1  # from other initial weights
  repeated = two_distributions.trained(config, [sample] * 2, 3)
  again = [trainer.session.run(trainer.graph.critic_variables[0]) for _, trainer in repeated]
  assert np.array_equal(weights, again)


# The last of two seeds; the first one's follow the exact ones.
def made_up_distances(clip=(0, 0.1, 0.2), gp=(0, 1.1, 2.3), gan=(0.01, 0.66, 0.69)):
  xs = [0.0, 1.0, 2.0]
  curve = [exact_gaussians(x, **INTEGRATION) for x in (0.0, 2.0, 20.0, 35.0)]
  return {
    'exact': {
      'lines': [exact_lines(x, 5) for x in xs],
      'gaussians': [exact_gaussians(x, **INTEGRATION) for x in xs],
      'gaussian_curve': curve,
    },
    'trained': {
      '%s %s' % (kind, variant): [
        {'distance': x, 'estimate': [good, value]} for x, good, value in zip(xs, goods, values)
      ]
      for kind in ('lines', 'gaussians')
      for variant, goods, values in (
        ('clip', (0, 0.1, 0.2), clip),
        ('gp', (0, 1.1, 2.3), gp),
        ('gan', (0.01, 0.66, 0.69), gan),
      )
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


@group(distances)
def test_rows_for_the_report(quick):
  rows = {(row['metric'], row['protocol']['distance']): row['value'] for row in quick(distances)[0]['numbers']['rows']}
  assert rows['jensen_shannon', 1.0] == pytest.approx(math.log(2)) and rows['kullback_leibler', 1.0] is None
  assert rows['wasserstein_distance', 0.0] == 0 and len(rows) == 8


def test_optimal_discriminator():
  settings = {'mean': 2.0, 'deviation': 0.5}
  x = np.linspace(-3, 3, 13)
  logits = two_gaussians.optimal_logit(settings, x)
  assert logits == pytest.approx(scipy.stats.norm(-2, 0.5).logpdf(x) - scipy.stats.norm(2, 0.5).logpdf(x))
  step = 1e-6
  numeric = (two_gaussians.sigmoid(logits - 16 * step) - two_gaussians.sigmoid(logits + 16 * step)) / (2 * step)
  assert two_gaussians.discriminator_slope(logits, -16.0) == pytest.approx(numeric, rel=1e-4, abs=1e-9)
  assert two_gaussians.sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]


def test_slopes_are_those_of_the_values():
  settings = dict(two_gaussians.SETTINGS['quick'], critic_updates=3, initial_weights=1, grid=4001)
  config = common.config(settings, common.Run(None, 'nowhere'), variant='gan')
  (found,) = two_gaussians.look(config, settings)
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
