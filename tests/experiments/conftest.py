"""The quick results of each experiment, made once; each field that it gives a `Config` must be among its settings."""

import pytest

from experiments import common
from tests.experiments import settled


@pytest.fixture(scope='session')
def quick(tmp_path_factory):
  """Returns a function: experiment -> (its results with the quick settings, the folder of its files).

  Tests that call it for the same experiment are in one `settled.group`, and so in one process.
  """
  from wgan_tf1.evaluation import protocol  # slow, and not every test needs it

  made = {}

  def results(module):
    if module not in made:
      folder = tmp_path_factory.mktemp(settled.name_of(module))
      with pytest.MonkeyPatch.context() as patched, settled.checked_configs(module.SETTINGS['quick']):
        patched.chdir(folder)  # classifiers are looked for in the working directory
        patched.setitem(protocol.SAMPLES, 'image', 300)  # of the evaluations in training
        made[module] = common.run(module, True, str(folder), 'nowhere'), folder
    return made[module]

  return results
