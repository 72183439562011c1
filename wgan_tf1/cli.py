"""The edge of every script: flags in, one-line errors and exit statuses out."""

import contextlib
import logging
import os
import sys
import tempfile

from absl import app
from absl import flags

from wgan_tf1 import UserError


def run(main):
  """Parses the flags, runs `main()`, and exits with the status that it returns.

  Exits 0 after --help; 2 after a bad flag or a `UserError`, whose message goes to standard error as
  one line; 130 after a Ctrl-C that `main` did not handle; 141 where standard output was closed. Other exceptions keep
  their traceback.

  Args:
    main: a function of no arguments that returns an exit status (None is 0).
  """
  app.define_help_flags()
  if {'-h', '-help', '--help'} & set(sys.argv[1:]):  # absl's own way exits with status 1
    app.usage(writeto_stdout=True, shorthelp=True, exitcode=0)
  try:
    unparsed = flags.FLAGS(sys.argv)[1:]
    if unparsed:
      raise UserError('%r is not a flag; see --help' % unparsed[0])
    status = main()
    sys.stdout.flush()  # so that nobody being there to read it is known here
    sys.exit(status)
  except flags.Error as e:
    message = '%s; see --help' % str(e).replace('\n', ' ').rstrip('.')
  except UserError as e:
    message = str(e)
  except BrokenPipeError:  # `| head` has seen enough
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more as it ends
    sys.exit(141)
  except KeyboardInterrupt:
    print('\n%s: interrupted' % sys.argv[0], file=sys.stderr)
    sys.exit(130)
  print('%s: %s' % (sys.argv[0], message), file=sys.stderr)
  sys.exit(2)


@contextlib.contextmanager
def quiet_tensorflow():
  """Imports TensorFlow without its notices: `with quiet_tensorflow(): from wgan_tf1 import training`.

  On a machine without a GPU it says so in words of failure, and it deprecates its own optimizers. All of it
  is shown if the import fails, and if TF_CPP_MIN_LOG_LEVEL is set.
  """
  if 'TF_CPP_MIN_LOG_LEVEL' in os.environ:
    yield
    return
  os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
  logging.getLogger('tensorflow').setLevel(logging.ERROR)
  # That level does not reach what the libraries write as they are loaded, so standard error itself is held back.
  sys.stderr.flush()
  standard_error = os.dup(2)
  with tempfile.TemporaryFile() as notices:
    os.dup2(notices.fileno(), 2)
    try:
      yield
    except BaseException:
      notices.seek(0)
      os.write(standard_error, notices.read())
      raise
    finally:
      os.dup2(standard_error, 2)
      os.close(standard_error)
