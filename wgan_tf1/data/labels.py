"""Classes of images: by the folders they are in, by a dataset.json as StyleGAN has it, or by numbers.

Classes are numbered from 0 in the order of their names, or of their values if all names are integers. So each number
has at least one image. No TensorFlow here.
"""

import json
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from wgan_tf1.data.decoding import reason
from wgan_tf1.errors import UserError
from wgan_tf1.files import portable_name

MOST_NAME_BYTES = 2**19  # of all the names as JSON, which config.json keeps
Labels = Tuple[np.ndarray, Tuple[str, ...]]  # int32 [N], and the names of these numbers


def numbered(names: Sequence[str]) -> Labels:
  """Returns the number of each name, and the names in the order of their numbers."""
  different = sorted(set(names))
  if all(re.match('-?[0-9]{1,18}$', name) for name in different):
    different.sort(key=int)
  if len(json.dumps(different)) > MOST_NAME_BYTES or len(different) >= 2**16:
    raise UserError('%d classes are too many. Use fewer folders, or shorter names' % len(different))
  numbers = {name: i for i, name in enumerate(different)}
  return np.array([numbers[name] for name in names], np.int32), tuple(different)


def of_values(values: np.ndarray) -> Labels:
  """Returns the classes of an array of integers [N]; each is named by its value."""
  different, numbers = np.unique(values, return_inverse=True)
  if len(different) >= 2**16:
    raise UserError('%d classes are too many: labels must have fewer than 65536 values' % len(different))
  return numbers.astype(np.int32).reshape(-1), tuple(str(int(value)) for value in different)


def of_folders(names: Sequence[str]) -> Optional[Labels]:
  """Returns the classes of files by the first folder in which their paths, with '/' between, differ.

  None if some files are in no folder there, or if all are in the same folder: then they have no classes.
  """
  paths = [name.split('/') for name in names]
  shortest = min(len(path) for path in paths)
  depth = 0
  while depth < shortest - 1 and len({path[depth] for path in paths}) == 1:
    depth += 1
  if depth >= shortest - 1:
    return None
  return numbered([portable_name(path[depth]) for path in paths])


def of_json(content: bytes, path: str) -> Optional[Dict[str, int]]:
  """Returns {path of an image: label} of StyleGAN's dataset.json, {"labels": [["path", 3], ...]}; None without labels.

  Args:
    content: bytes of the file.
    path: its name, for messages.

  Raises:
    UserError: if it cannot be read.
  """
  advice = 'Correct it, or move it elsewhere to use folders as classes'
  try:
    labels: Any = json.loads(content.decode('utf-8-sig'))['labels']
    if labels is None:
      return None
    rows: List[Any] = list(labels.items()) if isinstance(labels, dict) else list(labels)
    for row in rows:
      name, label = row
      if not isinstance(name, str) or isinstance(label, bool) or not isinstance(label, int) or abs(label) >= 2**31:
        raise ValueError('%.60r: must be the path of an image and an integer' % (row,))
    return {name.replace('\\', '/'): label for name, label in rows}
  except (ValueError, TypeError, KeyError, RecursionError) as e:
    why = 'it has no %s' % e if isinstance(e, KeyError) else reason(e)
    raise UserError('%s cannot be read (%s). %s' % (path, why, advice)) from e
