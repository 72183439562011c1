"""TF_CONFIG: which processes train together, and which of them this one is. No TensorFlow here."""

import dataclasses
import json
import os
from typing import Dict, List, Mapping, Optional

from wgan_tf1.errors import UserError

JOBS = ('chief', 'worker', 'ps')  # the processes that train are numbered in this order
_EXAMPLE = '{"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True)
class Place:
  """Where this process is in its cluster. Process k of a job is called 'job k'.

  Field  Meaning
  jobs   job -> the host:port of each of its processes
  job    this process's job
  index  this process's number in its job
  """

  jobs: Dict[str, List[str]]
  job: str
  index: int

  def names(self) -> List[str]:
    return ['%s %d' % (job, i) for job in JOBS for i in range(len(self.jobs.get(job, [])))]

  def trainers(self) -> List[str]:
    """Returns the names of the processes that train, the chief first."""
    return [name for name in self.names() if not name.startswith('ps ')]

  def servers(self) -> List[str]:
    """Returns the names of the parameter servers."""
    return [name for name in self.names() if name.startswith('ps ')]

  def name(self) -> str:
    """Returns the name of this process."""
    return '%s %d' % (self.job, self.index)

  def address(self, name: str) -> str:
    job, index = name.split()
    return self.jobs[job][int(index)]

  def device(self, name: str) -> str:
    return '/job:%s/replica:0/task:%s' % tuple(name.split())


def place(environment: Mapping[str, str] = os.environ) -> Optional[Place]:
  """Returns the place that TF_CONFIG gives this process; None without TF_CONFIG, or if the cluster is one process.

  TF_CONFIG is the usual JSON: {"cluster": {"chief": ["host:port"], "worker": [...], "ps": [...]},
  "task": {"type": "worker", "index": 0}}.

  Raises:
    UserError: if TF_CONFIG is anything else.
  """
  if not environment.get('TF_CONFIG'):
    return None
  try:
    settings = json.loads(environment['TF_CONFIG'])
  except ValueError as e:
    raise _wrong('is not valid JSON (%s)' % e, 'Write it like ' + _EXAMPLE) from e
  jobs = settings.get('cluster') if isinstance(settings, dict) else None
  task = settings.get('task') if isinstance(settings, dict) else None
  if not isinstance(jobs, dict) or not isinstance(task, dict):
    raise _wrong('needs a cluster and a task', 'Write it like ' + _EXAMPLE)
  _check_jobs(jobs)
  job, index = task.get('type'), task.get('index')
  if not isinstance(job, str) or job not in jobs:
    raise _wrong('has the task type %.50r' % (job,), 'Use one of %s' % ', '.join(jobs))
  if type(index) is not int or not 0 <= index < len(jobs[job]):
    raise _wrong(
      'has the task index %.50r' % (index,), 'Number the %s processes from 0 to %d' % (job, len(jobs[job]) - 1)
    )
  return Place(jobs, job, index) if sum(map(len, jobs.values())) > 1 else None


def _check_jobs(jobs: Dict[str, List[str]]) -> None:
  """Refuses a cluster that cannot train."""
  for job, addresses in jobs.items():
    if job not in JOBS:
      raise _wrong('has the job %.50r' % job, 'Use chief, worker and ps')
    if not isinstance(addresses, list) or not addresses:
      raise _wrong('has no list of addresses for %s' % job, 'Write it like ["host:port", "host:port"]')
    for address in addresses:
      host, _, port = address.rpartition(':') if isinstance(address, str) else ('', '', '')
      if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise _wrong('has the address %.50r for %s' % (address, job), 'Write it as host:port')
  everyone = [address for addresses in jobs.values() for address in addresses]
  twice = [address for address in everyone if everyone.count(address) > 1]
  if twice:
    raise _wrong('has the address %s twice' % twice[0], 'Give each process its own')
  if len(jobs.get('chief', [])) > 1:
    raise _wrong('has %d chiefs' % len(jobs['chief']), 'Make all but one of them workers')
  if set(jobs) <= {'ps'}:
    raise _wrong('has no process that trains', 'Add a chief or a worker')


def _wrong(what: str, do: str) -> UserError:
  return UserError('TF_CONFIG %s. %s' % (what, do))
