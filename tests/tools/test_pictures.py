import io
import os
import re

import numpy as np
import pytest
from PIL import Image

from tests.helpers.processes import ROOT, run
from tools import browser, drawings, pictures


def _open(content):
  return Image.open(io.BytesIO(content))


def test_a_montage_enlarges_each_cell_by_a_whole_number():
  black, white = np.zeros([10, 10], np.uint8), np.full([10, 10, 3], 255, np.uint8)
  picture = np.asarray(drawings.montage([('clip', [('step 1', black), ('step 2', white)])], width=100))
  assert picture.shape == (2 * 50 + 40, 100, 3)
  found = (picture == 0).all(axis=2)
  rows, columns = np.flatnonzero(found.sum(axis=1) >= 40), np.flatnonzero(found.sum(axis=0) >= 40)
  assert len(rows) == len(columns) == 40 and columns[0] == 12  # 10 pixels, four times


def test_a_montage_is_as_wide_as_its_cells_need():
  cell = np.zeros([10, 300], np.uint8)
  assert drawings.montage([('', [('', cell), ('', cell)])], width=100).width == 2 * 300 + 3 * 12


def test_a_terminal_has_a_line_for_each_line():
  one, two = (np.asarray(drawings.terminal(lines)) for lines in (['$ x'], ['$ x', 'step 1']))
  assert one.shape[1] == two.shape[1] and two.shape[0] - one.shape[0] == 32
  assert len(np.unique(two[-60:].reshape(-1, 3), axis=0)) > 2


def test_the_white_border_is_cut_off():
  pixels = np.full([20, 30, 3], 255, np.uint8)
  pixels[5:9, 10:20] = 7
  trimmed = _open(drawings.trimmed(drawings.png(Image.fromarray(pixels))))
  assert trimmed.size == (10, 4) and np.asarray(trimmed).max() == 7
  pixels[0] = 9  # a shadow
  assert _open(drawings.trimmed(drawings.png(Image.fromarray(pixels)), top=1)).size == (10, 4)


def test_an_animation_has_a_frame_for_each_grid_of_the_run(tmp_path):
  samples = tmp_path / 'gp' / 'samples'
  samples.mkdir(parents=True)
  for step in (0, 50, 100, 150):
    Image.fromarray(np.full([274, 274], step, np.uint8)).save(str(samples / ('%d.png' % step)))
  steps = np.arange(1, 151)
  np.savez(str(tmp_path / 'gp' / 'curve.npz'), training=np.stack([steps, 1 / steps], axis=1))
  animation = _open(pictures.PICTURES['training'][2](str(tmp_path)))
  assert animation.n_frames == 3 and animation.size[0] == drawings.WIDTH
  greys = []
  for i in range(3):
    animation.seek(i)
    greys.append(round(np.median(np.asarray(animation.convert('L'))[20:-20, 20:300])))
  assert np.abs(np.array(greys) - [50, 100, 150]).max() <= 3


def test_the_estimates_are_drawn_from_the_results(tmp_path):
  assert _open(pictures.PICTURES['estimates'][2](str(tmp_path))).size[0] == drawings.WIDTH


def test_the_commands_of_the_runs_are_listed_and_can_be_used(tmp_path):
  out, _ = run(tmp_path, '-m', 'tools.pictures', '--list', PYTHONPATH=ROOT)
  lines = out.splitlines()
  assert [line.split(':')[0] for line in lines] == [*pictures.PICTURES, *pictures.RUNS]
  for line in lines[len(pictures.PICTURES) :]:
    command = line.split(': python ')[1].split()
    run(tmp_path, os.path.join(ROOT, command[0]), '--print_config', '--data_dir=.', *command[1:])
  assert all(set(runs) <= set(pictures.RUNS) for _, runs, _ in pictures.PICTURES.values())


def test_an_unknown_picture_is_refused(tmp_path):
  _, err = run(tmp_path, '-m', 'tools.pictures', '--only=toys,cats', status=1, PYTHONPATH=ROOT)
  assert err.startswith('pictures: --only=toys,cats: cats must be among training, curve, ')


def test_what_a_terminal_shows_is_kept(tmp_path, monkeypatch):
  monkeypatch.delenv('TF_CPP_MIN_LOG_LEVEL')
  tiny = ['--preset=toy-8gaussians', '--variant=gp', '--width=2', '--generator_steps=300', '--run_dir=' + str(tmp_path)]
  shown = pictures._in_terminal(*tiny)
  assert 'toy-8gaussians' in shown and '\r' not in shown and '\n\n\n' not in shown
  assert re.search(r'\d+/300 \[', shown), shown


@pytest.mark.skipif(browser.find() is None, reason='there is no Chromium')
def test_a_page_is_waited_for_clicked_and_taken_a_picture_of():
  page = """<body style="margin:0"><div id=a style="width:40px;height:20px;background:red"></div><script>
    a.onclick = () => setTimeout(() => { const b = document.createElement('p'); b.id = 'b'; a.after(b); }, 50);
    </script>"""
  with browser.chromium(browser.find()) as tab:
    tab.open('data:text/html,' + page, 300, 200)
    tab.click("e.id === 'a'")
    tab.wait_for("e.id === 'b'")
    picture = _open(tab.picture("e.id === 'a'")).convert('RGB')
    # Its colour changes for a while: the picture waits until that has ended.
    tab.run("let n = 0; const t = setInterval(() => { a.style.background = n++ < 20 ? `rgb(${n},0,0)` : 'blue'; "
            "if (n > 20) clearInterval(t) }, 40)")  # fmt: skip
    after = _open(tab.picture("e.id === 'a'")).convert('RGB')
  assert after.getpixel((5, 5)) == (0, 0, 255)
  assert picture.size == (40 * browser.SCALE, 20 * browser.SCALE) and picture.getpixel((5, 5)) == (255, 0, 0)
