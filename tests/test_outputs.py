"""Files of samples: each is what its name says, whole or not there, and written batch by batch."""

import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests.helpers.errors import user_error
from wgan_tf1 import images, outputs

GREY = np.random.RandomState(0).randint(0, 256, [12, 8, 8, 1]).astype(np.uint8)
COLOUR = np.random.RandomState(1).randint(0, 256, [12, 8, 8, 3]).astype(np.uint8)


def _frames(path):
  with Image.open(str(path)) as animation:
    return [np.array(frame.convert('RGB')) for frame in ImageSequence.Iterator(animation)]


@pytest.mark.parametrize(
  'name, kind, error',
  [('a.PNG', 'PNG', 0), ('a.jpg', 'JPEG', 5), ('a.jpeg', 'JPEG', 5), ('a.webp', 'WEBP', 0), ('a.gif', 'GIF', 0)],
)
@pytest.mark.parametrize('pixels', [GREY, COLOUR], ids=['grey', 'colour'])
def test_a_picture_has_the_format_that_its_name_says(tmp_path, name, kind, error, pixels):
  path, picture = str(tmp_path / name), images.grid(pixels[:2], columns=2)  # GIF has 256 colours
  suffix = outputs.kind(path, (*outputs.PICTURES, '.gif'))
  outputs.write_picture(path, suffix, picture, scale=3)
  with Image.open(path) as written:
    assert written.format == kind
    got = np.array(written.convert('RGB')).astype(int)
  expected = picture.repeat(3, axis=0).repeat(3, axis=1) + np.zeros([1, 1, 3], int)
  assert np.abs(got - expected).mean() <= error


def test_a_grid_is_enlarged_to_be_seen():
  for size, columns in ((28, 8), (64, 8), (16, 1), (256, 3)):
    width = columns * (size + 2) + 2
    scale = outputs.grid_scale('a.png', '.png', size, 64, columns)
    assert scale * width >= 600 > (scale - 1) * width
  assert outputs.grid_scale('a.png', '.png', 28, 64, 8, scale=1) == 1
  for arguments in (('a.webp', '.webp', 64, 64, 8, 1, 64), ('a.png', '.png', 64, 10**6, 1000)):
    with user_error(
      'output=%s: ' % arguments[0], 'pixels are too many. Use a smaller --scale, fewer images, .npz or a folder'
    ):
      outputs.grid_scale(*arguments)
  with user_error('632 x 632 pixels in 1000 frames are too many'):
    outputs.grid_scale('a.gif', '.gif', 61, 100, 10, 1000, 1)


@pytest.mark.parametrize('name', ['walk.gif', 'walk.webp'])
def test_a_walk_goes_there_and_back(tmp_path, name):
  path = str(tmp_path / name)
  outputs.write_walk(path, outputs.kind(path, outputs.ANIMATIONS), GREY, walkers=3, scale=2)
  frames = _frames(path)
  assert len(frames) == 4 + 2
  for frame, step in zip(frames, (0, 1, 2, 3, 2, 1)):
    expected = images.grid(GREY.reshape(3, 4, 8, 8, 1)[:, step], columns=2)
    assert (frame[::2, ::2, :1] == expected).all()


def _run(folder, steps, size=20):
  (folder / 'samples').mkdir()
  for i, step in enumerate(steps):
    Image.fromarray(np.full([size, size], 10 * i % 256, np.uint8)).save(str(folder / 'samples' / ('%d.png' % step)))
  return str(folder)


@pytest.mark.parametrize('name', ['t.gif', 't.webp'])
def test_a_time_lapse_has_each_step_above_its_samples(tmp_path, name):
  run = _run(tmp_path, [0, 20, 100, 1000])
  Image.new('L', (5, 5)).save(str(tmp_path / 'samples' / '20-seed0.png'))  # sample.py's
  steps, counted = outputs.sample_grids(run), []
  assert steps == [0, 20, 100, 1000]  # and not as text is sorted
  outputs.write_time_lapse(str(tmp_path / name), name[1:], run, steps, None, counted.append)
  frames = _frames(tmp_path / name)
  assert sum(counted) == len(frames) == 4
  assert frames[0].shape == (600 + 28, 600, 3)
  assert [int(frame[28:].mean()) for frame in frames] == [0, 10, 20, 30]
  captions = [frame[:28] for frame in frames]
  assert all(caption.max() == 255 and caption.min() == 0 for caption in captions)
  assert len({caption.tobytes() for caption in captions}) == 4
  widths = [np.flatnonzero(caption.any(axis=(0, 2))).max() for caption in captions]
  assert widths == sorted(widths) and widths[-1] > widths[0]  # longer numbers
  with Image.open(str(tmp_path / name)) as animation:
    animation.seek(1)
    animation.load()
    shown = animation.info['duration']
    animation.seek(3)
    animation.load()
    assert (shown, animation.info['duration']) == (200, 2000)


def test_a_long_time_lapse_is_thinned(tmp_path):
  run = _run(tmp_path, range(0, 7000, 10), size=1)
  steps = outputs.sample_grids(run)
  assert len(steps) == outputs.MOST_FRAMES and (steps[0], steps[-1]) == (0, 6990)
  assert max(np.diff(steps)) <= 30


def test_a_time_lapse_of_large_pictures_is_thinned_to_what_fits_into_memory(tmp_path, monkeypatch):
  run = _run(tmp_path, range(0, 100, 10), size=20)
  monkeypatch.setattr(outputs, '_MOST_AT_ONCE', 4 * 40 * (40 + 28))
  steps = outputs.sample_grids(run, scale=2)
  assert steps == [0, 30, 60, 90]
  outputs.write_time_lapse(str(tmp_path / 't.gif'), '.gif', run, steps, 2, lambda _: None)
  assert len(_frames(tmp_path / 't.gif')) == 4
  with user_error('120 x 148 pixels are too many. Use a smaller --scale'):
    outputs.write_time_lapse(str(tmp_path / 't.gif'), '.gif', run, outputs.sample_grids(run, 6), 6, lambda _: None)
  monkeypatch.setattr(outputs, '_MOST_AT_ONCE', 100)
  with user_error('20 x 48 pixels are too many. Leave out --timelapse'):
    outputs.write_time_lapse(str(tmp_path / 't.gif'), '.gif', run, outputs.sample_grids(run, 1), 1, lambda _: None)


def test_a_time_lapse_of_what_cannot_be_used(tmp_path):
  with user_error('has no pictures of samples yet. Train it for longer'):
    outputs.sample_grids(str(tmp_path))
  run = _run(tmp_path, [1, 2])

  def write():
    outputs.write_time_lapse(str(tmp_path / 't.gif'), '.gif', run, [1, 2], 1, lambda _: None)

  Image.new('L', (21, 20)).save(str(tmp_path / 'samples' / '2.png'))
  with user_error('2.png is of another size'):
    write()
  (tmp_path / 'samples' / '2.png').write_bytes(b'\x89PNG\r\n\x1a\n')
  with user_error('2.png cannot be read'):
    write()
  assert os.listdir(str(tmp_path)) == ['samples']


@pytest.mark.parametrize('labels', [None, np.arange(12, dtype=np.int32)])
def test_arrays_are_read_by_numpy(tmp_path, labels):
  batches = [COLOUR[:5], COLOUR[5:]]
  for name in ('a.npz', 'again.npz', 'a.npy'):
    outputs.write_array(str(tmp_path / name), name[-4:], 'images', iter(batches), 12, labels)
  assert (np.load(str(tmp_path / 'a.npy')) == COLOUR).all()
  with np.load(str(tmp_path / 'a.npz')) as archive:  # allow_pickle is off
    assert sorted(archive.files) == ['images'] + ['labels'] * (labels is not None)
    assert archive['images'].dtype == np.uint8 and (archive['images'] == COLOUR).all()
    if labels is not None:
      assert archive['labels'].dtype == np.int32 and (archive['labels'] == labels).all()
  assert (tmp_path / 'a.npz').read_bytes() == (tmp_path / 'again.npz').read_bytes()


@pytest.mark.parametrize('suffix', ['.npy', '.npz'])
def test_an_array_need_not_fit_into_memory(tmp_path, suffix):
  tracemalloc.start()
  try:
    batches = (np.full([64, 64, 64, 3], i, np.uint8) for i in range(100))  # of 0.8 MB each
    outputs.write_array(str(tmp_path / ('a' + suffix)), suffix, 'images', batches, 6400)
    peak = tracemalloc.get_traced_memory()[1]
  finally:
    tracemalloc.stop()
  assert os.path.getsize(str(tmp_path / ('a' + suffix))) > 78e6 and peak < 5e6


def test_a_folder_has_a_file_for_each_image(tmp_path):
  (tmp_path / 'plain').mkdir()
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'link').symlink_to('empty')
  for name in ('new/of/images/', 'link/'):
    path = os.path.join(str(tmp_path), name)
    assert outputs.kind(path, ('.png', outputs.FOLDER)) == outputs.FOLDER
    outputs.write_folder(path, (('%d.png' % i, sample) for i, sample in enumerate(COLOUR)), scale=2)
    assert sorted(os.listdir(path)) == sorted('%d.png' % i for i in range(12))
    assert os.stat(path).st_mode == os.stat(str(tmp_path / 'plain')).st_mode
    with Image.open(os.path.join(path, '7.png')) as picture:
      assert (np.array(picture)[::2, ::2] == COLOUR[7]).all() and picture.size == (16, 16)
    with user_error('already exists and is not an empty folder'):
      outputs.kind(path, ('.png', outputs.FOLDER))
  assert (tmp_path / 'link').is_symlink() and len(os.listdir(str(tmp_path / 'empty'))) == 12
  assert sorted(os.listdir(str(tmp_path))) == ['empty', 'link', 'new', 'plain']


def test_what_is_interrupted_leaves_nothing(tmp_path):
  (tmp_path / 'a.npz').write_bytes(b'before')

  def batches():
    yield COLOUR[:5]
    raise KeyboardInterrupt

  for write in (
    lambda: outputs.write_array(str(tmp_path / 'a.npz'), '.npz', 'images', batches(), 12),
    lambda: outputs.write_folder(str(tmp_path / 'f'), zip('abcdefg', (s for b in batches() for s in b))),
    lambda: outputs.write_lines(str(tmp_path / 'a.txt'), (['a'] for _ in batches())),
  ):
    with pytest.raises(KeyboardInterrupt):
      write()
  assert os.listdir(str(tmp_path)) == ['a.npz'] and (tmp_path / 'a.npz').read_bytes() == b'before'


def test_a_disk_that_is_full_is_one_line(tmp_path, monkeypatch):
  def full(handle):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(os, 'fsync', full)
  with user_error('a.png cannot be written: No space left on device'):
    outputs.write_picture(str(tmp_path / 'a.png'), '.png', GREY[0])
  assert os.listdir(str(tmp_path)) == []
