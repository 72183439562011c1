"""The experiments on images, and what they share: image_runs."""

import functools
import math
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from experiments import (
  clip_order,
  common,
  estimate_and_quality,
  image_runs,
  overfitting,
  random_architectures,
  without_batch_norm,
)
from tests.experiments.settled import group
from wgan_tf1 import images
from wgan_tf1.data import batches, datasets

RUN = common.Run(lambda key, compute, config: compute(), 'nowhere')  # digits come with scikit-learn
TINY = dict(
  preset='blog-mnist', variant='clip', dataset='digits', image_size=16, width=4, batch_size=8, generator_steps=3, seed=0
)


def holds(module, index, numbers):
  return module.CLAIMS[index].holds(numbers)


# image_runs


def test_rank_correlation_against_correlated_ranks():
  a, b = np.random.RandomState(1).normal(size=(2, 15))
  ranks = [np.argsort(np.argsort(x)) for x in (a, b)]
  assert image_runs.rank_correlation(a, b) == pytest.approx(np.corrcoef(ranks)[0, 1])
  assert image_runs.rank_correlation(a, np.exp(a)) == pytest.approx(1)
  assert image_runs.rank_correlation(a, [2.0] * 15) is None
  assert image_runs.rank_correlation([1, 2], [1, 2]) is None


def test_samples_are_drawn_alike_at_every_call_and_however_many_at_once():
  with common.trainer(common.config(TINY, RUN, generator_norm='batch')) as trainer:
    drawn = image_runs.draw(trainer, 7, 7)
    np.testing.assert_array_equal(image_runs.draw(trainer, 7, 7), drawn)
    np.testing.assert_allclose(image_runs.draw(trainer, 7, 3), drawn, atol=1)
  assert drawn.shape == (7, 16, 16, 1) and drawn.dtype == np.uint8 and drawn.std(0).max() > 0


@pytest.mark.parametrize('dequantize, noise', [(False, 0), (True, 0), (True, 65535)])
def test_samples_of_a_perfect_generator_have_every_grey_level(dequantize, noise):
  config = common.config(TINY, RUN, dequantize=dequantize)
  levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
  samples = batches.encode(config, levels, np.uint16(noise))
  session = types.SimpleNamespace(run=lambda tensor, feed: samples)
  graph = types.SimpleNamespace(samples=None, sample_latents='latents')
  trainer = types.SimpleNamespace(config=config, session=session, graph=graph)
  np.testing.assert_array_equal(image_runs.draw(trainer, 1, 1), levels)


def test_a_run_is_scored_at_its_beginning_on_the_way_and_at_its_end():
  counted = []

  def score(trainer):
    counted.append(int(trainer.session.run(trainer.graph.global_step)))
    return dict(fid=float(len(counted)))

  def watch(trainer):
    return int(trainer.session.run(trainer.graph.critic_step))

  found = image_runs.train(common.config(TINY, RUN), score, 2, watch=watch)
  assert counted == found['steps'] == [0, 2, 3] and found['fid'] == [1, 2, 3]
  assert found['watched'] == [5, 10, 15] and len(found['estimate']) == 3 and not found['diverged']


def test_the_samples_of_a_picture_are_those_at_the_end():
  drawn = []

  def score(trainer):
    drawn.append(images.grid(image_runs.draw(trainer, 16, 16), 4))
    return dict(fid=1.0)

  found = image_runs.train(common.config(TINY, RUN, learning_rate=0.05, clip_value=0.2), score, 3)
  shown = image_runs.shown(found['samples'])
  np.testing.assert_array_equal(shown, drawn[-1].repeat(3, axis=2))
  assert not np.array_equal(drawn[0], drawn[-1]) and image_runs.shown(None).shape == (1, 1, 3)


def test_a_run_that_diverges_says_so_and_ends():
  config = common.config(TINY, RUN, variant='gp', critic_learning_rate=1e30, generator_steps=9)
  found = image_runs.train(config, lambda trainer: dict(fid=1.0), 1)
  assert found['diverged'] and found['steps'][0] == 0 and len(found['steps']) < 10 and found['samples'] is None


@pytest.mark.parametrize('name, hidden', [('constant-blog', None), ('mlp-blog', 64)])
def test_the_networks_that_only_experiments_use(name, hidden):
  generator, critic = image_runs.architecture(name)
  with tf.Graph().as_default():
    made = generator(tf.zeros([2, 5]), shape=(16, 16, 1), width=4, norm='none', training=True)
    assert made.shape.as_list() == [2, 16, 16, 1]
    assert critic(made, width=4, norm='none').shape.as_list() == [2]
    shapes = [v.shape.as_list() for v in tf.trainable_variables('generator/') if v.op.name.endswith('weights')]
  if hidden:
    assert shapes == [[5, 64], [64, 64], [64, 64], [64, 64], [64, 256]]
  else:
    assert shapes == [[5, 2 * 2 * 4]] + [[3, 3, 4, 4]] * 3 + [[3, 3, 1, 4]]


@pytest.mark.parametrize('name, units', [('blog', 2 * 2 * 8 * 4), ('constant-blog', 2 * 2 * 4)])
def test_a_run_has_the_networks_of_its_architecture(name, units):
  def watch(trainer):
    return int(trainer.graph.generator_variables[0].shape[1])

  config = common.config(TINY, RUN, architecture=name, generator_steps=1)
  assert image_runs.train(config, lambda trainer: dict(fid=1.0), 1, watch=watch)['watched'] == [units]


# estimate_and_quality


def curves(estimate, fid, steps):
  return dict(steps=steps, fid=fid, inception_score=fid, coverage=fid, entropy=fid, diverged=False, estimate=estimate)


def test_analysis_of_an_estimate():
  estimate = [0.0, 9, 1, 8, 7, 6, 5, 4, 3, 2]  # the first two are the critic's warming up, the 1 an outlier
  found = curves(estimate, [50.0, 90.0, 40.0, 30.0, 20.0], [0, 2, 4, 7, 10])
  analysed = estimate_and_quality.analyse(found, 3, 3)
  assert analysed['filtered'] == [0, 1, 8, 7, 7, 6, 5, 4, 3, 2]
  assert analysed['correlation'] == pytest.approx(1)  # of (7, 40), (5, 30), (2, 20)
  assert analysed['fid_left'] == 0.4 and analysed['estimate_left'] == 0.25
  assert estimate_and_quality.analyse(dict(found, fid=found['fid'][::-1]), 3, 3)['correlation'] == pytest.approx(-0.5)
  assert estimate_and_quality.analyse(dict(found, estimate=[1.0] * 10), 3, 3)['correlation'] is None
  assert estimate_and_quality.analyse(dict(found, estimate=[-1.0] * 10), 3, 3)['estimate_left'] is None
  assert estimate_and_quality.analyse(curves([], [50.0], [0]), 3, 3)['correlation'] is None


@pytest.mark.parametrize('index, key', enumerate(['conv-clip', 'mlp-clip', 'conv-gp', 'mlp-gp']))
def test_rule_of_an_estimate_that_follows(index, key):
  seeds = [(0.6, 0.81), (0.6, 0.79), (0.9, None)]  # it is the mean over the seeds that counts
  runs = [{'runs': {key: [dict(correlation=correlation) for correlation in of]}} for of in seeds]
  verdicts = [holds(estimate_and_quality, index, numbers) for numbers in runs]
  assert verdicts == [True, False, None] and holds(estimate_and_quality, index, {'runs': {}}) is None


@pytest.mark.parametrize('index, key', [(4, 'conv-gan'), (5, 'mlp-gan')])
def test_rule_of_an_estimate_that_does_not_follow(index, key):
  other = dict(correlation=0.2, fid_left=0.3)
  found = [dict(correlation=c, fid_left=left) for c, left in ((0.3, 0.4), (0.5, 0.4), (0.2, 0.6), (None, 0.4))]
  verdicts = [holds(estimate_and_quality, index, {'runs': {key: [run, other]}}) for run in found]
  assert verdicts == [True, False, None, None] and holds(estimate_and_quality, index, {'runs': {}}) is None


def test_rule_of_a_failing_run():
  def of(estimate, fid, diverged=False):
    failed = dict(estimate_left=0.9, fid_left=0.9, diverged=False)
    return {'runs': {'failing-clip': [failed, dict(estimate_left=estimate, fid_left=fid, diverged=diverged)]}}

  numbers = [of(0.6, 0.9), of(0.4, 0.9), of(0.6, 0.4), of(None, 0.9), of(0.6, 0.9, True), {'runs': {}}]
  assert [holds(estimate_and_quality, 6, n) for n in numbers] == [True, False, None, None, None, None]


# without_batch_norm


@pytest.mark.parametrize(
  'change, expected',
  [
    (dict(), True),
    (dict(diverged=True), False),
    (dict(fid=[100, 51]), False),
    (dict(coverage=[1, 9]), False),
    (dict(entropy=[0, 1.7]), False),
  ],
)
def test_when_a_run_works(change, expected):
  found = dict(diverged=False, fid=[100, 50], coverage=[1, 10], entropy=[0, 1.8])
  least = without_batch_norm.SETTINGS['full']['works']
  assert without_batch_norm.works(dict(found, **change), least) == expected


def test_rules_of_generators_without_batch_norm():
  def verdict(index, works):
    runs = {key: [dict(works=w) for w in of_seeds] for key, of_seeds in works.items()}
    return holds(without_batch_norm, index, {'runs': runs})

  assert verdict(0, {'batch-norm/gan': [1, 1], 'batch-norm/clip': [1, 1]}) is True
  assert verdict(0, {'batch-norm/gan': [1, 0], 'batch-norm/clip': [1, 1]}) is False
  assert verdict(0, {'batch-norm/gan': [1, 1]}) is None
  for index, kind in ((1, 'constant'), (2, 'mlp')):
    for gan, clip, expected in (([0, 0], [1, 1], True), ([0, 1], [1, 1], False), ([0, 0], [1, 0], False)):
      assert verdict(index, {kind + '/gan': gan, kind + '/clip': clip}) is expected
    assert verdict(index, {kind + '/gan': [0]}) is None
  assert verdict(3, {'batch-norm/gp': [1], 'constant/gp': [1], 'mlp/gp': [1]}) is True
  assert verdict(3, {'batch-norm/gp': [1], 'constant/gp': [1], 'mlp/gp': [0]}) is False


# overfitting


def test_subset_of_the_training_images():
  dataset = datasets.load(common.config(TINY, RUN))
  part = overfitting.subset(dataset, 40)
  everything = {image.tobytes() for image in dataset.train}
  assert len(part.train) == len(part.train_labels) == 40 and {image.tobytes() for image in part.train} <= everything
  assert not np.array_equal(part.train, dataset.train[:40])
  np.testing.assert_array_equal(overfitting.subset(dataset, 40).train, part.train)
  np.testing.assert_array_equal(part.validation, dataset.validation)
  of_labels = dict(zip((image.tobytes() for image in dataset.train), dataset.train_labels))
  assert [of_labels[image.tobytes()] for image in part.train] == part.train_labels.tolist()
  assert overfitting.subset(dataset._replace(train_labels=None), 40).train_labels is None


def test_the_same_images_have_the_same_estimate(monkeypatch):
  """Both estimates are of the same generated images, so that only the real ones can part them."""
  subset = overfitting.subset
  monkeypatch.setattr(overfitting, 'subset', lambda *a: subset(*a)._replace(validation=subset(*a).train))
  settings = dict(overfitting.SETTINGS['quick'], variants={'gp': {}})
  found = overfitting.measure(settings, RUN)['runs']['gp']
  assert found['train'] == found['validation'] and len(found['train']) == 3 and found['gap'] == 0


@group(overfitting)
def test_held_out_images_have_their_own_estimate(quick):
  found = quick(overfitting)[0]['numbers']['runs']['gp']
  assert found['steps'] == [4, 8, 12] and found['train'] != found['validation']


def test_analysis_of_overfitting():
  found = dict(
    steps=list(range(8)), train=[9, 9, 1, 1, 2, 3, 4, 6], validation=[9, 9, 1, 1, 5, 4, 3, 2], diverged=False
  )
  analysed = overfitting.analyse(found)
  assert analysed['gap'] == pytest.approx((1 + 4) / 2 / 5)
  assert analysed['trends'] == {'train': pytest.approx(1), 'validation': pytest.approx(-1)}
  assert overfitting.analyse(dict(found, train=[-1] * 8))['gap'] is None
  assert overfitting.analyse(dict(steps=[], train=[], validation=[], diverged=True))['gap'] is None


def test_rules_of_overfitting():
  def runs(gap, train, validation):
    found = dict(gap=gap, trends=dict(train=train, validation=validation), diverged=False)
    return {'runs': {'gp': found, 'clip': found}}

  for index in (0, 1):
    assert [holds(overfitting, index, runs(gap, 0, 0)) for gap in (0.2, 0.19, None)] == [True, False, None]
  trends = [(0.5, -0.5), (0.4, -0.5), (0.5, -0.4), (None, -0.5)]
  assert [holds(overfitting, 2, runs(0.5, *t)) for t in trends] == [True, False, False, None]


# clip_order


@pytest.mark.parametrize(
  'order, outside, gamma_free', [('after', 0, False), ('before', 6, False), ('race', 6, False), ('no_gamma', 0, True)]
)
def test_where_weights_stand_in_each_order(order, outside, gamma_free):
  """The race is lost every time, as the clip does not wait for gradients, which the update needs."""
  config = common.config(
    TINY, RUN, architecture='mlp', width=8, critic_norm='batch', clip_value=0.2, generator_steps=6,
    clip_order='after' if order == 'after' else 'before',
  )  # fmt: skip
  tops = []

  def watch(trainer):
    variables = trainer.graph.critic_variables
    largest = [np.abs(value).max() for value in trainer.session.run(variables)]
    of_gamma = [clip_order.is_gamma(v) for v in variables]
    tops.append([max(x for x, gamma in zip(largest, of_gamma) if gamma == wanted) for wanted in (False, True)])
    return clip_order.largest_weight(trainer)

  change = functools.partial(clip_order.reordered, order, 0.2)
  found = image_runs.train(config, lambda trainer: dict(fid=1.0), 10, change, watch)
  assert clip_order.summary(found, 0.2, 1e-5)['outside'] == outside
  np.testing.assert_allclose(found['watched'], [weights for weights, _ in tops], rtol=1e-5)
  # From 1, where it begins, the clip takes it to the bound at once.
  assert all((gamma > 0.9) == gamma_free for _, gamma in tops)


def test_summary_of_a_run():
  found = dict(watched=[0.01, 0.01000001, 0.0102, 0.009], estimate=[9, 8, 7, 6, 5, 4, 3, 1], diverged=False)
  expected = dict(updates=4, outside=1, excess=pytest.approx(0.02), estimate=2, diverged=False)
  assert clip_order.summary(found, 0.01, 1e-5) == expected
  empty = dict(watched=[], estimate=[], diverged=True)
  assert clip_order.summary(empty, 0.01, 1e-5) == dict(updates=0, outside=0, excess=0, estimate=0, diverged=True)


def test_rules_of_the_clip_order():
  def of(fid=10, estimate=1, outside=0):
    return [dict(fid=fid, estimate=estimate, outside=outside)] * 2

  inside = {'runs': {'plain-after': of(), 'plain-race': of(), 'plain-before': of(outside=3)}}
  assert holds(clip_order, 0, inside) is True and holds(clip_order, 1, inside) is True
  raced = {'runs': {'plain-after': of(outside=1), 'plain-race': of(outside=1)}}
  assert holds(clip_order, 0, raced) is False and holds(clip_order, 1, raced) is False
  for fid, expected in ((12, True), (13, False), (8, True), (7, False)):
    numbers = {'runs': {'plain-after': of(10), 'plain-before': of(10), 'plain-race': of(fid)}}
    assert holds(clip_order, 2, numbers) is expected
  assert holds(clip_order, 2, {'runs': {'plain-after': of()}}) is None
  for index, good, bad in ((3, of(10, 10), of(10, 9)), (4, of(12.5), of(12.4))):
    assert holds(clip_order, index, {'runs': {'bn-after': of(), 'bn-no_gamma': good}}) is True
    assert holds(clip_order, index, {'runs': {'bn-after': of(), 'bn-no_gamma': bad}}) is False
    assert holds(clip_order, index, {'runs': {'bn-after': of()}}) is None


# random_architectures


def test_architectures_are_drawn_evenly_and_alike_at_every_call():
  settings = random_architectures.SETTINGS['full']
  drawn = [random_architectures.sample(settings, i) for i in range(600)]
  assert drawn[:5] == [random_architectures.sample(settings, i) for i in range(5)]
  assert drawn[:5] != [random_architectures.sample(dict(settings, seed=1), i) for i in range(5)]
  for name, choices in settings['choices'].items():
    shares = [np.mean([a[name] == choice for a in drawn]) for choice in choices]
    np.testing.assert_allclose(shares, 1 / len(choices), atol=4 * math.sqrt(0.25 / 600))


@pytest.mark.parametrize('depth', [4, 8, 20])
def test_depth_counts_the_layers(depth):
  architecture = dict(
    generator_nonlinearity='softplus', critic_nonlinearity='tanh', generator_depth=depth, critic_depth=depth,
    generator_filters=2, critic_filters=3,
  )  # fmt: skip
  generator, critic = random_architectures.networks_of(architecture)
  with tf.Graph().as_default(), tf.Session() as session:
    made = generator(tf.random.normal([3, 5], seed=1), shape=(16, 16, 1), width=0, norm='batch', training=True)
    scores = critic(made, width=0, norm='layer')
    assert critic(made, width=0, norm='layer').shape.as_list() == [3]
    for scope, normalised in (('generator', depth - 1), ('critic', depth - 2)):  # not the last, nor the critic's first
      names = [v.op.name for v in tf.trainable_variables(scope)]
      assert sum(name.endswith('/weights') for name in names) == depth
      assert sum(name.endswith('/gamma') for name in names) == normalised
    session.run(tf.global_variables_initializer())
    images, values = session.run([made, scores])
  assert images.shape == (3, 16, 16, 1) and np.abs(images).max() <= 1 and np.ptp(values) > 0


def test_the_softplus_of_the_table():
  x = np.linspace(-3, 3, 7)
  with tf.Graph().as_default(), tf.Session() as session:
    found = session.run(random_architectures.activation('softplus', tf.constant(x)))
  np.testing.assert_allclose(found, np.log1p(np.exp(2 * x + 2)) / 2 - 1)


def test_table_of_successes(monkeypatch):
  scores = {'gan': [5, 1, 3], 'clip': [1, 1, 1], 'gp': [5, 4, 2]}

  def part(key, compute, config):
    variant, index = key.split('-')
    return dict(inception_score=scores[variant][int(index)], diverged=key == 'gp-1')

  monkeypatch.setattr(image_runs, 'Scorer', lambda settings, run: types.SimpleNamespace(protocol={}))
  settings = dict(random_architectures.SETTINGS['full'], architectures=3, thresholds=[2, 5], success=3)
  numbers = random_architectures.measure(settings, common.Run(part, 'nowhere'))
  assert numbers['table'] == [
    dict(threshold=2, gan=2, clip=0, gp=2, only_gan=0, only_gp=0, both=2, neither=1),
    dict(threshold=5, gan=1, clip=0, gp=1, only_gan=0, only_gp=0, both=1, neither=2),
  ]
  assert numbers['successes'] == dict(gan=[0, 2], clip=[], gp=[0])
  assert [claim.holds(numbers) for claim in random_architectures.CLAIMS] == [False, False, True]
  numbers['successes'] = dict(gan=[0], clip=[0, 1], gp=[0, 1])
  assert [claim.holds(numbers) for claim in random_architectures.CLAIMS] == [True, True, False]
  numbers['successes'] = dict(gan=[], clip=[], gp=[])
  assert [claim.holds(numbers) for claim in random_architectures.CLAIMS] == [False, None, False]
