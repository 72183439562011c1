import concurrent.futures
import io
import os
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from wgan_tf1.data import folders
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError

RED, BLUE = (250, 10, 20), (20, 10, 250)


def _encoded(image, kind='PNG', **options):
  content = io.BytesIO()
  image.save(content, kind, **options)
  return content.getvalue()


def _grey(value, size=8):
  return _encoded(Image.new('L', (size, size), value))


def _put(folder, files):
  for name, content in files.items():
    path = os.path.join(str(folder), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
      f.write(content)


def _halves(mode, left, right, width=16):
  """Returns an image that is `left` in its left half and `right` in the other."""
  image = Image.new(mode, (width, 16), left)
  image.paste(right, (width // 2, 0, width, 16))
  return image


def _corners(content, channels=3):
  """Returns the pixels at the middle of the left and of the right edge of the decoded image."""
  pixels = folders.decode(content, 16, channels)
  assert pixels.shape == (16, 16, channels) and pixels.dtype == np.uint8
  return [tuple(int(v) for v in pixels[8, x]) for x in (1, 14)]


@pytest.mark.parametrize('kind, options', [('PNG', {}), ('JPEG', {'quality': 95}), ('WEBP', {'lossless': True})])
def test_rgb(kind, options):
  for found, expected in zip(_corners(_encoded(_halves('RGB', RED, BLUE), kind, **options)), (RED, BLUE)):
    assert np.abs(np.subtract(found, expected)).max() <= 6


@pytest.mark.parametrize('mode, values', [('L', (0, 200)), ('1', (0, 255)), ('I;16', (0, 200 * 257))])
def test_grey_of_one_eight_and_sixteen_bits(mode, values):
  if mode == 'I;16':
    pixels = np.repeat(np.array([values], np.uint16), 16, axis=0).repeat(8, axis=1)
    content = _encoded(Image.fromarray(pixels))
    assert content[24] == 16  # the header's bit depth
  else:
    content = _encoded(_halves(mode, *values))
  right = 255 if mode == '1' else 200
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
    assert _corners(_encoded(clear, kind, **options)) == [RED, (255, 255, 255)]
  assert _corners(_encoded(_halves('LA', (40, 255), (0, 0)))) == [(40,) * 3, (255,) * 3]
  half = _encoded(Image.new('RGBA', (16, 16), (0, 0, 0, 128)))
  assert abs(_corners(half, channels=1)[0][0] - 127) <= 1


def test_palettes_with_and_without_transparency():
  image = _halves('P', 0, 1)
  image.putpalette([*RED, *BLUE])
  assert _corners(_encoded(image)) == [RED, BLUE]
  assert _corners(_encoded(image, transparency=1)) == [RED, (255, 255, 255)]
  assert _corners(_encoded(image, transparency=b'\xff\x00')) == [RED, (255, 255, 255)]


def test_a_transparent_colour_of_an_rgb_file():
  assert _corners(_encoded(_halves('RGB', RED, BLUE), transparency=BLUE)) == [RED, (255, 255, 255)]


def test_cmyk():
  found = _corners(_encoded(_halves('CMYK', (0, 255, 255, 0), (255, 255, 0, 0)), 'JPEG', quality=95))
  assert found[0][0] > 240 > 20 > found[0][2] and found[1][2] > 240 > 20 > found[1][0]


def test_an_image_is_turned_upright():
  exif = Image.Exif()
  exif[0x0112] = 3  # turned by 180 degrees
  content = _encoded(_halves('RGB', RED, BLUE), 'JPEG', quality=95, exif=exif.tobytes())
  for found, expected in zip(_corners(content), (BLUE, RED)):
    assert np.abs(np.subtract(found, expected)).max() <= 6
  exif[0x0112] = 6  # to be turned by 90 degrees clockwise: the top becomes the right side
  top = _halves('RGB', RED, BLUE).transpose(Image.ROTATE_270)
  for found, expected in zip(_corners(_encoded(top, 'JPEG', quality=95, exif=exif.tobytes())), (BLUE, RED)):
    assert np.abs(np.subtract(found, expected)).max() <= 6


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_the_central_square_is_cropped(kind):
  image = Image.new('RGB', (300, 60), RED)
  image.paste(BLUE, (120, 0, 180, 60))
  content = _encoded(image, kind, **({'quality': 95, 'subsampling': 0} if kind == 'JPEG' else {}))
  assert np.abs(folders.decode(content, 16, 3)[:, 1:-1].astype(int) - BLUE).max() <= 8


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_large_images_are_averaged_not_sampled(kind):
  checks = Image.fromarray(np.indices([512, 512]).sum(0).astype(np.uint8) % 2 * 255)
  pixels = folders.decode(_encoded(checks, kind), 16, 1)
  assert np.abs(pixels.astype(int) - 127).max() <= 3


def test_a_tree_is_sorted_by_name_and_every_twentieth_is_held_out(tmp_path, capsys):
  names = ['%s/%02d.png' % (sub, i) for sub in 'ba' for i in range(25)]
  _put(tmp_path, {name: _grey(4 * i) for i, name in enumerate(sorted(names))})
  _put(tmp_path, {'.hidden.png': b'', '.cache/x.png': b'', 'notes.txt': b'', 'a/01.gif': b''})
  train, validation, _ = folders.load(str(tmp_path), 8, 1)
  assert len(train) == 48 and len(validation) == 2
  assert validation[np.arange(2)][:, 0, 0, 0].tolist() == [4 * 19, 4 * 39]
  expected = [4 * i for i in range(50) if i not in (19, 39)]
  assert train[:][:, 0, 0, 0].tolist() == expected
  some = train[np.array([5, 0, 5, -1])]
  assert some.dtype == np.uint8 and some.shape == (4, 8, 8, 1)
  assert some[:, 3, 3, 0].tolist() == [expected[5], expected[0], expected[5], expected[-1]]
  assert capsys.readouterr().err == ''
  with pytest.raises(IndexError):
    train[np.array([48])]


def test_suffixes_may_be_of_either_case(tmp_path):
  image = Image.new('L', (8, 8), 50)
  for name, kind in (('a.PNG', 'PNG'), ('b.Jpg', 'JPEG'), ('c.JPEG', 'JPEG'), ('d.WebP', 'WEBP')):
    _put(tmp_path, {name: _encoded(image, kind)})
  train, validation, _ = folders.load(str(tmp_path), 8, 3)
  assert (len(train), len(validation)) == (3, 1) and np.abs(train[:].astype(int) - 50).max() <= 2


def test_links_are_followed_once(tmp_path):
  _put(tmp_path / 'there', {'a.png': _grey(1), 'b.png': _grey(2)})
  _put(tmp_path / 'tree', {'c.png': _grey(3)})
  (tmp_path / 'there' / 'up').symlink_to(tmp_path / 'tree', target_is_directory=True)
  (tmp_path / 'tree' / 'link').symlink_to(tmp_path / 'there', target_is_directory=True)
  train, validation, _ = folders.load(str(tmp_path / 'tree'), 8, 1)
  assert len(train) + len(validation) == 3


def test_a_single_image_is_both_trained_on_and_held_out(tmp_path):
  _put(tmp_path, {'only.png': _grey(9)})
  for root in (tmp_path, tmp_path / 'only.png'):
    train, validation, _ = folders.load(str(root), 8, 1)
    assert len(train) == len(validation) == 1 and train[np.array([0])][0, 0, 0, 0] == 9


def test_files_that_are_not_images_are_named_and_left_out(tmp_path, capsys):
  bad = {'bad%d.png' % i: b'not an image' for i in range(7)}
  _put(tmp_path, {'a.png': _grey(1), 'z.png': _grey(2), 'empty.jpg': b'', **bad})
  (tmp_path / 'lost.png').symlink_to(tmp_path / 'nowhere.png')
  train, validation, _ = folders.load(str(tmp_path), 8, 1)
  assert len(train) == len(validation) == 1
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('warning: 9 of 11 files') and 'bad0.png (not a PNG, JPEG or WebP image)' in line
  assert 'bad4.png' in line and 'bad5.png' not in line and line.endswith('and 4 more')


def test_a_tree_without_an_image_is_refused(tmp_path):
  _put(tmp_path, {'a.txt': b''})
  with pytest.raises(Missing, match='holds no PNG, JPEG or WebP images. Put a tree'):
    folders.load(str(tmp_path), 8, 1)
  _put(tmp_path, {'a.png': b'x'})
  with pytest.raises(UserError, match='no image in .* can be read: a.png'):
    folders.load(str(tmp_path), 8, 1)


@pytest.mark.parametrize('limit', [600, 1000])  # Pillow refuses above twice the limit and warns above the limit
def test_images_with_too_many_pixels_are_named(tmp_path, capsys, monkeypatch, limit):
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', limit)
  _put(tmp_path, {'a.png': _grey(1), 'bomb.png': _grey(1, size=40)})
  train, _, _ = folders.load(str(tmp_path), 8, 1)
  assert len(train) == 1
  assert 'bomb.png (Image size (1600 pixels) exceeds limit' in capsys.readouterr().err


def test_small_images_are_enlarged_and_counted(tmp_path, capsys):
  _put(tmp_path, {'a.png': _grey(1, 3), 'b.png': _grey(2, 1), 'c.png': _grey(3, 8), 'd.png': _grey(3, 9)})
  train, _, _ = folders.load(str(tmp_path), 8, 1)
  assert train[:].shape == (3, 8, 8, 1) and (train[:2] == np.array([1, 2])[:, None, None, None]).all()
  (line,) = capsys.readouterr().err.splitlines()
  assert '2 of 4 images' in line and 'smaller than 8 pixels' in line


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP'])
def test_a_damaged_image_is_named_once_and_replaced_by_the_next(tmp_path, capsys, kind):
  noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, [64, 64]).astype(np.uint8))
  whole = _encoded(noise, kind)
  _put(tmp_path, {'%d.png' % i: _grey(i, 16) for i in (0, 3, 4)})
  # A truncated WebP is refused with its header; in this one only the pixels are damaged.
  damaged = whole[:40] + b'\xff' * (len(whole) - 40) if kind == 'WEBP' else whole[: len(whole) // 2]
  _put(tmp_path, {name: damaged for name in ('1.png', '2.png')})
  train, _, _ = folders.load(str(tmp_path), 16, 1)  # 4.png is held out
  capsys.readouterr()
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    batches = list(pool.map(lambda _: train[np.arange(4)], range(20)))
  assert all(batch[:, 0, 0, 0].tolist() == [0, 3, 3, 3] for batch in batches)
  lines = sorted(capsys.readouterr().err.splitlines())
  assert len(lines) == 2 and all('%d.png cannot be decoded' % i in lines[i - 1] for i in (1, 2))


def test_a_damaged_image_that_two_threads_read_at_once_is_reported_once_and_not_read_again(capsys):
  meeting, reads = threading.Barrier(2), []

  def read(source):
    reads.append(source)
    if source == 'damaged':
      meeting.wait(60)  # until both threads have read it
      return b''
    return _grey(7)

  images = folders.Images(['damaged', 'whole'], read, str, 8, 1)
  with concurrent.futures.ThreadPoolExecutor(2) as pool:
    assert [image[0, 0, 0, 0] for image in pool.map(lambda _: images[np.array([0])], range(2))] == [7, 7]
  assert images[np.array([0])].max() == 7 and reads.count('damaged') == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('warning: damaged cannot be decoded (not a PNG, JPEG or WebP image)')


def test_the_last_image_is_replaced_by_the_first_and_a_collection_without_any_is_refused(tmp_path, capsys):
  cut = _grey(1, 64)[:-30]
  _put(tmp_path, {'0.png': _grey(7), '1.png': cut, '2.png': _grey(8)})
  train, _, _ = folders.load(str(tmp_path), 8, 1)
  assert train[np.array([1])][0, 0, 0, 0] == 7
  _put(tmp_path, {'0.png': cut, '2.png': cut})
  with pytest.raises(UserError, match='none of 3 images can be decoded. The first is .*0.png'):
    folders.load(str(tmp_path), 8, 1)


def _values(images):
  return images[:][:, 0, 0, 0].tolist()


@pytest.mark.parametrize('count', [2, 3, 19, 20, 39, 41])
def test_one_damaged_image_decides_nothing_wherever_it_stands(tmp_path, capsys, count):
  _put(tmp_path, {'%02d.png' % i: _grey(i, 64) for i in range(count)})
  *whole, fingerprint = folders.load(str(tmp_path), 8, 1)
  whole_train, whole_held_out = map(_values, whole)
  for damaged in range(count):
    content = _grey(damaged, 64)
    path = tmp_path / ('%02d.png' % damaged)
    path.write_bytes(content[:50] + bytes(len(content) - 50))
    train, held_out, again = folders.load(str(tmp_path), 8, 1)
    assert again == fingerprint and len(held_out) == len(whole_held_out)
    assert set(_values(train)) | set(_values(held_out)) == set(range(count)) - {damaged}
    # No other image of the training set moves.
    moved = sum(a != b for a, b in zip(_values(train), whole_train))
    assert moved <= 1 and (len(train) == len(whole_train) or count == 2)
    if count > 2:
      assert not set(_values(train)) & set(_values(held_out))
    assert len(capsys.readouterr().err.splitlines()) == 1
    path.write_bytes(content)


def test_of_two_readable_images_among_damaged_ones_one_is_held_out(tmp_path):
  for good in ((0, 1), (0, 39), (19, 39), (19, 20), (38, 39), (5,), (19,)):
    cut = _grey(1, 64)[:-30]
    _put(tmp_path, {'%02d.png' % i: _grey(i) if i in good else cut for i in range(40)})
    train, held_out, _ = folders.load(str(tmp_path), 8, 1)
    assert set(_values(train)) | set(_values(held_out)) == set(good)
    assert len(good) == 1 or not set(_values(train)) & set(_values(held_out))


def test_a_large_folder_is_not_read_at_the_start(tmp_path, monkeypatch):
  _put(tmp_path, {'%03d.png' % i: _grey(i % 250) for i in range(300)})
  decode, decoded = folders.decode, []
  monkeypatch.setattr(folders, 'decode', lambda *args: decoded.append(1) or decode(*args))
  train, held_out, _ = folders.load(str(tmp_path), 8, 1)
  assert len(decoded) == len(held_out) + 1 == 16


@pytest.mark.parametrize('name', [b'[a]*?{}', b'a\\b\nc', b'\xff\xfe', '\u65e5'.encode()])
def test_folders_and_images_may_have_any_name(tmp_path, name):
  root = os.path.join(str(tmp_path), os.fsdecode(name))
  _put(root, {os.fsdecode(name) + end: _grey(i) for i, end in enumerate(('1.png', '2.png', '3.PNG'))})
  train, held_out, fingerprint = folders.load(root, 8, 1)
  assert (_values(train), _values(held_out), len(fingerprint)) == ([0, 1], [2], 32)


def test_of_many_damaged_images_the_first_five_are_named(capsys):
  images = folders.Images(list('abcdefgh'), lambda source: _grey(7) if source == 'h' else b'', str, 8, 1)
  assert images[np.arange(8)].max() == 7
  lines = capsys.readouterr().err.splitlines()
  assert [line.split()[1] for line in lines[:5]] == list('abcde') and len(lines) == 6
  assert lines[5] == 'warning: more than 5 images cannot be decoded. The others are not listed'


def test_the_fingerprint_depends_on_names_and_sizes(tmp_path):
  def fingerprint():
    return folders.load(str(tmp_path), 8, 1)[2]

  _put(tmp_path, {'a.png': _grey(1), 'b.png': _grey(2), 'c.txt': b''})
  first = fingerprint()
  _put(tmp_path, {'c.txt': b'x'})
  assert fingerprint() == first
  _put(tmp_path, {'b.png': _grey(2) + b'x'})
  second = fingerprint()
  (tmp_path / 'b.png').rename(tmp_path / 'e.png')
  assert len({first, second, fingerprint()}) == 3
