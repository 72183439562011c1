"""Everything that a document names exists: links, anchors, pictures, files, flags, values, targets, tests."""

import functools
import glob
import os
import re

import pytest

from tests.helpers.processes import ROOT
from tools import flags
from wgan_tf1 import presets

DOCUMENTS = ['README.md', 'BUILD.md', 'CONTRIBUTING.md', 'RESULTS.md'] + [
  os.path.relpath(path, ROOT) for path in sorted(glob.glob(ROOT + '/docs/*.md'))
]
FOLDERS = ('wgan_tf1', 'tests', 'docs', 'tools', 'experiments', 'benchmarks', '.ci')
OTHERS = ('pip', 'git', 'docker', 'apt', 'apt-get', 'nvidia-smi', 'pre-commit', 'ruff', 'saved_model_cli', 'kubectl')
THEIRS = ('main.py',)  # files of other projects
MADE_BY = {'train': 'train.py', 'sample': 'sample.py'}  # targets that pass ARGS to a script


def read(path):
  with open(os.path.join(ROOT, path), encoding='utf-8') as f:
    return f.read()


@functools.lru_cache(maxsize=None)
def script_flags():
  """{script: {name of a flag: its choices}}; absl's --helpfull is not among them."""
  return {
    script: {
      flag.name.replace('[no]', '')[2:]: flag.choices for group in flags.of_script(script).values() for flag in group
    }
    for script in flags.SCRIPTS
  }


@functools.lru_cache(maxsize=None)
def module_flags(path):
  """The flags that a module of experiments, benchmarks or tools defines or takes from its `common`, by their source."""
  names = re.findall(r"(?:DEFINE_\w+\(\s*|add_argument\(\s*)'(?:--)?([a-z_]+)'", read(path))
  shared = os.path.join(os.path.dirname(path), 'common.py')
  return set(names) | (module_flags(shared) if path != shared and os.path.exists(os.path.join(ROOT, shared)) else set())


@functools.lru_cache(maxsize=None)
def files():
  found = []
  for folder in ('', *FOLDERS):
    for base, _, names in os.walk(os.path.join(ROOT, folder)) if folder else [(ROOT, [], os.listdir(ROOT))]:
      found += ['/' + os.path.relpath(os.path.join(base, name), ROOT).replace(os.sep, '/') for name in names]
  return found


@functools.lru_cache(maxsize=None)
def targets():
  return set(re.search(r'^\.PHONY: (.*)$', read('Makefile'), re.M).group(1).split())


def code(text):
  """The commands and names of a document: its spans of code, and the lines of its blocks of code."""
  text = re.sub(r'\\\n\s*', ' ', text)
  fenced = re.findall(r'^```.*?\n(.*?)^```', text, re.M | re.S)
  text = re.sub(r'^```.*?\n.*?^```', '', text, flags=re.M | re.S)
  indented = re.findall(r'(?<=\n)    .*', text)
  lines = [line for block in [*fenced, '\n'.join(indented)] for line in block.splitlines()]
  spans = re.findall(r'(?<!`)`([^`]+)`(?!`)', re.sub(r'(?<=\n)    .*', '', text))
  parts = [re.split(r'\s#\s|\s{3,}', part.strip())[0].replace('\n', ' ') for part in lines + spans]  # no remarks
  return [command.strip() for part in parts for command in re.split(r'&&|;|\s\|\s', part)]


def anchors(text):
  """The anchors that a forge gives to the headings of a document."""
  found, seen = set(), {}
  for heading in re.findall(r'^#+ +(.*?) *$', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S), re.M):
    words = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading)
    slug = re.sub(r'[^\w\- ]', '', words.lower()).replace(' ', '-')
    found.add(slug + ('-%d' % seen[slug] if slug in seen else ''))
    seen[slug] = seen.get(slug, 0) + 1
  return found


def link_problems(path, text):
  prose = re.sub(r'`[^`\n]*`', '', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S))
  for target in re.findall(r'\]\(([^)\s]+)\)', prose) + re.findall(r'(?:src|href)="([^"]+)"', prose):
    if re.match(r'[a-z]+:', target):
      continue
    name, _, anchor = target.partition('#')
    place = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
    if place != path and not os.path.exists(os.path.join(ROOT, place)):
      yield 'link %s' % target
    elif anchor and anchor not in anchors(text if place == path else read(place)):
      yield 'anchor %s' % target


def flag_problems(command):
  words = command.replace('"', ' ').replace("'", ' ').split()
  made = re.search(r'\bmake ([a-z0-9-]+)', command)
  script = re.search(r'\b(?:train|sample|evaluate)\.py\b', command)
  script = script.group() if script else MADE_BY.get(made.group(1)) if made else None
  module = re.search(r'-m ((?:experiments|benchmarks|tools)[.a-z_0-9]*[a-z_0-9])', command)
  if module:
    source = module.group(1).replace('.', '/') + '.py'
    if not os.path.exists(os.path.join(ROOT, source)):
      yield 'module %s' % module.group(1)
      return
  elif script is None and (made or any(other in words for other in OTHERS) or '-m' in words):
    return  # flags of other programs
  every = {name: choices for own in script_flags().values() for name, choices in own.items()}
  known = script_flags()[script] if script else every
  for negated, name, value in re.findall(r'(?<![\w-])--(no)?([a-z][a-z0-9_]*)(?:=([\w.-]+))?', command):
    if module:
      if negated + name not in module_flags(source):
        yield 'flag --%s of %s' % (negated + name, module.group(1))
      continue
    name = name if negated and name in known else negated + name
    choices = known.get(name)
    if choices is None and name not in ('help',) and not (script is None and name in other_flags()):
      yield 'flag --%s of %s' % (name, script or 'any script')
    elif choices and value and not value.isupper() and value.rstrip('.') not in choices:
      yield 'value --%s=%s' % (name, value)


@functools.lru_cache(maxsize=None)
def other_flags():
  paths = [path[1:] for path in files() if re.match(r'/(experiments|benchmarks|tools)/.*\.py$', path)]
  return set().union(*map(module_flags, paths))


def name_problems(path, command):
  for target in re.findall(r'^(?:\$ )?make ((?:[a-z][a-z0-9-]*\b(?![=.]) ?)+)', command):
    for name in target.split():
      if name not in targets():
        yield 'target %s' % name
  for word in re.sub(r'["\',;]', ' ', command).split():
    word, _, test = word.partition('::')
    known = word.rstrip('/') if re.fullmatch(r'[\w.-]+(/[\w.-]+)*/?', word) else ''
    ours = '/' in word and known.split('/')[0] in FOLDERS or re.search(r'\.(py|toml|md|sh)$', known)
    if not ours or known in THEIRS or known.isupper():
      continue
    if not (any(name.endswith('/' + known) for name in files()) or os.path.isdir(os.path.join(ROOT, known))):
      yield 'file %s' % word
    elif test and 'def %s(' % test.split('[')[0] not in read(known):
      yield 'test %s::%s' % (word, test)


def problems(path, text):
  """What a document names and does not exist."""
  found = list(link_problems(path, text))
  for command in code(text):
    found += [*flag_problems(command), *name_problems(path, command)]
  return found


@pytest.mark.parametrize('path', DOCUMENTS)
def test_everything_that_a_document_names_exists(path):
  assert problems(path, read(path)) == []


BAD = """# A page

[gone](docs/gone.md), [no anchor](BUILD.md#no-such-heading), [nor here](#nowhere), ![none](docs/none.png).
`python train.py --rows=3`, `--widht=3`, `python train.py --preset=keras-mnits`, `make trian ARGS="--seed=1"`,
`make train ARGS="--sede=1"`, `python -m tools.fuz`, `python -m tools.fuzz --fils=3`, `wgan_tf1/loses.py`,
`tests/nothing`, `pytest tests/test_makefile.py::test_gone`.

    .venv/bin/python sample.py \\
      --clip_value=1   # a comment with --nothing
"""


def test_a_wrong_link_anchor_flag_value_target_file_and_test_are_found():
  assert sorted(problems('PAGE.md', BAD)) == sorted([
    'link docs/gone.md', 'anchor BUILD.md#no-such-heading', 'anchor #nowhere', 'link docs/none.png',
    'flag --rows of train.py', 'flag --widht of any script', 'value --preset=keras-mnits', 'target trian',
    'flag --sede of train.py', 'module tools.fuz', 'flag --fils of tools.fuzz', 'file wgan_tf1/loses.py',
    'file tests/nothing', 'test tests/test_makefile.py::test_gone', 'flag --clip_value of sample.py',
  ])  # fmt: skip


def test_what_exists_is_not_reported():
  good = """# A `page` of [links](README.md)

[self](#a-page-of-links), [there](BUILD.md#where-this-differs-from-its-sources), [out](https://example.org/none.md).
`--nomirror`, `python train.py --nomirror --preset=NAME`, `make train ARGS="--seed=1"`,
`make test ARGS="-n 0 tests/data"`, `make PYTHON=python3.12`, `pip install --upgrade pip`,
`losses.py`, `networks/blog.py`, `RUN_DIR/curve.png`.
"""
  assert problems('PAGE.md', good) == []


def test_every_picture_is_shown():
  pictures = {os.path.basename(path) for form in ('png', 'webp') for path in glob.glob(ROOT + '/docs/*.' + form)}
  shown = set(re.findall(r'([\w-]+\.(?:png|webp))', ' '.join(map(read, DOCUMENTS))))
  assert pictures <= shown


def test_every_preset_has_its_cost():
  table = read('docs/presets.md').split('## ')[1]
  assert re.findall(r'^\| `(\S+)`  ?', table, re.M) == list(presets.PRESETS)
  assert all(row.count('|') == 5 for row in table.splitlines() if row.startswith('|'))
