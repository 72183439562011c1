"""Curve: RUN_DIR/curve.png, the estimate of a run over its steps, with samples along it. No TensorFlow here.

WGAN (1701.07875), figures 3 and 4, draws training curves so: a median filter over 101 steps, and samples beside it.
"""

import io
import os
import time
from typing import Any, List, Tuple

import numpy as np

from wgan_tf1 import files
from wgan_tf1.config import Config
from wgan_tf1.errors import warn

FILTER_STEPS = 101  # generator steps that the running median spans
THUMBNAILS = 5
_MOST_OF_A_RUN = 0.01  # share of a run's time that drawing may take
_PIXELS = 220  # side of a thumbnail
_LABELS = {'gan': 'JS estimate (nats)'}

Points = List[Tuple[float, float]]  # (generator step, estimate)


def median_filter(values: Any, window: int = FILTER_STEPS) -> np.ndarray:
  """Returns the running median of float [N] over an odd number of values, which are mirrored beyond the ends.

  If the last value were repeated instead, it would be the median of the last window, however much it swings.
  """
  from scipy.ndimage import median_filter as filtered  # slow to import

  values = np.asarray(values, np.float64)
  return filtered(values, size=window, mode='reflect') if len(values) else values


def held_out_every(config: Config) -> int:
  """Returns the generator steps between two estimates on held-out samples: there are twenty to a summary, or fewer."""
  return max(config.summary_every_steps // 20, 1)


class Curve:
  """The estimates of a run so far, kept in RUN_DIR/curve.npz: a resumed run continues its curve.

  Attributes:
    training: of each generator step, the estimate of the last critic update before it.
    held_out: of every `held_out_every` generator steps, that critic's estimate on held-out samples.
  """

  def __init__(self, config: Config, step: int):
    """Reads what an earlier process left, except for what came after generator step `step`, which is trained again."""
    self._config = config
    self._path = os.path.join(config.run_dir, 'curve.npz')
    self._drawn_at = time.perf_counter()
    self._seconds = 0.0  # that the last drawing took
    self.training: Points = []
    self.held_out: Points = []
    if step and os.path.exists(self._path):
      try:
        with np.load(self._path, allow_pickle=False) as kept:
          self.training, self.held_out = (
            [(at, value) for at, value in kept[name].reshape(-1, 2).tolist() if at <= step]
            for name in ('training', 'held_out')
          )
      except Exception as e:  # of a damaged file: NumPy raises many kinds
        warn('%s cannot be read (%s). The curve starts at step %d' % (self._path, e, step))

  def critic_died(self) -> bool:
    """Tells whether the last `FILTER_STEPS` estimates are exactly 0.

    This happens when none of a critic's ReLUs is positive for any sample. All samples then have the same score, the
    gradient of the estimate is 0 for every weight and every sample, and neither network changes any more.
    """
    last = self.training[-FILTER_STEPS:]
    return len(last) == FILTER_STEPS and not any(estimate for _, estimate in last)

  def write(self) -> None:
    """Writes curve.npz.

    Raises:
      OSError: if it cannot be written.
    """
    content = io.BytesIO()
    np.savez(content, training=np.array(self.training), held_out=np.array(self.held_out))
    files.write_file(self._path, content.getvalue())

  def draw(self, last: bool) -> None:
    """Writes curve.png if that takes less than 1 % of the time since it was drawn before.

    A picture that cannot be replaced, because a viewer has it open, is a warning: the next one may be.

    Args:
      last: whether the process ends: the picture is drawn in any case.
    """
    started, path = time.perf_counter(), os.path.join(self._config.run_dir, 'curve.png')
    if last or self._seconds < _MOST_OF_A_RUN * (started - self._drawn_at):
      try:
        files.write_file(path, self._draw())
      except OSError as e:
        warn('%s cannot be written: %s' % (path, e.strerror or e))
      self._drawn_at = time.perf_counter()
      self._seconds = self._drawn_at - started

  def _draw(self) -> bytes:
    """Returns the picture as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    thumbnails = self._thumbnails()
    figure = Figure(figsize=(8, 5.6 if thumbnails else 4), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.1, 0.35 if thumbnails else 0.14, 0.87, 0.58 if thumbnails else 0.78))
    filtered = [
      _plot(axes, points, FILTER_STEPS // every // 2 * 2 + 1, '%s, median of %d steps' % (name, FILTER_STEPS), color)
      for name, points, every, color in (
        ('training', self.training, 1, 'tab:blue'),
        ('held out', self.held_out, held_out_every(self._config), 'tab:orange'),
      )
    ]
    _frame(axes, np.concatenate(filtered))
    axes.set_xlabel('generator steps')
    axes.set_ylabel(_LABELS.get(self._config.variant, 'Wasserstein estimate'))
    of = self._config.preset, self._config.variant, self._config.dataset
    axes.set_title(', '.join(of[:2] if of[2] in of[0] else of), fontsize=10)
    for i, (step, picture) in enumerate(thumbnails):
      below = figure.add_axes((0.025 + i * 0.195, 0.01, 0.17, 0.22))
      below.imshow(picture, cmap='gray', vmin=0, vmax=255)
      below.set_title('step %d' % step, fontsize=8, pad=2)
      below.set_axis_off()
      axes.axvline(step, color='0.6', linewidth=0.6, linestyle=':')
    png = io.BytesIO()
    figure.savefig(png, format='png')
    return png.getvalue()

  def _thumbnails(self) -> List[Tuple[int, np.ndarray]]:
    """Returns (step, uint8 [H, W] or [H, W, 3]): a corner of the sample grids of five steps, spread over the run."""
    from PIL import Image

    if self._config.form == 'text' or not self.training:
      return []
    folder, last = os.path.join(self._config.run_dir, 'samples'), self.training[-1][0]
    kept = [step for step in files.numbered(folder, '.png') if 0 < step <= last]
    wanted = np.arange(1, THUMBNAILS + 1) * last / THUMBNAILS
    found = []
    for step in sorted({kept[np.argmin(np.abs(np.subtract(kept, w)))] for w in wanted} if kept else ()):
      try:
        with Image.open(os.path.join(folder, '%d.png' % step)) as image:
          side = min(image.size) // (2 if self._config.form == 'image' else 1)  # four by four images can be made out
          corner = image.crop((0, 0, side, side)).convert('L' if image.mode == 'L' else 'RGB')
          found.append((step, np.asarray(corner.resize((_PIXELS, _PIXELS), Image.Resampling.BILINEAR))))
      except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # all that Pillow raises
        continue  # a file that a user has changed is no reason to stop
    return found


def _plot(axes: Any, points: Points, window: int, label: str, color: str) -> np.ndarray:
  """Draws a curve faintly as it is, and its running median; returns the median, finite values alone."""
  steps, values = np.array(points, np.float64).reshape(-1, 2).T
  known = np.isfinite(values)  # right after a resume there may have been no critic update
  steps, values = steps[known], values[known]
  if not len(values):
    return values
  filtered = median_filter(values, window)
  axes.plot(steps, values, color=color, alpha=0.25, linewidth=0.8)
  axes.plot(steps, filtered, color=color, label=label)
  axes.legend(fontsize=8, loc='upper right')
  return filtered


def _frame(axes: Any, filtered: np.ndarray) -> None:
  """Shows the filtered curves whole, and zero; what is beyond them of the raw ones is cut off."""
  if len(filtered):
    low, high = min(filtered.min(), 0.0), max(filtered.max(), 0.0)
    margin = 0.08 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.axhline(0, color='0.8', linewidth=0.6, zorder=0)
