import concurrent.futures
import json
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.helpers.pictures import encoded, grey, put
from wgan_tf1.data import decoding, folders
from wgan_tf1.data.collection import Fit
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError


def test_a_tree_is_sorted_by_name_and_every_twentieth_is_held_out(tmp_path, capsys):
  names = ['%s/%02d.png' % (sub, i) for sub in 'ba' for i in range(25)]
  put(tmp_path, {name: grey(4 * i) for i, name in enumerate(sorted(names))})
  put(tmp_path, {'.hidden.png': b'', '.cache/x.png': b'', 'dataset.json': b''})
  train, validation, _ = folders.load(str(tmp_path), Fit(8, 1))
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
    put(tmp_path, {name: encoded(image, kind)})
  train, validation, _ = folders.load(str(tmp_path), Fit(8, 3))
  assert (len(train), len(validation)) == (3, 1) and np.abs(train[:].astype(int) - 50).max() <= 2


def test_links_are_followed_once(tmp_path):
  put(tmp_path / 'there', {'a.png': grey(1), 'b.png': grey(2)})
  put(tmp_path / 'tree', {'c.png': grey(3)})
  (tmp_path / 'there' / 'up').symlink_to(tmp_path / 'tree', target_is_directory=True)
  (tmp_path / 'tree' / 'link').symlink_to(tmp_path / 'there', target_is_directory=True)
  train, validation, _ = folders.load(str(tmp_path / 'tree'), Fit(8, 1))
  assert len(train) + len(validation) == 3


def test_a_single_image_is_refused(tmp_path):
  put(tmp_path, {'only.png': grey(9)})
  for root in (tmp_path, tmp_path / 'only.png'):
    with pytest.raises(UserError, match='only.png is the only image. At least two are needed'):
      folders.load(str(root), Fit(8, 1))


def test_files_that_are_not_images_are_named_and_left_out(tmp_path, capsys):
  bad = {'bad%d.png' % i: b'not an image' for i in range(7)}
  put(tmp_path, {'a.png': grey(1), 'z.png': grey(2), 'empty.jpg': b'', **bad})
  (tmp_path / 'lost.png').symlink_to(tmp_path / 'nowhere.png')
  train, validation, _ = folders.load(str(tmp_path), Fit(8, 1))
  assert len(train) == len(validation) == 1
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('warning: 9 of 11 files') and 'bad0.png (not a PNG, JPEG, WebP, GIF,' in line
  assert 'bad4.png' in line and 'bad5.png' not in line and line.endswith('and 4 more')


def test_a_tree_without_an_image_is_refused(tmp_path):
  put(tmp_path, {'a.txt': b''})
  with pytest.raises(Missing, match='holds no PNG, .* or TIFF images, but 1 .txt. Put a tree'):
    folders.load(str(tmp_path), Fit(8, 1))
  put(tmp_path, {'a.png': b'x'})
  with pytest.raises(UserError, match='no image in .* can be read: a.png'):
    folders.load(str(tmp_path), Fit(8, 1))


@pytest.mark.parametrize('limit', [600, 1000])  # Pillow refuses above twice the limit and warns above the limit
def test_images_with_too_many_pixels_are_named(tmp_path, capsys, monkeypatch, limit):
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', limit)
  put(tmp_path, {'a.png': grey(1), 'b.png': grey(1), 'bomb.png': grey(1, size=40)})
  train, _, _ = folders.load(str(tmp_path), Fit(8, 1))
  assert len(train) == 1
  assert 'bomb.png (Image size (1600 pixels) exceeds limit' in capsys.readouterr().err


def test_small_images_are_enlarged_and_counted(tmp_path, capsys):
  put(tmp_path, {'a.png': grey(1, 3), 'b.png': grey(2, 1), 'c.png': grey(3, 8), 'd.png': grey(3, 9)})
  train, _, _ = folders.load(str(tmp_path), Fit(8, 1))
  assert train[:].shape == (3, 8, 8, 1) and (train[:2] == np.array([1, 2])[:, None, None, None]).all()
  (line,) = capsys.readouterr().err.splitlines()
  assert '2 of 4 images' in line and 'smaller than 8 pixels' in line


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP'])
def test_a_damaged_image_is_named_once_and_replaced_by_the_next(tmp_path, capsys, kind):
  noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, [64, 64]).astype(np.uint8))
  whole = encoded(noise, kind)
  put(tmp_path, {'%d.png' % i: grey(i, 16) for i in (0, 3, 4)})
  # A truncated WebP is refused with its header; in this one only the pixels are damaged.
  damaged = whole[:40] + b'\xff' * (len(whole) - 40) if kind == 'WEBP' else whole[: len(whole) // 2]
  put(tmp_path, {name: damaged for name in ('1.png', '2.png')})
  train, _, _ = folders.load(str(tmp_path), Fit(16, 1))  # 4.png is held out
  capsys.readouterr()
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    batches = list(pool.map(lambda _: train[np.arange(4)], range(20)))
  assert all(batch[:, 0, 0, 0].tolist() == [0, 3, 3, 3] for batch in batches)
  lines = sorted(capsys.readouterr().err.splitlines())
  assert len(lines) == 2 and all('%d.png cannot be decoded' % i in lines[i - 1] for i in (1, 2))


def test_the_last_image_is_replaced_by_the_first_and_a_collection_without_any_is_refused(tmp_path, capsys):
  cut = grey(1, 64)[:-30]
  put(tmp_path, {'0.png': grey(7), '1.png': cut, '2.png': grey(8)})
  train, _, _ = folders.load(str(tmp_path), Fit(8, 1))
  assert train[np.array([1])][0, 0, 0, 0] == 7
  put(tmp_path, {'0.png': cut, '2.png': cut})
  with pytest.raises(UserError, match='none of 3 images can be decoded. Replace them. The first is .*0.png'):
    folders.load(str(tmp_path), Fit(8, 1))


def _values(images):
  return images[:][:, 0, 0, 0].tolist()


@pytest.mark.parametrize('count', [3, 19, 20, 39, 41])
def test_one_damaged_image_decides_nothing_wherever_it_stands(tmp_path, capsys, count):
  put(tmp_path, {'%02d.png' % i: grey(i, 64) for i in range(count)})
  *whole, fingerprint = folders.load(str(tmp_path), Fit(8, 1))
  whole_train, whole_held_out = map(_values, whole)
  for damaged in range(count):
    content = grey(damaged, 64)
    path = tmp_path / ('%02d.png' % damaged)
    path.write_bytes(content[:50] + bytes(len(content) - 50))
    train, held_out, again = folders.load(str(tmp_path), Fit(8, 1))
    assert again == fingerprint and len(held_out) == len(whole_held_out)
    assert set(_values(train)) | set(_values(held_out)) == set(range(count)) - {damaged}
    # No other image of the training set moves.
    moved = sum(a != b for a, b in zip(_values(train), whole_train))
    assert moved <= 1 and len(train) == len(whole_train)
    assert not set(_values(train)) & set(_values(held_out))
    assert len(capsys.readouterr().err.splitlines()) == 1
    path.write_bytes(content)


def test_of_two_readable_images_among_damaged_ones_one_is_held_out(tmp_path):
  for good in ((0, 1), (0, 39), (19, 39), (19, 20), (38, 39), (5,), (19,)):
    cut = grey(1, 64)[:-30]
    put(tmp_path, {'%02d.png' % i: grey(i) if i in good else cut for i in range(40)})
    if len(good) == 1:
      with pytest.raises(UserError, match='only one of 40 images can be decoded.* The first is .*00.png'):
        folders.load(str(tmp_path), Fit(8, 1))
      continue
    train, held_out, _ = folders.load(str(tmp_path), Fit(8, 1))
    assert set(_values(train)) | set(_values(held_out)) == set(good)
    assert not set(_values(train)) & set(_values(held_out))


def test_a_large_folder_is_not_read_at_the_start(tmp_path, monkeypatch):
  put(tmp_path, {'%03d.png' % i: grey(i % 250) for i in range(300)})
  decode, decoded = decoding.decode, []
  monkeypatch.setattr(decoding, 'decode', lambda *args: decoded.append(1) or decode(*args))
  train, held_out, _ = folders.load(str(tmp_path), Fit(8, 1))
  assert len(decoded) == len(held_out) + 1 == 16


@pytest.mark.parametrize('name', [b'[a]*?{}', b'a\\b\nc', b'\xff\xfe', '\u65e5'.encode()])
def test_folders_and_images_may_have_any_name(tmp_path, name):
  root = os.path.join(str(tmp_path), os.fsdecode(name))
  put(root, {os.fsdecode(name) + end: grey(i) for i, end in enumerate(('1.png', '2.png', '3.PNG'))})
  train, held_out, fingerprint = folders.load(root, Fit(8, 1))
  assert (_values(train), _values(held_out), len(fingerprint)) == ([0, 1], [2], 32)


def test_the_fingerprint_depends_on_names_and_sizes(tmp_path):
  def fingerprint():
    return folders.load(str(tmp_path), Fit(8, 1))[2]

  put(tmp_path, {'a.png': grey(1), 'b.png': grey(2), 'c.txt': b''})
  first = fingerprint()
  put(tmp_path, {'c.txt': b'x'})
  assert fingerprint() == first
  put(tmp_path, {'b.png': grey(2) + b'x'})
  second = fingerprint()
  (tmp_path / 'b.png').rename(tmp_path / 'e.png')
  assert len({first, second, fingerprint()}) == 3


def test_left_out_files_are_counted_by_kind_in_one_line(tmp_path, capsys):
  put(tmp_path, {'%d.png' % i: grey(i) for i in range(3)})
  put(tmp_path, {'%d.HEIC' % i: b'x' for i in range(4)})
  put(tmp_path, {'a.txt': b'x', 'b/c.txt': b'x', 'README': b'x', 'bad.gif': b'x', '.DS_Store': b'x'})
  folders.load(str(tmp_path), Fit(8, 1))
  assert capsys.readouterr().err == (
    'warning: 8 of 11 files in %s are left out: 4 .heic, 2 .txt, 1 without suffix, bad.gif (not a PNG, JPEG, '
    'WebP, GIF, BMP or TIFF image)\n' % tmp_path
  )


def test_mixed_formats_are_read_and_deep_grey_is_told(tmp_path, capsys):
  image = Image.new('RGB', (8, 8), (50, 50, 50))
  kinds = {'a.png': 'PNG', 'b.bmp': 'BMP', 'c.GIF': 'GIF', 'd.tif': 'TIFF', 'e.tiff': 'TIFF', 'f.jfif': 'JPEG'}
  put(tmp_path, {name: encoded(image, kind) for name, kind in kinds.items()})
  put(tmp_path, {'g.png': encoded(Image.fromarray(np.full([8, 8], 50 * 257, np.uint16)))})
  train, held_out, _ = folders.load(str(tmp_path), Fit(8, 3))
  assert (len(train), len(held_out)) == (6, 1)
  assert np.abs(train[:].astype(int) - 50).max() <= 1 and (held_out[:] == 50).all()
  assert capsys.readouterr().err == (
    'warning: 1 of 7 images in %s have 16 bits of grey or more. Each is scaled from its own range to 256 levels\n'
    % tmp_path
  )


def _zipped(tmp_path, files, name='images.zip'):
  path = str(tmp_path / name)
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    for member, content in files.items():
      archive.writestr(member, content)
  return path


def test_an_archive_is_read_like_its_folder(tmp_path, capsys):
  files = {'b/%02d.png' % i: grey(i) for i in range(20)}
  files.update({'a/é.png': grey(99), 'notes.txt': b'', '.hidden.png': b'', '__MACOSX/b/._00.png': b''})
  put(tmp_path / 'tree', {name: content for name, content in files.items() if 'MACOSX' not in name})
  in_tree = folders.load(str(tmp_path / 'tree'), Fit(8, 1), labelled=True)
  zipped = folders.load(_zipped(tmp_path, files), Fit(8, 1), labelled=True)
  assert in_tree[2] == zipped[2] and len(zipped[0]) == 20
  for a, b in zip(in_tree[:2], zipped[:2]):
    assert np.array_equal(a[:], b[:]) and np.array_equal(a.labels, b.labels) and a.class_names == ('a', 'b')
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    batches = list(pool.map(lambda _: zipped[0][:], range(16)))
  assert all(np.array_equal(batch, batches[0]) for batch in batches)
  assert [line.split(' are left out: ')[1] for line in capsys.readouterr().err.splitlines()] == ['1 .txt', '1 .txt']


def test_a_damaged_archive_is_refused_and_a_damaged_member_is_named(tmp_path, capsys):
  (tmp_path / 'x.zip').write_bytes(b'PK\x03\x04 no archive')
  with pytest.raises(UserError, match=r'x.zip cannot be read as a zip archive \(File is not a zip file\)'):
    folders.load(str(tmp_path / 'x.zip'), Fit(8, 1))
  with pytest.raises(Missing, match='empty.zip holds no PNG'):
    folders.load(_zipped(tmp_path, {}, 'empty.zip'), Fit(8, 1))
  path = _zipped(tmp_path, {'%d.png' % i: grey(i) for i in range(4)})
  content = bytearray(open(path, 'rb').read())
  content[40:60] = bytes(20)  # in the data of the first member
  open(path, 'wb').write(content)
  train, _, _ = folders.load(path, Fit(8, 1))
  assert _values(train) == [1, 2] and '0.png (' in capsys.readouterr().err


def test_classes_are_the_folders_where_the_tree_branches(tmp_path):
  put(tmp_path, {'imgs/all/%s/x/%d.png' % (name, i): grey(i) for name in ('cat', 'dog', 'fox') for i in range(9)})
  train, held_out, first = folders.load(str(tmp_path), Fit(8, 1), labelled=True)
  assert train.class_names == ('cat', 'dog', 'fox') and len(train) == 26
  assert train.labels.tolist() == [0] * 9 + [1] * 9 + [2] * 8 and held_out.labels.tolist() == [2] or len(held_out) == 1
  some, _, second = folders.load(str(tmp_path), Fit(8, 1), labelled=True, classes='fox,cat')
  assert sorted(set(some.labels.tolist())) == [0, 2] and len(some) == 17
  assert np.array_equal(some[:], folders.load(str(tmp_path), Fit(8, 1), labelled=True, classes='0,2')[0][:])
  unlabelled, _, third = folders.load(str(tmp_path), Fit(8, 1))
  assert unlabelled.labels is None and len({first, second, third}) == 3
  with pytest.raises(UserError, match='classes=cat,cow: there is no class cow. The classes are cat, dog, fox'):
    folders.load(str(tmp_path), Fit(8, 1), labelled=True, classes='cat,cow')


@pytest.mark.parametrize('files', [['a.png', 'b.png'], ['x/a.png', 'x/b.png'], ['a.png', 'x/b.png', 'y/c.png']])
def test_a_tree_without_two_classes_is_refused(tmp_path, files):
  put(tmp_path, {name: grey(1) for name in files})
  with pytest.raises(UserError, match='has no classes, or one only. Put the images of each class into a folder'):
    folders.load(str(tmp_path), Fit(8, 1), labelled=True)


def test_a_dataset_json_gives_the_labels(tmp_path, capsys):
  put(tmp_path, {'%s/%d.png' % (name, i): grey(10 * k + i) for k, name in enumerate('ab') for i in range(5)})
  rows = [['a/%d.png' % i, 7 - i % 2] for i in range(5)] + [['b/0.png', 3], ['gone.png', 1]]
  put(tmp_path, {'dataset.json': json.dumps({'labels': rows}).encode()})
  train, held_out, first = folders.load(str(tmp_path), Fit(8, 1), labelled=True)
  assert train.class_names == ('3', '6', '7')
  assert (_values(train), train.labels.tolist()) == ([0, 1, 2, 3, 10], [2, 1, 2, 1, 0]) and _values(held_out) == [4]
  assert '4 of 10 images in %s have no label in dataset.json' % tmp_path in capsys.readouterr().err
  put(tmp_path, {'dataset.json': b'{"labels": {"a/0.png": 1, "a/1.png": 2, "a/2.png": 2}}'})
  assert folders.load(str(tmp_path), Fit(8, 1), labelled=True)[2] != first
  put(tmp_path, {'dataset.json': b'{"labels": null}'})
  assert folders.load(str(tmp_path), Fit(8, 1), labelled=True)[0].class_names == ('a', 'b')


@pytest.mark.parametrize(
  'content, words',
  [
    (b'{', 'cannot be read .Expecting'),
    (b'{}', "it has no 'labels'"),
    (b'{"labels": 3}', 'cannot be read'),
    (b'{"labels": [["a.png", 1.5]]}', 'must be the path of an image and an integer'),
    (b'{"labels": [["a.png", [1, 0]]]}', 'must be the path of an image and an integer'),
    (b'{"labels": [["a.png"]]}', 'cannot be read'),
    (b'{"labels": []}', 'has no label of an image in'),
    (b'\xff', 'cannot be read'),
  ],
)
def test_a_bad_dataset_json_is_named(tmp_path, content, words):
  put(tmp_path, {'a.png': grey(1), 'b.png': grey(2), 'dataset.json': content})
  with pytest.raises(UserError, match='dataset.json: .*' + words if 'has no label' in words else words) as e:
    folders.load(str(tmp_path), Fit(8, 1), labelled=True)
  assert 'dataset.json' in str(e.value) and '\n' not in str(e.value)
  folders.load(str(tmp_path), Fit(8, 1))  # where no labels are needed, it is not read
