"""Atomic writes, and file system errors as one-line messages. No TensorFlow here."""

import contextlib
import os
import tempfile
from typing import Iterator

from wgan_tf1.errors import UserError


def write_file(path: str, content: bytes) -> None:
  """Writes a file atomically: after a crash `path` has either all of `content` or what it had before.

  The directory is created if necessary.

  Raises:
    OSError: if the file cannot be written.
  """
  os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
  handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or '.', prefix=os.path.basename(path))
  try:
    with os.fdopen(handle, 'wb') as f:
      f.write(content)
      f.flush()
      os.fsync(f.fileno())  # without it a power cut may leave an empty file under the new name
    os.chmod(temporary, 0o666 & ~_umask())  # mkstemp lets only the owner read the file
    os.replace(temporary, path)
  except BaseException:
    os.remove(temporary)
    raise


def _umask():
  mask = os.umask(0)
  os.umask(mask)
  return mask


@contextlib.contextmanager
def user_errors(problem: str, advice: str = '') -> Iterator[None]:
  """Turns an OSError of the block into a UserError: `with files.user_errors('%s cannot be read' % path): ...`.

  The message is 'PROBLEM: REASON' or 'PROBLEM: REASON. ADVICE', with the system's reason.
  """
  try:
    yield
  except OSError as e:
    raise UserError('%s: %s%s' % (problem, e.strerror or e, '. ' + advice if advice else '')) from e
