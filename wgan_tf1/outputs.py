"""Files of samples: pictures, animations, arrays, folders of images; the name says which. No TensorFlow here."""

import contextlib
import os
import tempfile
import zipfile
from typing import Any, BinaryIO, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wgan_tf1 import files, images
from wgan_tf1.errors import UserError

FOLDER = 'folder'  # the kind of a name that ends with a slash
PICTURES = ('.png', '.jpg', '.jpeg', '.webp')
ANIMATIONS = ('.gif', '.webp')
ARRAYS = ('.npz', '.npy')
# Arguments of Pillow. WebP without loss, since samples are looked at closely; GIF has 256 colours in each frame.
_ENCODINGS: Dict[str, Dict[str, Any]] = {
  '.png': dict(format='PNG'),
  '.jpg': dict(format='JPEG', quality=95, subsampling=0),
  '.jpeg': dict(format='JPEG', quality=95, subsampling=0),
  '.webp': dict(format='WEBP', lossless=True),
  '.gif': dict(format='GIF'),
}
_MOST_PIXELS = {'.png': 2**31 - 1, '.jpg': 65500, '.jpeg': 65500, '.webp': 16383, '.gif': 65535}  # of a side
_MOST_AT_ONCE = 2**28  # pixels of a picture, or of all frames of an animation, which are in memory

SHOWN_WIDTH = 600  # pixels: a grid is enlarged to at least that
MOST_FRAMES = 300  # of a time lapse
FRAME_MILLISECONDS = 80
STEP_MILLISECONDS = 200  # of a step's samples in a time lapse; the last stays for ten times as long
_CAPTION_PIXELS = 28


def kind(path: str, allowed: Sequence[str], advice: str = '') -> str:
  """Returns what the name of a file says that it is: its suffix in small letters, or `FOLDER`.

  Raises:
    UserError: if that is none of those allowed, or what exists already must not be replaced. It ends with the advice.
  """
  found = FOLDER if path.endswith(('/', os.sep)) else os.path.splitext(path)[1].lower()
  if found == FOLDER and FOLDER in allowed:
    _check_folder(path)
    return found
  words = ', '.join(suffix for suffix in allowed if suffix != FOLDER)
  words += ', or with a slash for a folder of PNG files' * (FOLDER in allowed)
  with files.user_errors('output=%s cannot be written' % path, 'Use a name that ends with %s%s' % (words, advice)):
    files.resolved(path)
  if found not in allowed:
    raise UserError('output=%s: the name must end with %s%s' % (path, words, advice))
  return found


def _check_folder(path: str) -> None:
  real = os.path.realpath(path)
  if os.path.lexists(real) and not (os.path.isdir(real) and not os.listdir(real)):
    raise UserError('output=%s already exists and is not an empty folder. Use another one' % path)


def _check_size(path: Optional[str], suffix: str, height: int, width: int, frames: int, advice: str) -> None:
  """Refuses a picture that its format cannot have, or that is larger than what should be in memory."""
  most = _MOST_PIXELS[suffix]
  if max(height, width) > most or height * width * frames > _MOST_AT_ONCE:
    given = 'output=%s: ' % path if path else ''
    size = '%d x %d pixels' % (width, height) + ' in %d frames' % frames * (frames > 1)
    raise UserError('%s%s are too many. %s' % (given, size, advice))


def grid_scale(
  path: Optional[str],
  suffix: str,
  image_size: int,
  count: int,
  columns: int,
  frames: int = 1,
  scale: Optional[int] = None,
) -> int:
  """Returns by how much a grid of images, or an animation of grids, is enlarged.

  Args:
    path: of the file, for the error; None if it is the default.
    suffix: of the file.
    image_size: height and width of an image.
    count: images in the grid.
    columns: images in a row.
    frames: grids.
    scale: returned; None is so much that the grid is at least `SHOWN_WIDTH` wide.

  Raises:
    UserError: if the picture would be too large.
  """
  height, width = images.grid_size(-(-count // columns), columns, image_size, image_size)
  scale = scale or shown_scale(width)
  advice = 'Use a smaller --scale, fewer images, .npz or a folder'
  _check_size(path, suffix, height * scale, width * scale, frames, advice)
  return scale


def shown_scale(width: int) -> int:
  """Returns by how much a picture of so many pixels is enlarged to be seen well."""
  return -(-SHOWN_WIDTH // width)


def _picture(pixels: np.ndarray, scale: int = 1, palette: bool = False) -> Any:
  """Returns uint8 [H, W, C] with C = 1 or 3 as an image of Pillow, each pixel `scale` pixels wide and high.

  With `palette` it has at most 256 colours, which are chosen while the picture is small.
  """
  picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
  if palette and picture.mode == 'RGB':
    picture = picture.quantize()
  return (
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST) if scale > 1 else picture
  )


def write_picture(path: str, suffix: str, pixels: np.ndarray, scale: int = 1) -> None:
  """Writes uint8 [H, W, C], with C = 1 or 3, as an image file.

  Raises:
    UserError: if it cannot be written.
  """
  with _writing(path) as f:
    _picture(pixels, scale, suffix == '.gif').save(f, **_ENCODINGS[suffix])


def write_walk(path: str, suffix: str, samples: np.ndarray, walkers: int, scale: int) -> None:
  """Writes an animation of several walks at once: to their ends, and back.

  Args:
    path: file to write.
    suffix: one of `ANIMATIONS`.
    samples: uint8 [walkers * N, H, W, C], walk after walk.
    walkers: how many walks.
    scale: how wide and high each pixel is.

  Raises:
    UserError: if it cannot be written.
  """
  steps = samples.reshape(walkers, -1, *samples.shape[1:]).swapaxes(0, 1)
  there = [_picture(images.grid(step, walk_columns(walkers)), scale, suffix == '.gif') for step in steps]
  _write_animation(path, suffix, there + there[-2:0:-1], FRAME_MILLISECONDS)


def walk_columns(walkers: int) -> int:
  """Returns the columns of a frame with an image of each walk."""
  return int(np.ceil(np.sqrt(walkers)))


def _write_animation(path: str, suffix: str, frames: List[Any], milliseconds: Any) -> None:
  timing = dict(save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
  with _writing(path) as f:
    frames[0].save(f, **_ENCODINGS[suffix], **timing)


def sample_grids(run_dir: str, scale: Optional[int] = None) -> List[int]:
  """Returns the generator steps whose pictures of samples a time lapse shows, in order.

  These are all that the run has, or as many as fit into memory, at most `MOST_FRAMES`, spread evenly.

  Args:
    run_dir: the run.
    scale: see `write_time_lapse`.

  Raises:
    UserError: if there is none, or the first cannot be read.
  """
  folder = os.path.join(run_dir, 'samples')
  steps = files.numbered(folder, '.png')
  if not steps:
    raise UserError('%s has no pictures of samples yet. Train it for longer' % folder)
  height, width = _frame_size(_read_picture(os.path.join(folder, '%d.png' % steps[0])), scale)
  most = max(min(len(steps), MOST_FRAMES, _MOST_AT_ONCE // (height * width)), 1)
  chosen = np.linspace(0, len(steps) - 1, most).round().astype(int)
  return [steps[i] for i in chosen]


def _frame_size(pixels: np.ndarray, scale: Optional[int]) -> Tuple[int, int]:
  """Returns the (height, width) of a frame of a time lapse."""
  by = scale or shown_scale(pixels.shape[1])
  return pixels.shape[0] * by + _CAPTION_PIXELS, pixels.shape[1] * by


def write_time_lapse(
  path: str, suffix: str, run_dir: str, steps: Sequence[int], scale: Optional[int], advance: Callable[[int], Any]
) -> None:
  """Writes an animation of a run's pictures of samples, with the generator step above each.

  Args:
    path: file to write.
    suffix: one of `ANIMATIONS`.
    run_dir: the run.
    steps: the generator steps to show.
    scale: how wide and high each pixel is; None is so much that a frame is at least `SHOWN_WIDTH` wide.
    advance: called with 1 after each picture.

  Raises:
    UserError: if a picture cannot be read, is too large or of another size than the first, or `path` cannot be
      written.
  """
  frames: List[Any] = []
  for step in steps:
    source = os.path.join(run_dir, 'samples', '%d.png' % step)
    pixels = _read_picture(source)
    by = scale or shown_scale(pixels.shape[1])
    advice = 'Use a smaller --scale' if by > 1 else 'Leave out --timelapse'
    _check_size(path, suffix, *_frame_size(pixels, scale), 1, advice)
    frame = _captioned(_picture(pixels, by), 'generator step %s' % format(step, ','))
    if suffix == '.gif' and frame.mode == 'RGB':
      frame = frame.quantize()
    if frames and (frame.size, frame.mode) != (frames[0].size, frames[0].mode):
      raise UserError('%s is of another size than the pictures before it. Move it elsewhere' % source)
    frames.append(frame)
    advance(1)
  _write_animation(path, suffix, frames, [STEP_MILLISECONDS] * (len(frames) - 1) + [10 * STEP_MILLISECONDS])


def _read_picture(path: str) -> np.ndarray:
  """Returns uint8 [H, W, C] with C = 1 or 3."""
  try:
    with Image.open(path) as picture:
      return np.atleast_3d(np.asarray(picture if picture.mode == 'L' else picture.convert('RGB')))
  except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:  # all that Pillow raises
    raise UserError('%s cannot be read: %s. Move it elsewhere' % (path, e)) from e


def _captioned(picture: Any, words: str) -> Any:
  """Returns a picture with a line of words above it."""
  import matplotlib  # slow to import; it comes with a font

  font = ImageFont.truetype(os.path.join(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf'), 16)
  sheet = Image.new(picture.mode, (picture.width, picture.height + _CAPTION_PIXELS), 'black')
  ImageDraw.Draw(sheet).text((8, 4), words, fill='white', font=font)
  sheet.paste(picture, (0, _CAPTION_PIXELS))
  return sheet


def write_array(
  path: str, suffix: str, name: str, batches: Iterable[np.ndarray], count: int, labels: Optional[np.ndarray] = None
) -> None:
  """Writes samples as an array, batch by batch, so that they need not fit into memory.

  Args:
    path: file to write.
    suffix: .npy, or .npz, an archive that has `labels` too.
    name: of the array in the archive.
    batches: arrays [N, ...] of one type and shape.
    count: samples in all batches together, at least 1.
    labels: int32 [count], or None.

  Raises:
    UserError: if it cannot be written.
  """
  with _writing(path) as f:
    if suffix == '.npy':
      _write_npy(f, batches, count)
      return
    with zipfile.ZipFile(f, 'w') as archive:
      for array_name, parts in ((name, batches), ('labels', None if labels is None else [labels])):
        if parts is not None:
          # Without a time of its own, the same samples make the same bytes.
          with archive.open(zipfile.ZipInfo(array_name + '.npy'), 'w', force_zip64=True) as member:
            _write_npy(member, parts, count)


def _write_npy(f: Any, batches: Iterable[np.ndarray], count: int) -> None:
  """Writes batches as one array in NumPy's format, whose header tells how many rows will follow."""
  written = 0
  for batch in batches:
    batch = np.ascontiguousarray(batch)
    if not written:
      descr = np.lib.format.dtype_to_descr(batch.dtype)
      shape = (count, *batch.shape[1:])
      np.lib.format.write_array_header_1_0(f, {'descr': descr, 'fortran_order': False, 'shape': shape})
    f.write(batch.tobytes())
    written += len(batch)
  assert written == count


def write_folder(path: str, named: Iterable[Tuple[str, np.ndarray]], scale: int = 1) -> None:
  """Writes a folder of PNG files, which appears when it is complete. Links to it are followed.

  Args:
    path: the folder, new or empty.
    named: (name of a file, uint8 [H, W, C]) of each.
    scale: how wide and high each pixel is.

  Raises:
    UserError: if it cannot be written.
  """
  _check_folder(path)
  real = os.path.realpath(path)
  with files.user_errors('output=%s cannot be written' % path, 'Use another --output'):
    os.makedirs(os.path.dirname(real), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(real), prefix='.writing-') as temporary:
      folder = os.path.join(temporary, 'folder')  # `temporary` itself is closed to other users
      os.mkdir(folder)
      for name, pixels in named:
        _picture(pixels, scale).save(os.path.join(folder, name), format='PNG')
      with contextlib.suppress(FileNotFoundError):
        os.rmdir(real)  # it is empty; on Windows nothing can be renamed to a name that is there
      os.rename(folder, real)


def write_lines(path: str, batches: Iterable[Sequence[str]]) -> None:
  """Writes lines of text, UTF-8.

  Raises:
    UserError: if they cannot be written.
  """
  with _writing(path) as f:
    for lines in batches:
      f.write(''.join(line + '\n' for line in lines).encode())


@contextlib.contextmanager
def _writing(path: str) -> Iterator[BinaryIO]:
  with files.user_errors('output=%s cannot be written' % path, 'Use another --output'), files.new_file(path) as f:
    yield f
