"""The Wasserstein GAN as it was first written: TensorFlow 1.x graphs and sessions."""


class UserError(Exception):
  """What was asked for cannot be done. The message is one line: which input, what is wrong, what to do.

  Scripts print it without a traceback and exit with status 2; see `cli.run`.
  """
