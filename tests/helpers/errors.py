"""A check that something is refused in one line."""

import contextlib

import pytest

from wgan_tf1.errors import UserError


@contextlib.contextmanager
def user_error(*words):
  """Expects a `UserError` of one line that contains each of the words."""
  with pytest.raises(UserError) as e:
    yield
  assert '\n' not in str(e.value)
  for word in words:
    assert word in str(e.value), str(e.value)
