"""Writes docs/flags.md: what --help says of every flag of the scripts, as Markdown. `make docs` runs it."""

import os
import re
import runpy
from typing import Any, Dict, List

from wgan_tf1 import flag_help

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPTS = ('train.py', 'sample.py', 'evaluate.py')
PATH = os.path.join('docs', 'flags.md')
_OPENING = """# Flags

`make docs` writes this page from the same table as `--help`: edit the scripts and `wgan_tf1/config.py` instead.

A flag is written `--seed=1`. A flag that is shown as `--[no]mirror` is turned on by `--mirror` and off by
`--nomirror`. A flag without a default is off, or has no value. The settings of a preset are printed by
`python train.py --preset=NAME --print_config`.
"""


def of_script(script: str) -> Dict[str, List[flag_help.FlagWords]]:
  """Returns {heading: flags} of a script, in the order of its --help."""
  module: Dict[str, Any] = runpy.run_path(os.path.join(ROOT, script), run_name=script)
  return flag_help.documented(script, module['_define_flags'], module['GROUPS'])


def _cell(words: str) -> str:
  """Returns words as a cell of a table: flags are code, and nothing is taken for Markdown."""
  words = re.sub(r'([|*<])', r'\\\1', words)
  return re.sub(r'(?<![\w-])--[a-z_]+(=[\w./-]*\w)?', lambda match: '`%s`' % match.group(), words)


def _row(flag: flag_help.FlagWords) -> str:
  choices = ', '.join('`%s`' % choice for choice in flag.choices)
  value, meaning = choices or flag.kind.lower(), _cell(flag.meaning)
  if len(choices) > 60:
    value, meaning = 'name', '%s One of %s.' % (meaning, choices)
  default = flag.default[:-1] if flag.default.endswith('.') else flag.default
  return '| %s |' % ' | '.join(['`%s`' % flag.name, value, meaning, _cell(default)])


def text() -> str:
  """Returns the page."""
  parts: List[str] = [_OPENING]
  for script in SCRIPTS:
    parts.append('## %s\n' % script)
    for heading, described in of_script(script).items():
      parts.append('### %s: %s\n' % (script, heading))
      parts += ['| flag | value | meaning | default |', '|---|---|---|---|', *map(_row, described), '']
  return '\n'.join(parts)


if __name__ == '__main__':
  with open(os.path.join(ROOT, PATH), 'w', encoding='utf-8') as page:
    page.write(text())
