"""Starts TensorBoard without the notices of TensorFlow: `make tensorboard` runs it. It has TensorBoard's flags."""

from wgan_tf1 import console

with console.quiet_tensorflow():
  import tensorflow  # noqa: F401

from tensorboard import main

if __name__ == '__main__':
  main.run_main()
