import os

import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import config, networks
from wgan_tf1.errors import UserError
from wgan_tf1.kernels import choices, devices


def test_processor_flags_are_those_of_linux():
  with open('/proc/cpuinfo') as f:
    words = f.read().split()
  flags = devices.processor_flags()
  assert flags <= set(words) and ('flags' not in words or 'sse2' in flags or 'fpu' in flags)


def test_towers_are_gpus_and_no_more_than_there_are(monkeypatch):
  monkeypatch.setattr(tf.config.experimental, 'list_physical_devices', lambda kind: ['one', 'two'])
  assert devices.towers(1) == ('',)
  assert devices.towers(2) == ('/gpu:0', '/gpu:1')
  with pytest.raises(UserError, match='num_gpus=3: must be at most 2, as TensorFlow sees 2 GPUs'):
    devices.towers(3)


# GPUs, preset, cores -> operations at once, and threads of each; 0 leaves the choice to TensorFlow.
@pytest.mark.parametrize(
  'gpus, preset, cores, threads',
  [
    ([], 'blog-mnist', 4, (1, 4)),
    ([], 'blog-mnist-mlp', 4, (2, 2)),
    ([], 'toy-8gaussians', 2, (2, 1)),
    ([], 'toy-8gaussians', 1, (1, 1)),
    (['one'], 'blog-mnist', 4, (0, 0)),
    (['one'], 'toy-8gaussians', 4, (0, 0)),
  ],
)
def test_session_options_are_those_of_the_run(tiny, monkeypatch, gpus, preset, cores, threads):
  monkeypatch.setattr(devices, 'gpus', lambda: gpus)
  monkeypatch.setattr(choices, 'cores', lambda: cores)
  made = tiny(preset=preset, gpu_memory_fraction=0.5, allow_growth=False, log_device_placement=True)
  options = devices.session_options(made)
  assert options.allow_soft_placement and options.log_device_placement and not options.gpu_options.allow_growth
  assert options.gpu_options.per_process_gpu_memory_fraction == 0.5
  assert (options.inter_op_parallelism_threads, options.intra_op_parallelism_threads) == threads
  rewriting = options.graph_options.rewrite_options
  assert (rewriting.layout_optimizer == rewriting.OFF) == (not gpus)


def test_cores_are_those_that_the_process_may_use(monkeypatch):
  assert 1 <= choices.cores() <= os.cpu_count()
  monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {3}, raising=False)
  assert choices.cores() == 1
  monkeypatch.delattr(os, 'sched_getaffinity')
  assert choices.cores() == os.cpu_count()


def test_dense_networks_are_those_without_convolutions():
  for preset in config.PRESETS:
    made = config.make(preset, 'gan', dataset='digits' if config.make(preset, 'gan').form == 'image' else None)
    generate, score = networks.networks_of(made)
    with tf.Graph().as_default() as graph:
      labels = tf.zeros([1], tf.int32) if made.class_count else None
      score(generate(tf.zeros([1, made.latent_size]), labels, training=True))
      convolutions = {'Conv2D', 'Conv2DBackpropInput', 'GatherV2'} & {op.type for op in graph.get_operations()}
    assert (choices.choice(made, gpu=False).at_once > 1) == (not convolutions), preset
