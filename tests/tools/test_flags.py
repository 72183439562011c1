from absl import flags as absl_flags

from tests.helpers.processes import ROOT, run_here
from tools import flags


def test_the_page_is_what_make_docs_writes_and_no_flag_stays_defined():
  known = set(absl_flags.FLAGS)
  with open('%s/%s' % (ROOT, flags.PATH), encoding='utf-8') as page:
    assert page.read() == flags.text(), 'docs/flags.md is out of date. Run make docs'
  assert set(absl_flags.FLAGS) == known


def test_every_line_of_a_table_has_four_cells_and_every_flag_of_help_is_there(tmp_path):
  sections = dict(zip(flags.SCRIPTS, flags.text().split('\n## ')[1:]))
  for script, section in sections.items():
    rows = [line for line in section.splitlines() if line.startswith('| `--')]
    assert all(row.replace(r'\|', '').count('|') == 5 for row in rows)
    helped = [line.split('=')[0].strip() for line in run_here(tmp_path, script, '--help')[0].splitlines()]
    assert [row.split('`')[1] for row in rows] == [name for name in helped if name.startswith('--')]
