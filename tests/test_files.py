import os
import stat

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
