"""Images to look at: floats to bytes, grids, plots of points, PNG files. No TensorFlow here."""

import io
from typing import Any, Tuple

import numpy as np
from PIL import Image


def to_uint8(images: Any, black: float = -1.0, dequantized: bool = False) -> np.ndarray:
  """Maps [black, 1] to 0..255: the inverse of `batches.encode`. Values outside of that range are clipped.

  Without dequantisation grey level k is the point k / 255 of the range, so the nearest level is taken. With it level k
  is the interval from k / 256 to (k + 1) / 256, so the level is rounded down.

  Args:
    images: float array, or nested list, of any shape.
    black: the value of a black pixel; white is 1.
    dequantized: whether the generator was trained on dequantised pixels: `config.dequantize`.

  Returns:
    uint8 array of the same shape.
  """
  from_black = np.asarray(images) - black
  levels = np.floor(from_black * (256 / (1 - black))) if dequantized else np.rint(from_black * (255 / (1 - black)))
  return np.clip(levels, 0, 255).astype(np.uint8)


def grid_size(rows: int, columns: int, height: int, width: int, gutter_pixels: int = 2) -> Tuple[int, int]:
  """Returns (height, width) of a `grid` in pixels."""
  return rows * (height + gutter_pixels) + gutter_pixels, columns * (width + gutter_pixels) + gutter_pixels


def grid(images: np.ndarray, columns: int, gutter_pixels: int = 2) -> np.ndarray:
  """Lays out images row by row on a dark background.

  Args:
    images: uint8 [N, H, W, C].
    columns: images per row. The last row may be shorter.
    gutter_pixels: space between images and around the whole grid.

  Returns:
    uint8 [rows * (H + gutter) + gutter, columns * (W + gutter) + gutter, C].
  """
  n, height, width, channels = images.shape
  step_y, step_x = height + gutter_pixels, width + gutter_pixels
  sheet = np.full((*grid_size(-(-n // columns), columns, height, width, gutter_pixels), channels), 64, np.uint8)
  for i, image in enumerate(images):
    y, x = gutter_pixels + i // columns * step_y, gutter_pixels + i % columns * step_x
    sheet[y : y + height, x : x + width] = image
  return sheet


def plot_points(real: np.ndarray, fake: np.ndarray, axis: np.ndarray, scores: np.ndarray) -> np.ndarray:
  """Draws real and generated points over contour lines of the critic.

  Args:
    real: float [N, 2].
    fake: float [M, 2].
    axis: float [K], the values of either coordinate at which the critic is evaluated.
    scores: float [K, K]: scores[i, j] is the score of the point (axis[j], axis[i]).

  Returns:
    uint8 [640, 600, 3]: the plot with a legend below.
  """
  from matplotlib.backends.backend_agg import FigureCanvasAgg  # imported here because it is slow
  from matplotlib.figure import Figure

  figure = Figure(figsize=(6, 6.4), dpi=100)
  canvas = FigureCanvasAgg(figure)
  axes = figure.add_axes((0, 0.4 / 6.4, 1, 6 / 6.4))
  axes.set_axis_off()
  if np.ptp(scores) > 0:  # weight clipping can make a critic constant, which has no contour lines
    axes.contour(axis, axis, scores, 25, cmap='viridis', linewidths=0.8)
  axes.scatter(real[:, 0], real[:, 1], s=14, c='tab:orange', marker='+', linewidths=1, label='real')
  axes.scatter(fake[:, 0], fake[:, 1], s=10, c='tab:green', marker='x', linewidths=1, label='generated')
  axes.set_xlim(axis[0], axis[-1])
  axes.set_ylim(axis[0], axis[-1])
  figure.legend(loc='lower center', ncol=2, frameon=False)
  canvas.draw()
  return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def encode_png(image: np.ndarray) -> bytes:
  """Returns the bytes of a PNG file of a uint8 [H, W, C] image with C = 1 or 3."""
  png = io.BytesIO()
  Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(png, format='PNG')
  return png.getvalue()
