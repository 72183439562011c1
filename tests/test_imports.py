"""Who may import what. The rules are those of CONTRIBUTING.md; imports inside functions count as well."""

import ast
import functools
import glob
import os

import pytest

from tests.helpers.processes import ROOT

ABOVE_THE_PACKAGE = {'experiments', 'benchmarks', 'tools', 'tests', 'train', 'sample', 'evaluate'}

# Modules or rooms of the package -> modules or rooms that they may import. All may import wgan_tf1, for its version.
_GRAPH = 'config errors kernels layers networks losses optimizers inputs distributed.towers'
_RUN = (
  'errors classes files images presets progress config data kernels layers networks losses optimizers inputs graph runs'
)
_RUN += ' distributed latents outputs sampling summaries evaluation curve'
ALLOWED = {
  'errors files images presets progress': 'errors',
  'classes': 'errors files',
  'config': 'classes errors files presets',
  'data': 'classes config errors files progress data',
  'evaluation.metrics evaluation.distances evaluation.neighbours evaluation.published': 'errors evaluation.metrics',
  'evaluation.tables': '',
  'kernels': 'config errors kernels',
  'layers': 'kernels',
  'networks': 'classes config errors kernels layers networks',
  'losses optimizers': 'config',
  'inputs': 'classes config networks distributed.towers',
  'graph': _GRAPH,
  'runs': 'config errors files runs',
  'runs.starting': 'config errors data runs',
  'distributed': 'config errors distributed',
  'flag_help': '',
  'console': 'config errors files flag_help progress',
  'curve': 'config errors files',
  'latents': 'errors',
  'outputs': 'errors files images',
  'sampling summaries evaluation recording': _RUN,
  'training': _RUN + ' recording console',
}
WITHOUT_TENSORFLOW = 'errors classes files images presets progress config data evaluation.metrics '
WITHOUT_TENSORFLOW += 'evaluation.distances evaluation.neighbours evaluation.published evaluation.references '
WITHOUT_TENSORFLOW += 'evaluation.image_sets evaluation.tables distributed.tf_config runs.directory runs.starting '
WITHOUT_TENSORFLOW += 'curve latents outputs flag_help'


_parse = functools.lru_cache(maxsize=None)(ast.parse)


def _read():
  """Returns {module: source} of the package and of tools. Scripts, experiments and benchmarks may import anything."""
  sources = {}
  for folder in ('wgan_tf1', 'tools'):
    for path in glob.glob(os.path.join(ROOT, folder, '**', '*.py'), recursive=True):
      name = os.path.relpath(path, ROOT)[: -len('.py')].replace(os.sep, '.')
      with open(path, encoding='utf-8') as f:
        sources[name[: -len('.__init__')] if name.endswith('.__init__') else name] = f.read()
  return sources


def _imports(tree, sources):
  """Returns the names of the modules that a module imports: as far down as they are in `sources`."""
  found = set()
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, 'relative import'
      below = {node.module + '.' + alias.name for alias in node.names}
      found |= {name if name in sources else node.module for name in below}
  return found


def _in(name, rooms):
  """Whether a module is one of `rooms`, separated by spaces, or in one."""
  return any(name == room or name.startswith(room + '.') for room in rooms.split())


def _allowed(name):
  """Returns the value in `ALLOWED` of a module, or else of its room."""
  own = [allowed for names, allowed in ALLOWED.items() if name in names.split()]
  rooms = [allowed for names, allowed in ALLOWED.items() if _in(name, names)]
  return (own or rooms or [''])[0]


def _loaded(name, imports):
  """Returns every module that an import of `name` loads or may load, packages on the way included."""
  found, waiting = set(), {name}
  while waiting:
    module = waiting.pop()
    found.add(module)
    parents = {module[:i] for i, c in enumerate(module) if c == '.'}
    waiting |= (imports.get(module, set()) | parents) - found
  return found


def violations(sources):
  """Returns a line for each broken rule."""
  trees = {name: _parse(source) for name, source in sources.items()}
  imports = {name: _imports(tree, sources) for name, tree in trees.items()}
  found = []
  for module in sorted(sources):
    top, _, name = module.partition('.')
    wrong = []
    if top == 'wgan_tf1':
      rooms = {other[len('wgan_tf1.') :] for other in imports[module] if other.startswith('wgan_tf1.')}
      wrong += [room for room in rooms if not _in(room, _allowed(name))]
      wrong += [other for other in imports[module] if other.split('.')[0] in ABOVE_THE_PACKAGE]
      if _in(name, WITHOUT_TENSORFLOW):
        wrong += {other for other in _loaded(module, imports) if other.split('.')[0] == 'tensorflow'}
    if top == 'tools' or (top == 'wgan_tf1' and name not in ('console', 'flag_help')):
      wrong += [other for other in imports[module] if other.split('.')[0] == 'absl']
    found += ['%s imports %s' % (module, other) for other in sorted(wrong)]
  for node in ast.walk(trees['wgan_tf1.presets']):
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.If)):
      found.append('wgan_tf1.presets has %s' % type(node).__name__)
  found += ['wgan_tf1.presets imports ' + other for other in sorted(imports['wgan_tf1.presets'] - {'typing'})]
  return found


def test_imports_point_one_way():
  sources = _read()
  assert {'wgan_tf1', 'wgan_tf1.data', 'wgan_tf1.data.text', 'tools.fuzz'} <= set(sources)
  assert violations(sources) == []


@pytest.mark.parametrize(
  'module, line, expected',
  [
    ('wgan_tf1.errors', 'import tensorflow', 'wgan_tf1.errors imports tensorflow'),
    ('wgan_tf1.data', 'import tensorflow.compat.v1 as tf', 'wgan_tf1.data.text imports tensorflow.compat.v1'),
    ('wgan_tf1.files', 'def f():\n  from tensorflow import io', 'wgan_tf1.data.text imports tensorflow'),
    (
      'wgan_tf1.evaluation.published',
      'from wgan_tf1 import layers',
      'evaluation.published imports tensorflow.compat.v1',
    ),
    ('wgan_tf1.kernels.devices', 'from wgan_tf1 import layers', 'wgan_tf1.kernels.devices imports layers'),
    ('wgan_tf1.networks.blog', 'import wgan_tf1.graph', 'wgan_tf1.networks.blog imports graph'),
    ('wgan_tf1.losses', 'from wgan_tf1.graph import Graph', 'wgan_tf1.losses imports graph'),
    ('wgan_tf1.sampling', 'from wgan_tf1 import training', 'wgan_tf1.sampling imports training'),
    ('wgan_tf1.runs.events', 'def f():\n  from wgan_tf1 import training', 'wgan_tf1.runs.events imports training'),
    ('wgan_tf1.training', 'from tools import runs', 'wgan_tf1.training imports tools.runs'),
    ('wgan_tf1.graph', 'from absl import flags', 'wgan_tf1.graph imports absl'),
    ('tools.fuzz', 'from absl import flags', 'tools.fuzz imports absl'),
    ('wgan_tf1.presets', 'import os', 'wgan_tf1.presets imports os'),
    ('wgan_tf1.presets', 'def f():\n  pass', 'wgan_tf1.presets has FunctionDef'),
  ],
)
def test_a_wrong_import_is_found(module, line, expected):
  sources = _read()
  sources[module] += '\n' + line + '\n'
  assert [found for found in violations(sources) if found.endswith(expected)]
