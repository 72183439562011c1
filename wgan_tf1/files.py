"""Atomic writes, names that TensorFlow can use, and file system errors as one-line messages. No TensorFlow here."""

import contextlib
import errno
import os
import re
import shlex
import stat
import subprocess
import tempfile
from typing import Any, BinaryIO, Iterator, List

from wgan_tf1.errors import UserError

_PLAIN = re.compile(r'[\w/.,=+@%:~ -]*\Z', re.ASCII)  # a path that TensorFlow uses as it is


def write_file(path: str, content: bytes) -> None:
  """Writes a file as `new_file` does.

  Raises:
    OSError: see `new_file`.
  """
  with new_file(path) as f:
    f.write(content)


@contextlib.contextmanager
def new_file(path: str) -> Iterator[BinaryIO]:
  """Yields a file to write to. After a crash `path` has either all that was written or what it had before.

  The directory is created if necessary. Symbolic links are followed, as other programs do.

  Raises:
    OSError: if the file cannot be written, or `path` is a directory, a device, a pipe or a socket.
  """
  path = resolved(path)
  os.makedirs(os.path.dirname(path), exist_ok=True)
  handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix='.writing-')  # whose name is never too long
  try:
    with os.fdopen(handle, 'wb') as f:
      yield f
      f.flush()
      os.fsync(f.fileno())  # without it a power cut may leave an empty file under the new name
    os.chmod(temporary, usual_mode())  # mkstemp lets only the owner read the file
    os.replace(temporary, path)
  except BaseException:
    os.remove(temporary)
    raise


def usual_mode() -> int:
  """Returns the permissions that a new file has."""
  mask = os.umask(0)
  os.umask(mask)
  return 0o666 & ~mask


def resolved(path: str) -> str:
  """Returns the absolute path of the file that `path` names, which may not exist yet, with symbolic links followed.

  Raises:
    OSError: if it is a directory, a device, a pipe or a socket: replacing one of these would destroy it.
  """
  with contextlib.suppress(FileNotFoundError):
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
      kinds = {stat.S_IFDIR: 'a directory', stat.S_IFIFO: 'a pipe', stat.S_IFSOCK: 'a socket'}
      raise OSError(errno.EINVAL, 'it is %s, not a file' % kinds.get(stat.S_IFMT(mode), 'a device'))
  link = path
  while True:  # /dev/stdout may lead to a file, which other processes write to; it would be replaced behind their backs
    folder = os.path.realpath(os.path.dirname(link))
    if folder in ('/dev', '/dev/fd') or folder.startswith('/proc/'):
      raise OSError(errno.EINVAL, 'it is a device, not a file')
    if not os.path.islink(link):
      return os.path.join(folder, os.path.basename(link))
    link = os.path.join(folder, os.readlink(link))


def numbered(folder: str, suffix: str) -> List[int]:
  """Returns the numbers N of the files that are called N and the suffix, in order; none if there is no folder."""
  names = os.listdir(folder) if os.path.isdir(folder) else []
  return sorted(int(name[: -len(suffix)]) for name in names if re.fullmatch('[0-9]+' + re.escape(suffix), name))


def pasted(word: str) -> str:
  """Returns a word of a command as the system's shell reads it, so that a printed command can be pasted."""
  return subprocess.list2cmdline([word]) if os.name == 'nt' else shlex.quote(word)


def is_name(name: str) -> bool:
  """Tells whether a file can have a name."""
  try:
    return b'\0' not in os.fsencode(name)
  except UnicodeError:
    return False


def portable_name(name: str) -> str:
  """Returns the name of a file as Python has it where the locale is UTF-8, also if it is not UTF-8 here."""
  return os.fsencode(name).decode('utf-8', 'surrogateescape')


def local_name(name: Any) -> Any:
  """Undoes `portable_name`. What is no name of a file stays as it is, to be refused by `Config`."""
  try:
    return os.fsdecode(name.encode('utf-8', 'surrogateescape'))
  except (AttributeError, UnicodeError):
    return name


@contextlib.contextmanager
def plain_folder(path: str) -> Iterator[str]:
  """Yields a path to an existing folder that TensorFlow can use: `with plain_folder(run_dir) as folder: ...`.

  TensorFlow takes a path for UTF-8, and one with [ or a backslash for a pattern of file names, also where it means one
  file. Such a folder is reached by a symbolic link in a temporary folder, which is removed at the end.

  Raises:
    OSError: if the link cannot be made.
  """
  # On Windows the backslash is a separator, brackets are no pattern, and names are Unicode.
  if os.name == 'nt' or _PLAIN.match(os.path.abspath(path)):
    yield path
    return
  places = [place for place in (tempfile.gettempdir(), '/tmp', '/var/tmp') if _PLAIN.match(place)]
  with tempfile.TemporaryDirectory(prefix='wgan-', dir=places[0]) as temporary:
    link = os.path.join(temporary, 'folder')
    os.symlink(os.path.abspath(path), link)
    yield link


@contextlib.contextmanager
def user_errors(problem: str, advice: str = '') -> Iterator[None]:
  """Turns an OSError of the block into a UserError: `with files.user_errors('%s cannot be read' % path): ...`.

  The message is 'PROBLEM: REASON' or 'PROBLEM: REASON. ADVICE', with the system's reason.
  """
  try:
    yield
  except OSError as e:
    raise UserError('%s: %s%s' % (problem, e.strerror or e, '. ' + advice if advice else '')) from e
