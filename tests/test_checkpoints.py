import os

import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1 import UserError
from wgan_tf1 import checkpoints


@pytest.fixture
def run(tmp_path):
  """A session with one variable of 1,000 numbers, its saver, and checkpoints of steps 1, 2 and 3 holding them."""
  with tf.Graph().as_default(), tf.Session() as session:
    v = tf.get_variable('v', [1000], use_resource=True)
    saver = tf.train.Saver(max_to_keep=3)
    for step in (1, 2, 3):
      v.load([float(step)] * 1000, session)
      checkpoints.save(session, saver, str(tmp_path), step)
    v.load([0.0] * 1000, session)
    yield session, tf.train.Saver(max_to_keep=3), v, tmp_path


def _edit(path, change):
  path.write_bytes(change(path.read_bytes()))


DATA = 'model-3.data-00000-of-00001'
DAMAGE = {
  'nothing': (lambda d: None, 3),
  'data cut': (lambda d: _edit(d / DATA, lambda b: b[:100]), 2),
  'data empty': (lambda d: _edit(d / DATA, lambda b: b''), 2),
  'data changed': (lambda d: _edit(d / DATA, lambda b: b[:50] + b'\0\0\0\0' + b[54:]), 2),
  'data gone': (lambda d: (d / DATA).unlink(), 2),
  'index cut': (lambda d: _edit(d / 'model-3.index', lambda b: b[:20]), 2),
  'index empty': (lambda d: _edit(d / 'model-3.index', lambda b: b''), 2),
  'index gone': (lambda d: (d / 'model-3.index').unlink(), 2),
  'all gone': (lambda d: [(d / DATA).unlink(), (d / 'model-3.index').unlink()], 2),
  'state gone': (lambda d: (d / 'checkpoint').unlink(), 3),
  'state torn': (lambda d: _edit(d / 'checkpoint', lambda b: b[:-5]), 3),
  'state binary': (lambda d: _edit(d / 'checkpoint', lambda b: b'\xff\xfe\0'), 3),
}


@pytest.mark.parametrize('damage', sorted(DAMAGE))
def test_the_newest_readable_checkpoint_is_restored_with_a_warning_for_each_newer(run, capsys, damage):
  session, saver, v, folder = run
  do, expected = DAMAGE[damage]
  do(folder)
  assert checkpoints.restore(session, saver, str(folder))
  assert set(session.run(v)) == {expected}
  warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith('warning: checkpoint')]
  assert len(warnings) == 3 - expected and all('model-3 cannot be read' in w for w in warnings)


def test_the_number_kept_counts_those_of_before(run):
  session, saver, _, folder = run
  checkpoints.restore(session, saver, str(folder))
  for step in (4, 5):
    checkpoints.save(session, saver, str(folder), step)
  assert list(checkpoints.paths(str(folder))) == [3, 4, 5]


def test_a_torn_checkpoint_is_replaced_when_its_step_comes_again(run):
  session, saver, v, folder = run
  _edit(folder / DATA, lambda b: b[:100])
  checkpoints.restore(session, saver, str(folder))
  v.load([3.5] * 1000, session)
  checkpoints.save(session, saver, str(folder), 3)
  v.load([0.0] * 1000, session)
  assert checkpoints.restore(session, saver, str(folder)) and set(session.run(v)) == {3.5}
  assert list(checkpoints.paths(str(folder))) == [1, 2, 3]


def test_where_none_can_be_read_nothing_is_started_anew(run):
  session, saver, _, folder = run
  for name in os.listdir(str(folder)):
    if '.data' in name:
      _edit(folder / name, lambda b: b[:10])
  with pytest.raises(UserError, match='no checkpoint in .* can be read'):
    checkpoints.restore(session, saver, str(folder))


def test_none_and_a_chosen_one(run, tmp_path):
  session, saver, v, folder = run
  assert checkpoints.restore(session, saver, str(folder), step=1) and set(session.run(v)) == {1}
  with pytest.raises(UserError, match='no checkpoint of step 7; it has: 1, 2, 3'):
    checkpoints.restore(session, saver, str(folder), step=7)
  (tmp_path / 'empty').mkdir()
  assert not checkpoints.restore(session, saver, str(tmp_path / 'empty'))
