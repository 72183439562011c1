import concurrent.futures
import io
import os
import struct
import sys
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from wgan_tf1 import UserError
from wgan_tf1 import image_files
from wgan_tf1.downloads import Missing

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
  pixels = image_files.decode(content, 16, channels)
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
    assert content[24] == 16  # the bit depth in the header
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


def test_white_shows_through():
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
  exif[0x0112] = 3  # lies on its head
  content = _encoded(_halves('RGB', RED, BLUE), 'JPEG', quality=95, exif=exif.tobytes())
  for found, expected in zip(_corners(content), (BLUE, RED)):
    assert np.abs(np.subtract(found, expected)).max() <= 6
  exif[0x0112] = 6  # a quarter turn clockwise: what was above is to the right
  above = _halves('RGB', RED, BLUE).transpose(Image.ROTATE_270)
  for found, expected in zip(_corners(_encoded(above, 'JPEG', quality=95, exif=exif.tobytes())), (BLUE, RED)):
    assert np.abs(np.subtract(found, expected)).max() <= 6


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_the_middle_square_is_kept(kind):
  image = Image.new('RGB', (300, 60), RED)
  image.paste(BLUE, (120, 0, 180, 60))
  content = _encoded(image, kind, **({'quality': 95, 'subsampling': 0} if kind == 'JPEG' else {}))
  assert np.abs(image_files.decode(content, 16, 3)[:, 1:-1].astype(int) - BLUE).max() <= 8


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_large_images_are_averaged_not_sampled(kind):
  checks = Image.fromarray(np.indices([512, 512]).sum(0).astype(np.uint8) % 2 * 255)
  pixels = image_files.decode(_encoded(checks, kind), 16, 1)
  assert np.abs(pixels.astype(int) - 127).max() <= 3


def test_a_tree_is_sorted_by_name_and_every_twentieth_is_held_out(tmp_path, capsys):
  names = ['%s/%02d.png' % (sub, i) for sub in 'ba' for i in range(25)]
  _put(tmp_path, {name: _grey(4 * i) for i, name in enumerate(sorted(names))})
  _put(tmp_path, {'.hidden.png': b'', '.cache/x.png': b'', 'notes.txt': b'', 'a/01.gif': b''})
  train, validation, _ = image_files.folder(str(tmp_path), 8, 1)
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
  train, validation, _ = image_files.folder(str(tmp_path), 8, 3)
  assert (len(train), len(validation)) == (3, 1) and np.abs(train[:].astype(int) - 50).max() <= 2


def test_links_are_followed_once(tmp_path):
  _put(tmp_path / 'there', {'a.png': _grey(1), 'b.png': _grey(2)})
  _put(tmp_path / 'tree', {'c.png': _grey(3)})
  (tmp_path / 'there' / 'up').symlink_to(tmp_path / 'tree', target_is_directory=True)
  (tmp_path / 'tree' / 'link').symlink_to(tmp_path / 'there', target_is_directory=True)
  train, validation, _ = image_files.folder(str(tmp_path / 'tree'), 8, 1)
  assert len(train) + len(validation) == 3


@pytest.mark.parametrize('n, every, most, expected', [
  (1, 20, 9, [0]), (5, 20, 9, [4]), (20, 20, 9, [19]), (50, 20, 9, [19, 39]), (50, 20, 1, [49]), (9, 2, 2, [4]),
])  # fmt: skip
def test_what_is_held_out_is_spread(n, every, most, expected):
  assert np.flatnonzero(image_files.spread(n, every, most)).tolist() == expected


def test_no_more_than_so_many_are_held_out_and_they_span_the_list():
  held_out = np.flatnonzero(image_files.spread(123456, 20, 1000))
  assert 990 < len(held_out) <= 1000 and held_out[-1] > 123000


def test_a_single_image_is_both_trained_on_and_held_out(tmp_path):
  _put(tmp_path, {'only.png': _grey(9)})
  for root in (tmp_path, tmp_path / 'only.png'):
    train, validation, _ = image_files.folder(str(root), 8, 1)
    assert len(train) == len(validation) == 1 and train[np.array([0])][0, 0, 0, 0] == 9


def test_files_that_are_not_images_are_named_and_left_out(tmp_path, capsys):
  bad = {'bad%d.png' % i: b'not an image' for i in range(7)}
  _put(tmp_path, {'a.png': _grey(1), 'z.png': _grey(2), 'empty.jpg': b'', **bad})
  (tmp_path / 'lost.png').symlink_to(tmp_path / 'nowhere.png')
  train, validation, _ = image_files.folder(str(tmp_path), 8, 1)
  assert len(train) == len(validation) == 1
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('warning: 9 of 11 files') and 'bad0.png (not a PNG, JPEG or WebP image)' in line
  assert 'bad4.png' in line and 'bad5.png' not in line and line.endswith('and 4 more')


def test_a_tree_without_an_image_is_refused(tmp_path):
  _put(tmp_path, {'a.txt': b''})
  with pytest.raises(Missing, match='holds no PNG, JPEG or WebP images: put a tree'):
    image_files.folder(str(tmp_path), 8, 1)
  _put(tmp_path, {'a.png': b'x'})
  with pytest.raises(UserError, match='no image in .* can be read: a.png'):
    image_files.folder(str(tmp_path), 8, 1)


@pytest.mark.parametrize('limit', [600, 1000])  # beyond twice the limit Pillow refuses, beyond once it warns
def test_images_too_large_to_unpack_are_named(tmp_path, capsys, monkeypatch, limit):
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', limit)
  _put(tmp_path, {'a.png': _grey(1), 'bomb.png': _grey(1, size=40)})
  train, _, _ = image_files.folder(str(tmp_path), 8, 1)
  assert len(train) == 1
  assert 'bomb.png (Image size (1600 pixels) exceeds limit' in capsys.readouterr().err


def test_small_images_are_enlarged_and_counted(tmp_path, capsys):
  _put(tmp_path, {'a.png': _grey(1, 3), 'b.png': _grey(2, 1), 'c.png': _grey(3, 8), 'd.png': _grey(3, 9)})
  train, _, _ = image_files.folder(str(tmp_path), 8, 1)
  assert train[:].shape == (3, 8, 8, 1) and (train[:2] == np.array([1, 2])[:, None, None, None]).all()
  (line,) = capsys.readouterr().err.splitlines()
  assert '2 of 4 images' in line and 'smaller than 8 pixels' in line


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP'])
def test_a_damaged_image_is_named_once_and_the_next_takes_its_place(tmp_path, capsys, kind):
  noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, [64, 64]).astype(np.uint8))
  whole = _encoded(noise, kind)
  _put(tmp_path, {'%d.png' % i: _grey(i, 16) for i in (0, 3, 4)})
  # Of a WebP that ends too early not even the header can be read.
  damaged = whole[:40] + b'\xff' * (len(whole) - 40) if kind == 'WEBP' else whole[: len(whole) // 2]
  _put(tmp_path, {name: damaged for name in ('1.png', '2.png')})
  train, _, _ = image_files.folder(str(tmp_path), 16, 1)  # 4.png is held out
  capsys.readouterr()
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    batches = list(pool.map(lambda _: train[np.arange(4)], range(20)))
  assert all(batch[:, 0, 0, 0].tolist() == [0, 3, 3, 3] for batch in batches)
  lines = sorted(capsys.readouterr().err.splitlines())
  assert len(lines) == 2 and all('%d.png cannot be decoded' % i in lines[i - 1] for i in (1, 2))


def test_threads_that_meet_at_a_damaged_image_report_it_once_and_it_is_not_read_again(capsys):
  meeting, reads = threading.Barrier(2), []

  def read(source):
    reads.append(source)
    if source == 'damaged':
      meeting.wait(60)  # both have begun before either can report
      return b''
    return _grey(7)

  images = image_files.Images(['damaged', 'whole'], read, str, 8, 1)
  with concurrent.futures.ThreadPoolExecutor(2) as pool:
    assert [image[0, 0, 0, 0] for image in pool.map(lambda _: images[np.array([0])], range(2))] == [7, 7]
  assert images[np.array([0])].max() == 7 and reads.count('damaged') == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('warning: damaged cannot be decoded (not a PNG, JPEG or WebP image)')


def test_the_place_of_the_last_is_taken_by_the_first_and_none_is_refused(tmp_path, capsys):
  cut = _grey(1, 64)[:-30]
  _put(tmp_path, {'0.png': _grey(7), '1.png': cut, '2.png': _grey(8)})
  train, _, _ = image_files.folder(str(tmp_path), 8, 1)
  assert train[np.array([1])][0, 0, 0, 0] == 7
  _put(tmp_path, {'0.png': cut})
  train, _, _ = image_files.folder(str(tmp_path), 8, 1)
  with pytest.raises(UserError, match='none of 2 images can be decoded'):
    train[np.array([1])]


def test_of_many_damaged_images_the_first_five_are_named(capsys):
  images = image_files.Images(list('abcdefgh'), lambda source: _grey(7) if source == 'h' else b'', str, 8, 1)
  assert images[np.arange(8)].max() == 7
  lines = capsys.readouterr().err.splitlines()
  assert [line.split()[1] for line in lines[:5]] == list('abcde') and len(lines) == 6
  assert lines[5] == 'warning: more images than these 5 cannot be decoded; they are not named'


def test_the_fingerprint_is_of_names_and_sizes(tmp_path):
  def fingerprint():
    return image_files.folder(str(tmp_path), 8, 1)[2]

  _put(tmp_path, {'a.png': _grey(1), 'b.png': _grey(2), 'c.txt': b''})
  first = fingerprint()
  _put(tmp_path, {'c.txt': b'x'})
  assert fingerprint() == first
  _put(tmp_path, {'b.png': _grey(2) + b'x'})
  second = fingerprint()
  (tmp_path / 'b.png').rename(tmp_path / 'e.png')
  assert len({first, second, fingerprint()}) == 3


@pytest.fixture
def put_lmdb():
  """Writes an environment: put_lmdb(path, {key: value})."""
  lmdb = pytest.importorskip('lmdb')

  def put(path, items):
    os.makedirs(str(path))
    environment = lmdb.open(str(path), map_size=1 << 24)
    with environment.begin(write=True) as transaction:
      for key, value in items.items():
        transaction.put(key, value)
    environment.close()

  return put


def _webp(value):
  return _encoded(Image.new('RGB', (24, 16), (value,) * 3), 'WEBP', lossless=True)


def test_lsun_is_read_with_its_validation_environment(tmp_path, put_lmdb):
  put_lmdb(tmp_path / 'bedroom_train_lmdb', {b'key%d' % i: _webp(10 * i) for i in range(5)})
  put_lmdb(tmp_path / 'bedroom_val_lmdb', {b'v': _webp(99)})
  for path in (tmp_path, tmp_path / 'bedroom_train_lmdb', str(tmp_path / 'bedroom_train_lmdb') + os.sep):
    train, validation, fingerprint = image_files.lsun(str(path), 8, 3)  # an open environment is used again
    assert (len(train), len(validation)) == (5, 1) and len(fingerprint) == 32
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
      batches = list(pool.map(lambda _: train[np.array([4, 0, 2])], range(20)))
    assert all(batch.shape == (3, 8, 8, 3) and batch[:, 4, 4, 1].tolist() == [40, 0, 20] for batch in batches)
    assert (validation[:] == 99).all()


def test_lsun_without_a_validation_environment_holds_out_every_fiftieth(tmp_path, put_lmdb):
  put_lmdb(tmp_path / 'church_train_lmdb', {b'%03d' % i: _webp(i) for i in range(120)})
  train, validation, _ = image_files.lsun(str(tmp_path), 8, 1)
  assert len(train) == 118 and validation[:][:, 0, 0, 0].tolist() == [49, 99]


def test_any_key_and_any_image_will_do(tmp_path, put_lmdb, capsys):
  items = {b'\x00': _webp(1), b'\x00\x00': _grey(2), b'\x00\x01\x00': _grey(3), b'__len__': b'3'}
  put_lmdb(tmp_path / 'mine', items)
  train, validation, _ = image_files.lsun(str(tmp_path / 'mine'), 8, 1)
  assert train[:][:, 0, 0, 0].tolist() == [1, 2, 3] and capsys.readouterr().err == ''
  with pytest.raises(UserError, match='none of 1 images'):
    validation[:]
  assert '__len__ of %s' % (tmp_path / 'mine') in capsys.readouterr().err


def test_the_fingerprint_of_lsun_is_of_its_keys(tmp_path, put_lmdb):
  for name, keys in (('a', b'ab'), ('b', b'ab'), ('c', b'ac')):
    put_lmdb(tmp_path / name, {bytes([key]): _webp(1) for key in keys})
  a, b, c = (image_files.lsun(str(tmp_path / name), 8, 1)[2] for name in 'abc')
  assert a == b != c


def test_several_environments_are_a_question(tmp_path, put_lmdb):
  for name in ('bedroom_train_lmdb', 'tower_train_lmdb'):
    put_lmdb(tmp_path / name, {b'k': _webp(1)})
  with pytest.raises(UserError, match='bedroom_train_lmdb, tower_train_lmdb: name one of them by --data_path'):
    image_files.lsun(str(tmp_path), 8, 3)
  assert len(image_files.lsun(str(tmp_path / 'tower_train_lmdb'), 8, 3)[0]) == 1


def test_a_damaged_environment_is_refused(tmp_path, put_lmdb):
  path = tmp_path / 'a_train_lmdb'
  put_lmdb(path, {b'%d' % i: os.urandom(5000) for i in range(40)})
  content = (path / 'data.mdb').read_bytes()
  (path / 'data.mdb').write_bytes(content[:100000])
  with pytest.raises(UserError, match='is cut short, 100000 bytes instead of'):
    image_files.lsun(str(tmp_path), 8, 3)
  for content in (b'', b'not LMDB' * 2000):
    (path / 'data.mdb').write_bytes(content)
    with pytest.raises(UserError, match='a_train_lmdb cannot be opened as an LMDB environment'):
      image_files.lsun(str(tmp_path), 8, 3)
  put_lmdb(tmp_path / 'b', {})
  with pytest.raises(UserError, match='b is empty'):
    image_files.lsun(str(tmp_path / 'b'), 8, 3)


def test_lsun_that_is_not_there(tmp_path):
  with pytest.raises(Missing, match='holds no .*_train_lmdb: unpack bedroom_train_lmdb.zip'):
    image_files.lsun(str(tmp_path / 'lsun'), 8, 3)


def test_without_the_package_lsun_is_refused(tmp_path, monkeypatch):
  (tmp_path / 'bedroom_train_lmdb').mkdir()
  monkeypatch.setitem(sys.modules, 'lmdb', None)
  with pytest.raises(UserError, match='pip install lmdb'):
    image_files.lsun(str(tmp_path), 8, 3)
