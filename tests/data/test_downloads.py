import gzip
import hashlib
import os

import pytest

from wgan_tf1.data import downloads
from wgan_tf1.errors import UserError

CONTENT = bytes(range(200))
MD5 = hashlib.md5(CONTENT).hexdigest()


def test_a_file_comes_from_the_first_mirror_that_has_it(tmp_path, mirror):
  served, url = mirror
  good = gzip.compress(CONTENT)
  contents = {'wrong': gzip.compress(b'x'), 'cut': good[:-20], 'empty': b'', 'plain': b'<html>', 'good': good}
  for name, content in contents.items():
    (served / name).mkdir()
    (served / name / 'file.gz').write_bytes(content)
  mirrors = ['http://127.0.0.1:1/', *(url + d + '/' for d in ('absent', 'wrong', 'cut', 'empty', 'plain', 'good'))]
  folder = tmp_path / 'data' / 'set'
  assert downloads.download(str(folder), 'file', MD5, mirrors) == CONTENT
  assert os.listdir(str(folder)) == ['file.gz']
  assert downloads.read_checked(str(folder), 'file', MD5) == CONTENT


def test_a_download_that_cannot_be_saved_is_used(tmp_path, mirror, capsys):
  folder, url = mirror
  (folder / 'file.gz').write_bytes(gzip.compress(CONTENT))
  (tmp_path / 'data' / 'file.gz').mkdir(parents=True)
  assert downloads.download(str(tmp_path / 'data'), 'file', MD5, [url]) == CONTENT
  warning = 'warning: %s cannot be saved (it is a directory, not a file), and will be downloaded again'
  assert warning % (tmp_path / 'data' / 'file.gz') in capsys.readouterr().err


def test_a_failed_download_leaves_nothing_and_gives_each_reason_once(tmp_path, mirror):
  folder, url = mirror
  (folder / 'file.gz').write_bytes(gzip.compress(b'x'))
  with pytest.raises(OSError) as e:
    downloads.download(str(tmp_path / 'data'), 'file', MD5, [url + 'absent/', url + 'absent/', url])
  assert str(e.value).count('File not found') == 1 and 'MD5' in str(e.value)
  assert not (tmp_path / 'data').exists()


@pytest.mark.parametrize('damage', [lambda b: b[:-1], lambda b: b'', lambda b: b[:50] + b'\xff' + b[51:]])
@pytest.mark.parametrize('ending', ['', '.gz'])
def test_a_damaged_file_is_named(tmp_path, damage, ending):
  path = tmp_path / ('file' + ending)
  path.write_bytes(damage(gzip.compress(CONTENT) if ending else CONTENT))
  words = 'file%s is not the published file .* move this file elsewhere.* use --dataset=idx' % ending
  with pytest.raises(UserError, match=words):
    downloads.read_checked(str(tmp_path), 'file', MD5)


def test_a_missing_file_is_none(tmp_path):
  assert downloads.read_checked(str(tmp_path), 'file', MD5) is None
