"""`python -m tools.tensorboard`, which `make tensorboard` runs."""

import tensorboard

from tests.helpers.processes import ROOT, run


def test_it_takes_the_flags_of_tensorboard_and_writes_nothing_else():
  assert run(ROOT, '-W', 'ignore', '-m', 'tools.tensorboard', '--version_tb') == (tensorboard.__version__ + '\n', '')
