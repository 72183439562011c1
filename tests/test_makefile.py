import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.mark.parametrize('version', ['3.9', '3.14', '3.7', '2.7', None])
def test_another_python_gets_one_line(tmp_path, version):
  python = tmp_path / 'python'
  if version:
    python.write_text('#!/bin/sh\necho %s\n' % version)
    python.chmod(0o755)
  command = ['make', '-C', ROOT, '--no-print-directory', 'train', 'PYTHON=%s' % python, 'VENV=%s' % (tmp_path / 'venv')]
  result = subprocess.run(command, capture_output=True, text=True)
  assert result.returncode == 2
  said = [line for line in result.stderr.splitlines() if not line.startswith('make')]
  assert len(said) == 1 and 'Python 3.10 to 3.13 is needed' in said[0] and (version or 'not there') in said[0]
  assert not (tmp_path / 'venv').exists() and result.stdout == ''
