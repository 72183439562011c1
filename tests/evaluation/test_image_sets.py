"""Images of folders and files: as they are, resized, and what is refused."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.helpers.errors import user_error
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import image_sets


def _pixels(count=3, height=12, width=12, channels=3):
  return np.random.RandomState(0).randint(0, 256, [count, height, width, channels], np.uint8)


def _save(folder, pixels, suffix='.png'):
  folder.mkdir(exist_ok=True)
  for i, image in enumerate(pixels):
    Image.fromarray(image.squeeze()).save(str(folder / ('%d%s' % (i, suffix))))


@pytest.mark.parametrize('channels', [1, 3])
def test_images_are_read_as_they_are_from_everything(tmp_path, channels):
  pixels = _pixels(channels=channels)
  _save(tmp_path / 'folder', pixels)
  with zipfile.ZipFile(str(tmp_path / 'a.zip'), 'w') as archive:
    for path in (tmp_path / 'folder').iterdir():
      archive.write(str(path), 'below/' + path.name)
  np.savez(str(tmp_path / 'a.npz'), images=pixels, labels=np.arange(3))
  np.save(str(tmp_path / 'a.npy'), pixels[..., 0] if channels == 1 else pixels)
  for name in ('folder', 'a.zip', 'a.npz', 'a.npy'):
    assert np.array_equal(image_sets.read(str(tmp_path / name)), pixels), name


def test_grey_among_colours_palettes_and_transparency(tmp_path):
  grey, colour = _pixels(1, channels=1), _pixels(1)
  _save(tmp_path / 'a', grey)
  Image.fromarray(colour[0]).save(str(tmp_path / 'a' / '1.png'))
  Image.new('RGBA', (12, 12), (0, 0, 0, 0)).save(str(tmp_path / 'a' / '2.png'))
  Image.new('P', (12, 12), 0).save(str(tmp_path / 'a' / '3.gif'))
  images = image_sets.read(str(tmp_path / 'a'))
  assert np.array_equal(images[0], np.repeat(grey[0], 3, axis=2)) and np.array_equal(images[1], colour[0])
  assert (images[2] == 255).all() and (images[3] == 0).all()


def test_a_size_crops_and_resizes_files_and_arrays_alike(tmp_path):
  _save(tmp_path / 'a', np.full([1, 20, 30, 3], 7, np.uint8))
  Image.fromarray(_pixels(1, 9, 9, 1)[0, ..., 0]).save(str(tmp_path / 'a' / '1.png'))
  images = image_sets.read(str(tmp_path / 'a'), 8)
  assert images.shape == (2, 8, 8, 3) and (images[0] == 7).all()
  wide = _pixels(2, 12, 18)
  _save(tmp_path / 'b', wide)
  np.save(str(tmp_path / 'b.npy'), wide)
  assert np.array_equal(image_sets.read(str(tmp_path / 'b'), 8), image_sets.read(str(tmp_path / 'b.npy'), 8))


def test_damaged_and_other_files_are_left_out_after_a_warning(tmp_path, capsys):
  _save(tmp_path / 'a', _pixels())
  (tmp_path / 'a' / 'notes.txt').write_text('a')
  (tmp_path / 'a' / '1.png').write_bytes(b'\x89PNG')
  assert len(image_sets.read(str(tmp_path / 'a'))) == 2
  warning = capsys.readouterr().err
  assert warning.count('\n') == 1 and '2 of 4 files' in warning and 'notes.txt' in warning and '1.png' in warning


def test_what_cannot_be_read_is_refused(tmp_path):
  (tmp_path / 'empty').mkdir()
  with user_error('empty holds no PNG', 'It is empty'):
    image_sets.read(str(tmp_path / 'empty'))
  (tmp_path / 'text').mkdir()
  (tmp_path / 'text' / 'a.txt').write_text('a')
  with user_error('text holds no PNG', 'a.txt (not a'):
    image_sets.read(str(tmp_path / 'text'))
  (tmp_path / 'bad.zip').write_bytes(b'PK\3\4 and no more')
  with user_error('bad.zip cannot be read as a zip archive'):
    image_sets.read(str(tmp_path / 'bad.zip'))
  (tmp_path / 'bad.npz').write_bytes(b'PK\3\4 and no more')
  with user_error('bad.npz cannot be used'):
    image_sets.read(str(tmp_path / 'bad.npz'))
  np.savez(str(tmp_path / 'objects.npz'), np.array([{}, 'a'], object))
  with user_error('objects.npz cannot be used', 'Python objects'):
    image_sets.read(str(tmp_path / 'objects.npz'))
  np.save(str(tmp_path / 'floats.npy'), np.zeros([4, 8, 8, 3], np.float32))
  with user_error('floats.npy cannot be used', 'float32'):
    image_sets.read(str(tmp_path / 'floats.npy'))
  np.save(str(tmp_path / 'flat.npy'), np.zeros([4, 64], np.uint8))
  with user_error('flat.npy', 'shape'):
    image_sets.read(str(tmp_path / 'flat.npy'))
  np.save(str(tmp_path / 'wide.npy'), _pixels(2, 8, 9))
  with user_error('wide.npy has images of 9x8 pixels', 'must be square', '--image_size=N'):
    image_sets.read(str(tmp_path / 'wide.npy'))
  np.save(str(tmp_path / 'one.npy'), _pixels(1))
  with user_error('one.npy holds only one image'):
    image_sets.read(str(tmp_path / 'one.npy'))
  with user_error('text/a.txt: must be a folder, or a .zip'):
    image_sets.read(str(tmp_path / 'text' / 'a.txt'))
  with user_error('none: file not found'):
    image_sets.read(str(tmp_path / 'none'))


def test_images_of_several_sizes_are_refused_without_a_size(tmp_path):
  _save(tmp_path / 'a', _pixels(2))
  Image.new('RGB', (8, 8)).save(str(tmp_path / 'a' / '2.png'))
  with user_error('a has images of 12 and of 8 pixels', '--image_size=N'):
    image_sets.read(str(tmp_path / 'a'))
  with user_error('a has images of 12x12 pixels, and b of 8x8'):
    image_sets.check_alike(_pixels(), _pixels(3, 8, 8), 'a', 'b')


def test_data_sets_by_name(tmp_path):
  assert image_sets.of_dataset('digits', 'data').train.shape == (1500, 28, 28, 1)
  with user_error('--dataset=lsun: must be one of mnist, fashion_mnist, cifar10, digits'):
    image_sets.of_dataset('lsun', 'data')
  with user_error('holds no data_batch'):
    image_sets.of_dataset('cifar10', str(tmp_path))


def test_damaged_bytes_are_read_or_refused_but_never_crash(tmp_path):
  pixels = _pixels(2, 4, 4)
  _save(tmp_path / 'a', pixels)
  with zipfile.ZipFile(str(tmp_path / 'a.zip'), 'w', zipfile.ZIP_DEFLATED) as archive:
    for path in (tmp_path / 'a').iterdir():
      archive.write(str(path), path.name)
  np.savez_compressed(str(tmp_path / 'a.npz'), images=pixels)
  np.save(str(tmp_path / 'a.npy'), pixels)
  random = np.random.RandomState(0)
  refused = 0
  for name in ('a.zip', 'a.npz', 'a.npy'):
    content = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
    for _ in range(60):
      damaged = content.copy()
      damaged[random.randint(0, len(content), 3)] = random.randint(0, 256, 3)
      if random.rand() < 0.3:
        damaged = damaged[: random.randint(len(content))]
      (tmp_path / name).write_bytes(damaged.tobytes())
      try:
        images = image_sets.read(str(tmp_path / name))
        assert images.dtype == np.uint8 and images.ndim == 4 and len(images) >= 2
      except UserError as e:
        assert '\n' not in str(e)
        refused += 1
  assert refused > 60
