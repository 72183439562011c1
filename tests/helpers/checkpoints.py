"""Reads checkpoints, and compares their variables to the bit."""

from typing import Any, Dict

import numpy as np

from tools import runs


def variables(run_dir: Any, step: int) -> Dict[str, np.ndarray]:
  """Returns {name: value} of everything in the checkpoint of a generator step."""
  return runs.variables(str(run_dir), step)


def assert_same_variables(one: Dict[str, np.ndarray], two: Dict[str, np.ndarray]) -> None:
  """Checks that both have the same names, and the same bytes for each."""
  assert set(one) == set(two) and one
  assert [name for name in one if one[name].tobytes() != two[name].tobytes()] == []
