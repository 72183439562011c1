import os
import socket
import stat
import types

import pytest

from wgan_tf1 import files
from wgan_tf1.errors import UserError


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
  path = tmp_path / 'new' / 'file'
  files.write_file(str(path), b'first')
  assert path.read_bytes() == b'first'
  assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600

  def fail(*args):
    raise OSError('disk')

  monkeypatch.setattr(os, 'replace', fail)
  with pytest.raises(OSError):
    files.write_file(str(path), b'second')
  assert path.read_bytes() == b'first' and os.listdir(str(path.parent)) == ['file']


def test_a_link_stays_and_its_target_is_written(tmp_path):
  (tmp_path / 'folder').mkdir()
  (tmp_path / 'folder' / 'old').write_bytes(b'old')
  (tmp_path / 'direct').symlink_to(tmp_path / 'folder' / 'old')
  (tmp_path / 'twice').symlink_to('direct')  # relative to its own folder
  (tmp_path / 'dangling').symlink_to(os.path.join('folder', 'new'))
  (tmp_path / 'link').symlink_to(tmp_path / 'folder', target_is_directory=True)
  for name, target in (('direct', 'old'), ('twice', 'old'), ('dangling', 'new'), ('link/third', 'third')):
    files.write_file(str(tmp_path / name), name.encode())
    assert (tmp_path / 'folder' / target).read_bytes() == name.encode()
  assert all((tmp_path / name).is_symlink() for name in ('direct', 'twice', 'dangling', 'link'))
  assert sorted(os.listdir(str(tmp_path / 'folder'))) == ['new', 'old', 'third']


def test_a_link_to_itself_is_an_error(tmp_path):
  (tmp_path / 'loop').symlink_to('loop')
  with pytest.raises(OSError):
    files.write_file(str(tmp_path / 'loop'), b'')


def test_what_is_not_a_file_is_refused_and_stays(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)  # the name of a socket must be short
  os.mkdir('folder')
  os.mkfifo('pipe')
  leader, follower = os.openpty()
  with socket.socket(socket.AF_UNIX) as s, open('open', 'wb') as f:
    s.bind('socket')
    device = os.ttyname(follower)
    opened = '/dev/fd/%d' % f.fileno()  # as /dev/stdout is: others write to what it leads to
    kinds = {'folder': 'directory', 'pipe': 'pipe', 'socket': 'socket', device: 'device', opened: 'device'}
    for name, kind in kinds.items():
      before = os.stat(name)
      os.symlink(os.path.abspath(name), 'link to ' + kind)
      for path in (name, 'link to ' + kind):
        with pytest.raises(UserError, match='^x cannot be written: it is a %s, not a file$' % kind):
          with files.user_errors('x cannot be written'):
            files.write_file(path, b'content')
      os.remove('link to ' + kind)
      after = os.stat(name)
      assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
  os.close(leader)
  os.close(follower)
  assert sorted(os.listdir('.')) == ['folder', 'open', 'pipe', 'socket'] and os.listdir('folder') == []


def test_a_long_name_can_be_written(tmp_path):
  files.write_file(str(tmp_path / ('n' * 250)), b'content')
  assert (tmp_path / ('n' * 250)).read_bytes() == b'content'


@pytest.mark.parametrize('name', ['a[b]', 'a*b', 'a\\b', 'a\nb', 'ü', 'plain'])
def test_a_plain_folder_is_the_folder_under_a_name_without_patterns(tmp_path, name):
  (tmp_path / name).mkdir()
  with files.plain_folder(str(tmp_path / name)) as folder:
    assert os.path.samefile(folder, str(tmp_path / name)) and not set(folder) & set('[]*?\\\nü')
  assert os.path.isdir(str(tmp_path / name)) and (name == 'plain' or not os.path.lexists(folder))


@pytest.mark.parametrize('error, reason', [(OSError(28, 'No space left'), 'No space left'), (OSError('disk'), 'disk')])
def test_an_oserror_becomes_a_line_with_its_reason_and_the_advice(error, reason):
  with pytest.raises(UserError) as e, files.user_errors('x cannot be written', 'Free some space'):
    raise error
  assert str(e.value) == 'x cannot be written: %s. Free some space' % reason
  with pytest.raises(UserError) as e, files.user_errors('x cannot be written'):
    raise error
  assert str(e.value) == 'x cannot be written: %s' % reason


def test_other_errors_stay_what_they_are():
  with pytest.raises(ValueError), files.user_errors('x cannot be written'):
    raise ValueError


def test_only_numbers_with_the_suffix_are_counted(tmp_path):
  for name in ('2.png', '10.png', '0.png', '2-seed0.png', '\u00b2.png', '3.txt', 'a.png', '.png'):
    (tmp_path / name).write_bytes(b'')
  assert files.numbered(str(tmp_path), '.png') == [0, 2, 10]
  assert files.numbered(str(tmp_path / 'none'), '.png') == []


@pytest.mark.parametrize('system, expected', [('posix', "'C:\\my runs'"), ('nt', '"C:\\my runs"')])
def test_a_printed_command_can_be_pasted(monkeypatch, system, expected):
  monkeypatch.setattr(files, 'os', types.SimpleNamespace(name=system))
  assert files.pasted('C:\\my runs') == expected and files.pasted('runs') == 'runs'
