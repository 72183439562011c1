"""Reads damaged files of every kind: each reader must give the right data or raise a `UserError`, and nothing else.

python -m tools.fuzz                                     2,000 files, each with its own seed
python -m tools.fuzz --files=7 --first=123               seven files, with the seeds 123 to 129
python -m tools.fuzz --kind=lmdb --files=1 --first=123   one file again, with its traceback

Each kind of file has its own process, so that a crash or a hang is noticed. A process may take 60 seconds per file, and
may grow by 1 GB.
"""

import argparse
import collections
import contextlib
import functools
import gzip
import hashlib
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from typing import Any, Dict, Iterable, List, Tuple

import numpy as np
from PIL import Image

from wgan_tf1 import config
from wgan_tf1.data import arrays, decoding, downloads, folders, lsun, own_arrays
from wgan_tf1.data import text as texts
from wgan_tf1.data.collection import Fit
from wgan_tf1.errors import UserError

SECONDS = 60  # per file
MEGABYTES = 1024  # that a process may grow
RIGHT, ALTERED, REFUSED = 'right', 'altered', 'refused'
EXTREMES = [b'\x00', b'\xff', b'\x7f', b'\x80', b'\x01']
VALUES: List[Any] = [
  None, True, -1, 0, 1, 0.5, -0.0, 2**31, 2**63, 10**400, 1e308, float('nan'), float('inf'), -float('inf'), '', 'x',
  '\n', '\ud800', '../../etc/passwd', 'a' * 10**5, '4', [], [1], {}, {'a': {'b': []}}, 'gp', 'points', 7,
]  # fmt: skip


def damage(content: bytes, chance: random.Random) -> bytes:
  """Returns bytes with some of them changed, removed, inserted or truncated; more often near the start of a page."""
  damaged = bytearray(content)
  for _ in range(chance.choice([1, 1, 3, 20])):
    anywhere = chance.randrange(len(damaged) + 1)
    near_the_start = chance.randrange(min(len(damaged), 64) + 1)
    near_a_page = chance.randrange(len(damaged) // 4096 + 1) * 4096 + chance.randrange(64)
    at = chance.choice([anywhere, near_the_start, near_a_page])
    span = chance.choice([1, 1, 2, 4, 8, 100])
    noise = bytes(chance.randrange(256) for _ in range(span))
    how = chance.randrange(12)
    if how < 5:
      damaged[at : at + span] = noise
    elif how < 8:
      damaged[at : at + span] = chance.choice(EXTREMES) * span
    elif how == 8:
      del damaged[at : at + span]
    elif how == 9:
      damaged[at:at] = noise
    elif how == 10:
      del damaged[at:]
    else:
      other = chance.randrange(len(damaged) + 1)
      damaged[at : at + span] = damaged[other : other + span]
  return bytes(damaged)


def write(path: str, content: bytes) -> None:
  """Writes a file, and its directory if necessary."""
  os.makedirs(os.path.dirname(path), exist_ok=True)
  with open(path, 'wb') as f:
    f.write(content)


def idx(folder: str, chance: random.Random) -> str:
  """A gzipped IDX file, whose checksum is known."""
  pixels = np.random.RandomState(0).randint(0, 40, [20, 8, 8]).astype(np.uint8)
  content = b'\0\0\x08\x03' + np.array(pixels.shape, '>u4').tobytes() + pixels.tobytes()
  write(os.path.join(folder, 'images.gz'), damage(gzip.compress(content), chance))
  found = downloads.read_checked(folder, 'images', hashlib.md5(content).hexdigest())
  assert found is not None and np.array_equal(arrays.parse_idx(found), pixels)
  return RIGHT


def cifar(folder: str, chance: random.Random) -> str:
  """A file of CIFAR-10's records, which have no checksum."""
  records = np.random.RandomState(0).randint(0, 10, [12, 3073]).astype(np.uint8)
  content = damage(records.tobytes(), chance)
  write(os.path.join(folder, 'data_batch_1.bin'), content)
  write(os.path.join(folder, 'test_batch.bin'), records.tobytes())
  loaded = arrays.read_cifar10(folder)
  as_it_is = np.frombuffer(content, np.uint8).reshape(-1, 3073)
  assert loaded.train_labels is not None and as_it_is[:, 0].max() < 10
  assert np.array_equal(loaded.train_labels, as_it_is[:, 0])
  assert np.array_equal(loaded.train.transpose(0, 3, 1, 2).reshape(-1, 3072), as_it_is[:, 1:])
  return RIGHT if content == records.tobytes() else ALTERED


@functools.lru_cache(maxsize=None)
def _pictures():
  """Returns the bytes of image files of several formats and modes, 24 pixels wide."""
  pixels = np.random.RandomState(0).randint(0, 256, [16, 24, 4]).astype(np.uint8)
  rgba = Image.fromarray(pixels)
  deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
  table: List[Tuple[Image.Image, str, Dict[str, Any]]] = [
    (rgba, 'PNG', {}), (rgba.convert('P'), 'PNG', {'transparency': 3}), (rgba.convert('1'), 'PNG', {}),
    (deep, 'PNG', {}), (rgba.convert('RGB'), 'JPEG', {}), (rgba.convert('L'), 'JPEG', {'progressive': True}),
    (rgba.convert('CMYK'), 'JPEG', {}), (rgba, 'WEBP', {}), (rgba, 'WEBP', {'lossless': True}),
    (rgba.convert('P'), 'GIF', {'save_all': True, 'append_images': [rgba.convert('L')]}),
    (rgba.convert('L'), 'BMP', {}), (rgba.convert('RGB'), 'BMP', {}),
    (rgba, 'TIFF', {}), (deep, 'TIFF', {}), (rgba.convert('F'), 'TIFF', {}), (rgba.convert('CMYK'), 'TIFF', {}),
    (rgba.convert('RGB'), 'TIFF', {'compression': 'jpeg'}), (rgba, 'TIFF', {'compression': 'tiff_lzw'}),
    (rgba.convert('1'), 'TIFF', {'compression': 'group4'}), (deep, 'TIFF', {'compression': 'tiff_deflate'}),
  ]  # fmt: skip
  files = []
  for image, kind, options in table:
    content = io.BytesIO()
    image.save(content, kind, **options)
    files.append(content.getvalue())
  return files


def image(folder: str, chance: random.Random) -> str:
  """An image of any format next to two intact ones."""
  whole, how = chance.choice(_pictures()), chance.choice(['crop', 'pad', 'stretch'])
  write(os.path.join(folder, 'a.png'), damage(whole, chance))
  write(os.path.join(folder, 'b.png'), _pictures()[4])
  write(os.path.join(folder, 'c.png'), _pictures()[4])
  train, validation, _ = folders.load(folder, Fit(8, 3, how, 1))  # c.png is held out
  decoded, stand_in = train[:], decoding.decode(_pictures()[4], 8, 3, how)
  assert decoded.shape[1:] == (8, 8, 3) and np.array_equal([decoded[-1], *validation[:]], [stand_in] * 2)
  if np.array_equal(decoded[0], decoding.decode(whole, 8, 3, how)):
    return RIGHT
  return REFUSED if np.array_equal(decoded[0], stand_in) else ALTERED


def _saved_tree(chance):
  """Returns {name: bytes} of images in two folders, and of a dataset.json."""
  names = ['%s/%d.png' % (name, i) for name in 'ab' for i in range(4)]
  labels = [[name, chance.randrange(3)] for name in names]
  tree = {name: chance.choice(_pictures()) for name in names}
  return dict(tree, **{folders.LABEL_FILE: json.dumps({'labels': labels}).encode()})


def _read_tree(path, tree):
  """Reads a tree, whose images must be those of `_saved_tree`; returns whether everything is right."""
  train, validation, _ = folders.load(path, Fit(8, 3, memory_mb=1), labelled=True)
  labels = [label for _, label in json.loads(tree[folders.LABEL_FILE].decode())['labels']]
  expected = [decoding.decode(content, 8, 3) for name, content in tree.items() if name != folders.LABEL_FILE]
  known = {image.tobytes() for image in expected}
  assert all(image.tobytes() in known for part in (train, validation) for image in part[:])
  found = [train.class_names[label] for label in train.labels]
  return found == [str(label) for label in labels][:-1] and np.array_equal(train[:], expected[:-1])


def archive(folder: str, chance: random.Random) -> str:
  """A zip archive of images with labels. It has checksums, but not of the names."""
  tree, content = _saved_tree(chance), io.BytesIO()
  with zipfile.ZipFile(content, 'w', chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as packed:
    for name, member in tree.items():
      packed.writestr(name, member)
  path = os.path.join(folder, 'a.zip')
  write(path, damage(content.getvalue(), chance))
  return RIGHT if _read_tree(path, tree) else ALTERED


def label_file(folder: str, chance: random.Random) -> str:
  """A dataset.json next to intact images."""
  tree = _saved_tree(chance)
  for name, member in tree.items():
    write(os.path.join(folder, name), damage(member, chance) if name == folders.LABEL_FILE else member)
  return RIGHT if _read_tree(folder, tree) else ALTERED


def numpy_file(folder: str, chance: random.Random) -> str:
  """A .npz file, which has checksums, or a .npy file, which has none."""
  images = np.random.RandomState(0).randint(0, 256, [10, 8, 8, 3]).astype(np.uint8)
  labels, content = np.arange(10) % 3, io.BytesIO()
  zipped = chance.random() < 0.7
  if zipped:
    chance.choice([np.savez, np.savez_compressed])(content, images=images, labels=labels)
  else:
    np.save(content, images)
  path = os.path.join(folder, 'a.npz' if zipped else 'a.npy')
  write(path, damage(content.getvalue(), chance))
  train, validation, _ = own_arrays.load(path, Fit(8, 3, 'pad', 1), labelled=zipped)
  right = np.array_equal(train[:], images[:-1]) and np.array_equal(validation[:], images[-1:])
  assert right or not zipped
  assert not zipped or (train.class_names == ('0', '1', '2') and np.array_equal(train.labels, labels[:-1]))
  return RIGHT if right else ALTERED


def own_idx(folder: str, chance: random.Random) -> str:
  """One of the four IDX files of a set of one's own, gzipped or not."""
  images = np.random.RandomState(0).randint(0, 256, [12, 8, 8]).astype(np.uint8)
  labels, damaged = (np.arange(12) % 4).astype(np.uint8), chance.choice(arrays.IDX_FILES)
  for name in arrays.IDX_FILES:
    array = images if 'images' in name else labels
    content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, '>u4').tobytes() + array.tobytes()
    zipped = chance.random() < 0.5
    content = gzip.compress(content) if zipped else content
    write(os.path.join(folder, name + '.gz' * zipped), damage(content, chance) if name == damaged else content)
  train, validation, _ = own_arrays.load_idx(folder, Fit(8, 1, 'pad', 1), labelled=True)
  right = all(np.array_equal(part[:][..., 0], images) and np.array_equal(part.labels, labels)
              for part in (train, validation))  # fmt: skip
  return RIGHT if right else ALTERED


@functools.lru_cache(maxsize=None)
def _environment():
  """Returns (bytes of an LMDB file that has 300 entries and all types of pages, {key: value})."""
  import lmdb

  chance = random.Random(0)
  pictures = _pictures()
  values = {
    b'key-%d-%04d' % (i % 7, i): chance.choice(pictures) + bytes(chance.choice([0, 0, 5000])) for i in range(300)
  }
  with tempfile.TemporaryDirectory() as folder:
    with contextlib.closing(lmdb.open(folder, map_size=1 << 24)) as environment:
      for keys in (list(values)[:200], list(values)[200:]):  # two transactions, so that both meta pages are used
        with environment.begin(write=True) as transaction:
          for key in keys:
            transaction.put(key, values[key])
    with open(os.path.join(folder, 'data.mdb'), 'rb') as f:
      return f.read(), values


def lmdb(folder: str, chance: random.Random) -> str:
  """An LMDB environment, which has no checksum."""
  content, values = _environment()
  write(os.path.join(folder, 'data.mdb'), damage(content, chance))
  try:
    train, validation, _ = lsun.load(folder, Fit(8, 3))
    assert train[:].shape[1:] == validation[:].shape[1:] == (8, 8, 3)
    with contextlib.closing(lsun.environment(os.path.realpath(folder))[0]) as environment:
      with environment.begin() as transaction:
        found = dict(transaction.cursor())
  finally:
    lsun.environment.cache_clear()
  return RIGHT if found == values else ALTERED


def text(folder: str, chance: random.Random) -> str:
  """A text file."""
  whole = ''.join('%s\n' % ('äöü abc €😀'[: chance.randrange(10)] * chance.randrange(9)) for _ in range(40)) + 'end\r\n'
  content = damage(whole.encode(), chance)
  path = os.path.join(folder, 'a.txt')
  write(path, content)
  split = chance.random() < 0.5
  tokens, vocabulary = texts.read(path, 12, split=split)
  lines = content.decode('utf-8-sig').replace('\r\n', '\n').replace('\r', '\n').split('\n')
  found = texts.decode_text(tokens, vocabulary)
  if split:
    assert ''.join(found) == ''.join(lines)
  else:
    assert found == [line[:12] for line in lines if line]
  return RIGHT if content == whole.encode() else ALTERED


def _other(value, chance):
  """Returns another value for a setting: one of the same type, or anything."""
  if chance.random() < 0.5:
    return chance.choice(VALUES)
  if isinstance(value, bool):
    return not value
  if isinstance(value, (int, float)):
    return chance.choice([value + 1, value * 2, value * 1000, -value, value / 2])
  choices = [choice for about in config.FIELDS.values() for choice in about['choices'] or []]
  return chance.choice([*choices, 'mlp', 'toy', 'text', 'resnet', '1,3'])


def settings(folder: str, chance: random.Random) -> str:
  """A config.json with damaged bytes or other values, and the networks that it describes."""
  import tensorflow.compat.v1 as tf

  from wgan_tf1 import sampling

  preset = chance.choice(sorted(config.PRESETS))
  whole = config.make(preset, 'gan', run_dir=folder)
  content = config.to_json(whole).encode()
  if chance.random() < 0.5:
    values = json.loads(content)
    for _ in range(chance.choice([1, 1, 2, 5])):
      name = chance.choice([*values, 'run_dir', 'other'])
      values[name] = _other(values.get(name), chance)
    content = json.dumps(values).encode()
  else:
    content = damage(content, chance)
  write(os.path.join(folder, 'config.json'), content)
  found = config.load(folder)
  assert found.run_dir == folder
  json.loads(config.to_json(found), parse_constant=lambda name: 1 / 0)  # no NaN
  if found == whole:
    return RIGHT
  with tf.Graph().as_default():
    if not found.fixed_generator:
      sampling.build_sampler(found)
  return ALTERED


STEPS = (1, 2, 3)


@functools.lru_cache(maxsize=None)
def _session():
  """Returns (session, variable, {name: bytes} of a folder with checkpoints of `STEPS`)."""
  import tensorflow.compat.v1 as tf

  from wgan_tf1.runs import checkpoints

  graph = tf.Graph()
  with graph.as_default(), tempfile.TemporaryDirectory() as folder:
    session = tf.Session()
    variable = tf.get_variable('v', [300], use_resource=True)
    other = tf.get_variable('w', [], tf.int64, use_resource=True, initializer=tf.zeros_initializer())
    session.run(other.initializer)
    saver = tf.train.Saver(max_to_keep=3)
    for step in STEPS:
      variable.load([float(step)] * 300, session)
      checkpoints.save(session, saver, folder, step)
    files = {}
    for name in os.listdir(folder):
      with open(os.path.join(folder, name), 'rb') as f:
        files[name] = f.read().replace(folder.encode(), b'.')
  return session, variable, files


def checkpoint(folder: str, chance: random.Random) -> str:
  """A file of a run's newest checkpoint, or the file that names the newest checkpoint."""
  import tensorflow.compat.v1 as tf

  from wgan_tf1.runs import checkpoints

  session, variable, files = _session()
  name = chance.choice(['checkpoint', 'model-3.index', 'model-3.index', 'model-3.data-00000-of-00001'])
  for other, content in files.items():
    write(os.path.join(folder, other), damage(content, chance) if other == name else content)
  with session.graph.as_default():
    variable.load([0.0] * 300, session)
    assert checkpoints.restore(session, tf.train.Saver(), folder)
    (value,) = set(session.run(variable).tolist())
  if value == 3:
    return RIGHT
  assert value == 2  # from the checkpoint before it
  return REFUSED


KINDS = {
  'idx': idx, 'own idx': own_idx, 'cifar': cifar, 'npz': numpy_file, 'lmdb': lmdb, 'image': image, 'zip': archive,
  'dataset.json': label_file, 'text': text, 'config.json': settings, 'checkpoint': checkpoint,
}  # fmt: skip


def one(kind: str, seed: int, folder: str) -> str:
  """Damages a file as `seed` says, and reads it.

  Returns:
    `RIGHT`; `ALTERED` if the file is valid but has other data, which a format without checksums cannot detect;
    `REFUSED`.

  Raises:
    Exception: if the reader has a defect.
  """
  with contextlib.redirect_stderr(io.StringIO()):
    try:
      return KINDS[kind](folder, random.Random(seed))
    except UserError as e:
      assert len(str(e).splitlines()) == 1 and len(str(e)) < 2000 + 2 * len(folder), str(e)
    except downloads.Missing:
      pass
    return REFUSED


def _resident_megabytes():
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _run_kind(kind: str, seeds: Iterable[int]) -> None:
  """Reads the files of one kind, and prints the counts and costs as a line of JSON."""
  counts: Dict[str, int] = collections.Counter()
  longest = at_first = 0.0
  for seed in seeds:
    with tempfile.TemporaryDirectory() as folder:
      signal.alarm(SECONDS)
      start = time.perf_counter()
      try:
        counts[one(kind, seed, folder)] += 1
      except BaseException:
        print('%s, seed %d' % (kind, seed), file=sys.stderr)
        raise
      longest = max(longest, time.perf_counter() - start) if at_first else 0.0  # the first file's time has the imports
      signal.alarm(0)
      at_first = at_first or _resident_megabytes()
  grown = _resident_megabytes() - at_first
  assert grown < MEGABYTES, grown
  print(json.dumps({'counts': counts, 'longest': longest, 'grown': grown}))


def main() -> int:
  parser = argparse.ArgumentParser()
  parser.add_argument('--files', type=int, default=2000)
  parser.add_argument('--first', type=int, default=0)
  parser.add_argument('--kind', choices=list(KINDS))
  flags = parser.parse_args()
  seeds = range(flags.first, flags.first + flags.files)
  if flags.kind:
    _run_kind(flags.kind, seeds)
    return 0
  failed = False
  print('%-12s %6s %6s %8s %8s %12s %9s' % ('kind', 'files', RIGHT, ALTERED, REFUSED, 'longest, s', 'grown, MB'))
  for i, kind in enumerate(KINDS):
    own = seeds[i * len(seeds) // len(KINDS) : (i + 1) * len(seeds) // len(KINDS)]
    command = [sys.executable, '-m', 'tools.fuzz', '--kind', kind, '--files', str(len(own)), '--first', str(own.start)]
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3')
    done = subprocess.run(command, env=environment, capture_output=True)
    if done.returncode:
      failed = True
      print('%-12s exit status %d\n%s' % (kind, done.returncode, done.stderr.decode()[-3000:]), flush=True)
      continue
    result = json.loads(done.stdout.decode().splitlines()[-1])
    counts = [result['counts'].get(name, 0) for name in (RIGHT, ALTERED, REFUSED)]
    row = (kind, len(own), *counts, result['longest'], result['grown'])
    print('%-12s %6d %6d %8d %8d %12.3f %9.0f' % row, flush=True)
  return 1 if failed else 0


if __name__ == '__main__':
  sys.exit(main())
