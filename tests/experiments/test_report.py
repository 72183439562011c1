"""RESULTS.md, made of made-up results; the published numbers that it shows; and `make figures`."""

import json
import os
import re
import subprocess

import pytest
from PIL import Image

from experiments import common, report
from tests.helpers import processes
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import published


def test_paper_numbers_shape():
  rows = published.rows()
  for row in rows:
    assert set(row) == {'metric', 'dataset', 'system', 'value', 'deviation', 'source', 'note', 'protocol'}
    assert all(isinstance(row[name], str) for name in ('metric', 'dataset', 'system', 'source', 'note'))
    assert row['metric'] and row['dataset'] and row['system'] and row['source']
    assert isinstance(row['value'], (int, float)) or (row['value'] is None and 'infinite' in row['note'])
    assert row['deviation'] is None or row['deviation'] > 0
    assert set(row['protocol']) >= {'samples', 'splits', 'features', 'reference'}
    for name in set(row['protocol']) - {'features', 'reference', 'quantisation', 'batch_norm', 'labels'}:
      assert row['protocol'][name] is None or isinstance(row['protocol'][name], (int, float)), row
  keys = [
    json.dumps([row[name] for name in ('metric', 'dataset', 'system', 'source', 'protocol', 'note')]) for row in rows
  ]
  assert len(set(keys)) == len(keys)
  assert all(0 <= row['value'] <= 1 for row in rows if row['metric'] in ('high_quality_share', 'total_variation'))


def test_paper_numbers_are_all_there():
  rows = published.rows()

  def of(source, metric):
    return [row for row in rows if source in row['source'] and row['metric'] == metric]

  assert len(of('table 3', 'inception_score')) == 14 and len(of('1711.10337', 'frechet_distance')) == 12
  assert len(of('table 1', 'modes_captured')) == 12 and len(of('table 1', 'high_quality_share')) == 12
  assert [len(of('port', 'ngram_divergence_%d' % n)) for n in (1, 2, 3, 4)] == [1] * 4
  assert (
    sum(row['value'] for row in of('port', 'ngram_divergence_1') + of('port', 'ngram_divergence_4')) == 0.065 + 0.618
  )
  table_5 = of('table 5', 'architectures')
  for minimum in (1.0, 3.0, 5.0, 7.0, 9.0):
    counts = [row['value'] for row in table_5 if row['protocol']['minimum_inception_score'] == minimum]
    assert len(counts) == 4 and sum(counts) == 200
  best = {row['system']: row['value'] for row in of('table 3', 'inception_score') if row['note'] == 'supervised'}
  assert best['WGAN-GP ResNet'] == 8.42 and max(best, key=best.get) == 'SGAN'
  scores = [row['value'] for row in rows if row['metric'] == 'inception_score' and row['dataset'] == 'cifar10']
  assert 5 < min(scores) and max(scores) < 9


@pytest.fixture
def results(tmp_path):
  """Writes a result in a temporary folder: `results('first', verdicts, quick=..)`."""
  folder = tmp_path / 'results'
  folder.mkdir()

  def write(name, verdicts, quick=False, picture=True, **numbers):
    claims = [
      dict(
        text='a | b',
        source='Nobody, 1',
        rule='x > 1',
        published='2.5',
        measured='x is 2; y is 3',
        verdict=verdict,
        reason='too short' if verdict == 'undecided' else '',
      )
      for verdict in verdicts
    ]
    settings = {'steps': 20000, 'rate': 0.1234567}
    result = dict(
      name=name,
      title='Of ' + name,
      quick=quick,
      settings=settings,
      claims=claims,
      numbers=numbers,
      machine='a loom',
      seconds=601.2,
    )
    (folder / (name + '.json')).write_text(json.dumps(result))
    if picture:
      (folder / (name + '.png')).write_bytes(b'')
    return result

  write.folder = folder
  return write


EXPERIMENTS = [
  ('first', 'the first', 'on a hill'),
  ('second', 'the second', 'in a dale'),
  ('third', 'the third', 'at sea'),
]
PUBLISHED = [
  {'metric': 'height', 'dataset': 'hills', 'system': 'theirs', 'value': 3.14159, 'deviation': 0.25, 'source': 'Map',
   'note': '', 'protocol': {'samples': 7, 'splits': None}},
  {'metric': 'depth', 'dataset': 'seas', 'system': 'theirs', 'value': None, 'deviation': None, 'source': 'Chart',
   'note': 'infinite', 'protocol': {'samples': None}},
]  # fmt: skip


def section_of(text, heading):
  return re.split(r'\n(?=#+ )', text[text.index(heading) :])[0]


def test_report(results, tmp_path):
  ours = dict(PUBLISHED[0], system='ours', value=2.71828, deviation=None, protocol={'samples': 5})
  results('first', ['reproduced', 'contradicted', 'reproduced'], rows=[ours])
  results('third', ['undecided'], quick=True, picture=False)
  text, again = (report.report(str(results.folder), str(tmp_path / 'R.md'), EXPERIMENTS, PUBLISHED) for _ in range(2))
  assert text == again
  assert ': 2 reproduced, 1 contradicted, 1 undecided.' in text
  first = section_of(text, '## 1. The first')
  assert '<a href="results/first.png"><img align="left" src="results/first.png" alt="Of first" ' in first
  assert '`python -m experiments.first`, 10 min; [numbers](results/first.json)' in first
  assert '| 1 | a \\| b | x is 2<br>y is 3 | **reproduced** |' in first
  assert '| 1 | a \\| b | 2.5 | x is 2<br>y is 3 |' in first  # folded, with what was published
  assert first.count('| **contradicted** |') == 1 and '\n1. Nobody, 1: x > 1\n2. Nobody, 1: x > 1\n3. ' in first
  for line in ('| source | on a hill |', '| rate | 0.1235 |', '| steps | 20,000 |', '| machine | a loom |'):
    assert line in first
  assert first.count('<details>') == first.count('</details>') == 1
  assert section_of(text, '## 2. The second').split('\n')[2] == 'Not run. `python -m experiments.second` runs it.'
  third = section_of(text, '## 3. The third')
  assert 'only with its quick settings' in third and '.png' not in third
  assert 'Undecided 1: too short.' in third and '| **undecided** |' in third
  published_ = section_of(text, '## Published values')
  assert '| theirs | 3.142 +- 0.25 | samples 7 | Map |  |' in published_
  assert '| **ours** | **2.718** | samples 5 | experiments.first |  |' in published_
  assert 'depth, seas' not in published_  # nothing is compared with it
  # Every line of a table has as many cells as its header.
  for block in re.findall(r'(?:^\|.*\n)+', text, re.M):
    assert len({len(re.findall(r'(?<!\\)\|', line)) for line in block.splitlines()}) == 1


def test_report_of_the_project(tmp_path):
  """With no results each experiment has its command. The results that there are fill the first table."""
  text = report.report(str(tmp_path), str(tmp_path / 'RESULTS.md'))
  assert text.count('Not run. `python -m experiments.') == len(report.EXPERIMENTS)
  text = report.report(os.path.join(processes.ROOT, 'results'), os.path.join(processes.ROOT, 'RESULTS.md'))
  first = text.split('\n## ')[0]
  assert first.count('\n| ') == len(report.HEADLINES) + 2
  anchors = {report.anchor(heading) for heading in re.findall(r'^## (.*)$', text, re.M)}
  assert set(re.findall(r'\(#(.*?)\)', first)) <= anchors


def test_every_claim_has_its_line():
  """What is shown of a claim outside of the fold is found in what was measured, or is left to `expanded`."""
  for name, _, _ in report.EXPERIMENTS:
    claims = report.read(os.path.join(processes.ROOT, 'results'), name)['claims']
    short = report.script_of(name).SHORT
    assert len(short) == len(claims), name
    for (words, pattern, shown), claim in zip(short, claims):
      assert re.search(pattern, claim['measured']), (name, words)
      line = words + report.expanded(pattern, shown, claim['measured'])
      assert len(line) <= 85 and '<br>' not in line, (name, line)
  for words, _, name, index, pattern, _ in report.HEADLINES:
    measured = report.read(os.path.join(processes.ROOT, 'results'), name)['claims'][index]['measured']
    assert re.search(pattern, measured), (name, words)


def test_a_picture_is_shown_within_bounds(tmp_path):
  for size, width in (((4200, 2350), 420), ((1000, 1000), report.MOST_HEIGHT), ((8400, 100), 420)):
    Image.new('L', size).save(str(tmp_path / 'x.png'))
    assert report.shown_width(str(tmp_path / 'x.png')) == width
  (tmp_path / 'x.png').write_bytes(b'')
  assert report.shown_width(str(tmp_path / 'x.png')) == report.MOST_WIDTH


def test_verdicts_are_those_of_the_rules():
  """RESULTS.md is true for the code that there is: the verdicts follow from numbers and rules."""
  for name, _, _ in report.EXPERIMENTS:
    script, result = report.script_of(name), report.read(os.path.join(processes.ROOT, 'results'), name)
    limits = getattr(script, 'LIMITS', '')
    assert len(limits.split()) <= 5 and script.FINDING.endswith('.'), name
    for claim, kept in zip(script.CLAIMS, result['claims']):
      assert len((claim.limits or '').split()) <= 5, (name, claim.text)
      assert (kept['verdict'], kept['reason']) == common.judge(claim, result['numbers'], limits), (name, claim.text)


def test_report_says_that_settings_have_changed(results, tmp_path):
  results('earth_mover', ['reproduced'])
  text = report.report(str(results.folder), str(tmp_path / 'RESULTS.md'), [('earth_mover', 'x', 'y')], [])
  assert 'The settings have changed since this was measured.' in text


def test_report_refuses_what_is_no_result(results, tmp_path):
  for content in ('{', '[]', '{"title": ""}'):
    (results.folder / 'first.json').write_text(content)
    with pytest.raises(UserError, match='first.json is not the result of an experiment .* Delete it, then run'):
      report.report(str(results.folder), str(tmp_path / 'RESULTS.md'), EXPERIMENTS, PUBLISHED)


def test_report_command_line(tmp_path):
  module = '-m', 'experiments.report'
  _, err = processes.run(tmp_path, *module, status=2, PYTHONPATH=processes.ROOT)
  assert 'results_dir=results: folder not found. Run make figures to write it' in err
  (tmp_path / 'results').mkdir()
  processes.run(tmp_path, *module, PYTHONPATH=processes.ROOT)
  assert (tmp_path / 'RESULTS.md').read_text() == report.report(str(tmp_path / 'results'), str(tmp_path / 'RESULTS.md'))


@pytest.mark.parametrize('value, text', [
  (0.00012345, '0.0001234'), (12345, '12,345'), (2000, '2000'), (True, 'yes'), (None, 'none'), ('mnist', 'mnist'),
  ([1, 2.0], '[1, 2]'), ({'b': {'x': 1}, 'a': {}}, 'a (as the preset), b (x 1)'),
  ([{'x': 1}, {'x': 2}], '[(x 1), (x 2)]'),
])  # fmt: skip
def test_said(value, text):
  assert report.said(value) == text


def make_figures(tmp_path, script, *args):
  """`make figures` with a Python that prints its arguments and then does what `script` says."""
  venv = tmp_path / 'venv'
  (venv / 'bin').mkdir(parents=True)
  python = venv / 'bin' / 'python'
  python.write_text('#!/bin/sh\necho "$@"\ncase "$2" in %s esac\n' % script)
  python.chmod(0o755)
  (venv / 'installed').write_text('')
  command = ['make', '-C', processes.ROOT, '--no-print-directory', 'figures', 'VENV=%s' % venv, *args]
  return subprocess.run(command, capture_output=True, text=True)


def test_long_lines_are_wrapped_and_tables_are_not():
  words = ' '.join(['word-%d' % i for i in range(60)])
  lines = ['# ' + words, '', words, '', '12. ' + words, '', '| %s |' % words, '<summary>%s</summary>' % words, '']
  wrapped = report.wrapped(lines)
  assert ' '.join(' '.join(wrapped).split()) == ' '.join(' '.join(lines).split())  # no word is lost, none is cut
  assert set(lines) - set(wrapped) == {words, '12. ' + words}
  start = wrapped.index(next(line for line in wrapped if line.startswith('12. ')))
  items = wrapped[start : wrapped.index('', start)]
  assert len(items) > 2 and all(line.startswith('    word-') for line in items[1:])
  assert all(len(line) <= 120 for line in wrapped if line and line not in lines)
  assert report.wrapped(['one\n\ntwo', '']) == ['one', '', 'two', '']
  assert report.wrapped(['x' * 130 + ' y']) == ['x' * 130, 'y']  # a long link stays whole


def test_make_figures_runs_them_in_the_order_of_the_report(tmp_path):
  done = make_figures(tmp_path, '')
  assert done.returncode == 0
  assert done.stdout.splitlines() == ['-m experiments.' + name for name, _, _ in report.EXPERIMENTS]


def test_make_figures_goes_on_after_a_failure_and_names_it(tmp_path):
  done = make_figures(tmp_path, '*momentum) exit 2;; *distances) exit 1;;', 'QUICK=1')
  assert done.returncode != 0 and 'These failed: distances momentum.' in done.stderr
  assert done.stdout.splitlines() == ['-m experiments.%s --quick' % name for name, _, _ in report.EXPERIMENTS]


def test_make_figures_stops_at_an_interrupt(tmp_path):
  done = make_figures(tmp_path, '*distances) exit 130;;')
  assert done.returncode != 0 and 'These failed' not in done.stderr
  assert done.stdout.splitlines() == ['-m experiments.earth_mover', '-m experiments.distances']
