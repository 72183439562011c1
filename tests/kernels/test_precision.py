import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import config as configs
from wgan_tf1 import layers, networks, training
from wgan_tf1.errors import UserError
from wgan_tf1.kernels import devices, precision

NEEDS_TF2 = pytest.mark.skipif(tf.__version__.startswith('1.'), reason='bfloat16 kernels')


def test_where_bfloat16_is_refused(monkeypatch):
  monkeypatch.setattr(devices, 'gpus', lambda: [])
  precision.check('fp32', '1.15.5', set())
  for has in ({'avx2', 'avx512_bf16'}, {'amx_bf16'}):
    precision.check('bf16', '2.21.0', has)
  with pytest.raises(UserError, match='precision=bf16 needs TensorFlow 2, but this is 1.15.5. Start a run without it'):
    precision.check('bf16', '1.15.5', {'amx_bf16'})
  with pytest.raises(UserError, match='gains nothing here: the processor has neither amx_bf16 nor avx512_bf16'):
    precision.check('bf16', '2.21.0', {'avx2', 'avx512f'})
  monkeypatch.setattr(devices, 'gpus', lambda: ['GPU:0'])
  precision.check('bf16', '2.21.0', set())


def test_training_is_refused_before_anything_is_written(tiny, tmp_path, monkeypatch):
  monkeypatch.setattr(devices, 'gpus', lambda: [])
  monkeypatch.setattr(devices, 'processor_flags', lambda: {'avx2'})
  with pytest.raises(UserError, match='precision=bf16'):
    training.train(tiny(precision='bf16', run_dir=str(tmp_path / 'run')))
  assert not (tmp_path / 'run').exists()


def test_precision_is_a_setting_that_a_run_keeps():
  assert configs.make().precision == 'fp32' and 'precision' not in configs.CHANGEABLE
  with pytest.raises(UserError, match='precision=fp16: must be one of fp32, bf16'):
    configs.make(precision='fp16')


LAYERS = {'conv2d': precision.conv2d, 'conv2d_transpose': precision.conv2d_transpose}
# How a convolution and its filter gradient are computed -> settings that choose it, operations that it must not have.
WAYS = {
  "TensorFlow's own": (dict(_is_deep=lambda *_: False, _by_patches=lambda *_: False), {'GatherV2'}),
  'its filter gradient by patches': (
    dict(_is_deep=lambda *_: False, _by_patches=lambda *_: True),
    {'Conv2DBackpropFilter'},
  ),
  'all by patches': (dict(_is_deep=lambda *_: True), {'Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter'}),
}


def _of_tensorflow(kind, x, weights, stride):
  if kind == 'conv2d':
    return tf.nn.conv2d(x, weights, strides=[1, stride, stride, 1], padding='SAME')
  n, height, width = (int(d) for d in x.shape[:3])
  shape = [n, stride * height, stride * width, int(weights.shape[2])]
  return tf.nn.conv2d_transpose(x, weights, shape, strides=[1, stride, stride, 1], padding='SAME')


def _assert_as_tensorflows(kind, inputs, stride):
  """Compares the results, the gradients of both inputs, and the gradients of a penalty on those.

  Returns the types of the operations that the layer consists of.
  """
  results, made = [], []
  for make in (LAYERS[kind], lambda *args: _of_tensorflow(kind, *args)):
    with tf.Graph().as_default() as graph, tf.Session() as session:
      tensors = [tf.constant(i.astype(np.float32)) for i in inputs]
      y = make(*tensors, stride)
      first = tf.gradients(tf.reduce_sum(tf.square(y)), tensors)
      # The penalty differentiates the gradient by the input. Here the gradient by the weights is differentiated too.
      second = tf.gradients(sum(tf.reduce_sum(tf.sin(g)) for g in first), tensors)
      results.append(session.run([y, *first, *second]))
      made.append({op.type for op in graph.get_operations()})
  for mine, tensorflows in zip(*results):
    assert mine.shape == tensorflows.shape
    np.testing.assert_allclose(mine, tensorflows, rtol=1e-4, atol=1e-4 * np.abs(tensorflows).max())
    assert np.abs(mine).max() > 0.1
  return made[0]


@pytest.mark.parametrize('kind', sorted(LAYERS))
@pytest.mark.parametrize('way', sorted(WAYS))
@pytest.mark.parametrize(
  'size, stride, rows', [(3, 2, 6), (3, 2, 7), (5, 2, 4), (3, 1, 5), (4, 2, 6), (1, 1, 3), (2, 2, 6)]
)
def test_convolutions_by_patches_are_tensorflows_own(monkeypatch, way, kind, size, stride, rows):
  settings, absent = WAYS[way]
  for name, value in settings.items():
    monkeypatch.setattr(precision, name, value)
  random = np.random.RandomState(0)
  shape = [size, size, 3, 5] if kind == 'conv2d' else [size, size, 5, 3]
  inputs = random.normal(size=[2, rows, rows + 1, 3]), random.normal(size=shape)
  made = _assert_as_tensorflows(kind, inputs, stride)
  assert not made & absent and (absent == {'GatherV2'} or 'GatherV2' in made)


@pytest.mark.parametrize('kind', sorted(LAYERS))
@pytest.mark.parametrize('size', [(1, 1), (3, 3), (3, 5), (7, 1), (4, 2)])
@pytest.mark.parametrize('channels', [1, 3])
def test_images_are_made_by_one_product_as_tensorflow_would(monkeypatch, kind, size, channels):
  monkeypatch.setattr(devices, 'gpus', lambda: [])
  random = np.random.RandomState(0)
  shape = [*size, 6, channels] if kind == 'conv2d' else [*size, channels, 6]
  made = _assert_as_tensorflows(kind, (random.normal(size=[2, 5, 6, 6]), random.normal(size=shape)), 1)
  assert not any(name.startswith('Conv2D') for name in made)


def test_which_convolutions_make_images(monkeypatch):
  monkeypatch.setattr(devices, 'gpus', lambda: [])
  assert all(precision._makes_images(channels, 1) for channels in (1, 3, 4))
  assert not precision._makes_images(5, 1) and not precision._makes_images(1, 2)
  monkeypatch.setattr(devices, 'gpus', lambda: ['GPU:0'])
  assert not precision._makes_images(1, 1)


def test_the_batch_may_be_of_any_size(monkeypatch):
  monkeypatch.setattr(precision, '_is_deep', lambda *_: True)
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None, 4, 4, 3])
    down = precision.conv2d(x, tf.ones([3, 3, 3, 2]), 2)
    up = precision.conv2d_transpose(down, tf.ones([3, 3, 5, 2]), 2)
    assert down.shape.as_list() == [None, 2, 2, 2] and up.shape.as_list() == [None, 4, 4, 5]
    for count in (1, 3):
      assert session.run(up, {x: np.ones([count, 4, 4, 3])}).shape == (count, 4, 4, 5)


def test_where_patches_are_the_faster_way(monkeypatch):
  """The rules are in the docstrings of `_is_deep` and `_by_patches`; they come from measurements."""
  dtypes = (tf.float32, tf.bfloat16)
  large, middle, small = [
    {dtype: tf.ones([3, 3, channels, 2 * channels], dtype) for dtype in dtypes} for channels in (256, 128, 64)
  ]
  weights, pixels = (2**17, 64) if tf.__version__.startswith('1.') else (2**20, 16)
  assert 9 * 256 * 512 >= 2**20 > 9 * 128 * 256 >= 2**17 > 9 * 64 * 128
  monkeypatch.setattr(devices, 'gpus', lambda: [])
  monkeypatch.setattr(devices, 'processor_flags', lambda: {'avx2'})
  for dtype in dtypes:
    assert precision._is_deep(large[dtype], pixels) and not precision._is_deep(large[dtype], pixels + 1)
    assert precision._is_deep(middle[dtype], pixels) == (weights == 2**17)
    assert not precision._is_deep(small[dtype], 4)
  assert precision._by_patches(large[tf.float32], 32) and not precision._by_patches(large[tf.float32], 33)
  assert precision._by_patches(middle[tf.float32], 32) == (weights == 2**17)
  for some in (large, small):
    assert precision._by_patches(some[tf.bfloat16], 64) and not precision._by_patches(some[tf.bfloat16], 65)
  monkeypatch.setattr(devices, 'processor_flags', lambda: {'avx2', 'avx512f'})
  assert not precision._by_patches(large[tf.float32], 16) and precision._by_patches(large[tf.bfloat16], 16)
  monkeypatch.setattr(devices, 'gpus', lambda: ['GPU:0'])
  assert not precision._is_deep(large[tf.float32], 4) and not precision._by_patches(large[tf.bfloat16], 16)


def _outputs(config, arithmetic, penalised):
  """Returns samples, scores, the slopes of the critic, and the gradients of all variables, in one arithmetic."""
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
    session.run(tf.global_variables_initializer())
    return session.run([fake, scores, slopes, *gradients])


@NEEDS_TF2
@pytest.mark.parametrize('variant, preset', [('clip', 'blog-mnist'), ('gp', 'blog-mnist'), ('clip', 'blog-mnist-mlp')])
def test_networks_in_bfloat16_are_near_those_in_float32(tiny, variant, preset):
  """bfloat16 has 8 bits. Gradients differ more than samples and scores: rounding can switch a ReLU near zero."""
  config = tiny(variant, preset=preset, width=8)
  expected, got = (_outputs(config, arithmetic, variant == 'gp') for arithmetic in ('fp32', 'bf16'))
  errors = [np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in zip(expected, got)]
  assert max(errors[:2]) < 0.03 and max(errors) < 0.25, errors
  assert min(errors[3:5]) > 0  # otherwise it was float32


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
  """The convolution is linear, so that the two differ by rounding alone."""
  random = np.random.RandomState(0)
  inputs = [random.normal(size=s).astype(np.float32) for s in ([2, 8, 8, 32], [3, 3, 32, 32])]
  results = []
  for arithmetic in ('fp32', 'bf16'):
    with tf.Graph().as_default(), tf.Session() as session, precision.arithmetic(arithmetic):
      x, weights = (tf.constant(i) for i in inputs)
      y = tf.cast(LAYERS[kind](x, weights / 17, 2), tf.float32)  # of about 1
      first = tf.gradients(tf.reduce_sum(tf.sin(y)), [x, weights])
      second = tf.gradients(tf.reduce_sum(tf.square(first[0])), [weights])
      results.append(session.run([y, *first, *second]))
  for one, other in zip(*results):
    assert 0 < np.linalg.norm(other - one) / np.linalg.norm(one) < 0.05


def test_the_scope_can_be_nested_and_ends():
  with tf.Graph().as_default():
    x, weights = tf.ones([2, 4, 4, 32]), tf.ones([3, 3, 32, 32])
    with precision.arithmetic('bf16'):
      with precision.arithmetic('fp32'):
        assert precision.conv2d(x, weights, 2).dtype == tf.float32
      assert precision.conv2d(x, weights, 2).dtype == tf.bfloat16
      assert precision.conv2d(x, weights[..., :3], 2).dtype == tf.float32  # an image
      assert precision.matmul(x[0, 0], weights[0, 0]).dtype == tf.float32
    assert precision.conv2d(x, weights, 2).dtype == tf.float32
