"""Image files of any format and mode to uint8 arrays of one size. No TensorFlow here."""

import io
from typing import Any, Union

import numpy as np
from PIL import Image, ImageOps

from wgan_tf1.data.arrays import padding
from wgan_tf1.errors import one_line

SUFFIXES = ('.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.webp', '.gif', '.bmp', '.tif', '.tiff')
FORMATS = ('JPEG', 'PNG', 'WEBP', 'GIF', 'BMP', 'TIFF')  # all that Pillow may try: it starts programs for some others
FORMAT_WORDS = 'PNG, JPEG, WebP, GIF, BMP or TIFF'


def is_deep(image: Any) -> bool:
  """Tells whether a Pillow image has more than 8 bits of grey."""
  return image.mode.startswith(('I', 'F'))


def _own_range(image: Any) -> Any:
  """Scales grey of 16 or more bits to 8, so that its darkest pixel is black and its lightest is white.

  An image of one level only has no range: it is scaled from 16 bits.
  """
  levels = np.asarray(image).astype(np.float64)
  finite = levels[np.isfinite(levels)]
  low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
  low, high = (low, high) if high > low else (0.0, 65535.0)
  with np.errstate(over='ignore', invalid='ignore'):
    scaled = np.nan_to_num((levels / 2 - low / 2) / (high / 2 - low / 2) * 255)  # halved: no difference overflows
  return Image.fromarray(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))


def _flatten(image: Any, channels: int) -> Any:
  """Converts an image of any mode to 'L' or 'RGB', on a white background if it is transparent."""
  if is_deep(image):
    image = _own_range(image)
  if image.mode in ('RGBA', 'LA', 'PA', 'RGBa', 'La') or 'transparency' in image.info:
    image = image.convert('RGBA')
    image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
  return image.convert('L' if channels == 1 else 'RGB')


def _fit(image: Any, size: int, how: str) -> Any:
  """Returns a square Pillow image; see `decode`."""
  width, height = image.size
  if how == 'stretch':
    return image.resize((size, size), Image.Resampling.BILINEAR)
  if how == 'crop':
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
  longer = max(width, height)
  if longer > size:
    width, height = (max(1, (side * size + longer // 2) // longer) for side in (width, height))
    image = image.resize((width, height), Image.Resampling.BILINEAR)
  sheet = Image.new(image.mode, (size, size))
  sheet.paste(image, (padding(width, size), padding(height, size)))
  return sheet


def decode(content: Union[bytes, Any], size: int, channels: int, how: str = 'crop') -> np.ndarray:
  """Decodes the first image of a file, turns it upright, and fits it to a square (antialiased bilinear).

  Args:
    content: bytes of a file of one of `FORMATS`, of any mode; or a Pillow image.
    size: height and width of the result, in pixels.
    channels: 1 for grey or 3 for RGB.
    how: 'crop' resizes the central square. 'pad' shrinks an image that is larger, and surrounds it with black.
      'stretch' resizes it to a square.

  Returns:
    uint8 [size, size, channels].

  Raises:
    Exception: of almost any type, if the bytes are damaged.
  """
  image = content
  if isinstance(content, bytes):
    image = Image.open(io.BytesIO(content), formats=FORMATS)
    # Above this limit Pillow only warns; it refuses above twice the limit.
    if Image.MAX_IMAGE_PIXELS is not None and image.size[0] * image.size[1] > Image.MAX_IMAGE_PIXELS:
      raise ValueError('%d x %d pixels are too many' % image.size)
    # Decodes a JPEG faster, at 1/2, 1/4 or 1/8 of its size, if the result is still at least twice as large as needed.
    image.draft('L' if channels == 1 else 'RGB', (2 * size, 2 * size))
    image = ImageOps.exif_transpose(image)
  return np.asarray(_fit(_flatten(image, channels), size, how)).reshape(size, size, channels)


def reason(error: Exception) -> str:
  """Returns why a file cannot be read, in a few words: a library's message may quote the file."""
  if isinstance(error, Image.UnidentifiedImageError):  # Pillow's message shows a Python object
    return 'not a %s image' % FORMAT_WORDS
  words = one_line(getattr(error, 'strerror', None) or str(error) or type(error).__name__)
  return words if len(words) <= 200 else words[:200] + '...'
