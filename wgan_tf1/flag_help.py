"""The words of --help, which docs/flags.md shares."""

import sys
import textwrap
from typing import Any, Callable, Dict, Iterable, List, NamedTuple

from absl import flags


def define_version(script: str) -> None:
  """Defines --version, which every script has."""
  flags.DEFINE_boolean('version', False, 'print the version, and do nothing else.', module_name=script)


def of_script(groups: Dict[str, List[str]]) -> str:
  """Returns the text of --help of the script that runs, with its flags in `groups`, {heading: names of flags}."""
  own = {flag.name: flag for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0])}
  parts = [str(sys.modules['__main__'].__doc__ or '').strip()]
  for heading, names in _in_groups(own, groups).items():
    parts.append('\n%s:' % heading)
    parts += [_flag_help(_described(own[name])) for name in names]
  return '\n'.join(parts)


def _in_groups(names: Iterable[str], groups: Dict[str, List[str]]) -> Dict[str, List[str]]:
  """Returns {heading: names of flags}: flags that are in no group come last."""
  grouped = {name for group in groups.values() for name in group}
  rest = [name for name in sorted(names) if name not in grouped]
  every = {**groups, 'other' if groups else 'flags': rest}
  return {heading: group for heading, group in every.items() if group}


class FlagWords(NamedTuple):
  """What --help and docs/flags.md say of a flag."""

  name: str  # --seed, or --[no]mirror
  kind: str  # INTEGER, NUMBER or TEXT; empty if it has choices or is boolean
  choices: List[str]
  meaning: str
  default: str  # empty if there is none


def _described(flag: Any) -> FlagWords:
  """Returns what there is to say of a flag; `Default: ...` at the end of its help goes before its own default."""
  choices = list(getattr(flag.parser, 'enum_values', None) or [])
  words = flag.help[len('<%s>: ' % '|'.join(choices)) :] if choices else flag.help  # absl puts them before the help
  meaning, _, default = words.partition('Default: ')
  if not default and flag.default is not None and flag.default is not False:
    default = '%s.' % flag.default
  kind = '' if choices or flag.boolean else {'int': 'INTEGER', 'float': 'NUMBER'}.get(flag.flag_type(), 'TEXT')
  return FlagWords(('--[no]%s' if flag.boolean else '--%s') % flag.name, kind, choices, meaning.strip(), default)


def documented(script: str, define: Callable[[], None], groups: Dict[str, List[str]]) -> Dict[str, List[FlagWords]]:
  """Returns what --help of a script would say, {heading: flags}; `define` defines them. No flag stays defined."""
  known = set(flags.FLAGS)
  try:
    define()
    define_version(script)
    own = {name: _described(flags.FLAGS[name]) for name in set(flags.FLAGS) - known}
  finally:
    for name in set(flags.FLAGS) - known:
      delattr(flags.FLAGS, name)
  return {heading: [own[name] for name in names] for heading, names in _in_groups(own, groups).items()}


def _flag_help(flag: FlagWords) -> str:
  """Returns a flag's name and value in a line, and under it what it means, in at most 80 columns."""
  kind = '|'.join(flag.choices) or flag.kind
  words = flag.meaning + (' Default: ' + flag.default if flag.default else '')
  if flag.choices and len(kind) > 60:
    kind, words = 'NAME', '%s One of %s.' % (words, ', '.join(flag.choices))
  indent = ' ' * 6
  return '  %s\n%s' % (
    flag.name + ('=' + kind if kind else ''),
    textwrap.fill(
      words, 80, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ),
  )
