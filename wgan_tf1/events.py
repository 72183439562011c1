"""The file of events that TensorBoard reads, written by this thread.

TensorFlow's FileWriter leaves it to another thread: 1.15 says nothing of a disk that is full, 2.21 prints that thread's
traceback, and both go on writing to a file that was removed.
"""

import contextlib
import glob
import os
import re
import socket
import time

import tensorflow.compat.v1 as tf

# TensorBoard reads the files of a folder in the order of their names.
_NAME = re.compile(r'events\.out\.tfevents\.(\d+)')


@contextlib.contextmanager
def _os_errors():
  """Turns TensorFlow's errors into the system's: of its own they would look like those of training."""
  try:
    yield
  except tf.errors.OpError as e:
    raise OSError(e.message.split('\n')[0])


class EventWriter:
  """Writes summaries and the like to a new file in a run directory.

  Every method raises `OSError` if that cannot be done.
  """

  def __init__(self, run_dir, graph=None):
    """Begins a file, after those that are there by name, whatever the clock says.

    Args:
      run_dir: the directory; it is there.
      graph: `tf.Graph` to write first; None writes none.
    """
    self._run_dir = run_dir
    self._begin()
    if graph is not None:
      self._write(tf.Event(graph_def=graph.as_graph_def(add_shapes=True).SerializeToString()))

  def _begin(self):
    matches = map(_NAME.match, map(os.path.basename, glob.glob(os.path.join(glob.escape(self._run_dir), 'events*'))))
    second = max([int(time.time())] + [int(match.group(1)) + 1 for match in matches if match])
    self._path = os.path.join(self._run_dir, 'events.out.tfevents.%010d.%s' % (second, socket.gethostname()))
    with _os_errors():
      self._file = tf.python_io.TFRecordWriter(self._path)
    self._write(tf.Event(file_version='brain.Event:2'))
    self.flush()

  def _write(self, event):
    event.wall_time = time.time()
    with _os_errors():
      self._file.write(event.SerializeToString())

  def add_summary(self, summary, step):
    """Writes a `tf.Summary`, or the bytes of one."""
    if isinstance(summary, bytes):
      summary = tf.Summary.FromString(summary)
    self._write(tf.Event(summary=summary, step=step))

  def add_session_log(self, session_log, step):
    """Writes a `tf.SessionLog`."""
    self._write(tf.Event(session_log=session_log, step=step))

  def add_run_metadata(self, metadata, tag, step):
    """Writes a `tf.RunMetadata` under a tag that no other has."""
    tagged = tf.summary.TaggedRunMetadata(tag=tag, run_metadata=metadata.SerializeToString())
    self._write(tf.Event(tagged_run_metadata=tagged, step=step))

  def flush(self):
    """Hands what is held back to the system; if somebody removed the file, a new one is begun."""
    if not os.path.exists(self._path):
      self.close()
      self._begin()
    with _os_errors():
      self._file.flush()

  def close(self):
    with _os_errors():
      self._file.close()
