import json
from typing import Any

import pytest

from wgan_tf1.distributed import tf_config
from wgan_tf1.errors import UserError


def _place(**settings: Any) -> Any:
  return tf_config.place({'TF_CONFIG': json.dumps(settings)})


def test_place_of_each_process():
  jobs = {'ps': ['a:1'], 'worker': ['b:2', '[::1]:3'], 'chief': ['c:4']}
  where = _place(cluster=jobs, task={'type': 'worker', 'index': 1}, environment='cloud')
  assert where.trainers() == ['chief 0', 'worker 0', 'worker 1'] and where.servers() == ['ps 0']
  assert where.name() == 'worker 1'
  assert where.address('worker 1') == '[::1]:3'
  assert where.device('ps 0') == '/job:ps/replica:0/task:0'
  assert _place(cluster={'worker': ['b:2', 'b:3']}, task={'type': 'worker', 'index': 1}).trainers()[0] == 'worker 0'


def test_one_process_is_no_cluster():
  assert tf_config.place({}) is None
  assert _place(cluster={'worker': ['b:2']}, task={'type': 'worker', 'index': 0}) is None


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
    ('has no process that trains', {'cluster': {'ps': ['b:2']}, 'task': {'type': 'ps', 'index': 0}}),
    ("has the task type 'evaluator'", {'cluster': {'worker': ['b:2']}, 'task': {'type': 'evaluator', 'index': 0}}),
    (r'has the task type \[\]', {'cluster': {'worker': ['b:2']}, 'task': {'type': [], 'index': 0}}),
    ('has the task index 1', {'cluster': {'worker': ['b:2']}, 'task': {'type': 'worker', 'index': 1}}),
    ("has the task index '0'", {'cluster': {'worker': ['b:2']}, 'task': {'type': 'worker', 'index': '0'}}),
  ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(words, settings):
  with pytest.raises(UserError, match=r'^TF_CONFIG %s.*\. [A-Z].+$' % words):
    _place(**settings)


def test_invalid_json():
  with pytest.raises(UserError, match=r'^TF_CONFIG is not valid JSON .*\. Write it like {"cluster"'):
    tf_config.place({'TF_CONFIG': '{cluster'})
