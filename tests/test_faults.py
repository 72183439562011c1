"""Training that is killed, finds the disk full, or loses its files: the short form of `python -m tools.chaos`."""

import contextlib
import errno
import glob
import os
import resource
import signal
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from tests.helpers.checkpoints import assert_same_variables, variables
from tests.helpers.processes import ROOT, run
from wgan_tf1 import config as configs
from wgan_tf1 import files, sampling, training
from wgan_tf1.data import batches, prefetch
from wgan_tf1.errors import UserError
from wgan_tf1.runs import directory

pytestmark = pytest.mark.xdist_group('faults')  # the unharmed runs are made once
STEPS = 8
EVERY = dict(batch_size=4, critic_steps=2, save_every_steps=2, sample_every_steps=4, summary_every_steps=2)
SYSTEMS = {
  'gp': dict(EVERY, preset='toy-8gaussians', variant='gp', width=4, ema_decay=0.9),
  'clip': dict(EVERY, preset='blog-mnist-bn', variant='clip', dataset='digits', width=2),
}


def _config(run_dir, system='gp', generator_steps=STEPS):
  return configs.make(run_dir=str(run_dir), generator_steps=generator_steps, **SYSTEMS[system])


@pytest.fixture(scope='module')
def unharmed(tmp_path_factory):
  """{system: the variables after all steps of a run that nothing happened to}."""
  found = {}
  for system in SYSTEMS:
    run_dir = tmp_path_factory.mktemp('unharmed')
    assert training.train(_config(run_dir, system)) is None
    found[system] = variables(run_dir, STEPS)
  assert 'critic/dense_1/weights/Adam_1' in found['gp']
  assert 'generator/dense_1/weights/ExponentialMovingAverage' in found['gp']
  assert {'critic/conv_1/weights/RMSProp_1', 'generator/norm_1/moving_mean'} <= set(found['clip'])
  return found


def _assert_unharmed(run_dir, unharmed, system='gp'):
  assert_same_variables(variables(run_dir, STEPS), unharmed[system])


def _scalar_steps(run_dir):
  """Returns the steps with a summary in any event file. A step that is written twice must have the same value."""
  found = {}
  for path in glob.glob(os.path.join(str(run_dir), 'events*')):
    with contextlib.suppress(tf.errors.DataLossError):  # a process died over the last record
      for event in tf.train.summary_iterator(path):
        for value in event.summary.value:
          if value.tag == 'loss/critic':
            found.setdefault(event.step, set()).add(value.simple_value)
  assert all(len(values) == 1 for values in found.values())
  return sorted(found)


# One process for all kills, because it takes longer to load TensorFlow than to train. It forks a child for each moment.
# The child is killed at the n-th call of a function, before or after it; the last child trains to the end.
KILLER = """
import os, signal, sys
import tensorflow.compat.v1 as tf
from tensorflow.python.training import saver
from tests import test_faults
from wgan_tf1 import training

def kill_at(owner, name, n, before):
  call, count = getattr(owner, name), [0]
  def counted(*args, **kwargs):
    count[0] += 1
    if before and count[0] == n:
      os.kill(os.getpid(), signal.SIGKILL)
    result = call(*args, **kwargs)
    if count[0] == n:
      os.kill(os.getpid(), signal.SIGKILL)
    return result
  setattr(owner, name, counted)

moments = [
  (os, 'replace', 1, True), (os, 'replace', 2, False),  # config.json, samples/0.png
  (tf.Session, 'run', 9, True), (tf.train.Saver, 'save', 1, False),
  (saver.checkpoint_management, 'update_checkpoint_state_internal', 1, True), (tf.train.Saver, 'save', 2, True),
  (tf.Session, 'run', 30, False), None,
]
for system, moments in (('gp', moments), ('clip', moments[4:])):
  for moment in moments:
    sys.stdout.flush()
    child = os.fork()
    if not child:
      if moment:
        kill_at(*moment)
      training.train(test_faults._config(os.path.join(sys.argv[1], system), system))
      sys.stdout.flush()
      os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status == (signal.SIGKILL if moment else 0), (moment, status)
"""


def test_a_killed_run_resumes_and_ends_where_an_unharmed_one_does(tmp_path, unharmed):
  out, _ = run(ROOT, '-c', KILLER, str(tmp_path))
  for system, settings in SYSTEMS.items():
    begin = 'training   %s, %s: generator steps ' % (settings['preset'], settings['variant'])
    started = [int(line[len(begin) :].split()[0]) for line in out.splitlines() if line.startswith(begin)]
    assert started == sorted(started) and started[-1] > 0 and len(set(started)) >= 3, started
    _assert_unharmed(tmp_path / system, unharmed, system)
    assert _scalar_steps(tmp_path / system) == [2, 4, 6, 8]


def test_sigterm_during_a_save_lets_it_finish_and_the_run_resumes(tmp_path, monkeypatch, unharmed):
  save = tf.train.Saver.save

  def interrupted(self, session, *args, **kwargs):
    run = session.run

    def run_and_signal(*args, **kwargs):
      os.kill(os.getpid(), signal.SIGTERM)
      return run(*args, **kwargs)

    monkeypatch.setattr(session, 'run', run_and_signal)
    try:
      return save(self, session, *args, **kwargs)
    finally:
      monkeypatch.setattr(session, 'run', run)
      monkeypatch.setattr(tf.train.Saver, 'save', save)

  monkeypatch.setattr(tf.train.Saver, 'save', interrupted)
  assert training.train(_config(tmp_path)) == signal.SIGTERM
  assert list(directory.checkpoint_paths(str(tmp_path))) == [2]
  assert training.train(_config(tmp_path)) is None
  _assert_unharmed(tmp_path, unharmed)


@pytest.fixture
def largest_file():
  """Limits the bytes that this process may write to a file, as a full disk would; None removes the limit."""
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (before[0] if most is None else most, before[1]))
  resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_the_run_resumes(tmp_path, monkeypatch, largest_file, unharmed):
  config = _config(tmp_path)
  make = batches.batch

  def batch(config, dataset, step):
    if step == 9:  # after the save of step 4
      largest_file(max(os.path.getsize(str(path)) for path in tmp_path.glob('events*')) + 100)
    return make(config, dataset, step)

  monkeypatch.setattr(batches, 'batch', batch)
  monkeypatch.setattr(prefetch, 'Prefetcher', _NotAhead)
  with pytest.raises(UserError, match='run_dir=.* cannot be written: .*too large') as e:
    training.train(config)
  largest_file(None)
  monkeypatch.undo()
  assert len(str(e.value).splitlines()) == 1
  assert [2, 4] == list(directory.checkpoint_paths(str(tmp_path)))[:2] and not glob.glob(str(tmp_path / '*tempstate*'))
  assert training.train(config) is None
  _assert_unharmed(tmp_path, unharmed)


def test_a_full_disk_at_the_start_is_one_line(tmp_path, monkeypatch, unharmed):
  def full(path, content):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  monkeypatch.setattr(files, 'write_file', full)
  with pytest.raises(UserError, match='run_dir=.* cannot be written: .*No space left on device'):
    training.train(_config(tmp_path))
  monkeypatch.undo()
  assert training.train(_config(tmp_path)) is None
  _assert_unharmed(tmp_path, unharmed)


class _NotAhead:
  """A `Prefetcher` that makes each batch when it is needed."""

  def __init__(self, make, first_step):
    self._make, self._step = make, first_step

  def peek(self):
    return self._make(self._step)

  def next(self):
    self._step += 1
    return self._make(self._step - 1)

  def __exit__(self, *exception):
    pass


def test_a_file_where_the_samples_should_be_is_one_line(tmp_path, unharmed):
  (tmp_path / 'samples').write_text('in the way')
  with pytest.raises(UserError, match='run_dir=.* cannot be written: .*samples'):
    training.train(_config(tmp_path))
  (tmp_path / 'samples').unlink()
  assert training.train(_config(tmp_path)) is None
  _assert_unharmed(tmp_path, unharmed)


def test_removed_events_continue_in_a_new_file(tmp_path, monkeypatch, unharmed):
  make = batches.batch

  def batch(config, dataset, step):
    if step == 6:
      for path in glob.glob(str(tmp_path / 'events*')):
        os.remove(path)
    return make(config, dataset, step)

  monkeypatch.setattr(batches, 'batch', batch)
  monkeypatch.setattr(prefetch, 'Prefetcher', _NotAhead)
  assert training.train(_config(tmp_path)) is None
  _assert_unharmed(tmp_path, unharmed)
  assert _scalar_steps(tmp_path)[-2:] == [6, 8]


def test_a_clock_that_is_set_back_changes_nothing(tmp_path, monkeypatch, unharmed):
  now = [time.time()]

  def backwards():
    now[0] -= 1000
    return now[0]

  monkeypatch.setattr(time, 'time', backwards)
  assert training.train(_config(tmp_path, generator_steps=4)) is None
  assert training.train(_config(tmp_path)) is None
  monkeypatch.undo()
  _assert_unharmed(tmp_path, unharmed)
  rates = []
  for path in glob.glob(str(tmp_path / 'events*')):
    for event in tf.train.summary_iterator(path):
      rates += [value.simple_value for value in event.summary.value if value.tag == 'speed/generator_steps_per_second']
  assert len(rates) == 4 and min(rates) > 0


def test_removed_data_end_the_run_and_it_resumes_when_they_are_restored(tmp_path, monkeypatch):
  pictures = tmp_path / 'pictures'
  pictures.mkdir()
  for i in range(3):
    pixels = np.random.RandomState(i).randint(0, 256, [8, 8, 3]).astype(np.uint8)
    Image.fromarray(pixels).save(str(pictures / ('%d.png' % i)))
  flags = dict(
    preset='blog-mnist-mlp', variant='clip', dataset='folder', data_path=str(pictures), width=4, batch_size=2,
    critic_steps=1, generator_steps=3, save_every_steps=1, image_memory_mb=0,
  )  # fmt: skip
  whole = configs.make(run_dir=str(tmp_path / 'whole'), **flags)
  config = configs.make(run_dir=str(tmp_path / 'run'), **flags)
  training.train(whole)
  make = batches.batch

  def batch(config, dataset, step):
    if step == 2:
      pictures.rename(tmp_path / 'away')
    return make(config, dataset, step)

  monkeypatch.setattr(batches, 'batch', batch)
  monkeypatch.setattr(prefetch, 'Prefetcher', _NotAhead)
  with pytest.raises(UserError, match='none of 2 images can be decoded'):
    training.train(config)
  assert list(directory.checkpoint_paths(config.run_dir)) == [1, 2]
  monkeypatch.undo()
  with pytest.raises(UserError, match='pictures: file not found'):
    training.train(config)
  (tmp_path / 'away').rename(pictures)
  assert training.train(config) is None
  assert_same_variables(variables(config.run_dir, 3), variables(whole.run_dir, 3))


@pytest.mark.parametrize(
  'changes, words',
  [
    (dict(architecture='os.system'), 'architecture=os.system: must be one of blog'),
    (dict(architecture='resnet128'), 'image_size=32: the networks of preset=blog-mnist can have 64, 128 or 256 pixels'),
  ],
)
def test_a_damaged_config_cannot_name_other_networks(changes, words):
  with tf.Graph().as_default(), pytest.raises(UserError, match=words):
    sampling.build_sampler(configs.make(width=2, **changes))
