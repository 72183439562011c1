import functools
import os
import re
import resource

import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1.errors import UserError
from wgan_tf1.runs import checkpoints, directory


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
  'state cut': (lambda d: _edit(d / 'checkpoint', lambda b: b[:-5]), 3),
  'state binary': (lambda d: _edit(d / 'checkpoint', lambda b: b'\xff\xfe\0'), 3),
  'state of elsewhere': (lambda d: _edit(d / 'checkpoint', lambda b: b.replace(b'model-3', b'../../model-3')), 3),
  'killed before the index': (lambda d: [(d / 'model-3.index').unlink(), _state_of_two(d)], 2),
}


def _state_of_two(folder):
  _edit(folder / 'checkpoint', lambda b: b.replace(b'all_model_checkpoint_paths: "model-3"', b'').replace(b'-3', b'-2'))


def _cut(name, tenths, folder):
  _edit(folder / name, lambda content: content[: len(content) * tenths // 10])


# A process that dies while it writes, or a full disk, leaves such files.
for tenth in range(10):
  DAMAGE['index to %d tenths' % tenth] = (functools.partial(_cut, 'model-3.index', tenth), 2)
  DAMAGE['data to %d tenths' % tenth] = (functools.partial(_cut, DATA, tenth), 2)


@pytest.mark.parametrize('damage', sorted(DAMAGE))
def test_the_newest_readable_checkpoint_is_restored_with_a_warning_for_each_newer(run, capsys, damage):
  session, saver, v, folder = run
  do, expected = DAMAGE[damage]
  do(folder)
  assert checkpoints.restore(session, saver, str(folder))
  assert set(session.run(v)) == {expected}
  warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith('warning: checkpoint')]
  silent = damage == 'killed before the index'  # nothing names the checkpoint
  assert len(warnings) == (0 if silent else 3 - expected)
  assert all(re.search('model-3 cannot be read: .*[a-z]{3}', w) and 'Graph execution' not in w for w in warnings)


def test_earlier_checkpoints_count_among_those_that_are_kept(run):
  session, saver, _, folder = run
  checkpoints.restore(session, saver, str(folder))
  for step in (4, 5):
    checkpoints.save(session, saver, str(folder), step)
  assert list(directory.checkpoint_paths(str(folder))) == [3, 4, 5]


def test_a_damaged_checkpoint_is_replaced_when_its_step_is_saved_again(run):
  session, saver, v, folder = run
  _edit(folder / DATA, lambda b: b[:100])
  checkpoints.restore(session, saver, str(folder))
  v.load([3.5] * 1000, session)
  checkpoints.save(session, saver, str(folder), 3)
  v.load([0.0] * 1000, session)
  assert checkpoints.restore(session, saver, str(folder)) and set(session.run(v)) == {3.5}
  assert list(directory.checkpoint_paths(str(folder))) == [1, 2, 3]


def test_a_run_is_not_started_over_if_no_checkpoint_can_be_read(run):
  session, saver, _, folder = run
  for name in os.listdir(str(folder)):
    if '.data' in name:
      _edit(folder / name, lambda b: b[:10])
  with pytest.raises(UserError, match='no checkpoint in .* can be read. Restore one, or'):
    checkpoints.restore(session, saver, str(folder))


def test_a_chosen_step_and_a_folder_without_checkpoints(run, tmp_path):
  session, saver, v, folder = run
  assert checkpoints.restore(session, saver, str(folder), step=1) and set(session.run(v)) == {1}
  with pytest.raises(UserError, match='no checkpoint of step 7; it has: 1, 2, 3'):
    checkpoints.restore(session, saver, str(folder), step=7)
  (tmp_path / 'empty').mkdir()
  assert not checkpoints.restore(session, saver, str(tmp_path / 'empty'))


def test_an_intact_checkpoint_is_never_overwritten(run):
  """Its two files cannot be replaced at once: a process killed in between would destroy it."""
  session, saver, v, folder = run
  checkpoints.restore(session, saver, str(folder))
  before = {name: (folder / name).stat().st_mtime_ns for name in os.listdir(str(folder))}
  v.load([3.5] * 1000, session)
  checkpoints.save(session, saver, str(folder), 3)
  assert {name: (folder / name).stat().st_mtime_ns for name in os.listdir(str(folder))} == before
  checkpoints.save(session, saver, str(folder), 4)
  assert checkpoints.restore(session, saver, str(folder)) and set(session.run(v)) == {3.5}


def test_the_newest_checkpoint_has_the_most_steps_whatever_the_clock_said(run):
  session, saver, v, folder = run
  for name in os.listdir(str(folder)):
    if 'model-3' in name:
      os.utime(str(folder / name), (0, 10**9))
  checkpoints.restore(session, saver, str(folder))
  assert set(session.run(v)) == {3}
  checkpoints.save(session, saver, str(folder), 4)
  assert list(directory.checkpoint_paths(str(folder))) == [2, 3, 4]


@pytest.fixture
def largest_file():
  """Limits the bytes that this process may write to one file, as a full disk would; None lifts the limit."""
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (before[0] if most is None else most, before[1]))
  resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_harms_no_checkpoint(run, largest_file):
  session, saver, v, folder = run
  before = {name: (folder / name).read_bytes() for name in os.listdir(str(folder))}
  v.load([4.0] * 1000, session)
  largest_file(1000)
  with pytest.raises(
    UserError, match='checkpoint of step 4 cannot be written to run_dir=.* [(].*too large.*[)]. Fix'
  ) as e:
    checkpoints.save(session, saver, str(folder), 4)
  largest_file(None)
  assert len(str(e.value).splitlines()) == 1 and 'Graph execution' not in str(e.value)
  assert {name: (folder / name).read_bytes() for name in os.listdir(str(folder))} == before
  checkpoints.save(session, saver, str(folder), 4)
  assert checkpoints.restore(session, tf.train.Saver(), str(folder)) and set(session.run(v)) == {4}


def test_a_run_directory_that_is_gone_is_one_line(run, tmp_path):
  session, saver, _, _ = run
  (tmp_path / 'file').write_text('in the way')
  with pytest.raises(UserError, match='step 4 cannot be written to run_dir=.*file [(]'):
    checkpoints.save(session, saver, str(tmp_path / 'file'), 4)


def test_the_unfinished_files_of_a_killed_process_are_removed(run):
  _, _, _, folder = run
  (folder / 'model-7.data-00000-of-00001.tempstate123').write_text('unfinished')
  before = set(os.listdir(str(folder)))
  checkpoints.remove_unfinished(str(folder))
  assert before - set(os.listdir(str(folder))) == {'model-7.data-00000-of-00001.tempstate123'}


def test_the_checkpoint_of_other_networks_is_refused(run):
  _, _, _, folder = run
  with tf.Graph().as_default(), tf.Session() as session:
    tf.get_variable('v', [7], use_resource=True)
    with pytest.raises(
      UserError, match=r'model-3 does not match its config.json: v has shape \[1000\], expected \[7\]'
    ):
      checkpoints.restore(session, tf.train.Saver(), str(folder))


NAMES = [
  'lr[1e-4]',
  '[run]',
  '[!r]',
  'a*b',
  'a?b',
  'a{b,c}',
  'a\\b',
  'a\\[b',
  'a\nb',
  "a'b",
  'a"b',
  'a b',
  'ü',
  'a$b&c;d',
  os.fsdecode(b'\xff\xfe'),
]


@pytest.mark.parametrize('name', NAMES)
def test_a_run_directory_may_have_any_name(tmp_path, name):
  folder = tmp_path / name / 'run'
  folder.mkdir(parents=True)
  with tf.Graph().as_default(), tf.Session() as session:
    v = tf.get_variable('v', [3], use_resource=True)
    saver = tf.train.Saver(max_to_keep=2)
    for step in (1, 2, 3):
      v.load([float(step)] * 3, session)
      checkpoints.save(session, saver, str(folder), step)
    assert list(directory.checkpoint_paths(str(folder))) == [2, 3]
    saver = tf.train.Saver(max_to_keep=2)
    assert checkpoints.restore(session, saver, str(folder), step=2) and set(session.run(v)) == {2}
    assert checkpoints.restore(session, saver, str(folder)) and set(session.run(v)) == {3}
    checkpoints.save(session, saver, str(folder), 3)  # exists already
    checkpoints.save(session, saver, str(folder), 4)
  kept = ['model-%d.%s' % (step, part) for step in (3, 4) for part in ('data-00000-of-00001', 'index')]
  assert sorted(os.listdir(str(folder))) == ['checkpoint', *kept]
  assert os.listdir(str(tmp_path)) == [name]  # nothing was written to what the name would mean as a pattern


def test_a_message_names_the_run_directory_that_was_given(tmp_path, capsys):
  folder = tmp_path / 'lr[1e-4]'
  folder.mkdir()
  with tf.Graph().as_default(), tf.Session() as session:
    tf.get_variable('v', [3], use_resource=True)
    saver = tf.train.Saver()
    for step in (1, 2):
      session.run(tf.global_variables_initializer())
      checkpoints.save(session, saver, str(folder), step)
    (folder / 'model-2.data-00000-of-00001').unlink()
    assert checkpoints.restore(session, saver, str(folder))
  err = capsys.readouterr().err
  assert 'checkpoint %s cannot be read' % (folder / 'model-2') in err and 'wgan-' not in err
