"""The code that docs/algorithm.md quotes is in the function that it names."""

import ast
import os
import re

import pytest

from tests.helpers.processes import ROOT

FENCE = '```'
QUOTE = re.compile(
  r'^\[(?P<name>[\w/]+\.py)\]\(\.\./(?P<path>[\w/]+\.py)\), `(?P<function>\w+)`:\n\n'
  + FENCE + r'python\n(?P<code>.*?)^' + FENCE + '$', re.M | re.S
)  # fmt: skip
PLACE = re.compile(r'\[(?P<name>\w+\.py)\]\(\.\./(?P<path>[\w/]+\.py)\), `(?P<function>\w+)` \|$', re.M)


def read(path):
  with open(os.path.join(ROOT, path), encoding='utf-8') as f:
    return f.read()


PAGE = read('docs/algorithm.md')
QUOTES = [match.groupdict() for match in QUOTE.finditer(PAGE)]


def lines_of(path, function):
  """The lines of a function at the top of a file, from its `def` to the next statement."""
  source = read(path)
  body = ast.parse(source).body
  (i,) = [i for i, node in enumerate(body) if isinstance(node, ast.FunctionDef) and node.name == function]
  end = body[i + 1].lineno - 1 if i + 1 < len(body) else None
  return source.splitlines()[body[i].lineno - 1 : end]


def is_in(code, lines):
  """Whether lines of code follow each other, with their indents, among `lines`."""
  wanted = code.rstrip('\n').split('\n')
  return any(lines[i : i + len(wanted)] == wanted for i in range(len(lines)))


def test_every_block_of_code_is_a_quotation_with_its_place():
  assert len(QUOTES) == PAGE.count(FENCE) // 2 > 0


@pytest.mark.parametrize('quote', QUOTES, ids=lambda q: q['function'])
def test_what_is_quoted_is_in_the_function(quote):
  assert quote['name'] == quote['path']
  assert is_in(quote['code'], lines_of(quote['path'], quote['function']))


def test_the_functions_of_the_table_exist():
  places = [match.groupdict() for match in PLACE.finditer(PAGE)]
  assert len(places) == 11
  for place in places:
    assert place['path'].endswith('/' + place['name']) and lines_of(place['path'], place['function'])


def test_a_changed_line_is_found():
  lines = lines_of('wgan_tf1/losses.py', 'generator_loss')
  assert is_in('  return -tf.reduce_mean(fake_scores)\n', lines)
  assert not is_in('  return tf.reduce_mean(fake_scores)\n', lines)
  assert not is_in('  return tf.reduce_mean(real_scores) - tf.reduce_mean(fake_scores)\n', lines)
