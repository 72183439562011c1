import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from wgan_tf1 import config, images
from wgan_tf1.data import batches


def test_floats_become_the_nearest_byte():
  assert images.to_uint8([-1, 1, 0, -2, 2, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5]).tolist() == [0, 255, 128, 0, 255, 0, 1]


def test_floats_become_the_nearest_byte_with_another_black():
  floats = [0, 1, 0.5, -1, 2, 0.4 / 255, 0.6 / 255, 100.4 / 255]
  assert images.to_uint8(floats, black=0.0).tolist() == [0, 255, 128, 0, 255, 0, 1, 100]


@pytest.mark.parametrize('black', [-1.0, 0.0])
def test_bytes_survive_the_conversion_to_floats_and_back(black):
  everything = np.arange(256, dtype=np.uint8)
  floats = batches.to_float(everything, black)
  assert (floats.min(), floats.max()) == (black, 1)
  assert np.array_equal(images.to_uint8(floats, black), everything)


@pytest.mark.parametrize('preset', ['blog-mnist', 'gp-mnist', 'cifar10-resnet'])
def test_bytes_survive_the_encoding_of_a_preset(preset):
  c = config.make(preset)
  everything = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
  assert np.array_equal(images.to_uint8(batches.encode(c, everything), c.pixel_minimum, c.dequantize), everything)


@pytest.mark.parametrize('black', [-1.0, 0.0])
@pytest.mark.parametrize('noise', [0, 1, 32768, 65534, 65535])
def test_every_grey_level_survives_dequantisation_and_back(black, noise):
  """What a perfect generator makes: every level, with the least and the most noise that training adds."""
  c = dataclasses.replace(config.make('blog-mnist'), dequantize=True, pixel_minimum=black)
  everything = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
  floats = batches.encode(c, everything, np.uint16(noise))
  assert np.array_equal(images.to_uint8(floats, black, dequantized=True), everything)


@pytest.mark.parametrize('n, columns, rows', [(6, 3, 2), (5, 3, 2), (1, 1, 1), (4, 8, 1)])
def test_a_grid_holds_each_image_in_its_place(n, columns, rows):
  batch = np.random.RandomState(0).randint(0, 256, [n, 4, 5, 3]).astype(np.uint8)
  grid = images.grid(batch, columns, gutter_pixels=2)
  assert grid.shape == (rows * 6 + 2, columns * 7 + 2, 3)
  for i in range(n):
    row, column = divmod(i, columns)
    assert np.array_equal(grid[2 + row * 6 : 6 + row * 6, 2 + column * 7 : 7 + column * 7], batch[i])


@pytest.mark.parametrize('channels, mode', [(1, 'L'), (3, 'RGB')])
def test_a_png_holds_the_same_pixels(channels, mode):
  image = np.random.RandomState(0).randint(0, 256, [7, 9, channels]).astype(np.uint8)
  read = Image.open(io.BytesIO(images.encode_png(image)))
  assert (read.format, read.mode) == ('PNG', mode)
  assert np.array_equal(np.asarray(read).reshape(image.shape), image)


def _plot(real, fake, scores):
  axis = np.linspace(-2, 2, 9)
  return images.plot_points(np.array(real, float).reshape(-1, 2), np.array(fake, float).reshape(-1, 2), axis, scores)


def _changed(a, b):
  """Returns the bounding box (top, bottom, left, right) of the pixels that differ."""
  rows, columns = np.nonzero((a != b).any(axis=2))
  return rows.min(), rows.max(), columns.min(), columns.max()


def test_points_are_drawn_at_their_coordinates():
  flat = np.zeros([9, 9])
  empty = _plot([], [], flat)
  assert empty.shape == (640, 600, 3) and empty.dtype == np.uint8
  for real, fake in (([-1, 1], []), ([], [-1, 1])):  # a quarter from the left and from the top
    top, bottom, left, right = _changed(_plot(real, fake, flat), empty)
    assert 140 < top < 150 < bottom < 160 and 140 < left < 150 < right < 160
  assert not np.array_equal(_plot([-1, 1], [], flat), _plot([], [-1, 1], flat))


def test_contour_lines_follow_the_second_axis_of_the_scores():
  axis = np.linspace(-2, 2, 9)
  flat, sloped = np.zeros([9, 9]), np.tile(axis, [9, 1])  # increases to the right, so that the lines are vertical
  drawn = (_plot([], [], sloped) != _plot([], [], flat)).any(axis=2)[:600]  # above the legend
  columns = drawn.mean(axis=0)
  assert drawn.any() and set(columns[columns > 0.5]) == {1.0} and (columns == 0).any()
