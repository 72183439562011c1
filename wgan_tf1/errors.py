"""UserError and warn: problems that the user can solve, shown as one line each. No TensorFlow here."""

import sys


class UserError(Exception):
  """Input that cannot be used. The message is one line: what is wrong, then what to do.

  The scripts print it without a traceback and exit with status 2; see `console.run`.
  """


def warn(text: str) -> None:
  """Prints `text` as one line on standard error."""
  print('warning: ' + text, file=sys.stderr, flush=True)
