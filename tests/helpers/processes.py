"""Runs the scripts: as people do, in processes; or faster, inside this process, where TensorFlow is loaded already.

A folder is the current directory of a run. Nothing is downloaded, and settings of the environment do not count.
"""

import contextlib
import io
import os
import runpy
import subprocess
import sys
import traceback
import urllib.request
from typing import Any, Dict, List, Tuple
from unittest import mock

from absl import app, flags

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECONDS = 300  # for a process to end
_REMOVED = ('WGAN_DATA_DIR', 'TF_CPP_MIN_LOG_LEVEL', 'TF_CONFIG', 'no_proxy')


def environment(**changes: str) -> Dict[str, str]:
  """Returns the environment of a process: proxies that refuse, no setting of ours, and the changes."""
  kept = {name: value for name, value in os.environ.items() if name not in _REMOVED}
  proxies = dict.fromkeys(('HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'), 'http://127.0.0.1:9')
  return {**kept, **proxies, **changes}


def start(folder: Any, *arguments: str, **changes: str) -> Any:
  """Starts Python in a folder: `start(folder, 'train.py', '--seed=1')`, or '-c' or '-m' and what follows.

  Returns:
    The process, whose standard output and standard error are read as UTF-8.
  """
  command = [sys.executable, *_with_path(arguments)]
  pipes: Dict[str, Any] = dict(
    stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8', errors='surrogateescape'
  )
  return subprocess.Popen(command, cwd=str(folder), env=environment(**changes), **pipes)


def run(folder: Any, *arguments: str, status: int = 0, **changes: str) -> Tuple[str, str]:
  """Runs Python to its end, which must be with this exit status; returns (standard output, standard error)."""
  process = start(folder, *arguments, **changes)
  try:
    out, err = process.communicate(timeout=SECONDS)
  finally:
    process.kill()
  assert process.returncode == status, (process.returncode, out, err)
  return out, err


def run_here(folder: Any, script: str, *arguments: str, status: int = 0, **changes: str) -> Tuple[str, str]:
  """Does what `run` does with a script, inside this process."""
  streams = [io.TextIOWrapper(io.BytesIO(), 'utf-8', write_through=True) for _ in range(2)]
  before = os.getcwd()
  app.define_help_flags()  # absl does so once in a process
  known = set(flags.FLAGS)
  changes.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # with it, console.quiet_tensorflow holds nothing back
  with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]), contextlib.ExitStack() as stack:
    stack.enter_context(mock.patch.dict(os.environ, environment(**changes), clear=True))
    stack.enter_context(mock.patch.object(sys, 'argv', _with_path([script, *arguments])))
    stack.enter_context(mock.patch.object(urllib.request, '_opener', None))  # it keeps the proxies of its first use
    stack.callback(os.chdir, before)
    os.chdir(str(folder))
    try:
      runpy.run_path(sys.argv[0], run_name='__main__')
      returned: Any = 0
    except SystemExit as e:
      returned = e.code or 0
    except Exception:
      traceback.print_exc()
      returned = 1
    finally:
      for name in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, name)
      flags.FLAGS.unparse_flags()
  out, err = [stream.buffer.getvalue().decode('utf-8') for stream in streams]  # type: ignore[attr-defined]
  assert returned == status, (returned, out, err)
  return out, err


def refused(folder: Any, *arguments: str, here: bool = False, **changes: str) -> str:
  """Runs a script that must exit with status 2 and one line on standard error; returns that line."""
  out, err = (run_here if here else run)(folder, *arguments, status=2, **changes)
  assert 'Traceback' not in out + err
  assert len(err.strip().splitlines()) == 1, err
  return err


def _with_path(arguments: Any) -> List[str]:
  first, *others = arguments
  return [os.path.join(ROOT, first) if first.endswith('.py') else first, *others]
