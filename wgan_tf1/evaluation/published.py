"""The numbers that the papers print, and which measured numbers they may be compared with. No TensorFlow here."""

import json
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

# What two numbers must have in common to be compared.
PROTOCOL = ('samples', 'splits', 'features', 'reference', 'sigma')


def rows() -> List[Dict[str, Any]]:
  """Returns the rows of published.json.

  Each has metric, dataset, system, value, deviation, source, note and protocol. The deviation is None where the paper
  prints none, and the value where it is infinite, which JSON cannot express. The protocol always has samples, splits,
  features and reference, None where they are not known; its other entries are numbers.
  """
  with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'published.json'), encoding='utf-8') as f:
    return json.load(f)


def comparisons(
  row: Any, dataset_name: str, published: Sequence[Dict[str, Any]]
) -> List[Tuple[Dict[str, Any], Optional[str]]]:
  """Finds the published rows of the same metric and data as a measured one.

  Args:
    row: a `measures.Row`.
    dataset_name: data set of the run.
    published: rows as `rows` returns them.

  Returns:
    List of (published row, None if the two may be compared, else why not).
  """
  found = []
  for other in published:
    if (other['metric'], other['dataset']) != (row.metric, dataset_name):
      continue
    reasons = ['of another text'] if dataset_name == 'text' else []
    for name in PROTOCOL:
      here, there = row.protocol.get(name), other['protocol'].get(name)
      if name == 'samples' and there is None:
        reasons.append('the number of samples is not known')
      elif there is not None and here != there:
        reasons.append('%s: %s, here %s' % (name, there, 'none' if here is None else here))
    found.append((other, '; '.join(reasons) or None))
  return found
