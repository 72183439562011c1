import contextlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.helpers.references import SlowOptimizer
from wgan_tf1 import config as configs
from wgan_tf1 import graph as graphs
from wgan_tf1 import networks


@pytest.fixture(scope='module')
def shared():
  """As `running`, but the graph of each `Config` is built only once. Every use has a new session."""
  built = {}

  @contextlib.contextmanager
  def run(config):
    if config not in built:
      with tf.Graph().as_default():
        built[config] = graphs.build_graph(config), tf.global_variables_initializer()
    graph, initialise = built[config]
    with initialise.graph.as_default(), tf.Session() as session:
      session.run(initialise)
      yield graph, session

  return run


@pytest.fixture
def narrow(tiny):
  """As `tiny`, of a small width."""
  return lambda *args, **overrides: tiny(*args, **{'width': 4, **overrides})


def _real(n=4, seed=0, channels=1):
  return np.random.RandomState(seed).uniform(-1, 1, [n, 32, 32, channels]).astype(np.float32)


def _all_within(values, bound):
  return all(np.abs(v).max() <= np.float32(bound) for v in values)


@pytest.mark.parametrize('variant', ['clip', 'gp', 'gan'])
def test_every_trainable_variable_belongs_to_one_network(shared, narrow, variant):
  with shared(narrow(variant)) as (graph, _):
    names = [v.op.name for v in graph.generator_variables + graph.critic_variables]
    assert sorted(names) == sorted(v.op.name for v in tf.trainable_variables())
    assert all(v.op.name.startswith('critic/') for v in graph.critic_variables)
    assert all(v.dtype == tf.float32 for v in tf.trainable_variables())
    assert all(v.op.type == 'VarHandleOp' for v in tf.global_variables())  # resource variables


@pytest.mark.parametrize('optimizer', ['rmsprop', 'rmsprop_torch', 'adam'])
def test_critic_weights_are_within_the_bound_after_every_step(shared, narrow, optimizer):
  config = narrow(optimizer=optimizer, critic_learning_rate=0.01)
  with shared(config) as (graph, session):
    assert not _all_within(session.run(graph.critic_variables), 0.01)  # so that the first clip changes something
    for step in range(30):
      session.run(graph.train_critic, {graph.real: _real(seed=step)})
      assert _all_within(session.run(graph.critic_variables), 0.01), step


def test_clipping_before_binds_before_the_update_and_not_after(shared, narrow):
  with shared(narrow(clip_order='before', critic_learning_rate=0.01)) as (graph, session):
    for step in range(5):
      session.run(graph.before_critic)
      assert _all_within(session.run(graph.critic_variables), 0.01)
      session.run(graph.train_critic, {graph.real: _real(seed=step)})
      assert not _all_within(session.run(graph.critic_variables), 0.01)


@pytest.mark.parametrize('variant', ['gp', 'gan'])
def test_other_variants_critics_are_not_clipped(shared, narrow, variant):
  with shared(narrow(variant)) as (graph, session):
    assert graph.before_critic is None
    session.run(graph.train_critic, {graph.real: _real()})
    assert not _all_within(session.run(graph.critic_variables), 0.01)


@pytest.mark.parametrize('variant', ['clip', 'gp', 'gan'])
def test_an_update_leaves_the_other_network_alone_and_counts_itself(shared, narrow, variant):
  with shared(narrow(variant, width=16)) as (graph, session):
    both = [graph.generator_variables, graph.critic_variables]
    counters = [graph.global_step, graph.critic_step]
    start = session.run(both)
    session.run(graph.train_critic, {graph.real: _real()})
    after_critic = session.run(both)
    assert all(np.array_equal(a, b) for a, b in zip(start[0], after_critic[0]))
    # All variables move, except the last bias with the penalty: it cancels in the loss.
    moved = [not np.array_equal(a, b) for a, b in zip(start[1], after_critic[1])]
    assert moved == [True] * 9 + [variant != 'gp']
    assert session.run(counters) == [0, 1]
    session.run(graph.train_generator)  # without images
    after_generator = session.run(both)
    assert not any(np.array_equal(a, b) for a, b in zip(after_critic[0], after_generator[0]))
    assert all(np.array_equal(a, b) for a, b in zip(after_critic[1], after_generator[1]))
    assert session.run(counters) == [1, 1]


def test_a_critic_update_is_the_papers_line_by_line(shared, narrow):
  """Gradient ascent on mean f(real) - mean f(fake), then the clip, by central differences of the estimate."""
  config = narrow(clip_value=0.1)
  random = np.random.RandomState(0)
  latents, real = random.normal(size=[4, 128]), _real()
  with shared(config) as (graph, session):
    feed = {graph.latents: latents, graph.real: real}
    before = session.run(graph.critic_variables)
    scores = session.run([graph.scalars['wasserstein_estimate'], graph.real_scores, graph.fake_scores], feed)
    np.testing.assert_allclose(scores[0], scores[1].mean() - scores[2].mean(), atol=1e-6)
    (gradients,) = session.run([tf.gradients(-graph.scalars['wasserstein_estimate'], graph.critic_variables)], feed)
    session.run(graph.train_critic, feed)
    after = session.run(graph.critic_variables)
    for w, g, new in zip(before, gradients, after):
      expected = SlowOptimizer(config, config.critic_learning_rate, w.shape).step(w.astype(float), g.astype(float))
      np.testing.assert_allclose(new, np.clip(expected, -0.1, 0.1), atol=1e-6)

    # The gradient itself, of the last layer, where the estimate is linear: its slope is the mean feature gap.
    dense = graph.critic_variables[-2]
    direction = random.normal(size=dense.shape.as_list()).astype(np.float32)
    current = session.run(dense)
    values = []
    for sign in (1, -1):
      dense.load(current + sign * 0.1 * direction, session)
      values.append(session.run(graph.scalars['wasserstein_estimate'], feed))
    dense.load(current, session)
    (gradient,) = session.run(tf.gradients(graph.scalars['wasserstein_estimate'], [dense]), feed)
    np.testing.assert_allclose((values[0] - values[1]) / 0.2, np.sum(gradient * direction), rtol=1e-3)


def test_the_penalty_is_on_the_norms_at_the_interpolates(shared, narrow):
  """Against one-sided differences of the critic at the interpolates, pixel by pixel."""
  config = narrow('gp', batch_size=2)
  weights = np.array([0.3, 0.8], np.float32)
  latents, real = np.random.RandomState(0).normal(size=[2, 128]), _real(2)
  with shared(config) as (graph, session):
    feed = {graph.latents: latents, graph.real: real, graph.interpolation_weights: weights}
    fake = session.run(graph.fake, feed)
    scalars = session.run(graph.scalars, feed)
    norms = []
    for w, r, f in zip(weights, real, fake):
      x = w * r + (1 - w) * f
      moved = np.repeat(x[None], 1024, axis=0)
      moved.reshape(1024, 1024)[np.arange(1024), np.arange(1024)] += 1e-3
      base = session.run(graph.real_scores, {graph.real: x[None]})
      slopes = (session.run(graph.real_scores, {graph.real: moved}).astype(float) - base) / 1e-3
      norms.append(np.sqrt(np.sum(slopes**2)))
  np.testing.assert_allclose(scalars['gradient_norm/mean'], np.mean(norms), rtol=0.02)
  np.testing.assert_allclose(scalars['gradient_norm/maximum'], np.max(norms), rtol=0.02)
  np.testing.assert_allclose(scalars['gradient_penalty'], np.mean((np.array(norms) - 1) ** 2), rtol=0.02)
  np.testing.assert_allclose(
    scalars['critic_loss'], -scalars['wasserstein_estimate'] + 10 * scalars['gradient_penalty'], rtol=1e-5
  )


def test_losses_have_the_papers_signs(shared, narrow):
  with shared(narrow()) as (graph, session):
    fetches = [graph.scalars, graph.real_scores, graph.fake_scores]
    scalars, real, fake = session.run(fetches, {graph.real: _real(9)})
  np.testing.assert_allclose(scalars['wasserstein_estimate'], real.mean() - fake.mean(), atol=1e-6)
  assert scalars['critic_loss'] == -scalars['wasserstein_estimate']
  np.testing.assert_allclose(scalars['generator_loss'], -fake.mean(), atol=1e-6)


def test_an_update_sees_the_draw_of_its_step(shared, narrow):
  """What is fetched with an update is the draw before it: the counter waits. The next update has another draw."""
  with shared(narrow()) as (graph, session):
    drawn = []
    for step in range(10):
      latents = session.run(graph.latents)
      feed = {graph.real: _real(seed=step)}
      fetched, _ = session.run([graph.latents, graph.train_critic if step % 3 else graph.train_generator], feed)
      assert np.array_equal(latents, fetched) and not any(np.array_equal(latents, earlier) for earlier in drawn)
      drawn.append(latents)


def test_a_critic_update_needs_as_many_fake_samples_as_real_ones(shared, narrow):
  with shared(narrow(generator_batch_size=6)) as (graph, session):
    before = session.run([graph.critic_variables, graph.critic_step])
    message = 'a critic update needs as many fake samples as real ones: feed fake_count'
    for feed in ({}, {graph.fake_count: 3}, {graph.latents: np.zeros([5, 128])}):
      with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        session.run(graph.train_critic, {graph.real: _real(4), **feed})
    after = session.run([graph.critic_variables, graph.critic_step])
    assert after[1] == 0 and all(np.array_equal(a, b) for a, b in zip(before[0], after[0]))
    session.run(graph.train_critic, {graph.real: _real(4), graph.fake_count: 4})
    assert session.run(graph.critic_step) == 1


def test_a_generator_update_makes_its_own_number_of_samples(shared):
  """Twice the critic's for cifar10-resnet, with nothing fed."""
  config = configs.make('cifar10-resnet', 'gp', width=1)
  assert (config.batch_size, config.generator_batch_size) == (64, 128)
  with shared(config) as (graph, session):
    fake, _ = session.run([graph.fake, graph.train_generator])
    assert fake.shape == (128, 32, 32, 3)
    feed = {graph.real: _real(64, channels=3), graph.fake_count: 64}
    fake, _ = session.run([graph.fake, graph.train_critic], feed)
    assert fake.shape == (64, 32, 32, 3)


def test_samples_are_fixed_and_can_be_chosen(shared, narrow):
  with shared(narrow()) as (graph, session):
    first = session.run(graph.samples)
    session.run(graph.train_critic, {graph.real: _real()})
    assert len(first) == networks.sample_count(narrow()) == 64
    assert first.shape == (64, 32, 32, 1) and np.array_equal(first, session.run(graph.samples))
    chosen = np.random.RandomState(0).normal(size=[3, 128])
    images = session.run([graph.samples, graph.fake], {graph.sample_latents: chosen, graph.latents: chosen})
    np.testing.assert_allclose(images[0], images[1], atol=1e-6)


def test_share_of_weights_at_the_bound(shared, narrow):
  with shared(narrow(critic_learning_rate=0.002)) as (graph, session):
    for step in range(4):
      session.run(graph.train_critic, {graph.real: _real(seed=step)})
    share = session.run(graph.scalars['clip/share_at_bound'])
    flat = np.concatenate([v.ravel() for v in session.run(graph.critic_variables)])
    assert 0 < share < 1
    np.testing.assert_allclose(share, np.mean(np.abs(flat) == np.float32(0.01)), rtol=1e-5)


def test_all_variants_start_from_the_same_weights(shared, narrow):
  starts = []
  for variant in ('clip', 'gp', 'gan'):
    with shared(narrow(variant)) as (graph, session):
      starts.append(session.run(graph.generator_variables + graph.critic_variables))
  assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(*starts))


@pytest.mark.parametrize('variant', ['clip', 'gp', 'gan'])
def test_no_variable_changes_before_the_loss_and_every_gradient_are_there(shared, narrow, variant):
  """Each op that changes a variable depends on the loss and on every gradient."""
  with shared(narrow(variant)) as (graph, _):
    for loss, update, variables in (
      ('critic_loss', graph.train_critic, graph.critic_variables),
      ('generator_loss', graph.train_generator, graph.generator_variables),
    ):
      applies = [op for op in _ancestors(update) if op.type.startswith('ResourceApply')]
      assert len(applies) == len(variables)
      loss = graph.scalars[loss].op
      reads = {op for op in _ancestors(loss) if op.type == 'ReadVariableOp'}
      assert len(reads) > len(variables)
      for op in applies:
        waits_for = _ancestors(op)
        assert loss in waits_for and reads <= waits_for
        assert sum(o.type == 'CheckNumerics' for o in waits_for) >= len(variables) + 1


@pytest.mark.parametrize('variant', ['clip', 'gp', 'gan'])
def test_the_graph_has_no_functions(shared, narrow, variant):
  """To hold functions TensorFlow 2 would start its devices, before the session's options limit threads and memory."""
  with shared(narrow(variant)) as (_, session):
    assert not session.graph.as_graph_def().library.function


@pytest.mark.parametrize('batch_size', [8, 50])
def test_what_shifts_all_scores_alike_is_not_trained(shared, narrow, batch_size):
  """Its gradients by fake and by real samples cancel exactly: Adam would turn a rounding error into whole steps."""
  config = narrow('gp', preset='gp-mnist', width=2, batch_size=batch_size)
  with shared(config) as (graph, session):
    (bias,) = [v for v in graph.critic_variables if v.op.name == 'critic/dense/biases']
    (weights,) = [v for v in graph.critic_variables if v.op.name == 'critic/dense/weights']
    before = session.run([bias, weights])
    random = np.random.RandomState(0)
    for _ in range(5):
      real = random.uniform(size=[batch_size, *graph.real.shape.as_list()[1:]])
      session.run(graph.train_critic, {graph.real: real})
    after = session.run([bias, weights])
  assert np.array_equal(after[0], before[0]) and not np.array_equal(after[1], before[1])


def _ancestors(op):
  """Every op that runs before `op`, by data or control."""
  seen, waiting = set(), [op]
  while waiting:
    op = waiting.pop()
    before = {t.op for t in op.inputs} | set(op.control_inputs)
    waiting += before - seen
    seen |= before
  return seen


def test_a_number_that_is_not_finite_stops_the_update_by_name(shared, narrow):
  with shared(narrow()) as (graph, session):
    session.run(graph.check_weights)
    weights = session.run(graph.critic_variables)
    with pytest.raises(tf.errors.InvalidArgumentError, match='not finite: .*critic.* : Tensor had NaN'):
      session.run(graph.train_critic, {graph.real: np.full([4, 32, 32, 1], np.nan)})
    assert all(np.array_equal(a, b) for a, b in zip(weights, session.run(graph.critic_variables)))
    assert session.run(graph.critic_step) == 0
    graph.critic_variables[0].load(np.full(weights[0].shape, np.inf), session)
    with pytest.raises(tf.errors.InvalidArgumentError, match='not finite: critic/conv_1/weights : Tensor had Inf'):
      session.run(graph.check_weights)
    with pytest.raises(tf.errors.InvalidArgumentError, match='not finite: '):
      session.run(graph.train_generator)


def test_the_check_sees_the_moving_averages_too(shared, narrow):
  with shared(narrow(preset='blog-mnist-bn', width=4)) as (graph, session):
    session.run(graph.check_weights)
    moving = [v for v in tf.global_variables('generator/') if v.op.name == 'generator/norm_2/moving_variance']
    moving[0].load(np.full(moving[0].shape, np.nan), session)
    with pytest.raises(tf.errors.InvalidArgumentError, match='not finite: generator/norm_2/moving_variance : '):
      session.run(graph.check_weights)


@pytest.mark.parametrize('variant', ['clip', 'gp', 'gan'])
def test_the_critic_update_reads_as_gradients_optimizer_clip(shared, narrow, variant):
  """TensorBoard draws scopes, moves each NoOp aside, and detaches a node with more than four control edges."""
  with shared(narrow(variant)) as (graph, session):
    ops = [op for op in session.graph.get_operations() if op.name.startswith('train_critic/')]
    scopes = {op.name.split('/')[1] for op in ops}
    optimizer = 'RMSProp' if variant == 'clip' else 'Adam'
    expected = {'gradients', 'checks', 'learning_rate', optimizer}
    if variant == 'clip':
      expected |= {'clip', 'clipped'}
    else:
      expected |= {'beta1_power', 'beta2_power'}
    assert scopes == expected
    scope_of = {op: op.name.split('/')[1] for op in ops}
    assert not [op for op in ops if op.type == 'NoOp' and scope_of[op] != optimizer]
    for op in session.graph.get_operations():  # how many scopes, not ops, each node of this level waits for
      if op.name.count('/') == 1 and op in scope_of:
        assert len({scope_of.get(before) for before in op.control_inputs}) <= 4
    if variant == 'clip':
      assigns = [op for op in ops if scope_of[op] == 'clip' and op.type == 'AssignVariableOp']
      parents = {op.name.rsplit('/', 1)[0][len('train_critic/clip/') :] for op in assigns}
      assert parents == {v.op.name[len('critic/') :] for v in graph.critic_variables}
      applies = {op for op in ops if op.type.startswith('ResourceApply')}
      reads = [op for op in ops if scope_of[op] == 'clip' and op.type == 'ReadVariableOp']
      assert len(applies) == len(assigns) == len(reads) == len(graph.critic_variables)
      assert all(applies <= _ancestors(op) for op in reads)  # what is clipped is read after the whole update
      assert set(assigns) <= _ancestors(graph.train_critic)
