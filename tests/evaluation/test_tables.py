from wgan_tf1.evaluation import measures, published, tables


def test_the_table_shows_published_rows_under_each_measured_one():
  protocol = {'samples': 10000, 'splits': 10, 'features': 'Inception 2015', 'checksum': 'abcdef0123', 'seed': 0}
  rows = [
    measures.Row('inception_score', 6.5, 'at most 1008', protocol, 0.06, better='higher'),
    measures.Row('frechet_distance', None, '', {}, reason='needs a classifier'),
    measures.Row('recall', None, '', {}, reason='needs a classifier'),
    measures.Row('inception_score/floor', 9.81, 'at most 1008', dict(protocol, samples=5000), 0.1, better='higher'),
  ]
  known = []
  for system, value, deviation, samples in (('A', 7.86, 0.07, 50000), ('B', 8.0, None, 50000), ('C', 5, None, 10000)):
    row = {'metric': 'inception_score', 'dataset': 'cifar10', 'source': 'Paper', 'protocol': dict(protocol)}
    row['protocol'].update(samples=samples, reference=None)
    known.append(dict(row, system=system, value=value, deviation=deviation))
  measured = [
    'metric value floor better when',
    'inception_score 6.5 +- 0.06 9.81 of 5,000 real higher, at most 1008',
    'frechet_distance, recall: needs a classifier',
  ]
  assert [' '.join(line.split()) for line in tables.table(rows).splitlines()] == measured
  found = [published.comparisons(row, 'cifar10', known) for row in rows]
  assert [' '.join(line.split()) for line in tables.table(rows, found).splitlines()] == [
    *measured[:2],
    'Paper: A 7.86 +- 0.07, B 8',
    'not comparable: samples: 50000, here 10000',
    'Paper: C 5',
    measured[2],
  ]


def test_the_widest_table_fits_100_columns():
  protocol = {'samples': 1000000}
  rows = []
  for metric, unit in (
    ('earth_movers_distance', ''),
    ('class_entropy', 'nats, at most 2.303'),
    ('kernel_distance', ''),
  ):
    for suffix in ('', '/floor'):
      rows.append(measures.Row(metric + suffix, -1.2345678e-05, unit, protocol, 1.2345e-05, better='higher'))
  rows.append(measures.Row('recall', None, '', {}, reason='a long reason ' * 20))
  lines = tables.table(rows).splitlines()
  assert len(lines) > 5 and max(map(len, lines)) <= 100


def test_lines_of_two_numbers_of_samples_keep_their_floors():
  rows = []
  for suffix, offset in (('', 0.0), ('/floor', 0.5)):
    for count, value in ((640, 0.25), (900, 0.125)):
      name = 'ngram_divergence_1' + suffix
      rows.append(measures.Row(name, value + offset, 'bits', {'samples': count}, better='lower'))
  lines = [' '.join(line.split()) for line in tables.table(rows).splitlines()[1:]]
  assert lines == ['ngram_divergence_1 0.25 0.75 of 640 real lower', 'ngram_divergence_1 0.125 0.625 of 900 real lower']
