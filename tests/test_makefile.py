import re
import subprocess

import pytest

from tests.helpers.processes import ROOT


def make(*args):
  return subprocess.run(['make', '-C', ROOT, '--no-print-directory', *args], capture_output=True, text=True)


@pytest.mark.parametrize('version', ['3.9', '3.14', '3.7', '2.7', None])
def test_an_unsupported_python_is_refused_in_one_line(tmp_path, version):
  python = tmp_path / 'python'
  if version:
    python.write_text('#!/bin/sh\necho %s\n' % version)
    python.chmod(0o755)
  result = make('train', 'PYTHON=%s' % python, 'VENV=%s' % (tmp_path / 'venv'))
  assert result.returncode == 2
  found = 'Python ' + version if version else 'not installed'
  assert [line for line in result.stderr.splitlines() if not line.startswith('make')] == [
    '%s is %s: Python 3.10 to 3.13 is required. Run make PYTHON=python3.12, for example. For Python 3.7, see BUILD.md'
    % (python, found)
  ]
  assert not (tmp_path / 'venv').exists() and result.stdout == ''


def test_make_alone_describes_every_target_and_installs_nothing(tmp_path):
  result = make('VENV=%s' % (tmp_path / 'venv'))
  assert result.returncode == 0 and result.stderr == ''
  assert result.stdout == make('help').stdout
  with open(ROOT + '/Makefile') as f:
    targets = re.search(r'^\.PHONY: (.*)$', f.read(), re.M).group(1).split()
  described = [re.match(r'  make (\S+) +\S', line).group(1) for line in result.stdout.splitlines()]
  assert sorted(described) == sorted(targets)
  assert not (tmp_path / 'venv').exists()
