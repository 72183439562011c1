"""Downloads of the Inception graph, from a server on the loopback interface."""

import hashlib
import io
import os
import tarfile

from tests.helpers.errors import user_error
from wgan_tf1.evaluation import inception


def archive(members):
  """Returns the bytes of a .tgz of (name, content) pairs; a content of None makes a link to a file outside."""
  content = io.BytesIO()
  with tarfile.open(fileobj=content, mode='w:gz') as tar:
    for name, part in members:
      info = tarfile.TarInfo(name)
      if part is None:
        info.type, info.linkname = tarfile.SYMTYPE, '../outside'
      else:
        info.size = len(part)
      tar.addfile(info, io.BytesIO(part or b''))
  return content.getvalue()


def test_the_graph_is_downloaded_once(tmp_path, mirror, inception_graph, capsys):
  folder, url = mirror
  graph = inception_graph.read_bytes()
  contents = {
    'cut.tgz': archive([(inception.FILE, graph)])[:-300],
    'empty.tgz': archive([('LICENSE', b'')]),
    'wrong.pb': graph + b'x',
    'page.html': b'<html>',
    'link.tgz': archive([(inception.FILE, None)]),
    'good.tgz': archive([('../../escaped', b'x'), ('/tmp/escaped', b'x'), ('./' + inception.FILE, graph)]),
  }
  for name, content in contents.items():
    (folder / name).write_bytes(content)
  urls = ['http://127.0.0.1:1/', url + 'absent.tgz', *(url + name for name in contents)]
  checksum, cache = hashlib.sha256(graph).hexdigest(), tmp_path / 'a' / 'cache'
  reasons = 'Connection refused', 'File not found', 'holds no classify_image', 'SHA-256'
  with user_error('cannot be downloaded', *reasons):
    inception.load(str(cache), checksum, urls[:-1])
  assert not cache.exists()
  classifier = inception.load(str(cache), checksum, urls)
  assert classifier.checksum == checksum and classifier.features_name == 'pool_3:0'
  assert os.listdir(str(cache)) == [inception.FILE] and os.listdir(str(tmp_path / 'a')) == ['cache']
  printed = capsys.readouterr()
  assert printed.err.count('downloading') == 2 and printed.out == ''
  inception.load(str(cache), checksum, urls=[])
  (cache / inception.FILE).write_bytes(graph + b'x')
  with user_error('SHA-256'):
    inception.load(str(cache), checksum, urls=[])


def test_the_bare_graph_can_be_downloaded(tmp_path, mirror, inception_graph):
  folder, url = mirror
  graph = inception_graph.read_bytes()
  (folder / 'graph.pb').write_bytes(graph)
  classifier = inception.load(str(tmp_path), hashlib.sha256(graph).hexdigest(), [url + 'graph.pb'])
  assert classifier.name == 'classify_image_graph_def'
