"""Lines of text as arrays of character numbers, and back. No TensorFlow here."""

import codecs
import itertools
import os

import numpy as np

from wgan_tf1 import UserError
from wgan_tf1.downloads import Missing
from wgan_tf1.messages import warn

PADDING = '\n'  # vocabulary[0]: the one character that no line has
UNKNOWN = '\ufffd'
MOST_CHARACTERS = 2048
MOST_LINES = 10000000
_CHUNK_LINES = 65536
_PIECE_BYTES = 1048576
_CODE_POINTS = 0x110000
_ABSENT = 0xFFFF  # no token is as large


def _find(path):
  """Returns the sorted paths of the text files that `path`, a file or a tree of *.txt, stands for."""
  if os.path.isfile(path):
    return [path]
  found = []
  for folder, folders, names in os.walk(path):
    folders[:] = [name for name in folders if not name.startswith('.')]
    found += [os.path.join(folder, n) for n in names if n.lower().endswith('.txt') and not n.startswith('.')]
  return sorted(filter(os.path.isfile, found))  # to open a pipe is to wait for who writes to it


def _lines(path, length):
  """Yields the first `length` characters of each line that is not empty.

  Raises:
    UserError: if the file cannot be read, or is not UTF-8.
  """
  decoder = codecs.getincrementaldecoder('utf-8')()  # for a line in pieces: one without an end would fill the memory
  offset = 0  # of the piece, in bytes: a text stream would only tell where in its buffer the bad byte is
  line, cut = '', False
  try:
    with open(path, 'rb') as f:
      for raw in itertools.chain(iter(lambda: f.readline(_PIECE_BYTES), b''), [b'']):
        start = 3 if offset == 0 and raw.startswith(b'\xef\xbb\xbf') else 0
        try:
          if raw.endswith(b'\n') and not cut:
            line = raw[start:].decode('utf-8')
          else:
            line += decoder.decode(raw[start:], final=not raw)[: length + 2 - len(line)]  # with room for CR and LF
        except UnicodeDecodeError as e:
          raise UserError(
            '%s is not UTF-8: byte 0x%02x at offset %d (%s); convert it, with iconv -t UTF-8 for one'
            % (path, e.object[e.start], offset + len(raw) - len(e.object) + e.start, e.reason)
          )
        offset += len(raw)
        cut = bool(raw) and not raw.endswith(b'\n')
        if cut:
          continue
        line = line[:-1] if line.endswith('\n') else line
        line = line[:-1] if line.endswith('\r') else line
        if line:
          yield line[:length]
        line = ''
  except OSError as e:
    raise UserError('%s cannot be read: %s' % (path, e.strerror or e))


def _code_points(paths, length):
  """Yields uint32 [m, length] for up to `_CHUNK_LINES` lines at a time, in order, up to `MOST_LINES` in all."""
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


def make_vocabulary(counts):
  """Chooses the characters that get a number of their own.

  Args:
    counts: int [0x110000], how often each code point occurs.

  Returns:
    str of at most `MOST_CHARACTERS`, no character twice: the padding; U+FFFD only if it occurs or if there are
    more characters than fit, in which case it stands for those left out; the others, the most frequent first and
    equally frequent ones by code point.
  """
  present = np.flatnonzero(counts)
  present = present[np.argsort(-counts[present], kind='stable')]
  characters = [chr(code) for code in present if chr(code) not in (PADDING, UNKNOWN)]
  special = PADDING
  if counts[ord(UNKNOWN)] or len(characters) > MOST_CHARACTERS - len(special):
    special += UNKNOWN
  return special + ''.join(characters[: MOST_CHARACTERS - len(special)])


def _to_tokens(codes, table):
  """Returns uint16 tokens of code points of any shape.

  Raises:
    UserError: if one of them has no token.
  """
  tokens = table[codes]
  absent = codes[tokens == _ABSENT]
  if absent.size:
    raise UserError(
      "the text has the character %r (U+%04X), which this run's vocabulary lacks: go on with the text that the run "
      'was started with' % (chr(absent[0]), absent[0])
    )
  return tokens


def read(path, length, vocabulary=None):
  """Reads a text file, or every *.txt of a tree in the order of their paths, as a stream: one line, one sample.

  Lines are cut to `length` or padded to it; empty ones are left out, as are a byte order mark and the CR of CRLF.

  Args:
    path: file or directory.
    length: characters in a sample.
    vocabulary: str that gives each character its token; None counts one from the text, see `make_vocabulary`.

  Returns:
    (tokens, vocabulary): uint16 [lines, length], at most `MOST_LINES` of them; and str.

  Raises:
    Missing: if there is no text file.
    UserError: if a file cannot be read or is not UTF-8; if there is no line; if `vocabulary` lacks a character of
      the text and has no U+FFFD to put in its place.
  """
  paths = _find(path)
  if not paths:
    raise Missing('%s holds no *.txt file' % path, 'put text there, one sample on each line, or name it by --data_path')
  # Two passes, so that no more than the tokens, at two bytes each, is ever in memory.
  n, counts = 0, np.zeros(_CODE_POINTS, np.int64)
  for codes in _code_points(paths, length):
    n += len(codes)
    counts += np.bincount(codes.ravel(), minlength=_CODE_POINTS)
  if not n:
    raise UserError('%s has no line that is not empty' % path)
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
    raise UserError('%s was written to while it was read: start again when it is whole' % path)
  return tokens, vocabulary


def decode_text(tokens, vocabulary):
  """Turns tokens into strings: padding at the end is dropped, padding before that is shown as a pilcrow.

  Args:
    tokens: int [n, length].
    vocabulary: str; character i is that of token i.

  Returns:
    list of n str.
  """
  lines = (''.join(vocabulary[token] for token in sample) for sample in np.asarray(tokens).tolist())
  return [line.rstrip(PADDING).replace(PADDING, '\u00b6') for line in lines]
