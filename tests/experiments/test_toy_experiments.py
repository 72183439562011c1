"""The experiments on toys and on momentum, in their quick settings, against closed forms and slow computations."""

import math

import numpy as np
import pytest

from experiments import common, gradient_norms, mode_coverage, momentum, penalty_sides, value_surfaces
from tests.experiments.settled import group
from wgan_tf1 import config as configs
from wgan_tf1.data import datasets, points
from wgan_tf1.evaluation import published


def _claim(module, words):
  (claim,) = [claim for claim in module.CLAIMS if words in claim.text]
  return claim


# --- value surfaces


@group(value_surfaces)
def test_estimates_over_the_largest_gradient_are_below_the_exact_distance(quick):
  numbers = quick(value_surfaces)[0]['numbers']
  exact = numbers['exact']['8gaussians']
  for critic in numbers['critics']['8gaussians'].values():
    estimates, largest = np.array(critic['estimate']), np.array(critic['lipschitz'])
    assert len(estimates) == 2 and estimates[0] != estimates[1]  # a seed each
    assert max(critic['share']) <= 1.0  # duality
    np.testing.assert_allclose(critic['share'], estimates / largest / exact['distance'])
    assert critic['share_earlier'] != critic['share']
    for between, of_99 in zip(critic['norm_between'], critic['norm_of_99']):
      assert 0 < between <= of_99 <= max(largest)
    assert len(critic['surface']) == value_surfaces.SETTINGS['quick']['surface'] ** 2


@group(value_surfaces)
def test_exact_distance_is_below_the_mean_noise_but_for_its_bias(quick):
  # Moving each point by its own noise is one plan: E |N(0, I)| = sqrt(pi / 2) in the plane.
  exact = quick(value_surfaces)[0]['numbers']['exact']['8gaussians']
  assert 0.3 < exact['distance'] < math.sqrt(math.pi / 2) + exact['bias_at_most']
  assert exact['by_samples'].keys() == {'50', '100', '200'}


def test_noised_samples_are_of_other_points_and_n_0_1():
  dataset = datasets.load(configs.make('toy-8gaussians'))
  real, noised = value_surfaces.samples_of(dataset, 1000, 3)
  assert real.shape == noised.shape == (3, 1000, 2)
  assert not set(map(tuple, real.reshape(-1, 2))) & set(map(tuple, noised.reshape(-1, 2)))
  # Ring of radius sqrt(2): variance 1 along each axis, and the noise's 1.
  assert noised.reshape(-1, 2).var(axis=0) == pytest.approx([2.0, 2.0], abs=0.15)
  assert real.reshape(-1, 2).var(axis=0) == pytest.approx([1.0, 1.0], abs=0.1)


def test_grid_runs_row_by_row_from_below():
  np.testing.assert_array_equal(value_surfaces.grid_of(1.0, 2), [[-1, -1], [1, -1], [-1, 1], [1, 1]])


def _surfaces(clip_share, penalty_share, clip_estimate=0.001, penalty_estimate=0.9, gain=0.0):
  def seeds(share, estimate, gain=0.0):
    return {'share': [share - 0.2, share + 0.2], 'share_earlier': [share - gain] * 2, 'estimate': [estimate, estimate]}

  return {
    'exact': {'8gaussians': {'distance': 1.0}},
    'critics': {
      '8gaussians': {
        'clip 0.01': seeds(clip_share, clip_estimate),
        'penalty 10': seeds(penalty_share, penalty_estimate, gain),
      }
    },
  }


@pytest.mark.parametrize('clip, penalty, holds', [(0.3, 0.9, True), (0.3, 0.39, False), (0.9, 0.3, False)])
def test_rule_of_the_share_found(clip, penalty, holds):
  assert _claim(value_surfaces, 'higher moments').holds(_surfaces(clip, penalty)) is holds


@pytest.mark.parametrize(
  'penalty, gain, holds', [(0.9, 0.1, True), (0.35, 0.02, 'gp still improves'), (0.35, 0.005, False)]
)
def test_a_share_that_still_grows_contradicts_nothing(penalty, gain, holds):
  assert _claim(value_surfaces, 'higher moments').holds(_surfaces(0.3, penalty, gain=gain)) == holds


@pytest.mark.parametrize(
  'clip, penalty, holds', [(0.1, 0.9, True), (5, 1.2, True), (0.6, 0.9, False), (0.1, 0.7, False), (-1, 1, True)]
)
def test_rule_of_the_scale(clip, penalty, holds):
  assert _claim(value_surfaces, 'unknown K').holds(_surfaces(0, 1, clip, penalty)) is holds


# --- gradient norms


def test_line_of_an_exponential_is_exact():
  slope, r_squared = gradient_norms.line(3.0 * 0.1 ** np.arange(12))
  assert slope == pytest.approx(math.log(0.1)) and r_squared == pytest.approx(1.0)


def test_line_leaves_out_layers_without_gradient():
  norms = 2.0 ** np.arange(12)
  norms[:4] = 0
  assert gradient_norms.line(norms) == pytest.approx((math.log(2), 1.0))
  norms[:10] = 0
  assert gradient_norms.line(norms) == (0.0, 0.0)
  assert gradient_norms.line(np.ones(12)) == (0.0, 0.0)  # nothing to explain


def test_norms_of_both_halves_and_far_below_float32():
  half = [np.full([2, 2], 1e-30, np.float32), np.full([1, 4], 2.0, np.float32)]
  norms = gradient_norms.norms_of(half + [3 * g for g in half])
  assert norms == pytest.approx([math.sqrt(4 + 36) * 1e-30, math.sqrt(4 + 36) * 2], rel=1e-6)


def test_shares_at_the_bounds():
  assert gradient_norms.shares(np.array([-1, -0.95, 0, 0.5, 0.89, 0.91, 1, 1]), 0.1) == (0.25, 0.375)


@group(gradient_norms)
def test_clipped_weights_are_within_the_bound_and_the_histogram_is_of_all(quick):
  critics = quick(gradient_norms)[0]['numbers']['critics']
  assert critics['c = 0.01']['largest'] == pytest.approx(0.01, rel=1e-6) and critics['penalty']['largest'] > 0.1
  for critic in critics.values():
    assert sum(critic['histogram']) == pytest.approx(1)
    assert len(critic['norms']) == gradient_norms.SETTINGS['quick']['layers']
    assert critic['share_low'] == pytest.approx(sum(critic['histogram'][:2]), abs=0.01)  # two bins are a tenth


def test_gradient_norms_against_backpropagation_by_hand():
  """One ReLU layer: the gradient of -mean f(real) + mean f(fake) is -+ output weights / batch, at every sample."""
  import tensorflow.compat.v1 as tf

  config = configs.make('toy-swissroll', 'clip', width=4, batch_size=8)
  with common.trainer(config, architecture=gradient_norms.networks_of(1)) as trainer:
    gradients = tf.gradients(trainer.graph.scalars['critic_loss'], tf.get_collection('activations')[:2])
    found = gradient_norms.norms_of(trainer.session.run(gradients, trainer.critic_feed(np.ones([8, 2]))))
    (output,) = [v for v in trainer.graph.critic_variables if v.op.name == 'critic/dense/weights']
    norm = np.linalg.norm(trainer.session.run(output))
  assert found == pytest.approx([norm * math.sqrt(16) / 8], rel=1e-5)


def _layers(clipped, penalty, bounds=(0.4, 0.4), penalty_bounds=(0.01, 0.01)):
  critics = {}
  for label, norms, (low, high) in (('c = 0.1', clipped, bounds), ('penalty', penalty, penalty_bounds)):
    slope, r_squared = gradient_norms.line(np.array(norms))
    critics[label] = dict(norms=list(norms), slope=slope, r_squared=r_squared, share_low=low, share_high=high)
  return {'critics': critics}


_GROWING, _FLAT = np.exp(np.arange(12.0)), np.linspace(1, 2, 12)


@pytest.mark.parametrize(
  'words, numbers, holds',
  [
    ('exponentially', _layers(_GROWING, _FLAT), True),
    ('exponentially', _layers(_GROWING[::-1], _FLAT), True),
    ('exponentially', _layers(_FLAT, _FLAT), False),
    ('exponentially', _layers([1, 1e6] * 6, _FLAT), False),
    ('about the same', _layers(_FLAT, _FLAT), True),
    ('about the same', _layers(_FLAT, _GROWING), False),
    ('about the same', _layers(_FLAT, [0, 1, 1]), False),
    ('two bounds', _layers(_FLAT, _FLAT), True),
    ('two bounds', _layers(_FLAT, _FLAT, bounds=(0.7, 0.1)), False),
    ('two bounds', _layers(_FLAT, _FLAT, penalty_bounds=(0.1, 0.1)), False),
  ],
)
def test_rules_of_the_layers(words, numbers, holds):
  assert bool(_claim(gradient_norms, words).holds(numbers)) is holds


# --- momentum

FEW = 'too few such steps'


def test_cosine():
  assert momentum.cosine([1, 0], [2, 2]) == pytest.approx(math.sqrt(0.5))
  assert momentum.cosine([1, 0], [-3, 0]) == -1
  assert momentum.cosine([0, 0], [1, 0]) == 0.0


def test_unstable_steps():
  assert momentum.unstable([1, 1, 1, 2.1, 1.9, 1.0, 0.4], 3, 2.0).tolist() == [False] * 3 + [True, False, False, True]
  assert momentum.unstable([-1, -1, -1], 2, 2.0).tolist() == [False, False, True]  # an estimate below 0 is not one
  assert not momentum.unstable([5, 1], 2, 2.0).any()


@group(momentum)
def test_first_step_of_adam_has_the_same_cosine_whatever_its_momentum(quick):
  # The first moment is bias-corrected, so that beta1 comes in with the second step.
  runs = {run['optimizer']: run for run in quick(momentum)[0]['numbers']['runs']}
  assert runs['Adam 0.9']['first_cosine'] == pytest.approx(runs['Adam 0']['first_cosine'], rel=1e-3)
  assert runs['Adam 0.9']['cosines'][-1] != pytest.approx(runs['Adam 0']['cosines'][-1], rel=1e-6)
  for name in ('Adam 0', 'RMSProp'):
    assert runs[name]['negative_share'] == 0.0  # each component goes against its own gradient's


def test_cosine_of_the_first_step_of_rmsprop_against_its_formula():
  """TensorFlow's RMSProp: mean square 0.9 + 0.1 g^2 at the first step, g / sqrt of it."""
  import tensorflow.compat.v1 as tf

  config = configs.make('blog-mnist', 'clip', dataset='digits', width=2, batch_size=8, generator_steps=1,
                        critic_steps=1, clip_order='before', critic_learning_rate=0.05)  # fmt: skip
  found = momentum.train(config)['first_cosine']
  with common.trainer(config) as trainer:
    trainer.session.run(trainer.graph.before_critic)
    gradient = tf.gradients(trainer.graph.scalars['critic_loss'], trainer.graph.critic_variables)
    parts = trainer.session.run(gradient, trainer.feed())
  gradient = np.concatenate([part.ravel() for part in parts]).astype(np.float64)
  step = -gradient / np.sqrt(0.9 + 0.1 * gradient**2 + 1e-10)
  # The step is the difference of float32 weights, much larger than itself: it is rounded.
  assert found == pytest.approx(momentum.cosine(step, -gradient), abs=0.01)
  assert momentum.cosine(np.sign(gradient), gradient) < 0.9  # so that Adam's step would not do


def _momentum(negative_and_bad, negative, bad, others, extra=()):
  """Numbers of a run of Adam 0.9 with so many generator steps of each kind; `extra` are (name, unstable, share)."""
  kinds = [(-0.1, True)] * negative_and_bad + [(-0.1, False)] * negative + [(0.1, True)] * bad + [(0.1, False)] * others
  run = dict(
    optimizer='Adam 0.9',
    cosines=[c for c, _ in kinds],
    unstable=[u for _, u in kinds],
    negative_share=float(np.mean([c < 0 for c, _ in kinds])),
  )
  for_all = dict(estimates=[1.0] * 8, seed=0)
  run.update(for_all)
  rest = [dict(for_all, optimizer=n, cosines=[1.0] * u, unstable=[True] * u, negative_share=s) for n, u, s in extra]
  return {'runs': [run] + rest, 'window': 0, 'optimizers': ['Adam 0.9'] + [n for n, _, _ in extra]}


@pytest.mark.parametrize(
  'counts, holds', [((10, 10, 10, 90), True), ((5, 15, 20, 60), False), ((5, 3, 20, 60), FEW), ((1, 20, 3, 60), FEW)]
)
def test_rule_of_instability_and_negative_cosines(counts, holds):
  assert _claim(momentum, 'only then').holds(_momentum(*counts, extra=[('RMSProp', 0, 0.0)])) == holds


@pytest.mark.parametrize(
  'words, counts, unstable, share, holds',
  [
    ('come from momentum', (1, 0, 0, 9), 0, 0.0, True),
    ('come from momentum', (0, 0, 1, 9), 0, 0.0, False),
    ('come from momentum', (1, 0, 0, 9), 0, 0.1, False),
    ('more than with RMSProp', (10, 0, 2, 9), 6, 0.0, True),
    ('more than with RMSProp', (10, 0, 2, 9), 7, 0.0, False),
    ('more than with RMSProp', (5, 0, 2, 9), 0, 0.0, False),
  ],
)
def test_rules_of_momentum(words, counts, unstable, share, holds):
  numbers = _momentum(*counts, extra=[('Adam 0', unstable, share), ('RMSProp', unstable, share)])
  assert _claim(momentum, words).holds(numbers) is holds
  numbers['runs'][-1]['estimates'] = [4.0, 3.0, 2.0, 1.0]  # of RMSProp
  assert _claim(momentum, words).holds(numbers) == (holds or 'still improving')


def test_a_run_improves_if_its_last_quarter_is_lower():
  assert momentum.still_improves([[9, 9, 2, 1], [9, 9, 1, 1]])  # 1.5 to 1
  assert not momentum.still_improves([[9, 9, 2, 1], [9, 9, 1, 1.8]])  # 1.5 to 1.4
  assert not momentum.still_improves([[9, 9, 1, 2]])


# --- mode coverage


@group(mode_coverage)
def test_real_points_are_of_the_closed_forms_quality(quick):
  numbers = quick(mode_coverage)[0]['numbers']
  real = numbers['real']['25gaussians']
  assert real['modes'] == numbers['modes']['25gaussians'] == 25
  # Within three deviations in the plane: 1 - exp(-9 / 2), of 200 samples.
  assert real['share'] == pytest.approx(1 - math.exp(-4.5), abs=0.03)


@group(mode_coverage)
def test_runs_of_every_variant_and_seed(quick):
  runs = quick(mode_coverage)[0]['numbers']['runs']['25gaussians']
  assert {variant: len(seeds) for variant, seeds in runs.items()} == {'clip': 2, 'gp': 2, 'gan': 2}
  for variant, seeds in runs.items():
    assert seeds[0] != seeds[1], variant
    assert all(len(seed['modes']) == len(seed['shares']) == 2 for seed in seeds)
    assert seeds[0]['samples'] and seeds[1]['samples'] is None


def test_toys_are_the_tables_mixtures_up_to_scale():
  rows = {
    (row['dataset'], row['protocol'].get('sigma')) for row in published.rows() if row['metric'] == 'modes_captured'
  }
  radius = np.linalg.norm(points.mode_centres('8gaussians'), axis=1)
  assert points.mode_deviation('8gaussians') / radius == pytest.approx([0.01] * 8, rel=1e-4)
  spacing = np.diff(np.unique(points.mode_centres('25gaussians')[:, 0]))
  assert points.mode_deviation('25gaussians') / spacing == pytest.approx([0.05 / 2] * 4, rel=1e-4)
  assert {('8gaussians', 0.01), ('25gaussians', 0.05)} <= rows


def test_published_rows_are_found():
  rows = mode_coverage.of_tables('8gaussians')
  assert {'GAN', 'VEEGAN', 'PacGAN 4'} <= {row['system'] for row in rows}
  assert {row['what'] for row in rows} == {'modes', 'shares'}


def _coverage(clip, gp, gan, published=3.0, shares=(0.1, 0.9)):
  final = {'clip': (clip, shares[0]), 'gp': (gp, shares[1]), 'gan': (gan, 0.5)}
  runs = {
    variant: [dict(modes=[0, modes], shares=[0.0, share + i / 100]) for i in range(5)]
    for variant, (modes, share) in final.items()
  }
  return {
    'runs': {'8gaussians': runs},
    'modes': {'8gaussians': 8},
    'published': {'8gaussians': [dict(system='GAN', what='modes', value=published, source='')]},
  }


@pytest.mark.parametrize(
  'words, numbers, holds',
  [
    ('no mode collapse', _coverage(8, 7.5, 1), True),
    ('no mode collapse', _coverage(8, 7, 1), False),
    ('more modes than a GAN', _coverage(8, 7, 6), True),
    ('more modes than a GAN', _coverage(8, 7, 7), False),
    ('more modes than a GAN', _coverage(8, 7, 6, published=7.5), False),
    ('better than clipping', _coverage(8, 8, 8), True),
    ('better than clipping', _coverage(8, 8, 8, shares=(0.9, 0.1)), False),
    ('better than clipping', _coverage(8, 8, 8, shares=(0.5, 0.505)), False),
  ],
)
def test_rules_of_mode_coverage(words, numbers, holds):
  assert bool(_claim(mode_coverage, words).holds(numbers)) is holds


# --- one side and two


@group(penalty_sides)
def test_distances_lie_above_zero_and_sides_differ(quick):
  numbers = quick(penalty_sides)[0]['numbers']
  runs = numbers['runs']['8gaussians']
  assert runs['one_sided'] != runs['two_sided']
  for side in runs.values():
    assert len(side['distances']) == 2 and min(side['distances']) > numbers['floor']['8gaussians'] > 0
    assert len(side['earlier']) == 2 and side['earlier'] != side['distances']


def test_log_ratios_are_of_the_same_toy_and_seed():
  runs = {'a': {'one_sided': {'distances': [2.0, 3.0]}, 'two_sided': {'distances': [1.0, 6.0]}}}
  assert penalty_sides.log_ratios({'runs': runs}) == pytest.approx([math.log(2), -math.log(2)])


def test_gains_are_those_of_a_side_over_all_toys_and_seeds():
  def side(distances, earlier):
    return dict(distances=distances, earlier=earlier)

  runs = {
    'a': {'one_sided': side([1.0, 2.0], [2.0, 2.0]), 'two_sided': side([3.0, 1.0], [1.0, 1.0])},
    'b': {'one_sided': side([4.0, 1.0], [4.0, 2.0]), 'two_sided': side([3.0, 1.0], [1.0, 1.0])},
  }
  gains = penalty_sides.last_gains({'runs': runs})
  assert gains == pytest.approx({'one_sided': 0.5**0.5, 'two_sided': 3**0.5})


def test_compare_against_every_sign_and_a_table():
  """Wilcoxon's p by all 2^n signs of the ranks; the interval with t of the tables, 2.776 for 4 degrees of freedom."""
  ratios = np.array([0.1, -0.2, 0.35, 0.4, 0.55])
  ranks = np.argsort(np.argsort(np.abs(ratios))) + 1
  total = ranks.sum()
  observed = min(ranks[ratios > 0].sum(), ranks[ratios < 0].sum())
  sums = [sum(r for r, bit in zip(ranks, format(i, '05b')) if bit == '1') for i in range(32)]
  p, factor, low, high = penalty_sides.compare(ratios)
  assert p == pytest.approx(np.mean([min(s, total - s) <= observed for s in sums]))
  half = 2.776 * np.std(ratios, ddof=1) / math.sqrt(5)
  assert [math.log(x) for x in (factor, low, high)] == pytest.approx([0.24, 0.24 - half, 0.24 + half], abs=1e-3)


@pytest.mark.parametrize('shift, spread, holds', [(0.0, 0.05, True), (0.3, 0.05, False), (0.0, 2.0, None)])
def test_rule_of_the_two_sides(shift, spread, holds):
  noise = spread * np.array([-1, 0.9, -0.8, 0.7, -0.6, 0.5, -0.4, 0.3, -0.2, 0.15, 0.1, -0.05, 0.55, -0.45, 0.25])
  one = np.exp(shift + noise).tolist()
  numbers = {'runs': {'a': {'one_sided': {'distances': one}, 'two_sided': {'distances': [1.0] * 15}}}}
  assert penalty_sides.CLAIMS[0].holds(numbers) is holds
