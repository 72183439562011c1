import os
import re
import shlex
import sys

import pytest

from tests.helpers.processes import ROOT, run
from wgan_tf1 import packages

IMPORTED_AS = {'absl-py': 'absl', 'pillow': 'PIL', 'scikit-learn': 'sklearn'}
NOT_FOR_ALL = {'lmdb', 'protobuf', 'pytest', 'pytest-xdist', 'nbclient', 'nbformat', 'ipykernel', 'ruff', 'mypy'}


@pytest.mark.parametrize('script', ['train.py', 'sample.py', 'evaluate.py'])
def test_without_the_packages_one_line_says_how_to_get_them(tmp_path, script):
  out, err = run(tmp_path, '-S', os.path.join(ROOT, script), status=2)  # -S: without site-packages
  assert out == '' and err.count('\n') == 1
  assert 'absl' in err and 'tensorflow' in err
  assert err.endswith('%s -m pip install -r requirements.txt\n' % shlex.quote(sys.executable))


def test_the_packages_are_those_of_the_requirements():
  with open(os.path.join(ROOT, 'requirements.txt')) as f:
    names = {re.match(r'[\w-]+', line).group() for line in f if re.match(r'\w', line)}
  assert {IMPORTED_AS.get(name, name) for name in names - NOT_FOR_ALL} == set(packages.NEEDED)
