"""What a run needs before TensorFlow is loaded, so that most mistakes are refused at once. No TensorFlow here."""

import dataclasses
from typing import Any, Tuple

from wgan_tf1 import config as configs
from wgan_tf1.config import Config
from wgan_tf1.data import datasets
from wgan_tf1.errors import UserError
from wgan_tf1.runs import directory


def resolved(config: Config, chief: bool) -> Tuple[Config, datasets.Dataset]:
  """Returns the data, and the config with what they and an earlier process decided: (config, dataset).

  Args:
    config: the run as it is asked for.
    chief: whether this process reads and writes the run directory.

  Raises:
    UserError: if the data cannot be loaded, the directory holds another run, or `init_from` has no such checkpoint.
  """
  previous = directory.previous(config) if chief else None
  config = directory.resumed(previous, config)
  if config.init_from is not None and not previous:
    config = initialised(config, config.init_from)
  dataset = datasets.load(config)
  found: Any = dict(dataset=dataset.name, data_fingerprint=dataset.fingerprint)
  config = dataclasses.replace(datasets.found(config, dataset), fallback_dataset=None, **found)
  if previous and (previous.data_fingerprint, previous.class_count) != (dataset.fingerprint, config.class_count):
    raise UserError(
      '%s was started on other data than dataset=%s has now. %s, or use another --run_dir'
      % (config.run_dir, config.dataset, datasets.restoring(config.dataset))
    )
  return config, dataset


def initialised(config: Config, init_from: str) -> Config:
  """Returns the config of a new run from another's weights, with the step and the text's characters of these.

  Raises:
    UserError: if there are no such weights.
  """
  step = directory.existing_step(init_from, config.init_step)
  vocabulary = configs.load(init_from).vocabulary if config.form == 'text' else None
  return dataclasses.replace(config, init_step=step, vocabulary=vocabulary)
