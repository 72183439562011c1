import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1 import config as configs
from wgan_tf1 import layers
from wgan_tf1 import networks
from wgan_tf1 import precision
from wgan_tf1 import towers
from wgan_tf1 import training

NEEDS_TF2 = pytest.mark.skipif(tf.__version__.startswith('1.'), reason='bfloat16 kernels')


def test_where_bfloat16_is_refused(monkeypatch):
  monkeypatch.setattr(towers, 'gpus', lambda: [])
  precision.check('fp32', '1.15.5', set())
  for has in ({'avx2', 'avx512_bf16'}, {'amx_bf16'}):
    precision.check('bf16', '2.21.0', has)
  with pytest.raises(UserError, match='precision=bf16 needs TensorFlow 2, and this is 1.15.5: leave it out'):
    precision.check('bf16', '1.15.5', {'amx_bf16'})
  with pytest.raises(UserError, match='gains nothing here: the processor has neither amx_bf16 nor avx512_bf16'):
    precision.check('bf16', '2.21.0', {'avx2', 'avx512f'})
  monkeypatch.setattr(towers, 'gpus', lambda: ['GPU:0'])
  precision.check('bf16', '2.21.0', set())


def test_training_is_refused_before_anything_is_written(tiny, tmp_path, monkeypatch):
  monkeypatch.setattr(towers, 'gpus', lambda: [])
  monkeypatch.setattr(precision, 'processor_flags', lambda: {'avx2'})
  with pytest.raises(UserError, match='precision=bf16'):
    training.train(tiny(precision='bf16', run_dir=str(tmp_path / 'run')))
  assert not (tmp_path / 'run').exists()


def test_processor_flags_are_those_of_linux():
  with open('/proc/cpuinfo') as f:
    words = f.read().split()
  flags = precision.processor_flags()
  assert flags <= set(words) and ('flags' not in words or 'sse2' in flags or 'fpu' in flags)


def test_precision_is_a_setting_that_a_run_keeps():
  assert configs.make().precision == 'fp32' and 'precision' not in configs.CHANGEABLE
  with pytest.raises(UserError, match='precision=fp16 is unknown: it is one of fp32, bf16'):
    configs.make(precision='fp16')


def _layer(kind, x, weights, stride):
  if kind == 'conv2d':
    return precision.conv2d(x, weights, stride)
  n, height, width = (int(d) for d in x.shape[:3])
  return precision.conv2d_transpose(x, weights, [n, stride * height, stride * width, int(weights.shape[2])], stride)


@pytest.mark.parametrize('kind', ['conv2d', 'conv2d_transpose'])
@pytest.mark.parametrize('size, stride', [(3, 2), (5, 2), (3, 1), (4, 2)])
def test_gradients_by_patches_are_tensorflows_own(monkeypatch, kind, size, stride):
  """The first gradients, and those of a penalty on the first, of both: the weights' are made of patches twice."""
  random = np.random.RandomState(0)
  x = random.normal(size=[2, 6, 6, 3]).astype(np.float32)
  shape = [size, size, 3, 5] if kind == 'conv2d' else [size, size, 5, 3]
  weights = random.normal(size=shape).astype(np.float32)
  results, ops = [], []
  for patches_from in (0, 2**40):
    monkeypatch.setattr(precision, '_PATCHES_FROM', patches_from)
    with tf.Graph().as_default() as graph, tf.Session() as session:
      tensors = [tf.constant(x), tf.constant(weights)]
      loss = tf.reduce_sum(tf.square(_layer(kind, *tensors, stride=stride)))
      first = tf.gradients(loss, tensors)
      # Of the square's gradient with respect to the input, as the penalty has it, and to the weights.
      second = tf.gradients(sum(tf.reduce_sum(tf.sin(g)) for g in first), tensors)
      results.append(session.run([*first, *second]))
      ops.append({op.type for op in graph.get_operations()})
  assert 'ExtractImagePatches' in ops[0] and 'Conv2DBackpropFilter' not in ops[0]
  assert 'Conv2DBackpropFilter' in ops[1] and 'ExtractImagePatches' not in ops[1]
  for mine, tensorflows in zip(*results):
    np.testing.assert_allclose(mine, tensorflows, rtol=1e-4, atol=1e-3 * np.abs(tensorflows).max())
    assert np.abs(mine).max() > 0.1


def test_which_filter_gradients_are_made_of_patches(monkeypatch):
  monkeypatch.setattr(precision, '_PATCHES_FROM', 3 * 3 * 4 * 8)
  for filters, seen, by_patches in ((8, [], True), (7, [], False), (8, ['GPU:0'], False)):
    monkeypatch.setattr(towers, 'gpus', lambda: seen)
    with tf.Graph().as_default() as graph:
      weights = tf.ones([3, 3, 4, filters])
      tf.gradients(precision.conv2d(tf.ones([1, 8, 8, 4]), weights, 2), weights)
      assert ('ExtractImagePatches' in {op.type for op in graph.get_operations()}) == by_patches


def _outputs(config, arithmetic, penalised):
  """Scores, samples, gradients of both networks and of the penalty on inputs, of one graph in one arithmetic."""
  generator, critic = networks.ARCHITECTURES[config.architecture]
  random = np.random.RandomState(1)
  with tf.Graph().as_default() as graph, tf.Session() as session, precision.arithmetic(arithmetic):
    tf.set_random_seed(0)
    latents = tf.constant(random.normal(size=[4, config.latent_size]), tf.float32)
    real = tf.constant(random.uniform(-1, 1, [4, 32, 32, 1]), tf.float32)
    fake = generator(latents, shape=(32, 32, 1), width=config.width, norm=config.generator_norm, training=True)
    scores = critic(fake, width=config.width, norm=config.critic_norm)
    (slopes,) = tf.gradients(critic(real, width=config.width, norm=config.critic_norm), [real])
    loss = tf.reduce_mean(scores)
    if penalised:
      loss += tf.reduce_mean(tf.square(tf.sqrt(tf.reduce_sum(tf.square(slopes), [1, 2, 3]) + 1e-12) - 1))
    variables = tf.trainable_variables()
    gradients = tf.gradients(loss, variables)
    assert {t.dtype for t in [fake, scores, slopes, *gradients]} == {tf.float32}
    assert {v.dtype.base_dtype for v in tf.global_variables()} == {tf.float32}
    products = [op for op in graph.get_operations() if op.type in ('MatMul', 'Conv2D', 'Conv2DBackpropInput')]
    assert {op.outputs[0].dtype for op in products} == {tf.bfloat16 if arithmetic == 'bf16' else tf.float32}
    assert not [op.type for op in graph.get_operations() if op.type == 'Conv2DBackpropFilter' and arithmetic == 'bf16']
    session.run(tf.global_variables_initializer())
    return session.run([fake, scores, slopes, *gradients])


@NEEDS_TF2
@pytest.mark.parametrize('variant, preset', [('clip', 'blog-mnist'), ('gp', 'blog-mnist'), ('clip', 'blog-mnist-mlp')])
def test_networks_in_bfloat16_are_near_those_in_float32(tiny, variant, preset):
  """Of 8 bits: samples and scores nearly; a gradient less so, for a ReLU near zero may be on the other side of it."""
  config = tiny(variant, preset=preset, width=8)
  expected, got = (_outputs(config, arithmetic, variant == 'gp') for arithmetic in ('fp32', 'bf16'))
  errors = [np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in zip(expected, got)]
  assert max(errors[:2]) < 0.03 and max(errors) < 0.25, errors
  assert min(errors[3:5]) > 0  # it was bfloat16


@NEEDS_TF2
def test_batch_norm_is_float32(tiny):
  fake, scores = _outputs(tiny(preset='blog-mnist-bn', width=8), 'bf16', False)[:2]
  expected = _outputs(tiny(preset='blog-mnist-bn', width=8), 'fp32', False)[:2]
  for one, other in zip(expected, (fake, scores)):
    assert np.linalg.norm(other - one) / np.linalg.norm(one) < 0.1
  with tf.Graph().as_default() as graph, precision.arithmetic('bf16'):
    x = tf.ones([2, 8, 8, 32], tf.bfloat16)
    for norm in ('batch', 'layer'):
      assert layers.normalize(x, norm, norm, training=True).dtype == tf.float32
    statistics = [op for op in graph.get_operations() if op.type in ('FusedBatchNormV3', 'Mean', 'SquaredDifference')]
    assert len(statistics) == 4 and {t.dtype for op in statistics for t in op.outputs} == {tf.float32}


@NEEDS_TF2
@pytest.mark.parametrize('kind', ['conv2d', 'conv2d_transpose'])
def test_a_convolution_in_bfloat16_and_its_gradients(kind):
  """Linear, so that rounding alone parts the two."""
  random = np.random.RandomState(0)
  inputs = [random.normal(size=s).astype(np.float32) for s in ([2, 8, 8, 32], [3, 3, 32, 32])]
  results = []
  for arithmetic in ('fp32', 'bf16'):
    with tf.Graph().as_default(), tf.Session() as session, precision.arithmetic(arithmetic):
      x, weights = (tf.constant(i) for i in inputs)
      y = tf.cast(_layer(kind, x, weights / 17, 2), tf.float32)  # of about 1
      first = tf.gradients(tf.reduce_sum(tf.sin(y)), [x, weights])
      second = tf.gradients(tf.reduce_sum(tf.square(first[0])), [weights])
      results.append(session.run([y, *first, *second]))
  for one, other in zip(*results):
    assert 0 < np.linalg.norm(other - one) / np.linalg.norm(one) < 0.05


def test_the_scope_ends_where_it_ends():
  with tf.Graph().as_default():
    x, weights = tf.ones([2, 4, 4, 32]), tf.ones([3, 3, 32, 32])
    with precision.arithmetic('bf16'):
      with precision.arithmetic('fp32'):
        assert precision.conv2d(x, weights, 2).dtype == tf.float32
      assert precision.conv2d(x, weights, 2).dtype == tf.bfloat16
      assert precision.conv2d(x, weights[..., :3], 2).dtype == tf.float32  # an image
      assert precision.matmul(x[0, 0], weights[0, 0]).dtype == tf.float32
    assert precision.conv2d(x, weights, 2).dtype == tf.float32
