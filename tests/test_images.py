import io

import numpy as np
import pytest
from PIL import Image

from wgan_tf1 import images


def test_floats_become_the_nearest_byte():
  assert images.to_uint8([-1, 1, 0, -2, 2, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5]).tolist() == [0, 255, 128, 0, 255, 0, 1]


def test_bytes_survive_the_way_to_floats_and_back():
  from wgan_tf1 import data

  everything = np.arange(256, dtype=np.uint8)
  assert np.array_equal(images.to_uint8(data.to_float(everything)), everything)


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
