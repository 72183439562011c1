"""A headless Chromium that takes pictures of web pages, driven through a pipe: it needs no package."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from typing import Any, Iterator, Optional

from wgan_tf1.errors import UserError

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
SCALE = 1.5  # pixels of a picture for one of the page
SECONDS = 60  # until a page must have what is waited for
POLL_SECONDS = 0.1
STILL = 5  # equal pictures in a row, of a page at rest

# Finds elements in shadow trees too: TensorBoard nests them.
_FIND = """(() => {
  const all = root => [...root.querySelectorAll('*')].flatMap(e => e.shadowRoot ? [e, ...all(e.shadowRoot)] : [e]);
  return all(document).find(e => %s);
})()"""


class Page:
  """A page of the browser. Conditions are JavaScript over an element `e`: "e.id === 'fit'"."""

  def __init__(self, reader: Any, writer: Any):
    self._reader, self._writer, self._sent, self._session = reader, writer, 0, None
    target = self._call('Target.createTarget', url='about:blank')['targetId']
    self._session = self._call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']

  def _call(self, method: str, **params: Any) -> Any:
    self._sent += 1
    message = dict(id=self._sent, method=method, params=params)
    if self._session:
      message['sessionId'] = self._session
    self._writer.write(json.dumps(message).encode() + b'\0')
    while True:
      answer = b''
      while not answer.endswith(b'\0'):
        byte = self._reader.read(1)
        if not byte:
          raise UserError('the browser has ended. Try again')
        answer += byte
      found = json.loads(answer[:-1].decode())
      if found.get('id') == self._sent:
        if 'error' in found:
          raise RuntimeError('%s: %s' % (method, found['error']))
        return found['result']

  def run(self, script: str) -> Any:
    """Returns the value of JavaScript."""
    return self._call('Runtime.evaluate', expression=script, returnByValue=True)['result'].get('value')

  def open(self, url: str, width: int, height: int) -> None:
    """Opens a page in a window of `width` x `height`."""
    size = dict(width=width, height=height, deviceScaleFactor=SCALE, mobile=False)
    self._call('Emulation.setDeviceMetricsOverride', **size)
    self._call('Page.navigate', url='about:blank')
    self._call('Page.navigate', url=url)

  def wait_for(self, condition: str) -> None:
    """Waits for an element."""
    ends = time.monotonic() + SECONDS
    while not self.run('!!' + _FIND % condition):
      if time.monotonic() > ends:
        raise UserError('the page does not show %s after %d seconds. Try again' % (condition, SECONDS))
      time.sleep(POLL_SECONDS)

  def click(self, condition: str, event: str = 'click') -> None:
    """Waits for an element, and clicks it."""
    self.wait_for(condition)
    self.run('%s.dispatchEvent(new MouseEvent("%s", {bubbles: true, composed: true}))' % (_FIND % condition, event))

  def remove(self, condition: str) -> None:
    """Removes an element."""
    self.wait_for(condition)
    self.run(_FIND % condition + '.remove()')

  def rest(self) -> None:
    """Waits until the page has looked the same in `STILL` pictures, one after the other: its animations have ended."""
    ends, same, before = time.monotonic() + SECONDS, 0, None
    while same < STILL:
      now = self._call('Page.captureScreenshot', format='png')['data']
      same = same + 1 if now == before else 0
      if time.monotonic() > ends:
        raise UserError('the page still changes after %d seconds. Try again' % SECONDS)
      before = now
      time.sleep(POLL_SECONDS)

  def picture(self, condition: str = "e.tagName === 'BODY'") -> bytes:
    """Returns an element, or the whole page, as PNG, once its animations have ended."""
    self.rest()
    self.wait_for(condition)
    box = self.run('(({x, y, width, height}) => [x, y, width, height])(%s.getBoundingClientRect())' % _FIND % condition)
    clip = dict(zip(('x', 'y', 'width', 'height'), box), scale=1)
    return base64.b64decode(self._call('Page.captureScreenshot', format='png', clip=clip)['data'])


def find() -> Optional[str]:
  """Returns the path of a Chromium, or None."""
  return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def chromium(path: str) -> Iterator[Page]:
  """Yields a `Page` of a Chromium that is started, and ended afterwards."""
  commands, answers = os.pipe(), os.pipe()  # each (to read, to write)
  profile = tempfile.mkdtemp()
  try:
    options = ['headless=new', 'no-sandbox', 'disable-gpu', 'remote-debugging-pipe', 'user-data-dir=' + profile]
    # The browser reads commands from file descriptor 3, and writes answers to 4.
    shell = 'exec "$@" 3<&%d 4>&%d' % (commands[0], answers[1])
    process = subprocess.Popen(
      ['bash', '-c', shell, 'bash', path, *('--' + option for option in options)],
      pass_fds=[commands[0], answers[1]],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      start_new_session=True,
    )
    os.close(commands[0])
    os.close(answers[1])
    try:
      with os.fdopen(commands[1], 'wb', buffering=0) as writer, os.fdopen(answers[0], 'rb') as reader:
        yield Page(reader, writer)
    finally:
      os.killpg(process.pid, signal.SIGKILL)  # its helpers too
      process.wait()
  finally:
    # A helper that is just being killed can still write a file here, so that the folder is not empty.
    shutil.rmtree(profile, ignore_errors=True)
