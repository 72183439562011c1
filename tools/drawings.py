"""Drawings for the documents: sample grids with labels, a frame of an animation, a terminal, the graph's diagram."""

import io
from typing import Any, Sequence, Tuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from experiments import style

WIDTH = 1680  # pixels: twice what a page shows
_TEXT, _SMALL = 26, 22
_LINE = 32  # pixels of a line of a terminal
_MARGIN = 12
_INK, _FAINT = '#24292f', '#57606a'


def png(picture: Any) -> bytes:
  """Returns a Pillow image as PNG."""
  content = io.BytesIO()
  picture.save(content, 'PNG', optimize=True)
  return content.getvalue()


def trimmed(content: bytes, top: int = 0) -> bytes:
  """Returns a picture, as PNG, without its first rows of pixels, `top` of them, and then without its white border."""
  picture = Image.open(io.BytesIO(content)).convert('RGB')
  picture = picture.crop((0, top, *picture.size))
  found = ImageChops.difference(picture, Image.new('RGB', picture.size, 'white')).getbbox()
  return png(picture.crop(found) if found else picture)


def montage(rows: Sequence[Tuple[str, Sequence[Tuple[str, np.ndarray]]]], width: int = WIDTH) -> Any:
  """Returns a picture of labelled rows of labelled cells, each enlarged by the same whole number.

  Args:
    rows: (label, cells), cells of (label, uint8 [H, W] or [H, W, 3]), as many in each row.
    width: pixels of the picture; it is wider if the cells need it.
  """
  columns = len(rows[0][1])
  widest = max(pixels.shape[1] for _, cells in rows for _, pixels in cells)
  width = max(width, columns * (widest + _MARGIN) + _MARGIN)
  scale = (width - _MARGIN) // columns // widest
  label = _TEXT + 2 * _MARGIN
  heights = [max(pixels.shape[0] for _, pixels in cells) * scale + 2 * label for _, cells in rows]
  cell = (width - _MARGIN) // columns
  picture = Image.new('RGB', (width, sum(heights)), 'white')
  draw, top = ImageDraw.Draw(picture), 0
  for (name, cells), height in zip(rows, heights):
    draw.text((_MARGIN, top + _MARGIN), name, _INK, style.font(_TEXT))
    for i, (words, pixels) in enumerate(cells):
      tile = Image.fromarray(pixels)
      tile = tile.resize((tile.width * scale, tile.height * scale), Image.Resampling.NEAREST)
      left = _MARGIN + i * cell
      draw.text((left, top + label + _MARGIN // 2), words, _FAINT, style.font(_SMALL))
      picture.paste(tile, (left, top + 2 * label - _MARGIN))
    top += height
  return picture


def frame(run: str, step: int, grid: np.ndarray, steps: np.ndarray, values: np.ndarray, filtered: np.ndarray) -> Any:
  """Returns a frame of an animation: samples after a generator step, beside the estimate up to there.

  Args:
    run: what was trained, for the title.
    step: the generator step.
    grid: uint8 [H, W], 8 x 8 samples.
    steps, values, filtered: [N], the estimate of the whole run and its running median.
  """
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  tile = Image.fromarray(style.corner(grid, 6, 6)).convert('RGB')
  tile = tile.resize((tile.width * 4, tile.height * 4), Image.Resampling.NEAREST)
  height = tile.height + 2 * _MARGIN
  figure = Figure(figsize=((WIDTH - tile.width - 3 * _MARGIN) / 200, height / 200), dpi=200)
  FigureCanvasAgg(figure)
  axes = figure.add_axes((0.16, 0.14, 0.79, 0.78))
  done = steps <= step
  axes.plot(steps[done], values[done], color=style.COLORS['gp'], alpha=0.25, linewidth=0.8)
  axes.plot(steps[done], filtered[done], color=style.COLORS['gp'], linewidth=1.6)
  axes.set_xlim(0, steps[-1])
  top = np.percentile(values[steps > 40], 99.5)
  axes.set_ylim(min(0.0, np.percentile(values, 0.5)), top)
  axes.set_xlabel('generator steps')
  axes.set_ylabel('Wasserstein estimate')
  axes.set_title(f'{run}: step {step:,}')
  for side in ('top', 'right'):
    axes.spines[side].set_visible(False)
  plot = io.BytesIO()
  figure.savefig(plot, format='png')
  picture = Image.new('RGB', (WIDTH, height), 'white')
  picture.paste(tile, (_MARGIN, _MARGIN))
  picture.paste(Image.open(plot).convert('RGB'), (tile.width + 2 * _MARGIN, 0))
  return picture


def terminal(lines: Sequence[str]) -> Any:
  """Returns a picture of a terminal of 80 columns. The first line is the command."""
  face = style.font(22, 'DejaVuSansMono')
  size = (int(80 * face.getlength('x')) + 4 * _MARGIN, len(lines) * _LINE + 4 * _MARGIN)
  picture = Image.new('RGB', size, '#0d1117')
  draw = ImageDraw.Draw(picture)
  for i, line in enumerate(lines):
    draw.text((2 * _MARGIN, 2 * _MARGIN + i * _LINE), line, '#c9d1d9' if i else '#7ee787', face)
  return picture


def diagram() -> bytes:
  """The graph: what is computed of what, and what updates what."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(8.4, 3.9), dpi=200)
  FigureCanvasAgg(figure)
  axes = figure.add_axes((0, 0, 1, 1))
  axes.set_xlim(0, 84)
  axes.set_ylim(0, 39)
  axes.set_axis_off()

  def box(x: float, y: float, words: str, color: str = '#f6f8fa', width: float = 13.0, height: float = 5.0) -> None:
    from matplotlib.patches import FancyBboxPatch

    shape = FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle='round,pad=0,rounding_size=1')
    shape.set(facecolor=color, edgecolor=_FAINT, linewidth=1)
    axes.add_patch(shape)
    axes.text(x, y, words, ha='center', va='center', fontsize=8.5, color=_INK)

  def arrow(start: Tuple[float, float], end: Tuple[float, float], words: str = '', dashed: bool = False) -> None:
    look = dict(arrowstyle='-|>', color=_FAINT, linewidth=1, linestyle='--' if dashed else '-', shrinkA=0, shrinkB=0)
    axes.annotate('', end, start, arrowprops=look)
    axes.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 1.1, words, ha='center', fontsize=7.5, color=_FAINT)

  blue, orange = '#ddf4ff', '#fff1e5'
  box(8, 30, 'latents z')
  box(27, 30, 'generator\nconv2d_transpose')
  box(49, 30, "critic\nscope 'critic'", blue)
  box(8, 20, 'real batch')
  box(49, 20, 'critic, same weights\nreuse=AUTO_REUSE', blue)
  box(74, 25, 'estimate\nE f(real) $-$ E f(fake)')
  box(27, 10, 'penalty (gp)\ntf.gradients twice', orange)
  box(49, 6, 'RMSProp or Adam\nminimises the critic loss', width=17)
  box(74, 6, 'clip_by_value\nto [$-$c, c] (clip)', orange)
  box(74, 35.5, 'train_generator\n$-$ E f(fake)')
  arrow((14.5, 30), (20.5, 30))
  arrow((33.5, 30), (42.5, 30), 'fake')
  arrow((14.5, 20), (42.5, 20))
  arrow((55.5, 30), (67.5, 26))
  arrow((55.5, 20), (67.5, 24))
  arrow((55.5, 31.5), (67.5, 35))
  arrow((27, 27.5), (27, 12.5), '')
  arrow((8, 17.5), (20.5, 10.5))
  arrow((33.5, 9), (40.5, 7))
  arrow((74, 22.5), (57.5, 8))
  arrow((57.5, 6), (67.5, 6), 'then', dashed=True)
  axes.text(62.5, 2.2, 'control_dependencies', ha='center', fontsize=7.5, color=_FAINT)
  content = io.BytesIO()
  figure.savefig(content, format='png')
  return content.getvalue()
