import os
import random

import numpy as np
import pytest

from wgan_tf1.data import text
from wgan_tf1.data.downloads import Missing
from wgan_tf1.errors import UserError


def _read(path, content, length=5, vocabulary=None):
  path.write_bytes(content if isinstance(content, bytes) else content.encode('utf-8'))
  return text.read(str(path), length, vocabulary)


def test_lines_are_cut_and_padded_and_empty_ones_dropped(tmp_path, capsys):
  (tmp_path / 'a').write_text('abc\n\nabcdefgh\n\n\nb a\nlast')
  tokens, vocabulary = text.read(str(tmp_path / 'a'), 5, split=False)
  assert tokens.dtype == np.uint16 and tokens.shape == (4, 5)
  assert vocabulary == '\nabc delst'
  assert [''.join(vocabulary[t] for t in line) for line in tokens] == ['abc\n\n', 'abcde', 'b a\n\n', 'last\n']
  said = 'a: 1 lines of more than 5 characters are cut, which drops 3 characters; 3 empty lines are dropped\n'
  assert capsys.readouterr().err.endswith(said)


def _slowly_split(line, length):
  """The rule, a character at a time: a sample ends after the last space that fits, or where it is full."""
  samples = []
  while len(line) > length:
    end = length
    for i in range(2, length + 1):
      if line[i - 1] == ' ':
        end = i
    if ' ' not in line[1:length]:
      end = length
    samples.append(line[:end])
    line = line[end:]
  return samples + [line] * bool(line)


@pytest.mark.parametrize('piece_bytes', [7, 1000])
def test_long_lines_are_split_after_spaces_and_nothing_is_lost(tmp_path, monkeypatch, capsys, piece_bytes):
  monkeypatch.setattr(text, '_PIECE_BYTES', piece_bytes)
  chance = random.Random(0)
  words = [''.join(chance.choice('abcé') for _ in range(chance.choice([1, 2, 3, 5, 30]))) for _ in range(300)]
  lines = [' '.join(words), 'short', ' ' * 20, 'x' * 50, ' lead', 'a' * 8, 'a' * 9]
  tokens, vocabulary = _read(tmp_path / 'a', '\n\n'.join(lines), 8)
  samples = [''.join(vocabulary[t] for t in row).rstrip('\n') for row in tokens]
  assert samples == [sample for line in lines for sample in _slowly_split(line, 8)]
  assert ''.join(samples) == ''.join(lines)
  said = '4 lines of more than 8 characters are split into samples; 6 empty lines are dropped'
  assert said in capsys.readouterr().err


def test_one_line_of_200000_characters_is_6250_samples(tmp_path):
  tokens, _ = _read(tmp_path / 'a', 'abcdefgh' * 25000, 32)
  assert tokens.shape == (6250, 32) and tokens.min() > 0


@pytest.mark.parametrize('end', ['\n', '\r', '\r\n'])
@pytest.mark.parametrize('piece_bytes', [1, 3, 1000])
def test_lines_may_end_with_lf_cr_and_crlf(tmp_path, monkeypatch, end, piece_bytes):
  monkeypatch.setattr(text, '_PIECE_BYTES', piece_bytes)
  tokens, vocabulary = _read(tmp_path / 'a', end.join(['one', 'two', '', 'three', '']))
  assert text.decode_text(tokens, vocabulary) == ['one', 'two', 'three'] and '\r' not in vocabulary


def test_a_byte_order_mark_and_carriage_returns_are_dropped(tmp_path):
  plain, vocabulary = _read(tmp_path / 'a', 'äb\nc\n')
  for content in ('\ufeffäb\nc\n', 'äb\r\nc\r\n', '\ufeffäb\r\nc', '\r\näb\r\n\r\nc\r\n'):
    other = _read(tmp_path / 'a', content)
    assert np.array_equal(other[0], plain) and other[1] == vocabulary


def test_the_vocabulary_is_by_frequency_then_code_point(tmp_path):
  assert _read(tmp_path / 'a', 'zbb\nbaé\n😀')[1] == '\nbazé😀'
  (tmp_path / 'a').write_text('aaaZZZZ')
  assert text.read(str(tmp_path / 'a'), 5, split=False)[1] == '\naZ'  # what is dropped is not counted
  assert _read(tmp_path / 'a', 'aa\ufffd')[1] == '\n\ufffda'


def test_the_rarest_of_too_many_characters_become_one(tmp_path, monkeypatch):
  monkeypatch.setattr(text, 'MOST_CHARACTERS', 4)
  assert _read(tmp_path / 'a', 'ccbba')[1] == '\nbca'
  tokens, vocabulary = _read(tmp_path / 'a', 'ccbb\nade')
  assert vocabulary == '\n\ufffdbc'
  assert tokens.tolist() == [[3, 3, 2, 2, 0], [1, 1, 1, 0, 0]]


def test_a_saved_vocabulary_is_kept(tmp_path):
  tokens, vocabulary = _read(tmp_path / 'a', 'aab', vocabulary='\ncba')
  assert tokens.tolist() == [[3, 3, 2, 0, 0]] and vocabulary == '\ncba'
  assert _read(tmp_path / 'a', 'aäb', vocabulary='\n\ufffdba')[0].tolist() == [[3, 1, 2, 0, 0]]
  with pytest.raises(UserError, match=r"'ä' \(U\+00E4\), which is not in this run's vocabulary"):
    _read(tmp_path / 'a', 'aäb', vocabulary='\nba')


def test_chunks_and_files_are_concatenated(tmp_path, monkeypatch):
  lines = ['line %d' % i for i in range(25)]
  (tmp_path / 'sub').mkdir()
  (tmp_path / 'a.txt').write_text('\n'.join(lines[:7]))
  (tmp_path / 'b.TXT').write_text('\n'.join(lines[7:12]) + '\n')
  (tmp_path / 'sub' / 'c.txt').write_text('\n'.join(lines[12:]))
  (tmp_path / 'b.md').write_text('not this')
  (tmp_path / '.hidden.txt').write_text('nor this')
  monkeypatch.setattr(text, '_CHUNK_SAMPLES', 4)
  tokens, vocabulary = text.read(str(tmp_path), 9)
  assert text.decode_text(tokens, vocabulary) == lines


def test_the_number_of_lines_is_limited(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(text, 'MOST_SAMPLES', 3)
  tokens, vocabulary = _read(tmp_path / 'a', 'a\nb\nc\nd\ne')
  assert text.decode_text(tokens, vocabulary) == ['a', 'b', 'c']
  assert 'only the first 3 samples are read, and 2 are dropped' in capsys.readouterr().err


@pytest.mark.parametrize(
  'content, offset',
  [(b'\xe9t\xe9', 0), (b'fine\nalso f\xffne', 11), (b'\xef\xbb\xbfab\xc3', 5), (b'a\r\n\n\xed\xa0\x80', 4)],
)
def test_other_encodings_are_refused_by_file_and_offset(tmp_path, content, offset):
  with pytest.raises(UserError, match='latin.txt is not UTF-8: byte 0x.. at offset %d ' % offset):
    _read(tmp_path / 'latin.txt', content)


def test_no_text_is_refused(tmp_path):
  with pytest.raises(Missing, match=r'holds no \*.txt file\. Put text there'):
    text.read(str(tmp_path), 5)
  with pytest.raises(UserError, match='empty.txt: must have at least one line that is not empty'):
    _read(tmp_path / 'empty.txt', '\n\r\n')


def test_decoded_text_shows_padding_within_a_line():
  assert text.decode_text(np.array([[1, 2, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]), '\nab') == ['ab', 'a¶b', '']


@pytest.mark.parametrize('piece_bytes', [4, 5, 7, 1000])
def test_a_line_may_be_longer_than_a_piece(tmp_path, monkeypatch, piece_bytes):
  monkeypatch.setattr(text, '_PIECE_BYTES', piece_bytes)
  content = '\ufeffäöü€😀abc\r\n\nkurz\n€€€€€\r\nende'
  (tmp_path / 'a').write_bytes(content.encode())
  tokens, vocabulary = text.read(str(tmp_path / 'a'), 5, split=False)
  assert text.decode_text(tokens, vocabulary) == ['äöü€😀', 'kurz', '€€€€€', 'ende']
  bad = content.encode() + b'\xff'
  with pytest.raises(UserError, match='byte 0xff at offset %d ' % (len(bad) - 1)):
    _read(tmp_path / 'a', bad)
  with pytest.raises(UserError, match=r'byte 0xe2 at offset %d .unexpected end' % (len(bad) - 1)):
    _read(tmp_path / 'a', bad[:-1] + b'\xe2\x82')


@pytest.mark.parametrize('later', ['one\n', 'one\ntwo\nthree\n'])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, later):
  path = tmp_path / 'a'
  make = text.make_vocabulary

  def between_the_passes(counts):
    path.write_text(later)
    return make(counts)

  monkeypatch.setattr(text, 'make_vocabulary', between_the_passes)
  with pytest.raises(UserError, match=r'a changed while it was read\. Run the same command again'):
    _read(path, 'one\ntwo\n')


@pytest.mark.parametrize('name', [b'[a]*', b'a\\b\nc', b'\xff'])
def test_folders_and_files_may_have_any_name(tmp_path, name):
  folder = os.path.join(str(tmp_path), os.fsdecode(name))
  os.mkdir(folder)
  for i in range(2):
    with open(os.path.join(folder, os.fsdecode(name) + '%d.txt' % i), 'w') as f:
      f.write('line %d\n' % i)
  tokens, vocabulary = text.read(folder, 6)
  assert text.decode_text(tokens, vocabulary) == ['line 0', 'line 1']
