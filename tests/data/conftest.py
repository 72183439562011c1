"""Configs and IDX files that several modules of these tests share."""

import hashlib
import struct
import types

import numpy as np
import pytest

from tests.helpers.mirror import mirror  # noqa: F401
from wgan_tf1.data import arrays

FORMS = {'text': 'text', '8gaussians': 'points', '25gaussians': 'points', 'swissroll': 'points'}
DEFAULTS = {
  'fallback_dataset': None, 'data_dir': 'nowhere', 'data_path': None, 'classes': None, 'class_count': None,
  'image_size': 32, 'image_channels': 1, 'image_fit': 'pad', 'image_memory_mb': 1, 'mirror': False, 'text_length': 6,
  'long_lines': 'split', 'vocabulary': None, 'pixel_minimum': -1.0, 'dequantize': False, 'batch_size': 4, 'seed': 0,
}  # fmt: skip


@pytest.fixture
def data_config():
  """Makes the part of a Config that `data` uses: `data_config('mnist', classes='1')`."""

  def make(dataset='digits', **fields):
    form = FORMS.get(dataset, 'image')
    return types.SimpleNamespace(**{**DEFAULTS, 'dataset': dataset, 'form': form, **fields})

  return make


@pytest.fixture
def idx_files(monkeypatch):
  """Replaces MNIST and Fashion-MNIST by a few random images without mirrors; returns {file name: bytes}."""
  contents = {}
  for name, n in zip(arrays.IDX_FILES, (6, 3, 6, 3)):
    if 'images' in name:
      contents[name] = struct.pack('>IIII', 0x803, n, 28, 28) + np.random.RandomState(n).bytes(n * 28 * 28)
    else:
      contents[name] = struct.pack('>II', 0x801, n) + bytes(i % 3 for i in range(n))
  md5s = tuple(hashlib.md5(content).hexdigest() for content in contents.values())
  for dataset in ('mnist', 'fashion_mnist'):
    monkeypatch.setitem(arrays.IDX_MD5, dataset, md5s)
    monkeypatch.setitem(arrays.MIRRORS, dataset, ())
  return contents
