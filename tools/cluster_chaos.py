"""Kills and restarts the processes of a cluster on this machine, one after the other.

python -m tools.cluster_chaos                      both ways, in some minutes
python -m tools.cluster_chaos --way=synchronous    a chief and two workers
python -m tools.cluster_chaos --way=asynchronous   a parameter server, a chief and two workers

It prints what happens, and fails at the first thing that is wrong.
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
from typing import Any, Callable, Dict, List

from tools.runs import ROOT, newest, variables

SMALL = ['--dataset=digits', '--width=2', '--batch_size=4', '--critic_steps=2', '--sample_every_steps=1000']
CLIP = 0.01  # the default clip_value
WAYS = {'synchronous': {'chief': 1, 'worker': 2}, 'asynchronous': {'chief': 1, 'worker': 2, 'ps': 1}}


class Cluster:
  """Processes of train.py with the TF_CONFIG of one cluster, in a folder; the run directory is FOLDER/run.

  Process k of a job is called 'job k'. The end of the `with` block kills all of them.
  """

  def __init__(self, folder: Any, jobs: Dict[str, int], flags: List[str]):
    """Starts nothing yet.

    Args:
      folder: path; what a process prints goes to FOLDER/NAME.txt.
      jobs: {job: number of processes}.
      flags: those of train.py.
    """
    self.folder = str(folder)
    self.run_dir = os.path.join(self.folder, 'run')
    self.names = ['%s %d' % (job, i) for job, count in jobs.items() for i in range(count)]
    self.processes: Dict[str, Any] = {}
    self._command = [sys.executable, os.path.join(ROOT, 'train.py'), '--run_dir=' + self.run_dir] + flags
    with contextlib.ExitStack() as stack:
      sockets = [stack.enter_context(socket.socket()) for _ in self.names]
      for s in sockets:
        s.bind(('127.0.0.1', 0))
      addresses = ['127.0.0.1:%d' % s.getsockname()[1] for s in sockets]
    self._jobs: Dict[str, List[str]] = {}
    for name, address in zip(self.names, addresses):
      self._jobs.setdefault(name.split()[0], []).append(address)

  def start(self, *names: str) -> None:
    """Starts the processes of these names, or all of them."""
    for name in names or self.names:
      job, index = name.split()
      config = {'cluster': self._jobs, 'task': {'type': job, 'index': int(index)}}
      environment = dict(os.environ, TF_CONFIG=json.dumps(config))
      environment.pop('TF_CPP_MIN_LOG_LEVEL', None)
      with open(self._output(name), 'a') as output:
        self.processes[name] = subprocess.Popen(
          self._command, cwd=self.folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )

  def kill(self, name: str, number: int = signal.SIGKILL) -> None:
    self.processes[name].send_signal(number)
    if number == signal.SIGKILL:
      self.processes[name].wait()

  def _output(self, name: str) -> str:
    return os.path.join(self.folder, name.replace(' ', '-') + '.txt')

  def printed(self, name: str) -> str:
    """Returns what a process has printed."""
    with open(self._output(name)) as f:
      return f.read()

  def step(self) -> int:
    """Returns the step of the newest checkpoint, -1 without one."""
    return newest(self.run_dir)

  def wait(self, condition: Callable[[], bool], seconds: float = 240) -> None:
    """Waits until condition() is true; fails, with all that was printed, if a process fails or it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
      failed = [name for name, p in self.processes.items() if p.poll() not in (None, 0, -signal.SIGKILL)]
      assert not failed and time.monotonic() < deadline, '%s\n%s' % (failed or 'too late', self.everything())
      time.sleep(0.05)

  def statuses(self, seconds: float = 240) -> Dict[str, int]:
    """Waits for all processes to end; returns {name: exit status}."""
    deadline = time.monotonic() + seconds
    try:
      return {name: p.wait(max(deadline - time.monotonic(), 0.1)) for name, p in self.processes.items()}
    except subprocess.TimeoutExpired as e:
      raise AssertionError('too late\n' + self.everything()) from e

  def everything(self) -> str:
    """Returns what all processes have printed."""
    return '\n'.join('=== %s\n%s' % (name, self.printed(name)) for name in self.processes)

  def __enter__(self) -> 'Cluster':
    return self

  def __exit__(self, *exception: Any) -> None:
    for process in self.processes.values():
      process.kill()
      process.wait()


def largest_critic_weight(values: Dict[str, Any]) -> float:
  """Returns the largest absolute value among the critic's variables of a checkpoint."""
  slots = ('RMSProp', 'RMSProp_1', 'Adam', 'Adam_1')
  return max(abs(v).max() for k, v in values.items() if k.startswith('critic/') and k.split('/')[-1] not in slots)


def _report(text: str, *args: Any) -> None:
  print(time.strftime('%H:%M:%S ') + text % args, flush=True)


def _kill_each(cluster: Cluster, order: List[str], steps: int) -> None:
  """Kills and restarts each of `order` in turn, and waits for the next checkpoint each time."""
  for name in order:
    _wait_for_another(cluster, cluster.step())
    before, start = cluster.step(), time.monotonic()
    assert before < steps, 'the run ended before %s could be killed: use more steps' % name
    cluster.kill(name)
    cluster.start(name)
    _wait_for_another(cluster, before)
    assert cluster.step() > before, 'a checkpoint was lost'
    seconds = time.monotonic() - start
    _report('%s killed at checkpoint %d: the next, %d, came after %.0f s', name, before, cluster.step(), seconds)


def _wait_for_another(cluster: Cluster, step: int) -> None:
  """Waits until the newest checkpoint is not that of `step`."""
  cluster.wait(lambda: cluster.step() != step)


def _check_end(cluster: Cluster, steps: int) -> Dict[str, Any]:
  """Checks that all processes ended well; returns the variables of the last checkpoint."""
  statuses = cluster.statuses()
  assert not any(statuses.values()), '%s\n%s' % (statuses, cluster.everything())
  assert 'Traceback' not in cluster.everything(), cluster.everything()
  assert cluster.step() == steps, cluster.step()
  values = variables(cluster.run_dir, steps)
  assert values['global_step'] == steps, values['global_step']
  largest = largest_critic_weight(values)
  assert largest <= CLIP, largest
  text = 'ended with %d generator and %d critic steps; the largest critic weight is %.6g'
  _report(text, values['global_step'], values['critic_step'], largest)
  return values


def synchronous(folder: str, steps: int) -> None:
  """Kills each of three processes in turn, then one that never comes back."""
  flags = SMALL + ['--generator_steps=%d' % steps, '--save_every_steps=5']
  with Cluster(os.path.join(folder, 'whole'), WAYS['synchronous'], flags) as cluster:
    cluster.start()
    whole = _check_end(cluster, steps)
  with Cluster(os.path.join(folder, 'killed'), WAYS['synchronous'], flags) as cluster:
    cluster.start()
    _kill_each(cluster, ['worker 0', 'chief 0', 'worker 1'], steps)
    _wait_for_another(cluster, cluster.step())
    start = time.monotonic()
    cluster.kill('worker 1')
    statuses = cluster.statuses()
    seconds = time.monotonic() - start
    _report('worker 1 gone for good: the others ended %.0f s later, saved at step %d', seconds, cluster.step())
    assert statuses == {'chief 0': 2, 'worker 0': 2, 'worker 1': -signal.SIGKILL}, statuses
    for name in ('chief 0', 'worker 0'):
      assert re.search('worker 1 at .* did not connect', cluster.printed(name).splitlines()[-1]), cluster.printed(name)
    cluster.start()
    killed = _check_end(cluster, steps)
  different = [name for name in whole if whole[name].tobytes() != killed[name].tobytes()]
  _report('%d of %d variables differ from the run without a kill', len(different), len(whole))
  assert not different, different


def asynchronous(folder: str, steps: int) -> None:
  """Kills each of four processes in turn, then a worker that never comes back."""
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


def main() -> None:
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
