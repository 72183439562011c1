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


HERE = {'samples': 50000, 'quantisation': 'floor(256 x)', 'batch_norm': 'moving averages', 'labels': 'each in turn'}


@pytest.mark.parametrize(
  'here, there, expected',
  [
    (HERE, HERE, None),
    (HERE, {**HERE, 'quantisation': 'round(255 x)'}, 'quantisation: round(255 x), here floor(256 x)'),
    (HERE, {**HERE, 'batch_norm': 'batches of 100'}, 'batch norm: batches of 100, here moving averages'),
    (HERE, {**HERE, 'labels': 'uniform at random'}, 'labels: uniform at random, here each in turn'),
    (HERE, {**HERE, 'batch_norm': None}, 'the batch norm in sampling is not known'),
    (
      HERE,
      {'samples': 50000},
      'the quantisation, the batch norm in sampling and the distribution of labels are not known',
    ),
    # A generator without batch norm or labels has no way of sampling that could differ in them.
    (HERE, {**HERE, 'batch_norm': 'none', 'labels': 'none'}, None),
    ({**HERE, 'batch_norm': None, 'labels': None}, HERE, None),
    ({'samples': 50000, 'quantisation': 'floor(256 x)'}, {'samples': 50000, 'quantisation': 'floor(256 x)'}, None),
    ({'samples': 50000, 'quantisation': 'floor(256 x)'}, {'samples': 50000}, 'the quantisation is not known'),
    ({**HERE, 'splits': 10}, HERE, 'the number of splits is not known'),
    ({'samples': 50000, 'features': 'F'}, {'samples': 50000}, 'the classifier is not known'),
    (
      {'samples': 50000, **published.UNKNOWN_GENERATOR},
      {'samples': 50000, 'quantisation': 'floor(256 x)', 'labels': 'none'},
      'quantisation: floor(256 x), here not known; the batch norm in sampling is not known',
    ),
  ],
)
def test_scores_of_images_drawn_in_different_ways_are_not_comparable(here, there, expected):
  row = measures.Row('inception_score', 7.0, '', here)
  other = _row(there, metric='inception_score', dataset='cifar10')
  assert [reason for _, reason in published.comparisons(row, 'cifar10', [other])] == [expected]


def test_the_published_score_of_the_residual_networks_is_not_comparable_with_moving_averages():
  protocol = {'splits': 10, 'features': 'Inception 2015', **HERE}
  row = measures.Row('inception_score', 7.0, '', protocol)
  reasons = {
    (other['system'], other['note']): reason
    for other, reason in published.comparisons(row, 'cifar10', published.rows())
  }
  assert None not in reasons.values()
  drawn = 'quantisation: floor(255.99 x), here floor(256 x); batch norm: batches of 100, here moving averages'
  assert reasons['WGAN-GP ResNet', 'unsupervised'] == drawn
  assert reasons['WGAN-GP ResNet', 'supervised'] == drawn + '; labels: uniform at random, here each in turn'


def test_no_published_score_is_comparable_with_images_from_anywhere():
  protocol = {'samples': 50000, 'splits': 10, 'features': 'Inception 2015', **published.UNKNOWN_GENERATOR}
  found = published.comparisons(measures.Row('inception_score', 7.0, '', protocol), 'cifar10', published.rows())
  assert len(found) > 10 and None not in [reason for _, reason in found]


def test_divergences_of_different_texts_are_not_comparable():
  row = measures.Row('ngram_divergence_2', 0.2, 'bits', {'samples': 100, 'reference': 'held_out'})
  other = _row(metric='ngram_divergence_2', dataset='text')
  assert [reason for _, reason in published.comparisons(row, 'text', [other])] == [
    'of another text; the reference is not known'
  ]
