"""The numbers that the papers print, and which measured numbers they may be compared with. No TensorFlow here."""

import json
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

# What two numbers must have in common to be compared, and what to call it where it is not known. Where a measured
# number has no splits, features or reference, or a published one no sigma, the metric has none.
PROTOCOL = {
  'samples': 'the number of samples',
  'splits': 'the number of splits',
  'features': 'the classifier',
  'reference': 'the reference',
  'sigma': None,
  'quantisation': 'the quantisation',
  'batch_norm': 'the batch norm in sampling',
  'labels': 'the distribution of labels',
}
# A measured number has these only where its generator has them: without batch norm, no mode of it could differ.
_OF_GENERATORS = ('quantisation', 'batch_norm', 'labels')
UNKNOWN_GENERATOR = {name: 'not known' for name in _OF_GENERATORS}  # in the protocol of images from anywhere


def rows() -> List[Dict[str, Any]]:
  """Returns the rows of published.json.

  Each has metric, dataset, system, value, deviation, source, note and protocol. The deviation is None where the paper
  prints none, and the value where it is infinite, which JSON cannot express. The protocol always has samples, splits,
  features and reference, None where they are not known. Of scores of generated images it may have

  - quantisation: how a pixel x, 0 if it is black and 1 if it is white, is made an integer;
  - batch_norm: by what the generator normalises when it is sampled; 'none' if it has no batch norm;
  - labels: of which classes the samples are; 'none' if the generator takes none.

  They are absent where they are not known. All other entries are numbers.
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
    unknown = []
    for name, words in PROTOCOL.items():
      here, there = row.protocol.get(name), other['protocol'].get(name)
      if name in _OF_GENERATORS and (here is None or there == 'none'):
        continue
      if there is None and words is not None and here is not None:
        unknown.append(words)
      elif there is not None and here != there:
        reasons.append('%s: %s, here %s' % (name.replace('_', ' '), there, 'none' if here is None else here))
    if unknown:
      listed = ' and '.join(filter(None, [', '.join(unknown[:-1]), unknown[-1]]))
      reasons.append('%s %s not known' % (listed, 'is' if len(unknown) == 1 else 'are'))
    found.append((other, '; '.join(reasons) or None))
  return found
