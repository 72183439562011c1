"""Prefetcher: threads that make batches ahead of time; they are taken in order. No TensorFlow here."""

import collections
import concurrent.futures
import os
from typing import Any, Callable, Deque, Optional

MOST_WORKERS = 16  # of large images, a batch may take 50 MB


class Prefetcher:
  """Calls `make(first_step)`, `make(first_step + 1)`, ... ahead of time. `next` returns the results in that order.

  At most `2 * workers` batches are finished or in progress. Threads are enough because Pillow and NumPy release the
  interpreter's lock while they work. Only one thread may call `peek` and `next`.

      with Prefetcher(functools.partial(batches.batch, config, dataset), first_step) as ahead:
        real, labels = ahead.next()
  """

  def __init__(self, make: Callable[[int], Any], first_step: int, workers: Optional[int] = None) -> None:
    """Starts the threads.

    Args:
      make: function of a step, called by several threads at once. Its result must depend on the step alone.
      first_step: the first step to make.
      workers: number of threads; None is one per processor, at most `MOST_WORKERS`.
    """
    workers = workers or min(os.cpu_count() or 1, MOST_WORKERS)
    self._make = make
    self._pool = concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix='prefetch')
    self._ahead: Deque[concurrent.futures.Future] = collections.deque()
    self._step_to_submit = first_step
    for _ in range(2 * workers):
      self._submit()

  def _submit(self):
    self._ahead.append(self._pool.submit(self._make, self._step_to_submit))
    self._step_to_submit += 1

  def peek(self) -> Any:
    """Waits for the current step's batch and returns it. The step remains the current one.

    Raises:
      Whatever `make` raised for this step, at this call and at each later one.
      ValueError: if the prefetcher is closed.
    """
    if not self._ahead:
      raise ValueError('the prefetcher is closed')
    return self._ahead[0].result()

  def next(self) -> Any:
    """Returns the current step's batch like `peek`, and advances to the next step."""
    batch = self.peek()
    self._ahead.popleft()
    self._submit()
    return batch

  def close(self) -> None:
    """Cancels the batches that are not started yet, and waits for those in progress. May be called twice."""
    for future in self._ahead:
      future.cancel()
    self._ahead.clear()
    self._pool.shutdown()

  def __enter__(self) -> 'Prefetcher':
    return self

  def __exit__(self, *exception: Any) -> None:
    self.close()
