import io
import os

import numpy as np
import pytest
from PIL import Image

from wgan_tf1 import curve, training


def _slow_median(values, window):
  half = window // 2
  padded = list(values)
  while len(padded) < len(values) + 2 * half:  # mirrored as often as it takes
    padded = padded[::-1] + padded + padded[::-1]
  start = (len(padded) - len(values)) // 2 - half
  padded = padded[start:]
  return [sorted(padded[i : i + window])[half] for i in range(len(values))]


@pytest.mark.parametrize('count', [1, 5, 101, 230])
def test_the_running_median_against_its_definition(count):
  values = np.random.RandomState(count).normal(size=count)
  np.testing.assert_array_equal(curve.median_filter(values), _slow_median(values, 101))
  np.testing.assert_array_equal(curve.median_filter(values, 5), _slow_median(values, 5))


def test_what_was_trained_again_is_dropped_and_a_damaged_file_only_warns(tiny, tmp_path, capsys):
  config = tiny(run_dir=str(tmp_path))
  kept = curve.Curve(config, 0)
  kept.training += [(step, step / 10) for step in range(1, 31)]
  kept.held_out += [(20, 1.5), (40, 2.5)]
  kept.write()
  resumed = curve.Curve(config, 20)
  assert resumed.training == [(step, step / 10) for step in range(1, 21)] and resumed.held_out == [(20, 1.5)]
  assert curve.Curve(config, 0).training == []  # a new run in a directory that has an old curve
  (tmp_path / 'curve.npz').write_bytes(b'x')
  assert curve.Curve(config, 20).training == []
  assert 'The curve starts at step 20' in capsys.readouterr().err


def _is_drawn(path):
  """Whether the picture shows both curves, by their colours."""
  with Image.open(path) as image:
    pixels = np.asarray(image.convert('RGB')).reshape(-1, 3).astype(int)
  return [bool((np.abs(pixels - color).max(axis=1) < 8).any()) for color in ((31, 119, 180), (255, 127, 14))]


@pytest.mark.parametrize('estimates', [[float('nan')], [0.0, 0.0, 0.0], [float('nan'), 3.0, -2.0]])
def test_a_curve_with_hardly_any_values_is_drawn(tiny, tmp_path, estimates):
  run = curve.Curve(tiny(run_dir=str(tmp_path)), 0)
  run.training += list(enumerate(estimates, 1))
  run.draw(last=True)
  assert Image.open(str(tmp_path / 'curve.png')).size == (800, 400)


def test_drawing_is_put_off_while_it_would_take_more_than_a_hundredth_of_the_run(tiny, tmp_path, monkeypatch):
  now = [0.0]
  monkeypatch.setattr(curve.time, 'perf_counter', lambda: now[0])
  run = curve.Curve(tiny(run_dir=str(tmp_path)), 0)
  drawn = []

  def draw():
    drawn.append(now[0])
    now[0] += 2
    return b''

  monkeypatch.setattr(run, '_draw', draw)
  for now[0], last in ((10, False), (100, False), (213, False), (220, False), (300, True)):
    run.draw(last)
  assert drawn == [10, 213, 300]


@pytest.mark.parametrize(
  'preset, size, thumbnails',
  [('blog-mnist', (800, 560), True), ('toy-8gaussians', (800, 560), True), ('text-char', (800, 400), False)],
)
def test_a_run_and_a_resumed_run_leave_the_same_curve(tiny, tmp_path, preset, size, thumbnails):
  lines = tmp_path / 'lines.txt'
  lines.write_text(''.join('the %d. line of a short text\n' % i for i in range(100)))
  whole, halves = (
    tiny(
      'gp',
      preset,
      width=8,
      generator_steps=4,
      summary_every_steps=2,
      sample_every_steps=1,
      save_every_steps=2,
      run_dir=str(tmp_path / name),
      **({'data_path': str(lines)} if preset == 'text-char' else {}),
    )
    for name in ('whole', 'halves')
  )
  training.train(whole)
  training.train(training.dataclasses.replace(halves, generator_steps=2))
  training.train(halves)
  found = [curve.Curve(config, 4) for config in (whole, halves)]
  assert found[0].training == found[1].training and found[0].held_out == found[1].held_out
  assert [step for step, _ in found[0].training] == [1, 2, 3, 4] and np.isfinite(found[0].training).all()
  assert [step for step, _ in found[0].held_out] == [1, 2, 3, 4] and np.isfinite(found[0].held_out).all()
  path = os.path.join(halves.run_dir, 'curve.png')
  assert _is_drawn(path) == [True, True] and Image.open(path).size == size
  assert [step for step, _ in found[0]._thumbnails()] == ([1, 2, 3, 4] if thumbnails else [])
  content = io.BytesIO(open(os.path.join(whole.run_dir, 'curve.png'), 'rb').read())
  assert np.array_equal(np.asarray(Image.open(content)), np.asarray(Image.open(path)))


def test_samples_that_a_user_has_changed_are_drawn_or_left_out(tiny, tmp_path):
  run = curve.Curve(tiny(run_dir=str(tmp_path)), 0)
  run.training += [(step, 1.0 / step) for step in range(1, 11)]
  (tmp_path / 'samples').mkdir()
  for step, mode in ((2, 'LA'), (4, 'P'), (6, 'RGBA')):
    Image.new(mode, (40, 40)).save(str(tmp_path / 'samples' / ('%d.png' % step)))
  (tmp_path / 'samples' / '8.png').write_bytes(b'\x89PNG\r\n\x1a\n')
  (tmp_path / 'samples' / '\u00b2.png').write_bytes(b'')
  assert [(step, picture.shape) for step, picture in run._thumbnails()] == [(n, (220, 220, 3)) for n in (2, 4, 6)]
  run.draw(last=True)
  assert Image.open(str(tmp_path / 'curve.png')).size == (800, 560)
