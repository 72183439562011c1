"""Measurements in processes of their own, which print what they found as a line of JSON."""

import json
import subprocess
from typing import Any, Dict, List

from wgan_tf1.errors import UserError


def measured(command: List[str]) -> Dict[str, Any]:
  """Runs a command; returns the last JSON object among the lines of its standard output.

  Lines that are something else, such as a library's notices, are ignored.

  Raises:
    UserError: if the command fails or prints no such line.
  """
  done = subprocess.run(command, capture_output=True, text=True)
  if done.returncode:
    raise UserError('%s failed: %s' % (' '.join(command), (done.stderr.strip().splitlines() or ['?'])[-1]))
  for line in reversed(done.stdout.splitlines()):
    if line.startswith('{'):
      try:
        return json.loads(line)
      except ValueError:
        continue
  raise UserError('%s printed no results. Run it alone to see what it prints' % ' '.join(command))
