import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1.errors import UserError
from wgan_tf1.kernels import devices


def test_processor_flags_are_those_of_linux():
  with open('/proc/cpuinfo') as f:
    words = f.read().split()
  flags = devices.processor_flags()
  assert flags <= set(words) and ('flags' not in words or 'sse2' in flags or 'fpu' in flags)


def test_towers_are_gpus_and_no_more_than_there_are(monkeypatch):
  monkeypatch.setattr(tf.config.experimental, 'list_physical_devices', lambda kind: ['one', 'two'])
  assert devices.towers(1) == ('',)
  assert devices.towers(2) == ('/gpu:0', '/gpu:1')
  with pytest.raises(UserError, match='num_gpus=3: must be at most 2, the number of GPUs that TensorFlow sees'):
    devices.towers(3)


@pytest.mark.parametrize('gpus, threads', [([], 1), (['one'], 0)])
def test_session_options_are_those_of_the_run(tiny, monkeypatch, gpus, threads):
  monkeypatch.setattr(devices, 'gpus', lambda: gpus)
  config = tiny(gpu_memory_fraction=0.5, allow_growth=False, log_device_placement=True)
  options = devices.session_options(config)
  assert options.allow_soft_placement and options.log_device_placement and not options.gpu_options.allow_growth
  assert options.gpu_options.per_process_gpu_memory_fraction == 0.5
  assert options.inter_op_parallelism_threads == threads  # 0 leaves the choice to TensorFlow
