"""Batches made ahead of time by other threads, handed out in order. No TensorFlow here."""

import collections
import concurrent.futures
import os


class Prefetcher:
  """Runs `make(first_step)`, `make(first_step + 1)`, ... ahead, and hands the results out in that order.

  At most `2 * workers` batches are made or in the making. Threads are enough: Pillow and NumPy let go of the
  interpreter while they work. One consumer only: `peek` and `next` are not for several threads.

      with Prefetcher(functools.partial(data.batch, config, dataset), first_step) as batches:
        real, labels = batches.next()
  """

  def __init__(self, make, first_step, workers=None):
    """Starts to work.

    Args:
      make: function of a step, called by several threads at once; what it returns must depend on the step alone.
      first_step: the first step to make.
      workers: threads; None is one for each processor.
    """
    workers = workers or os.cpu_count() or 1
    self._make = make
    self._pool = concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix='prefetch')
    self._ahead = collections.deque()
    self._step_to_submit = first_step
    for _ in range(2 * workers):
      self._submit()

  def _submit(self):
    self._ahead.append(self._pool.submit(self._make, self._step_to_submit))
    self._step_to_submit += 1

  def peek(self):
    """Returns the current step's batch, waiting for it; the step stays current.

    Raises:
      Whatever `make` raised for this step, here and again at each further call.
      ValueError: if the prefetcher was closed.
    """
    if not self._ahead:
      raise ValueError('the prefetcher is closed')
    return self._ahead[0].result()

  def next(self):
    """Returns the current step's batch as `peek` does, and goes on to the next step."""
    batch = self.peek()
    self._ahead.popleft()
    self._submit()
    return batch

  def close(self):
    """Cancels what has not begun, and waits for what has. To close twice does nothing."""
    for future in self._ahead:
      future.cancel()
    self._ahead.clear()
    self._pool.shutdown()

  def __enter__(self):
    return self

  def __exit__(self, *exception):
    self.close()
