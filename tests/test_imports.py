"""Imports point one way: which room may know which. CONTRIBUTING.md has the same rules as a table."""

import ast
import os

import pytest

from tests.helpers.processes import ROOT

# Each may import itself and what stands before it; nothing that stands after it.
ORDER = [
  'errors', 'files', 'images', 'presets', 'config', 'kernels', 'layers', 'networks', 'inputs', 'graph', 'sampling',
  'summaries', 'evaluation', 'recording', 'training',
]  # fmt: skip
BELOW_THE_GRAPH = ['losses', 'optimizers', 'kernels', 'layers', 'networks', 'inputs']
WITHOUT_TENSORFLOW = ['__init__', 'errors', 'files', 'images', 'presets', 'config', 'data', 'evaluation/metrics',
                      'evaluation/distances', 'evaluation/published', 'distributed/tf_config']  # fmt: skip
WITHOUT_TRAINING = ['data', 'runs', 'distributed', 'evaluation', 'sampling', 'recording', 'summaries', 'console']
WITHOUT_THE_GRAPH = ['data', 'runs', 'distributed', 'console', 'losses', 'optimizers']


def _imports(path):
  """Returns the dotted names that a source file imports, inside functions too; `from a import b` gives a and a.b."""
  with open(path, encoding='utf-8') as f:
    tree = ast.parse(f.read())
  found = set()
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      found |= {node.module} | {'%s.%s' % (node.module, alias.name) for alias in node.names}
  return found


def _sources(folder):
  """Returns {module path below `folder`, without .py: dotted names it imports}."""
  found = {}
  for place, _, names in os.walk(os.path.join(ROOT, folder)):
    for name in names:
      if name.endswith('.py'):
        path = os.path.join(place, name)
        found[os.path.relpath(path, os.path.join(ROOT, folder)).replace(os.sep, '/')[:-3]] = _imports(path)
  return found


def _in(room, module):
  return module == room or module.startswith(room + '/')


def violations(sources):
  """Returns a list of lines, one for each import in `sources` (as `_sources` has the package) that breaks a rule."""
  found = []
  internal = {}  # module -> modules of the package that it imports
  for module, names in sources.items():
    paths = {name[len('wgan_tf1.') :].replace('.', '/') for name in names if name.startswith('wgan_tf1.')}
    internal[module] = {
      p if p in sources else p + '/__init__' for p in paths if p in sources or p + '/__init__' in sources
    }
    for name in names:
      if name.split('.')[0] in ('experiments', 'benchmarks', 'tools', 'tests', 'train', 'sample', 'evaluate'):
        found.append('%s imports %s' % (module, name))
      if name == 'absl.flags' and module != 'console':
        found.append('%s knows FLAGS' % module)
  for module, imported in internal.items():
    for other in imported:
      for before, room in enumerate(ORDER):
        if _in(room, module) and any(_in(later, other) for later in ORDER[before + 1 :]):
          found.append('%s imports %s' % (module, other))
      for rooms, forbidden in ((WITHOUT_TRAINING, ['training']), (WITHOUT_THE_GRAPH, ['graph', 'training', 'sampling']),
                               (BELOW_THE_GRAPH, ['graph', 'data', 'runs', 'evaluation'])):  # fmt: skip
        if any(_in(room, module) for room in rooms) and any(_in(f, other) for f in forbidden):
          found.append('%s imports %s' % (module, other))
  for module in sources:
    if any(_in(room, module) for room in WITHOUT_TENSORFLOW):
      reached, todo = set(), {module}
      while todo:
        reached |= todo
        todo = {other for m in todo for other in internal[m]} - reached
      through = [m for m in reached if any(name.split('.')[0] == 'tensorflow' for name in sources[m])]
      found += ['%s loads TensorFlow through %s' % (module, m) for m in through]
  return sorted(set(found))


def test_imports_point_one_way():
  assert violations(_sources('wgan_tf1')) == []


@pytest.mark.parametrize(
  'module, name, line',
  [
    ('sampling', 'wgan_tf1.training', 'sampling imports training'),
    ('data/batches', 'wgan_tf1.kernels.devices', 'data/batches loads TensorFlow through kernels/devices'),
    ('evaluation/metrics', 'tensorflow.compat.v1', 'evaluation/metrics loads TensorFlow through evaluation/metrics'),
    ('layers', 'wgan_tf1.networks', 'layers imports networks/__init__'),
    ('losses', 'wgan_tf1.graph', 'losses imports graph'),
    ('evaluation/protocol', 'experiments.common', 'evaluation/protocol imports experiments.common'),
    ('training', 'absl.flags', 'training knows FLAGS'),
  ],
)
def test_each_rule_can_be_broken(module, name, line):
  sources = _sources('wgan_tf1')
  sources[module] = sources[module] | {name}
  assert line in violations(sources)


def test_presets_are_tables_alone():
  with open(os.path.join(ROOT, 'wgan_tf1', 'presets.py'), encoding='utf-8') as f:
    tree = ast.parse(f.read())
  assert not any(isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)) for node in ast.walk(tree))
  assert _imports(os.path.join(ROOT, 'wgan_tf1', 'presets.py')) <= {'typing', 'typing.Any', 'typing.Dict'}
