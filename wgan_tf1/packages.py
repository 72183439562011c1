"""Says which packages are missing before anything imports them. The scripts import this module first."""

import importlib.util
import shlex
import sys

# What requirements.txt has for running, by the names that are imported.
NEEDED = ('absl', 'filelock', 'matplotlib', 'numpy', 'PIL', 'scipy', 'sklearn', 'tensorboard', 'tensorflow', 'tqdm')


def check() -> None:
  """Exits with status 2, after one line, if a package is missing."""
  missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
  if missing:
    said = '%s: these packages are missing: %s. Run: %s -m pip install -r requirements.txt'
    print(said % (sys.argv[0], ', '.join(missing), shlex.quote(sys.executable)), file=sys.stderr)
    raise SystemExit(2)


check()
