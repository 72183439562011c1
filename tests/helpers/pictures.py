"""Image files for tests."""

import io
import os

from PIL import Image


def encoded(image, kind='PNG', **options):
  """Returns the bytes of an image file."""
  content = io.BytesIO()
  image.save(content, kind, **options)
  return content.getvalue()


def grey(value, size=8):
  """Returns the bytes of a PNG file of one level."""
  return encoded(Image.new('L', (size, size), value))


def put(folder, files):
  """Writes {name: bytes}, and the folders that the names need."""
  for name, content in files.items():
    path = os.path.join(str(folder), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
      f.write(content)
