"""Which published numbers a measured one is compared with."""

import pytest

from wgan_tf1.evaluation import measures, published


def _row(protocol=(), **fields):
  unknown = {'samples': 100, 'splits': None, 'features': None, 'reference': None}
  row = {'metric': 'modes_captured', 'dataset': '8gaussians', 'system': 'S', 'value': 1, 'deviation': None}
  return {**row, 'source': 'T', 'protocol': {**unknown, **dict(protocol)}, **fields}


@pytest.mark.parametrize(
  'other, expected',
  [
    (_row(), [None]),
    (_row({'sigma': 0.02}), [None]),
    (_row({'sigma': 0.01}), ['sigma: 0.01, here 0.02']),
    (_row({'samples': 50}), ['samples: 50, here 100']),
    (_row({'samples': None}), ['the number of samples is not known']),
    (_row({'features': 'F', 'splits': 10}), ['splits: 10, here none; features: F, here none']),
    (_row(metric='high_quality_share'), []),
    (_row(dataset='25gaussians'), []),
  ],
)
def test_only_numbers_of_one_protocol_are_comparable(other, expected):
  row = measures.Row('modes_captured', 8.0, 'of 8', {'samples': 100, 'sigma': 0.02, 'seed': 0})
  assert [reason for _, reason in published.comparisons(row, '8gaussians', [other])] == expected


def test_divergences_of_different_texts_are_not_comparable():
  row = measures.Row('ngram_divergence_2', 0.2, 'bits', {'samples': 100, 'reference': 'held_out'})
  other = _row(metric='ngram_divergence_2', dataset='text')
  assert [reason for _, reason in published.comparisons(row, 'text', [other])] == ['of another text']
