"""Several processes that train one run: small clusters on this machine; cluster_chaos.py has the larger ones."""

import json
import queue
import signal
import socket
import threading

import numpy as np
import pytest

from tests import cluster_chaos
from tests.cluster_chaos import SMALL
from tests.cluster_chaos import Cluster
from wgan_tf1 import UserError
from wgan_tf1 import cluster
from wgan_tf1 import config as configs
from wgan_tf1 import peers
from wgan_tf1 import training


def _place(**settings):
  return peers.place({'TF_CONFIG': json.dumps(settings)})


def test_place_of_each_process():
  jobs = {'ps': ['a:1'], 'worker': ['b:2', '[::1]:3'], 'chief': ['c:4']}
  where = _place(cluster=jobs, task={'type': 'worker', 'index': 1}, environment='cloud')
  assert where.trainers() == ['chief 0', 'worker 0', 'worker 1']
  assert (where.name(), where.address('worker 1'), where.device('ps 0')) == (
    'worker 1', '[::1]:3', '/job:ps/replica:0/task:0',
  )  # fmt: skip
  assert _place(cluster={'worker': ['b:2', 'b:3']}, task={'type': 'worker', 'index': 1}).trainers()[0] == 'worker 0'
  assert peers.place({}) is None
  assert _place(cluster={'worker': ['b:2']}, task={'type': 'worker', 'index': 0}) is None  # one is no cluster


@pytest.mark.parametrize(
  'words, settings',
  [
    ('needs a cluster and a task', {'task': {'type': 'worker', 'index': 0}}),
    ('needs a cluster and a task', {'cluster': {'worker': ['b:2', 'b:3']}}),
    ("has the job 'master'", {'cluster': {'master': ['b:2']}, 'task': {}}),
    ('has no list of addresses for worker', {'cluster': {'worker': 'b:2'}, 'task': {}}),
    ('has no list of addresses for worker', {'cluster': {'worker': []}, 'task': {}}),
    ("has the address 'b' for worker", {'cluster': {'worker': ['b']}, 'task': {}}),
    ("has the address 'b:70000' for worker", {'cluster': {'worker': ['b:70000']}, 'task': {}}),
    ('has the address 2 for worker', {'cluster': {'worker': [2]}, 'task': {}}),
    ('has the address b:2 twice', {'cluster': {'worker': ['b:2'], 'ps': ['b:2']}, 'task': {}}),
    ('has 2 chiefs', {'cluster': {'chief': ['b:2', 'b:3']}, 'task': {}}),
    ('has nobody to train', {'cluster': {'ps': ['b:2']}, 'task': {'type': 'ps', 'index': 0}}),
    ("has the task type 'evaluator'", {'cluster': {'worker': ['b:2']}, 'task': {'type': 'evaluator', 'index': 0}}),
    ('has the task index 1', {'cluster': {'worker': ['b:2']}, 'task': {'type': 'worker', 'index': 1}}),
    ("has the task index '0'", {'cluster': {'worker': ['b:2']}, 'task': {'type': 'worker', 'index': '0'}}),
  ],
)
def test_a_mistake_in_tf_config_is_one_line(words, settings):
  with pytest.raises(UserError, match=r'^TF_CONFIG %s.*: .' % words):
    _place(**settings)


def test_tf_config_that_is_no_json():
  with pytest.raises(UserError, match='^TF_CONFIG is no JSON'):
    peers.place({'TF_CONFIG': '{cluster'})


def _listen(port=0):
  server = socket.socket()
  server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  server.bind(('127.0.0.1', port))
  server.listen(5)
  return server, server.getsockname()[1]


def _two(port):
  return peers.Place({'worker': ['127.0.0.1:1', '127.0.0.1:%d' % port]}, 'worker', 0)


def test_one_that_does_not_come_is_named():
  server, port = _listen()
  with server:
    peers.wait_for(_two(port), ['worker 1'], 0)
  with pytest.raises(UserError, match='worker 1 at 127.0.0.1:%d has not come in time' % port):
    peers.wait_for(_two(port), ['worker 1'], 0)


def test_a_port_that_is_taken_is_one_line():
  server, port = _listen()
  with server, pytest.raises(UserError, match='port %d, which TF_CONFIG gives worker 1, cannot be had' % port):
    cluster._start_server(_two(port)._replace(index=1), None)


def test_coming_and_going_is_told():
  told = queue.Queue()
  server, port = _listen()
  peers.watch('127.0.0.1:%d' % port, told.put, there=False)
  assert told.get(timeout=60) is True
  connection, _ = server.accept()
  server.close()
  connection.close()
  assert told.get(timeout=60) is False
  with _listen(port)[0]:
    assert told.get(timeout=60) is True


def test_an_update_that_a_lost_process_blocks_is_given_up(monkeypatch):
  monkeypatch.setattr(cluster, '_GRACE', 0.1)
  member = cluster._Member.__new__(cluster._Member)
  member._where, member._lost = _two(1), []
  assert member._guarded(max, 1, 2) == 2
  with pytest.raises(ZeroDivisionError):
    member._guarded(divmod, 1, 0)
  never = threading.Event()
  threading.Timer(0.1, member._lost.append, ['worker 1']).start()
  with pytest.raises(cluster.PeerLost, match='worker 1 at 127.0.0.1:1 has gone'):
    member._guarded(never.wait)
  assert member._guarded(max, 1, 2) == 2  # what ends by itself is as good as ever
  never.set()


def test_what_all_processes_must_have_alike(tiny):
  same = [tiny(), tiny(run_dir='elsewhere', save_every_steps=7)]
  other = [tiny(seed=1), tiny(generator_steps=7), tiny(data_fingerprint='f'), tiny('gp')]
  assert len({cluster._checksum(c) for c in same}) == 1
  assert len({cluster._checksum(c) for c in same + other}) == 1 + len(other)


@pytest.mark.parametrize(
  'variant, flags, devices',
  [
    ('gp', {}, ['']),
    # Each process has batch norm on its own part, as each device of one process has.
    ('clip', {'generator_norm': 'batch'}, ['/cpu:0', '/cpu:0']),
  ],
)
def test_synchronous_processes_equal_one_of_their_whole_batch(tmp_path, monkeypatch, variant, flags, devices):
  flags = dict(flags, width=2, critic_steps=2, generator_steps=3, dataset='digits')
  monkeypatch.setattr(training, '_devices', lambda config: devices)
  training.train(configs.make('blog-mnist', variant, batch_size=8, run_dir=str(tmp_path / 'one'), **flags))
  arguments = ['--%s=%s' % item for item in flags.items()] + ['--variant=' + variant, '--batch_size=4']
  with Cluster(tmp_path, {'chief': 1, 'worker': 1}, arguments) as both:
    both.start()
    assert both.statuses() == {'chief 0': 0, 'worker 0': 0}, both.everything()
  one, two = [cluster_chaos.variables(str(tmp_path / name), 3) for name in ('one', 'run')]
  assert set(one) == set(two)
  for name in one:
    np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_asynchronous_processes_make_the_right_number_of_updates(tmp_path):
  flags = SMALL + ['--generator_steps=20', '--save_every_steps=5']
  with Cluster(tmp_path, {'ps': 1, 'chief': 1, 'worker': 1}, flags) as three:
    three.start()
    assert three.statuses() == {'ps 0': 0, 'chief 0': 0, 'worker 0': 0}, three.everything()
    assert three.step() == 20
  values = cluster_chaos.variables(str(tmp_path / 'run'), 20)
  assert values['global_step'] == 20 and values['critic_step'] >= 40
  assert 0 < cluster_chaos.largest_critic_weight(values) <= 0.01
  assert not {'settings', 'farewell'} & set(values)  # one process goes on from it


def test_a_synchronous_cluster_goes_on_without_loss_and_stops_as_one(tmp_path):
  flags = SMALL + ['--generator_steps=100000', '--save_every_steps=2']
  with Cluster(tmp_path, {'worker': 2}, flags) as two:
    two.start()
    two.wait(lambda: two.step() >= 4)
    before = two.step()
    two.kill('worker 1')
    two.start('worker 1')
    two.wait(lambda: 'generator steps' in two.printed('worker 1')[1:] and two.step() > before + 2)
    two.kill('worker 1', signal.SIGTERM)
    assert set(two.statuses().values()) == {128 + signal.SIGTERM}, two.everything()
    assert 'worker 1 at' in two.printed('worker 0') and 'Starting again' in two.printed('worker 0')
    assert 'Traceback' not in two.everything()
    stopped = [line.split(';')[0] for name in two.names for line in two.printed(name).splitlines() if 'Stopped' in line]
  assert len(stopped) == 2 and len(set(stopped)) == 1, stopped
  assert stopped[0].startswith('Stopped at generator step %d of' % two.step())
