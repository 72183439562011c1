"""The event file that TensorBoard reads, written by the calling thread.

TensorFlow's FileWriter writes in another thread: on a full disk, 1.15 says nothing and 2.21 prints that thread's
traceback, and both keep writing to a file that was removed.
"""

import contextlib
import glob
import os
import re
import socket
import time
from typing import Any, Iterator, Optional, Set

import tensorflow.compat.v1 as tf

from wgan_tf1 import files

# TensorBoard reads the files of a folder in the order of their names.
_NAME = re.compile(r'events\.out\.tfevents\.(\d+)')


@contextlib.contextmanager
def _os_errors() -> Iterator[None]:
  """Turns TensorFlow's errors into `OSError`, so that they are not mistaken for errors of training."""
  try:
    yield
  except tf.errors.OpError as e:
    raise OSError(e.message.split('\n')[0]) from e


class EventWriter:
  """Writes summaries and the like to a new file in a run directory.

  Every method raises `OSError` if the file cannot be written.
  """

  def __init__(self, run_dir: str, graph: Optional[Any] = None):
    """Begins a file whose name sorts after the existing ones, whatever the clock says.

    Args:
      run_dir: an existing directory.
      graph: `tf.Graph` to write first; None writes none.
    """
    self._run_dir = run_dir
    self._begin()
    if graph is not None:
      self._write(tf.Event(graph_def=graph.as_graph_def(add_shapes=True).SerializeToString()))

  def _begin(self) -> None:
    names = map(os.path.basename, glob.glob(os.path.join(glob.escape(self._run_dir), 'events*')))
    seconds = [int(match.group(1)) for match in map(_NAME.match, names) if match]
    second = max([int(time.time())] + [s + 1 for s in seconds])
    self._path = os.path.join(self._run_dir, 'events.out.tfevents.%010d.%s' % (second, socket.gethostname()))
    self._described: Set[str] = set()  # tags whose metadata are in the file
    with _os_errors(), files.plain_folder(self._run_dir) as folder:  # an open file needs its name no longer
      self._file = tf.python_io.TFRecordWriter(os.path.join(folder, os.path.basename(self._path)))
    self._write(tf.Event(file_version='brain.Event:2'))
    self.flush()

  def _write(self, event: Any) -> None:
    event.wall_time = time.time()
    with _os_errors():
      self._file.write(event.SerializeToString())

  def add_summary(self, summary: Any, step: int) -> None:
    """Writes a `tf.Summary`, or the bytes of one."""
    summary = tf.Summary.FromString(summary if isinstance(summary, bytes) else summary.SerializeToString())
    for value in summary.value:
      # TensorBoard keeps the first metadata of a tag, so a file has them once, as those of TensorFlow's writers.
      if value.tag in self._described:
        value.ClearField('metadata')
      elif value.HasField('metadata'):
        self._described.add(value.tag)
    self._write(tf.Event(summary=summary, step=step))

  def add_session_log(self, session_log: Any, step: int) -> None:
    """Writes a `tf.SessionLog`."""
    self._write(tf.Event(session_log=session_log, step=step))

  def add_run_metadata(self, metadata: Any, tag: str, step: int) -> None:
    """Writes a `tf.RunMetadata` under a tag that no other one has."""
    tagged = tf.summary.TaggedRunMetadata(tag=tag, run_metadata=metadata.SerializeToString())
    self._write(tf.Event(tagged_run_metadata=tagged, step=step))

  def flush(self) -> None:
    """Hands what is buffered to the system. If somebody removed the file, a new one is begun."""
    if not os.path.exists(self._path):
      self.close()
      self._begin()
    with _os_errors():
      self._file.flush()

  def close(self) -> None:
    with _os_errors():
      self._file.close()
