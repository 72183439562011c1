"""A cluster on this machine, whose processes are killed and started again one after the other.

python -m tests.cluster_chaos                      both ways: some minutes
python -m tests.cluster_chaos --way=synchronous    chief and two workers
python -m tests.cluster_chaos --way=asynchronous   parameter server, chief and two workers

Prints a table, and fails at the first thing that is not as it should be.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SMALL = ['--dataset=digits', '--width=2', '--batch_size=4', '--critic_steps=2', '--sample_every_steps=1000']
CLIP = 0.01  # the default clip_value
WAYS = {'synchronous': {'chief': 1, 'worker': 2}, 'asynchronous': {'chief': 1, 'worker': 2, 'ps': 1}}


class Cluster:
  """Processes of train.py with the TF_CONFIG of one cluster, in a folder; the run directory is FOLDER/run.

  Process k of a job is called 'job k'. When the `with` ends, all of them are killed.
  """

  def __init__(self, folder, jobs, flags):
    """Starts nothing yet.

    Args:
      folder: path; what a process prints goes to FOLDER/NAME.txt.
      jobs: {job: processes}.
      flags: list of flags of train.py.
    """
    self.folder = str(folder)
    self.run_dir = os.path.join(self.folder, 'run')
    self.names = ['%s %d' % (job, i) for job, count in jobs.items() for i in range(count)]
    self.processes = {}
    self._command = [sys.executable, os.path.join(ROOT, 'train.py'), '--run_dir=' + self.run_dir] + flags
    with contextlib.ExitStack() as stack:
      sockets = [stack.enter_context(socket.socket()) for _ in self.names]
      for s in sockets:
        s.bind(('127.0.0.1', 0))
      addresses = ['127.0.0.1:%d' % s.getsockname()[1] for s in sockets]
    self._jobs = {}
    for name, address in zip(self.names, addresses):
      self._jobs.setdefault(name.split()[0], []).append(address)

  def start(self, *names):
    for name in names or self.names:
      job, index = name.split()
      config = {'cluster': self._jobs, 'task': {'type': job, 'index': int(index)}}
      environment = dict(os.environ, TF_CONFIG=json.dumps(config))
      environment.pop('TF_CPP_MIN_LOG_LEVEL', None)
      with open(self._output(name), 'a') as output:
        self.processes[name] = subprocess.Popen(
          self._command, cwd=self.folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )

  def kill(self, name, number=signal.SIGKILL):
    self.processes[name].send_signal(number)
    if number == signal.SIGKILL:
      self.processes[name].wait()

  def _output(self, name):
    return os.path.join(self.folder, name.replace(' ', '-') + '.txt')

  def printed(self, name):
    with open(self._output(name)) as f:
      return f.read()

  def step(self):
    """Returns the step of the newest checkpoint, -1 without one."""
    names = os.listdir(self.run_dir) if os.path.isdir(self.run_dir) else []
    return max([int(m.group(1)) for m in (re.match(r'model-(\d+)\.index$', name) for name in names) if m] or [-1])

  def wait(self, true, seconds=240):
    """Waits until true() is; fails with what all have printed if it takes too long, or a process fails meanwhile."""
    deadline = time.monotonic() + seconds
    while not true():
      failed = [name for name, p in self.processes.items() if p.poll() not in (None, 0, -signal.SIGKILL)]
      assert not failed and time.monotonic() < deadline, '%s\n%s' % (failed or 'too late', self.everything())
      time.sleep(0.05)

  def statuses(self, seconds=240):
    """Waits for the end of all; returns {name: exit status}."""
    deadline = time.monotonic() + seconds
    try:
      return {name: p.wait(max(deadline - time.monotonic(), 0.1)) for name, p in self.processes.items()}
    except subprocess.TimeoutExpired:
      raise AssertionError('too late\n' + self.everything())

  def everything(self):
    return '\n'.join('=== %s\n%s' % (name, self.printed(name)) for name in self.processes)

  def __enter__(self):
    return self

  def __exit__(self, *exception):
    for process in self.processes.values():
      process.kill()
      process.wait()


def variables(run_dir, step):
  """Returns {name: array} of a checkpoint."""
  import tensorflow.compat.v1 as tf

  reader = tf.train.load_checkpoint(os.path.join(run_dir, 'model-%d' % step))
  return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def largest_critic_weight(values):
  slots = ('RMSProp', 'RMSProp_1', 'Adam', 'Adam_1')
  return max(abs(v).max() for k, v in values.items() if k.startswith('critic/') and k.split('/')[-1] not in slots)


def _report(text, *args):
  print(time.strftime('%H:%M:%S ') + text % args, flush=True)


def _kill_each(cluster, order, steps):
  """Kills and restarts each of `order`, once training goes on; returns the seconds until the next checkpoint."""
  took = {}
  for name in order:
    before = cluster.step()
    cluster.wait(lambda: cluster.step() > before)
    before, start = cluster.step(), time.monotonic()
    assert before < steps, 'the run was over before %s could be killed: more steps' % name
    cluster.kill(name)
    cluster.start(name)
    cluster.wait(lambda: cluster.step() != before)
    assert cluster.step() > before, 'a checkpoint was lost'
    took[name] = time.monotonic() - start
    _report('%s killed at checkpoint %d: the next, %d, after %.0f s', name, before, cluster.step(), took[name])
  return took


def _check_end(cluster, steps):
  statuses = cluster.statuses()
  assert not any(statuses.values()), '%s\n%s' % (statuses, cluster.everything())
  assert 'Traceback' not in cluster.everything(), cluster.everything()
  assert cluster.step() == steps, cluster.step()
  values = variables(cluster.run_dir, steps)
  assert values['global_step'] == steps, values['global_step']
  assert largest_critic_weight(values) <= CLIP, largest_critic_weight(values)
  _report('ended with %d generator and %d critic steps; the largest critic weight is %.6g',
          values['global_step'], values['critic_step'], largest_critic_weight(values))  # fmt: skip
  return values


def synchronous(folder, steps):
  """Each of three killed in turn; then one that never comes back."""
  flags = SMALL + ['--generator_steps=%d' % steps, '--save_every_steps=5']
  with Cluster(os.path.join(folder, 'whole'), WAYS['synchronous'], flags) as cluster:
    cluster.start()
    whole = _check_end(cluster, steps)
  with Cluster(os.path.join(folder, 'killed'), WAYS['synchronous'], flags) as cluster:
    cluster.start()
    _kill_each(cluster, ['worker 0', 'chief 0', 'worker 1'], steps)
    before = cluster.step()
    cluster.wait(lambda: cluster.step() > before)
    start = time.monotonic()
    cluster.kill('worker 1')
    statuses = cluster.statuses()
    _report('worker 1 gone for good: the others ended %.0f s later, saved at step %d',
            time.monotonic() - start, cluster.step())  # fmt: skip
    assert statuses == {'chief 0': 2, 'worker 0': 2, 'worker 1': -signal.SIGKILL}, statuses
    for name in ('chief 0', 'worker 0'):
      assert re.search('worker 1 at .* has not come', cluster.printed(name).splitlines()[-1]), cluster.printed(name)
    cluster.start()
    killed = _check_end(cluster, steps)
  different = [name for name in whole if whole[name].tobytes() != killed[name].tobytes()]
  _report('%d of %d variables differ from the run without a kill', len(different), len(whole))
  assert not different, different


def asynchronous(folder, steps):
  """Each of four killed in turn; then a worker that never comes back."""
  flags = SMALL + ['--generator_steps=%d' % steps, '--save_every_steps=10']
  with Cluster(folder, WAYS['asynchronous'], flags) as cluster:
    cluster.start()
    _kill_each(cluster, ['worker 0', 'chief 0', 'ps 0', 'worker 1', 'ps 0'], steps)
    start = time.monotonic()
    already = cluster.printed('chief 0').count('worker 1 at')
    cluster.kill('worker 1')
    cluster.wait(lambda: cluster.printed('chief 0').count('worker 1 at') > already)
    _report('worker 1 gone for good: the chief said so after %.1f s', time.monotonic() - start)
    del cluster.processes['worker 1']
    _check_end(cluster, steps)


def main():
  parser = argparse.ArgumentParser()
  parser.add_argument('--way', choices=WAYS)
  arguments = parser.parse_args()
  steps = {'synchronous': 60, 'asynchronous': 1500}
  for way in [arguments.way] if arguments.way else WAYS:
    with tempfile.TemporaryDirectory() as folder:
      for part in ('whole', 'killed'):
        os.mkdir(os.path.join(folder, part))
      _report('%s: %s', way, WAYS[way])
      globals()[way](folder, steps[way])


if __name__ == '__main__':
  main()
