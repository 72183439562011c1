"""The files around the code agree with each other: version, licence, dependencies, continuous integration.

There is no TOML or YAML parser among the requirements, so the files are read as text.
"""

import hashlib
import os
import re
import subprocess
import sys

import wgan_tf1
from tests.helpers.processes import ROOT

APACHE_SHA256 = 'cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30'  # of apache.org's LICENSE-2.0.txt


def read(*path):
  with open(os.path.join(ROOT, *path), encoding='utf-8') as f:
    return f.read()


def commands(text):
  """Returns the `make` commands of a script or a workflow, as a set of targets."""
  lines = [line for line in text.splitlines() if not line.lstrip().startswith('#')]
  return set(re.findall(r'\bmake ([a-z0-9-]+)', '\n'.join(lines)))


def names(requirements):
  """Returns the names of packages in lines like `tensorflow==1.15.5 ; python_version < "3.10"`."""
  return {re.match(r'[A-Za-z0-9_-]+', line).group() for line in requirements}


def test_the_workflow_runs_the_same_commands_as_ci_run():
  targets = commands(read('.ci', 'run'))
  assert targets == commands(read('.github', 'workflows', 'ci.yml')) == {'lint', 'test', 'test-tf1'}


def test_the_hooks_are_the_commands_of_make_lint():
  recipe = re.search(r'^lint:.*\n((?:\t.*\n)+)', read('Makefile'), re.M).group(1)
  linters = re.findall(r'\$\(VENV\)/bin/(ruff check|ruff format|mypy)', recipe)
  assert linters == re.findall(r'entry: \.venv/bin/(ruff check|ruff format|mypy)', read('.pre-commit-config.yaml'))


def test_one_version_everywhere():
  assert re.search(r'^## (\S+) - \d{4}-\d\d-\d\d$', read('CHANGELOG.md'), re.M).group(1) == wgan_tf1.__version__
  assert re.search(r'^version: (\S+)$', read('CITATION.cff'), re.M).group(1) == wgan_tf1.__version__
  pyproject = read('pyproject.toml')
  assert 'version = { attr = "wgan_tf1.__version__" }' in pyproject
  assert re.search(r'^version = "', pyproject, re.M) is None


def test_the_release_has_one_date():
  date = re.search(r'^## \S+ - (\S+)$', read('CHANGELOG.md'), re.M).group(1)
  assert '\ndate-released: %s\n' % date in read('CITATION.cff')


def test_the_license_is_apache_2():
  text = read('LICENSE').replace('Copyright 2026 The wgan_tf1 authors', 'Copyright [yyyy] [name of copyright owner]')
  assert hashlib.sha256(text.encode()).hexdigest() == APACHE_SHA256
  assert '\nlicense: Apache-2.0\n' in read('CITATION.cff')
  assert '"License :: OSI Approved :: Apache Software License"' in read('pyproject.toml')


def test_the_papers_are_cited():
  assert re.findall(r'value: arXiv:(\S+)', read('CITATION.cff')) == ['1701.07875', '1704.00028']


def test_every_dependency_is_pinned_in_the_requirements():
  pyproject = read('pyproject.toml')
  lists = re.findall(r'^(?:dependencies|lsun) = \[(.*?)\]$', pyproject, re.M | re.S)
  needed = names(re.findall(r'"([^"]+)"', '\n'.join(lists)))
  pinned = [line for line in read('requirements.txt').splitlines() if line and not line.startswith('#')]
  assert all(re.match(r'[A-Za-z0-9_-]+==[0-9.]+( |$)', line) for line in pinned)
  assert {'tensorflow', 'numpy', 'lmdb'} <= needed <= names(pinned)


def test_every_folder_of_the_package_is_installed_with_its_data():
  pyproject = read('pyproject.toml')
  for folder, _, files in os.walk(os.path.join(ROOT, 'wgan_tf1')):
    files = [name for name in files if not name.endswith('.pyc')]
    package = os.path.relpath(folder, ROOT).replace(os.sep, '.')
    assert not files or '__init__.py' in files, package
    data = ', '.join('"%s"' % name for name in sorted(files) if not name.endswith('.py'))
    assert not data or '"%s" = [%s]' % (package, data) in pyproject, package


def test_the_version_is_read_from_elsewhere_without_tensorflow(tmp_path):
  program = 'import sys, wgan_tf1; print(wgan_tf1.__version__, "tensorflow" in sys.modules)'
  environment = dict(os.environ, PYTHONPATH=ROOT)
  printed = subprocess.check_output([sys.executable, '-c', program], cwd=str(tmp_path), env=environment)
  assert printed.decode().split() == [wgan_tf1.__version__, 'False']
