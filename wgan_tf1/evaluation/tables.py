"""What evaluate.py shows of its numbers: a table, or JSON. No TensorFlow here."""

import json
import textwrap
from typing import Any, Dict, List, Optional, Sequence, Tuple

_COLUMNS = 100
_FLOOR = '/floor'  # after the name of a metric


def _number(row: Any) -> str:
  return '-' if row is None or row.value is None else '%.4g' % row.value


def _cells(row: Any, floor: Any) -> Tuple[str, str, str, str]:
  """Returns a line of the table: metric, value, floor with its number of real samples, and when it is better."""
  value = _number(row) + (' +- %.2g' % row.deviation if row.deviation is not None else '')
  real = ' of %s real' % format(floor.protocol['samples'], ',') if floor is not None and floor.value is not None else ''
  bound = ', ' + row.unit[row.unit.index('at most') :] if 'at most' in row.unit else ''
  bound = ', ' + row.unit if row.unit.startswith('of ') else bound
  return row.metric, value, _number(floor) + real, (row.better or '-') + bound


def _wrapped(text: str, indent: int = 2) -> str:
  return textwrap.fill(
    text, _COLUMNS, initial_indent=' ' * indent, subsequent_indent=' ' * (indent + 2), break_on_hyphens=False
  )


def table(rows: Sequence[Any], found: Sequence[Sequence[Any]] = ()) -> str:
  """Returns a line for each `measures.Row`, beside its floor, and why others could not be measured.

  Args:
    rows: what was measured. The floor of a row is the next one with '/floor' after the same metric.
    found: for each row what `published.comparisons` returns, to be shown under it; empty for none.
  """
  floors: Dict[str, List[Any]] = {}
  for row in rows:
    if row.metric.endswith(_FLOOR):
      floors.setdefault(row.metric[: -len(_FLOOR)], []).append(row)
  cells, below, reasons = [], [], {}  # type: List[Any], List[Any], Dict[str, List[str]]
  for i, row in enumerate(rows):
    if row.metric.endswith(_FLOOR):
      continue
    waiting = floors.get(row.metric)
    floor = waiting.pop(0) if waiting else None
    if row.value is None:
      reasons.setdefault(row.reason, []).append(row.metric)
    else:
      cells.append(_cells(row, floor))
      below.append(found[i] if found else ())
  header = ('metric', 'value', 'floor', 'better when')
  widths = [max(map(len, column)) for column in zip(header, *cells)]
  lines: List[str] = []
  for line, comparisons in zip([header, *cells], [(), *below]):
    lines.append('  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    lines += _published(comparisons)
  lines += [_wrapped('%s: %s' % (', '.join(metrics), reason), 0) for reason, metrics in reasons.items()]
  return '\n'.join(lines)


def _published(comparisons: Sequence[Any]) -> List[str]:
  """Returns lines of the published rows of a metric, and under those that may not be compared the reason."""
  groups: Dict[Tuple[str, Optional[str]], List[str]] = {}  # (source, why not comparable) -> systems
  for other, reason in comparisons:
    deviation = '' if other['deviation'] is None else ' +- %g' % other['deviation']
    groups.setdefault((other['source'], reason), []).append('%s %g%s' % (other['system'], other['value'], deviation))
  lines = []
  for (source, reason), numbers in groups.items():
    lines.append(_wrapped('%s: %s' % (source, ', '.join(numbers))))
    if reason:
      lines.append(_wrapped('not comparable: ' + reason, 4))
  return lines


def as_json(about: Dict[str, Any], rows: Sequence[Any], found: Sequence[Sequence[Any]]) -> str:
  """Returns everything as JSON: `about`, and for each row its protocol and the published rows.

  Args:
    about: what was measured.
    rows: as `table` takes them.
    found: for each row what `published.comparisons` returns.
  """
  listed = []
  for row, comparisons in zip(rows, found):
    others = [dict(other, not_comparable=reason) for other, reason in comparisons]
    listed.append(dict(row._asdict(), published=others))
  return json.dumps(dict(about, rows=listed), indent=1, allow_nan=False) + '\n'
