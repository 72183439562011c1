"""Makes the pictures of the documents, from runs that it trains: `make pictures`.

python -m tools.pictures                  all of them: some hours on two cores
python -m tools.pictures --only=toys      one of them
python -m tools.pictures --list           what there is, and of which runs

A run that was stopped is resumed. The pictures of TensorBoard need a Chromium. TensorFlow runs in other processes.
"""

import argparse
import contextlib
import io
import json
import os
import socket
import struct
import subprocess
import sys
import urllib.parse
import urllib.request
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import numpy as np
from PIL import Image

from experiments import estimate_and_quality, style
from tools import browser, drawings
from wgan_tf1 import curve, files
from wgan_tf1.errors import UserError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_TOY = ('--variant=gp', '--width=128', '--generator_steps=10000')
RUNS: Dict[str, Tuple[str, ...]] = {
  'first': ('--variant=clip', '--dataset=digits', '--generator_steps=300'),
  'clip': ('--variant=clip', '--dataset=mnist', '--generator_steps=1000'),
  'clip-bn': ('--preset=blog-mnist-bn', '--variant=clip', '--dataset=mnist', '--generator_steps=600'),
  'gp': ('--variant=gp', '--dataset=mnist', '--generator_steps=600', '--sample_every_steps=20'),
  'keras': ('--preset=keras-mnist', '--variant=clip', '--dataset=mnist', '--classes=0,3,7', '--generator_steps=8000'),
  'fashion': ('--preset=fashion-upsample', '--variant=clip', '--dataset=fashion_mnist', '--generator_steps=2000'),
  '8gaussians': ('--preset=toy-8gaussians', *_TOY),
  '25gaussians': ('--preset=toy-25gaussians', *_TOY),
  'swissroll': ('--preset=toy-swissroll', *_TOY),
}


def _grid(runs_dir: str, name: str, step: int) -> np.ndarray:
  """Returns the samples of a run's fixed latents after a generator step, uint8 [H, W] or [H, W, 3]."""
  path = os.path.join(runs_dir, name, 'samples', '%d.png' % step)
  try:
    with Image.open(path) as picture:
      return np.asarray(picture)
  except OSError as e:
    raise UserError(
      '%s cannot be read (%s). Delete %s, and run the same command' % (path, e, os.path.join(runs_dir, name))
    ) from e


def _steps(runs_dir: str, name: str) -> List[int]:
  return files.numbered(os.path.join(runs_dir, name, 'samples'), '.png')


def _at_steps(runs_dir: str, name: str, label: str, steps: Sequence[int], rows: int = 4, columns: int = 4) -> Any:
  """Returns a row for `montage`: the corner of a run's grid at some steps."""
  cells = [(f'step {step:,}', style.corner(_grid(runs_dir, name, step), rows, columns)) for step in steps]
  return label, cells


def _variants(runs_dir: str) -> bytes:
  steps = (100, 200, 400, 600)
  return drawings.png(
    drawings.montage([
      _at_steps(runs_dir, 'clip', 'blog-mnist, clip: the default', steps),
      _at_steps(runs_dir, 'clip-bn', 'blog-mnist-bn, clip: with batch norm', steps),
      _at_steps(runs_dir, 'gp', 'blog-mnist, gp: the gradient penalty', steps),
    ])
  )  # fmt: skip


def _keras(runs_dir: str) -> bytes:
  return drawings.png(
    drawings.montage(
      [_at_steps(runs_dir, 'keras', 'keras-mnist, clip, the digits 0, 3 and 7', (500, 1000, 2000, 8000), 4, 6)]
    )
  )


def _fashion(runs_dir: str) -> bytes:
  return drawings.png(
    drawings.montage([_at_steps(runs_dir, 'fashion', 'fashion-upsample, clip', (200, 500, 1000, 2000))])
  )


def _toys(runs_dir: str) -> bytes:
  cells = []
  for name, words in (('8gaussians', '8 Gaussians'), ('25gaussians', '25 Gaussians'), ('swissroll', 'Swiss roll')):
    last = _steps(runs_dir, name)[-1]
    cells.append(('%s, step %s' % (words, f'{last:,}'), _grid(runs_dir, name, last)[:600]))  # without the legend
  return drawings.png(
    drawings.montage([('gp: real points orange, generated points green, over the level lines of the critic', cells)])
  )


def _training(runs_dir: str) -> bytes:
  """An animation: samples of the same latents as training goes on, beside the estimate up to there."""
  with np.load(os.path.join(runs_dir, 'gp', 'curve.npz')) as kept:
    steps, values = kept['training'].T
  filtered = curve.median_filter(values)
  grids = [(step, _grid(runs_dir, 'gp', step)) for step in _steps(runs_dir, 'gp') if step]
  frames = [drawings.frame('blog-mnist, gp', step, grid, steps, values, filtered) for step, grid in grids]
  content = io.BytesIO()
  durations = [120] * (len(frames) - 1) + [3000]
  frames[0].save(content, 'WEBP', save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=80)
  return content.getvalue()


def _estimates(runs_dir: str) -> bytes:
  """The three systems of experiment 6 that train, from its results."""
  with open(os.path.join(ROOT, 'results', 'estimate_and_quality.json')) as f:
    numbers = json.load(f)['numbers']
  numbers['runs'] = {key: numbers['runs'][key] for key in ('conv-clip', 'conv-gp', 'conv-gan')}
  figure, content = estimate_and_quality.plot(numbers), io.BytesIO()
  figure.savefig(content, format='png', dpi=drawings.WIDTH / figure.get_figwidth())
  return content.getvalue()


def _curve(runs_dir: str) -> bytes:
  with open(os.path.join(runs_dir, 'first', 'curve.png'), 'rb') as f:
    return f.read()


def _interpolation(runs_dir: str) -> bytes:
  path = os.path.join(runs_dir, 'interpolation.png')
  flags_ = ['--interpolate', '--rows=4', '--columns=12', '--seed=3', '--scale=1', '--output=' + path]
  _python('sample.py', '--run_dir=' + os.path.join(runs_dir, 'clip-bn'), *flags_)
  with Image.open(path) as picture:
    cells = [('', np.asarray(picture))]
  return drawings.png(drawings.montage([('blog-mnist-bn, clip, step 600: from one latent to another', cells)]))


def _terminal(runs_dir: str) -> bytes:
  with open(os.path.join(runs_dir, 'first', 'terminal.txt'), encoding='utf-8') as f:
    # As it would be without --run_dir.
    shown = f.read().replace(os.path.join(runs_dir, 'first'), os.path.join('runs', 'blog-mnist-clip')).splitlines()
  return drawings.png(drawings.terminal(['$ python train.py ' + ' '.join(RUNS['first']), *shown]))


@contextlib.contextmanager
def _tensorboard(name: str, run_dir: str) -> Iterator[str]:
  """Yields the address of a TensorBoard that shows a run by a name."""
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  command = [sys.executable, '-W', 'ignore', '-m', 'tools.tensorboard', '--load_fast=false']
  command += ['--logdir_spec=%s:%s' % (name, run_dir), '--port=%d' % port]
  process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
  address = 'http://localhost:%d/' % port
  try:
    while process.poll() is None:
      with contextlib.suppress(OSError), urllib.request.urlopen(address):
        yield address
        return
    raise UserError('TensorBoard has ended. `make tensorboard` shows why')
  finally:
    process.terminate()
    process.wait()


def _shot(runs_dir: str, address: str, prepare: Callable[[browser.Page], bytes]) -> bytes:
  """Returns what `prepare` returns of a page of TensorBoard."""
  path = browser.find()
  if path is None:
    raise UserError('the pictures of TensorBoard need a Chromium. Install it, or name other pictures with --only')
  run_dir = os.path.abspath(os.path.join(runs_dir, 'clip'))
  with _tensorboard('blog-mnist-clip', run_dir) as start, browser.chromium(path) as page:
    page.open(start + address, 1200, 880)
    return prepare(page)


def _time_series(runs_dir: str) -> bytes:
  tags = ('estimate/train', 'estimate/held_out', 'loss/critic', 'constraint/share_at_bound')
  pins = json.dumps([dict(plugin='scalars', tag=tag) for tag in tags])

  def prepare(page: browser.Page) -> bytes:
    page.wait_for("e.tagName === 'LINE-CHART'")
    page.click("e.tagName === 'LABEL' && /step selection/.test(e.textContent)")  # and its tables
    page.click("e.tagName === 'BUTTON' && /Settings/.test(e.textContent)")
    return page.picture()

  return _shot(runs_dir, '?pinnedCards=%s#timeseries' % urllib.parse.quote(pins), prepare)


def _graph(runs_dir: str) -> bytes:
  """The graph as Algorithm 1 has it: other nodes are set aside, and the critic's update is expanded."""

  def prepare(page: browser.Page) -> bytes:
    page.wait_for("e.tagName === 'g' && e.getAttribute('data-name') === 'train_critic'")
    page.rest()
    for name in ('histograms', 'save', 'checks', 'samples'):
      page.click("e.classList.contains('nodeshape') && e.closest('[data-name=%s]')" % name)
      page.click('!e.children.length && /Remove from main graph/.test(e.textContent)')
      page.rest()
    page.click("e.classList.contains('buttoncontainer') && e.closest('[data-name=train_critic]')")
    page.wait_for("e.tagName === 'g' && e.getAttribute('data-name') === 'train_critic/clip'")
    page.rest()
    page.click("e.tagName === 'svg' && e.id === 'svg'")
    page.remove("e.id === 'auxTitle'")  # the title would cover the first node under it
    page.click('!e.children.length && /Fit to screen/.test(e.textContent)')
    # On the first rows is the shadow of TensorBoard's toolbar.
    return drawings.trimmed(page.picture("e.tagName === 'svg' && e.id === 'svg'"), top=12)

  return _shot(runs_dir, '#graphs', prepare)


PICTURES: Dict[str, Tuple[str, Tuple[str, ...], Callable[[str], bytes]]] = {
  'training': ('training.webp', ('gp',), _training),
  'curve': ('curve.png', ('first',), _curve),
  'terminal': ('terminal.png', ('first',), _terminal),
  'tensorboard_time_series': ('tensorboard_time_series.png', ('clip',), _time_series),
  'tensorboard_graph': ('tensorboard_graph.png', ('clip',), _graph),
  'estimates': ('estimates.png', (), _estimates),
  'diagram': ('diagram.png', (), lambda runs_dir: drawings.diagram()),
  'variants': ('variants.png', ('clip', 'clip-bn', 'gp'), _variants),
  'interpolation': ('interpolation.png', ('clip-bn',), _interpolation),
  'keras': ('keras-mnist.png', ('keras',), _keras),
  'toys': ('toys.png', ('8gaussians', '25gaussians', 'swissroll'), _toys),
  'fashion': ('fashion-upsample.png', ('fashion',), _fashion),
}  # in the order in which they are made: the longest run is last


def _python(script: str, *arguments: str, **options: Any) -> None:
  """Runs a script of the project; refuses to continue if it fails, after what it says itself."""
  command = [sys.executable, os.path.join(ROOT, script), *arguments]
  status = subprocess.Popen(command, cwd=ROOT, **options).wait()
  if status:
    raise UserError('%s has failed with status %d. Correct that, and run the same command' % (script, status))


def _in_terminal(*arguments: str) -> str:
  """Runs train.py in a terminal of 80 columns; returns what stays on it, one line each."""
  import fcntl  # not on Windows
  import pty
  import termios

  ours, theirs = pty.openpty()
  fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))  # rows and columns
  command = [sys.executable, os.path.join(ROOT, 'train.py'), *arguments]
  process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
  os.close(theirs)
  shown = b''
  with contextlib.suppress(OSError):  # Linux's end of a terminal
    while True:
      read = os.read(ours, 65536)
      if not read:
        break
      sys.stdout.write(read.decode(errors='replace'))
      sys.stdout.flush()
      shown += read
  os.close(ours)
  if process.wait():
    raise UserError('train.py has failed with status %d. Correct that, and run the same command' % process.returncode)
  lines = shown.decode(errors='replace').replace('\r\n', '\n').split('\n')
  return '\n'.join(next((part for part in reversed(line.split('\r')) if part.strip()), '') for line in lines)


def _train(runs_dir: str, name: str) -> None:
  """Trains a run to its end, or resumes it."""
  arguments = [*RUNS[name], '--run_dir=' + os.path.join(runs_dir, name)]
  kept = os.path.join(runs_dir, name, 'terminal.txt')
  if name != 'first':
    _python('train.py', *arguments)
  elif not os.path.exists(kept):
    files.write_file(kept, _in_terminal(*arguments).encode())


def _list() -> None:
  for name, (file, runs, _) in PICTURES.items():
    print('%s: docs/%s%s' % (name, file, ', of ' + ', '.join(runs) if runs else ''))
  for name, arguments in RUNS.items():
    print('%s: python train.py %s' % (name, ' '.join(arguments)))


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])  # type: ignore[union-attr]
  parser.add_argument('--only', help='names of pictures, with commas between')
  parser.add_argument('--list', action='store_true', help='show the pictures and the commands of their runs')
  parser.add_argument('--runs_dir', default=os.path.join('runs', 'pictures'), help='directory of the runs')
  parser.add_argument('--output_dir', default=os.path.join(ROOT, 'docs'), help='directory of the pictures')
  options = parser.parse_args()
  if options.list:
    _list()
    return
  only = options.only.split(',') if options.only else list(PICTURES)
  unknown = [name for name in only if name not in PICTURES]
  if unknown:
    raise UserError('--only=%s: %s must be among %s' % (options.only, unknown[0], ', '.join(PICTURES)))
  for name, (file, runs, draw) in PICTURES.items():
    if name in only:
      for run in runs:
        _train(options.runs_dir, run)
      path = os.path.join(options.output_dir, file)
      files.write_file(path, draw(options.runs_dir))
      print('%s is drawn' % path)


if __name__ == '__main__':
  try:
    main()
  except UserError as e:
    sys.exit('pictures: %s' % e)
