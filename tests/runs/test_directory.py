import errno
import os
import subprocess
import sys

import filelock
import pytest

from tests.helpers.processes import refused, run
from wgan_tf1 import config as configs
from wgan_tf1 import training
from wgan_tf1.errors import UserError
from wgan_tf1.runs import directory

# A process on a system without the module fcntl, as Windows is. There msvcrt locks; here nothing is left but a file.
WITHOUT_FCNTL = """
import sys
sys.modules['fcntl'] = None
import filelock
assert filelock.FileLock is filelock.SoftFileLock
from wgan_tf1 import config, training
from wgan_tf1.errors import UserError
try:
  training.train(config.make('toy-8gaussians', 'clip', width=2, batch_size=4, critic_steps=1, generator_steps=1,
                             run_dir=sys.argv[1]))
except UserError as e:
  sys.exit('refused: %s' % e)
"""


def test_training_needs_no_fcntl(tmp_path):
  def train():
    command = [sys.executable, '-c', WITHOUT_FCNTL, str(tmp_path)]
    return subprocess.run(command, capture_output=True, text=True)

  lock = tmp_path / '.lock-exists'
  lock.write_text('')  # of another process, or of one that was killed
  done = train()
  assert done.returncode == 1 and list(directory.checkpoint_paths(str(tmp_path))) == []
  expected = 'refused: another process is training in %s. Wait for it, stop it, or use another --run_dir. ' % tmp_path
  assert done.stderr.splitlines()[-1] == expected + 'If there is none, delete %s' % os.path.realpath(str(lock))
  lock.unlink()
  done = train()
  assert done.returncode == 0, done.stderr
  assert list(directory.checkpoint_paths(str(tmp_path))) == [1] and not lock.exists()


HOLD = """
import os, sys
from wgan_tf1.runs import directory
with directory.only_process(sys.argv[1]):
  print('locked', flush=True)
  sys.stdin.read()
"""


def test_the_lock_ends_with_its_process(tmp_path):
  other = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True
  )
  with other:
    try:
      assert other.stdout.readline() == 'locked\n'
      with pytest.raises(UserError, match='another process is training in .*use another --run_dir$'):
        with directory.only_process(str(tmp_path)):
          pass
    finally:
      other.kill()
  with directory.only_process(str(tmp_path)):
    assert os.listdir(str(tmp_path)) == ['.lock']


@pytest.mark.parametrize('code', [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch, code):
  fcntl = pytest.importorskip('fcntl')

  def flock(*args):
    raise OSError(code, os.strerror(code))

  monkeypatch.setattr(fcntl, 'flock', flock)
  with directory.only_process(str(tmp_path)), directory.only_process(str(tmp_path)):
    assert set(os.listdir(str(tmp_path))) <= {'.lock'}


def test_the_lock_may_be_a_link(tmp_path):
  (tmp_path / 'run').mkdir()
  (tmp_path / 'run' / '.lock').symlink_to(tmp_path / 'elsewhere')
  with directory.only_process(str(tmp_path / 'run')):
    with pytest.raises(filelock.Timeout):
      filelock.FileLock(str(tmp_path / 'elsewhere'), timeout=0).acquire()


def test_a_run_directory_that_is_a_file_is_one_line(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='run_dir=.*file cannot be written: .*Fix this, then run the same'):
    with directory.only_process(str(tmp_path / 'file')):
      pass


FLAGS = ('--preset=toy-8gaussians', '--variant=gp', '--width=4', '--batch_size=4', '--critic_steps=1')
# Modules that Windows does not have.
UNIX = ('fcntl', 'resource', 'pwd', 'grp', 'termios')


def test_all_scripts_run_without_the_modules_of_unix(tmp_path):
  for name in UNIX:
    (tmp_path / (name + '.py')).write_text('raise ModuleNotFoundError("No module named %r", name=%r)' % (name, name))
  path = str(tmp_path)
  run(tmp_path, 'train.py', *FLAGS, '--generator_steps=2', '--run_dir=r', PYTHONPATH=path)
  run(tmp_path, 'sample.py', '--run_dir=r', PYTHONPATH=path)
  run(tmp_path, 'evaluate.py', '--run_dir=r', '--num_samples=20', PYTHONPATH=path)


LOCALES = {
  'utf-8': dict(LC_ALL='C.UTF-8'),
  'ascii': dict(LC_ALL='C', PYTHONCOERCECLOCALE='0', PYTHONUTF8='0'),
}  # fmt: skip


def test_any_name_in_any_locale(tmp_path):
  """Bytes that are no UTF-8, a line feed, a bracket; started in one locale, resumed in the other."""
  where = os.path.join(str(tmp_path), os.fsdecode(b'[a]\n \xff\\' + '\u65e5'.encode()))
  os.mkdir(where)
  run_dir, out, model = (os.path.join(where, name) for name in ('run*', 'out?.png', '[model]'))
  flags = ['--preset=toy-8gaussians', *FLAGS[1:], '--run_dir=' + run_dir, '--data_dir=' + where]
  for steps, locale in ((2, 'utf-8'), (3, 'ascii'), (4, 'utf-8')):
    printed, _ = run(tmp_path, 'train.py', *flags, '--generator_steps=%d' % steps, **LOCALES[locale])
    assert 'generator steps %d to' % (0 if steps == 2 else steps - 1) in printed and run_dir in printed
  assert configs.load(run_dir).data_dir == where
  run(tmp_path, 'sample.py', '--run_dir=' + run_dir, '--output=' + out, **LOCALES['ascii'])
  run(tmp_path, 'sample.py', '--run_dir=' + run_dir, '--export=' + model, **LOCALES['utf-8'])
  run(tmp_path, 'evaluate.py', '--run_dir=' + run_dir, '--num_samples=20', **LOCALES['ascii'])
  assert sorted(os.listdir(where)) == ['[model]', 'out?.png', 'run*']
  assert 'cannot' in refused(tmp_path, 'sample.py', '--run_dir=' + run_dir, '--output=' + where)


def test_a_run_whose_learning_rates_ended_is_told_what_can_be_done(tmp_path):
  def train(*changed, **kwargs):
    return run(tmp_path, 'train.py', *FLAGS, *changed, **kwargs)

  train('--run_dir=r', '--generator_steps=2', '--learning_rate_decay_steps=2')
  done, _ = train('--run_dir=r', '--generator_steps=2', '--learning_rate_decay_steps=2')
  assert 'start a new run from its weights: --init_from=r and another --run_dir' in done and 'Raise' not in done
  line = refused(tmp_path, 'train.py', '--run_dir=r', '--generator_steps=4')
  assert 'Raise --learning_rate_decay_steps too; if the run has started, use another --run_dir with --init_from' in line
  for decay in (4, 0):
    longer = ['--generator_steps=4', '--learning_rate_decay_steps=%d' % decay]
    line = refused(tmp_path, 'train.py', '--run_dir=r', *longer)
    assert 'learning_rate_decay_steps=2, not %d. Give its own settings' % decay in line and '--init_from=r' in line
  out, _ = train('--run_dir=longer', '--init_from=r', '--generator_steps=4', '--learning_rate_decay_steps=4')
  assert 'weights    of r, generator step 2' in out and 'Trained 4 generator steps' in out


def test_a_finished_run_records_where_its_data_are_by_now(tmp_path):
  settings = dict(preset='text-char', variant='gp', width=2, batch_size=2, critic_steps=1, run_dir=str(tmp_path / 'r'))
  text = tmp_path / 'old.txt'
  text.write_text(''.join('line %d\n' % i for i in range(20)))
  training.train(configs.make(generator_steps=2, data_path=str(text), **settings))
  text.rename(tmp_path / 'new.txt')
  training.train(configs.make(generator_steps=1, data_path=str(tmp_path / 'new.txt'), **settings))
  recorded = configs.load(settings['run_dir'])
  assert recorded.data_path == str(tmp_path / 'new.txt') and recorded.generator_steps == 2
