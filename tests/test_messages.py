"""Advice that can be followed: a flag that a message names exists in the script that shows the message."""

import ast
import functools
import glob
import os
import re

import pytest

from tests.helpers.processes import ROOT, run

SCRIPTS = ('train.py', 'sample.py', 'evaluate.py')
FLAG = re.compile(r'(?<![\w-])--([a-z]\w*)(?![\w%-])')  # '--classifier_%s' is completed while it runs
LOADS_DATA = ('train.py', 'evaluate.py')
# File and flag -> the scripts that show the message. For others it is every script that imports the file.
SHOWN_BY = {
  ('wgan_tf1/config.py', 'list_presets'): ['train.py'],  # the help of --preset
  ('wgan_tf1/config.py', 'init_from'): ['train.py'],
  ('wgan_tf1/config.py', 'critic_norm'): ['train.py'],
  ('wgan_tf1/config.py', 'learning_rate_decay_steps'): ['train.py'],
  ('wgan_tf1/console.py', 'generator_learning_rate'): ['train.py'],  # the opening block
  ('wgan_tf1/console.py', 'critic_learning_rate'): ['train.py'],
  ('wgan_tf1/console.py', 'logdir'): [],  # TensorBoard's
  ('wgan_tf1/data/arrays.py', 'data_dir'): ['train.py', 'evaluate.py'],
  ('wgan_tf1/sampling.py', 'export'): ['sample.py'],
  ('wgan_tf1/data/downloads.py', 'dataset'): ['train.py'],
  ('wgan_tf1/data/downloads.py', 'data_path'): ['train.py'],
  ('wgan_tf1/data/folders.py', 'data_path'): LOADS_DATA,
  ('wgan_tf1/data/lsun.py', 'data_path'): LOADS_DATA,
  ('wgan_tf1/data/own_arrays.py', 'data_path'): LOADS_DATA,
  ('wgan_tf1/data/text.py', 'data_path'): LOADS_DATA,
  ('wgan_tf1/evaluation/measures.py', 'classifier_graph'): ['evaluate.py'],  # a row of the table
  ('wgan_tf1/evaluation/small_classifier.py', 'classifier_graph'): ['evaluate.py'],
  ('wgan_tf1/runs/checkpoints.py', 'init_optimizers'): ['train.py'],
  ('wgan_tf1/runs/checkpoints.py', 'init_step'): ['train.py'],
}


@functools.lru_cache(maxsize=None)
def _tree(path):
  with open(os.path.join(ROOT, path), encoding='utf-8') as f:
    return ast.parse(f.read())


def _files(folder):
  found = glob.glob(os.path.join(ROOT, folder, '**', '*.py'), recursive=True)
  return sorted(os.path.relpath(path, ROOT) for path in found)


def _named(path):
  """Returns [(line, flag, script that is named before it)] of a file's strings.

  Docstrings are read by programmers, except those of scripts, which --help shows.
  """
  tree, found, documentation = _tree(path), [], set()
  for node in ast.walk(tree):
    shown = isinstance(node, ast.Module) and path in SCRIPTS
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and not shown:
      documentation |= {node.body[0].value} if ast.get_docstring(node) is not None else set()
  for node in set(ast.walk(tree)) - documentation:
    text = getattr(node, 'value', getattr(node, 's', None))  # of ast.Constant, and of Python 3.7's ast.Str
    for match in FLAG.finditer(text) if isinstance(text, str) else ():
      scripts = re.findall(r'\b(?:train|sample|evaluate)\.py', text[: match.start()].split('. ')[-1])
      found.append((node.lineno, match.group(1), scripts[-1:]))
  return found


def _module(name):
  """Returns the path of a module of the project, or None."""
  stem = name.replace('.', '/')
  return next(
    (path for path in (stem + '.py', stem + '/__init__.py') if os.path.exists(os.path.join(ROOT, path))), None
  )


@functools.lru_cache(maxsize=None)
def _imports(path):
  """Returns the paths of the modules that a file imports, at its top or in a function."""
  names = set()
  for node in ast.walk(_tree(path)):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module:
      names |= {node.module} | {'%s.%s' % (node.module, alias.name) for alias in node.names}
  return {_module(name) for name in names if name.startswith('wgan_tf1')} - {None}


@functools.lru_cache(maxsize=None)
def _reached(script):
  """Returns the paths of all modules that a script may import."""
  found, new = {script}, {script}
  while new:
    new = set().union(*map(_imports, new)) - found
    found |= new
  return found


@functools.lru_cache(maxsize=None)
def _flags(script):
  out, _ = run(ROOT, script, '--help')
  return {'help'} | set(re.findall(r'^  --(?:\[no\])?(\w+)', out, re.MULTILINE))


def _exists(flag, known):
  return flag in known or (flag.startswith('no') and flag[2:] in known)


@pytest.mark.parametrize('path', [*SCRIPTS, *_files('wgan_tf1')])
def test_every_flag_that_a_message_names_exists(path):
  importers = [script for script in SCRIPTS if path in _reached(script)]
  for line, flag, named in _named(path):
    for script in named or SHOWN_BY.get((path, flag), importers):
      assert _exists(flag, _flags(script)), '%s:%d: %s has no --%s; SHOWN_BY says who shows it' % (
        path,
        line,
        script,
        flag,
      )


def test_the_table_above_names_what_is_there():
  for (path, flag), scripts in SHOWN_BY.items():
    assert flag in {found for _, found, _ in _named(path)}, (path, flag)
    assert all(path in _reached(script) for script in scripts), path
  assert {'run_dir'} == {flag for _, flag, _ in _named('wgan_tf1/runs/directory.py')}


@pytest.mark.parametrize('folder', ['experiments', 'benchmarks', 'tools'])
def test_every_flag_that_a_tool_names_exists(folder):
  known = {'logdir', 'logdir_spec', 'load_fast', 'port', 'no_such_flag'}.union(*map(_flags, SCRIPTS))
  for path in _files(folder):
    for node in ast.walk(_tree(path)):
      if isinstance(node, ast.Call) and node.args and re.match('DEFINE_|add_argument', getattr(node.func, 'attr', '')):
        name = getattr(node.args[0], 'value', getattr(node.args[0], 's', ''))
        known.add(str(name).lstrip('-'))
  for path in _files(folder):
    for line, flag, _ in _named(path):
      assert _exists(flag, known), '%s:%d: no --%s' % (path, line, flag)
