"""Text files as arrays of tokens, one token per character, and back to strings. No TensorFlow here.

A line is a sample. A line that is longer than a sample is split into several: each ends after the last space that fits,
or, in a word that is longer than a sample, where the sample is full. Together they are the line again.
"""

import codecs
import io
import itertools
import os
from typing import List, Optional, Tuple

import numpy as np

from wgan_tf1 import files
from wgan_tf1.config import MOST_CHARACTERS
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError, warn

PADDING = '\n'  # vocabulary[0], because no line contains it
UNKNOWN = '\ufffd'  # replaces characters that are not in the vocabulary
MOST_SAMPLES = 10000000
MOST_TOKENS = 2**31
_CHUNK_SAMPLES = 65536
_CHUNK_CHARACTERS = 2**22
_PIECE_BYTES = 1048576
_CODE_POINTS = 0x110000
_ABSENT = 0xFFFF  # larger than any token


def _find(path):
  """Returns [path] if `path` is a file, or else the sorted paths of the *.txt files in the tree below it."""
  if os.path.isfile(path):
    return [path]
  found = []
  for folder, subfolders, names in os.walk(path):
    subfolders[:] = [name for name in subfolders if not name.startswith('.')]
    found += [os.path.join(folder, n) for n in names if n.lower().endswith('.txt') and not n.startswith('.')]
  return sorted(filter(os.path.isfile, found), key=files.portable_name)  # opening a pipe would wait for a writer


class _Counts:
  """What happens to the lines of a text."""

  def __init__(self) -> None:
    self.samples = 0
    self.beyond = 0  # samples after the most that are read
    self.empty = 0  # lines
    self.long = 0  # lines that are longer than a sample
    self.ends = 0  # characters that are dropped at the ends of long lines

  def say(self, path: str, length: int, split: bool) -> None:
    """Prints what is dropped or split, in a line, if anything is."""
    words = []
    if self.long:
      how = 'split into samples' if split else 'cut, which drops %s characters' % format(self.ends, ',')
      words.append('%s lines of more than %d characters are %s' % (format(self.long, ','), length, how))
    if self.empty:
      words.append('%s empty lines are dropped' % format(self.empty, ','))
    if self.beyond:
      kept = format(self.samples, ',')
      words.append('only the first %s samples are read, and %s are dropped' % (kept, format(self.beyond, ',')))
    if words:
      warn('%s: %s' % (path, '; '.join(words)))


def _pieces(path):
  """Yields the text of a file in pieces, without a byte order mark. Lines that end with CR or CRLF end with LF.

  Raises:
    UserError: if the file cannot be read, or is not UTF-8.
  """
  decoder = codecs.getincrementaldecoder('utf-8-sig')()
  newlines = io.IncrementalNewlineDecoder(None, translate=True)
  offset = 0  # of the piece in the file, in bytes
  with files.user_errors('%s cannot be read' % path, 'Make it readable'), open(path, 'rb') as f:
    for raw in itertools.chain(iter(lambda: f.read(_PIECE_BYTES), b''), [b'']):
      try:
        piece = decoder.decode(raw, final=not raw)
      except UnicodeDecodeError as e:
        raise UserError(
          '%s is not UTF-8: byte 0x%02x at offset %d (%s). Convert it, for example with iconv -t UTF-8'
          % (path, e.object[e.start], offset + len(raw) - len(e.object) + e.start, e.reason)
        ) from e
      offset += len(raw)
      yield newlines.decode(piece, final=not raw)


def _samples(path, length, split, counts):
  """Yields the samples of a file, of at most `length` characters; `split` as for `read`."""
  line, cut = '', False  # what is left of a line, whether a sample of it was yielded
  for piece in _pieces(path):
    parts = piece.split('\n')
    for i, part in enumerate(parts):
      line += part
      start = 0
      while len(line) - start > length and (split or not cut):
        space = line.rfind(' ', start + 1, start + length) if split else -1
        end = start + length if space < 0 else space + 1
        yield line[start:end]
        counts.long += not cut
        start, cut = end, True
      line = line[start:]
      if cut and not split:
        counts.ends += len(line)
        line = ''
      if i + 1 < len(parts):  # the line ends here
        if line:
          yield line
        counts.empty += not line and not cut
        line, cut = '', False
  if line:
    yield line


def _code_points(paths, length, split, counts):
  """Yields code points uint32 [m, length] of some samples at a time, up to `MOST_SAMPLES` in all."""
  most = min(MOST_SAMPLES, max(1, MOST_TOKENS // length))
  at_once = max(1, min(_CHUNK_SAMPLES, _CHUNK_CHARACTERS // length))
  held = []

  def codes():
    return np.frombuffer(''.join(held).encode('utf-32-le'), '<u4').reshape(-1, length)

  for path in paths:
    for sample in _samples(path, length, split, counts):
      if counts.samples == most:
        counts.beyond += 1
        continue
      counts.samples += 1
      held.append(sample.ljust(length, PADDING))
      if len(held) == at_once:
        yield codes()
        held = []
  if held:
    yield codes()


def make_vocabulary(counts: np.ndarray) -> str:
  """Chooses the characters that get a token.

  Args:
    counts: int [0x110000], how often each code point occurs.

  Returns:
    At most `MOST_CHARACTERS` different characters: the padding; U+FFFD, if it occurs in the text or if there are too
    many characters, when it replaces the rarest; the other characters, the most frequent first, and equally frequent
    ones by code point.
  """
  present = np.flatnonzero(counts)
  present = present[np.argsort(-counts[present], kind='stable')]
  characters = [chr(code) for code in present if chr(code) not in (PADDING, UNKNOWN)]
  special = PADDING
  if counts[ord(UNKNOWN)] or len(characters) > MOST_CHARACTERS - len(special):
    special += UNKNOWN
  return special + ''.join(characters[: MOST_CHARACTERS - len(special)])


def _to_tokens(codes, table):
  """Returns the uint16 tokens of code points of any shape.

  Raises:
    UserError: if a code point has no token.
  """
  tokens = table[codes]
  absent = codes[tokens == _ABSENT]
  if absent.size:
    raise UserError(
      "the text has the character %r (U+%04X), which is not in this run's vocabulary. Use the text that the run was "
      'started with' % (chr(absent[0]), absent[0])
    )
  return tokens


def read(path: str, length: int, vocabulary: Optional[str] = None, split: bool = True) -> Tuple[np.ndarray, str]:
  """Reads a text file, or every *.txt file of a tree in the order of their paths. Each line is a sample, or several.

  Lines may end with LF, CR or CRLF. Samples are padded to `length`. Empty lines and a byte order mark are dropped. What
  is dropped or split is counted in a warning.

  Args:
    path: file or directory.
    length: characters per sample.
    vocabulary: character i has token i; None makes a vocabulary of the text's characters, see `make_vocabulary`.
    split: whether a line of more than `length` characters is split into samples; otherwise its end is dropped.

  Returns:
    (tokens, vocabulary): uint16 [samples, length] with at most `MOST_SAMPLES` samples and `MOST_TOKENS` tokens, and the
    vocabulary.

  Raises:
    Missing: if there is no text file.
    UserError: if a file cannot be read or is not UTF-8; if every line is empty; if the text has a character that
      `vocabulary` lacks, and `vocabulary` has no U+FFFD to replace it.
  """
  paths = _find(path)
  if not paths:
    raise Missing('%s holds no *.txt file' % path, 'Put text there, one sample per line, or name it with --data_path')
  # Two passes, so that only the tokens, of two bytes each, are in memory.
  lines, counts = _Counts(), np.zeros(_CODE_POINTS, np.int64)
  for codes in _code_points(paths, length, split, lines):
    counts += np.bincount(codes.ravel(), minlength=_CODE_POINTS)
  n = lines.samples
  if not n:
    raise UserError('%s: must have at least one line that is not empty' % path)
  lines.say(path, length, split)
  vocabulary = make_vocabulary(counts) if vocabulary is None else vocabulary
  table = np.full(_CODE_POINTS, vocabulary.find(UNKNOWN) if UNKNOWN in vocabulary else _ABSENT, np.uint16)
  table[[ord(character) for character in vocabulary]] = np.arange(len(vocabulary))
  tokens = np.empty([n, length], np.uint16)
  start = 0
  for codes in _code_points(paths, length, split, _Counts()):
    if start + len(codes) <= n:
      tokens[start : start + len(codes)] = _to_tokens(codes, table)
    start += len(codes)
  if start != n:
    raise UserError('%s changed while it was read. Run the same command again when it is complete' % path)
  return tokens, vocabulary


def decode_text(tokens: np.ndarray, vocabulary: str) -> List[str]:
  """Converts int tokens [n, length] to n strings. Padding at the end is dropped, other padding becomes a pilcrow."""
  lines = (''.join(vocabulary[token] for token in sample) for sample in np.asarray(tokens).tolist())
  return [line.rstrip(PADDING).replace(PADDING, '\u00b6') for line in lines]
