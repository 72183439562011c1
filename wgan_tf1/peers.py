"""Which processes train together, as TF_CONFIG says, and noticing that one comes or goes. No TensorFlow here."""

import contextlib
import json
import os
import socket
import threading
import time
from typing import Any
from typing import Dict
from typing import NamedTuple

from wgan_tf1 import UserError

JOBS = ('chief', 'worker', 'ps')  # in this order the processes that train are counted


class Place(NamedTuple):
  """Where this process is in its cluster."""

  jobs: Dict[str, Any]  # job -> list of host:port
  job: str
  index: int  # in its job

  def trainers(self):
    """Returns the names of the processes that train, the chief first."""
    return [name for name in self.names() if not name.startswith('ps ')]

  def names(self):
    return ['%s %d' % (job, i) for job in JOBS for i in range(len(self.jobs.get(job, [])))]

  def name(self):
    return '%s %d' % (self.job, self.index)

  def address(self, name):
    job, index = name.split()
    return self.jobs[job][int(index)]

  def device(self, name):
    return '/job:%s/replica:0/task:%s' % tuple(name.split())


def place(environment=os.environ):
  """Returns what TF_CONFIG says: the `Place` of this process; None without TF_CONFIG, or where one process is all.

  TF_CONFIG is the usual JSON: {"cluster": {"chief": ["host:port"], "worker": [...], "ps": [...]},
  "task": {"type": "worker", "index": 0}}.

  Raises:
    UserError: if it is not that.
  """
  if not environment.get('TF_CONFIG'):
    return None
  wrong = lambda what, do: UserError('TF_CONFIG %s: %s' % (what, do))
  try:
    settings = json.loads(environment['TF_CONFIG'])
  except ValueError as e:
    raise wrong('is no JSON (%s)' % e, 'write it like {"cluster": {"worker": ["host:port"]}, "task": ...}')
  jobs = settings.get('cluster') if isinstance(settings, dict) else None
  task = settings.get('task') if isinstance(settings, dict) else None
  if not isinstance(jobs, dict) or not isinstance(task, dict):
    raise wrong(
      'needs a cluster and a task', '{"cluster": {"worker": ["host:port"]}, "task": {"type": "worker", "index": 0}}'
    )
  for job, addresses in jobs.items():
    if job not in JOBS:
      raise wrong('has the job %.50r' % job, 'there are chief, worker and ps')
    if not isinstance(addresses, list) or not addresses:
      raise wrong('has no list of addresses for %s' % job, 'write it like ["host:port", "host:port"]')
    for address in addresses:
      host, _, port = address.rpartition(':') if isinstance(address, str) else ('', '', '')
      if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise wrong('has the address %.50r for %s' % (address, job), 'write it as host:port')
  everyone = sum(jobs.values(), [])
  twice = [address for address in everyone if everyone.count(address) > 1]
  if twice:
    raise wrong('has the address %s twice' % twice[0], 'each process has its own')
  if len(jobs.get('chief', [])) > 1:
    raise wrong('has %d chiefs' % len(jobs['chief']), 'there is one; the others are workers')
  if set(jobs) <= {'ps'}:
    raise wrong('has nobody to train', 'add a chief or a worker')
  job, index = task.get('type'), task.get('index')
  if job not in jobs:
    raise wrong('has the task type %.50r' % (job,), 'take one of the cluster: %s' % ', '.join(jobs))
  if type(index) is not int or not 0 <= index < len(jobs[job]):
    raise wrong('has the task index %.50r' % (index,), 'of %s there are 0 to %d' % (job, len(jobs[job]) - 1))
  return Place(jobs, job, index) if len(everyone) > 1 else None


def answers(address):
  """Whether a process listens at host:port."""
  with contextlib.suppress(OSError):
    _connect(address).close()
    return True
  return False


def _connect(address):
  host, _, port = address.rpartition(':')
  connection = socket.create_connection((host.strip('[]'), int(port)), timeout=5)
  if connection.getsockname() == connection.getpeername():  # Linux connects a free port to itself, by chance
    connection.close()
    raise ConnectionRefusedError(address)
  return connection


def wait_for(where, names, seconds):
  """Returns when each of the processes has been there.

  Raises:
    UserError: naming one that has not come within so many seconds.
  """
  deadline = time.monotonic() + seconds
  missing, told = names, False
  while True:
    missing = [name for name in missing if not answers(where.address(name))]
    if not missing:
      return
    if time.monotonic() > deadline:
      raise UserError(
        '%s at %s has not come in time: see to it, then start all that have stopped by the same commands; they go on '
        'from the newest checkpoint' % (missing[0], where.address(missing[0]))
      )
    if not told:
      those = ', '.join('%s at %s' % (name, where.address(name)) for name in missing)
      print('waiting at most %d seconds for %s' % (max(seconds, 0), those), flush=True)
      told = True
    time.sleep(0.5)


def watch(address, tell, there):
  """Calls tell(True) when a process has come and tell(False) when it has gone, for as long as this one lives.

  A connection is held to it: the kernel closes it with the process, and misses no restart, however quick. What of a
  machine that vanishes is noticed by keepalive packets, within half a minute.

  Args:
    address: host:port.
    tell: function of a bool.
    there: what has been told before.
  """

  def hold():
    known = there
    while True:
      try:
        with _connect(address) as connection:
          if not known:
            known = True
            tell(True)
          connection.settimeout(None)
          connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
          for option, value in (('TCP_KEEPIDLE', 10), ('TCP_KEEPINTVL', 5), ('TCP_KEEPCNT', 3)):
            if hasattr(socket, option):
              connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
          while connection.recv(4096):
            pass
      except OSError:
        if known:
          known = False
          tell(False)
      # A server closes a connection that says nothing, after minutes: then it is opened again. To load TensorFlow
      # again takes a process longer than this.
      time.sleep(0.2)

  threading.Thread(target=hold, daemon=True).start()
