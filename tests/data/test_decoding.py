import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.helpers.pictures import encoded
from wgan_tf1.data import arrays, decoding

RED, BLUE = (250, 10, 20), (20, 10, 250)


def _halves(mode, left, right, width=16):
  """Returns an image that is `left` in its left half and `right` in the other."""
  image = Image.new(mode, (width, 16), left)
  image.paste(right, (width // 2, 0, width, 16))
  return image


def _corners(content, channels=3):
  """Returns the pixels at the middle of the left and of the right edge of the decoded image."""
  pixels = decoding.decode(content, 16, channels)
  assert pixels.shape == (16, 16, channels) and pixels.dtype == np.uint8
  return [tuple(int(v) for v in pixels[8, x]) for x in (1, 14)]


@pytest.mark.parametrize('kind, options', [('PNG', {}), ('JPEG', {'quality': 95}), ('WEBP', {'lossless': True})])
def test_rgb(kind, options):
  for found, expected in zip(_corners(encoded(_halves('RGB', RED, BLUE), kind, **options)), (RED, BLUE)):
    assert np.abs(np.subtract(found, expected)).max() <= 6


@pytest.mark.parametrize('mode, values', [('L', (0, 200)), ('1', (0, 255)), ('I;16', (0, 200 * 257))])
def test_grey_of_one_eight_and_sixteen_bits(mode, values):
  if mode == 'I;16':
    pixels = np.repeat(np.array([values], np.uint16), 16, axis=0).repeat(8, axis=1)
    content = encoded(Image.fromarray(pixels))
    assert content[24] == 16  # the header's bit depth
  else:
    content = encoded(_halves(mode, *values))
  right = 200 if mode == 'L' else 255  # 16 bits are scaled by their own range
  assert _corners(content) == [(0,) * 3, (right,) * 3]
  assert _corners(content, channels=1) == [(0,), (right,)]


def test_sixteen_bits_of_colour():
  def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))

  row = b'\0' + struct.pack('>3H', 250 * 257, 10 * 257, 20 * 257) * 16
  header = struct.pack('>IIBBBBB', 16, 16, 16, 2, 0, 0, 0)
  body = chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(row * 16)) + chunk(b'IEND', b'')
  assert _corners(b'\x89PNG\r\n\x1a\n' + body) == [RED, RED]


def test_transparent_images_get_a_white_background():
  for kind, options in (('PNG', {}), ('WEBP', {'lossless': True})):
    clear = _halves('RGBA', RED + (255,), (0, 0, 0, 0))
    assert _corners(encoded(clear, kind, **options)) == [RED, (255, 255, 255)]
  assert _corners(encoded(_halves('LA', (40, 255), (0, 0)))) == [(40,) * 3, (255,) * 3]
  half = encoded(Image.new('RGBA', (16, 16), (0, 0, 0, 128)))
  assert abs(_corners(half, channels=1)[0][0] - 127) <= 1


def test_palettes_with_and_without_transparency():
  image = _halves('P', 0, 1)
  image.putpalette([*RED, *BLUE])
  assert _corners(encoded(image)) == [RED, BLUE]
  assert _corners(encoded(image, transparency=1)) == [RED, (255, 255, 255)]
  assert _corners(encoded(image, transparency=b'\xff\x00')) == [RED, (255, 255, 255)]


def test_a_transparent_colour_of_an_rgb_file():
  assert _corners(encoded(_halves('RGB', RED, BLUE), transparency=BLUE)) == [RED, (255, 255, 255)]


def test_cmyk():
  found = _corners(encoded(_halves('CMYK', (0, 255, 255, 0), (255, 255, 0, 0)), 'JPEG', quality=95))
  assert found[0][0] > 240 > 20 > found[0][2] and found[1][2] > 240 > 20 > found[1][0]


def test_an_image_is_turned_upright():
  exif = Image.Exif()
  exif[0x0112] = 3  # turned by 180 degrees
  content = encoded(_halves('RGB', RED, BLUE), 'JPEG', quality=95, exif=exif.tobytes())
  for found, expected in zip(_corners(content), (BLUE, RED)):
    assert np.abs(np.subtract(found, expected)).max() <= 6
  exif[0x0112] = 6  # to be turned by 90 degrees clockwise: the top becomes the right side
  top = _halves('RGB', RED, BLUE).transpose(Image.ROTATE_270)
  for found, expected in zip(_corners(encoded(top, 'JPEG', quality=95, exif=exif.tobytes())), (BLUE, RED)):
    assert np.abs(np.subtract(found, expected)).max() <= 6


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_the_central_square_is_cropped(kind):
  image = Image.new('RGB', (300, 60), RED)
  image.paste(BLUE, (120, 0, 180, 60))
  content = encoded(image, kind, **({'quality': 95, 'subsampling': 0} if kind == 'JPEG' else {}))
  assert np.abs(decoding.decode(content, 16, 3)[:, 1:-1].astype(int) - BLUE).max() <= 8


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_large_images_are_averaged_not_sampled(kind):
  checks = Image.fromarray(np.indices([512, 512]).sum(0).astype(np.uint8) % 2 * 255)
  pixels = decoding.decode(encoded(checks, kind), 16, 1)
  assert np.abs(pixels.astype(int) - 127).max() <= 3


@pytest.mark.parametrize('kind', ['GIF', 'BMP', 'TIFF'])
def test_more_formats(kind):
  assert _corners(encoded(_halves('RGB', RED, BLUE), kind)) == [RED, BLUE]


@pytest.mark.parametrize('kind, options', [('GIF', {}), ('TIFF', {}), ('WEBP', {'lossless': True}), ('PNG', {})])
def test_the_first_frame_is_used(kind, options):
  others = [Image.new('RGB', (16, 16), BLUE)] * 2
  content = encoded(Image.new('RGB', (16, 16), RED), kind, save_all=True, append_images=others, **options)
  assert _corners(content) == [RED, RED]


@pytest.mark.parametrize(
  'levels, expected',
  [
    (np.array([1000, 1500, 3000], np.uint16), [0, 64, 255]),
    (np.array([-70000, 0, 70000], np.int32), [0, 128, 255]),
    (np.array([0.25, 0.5, 0.75], np.float32), [0, 128, 255]),
    (np.array([np.nan, 1, 2], np.float32), [0, 0, 255]),
    (np.array([-3e38, 0, 3e38], np.float32), [0, 128, 255]),
    (np.array([257 * 9] * 3, np.uint16), [9, 9, 9]),
  ],
)
def test_grey_of_more_than_eight_bits_is_scaled_by_its_own_range(levels, expected):
  content = encoded(Image.fromarray(np.tile(levels, [3, 1])), 'TIFF')
  assert decoding.decode(content, 3, 1)[1, :, 0].tolist() == expected


def _wide(width, height):
  """Returns an image whose pixel at (x, y) is (x, y, 255)."""
  pixels = np.full([height, width, 3], 255, np.uint8)
  pixels[..., 0], pixels[..., 1] = np.arange(width)[None], np.arange(height)[:, None]
  return encoded(Image.fromarray(pixels))


@pytest.mark.parametrize('width, height', [(8, 4), (4, 8), (5, 5), (3, 8)])
def test_padding_keeps_every_pixel_of_a_small_image(width, height):
  fitted = decoding.decode(_wide(width, height), 8, 3, 'pad')
  left, top = (8 - width) // 2, (8 - height) // 2
  expected = np.zeros([8, 8, 3], np.uint8)
  expected[top : top + height, left : left + width] = decoding.Image.open(decoding.io.BytesIO(_wide(width, height)))
  assert np.array_equal(fitted, expected)


def test_padding_shrinks_a_large_image_as_a_whole():
  fitted = decoding.decode(_wide(200, 50), 8, 3, 'pad')
  assert fitted[3:5, :, 2].min() == 255 and not fitted[:3].any() and not fitted[5:].any()
  assert fitted[3, 0, 0] < 30 and fitted[3, -1, 0] > 170  # neither side is cropped


def test_stretching_keeps_all_sides_and_no_border():
  fitted = decoding.decode(_wide(200, 50), 8, 3, 'stretch')
  assert fitted[..., 2].min() == 255
  assert fitted[0, 0, 0] < 30 and fitted[0, -1, 0] > 170 and fitted[0, 0, 1] < 8 and fitted[-1, 0, 1] > 41


@pytest.mark.parametrize('how', ['crop', 'pad', 'stretch'])
@pytest.mark.parametrize('size', [3, 8, 9, 20])
def test_a_square_image_is_fitted_as_arrays_are(how, size):
  pixels = np.random.RandomState(0).randint(0, 256, [1, 8, 8, 3]).astype(np.uint8)
  for channels in (1, 3):
    expected = arrays.fit(pixels, size, channels, how)[0]
    assert np.array_equal(decoding.decode(encoded(Image.fromarray(pixels[0])), size, channels, how), expected)
