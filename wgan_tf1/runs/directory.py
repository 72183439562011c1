"""A run directory: its lock, its config.json, the names of its files. No TensorFlow here."""

import contextlib
import dataclasses
import os
import re
import tempfile
from typing import Dict, Iterator, Optional

import filelock

from wgan_tf1 import config as configs
from wgan_tf1 import files
from wgan_tf1.config import Config
from wgan_tf1.errors import UserError

_INDEX = re.compile(r'model-(\d+)\.index\Z')
_STATE = re.compile(rb'all_model_checkpoint_paths: "(?:.*/)?model-(\d+)"')  # TensorFlow's text format, escaped


@contextlib.contextmanager
def writing(run_dir: str) -> Iterator[None]:
  """Turns an error of the file system into a `UserError`."""
  try:
    yield
  except OSError as e:
    raise UserError(
      'run_dir=%s cannot be written: %s. Fix this, then run the same command to resume' % (run_dir, e)
    ) from e


@contextlib.contextmanager
def only_process(run_dir: str) -> Iterator[None]:
  """Makes the run directory, and keeps every other training process out of it.

  The lock is the system's: it ends with the process, however that ends. Where the system has none, the lock is a file
  that a killed process leaves behind. A file system without locks keeps nobody out.

  Raises:
    UserError: if another process trains in it, or it cannot be written.
  """
  with writing(run_dir):
    os.makedirs(run_dir, exist_ok=True)
  soft = filelock.FileLock is filelock.SoftFileLock  # neither of the modules fcntl and msvcrt exists
  path = os.path.realpath(os.path.join(run_dir, '.lock-exists' if soft else '.lock'))  # filelock refuses links
  lock = filelock.FileLock(path, timeout=0, mode=files.usual_mode())
  taken = False
  with writing(run_dir), contextlib.suppress(NotImplementedError):  # a file system without locks
    try:
      lock.acquire()
    except filelock.Timeout:  # an OSError, too
      taken = soft or _has_locks(run_dir)
  if taken:
    advice = 'Wait for it, stop it, or use another --run_dir' + soft * ('. If there is none, delete %s' % path)
    raise UserError('another process is training in %s. %s' % (run_dir, advice))
  try:
    yield
  finally:
    lock.release()


def _has_locks(folder: str) -> bool:
  """Tells whether the file system of a folder has locks: filelock reports some without as a file that is locked."""
  with tempfile.TemporaryDirectory(dir=folder, prefix='.lock-') as temporary:
    try:
      with filelock.FileLock(os.path.join(temporary, 'new'), timeout=0):
        return True
    except (filelock.Timeout, NotImplementedError):
      return False


def checkpoint_paths(run_dir: str) -> Dict[int, str]:
  """Returns {step: path prefix} of the checkpoints in `run_dir`, oldest first.

  It lists those that TensorFlow's state file names, even if their files are missing, and those whose index file exists.
  """
  steps = {int(match.group(1)) for match in map(_INDEX.match, os.listdir(run_dir)) if match}
  with contextlib.suppress(OSError), open(os.path.join(run_dir, 'checkpoint'), 'rb') as f:
    steps.update(map(int, _STATE.findall(f.read())))
  return {step: os.path.join(run_dir, 'model-%d' % step) for step in sorted(steps)}


def checkpoint_path(run_dir: str, step: int) -> str:
  """Returns the path of one checkpoint.

  Raises:
    UserError: if that step has none.
  """
  found = checkpoint_paths(run_dir)
  if step not in found:
    steps = ', '.join(map(str, found)) or 'none'
    raise UserError('%s has no checkpoint of step %d; it has: %s' % (run_dir, step, steps))
  return found[step]


def existing_step(run_dir: str, step: Optional[int] = None) -> int:
  """Returns a step that has a checkpoint: the one that is given, else the newest.

  Raises:
    UserError: if it has none, or there is no checkpoint at all.
  """
  found = checkpoint_paths(run_dir)
  if not found:
    raise UserError('%s has no checkpoint yet. Train it for longer' % run_dir)
  if step is None:
    return max(found)
  checkpoint_path(run_dir, step)
  return step


def previous(config: Config) -> Optional[Config]:
  """Returns the `Config` of the run in `config.run_dir`, or None if there is no run yet.

  Raises:
    UserError: if it cannot be read, or there are checkpoints without a config.json.
  """
  if os.path.exists(os.path.join(config.run_dir, 'config.json')):
    return configs.load(config.run_dir)
  if os.path.isdir(config.run_dir) and checkpoint_paths(config.run_dir):
    raise UserError('%s has checkpoints but no config.json. Restore it, or use another --run_dir' % config.run_dir)
  return None


def resumed(old: Optional[Config], config: Config) -> Config:
  """Returns `config` with what the data decided when the run was started; `config` itself for a new run.

  `auto` stays what it was at the start: a download that works by now does not change a run.

  Raises:
    UserError: if `config` would make it another run.
  """
  if old is None:
    return config
  if config.fallback_dataset:
    config = dataclasses.replace(config, dataset=old.dataset, fallback_dataset=None)
  config = dataclasses.replace(config, vocabulary=old.vocabulary, xla=old.xla if config.xla == 'auto' else config.xla)
  if config.init_from is not None and config.init_step is None:
    config = dataclasses.replace(config, init_step=old.init_step)
  configs.check_same_run(old, config)
  return config


def write_config(config: Config) -> None:
  """Writes config.json."""
  with writing(config.run_dir):
    files.write_file(os.path.join(config.run_dir, 'config.json'), configs.to_json(config).encode())


def sample_path(config: Config, step: int) -> str:
  """Returns where the samples of a generator step are."""
  suffix = 'txt' if config.form == 'text' else 'png'
  return os.path.join(config.run_dir, 'samples', '%d.%s' % (step, suffix))
