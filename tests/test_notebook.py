"""docs/first_steps.ipynb: it runs to its end, in small, and its file has the outputs of its source."""

import base64
import io
import os
import re
import sys

import nbclient
import nbformat
import numpy as np
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from PIL import Image

from tests.helpers.processes import ROOT, SECONDS, environment

PATH = os.path.join(ROOT, 'docs', 'first_steps.ipynb')
SMALL = {'STEPS': 3, 'WIDTH': 4}
PICTURES = ['data', 'curve', 'weights', 'grid', 'arcs']  # cells that show one


@pytest.fixture
def notebook():
  return nbformat.read(PATH, as_version=4)


def constants(source):
  return {name: int(value) for name, value in re.findall(r'^([A-Z]+) = (\d+)\b', source, re.M)}


def with_constants(source, values):
  for name, value in values.items():
    source, count = re.subn(r'^%s = \d+' % name, '%s = %d' % (name, value), source, flags=re.M)
    assert count == 1, name
  return source


def code_cells(notebook):
  return {cell['id']: cell for cell in notebook.cells if cell.cell_type == 'code'}


def printed(cell):
  return ''.join(output.text for output in cell.outputs if output.get('name') == 'stdout')


def pictures(cell):
  """The pictures that a cell shows, as arrays."""
  encoded = [output.data['image/png'] for output in cell.outputs if 'image/png' in output.get('data', {})]
  return [np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in encoded]


def check_outputs(notebook, values):
  """Checks that each cell ran, in order, with these constants, and shows what it should."""
  cells = code_cells(notebook)
  assert [cell.execution_count for cell in cells.values()] == list(range(1, len(cells) + 1))
  for name, cell in cells.items():
    assert cell.outputs, name
    assert [output for output in cell.outputs if output.output_type == 'error'] == [], name
  assert [name for name, cell in cells.items() for _ in pictures(cell)] == PICTURES
  assert all(picture.std() > 1 for name in PICTURES for picture in pictures(cells[name]))
  assert 'Trained %d generator steps' % values['STEPS'] in printed(cells['train'])
  assert 'tensorflow:' not in ''.join(map(printed, cells.values()))  # its notices
  assert constants(cells['data'].source) == values


def test_it_runs_to_its_end(notebook, tmp_path, monkeypatch):
  for name in ('IPYTHONDIR', 'JUPYTER_CONFIG_DIR', 'JUPYTER_DATA_DIR', 'JUPYTER_RUNTIME_DIR'):
    monkeypatch.setenv(name, str(tmp_path / 'jupyter'))
  folder = tmp_path / 'docs'
  folder.mkdir()
  for cell in code_cells(notebook).values():
    cell.update(outputs=[], execution_count=None)
  settings = code_cells(notebook)['data']
  settings.source = with_constants(settings.source, SMALL)
  # Without folders of kernels, python3 is this Python, whatever is installed elsewhere under that name.
  manager = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]), kernel_name='python3')
  client = nbclient.NotebookClient(
    notebook, km=manager, timeout=SECONDS, startup_timeout=SECONDS, resources={'metadata': {'path': str(folder)}}
  )
  # An empty MPLBACKEND leaves the choice to the kernel, which puts the plots into the notebook.
  client.execute(env=environment(PYTHONPATH=ROOT, MPLBACKEND='', PYTHONDONTWRITEBYTECODE='1'))
  assert manager.kernel_spec.argv[0] == sys.executable
  check_outputs(notebook, SMALL)
  assert os.listdir(str(folder)) == []
  assert os.listdir(str(tmp_path / 'runs')) == ['first-steps-%d' % SMALL['WIDTH']]


def test_the_file_has_the_outputs_of_its_source(notebook):
  check_outputs(notebook, constants(code_cells(notebook)['data'].source))


def test_it_is_small_and_names_no_place_of_the_machine_that_made_it():
  with open(PATH, encoding='utf-8') as f:
    text = f.read()
  assert len(text) < 300000
  words = re.sub(r'"image/png": "[^"]*"', '', text)
  assert ROOT not in words and re.findall(r'(?<![\w.])/(?:home|root|tmp|Users|usr|opt|var)/', words) == []


def test_its_links_lead_somewhere(notebook):
  links = [link for cell in notebook.cells for link in re.findall(r'\]\(([^)#\s]+)', cell.source)]
  assert links
  assert [link for link in links if not os.path.exists(os.path.join(os.path.dirname(PATH), link))] == []
