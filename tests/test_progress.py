import io
import sys
import threading

import pytest

from wgan_tf1 import errors, progress


class Terminal(io.StringIO):
  def isatty(self):
    return True


def _shown(monkeypatch, stream, seconds, total=4):
  monkeypatch.setattr(progress, 'SECONDS', seconds)
  monkeypatch.setattr(sys, 'stderr', stream)
  with progress.progress('drawing samples', total, 'images') as advance:
    advance(1)
    advance(3)
  return stream.getvalue() if stream else ''


def test_a_bar_says_what_is_done_and_how_far_it_is_and_vanishes(monkeypatch):
  shown = _shown(monkeypatch, Terminal(), 0)
  assert 'drawing samples:   0%|' in shown and ' 0/4 [' in shown
  assert shown.endswith('\r') and not shown.split('\r')[-2].strip()


def test_a_bar_without_a_total_counts(monkeypatch):
  assert 'drawing samples: 0 images' in _shown(monkeypatch, Terminal(), 0, None)


@pytest.mark.parametrize('stream, seconds', [(io.StringIO(), 0), (Terminal(), 60), (None, 0)])
def test_no_bar_without_a_terminal_nor_for_short_work(monkeypatch, stream, seconds):
  assert _shown(monkeypatch, stream, seconds) == ''


def test_no_bar_for_work_in_the_background(monkeypatch):
  shown = []
  worker = threading.Thread(target=lambda: shown.append(_shown(monkeypatch, Terminal(), 0)))
  worker.start()
  worker.join()
  assert shown == ['']


def test_the_bar_of_failed_work_is_removed(monkeypatch):
  monkeypatch.setattr(progress, 'SECONDS', 0)
  monkeypatch.setattr(sys, 'stderr', Terminal())
  with pytest.raises(ValueError), progress.progress('scanning', 4):
    raise ValueError
  assert not sys.stderr.getvalue().split('\r')[-2].strip()


def test_a_warning_has_a_line_to_itself_and_the_bar_comes_back(monkeypatch):
  monkeypatch.setattr(progress, 'SECONDS', 0)
  monkeypatch.setattr(sys, 'stderr', Terminal())
  with progress.progress('scanning', 4) as advance:
    advance(1)
    errors.warn('a file is damaged')
    above, below = sys.stderr.getvalue().split('warning: a file is damaged\n')
  assert above.endswith('\r') and not above.split('\r')[-2].strip()
  assert 'scanning' in below
