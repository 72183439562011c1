"""The package as a library, as docs/library.md shows it."""

import os
import re

import numpy as np
from PIL import Image

from tests.helpers.processes import ROOT, run


def _example():
  with open(os.path.join(ROOT, 'docs', 'library.md'), encoding='utf-8') as f:
    (block,) = re.findall(r'\n\n((?:    .*\n|\n)+)', f.read())
  return re.sub('^    ', '', block, flags=re.MULTILINE)


def test_the_example_of_the_document_trains_and_samples(tmp_path):
  example = _example()
  assert len([line for line in example.splitlines() if line]) <= 20
  out, _ = run(tmp_path, '-c', example, PYTHONPATH=ROOT)
  assert 'Trained 10 generator steps' in out
  estimates = re.findall(r'^estimate (\S+)$', out, re.MULTILINE)
  assert len(estimates) == 3 and np.isfinite([float(estimate) for estimate in estimates]).all()
  with Image.open(str(tmp_path / 'samples.png')) as picture:
    assert picture.size == (3 * 274, 3 * 274) and np.asarray(picture).std() > 1
  assert sorted(os.listdir(str(tmp_path / 'runs'))) == ['library']


def test_the_package_is_imported_without_tensorflow(tmp_path):
  modules = 'config, console, errors, files, images, latents, outputs, presets, progress'
  code = 'import sys, wgan_tf1; from wgan_tf1 import %s; print("tensorflow" in sys.modules)' % modules
  assert run(tmp_path, '-c', code, PYTHONPATH=ROOT)[0] == 'False\n'
