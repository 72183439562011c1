"""One look for every plot and picture: colours by variant, fonts, sample grids. No TensorFlow here."""

import os
from typing import Any, Dict, Tuple

import numpy as np

COLORS = {'clip': 'tab:blue', 'gp': 'tab:orange', 'gan': 'tab:green', 'real': '0.4'}
RC: Dict[str, Any] = {
  'font.size': 10,
  'axes.titlesize': 10,
  'axes.labelsize': 10,
  'legend.fontsize': 9,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'figure.dpi': 100,
  'savefig.dpi': 100,
}


def font(size: int, name: str = 'DejaVuSans') -> Any:
  """Returns a font of matplotlib's for Pillow, so that plots and pictures look alike on every machine."""
  import matplotlib
  from PIL import ImageFont

  return ImageFont.truetype(os.path.join(matplotlib.get_data_path(), 'fonts', 'ttf', name + '.ttf'), size)


def corner(grid: np.ndarray, rows: int, columns: int, of: Tuple[int, int] = (8, 8), gutter: int = 2) -> np.ndarray:
  """Returns the first rows and columns of a grid of samples.

  Args:
    grid: uint8 [H, W] or [H, W, 3], as `wgan_tf1.images.grid` makes it.
    rows, columns: how many to keep.
    of: how many the grid has.
    gutter: pixels between two samples, and around all of them.
  """
  height, width = ((side - gutter) // n for side, n in zip(grid.shape, of))
  return grid[: rows * height + gutter, : columns * width + gutter]
