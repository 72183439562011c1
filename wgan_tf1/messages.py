"""What is said to people while the program goes on. No TensorFlow here."""

import sys


def warn(text):
  """Prints one line to standard error."""
  print('warning: ' + text, file=sys.stderr, flush=True)
