import os
import resource
import time

import pytest
import tensorflow.compat.v1 as tf

from wgan_tf1.runs import events


def _summary(value):
  return tf.Summary(value=[tf.Summary.Value(tag='a', simple_value=value)])


def _read(run_dir):
  """Returns [list of events] of each file, in the order of their names."""
  return [
    list(tf.train.summary_iterator(os.path.join(str(run_dir), name))) for name in sorted(os.listdir(str(run_dir)))
  ]


def test_tensorboard_reads_what_is_written(tmp_path):
  with tf.Graph().as_default() as graph:
    tf.constant(1, name='one')
    writer = events.EventWriter(str(tmp_path), graph)
  writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), 5)
  writer.add_summary(_summary(1.5), 6)
  writer.add_summary(_summary(2.5).SerializeToString(), 7)
  writer.add_run_metadata(tf.RunMetadata(), 'run', 8)
  writer.close()
  (found,) = _read(tmp_path)
  assert found[0].file_version == 'brain.Event:2'
  assert tf.GraphDef.FromString(found[1].graph_def).node[0].name == 'one'
  kinds = [event.WhichOneof('what') for event in found[2:]]
  assert kinds == ['session_log', 'summary', 'summary', 'tagged_run_metadata']
  assert [event.step for event in found[2:]] == [5, 6, 7, 8] and found[4].summary.value[0].simple_value == 2.5
  assert all(abs(event.wall_time - time.time()) < 3600 for event in found)


def test_a_later_file_has_a_later_name_even_if_the_clock_is_set_back(tmp_path, monkeypatch):
  now = time.time()
  for i in range(3):
    monkeypatch.setattr(time, 'time', lambda i=i: now - 10000 * i)
    writer = events.EventWriter(str(tmp_path))
    writer.add_summary(_summary(i), i)
    writer.close()
  monkeypatch.undo()
  assert [found[1].step for found in _read(tmp_path)] == [0, 1, 2]


def test_a_new_file_follows_one_that_was_removed(tmp_path):
  writer = events.EventWriter(str(tmp_path))
  (name,) = os.listdir(str(tmp_path))
  os.remove(str(tmp_path / name))
  writer.add_summary(_summary(1), 1)  # lost
  writer.flush()
  writer.add_summary(_summary(2), 2)
  writer.close()
  (found,) = _read(tmp_path)
  assert [event.step for event in found] == [0, 2]


def test_a_full_disk_is_an_os_error(tmp_path):
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  writer = events.EventWriter(str(tmp_path))
  resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
  try:
    with pytest.raises(OSError, match='File too large'):
      for i in range(10000):
        writer.add_summary(_summary(i), i)
      writer.flush()
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
  with pytest.raises(OSError, match='No such file'):
    events.EventWriter(str(tmp_path / 'gone'))


@pytest.mark.parametrize('name', [b'lr[1e-4]', b'a\\b', b'a\nb', b'\xff'])
def test_a_run_directory_may_have_any_name(tmp_path, name):
  run_dir = os.path.join(str(tmp_path), os.fsdecode(name))
  os.mkdir(run_dir)
  writer = events.EventWriter(run_dir)
  writer.add_summary(_summary(1), 1)
  writer.close()
  (file_name,) = os.listdir(run_dir)
  os.rename(os.path.join(run_dir, file_name), str(tmp_path / 'plain'))
  assert [event.step for event in tf.train.summary_iterator(str(tmp_path / 'plain'))] == [0, 1]
