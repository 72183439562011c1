"""UserError and warn: problems that the user can solve, shown as one line each. No TensorFlow here."""

import re
import sys

from tqdm import tqdm


class UserError(Exception):
  """Input that cannot be used. The message is one line: what is wrong, then what to do.

  The scripts print it without a traceback and exit with status 2; see `console.run`.
  """


def one_line(text: str) -> str:
  """Returns `text` with its control characters escaped: the name of a file may have a line feed."""
  return re.sub(r'[\0-\x1f\x7f]', lambda match: ascii(match.group())[1:-1], text)


def warn(text: str) -> None:
  """Prints `text` as one line on standard error: above a progress bar, which is drawn again below it."""
  with tqdm.external_write_mode(file=sys.stderr):
    print('warning: ' + one_line(text), file=sys.stderr, flush=True)
