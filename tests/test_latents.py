"""Where latents come from."""

import numpy as np
import pytest

from tests.helpers.errors import user_error
from wgan_tf1 import latents


def test_a_seed_gives_the_same_latents_however_many_are_drawn():
  expected = np.random.RandomState(5).normal(size=[150, 7])
  for count in (1, 64, 65, 150):
    parts = list(latents.normal(count, 7, 5))
    assert max(map(len, parts)) <= latents.BATCH_SIZE
    assert (np.concatenate(parts) == expected[:count]).all()


def test_a_walk_keeps_to_the_sphere():
  start, end = np.random.RandomState(0).normal(size=[2, 5, 9])
  start, end = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (start, end))
  walk = latents.interpolate(start, end, 7).reshape(5, 7, 9)
  np.testing.assert_allclose(np.linalg.norm(walk, axis=2), 1, rtol=1e-12)
  np.testing.assert_allclose(walk[:, 0], start, atol=1e-12)
  np.testing.assert_allclose(walk[:, -1], end, atol=1e-12)
  steps = np.linalg.norm(np.diff(walk, axis=1), axis=2)
  np.testing.assert_allclose(steps, steps[:, :1] * np.ones(6), rtol=1e-9)  # all steps of a walk are as long


@pytest.mark.parametrize('columns', [1, 3, 64, 100])
def test_walks_come_in_batches(columns):
  start, end = np.random.RandomState(1).normal(size=[2, 50, 4])
  whole = latents.interpolate(start, end, columns)
  parts = list(latents.walks(start, end, columns))
  assert max(map(len, parts)) <= max(columns, latents.BATCH_SIZE)
  np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_walk_without_a_great_circle_is_straight():
  z = np.array([[3.0, 4.0]])
  for start, end in ((z, z), (z, -z), (0 * z, z), (z, 0 * z), (z, 2 * z), (0 * z, 0 * z)):
    expected = np.concatenate([start, (start + end) / 2, end])
    np.testing.assert_allclose(latents.interpolate(start, end, 3), expected, atol=1e-12)


@pytest.mark.parametrize('kind', ['float16', 'float32', 'float64', 'int8', '>f4'])
def test_a_file_of_latents(tmp_path, kind):
  values = (3 * np.random.RandomState(2).normal(size=[130, 4])).astype(kind)
  np.save(str(tmp_path / 'z.npy'), values)
  parts = list(latents.batches(latents.read(str(tmp_path / 'z.npy'), 4)))
  assert [len(part) for part in parts] == [64, 64, 2] and parts[0].dtype == np.float64
  assert (np.concatenate(parts) == values).all()


BROKEN = np.zeros([2000, 4])
BROKEN[1500, 2] = np.nan


@pytest.mark.parametrize(
  'content, words',
  [
    (np.zeros([5, 3]), 'must be an array [N, 4] of numbers, the latents of this run; it is float64 [5, 3]'),
    (np.zeros([4]), 'it is float64 [4]'),
    (np.zeros([0, 4]), 'it is float64 [0, 4]'),
    (np.zeros([1, 4], complex), 'it is complex128 [1, 4]'),
    (np.array([['a'] * 4]), 'it is <U1 [1, 4]'),
    (np.array([[None] * 4]), 'cannot be read'),
    (BROKEN, 'row 1500 has a value that is not a finite float32'),
    (np.array([[1, 2, 3, np.inf]]), 'row 0 has'),
    (np.array([[1, 2, 3, 1e300]]), 'row 0 has'),
    (b'', 'cannot be read'),
    (b'\x93NUMPY\x01\x00\x10\x00', 'cannot be read'),
    (b'not an array', 'cannot be read'),
    (None, 'cannot be read: No such file or directory'),
    ({'images': np.zeros([5, 4])}, 'it is an archive of arrays'),
  ],
)  # fmt: skip
def test_a_file_of_something_else(tmp_path, content, words):
  path = tmp_path / 'z.npy'
  if isinstance(content, bytes):
    path.write_bytes(content)
  elif isinstance(content, dict):
    with open(str(path), 'wb') as f:
      np.savez(f, **content)
  elif content is not None:
    np.save(str(path), content)
  with user_error('latents=%s' % path, words):
    latents.read(str(path), 4)
