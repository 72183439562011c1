"""Text files as arrays of tokens, one token per character, and back to strings. No TensorFlow here."""

import codecs
import itertools
import os
from typing import List, Optional, Tuple

import numpy as np

from wgan_tf1 import files
from wgan_tf1.config import MOST_CHARACTERS, portable_name
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError, warn

PADDING = '\n'  # vocabulary[0], because no line contains it
UNKNOWN = '\ufffd'  # replaces characters that are not in the vocabulary
MOST_LINES = 10000000
_CHUNK_LINES = 65536
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
  return sorted(filter(os.path.isfile, found), key=portable_name)  # opening a pipe would wait for a writer


def _lines(path, length):
  """Yields the first `length` characters of each line that is not empty.

  Raises:
    UserError: if the file cannot be read, or is not UTF-8.
  """
  # A very long line is read and decoded in pieces, so that it cannot fill the memory.
  decoder = codecs.getincrementaldecoder('utf-8')()
  offset = 0  # of the piece in the file, in bytes
  line, cut = '', False
  with files.user_errors('%s cannot be read' % path), open(path, 'rb') as f:
    for raw in itertools.chain(iter(lambda: f.readline(_PIECE_BYTES), b''), [b'']):
      start = 3 if offset == 0 and raw.startswith(b'\xef\xbb\xbf') else 0
      try:
        if raw.endswith(b'\n') and not cut:
          line = raw[start:].decode('utf-8')
        else:
          line += decoder.decode(raw[start:], final=not raw)[: length + 2 - len(line)]  # with room for CR and LF
      except UnicodeDecodeError as e:
        raise UserError(
          '%s is not UTF-8: byte 0x%02x at offset %d (%s). Convert it, for example with iconv -t UTF-8'
          % (path, e.object[e.start], offset + len(raw) - len(e.object) + e.start, e.reason)
        ) from e
      offset += len(raw)
      cut = bool(raw) and not raw.endswith(b'\n')
      if cut:
        continue
      line = line[:-1] if line.endswith('\n') else line
      line = line[:-1] if line.endswith('\r') else line
      if line:
        yield line[:length]
      line = ''


def _code_points(paths, length):
  """Yields code points uint32 [m, length] of up to `_CHUNK_LINES` lines at a time, up to `MOST_LINES` in all."""
  held, count = [], 0
  for path in paths:
    for line in _lines(path, length):
      if count == MOST_LINES:
        break
      count += 1
      held.append(line.ljust(length, PADDING))
      if len(held) == _CHUNK_LINES:
        yield np.frombuffer(''.join(held).encode('utf-32-le'), '<u4').reshape(-1, length)
        held = []
  if held:
    yield np.frombuffer(''.join(held).encode('utf-32-le'), '<u4').reshape(-1, length)


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


def read(path: str, length: int, vocabulary: Optional[str] = None) -> Tuple[np.ndarray, str]:
  """Reads a text file, or every *.txt file of a tree in the order of their paths. Each line is a sample.

  Lines are cut or padded to `length`. Empty lines, a byte order mark and the CR of CRLF are dropped.

  Args:
    path: file or directory.
    length: characters per sample.
    vocabulary: character i has token i; None makes a vocabulary of the text's characters, see `make_vocabulary`.

  Returns:
    (tokens, vocabulary): uint16 [lines, length] with at most `MOST_LINES` lines, and the vocabulary.

  Raises:
    Missing: if there is no text file.
    UserError: if a file cannot be read or is not UTF-8; if every line is empty; if the text has a character that
      `vocabulary` lacks, and `vocabulary` has no U+FFFD to replace it.
  """
  paths = _find(path)
  if not paths:
    raise Missing('%s holds no *.txt file' % path, 'Put text there, one sample per line, or name it with --data_path')
  # Two passes, so that only the tokens, of two bytes each, are in memory.
  n, counts = 0, np.zeros(_CODE_POINTS, np.int64)
  for codes in _code_points(paths, length):
    n += len(codes)
    counts += np.bincount(codes.ravel(), minlength=_CODE_POINTS)
  if not n:
    raise UserError('%s: must have at least one line that is not empty' % path)
  if n == MOST_LINES:
    warn('only the first %d lines of %s are read' % (n, path))
  vocabulary = make_vocabulary(counts) if vocabulary is None else vocabulary
  table = np.full(_CODE_POINTS, vocabulary.find(UNKNOWN) if UNKNOWN in vocabulary else _ABSENT, np.uint16)
  table[[ord(character) for character in vocabulary]] = np.arange(len(vocabulary))
  tokens = np.empty([n, length], np.uint16)
  start = 0
  for codes in _code_points(paths, length):
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
