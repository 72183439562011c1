"""A bar on the terminal for work that takes a while: what is done, how far it is, and the time left."""

import contextlib
import sys
import threading
from typing import Any, Callable, Iterator, Optional

from tqdm import tqdm

SECONDS = 1.0  # before a bar appears: shorter work shows none


@contextlib.contextmanager
def progress(what: str, total: Optional[int] = None, unit: str = '') -> Iterator[Callable[[int], Any]]:
  """Shows a bar on standard error: `with progress('drawing samples', 100, 'images') as advance: advance(20)`.

  The bar appears after `SECONDS`, and vanishes at the end. There is none where
  standard error is no terminal, nor for work in the background, which another bar may hide.

  Args:
    what: what is being done.
    total: how many units there are; None if that is not known.
    unit: plural of what is counted.

  Yields:
    advance(n), which counts `n` more units.
  """
  shown = sys.stderr is not None and sys.stderr.isatty() and threading.current_thread() is threading.main_thread()
  with tqdm(
    desc=what,
    total=total,
    unit=' ' + unit if unit else '',
    disable=not shown,
    delay=SECONDS,
    leave=False,
    dynamic_ncols=True,
  ) as bar:
    yield bar.update
