"""Writes RESULTS.md from the results of the experiments in results/, beside what the papers printed.

python -m experiments.report

The same files give the same text. Nothing is measured here, and TensorFlow is not loaded.
"""

import html
import importlib
import importlib.util
import json
import os
import re
import struct
import textwrap
from typing import Any, Dict, List, Optional, Sequence, Tuple

from absl import flags

from experiments import common
from wgan_tf1 import console, files
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import published

FLAGS = flags.FLAGS

# Module, what it is about, and the conditions of its source. The Makefile has the same order.
EXPERIMENTS = [
  ('earth_mover', "the posts' earth mover's examples", 'pictures of three points and of histograms, no numbers'),
  ('distances', 'parallel lines and Gaussians, exact and estimated',
   'WGAN example 1 by its formulas, figure 1 over distances -1 to 1; Keras post: Gaussians with means 0 to 35'),
  ('two_gaussians', 'discriminator and critic between two Gaussians',
   'WGAN figure 2: trained to optimality; means, networks and steps not printed'),
  ('value_surfaces', 'critics on the three toys, generator fixed',
   'WGAN-GP figure 1a: real points against the same plus N(0, I), 10,000 steps by the author; the code has 3 hidden '
   'layers of 512 and penalty weight 0.1'),
  ('gradient_norms', 'gradient norm by layer and weight histograms',
   'WGAN-GP figure 1b: critic of 12 layers, ReLU, no batch norm, Swiss roll; widths and values not printed'),
  ('estimate_and_quality', 'does the Wasserstein estimate follow quality?',
   'WGAN figures 3 and 4: LSUN bedrooms of 64x64, DCGAN critic, curves median-filtered over 101 steps, quality by eye'),
  ('without_batch_norm', 'no batch norm, and an MLP generator',
   'WGAN figures 6 and 7: LSUN bedrooms of 64x64, samples judged by eye'),
  ('momentum', 'momentum on a clipped critic', 'WGAN section 3: stated without a figure'),
  ('overfitting', 'training and validation estimates on 1,000 images',
   'WGAN-GP figure 5b: 1,000 MNIST images, large unregularised networks, 20,000 steps; architecture not given'),
  ('mode_coverage', 'modes of the ring and the grid',
   'VEEGAN table 1 and PacGAN table 1 (10 trials): 2,500 samples; neither has a WGAN'),
  ('clip_order', 'clip order and gamma',
   "the MNIST post's order races; WGAN Algorithm 1 clips after, its authors' code before"),
  ('penalty_sides', 'one-sided against two-sided penalty',
   'WGAN-GP appendix C: 174 architectures, no significant difference'),
  ('random_architectures', 'random architectures in small',
   'WGAN-GP table 5: 200 architectures, 32x32 ImageNet, 100,000 steps, inception score'),
  ('long_runs', 'long runs of blog-mnist, clip and gp', 'MNIST post: samples, no scores; it names no number of steps'),
]  # fmt: skip

NO_NUMBER = 'no number'
UNKNOWN = '(?!)'  # matches nothing
MOST_WIDTH, MOST_HEIGHT = 420, 235  # of a picture on the page, in pixels: it links to its file

# The claims that matter most: words, source (GP is WGAN-GP), experiment, index of its claim; what is shown of what was
# measured: a regular expression, and what its match becomes.
HEADLINES = [
  ('Clipping: the loss follows quality', 'WGAN fig. 3', 'estimate_and_quality', 0, r'rank \S+ \S+', r'\g<0>'),
  ('The penalty: it does too', 'GP 5.6', 'estimate_and_quality', 2, r'rank \S+ \S+', r'\g<0>'),
  ("A GAN's loss does not", 'WGAN fig. 4', 'estimate_and_quality', 4, r'rank \S+ \S+', r'\g<0>'),
  ('No mode collapse', 'WGAN 4.3', 'mode_coverage', 0, r'of 25: clip (.+?)\+.*gp (.+?)\+', r'clip \1, gp \2 of 25'),
  ('The penalty gives better samples', 'GP 5', 'long_runs', 3, '.*', r'\g<0>'),
  ('No batch norm in G: clip works, GAN fails', 'WGAN fig. 6', 'without_batch_norm', 1,
   r'^GAN works from (\d of \d).*; WGAN works from (\d of \d)', r'works: clip \2 runs, GAN \1'),
  ('Clipped gradients fade with depth', 'GP fig. 1b', 'gradient_norms', 0, r'c = 0.01: (times \S+)', r'\1 a layer'),
  ('Clipping puts weights at bounds', 'GP fig. 1b', 'gradient_norms', 2, r'c = 0.01: (\S+) and (\S+)',
   r'\1 and \2 of them'),
  ('Optimal discriminator: no slope', 'WGAN fig. 2', 'two_gaussians', 0, r': (\S+),', r'\1 of its largest'),
  ('Optimal penalised critic: a slope', 'WGAN fig. 2', 'two_gaussians', 3, r': (\S+),', r'\1 of its largest'),
  ('Critics overfit small data sets', 'GP fig. 5b', 'overfitting', 0, r'(\d+ %) below', r'held out \1 lower'),
  ("The MNIST post's clip comes last", 'MNIST post', 'clip_order', 0, r'after (\d+ of \d+)', r'outside in \1 steps'),
  ('The order of the two is free', 'WGAN alg. 1', 'clip_order', 2, r'before: (\S+) ', r'distance times \1'),
  ('Momentum makes critics unstable', 'WGAN 3', 'momentum', 2, r'Adam 0.9 (\d+).*RMSProp (\d+)',
   r'Adam \1, RMSProp \2'),
  ('Clipping misses higher moments', 'GP fig. 1a', 'value_surfaces', 0,
   r'8gaussians: clip 0.01 (\S+) .*?penalty 10 (\S+) .*25gaussians: clip 0.01 (\S+) .*?penalty 10 (\S+) ',
   r'of W: ring \1, gp \2; grid \3, \4'),
  ('The penalty trains more networks', 'GP fig. 2', 'random_architectures', 2, r'WGAN (\d+), WGAN-GP (\d+)',
   r'of 10: \2, clip \1'),
]  # fmt: skip
# Claim, its source, generator steps there, seconds of a step on two cores without a GPU, command.
NEEDS_GPU = [
  ('ResNet: inception score 7.86 on CIFAR-10', 'GP table 3', 100000, 6.83,
   'python train.py --preset=cifar10-resnet --variant=gp'),
  ('with labels: 8.42', 'GP table 3', 100000, 12.0, 'python train.py --preset=cifar10-resnet-acgan --variant=gp'),
  ('characters: JS of 4-grams 0.618', 'GP code', 200000, 21.1,
   'python train.py --preset=text-char --variant=gp --data_path=FILE.txt'),
]  # fmt: skip


def said(value: Any) -> str:
  """Returns a JSON value as people write it: no braces, no more than four digits."""
  if isinstance(value, bool) or value is None:
    return {True: 'yes', False: 'no', None: 'none'}[value]
  if isinstance(value, float):
    return '%.4g' % value
  if isinstance(value, int):
    return format(value, ',') if abs(value) >= 10000 else str(value)
  if isinstance(value, list):
    return '[%s]' % ', '.join(_inner(each) for each in value)
  if isinstance(value, dict):
    return ', '.join('%s %s' % (name, _inner(each)) for name, each in sorted(value.items())) or 'as the preset'
  return str(value)


def _inner(value):
  return '(%s)' % said(value) if isinstance(value, dict) else said(value)


def wrapped(lines: Sequence[str]) -> List[str]:
  """Returns the lines with text and list items of at most 120 characters. Tables, headings and HTML stay whole."""
  out: List[str] = []
  for line in '\n'.join(lines).split('\n'):  # since remarks have several paragraphs
    item = re.match(r'\d+\. ', line)
    indent = ' ' * len(item.group()) if item else ''
    if not line or line.startswith(('|', '#', '<')):
      out.append(line)
    else:
      out += textwrap.wrap(line, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
  return out


def duration(seconds: float) -> str:
  """Returns '12 s' or '34 min'."""
  return '%.0f s' % seconds if seconds < 120 else '%.0f min' % (seconds / 60)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[int] = ()) -> List[str]:
  """Returns the lines of a Markdown table, and an empty one after it; `right` are its columns of numbers."""
  lines = []
  for row in [header, ['---:' if i in right else '---' for i in range(len(header))], *rows]:
    lines.append('| %s |' % ' | '.join(str(text).replace('|', '\\|').replace('\n', ' ') for text in row))
  return lines + ['']


def read(results_dir: str, name: str) -> Optional[common.Json]:
  """Returns what NAME.json holds, or None if there is no such file.

  Raises:
    UserError: if it cannot be read.
  """
  path = os.path.join(results_dir, name + '.json')
  try:
    with open(path) as f:
      result = json.load(f)
    for key in ('title', 'quick', 'settings', 'numbers', 'claims', 'machine', 'seconds'):
      result[key]
  except FileNotFoundError:
    return None
  except (OSError, ValueError, KeyError, TypeError) as e:
    message = '%s is not the result of an experiment (%s). Delete it, then run the experiment again' % (path, e)
    raise UserError(message) from e
  return result


def script_of(name: str) -> Any:
  """Returns the module of an experiment, or None if there is none."""
  name = 'experiments.' + name
  return importlib.import_module(name) if importlib.util.find_spec(name) else None


def section(
  number: int,
  name: str,
  about: str,
  theirs: str,
  result: Optional[common.Json],
  script: Any,
  picture: Optional[str],
  numbers: Optional[str] = None,
  width: int = MOST_WIDTH,
) -> List[str]:
  """Returns the lines on one experiment: picture, finding, claims; and, folded, all numbers, rules and conditions.

  Args:
    number: of the experiment.
    name: of its module.
    about: one line.
    theirs: the source's conditions.
    result: what NAME.json holds, or None.
    script: the experiment's module, or None.
    picture: path of its PNG, as the text has to name it, or None.
    numbers: path of NAME.json, the same.
    width: of the picture on the page.
  """
  command = '`python -m experiments.%s`' % name
  lines = ['## ' + _heading(number, about), '']
  if result is None:
    return [*lines, 'Not run. %s runs it.' % command, '']
  if result['quick']:
    lines += ['Run only with its quick settings, which decide no claim. %s runs it in full.' % command, '']
  elif script is not None and json.loads(json.dumps(script.SETTINGS['full'])) != result['settings']:
    lines += ['The settings have changed since this was measured. %s measures it again.' % command, '']
  if picture:
    shown = '<img align="left" src="%s" alt="%s" width="%d">' % (picture, html.escape(result['title']), width)
    lines += ['<a href="%s">%s</a>' % (picture, shown), '']
  if hasattr(script, 'FINDING'):
    lines += [script.FINDING, '']
  claims = result['claims']
  links = '%s, %s' % (command, duration(result['seconds'])) + ('; [numbers](%s)' % numbers if numbers else '')
  lines += [links + '.' + _undecided(claims), '<br clear="left">', '']
  short = getattr(script, 'SHORT', [(claim['text'], UNKNOWN, '') for claim in claims])
  rows = [
    [i, words, expanded(pattern, shown, claim['measured']), '**%s**' % claim['verdict']]
    for i, ((words, pattern, shown), claim) in enumerate(zip(short, claims), 1)
  ]
  lines += table(['', 'claim', 'here', 'verdict'], rows)
  lines += ['<details><summary>Claims in full, all that was measured, sources, rules, conditions</summary>', '']
  printed = any(claim.get('published', NO_NUMBER) != NO_NUMBER for claim in claims)
  rows = []
  for i, claim in enumerate(claims, 1):
    theirs_ = '' if claim.get('published', NO_NUMBER) == NO_NUMBER else _lines(claim['published'])
    rows.append([i, claim['text'], *([theirs_] if printed else []), _lines(claim['measured'])])
  lines += table(['', 'claim in full', *(['published'] if printed else []), 'all that was measured'], rows)
  lines += ['Sources, and rules set before the run:', '']
  lines += ['%d. %s: %s' % (i, claim['source'], claim['rule']) for i, claim in enumerate(claims, 1)] + ['']
  if getattr(script, 'REMARKS', ''):
    lines += [script.REMARKS, '']
  conditions = [['source', theirs]]
  conditions += [[name.replace('_', ' '), said(value)] for name, value in sorted(result['settings'].items())]
  conditions += [['machine', result['machine']]]
  return lines + table(['condition', ''], conditions) + ['</details>', '']


def _heading(number: int, about: str) -> str:
  return '%d. %s' % (number, about[0].upper() + about[1:])


def _lines(text: str) -> str:
  """Returns a cell of a table with a line for each part of a text."""
  return text.replace('; ', '<br>')


def _undecided(claims: Sequence[common.Json]) -> str:
  """Returns why claims are undecided: ' Undecided 1, 3: too short.'"""
  reasons: Dict[str, List[str]] = {}
  for i, claim in enumerate(claims, 1):
    if claim.get('reason'):
      reasons.setdefault(claim['reason'], []).append(str(i))
  return ''.join(' Undecided %s: %s.' % (', '.join(numbers), reason) for reason, numbers in reasons.items())


def expanded(pattern: str, shown: str, measured: str) -> str:
  """Returns what is shown of what was measured; if it is written otherwise, its first part and the last two."""
  found = re.search(pattern, measured)
  if found:
    return found.expand(shown)
  parts = measured.split('; ')
  return '<br>'.join(parts if len(parts) <= 3 else [parts[0] + ' ...', *parts[-2:]])


def shown_width(picture: str) -> int:
  """Returns the width at which a PNG is shown: within `MOST_WIDTH` and `MOST_HEIGHT`."""
  with open(picture, 'rb') as f:
    head = f.read(24)
  width, height = struct.unpack('>II', head[16:]) if len(head) == 24 else (MOST_WIDTH, 1)
  return min(MOST_WIDTH, MOST_HEIGHT * width // height)


def anchor(heading: str) -> str:
  """Returns the name by which a page's heading is linked: '## 1. Of a, b' -> '1-of-a-b'."""
  return re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-')


def headlines(results: Dict[str, Tuple[str, common.Json]]) -> List[str]:
  """Returns the table of the claims that matter most.

  Args:
    results: {experiment: (its heading, what NAME.json holds)}.
  """
  rows = []
  for words, source, name, index, pattern, shown in HEADLINES:
    if name in results:
      heading, result = results[name]
      claim = result['claims'][index]
      here = expanded(pattern, shown, claim['measured'])
      link = '[%s](#%s)' % (heading.split('.')[0], anchor(heading))
      rows.append([words, source, here, '**%s**' % claim['verdict'], link])
  return table(['claim', 'published', 'here', 'verdict', ''], rows) if rows else []


def gpu_section() -> List[str]:
  """Returns the lines on what two cores cannot decide, with the hours that it would take them."""
  rows, commands = [], []
  for claim, source, steps, seconds, command in NEEDS_GPU:
    rows.append([claim, source, said(steps), said(seconds), said(round(steps * seconds / 3600))])
    commands.append([claim, '`%s`' % command])
  return [
    '## What needs a GPU', '',
    *table(['claim', 'source', 'steps', 'seconds a step', 'hours'], rows, (2, 3, 4)),
    '<details><summary>How to run them</summary>', '',
    'Steps are those of the source. Seconds are those of two cores without a GPU, a Xeon in rows 1 and 3, a slower '
    'EPYC in row 2, where row 1 takes 12 s too; hours are extrapolated from them. Each run can be stopped and '
    'resumed. Then '
    '`python evaluate.py --run_dir=RUN_DIR --num_samples=50000 --classifier_graph=inception --published` '
    'prints its numbers beside the published ones, and says what differs.', '',
    *table(['claim', 'command'], commands), '</details>', '',
  ]  # fmt: skip


def _value(row):
  if row['value'] is None:
    return row['note'] or 'none'
  return said(float(row['value'])) + ('' if row['deviation'] is None else ' +- ' + said(float(row['deviation'])))


def _conditions(row):
  known = {name: each for name, each in row['protocol'].items() if each is not None}
  return said(known) if known else 'not known'


def published_section(rows: List[common.Json], measured: Dict[str, List[common.Json]]) -> List[str]:
  """Returns the lines that set published values beside those measured here, of the same metric and data.

  Args:
    rows: those of published.json.
    measured: {experiment: rows of the same shape}.
  """
  theirs: Dict[Tuple[str, str], List[List[str]]] = {}
  for row in rows:
    note = '' if row['value'] is None else row['note']
    cells = [row['system'], _value(row), _conditions(row), row['source'], note]
    theirs.setdefault((row['metric'], row['dataset']), []).append(cells)
  tables: List[str] = []
  named: List[str] = []
  for (metric, dataset), found in theirs.items():
    ours = [
      ['**%s**' % row['system'], '**%s**' % _value(row), _conditions(row), 'experiments.' + name, row['note']]
      for name, rows_of in measured.items()
      for row in rows_of
      if (row['metric'], row['dataset']) == (metric, dataset)
    ]
    if ours:
      tables += ['**%s, %s**' % (metric.replace('_', ' '), dataset.replace('_', ' ')), '']
      tables += table(['system', 'value', 'conditions', 'source', 'note'], found + ours)
      named.append(metric.replace('_', ' '))
  return [
    '## Published values', '',
    'Beside those measured here (in bold), of the same metric and data; they compare only where the conditions are the '
    'same too. `evaluate.py --published` shows the others beside a run of the same data.', '',
    '<details><summary>%s</summary>' % ', '.join(dict.fromkeys(named)), '', *tables, '</details>', '',
  ]  # fmt: skip


def report(
  results_dir: str, output: str, experiments: Sequence[Tuple[str, str, str]] = EXPERIMENTS, rows: Any = None
) -> str:
  """Returns the text of RESULTS.md.

  Args:
    results_dir: where NAME.json and NAME.png are.
    output: where the text will be written: pictures are named relative to it.
    experiments: list of (name, about, theirs).
    rows: those of published.json; None reads it.

  Raises:
    UserError: if a result cannot be read.
  """
  measured: Dict[str, List[common.Json]] = {}
  counted, results, sections = [0] * len(common.VERDICTS), {}, []
  for number, (name, about, theirs) in enumerate(experiments, 1):
    result = read(results_dir, name)
    picture = os.path.join(results_dir, name + '.png')
    below = os.path.dirname(os.path.abspath(output))
    relative = os.path.relpath(picture, below).replace(os.sep, '/')
    if result is not None:
      results[name] = _heading(number, about), result
      verdicts = [claim['verdict'] for claim in result['claims']]
      counted = [count + verdicts.count(verdict) for count, verdict in zip(counted, common.VERDICTS)]
      if not result['quick']:
        measured[name] = result['numbers'].get('rows', [])
    shown = relative if result is not None and os.path.exists(picture) else None
    width = shown_width(picture) if shown else MOST_WIDTH
    sections += section(number, name, about, theirs, result, script_of(name), shown, relative[:-3] + 'json', width)
  totals = ', '.join('%d %s' % pair for pair in zip(counted, common.VERDICTS))
  lines = [
    '# Results', '',
    'What the papers and posts claim, and what runs on two cores found: %s. `make results` writes this page from '
    '`results/`, which `make figures` fills. WGAN is [1701.07875](https://arxiv.org/abs/1701.07875), WGAN-GP '
    '[1704.00028](https://arxiv.org/abs/1704.00028).' % totals, '',
    'Each rule was written before its run. A rule that holds makes a claim **reproduced**. A rule that fails makes it '
    '**contradicted** if the run had three seeds and had stopped improving, or needed no training; otherwise it is '
    '**undecided**, for the reason given. What is published of the first claims are pictures, without a number.', '',
  ]  # fmt: skip
  lines += headlines(results) + gpu_section() + sections
  lines += published_section(published.rows() if rows is None else rows, measured)
  return '\n'.join(wrapped(lines))


def main() -> None:
  """Writes the file that --output names."""
  if not os.path.isdir(FLAGS.results_dir):
    raise UserError('results_dir=%s: folder not found. Run make figures to write it' % FLAGS.results_dir)
  text = report(FLAGS.results_dir, FLAGS.output)
  with files.user_errors('output=%s cannot be written' % FLAGS.output, 'Use another --output'):
    files.write_file(FLAGS.output, text.encode())


if __name__ == '__main__':
  flags.DEFINE_string('results_dir', 'results', 'directory of the NAME.json and NAME.png of the experiments.')
  flags.DEFINE_string('output', 'RESULTS.md', 'file to write.')
  console.run(main)
