"""Images for people: from floats to bytes, into grids, into PNG files. No TensorFlow here."""

import io

import numpy as np
from PIL import Image


def to_uint8(images):
  """Maps [-1, 1] to 0..255, rounding to the nearest; values beyond are cut off.

  Args:
    images: float array of any shape.

  Returns:
    uint8 array of the same shape.
  """
  return np.clip(np.rint((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def grid(images, columns, gutter_pixels=2):
  """Lays images out row by row on a dark ground.

  Args:
    images: uint8 [N, H, W, C].
    columns: images in a row; the last row may be shorter.
    gutter_pixels: space between two images and around all of them.

  Returns:
    uint8 [rows * (H + gutter) + gutter, columns * (W + gutter) + gutter, C].
  """
  n, height, width, channels = images.shape
  rows = -(-n // columns)
  step_y, step_x = height + gutter_pixels, width + gutter_pixels
  sheet = np.full((rows * step_y + gutter_pixels, columns * step_x + gutter_pixels, channels), 64, np.uint8)
  for i, image in enumerate(images):
    y, x = gutter_pixels + i // columns * step_y, gutter_pixels + i % columns * step_x
    sheet[y : y + height, x : x + width] = image
  return sheet


def encode_png(image):
  """Returns the bytes of a PNG file of a uint8 [H, W, C] array, C being 1 or 3."""
  png = io.BytesIO()
  Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(png, format='PNG')
  return png.getvalue()
