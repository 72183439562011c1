import os
import threading

import pytest

from wgan_tf1.data.prefetch import MOST_WORKERS, Prefetcher


def test_batches_are_in_order_whichever_is_finished_first():
  third_is_made = threading.Event()

  def make(step):
    if step == 7:
      assert third_is_made.wait(60)
    if step == 9:
      third_is_made.set()
    return step * step

  with Prefetcher(make, 7, workers=3) as batches:
    assert [batches.next() for _ in range(20)] == [step * step for step in range(7, 27)]


def test_peek_does_not_advance():
  with Prefetcher(lambda step: [step], 0, workers=2) as batches:
    assert batches.peek() is batches.peek()
    assert batches.next() == [0] and batches.peek() == [1] and batches.next() == [1]


def test_an_exception_is_raised_at_its_step_and_again_afterwards():
  def make(step):
    if step == 3:
      raise OSError('disk %d' % step)
    return step

  with Prefetcher(make, 0, workers=2) as batches:
    assert [batches.next() for _ in range(3)] == [0, 1, 2]
    for take in (batches.peek, batches.next, batches.next):
      with pytest.raises(OSError, match='disk 3'):
        take()


@pytest.mark.parametrize('workers', [1, 3])
def test_at_most_two_batches_per_worker_are_ahead(workers):
  made = []
  with Prefetcher(made.append, 0, workers=workers) as batches:
    for taken in range(10):
      batches.next()
      assert len(made) <= taken + 1 + 2 * workers
  assert sorted(made) == list(range(len(made)))
  assert len(made) <= 10 + 2 * workers


@pytest.mark.parametrize('cores, workers', [(None, 1), (3, 3), (64, MOST_WORKERS)])
def test_a_machine_of_many_cores_makes_no_more_batches_than_its_memory_holds(monkeypatch, cores, workers):
  monkeypatch.setattr(os, 'cpu_count', lambda: cores)
  with Prefetcher(lambda step: step, 0) as batches:
    assert len(batches._ahead) == 2 * workers


def test_close_cancels_the_batches_that_are_not_started():
  begun, proceed, made = threading.Event(), threading.Event(), []

  def make(step):
    begun.set()
    assert proceed.wait(60)
    made.append(step)

  batches = Prefetcher(make, 0, workers=1)
  assert begun.wait(60)
  closer = threading.Thread(target=batches.close)
  # The first batch finishes only after the second is cancelled, so close() must cancel before it waits.
  second = batches._ahead[1]
  second.add_done_callback(lambda future: proceed.set())
  closer.start()
  closer.join()
  assert made == [0] and second.cancelled()
  batches.close()
  with pytest.raises(ValueError, match='closed'):
    batches.next()
