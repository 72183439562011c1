"""Several processes that train one run, in small clusters on this machine. tools/cluster_chaos.py has larger ones."""

import signal

import numpy as np

from tools import runs
from tools.cluster_chaos import CLIP, SMALL, Cluster, largest_critic_weight
from wgan_tf1 import config as configs
from wgan_tf1 import training
from wgan_tf1.distributed import cluster
from wgan_tf1.kernels import devices


def test_the_checksum_covers_what_all_processes_must_share(tiny):
  same = [tiny(), tiny(run_dir='elsewhere', save_every_steps=7)]
  other = [tiny(seed=1), tiny(generator_steps=7), tiny(data_fingerprint='f'), tiny('gp')]
  assert len({cluster._checksum(c) for c in same}) == 1
  assert len({cluster._checksum(c) for c in same + other}) == 1 + len(other)


def test_synchronous_processes_equal_one_process_with_the_whole_batch(tmp_path, monkeypatch):
  # Batch norm sees one process's part of the batch, as it sees one device's part within a process.
  monkeypatch.setattr(devices, 'towers', lambda num_gpus: ['/cpu:0', '/cpu:0'])
  flags = {'width': 2, 'critic_steps': 2, 'generator_steps': 3, 'dataset': 'digits', 'generator_norm': 'batch'}
  training.train(configs.make('blog-mnist', 'gp', batch_size=8, run_dir=str(tmp_path / 'one'), **flags))
  arguments = ['--%s=%s' % item for item in flags.items()] + ['--variant=gp', '--batch_size=4']
  with Cluster(tmp_path, {'chief': 1, 'worker': 1}, arguments) as both:
    both.start()
    assert both.statuses() == {'chief 0': 0, 'worker 0': 0}, both.everything()
  one, two = [runs.variables(str(tmp_path / name), 3) for name in ('one', 'run')]
  assert set(one) == set(two) and any('moving_mean' in name for name in one)
  # Batch norm cancels these biases: their gradients are rounding errors, of which Adam makes steps of any sign.
  for name in set(one) - {'generator/dense/biases', 'generator/dense/biases/Adam'}:
    np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_asynchronous_processes_make_the_right_number_of_updates(tmp_path):
  flags = SMALL + ['--generator_steps=20', '--save_every_steps=5']
  with Cluster(tmp_path, {'ps': 1, 'chief': 1, 'worker': 1}, flags) as three:
    three.start()
    assert three.statuses() == {'ps 0': 0, 'chief 0': 0, 'worker 0': 0}, three.everything()
    assert three.step() == 20
  values = runs.variables(three.run_dir, 20)
  assert values['global_step'] == 20 and values['critic_step'] >= 40
  assert 0 < largest_critic_weight(values) <= CLIP
  assert not {'settings', 'farewell'} & set(values)  # so that one process can resume the run


def test_a_synchronous_cluster_survives_a_kill_and_stops_as_one(tmp_path):
  flags = SMALL + ['--generator_steps=100000', '--save_every_steps=2']
  with Cluster(tmp_path, {'worker': 2}, flags) as two:
    two.start()
    two.wait(lambda: two.step() >= 4)
    before = two.step()
    two.kill('worker 1')
    two.start('worker 1')
    two.wait(lambda: two.printed('worker 1').count('generator steps') == 2 and two.step() > before + 2)
    two.kill('worker 1', signal.SIGTERM)
    assert set(two.statuses().values()) == {128 + signal.SIGTERM}, two.everything()
    assert 'lost worker 1 at' in two.printed('worker 0')
    assert 'Traceback' not in two.everything()
    stopped = [line.split(';')[0] for name in two.names for line in two.printed(name).splitlines() if 'Stopped' in line]
  assert len(stopped) == 2 and len(set(stopped)) == 1, stopped
  assert stopped[0].startswith('Stopped at generator step %d of' % two.step())
  assert 0 < largest_critic_weight(runs.variables(two.run_dir, two.step())) <= CLIP
