"""Times the training step against the machine's own matrix-multiply peak, and the summaries against the step.

python -m benchmarks.throughput                  blog-mnist, every variant
python -m benchmarks.throughput --steps=50       more steps, steadier medians

The floating-point operations of a step are counted from the shapes of the layers. The peak is the rate of 2048 x 2048
float32 products in the same TensorFlow. Each step is compared with the product just before it, in the same process, so
that the ratio is right even if the speed of the machine drifts.
"""

import contextlib
import statistics
import tempfile
import time
from typing import Any, Callable, List, Tuple

import numpy as np
from absl import flags

from wgan_tf1 import config as configs
from wgan_tf1 import console
from wgan_tf1.config import Config
from wgan_tf1.data import batches

FLAGS = flags.FLAGS

# 'cpu' counts the seconds that this process used on all cores, whatever else the machine did meanwhile.
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}


def seconds(function: Callable[[], Any], times: int, clock: str = 'wall') -> List[float]:
  """Returns how long each of `times` calls took, by one of `CLOCKS`."""
  taken = []
  for _ in range(times):
    start = CLOCKS[clock]()
    function()
    taken.append(CLOCKS[clock]() - start)
  return taken


# TensorFlow is imported inside the functions that need it, so that --help and mistakes answer at once.


def new_trainer(config: Config, threads: int = 0) -> Any:
  """Returns the context of a `training.Trainer`, in a session like that of a run.

  Args:
    config: the run.
    threads: for each operation; 0 is as in a run.
  """
  from wgan_tf1 import training
  from wgan_tf1.kernels import devices

  options = devices.session_options(config)
  if threads:
    options.intra_op_parallelism_threads = threads
  return training.new_trainer(config, session_config=options)


def forward_flops(config: Config) -> Tuple[int, int]:
  """Returns the floating-point operations of one sample through the generator, and of one through the critic."""
  import tensorflow.compat.v1 as tf

  from wgan_tf1 import networks

  generate, score = networks.networks_of(config)
  with tf.Graph().as_default() as graph:
    labels = tf.zeros([1], tf.int32) if config.class_count else None
    sample = generate(tf.zeros([1, config.latent_size]), labels, training=False)
    generator = _products(graph)
    score(tf.zeros(sample.shape))
    return generator, _products(graph) - generator


def _products(graph: Any) -> int:
  """Floating-point operations of the products and convolutions of a graph whose batch size is known."""
  flops = 0
  for op in graph.get_operations():
    if op.type in ('MatMul', 'Conv2D', 'Conv2DBackpropInput'):
      # Each weight is used once at each position of a convolution's output, or of a transposed convolution's input.
      positions = op.inputs[2].shape if op.type == 'Conv2DBackpropInput' else op.outputs[0].shape
      flops += 2 * op.inputs[1].shape.num_elements() * int(np.prod(positions.as_list()[:-1], dtype=np.int64))
  return flops


def step_flops(config: Config, generator: int, critic: int) -> int:
  """Returns the floating-point operations of one generator step with its critic steps.

  A backward pass costs two forward passes where it computes gradients of the weights, and one where it only passes
  through a network. The penalty adds a third batch to the critic's two: forward, back to its input, and back through
  that to the weights.

  Args:
    config: the run.
    generator: operations of one sample through the generator; see `forward_flops`.
    critic: operations of one sample through the critic.
  """
  passes = {'clip': 2 * 3, 'gp': 2 * 3 + 1 + 1 + 2, 'gan': 2 * 3}[config.variant]
  critic_update = generator + passes * critic
  generator_update = 3 * generator + 2 * critic
  critic_updates = config.critic_steps * config.batch_size * critic_update
  return critic_updates + config.generator_batch_size * generator_update


class Peak:
  """Measures the machine's float32 matrix-product rate whenever `rate()` is called.

  The threads of an operation are those of the first session of the process. So a run that has several operations at
  once, each on a part of the cores, is compared with as many products at once.
  """

  SIZE = 2048

  def __init__(self, threads: int = 0, clock: str = 'wall', at_once: int = 1):
    import tensorflow.compat.v1 as tf

    self._clock, self._products = clock, at_once
    with tf.Graph().as_default():
      options = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=at_once)
      self._session = tf.Session(config=options)
      a, *others = (tf.get_variable('m%d' % i, [self.SIZE, self.SIZE], use_resource=True) for i in range(1 + at_once))
      # Summed, so that they are neither optimised away nor copied out.
      self._sums = [tf.reduce_sum(tf.matmul(a, b)) for b in others]
      self._session.run(tf.global_variables_initializer())
    self.rate()

  def rate(self) -> float:
    """Returns operations a second."""
    taken = min(seconds(lambda: self._session.run(self._sums), 4, self._clock))
    return self._products * 2 * self.SIZE**3 / taken


def measure(variant: str, peak: Peak) -> None:
  """Times the steps of blog-mnist and its summaries, and prints one line."""
  from wgan_tf1 import summaries
  from wgan_tf1.runs.events import EventWriter

  config = configs.make('blog-mnist', variant, dataset='digits')
  every = config.summary_every_steps
  cycle = every * summaries.HISTOGRAMS_EVERY
  with contextlib.ExitStack() as stack:
    trainer = stack.enter_context(new_trainer(config))
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    writer = stack.enter_context(contextlib.closing(EventWriter(folder, trainer.session.graph)))
    held_out = batches.encode(config, trainer.dataset.validation)

    def summarise() -> None:
      """Writes all summaries of a cycle; the last has histograms."""
      for at in range(every, cycle + 1, every):
        summaries.write(trainer, writer, trainer.feed(), held_out, at, 0)

    seconds(trainer.step, 2)
    seconds(summarise, 1)
    steps: List[float] = []
    written: List[float] = []
    peaks = []
    for _ in range(FLAGS.steps):
      peaks.append(peak.rate())
      steps += seconds(trainer.step, 1)
      written += seconds(summarise, 1)
  flops = step_flops(config, *forward_flops(config))
  taken = statistics.median(steps)
  share = statistics.median(written) / (cycle * taken)
  of_peak = statistics.median(flops / step / rate for step, rate in zip(steps, peaks))  # the rate just before each step
  print(
    '%-5s %.3f s a generator step (median of %d, %.3f to %.3f); %.0f GFLOP, %.0f GFLOP/s, %.0f %% of the peak; '
    'summaries every %d steps cost %.1f %%'
    % (
      variant,
      taken,
      len(steps),
      min(steps),
      max(steps),
      flops / 1e9,
      flops / taken / 1e9,
      100 * of_peak,
      every,
      100 * share,
    ),
    flush=True,
  )


def main() -> None:
  with console.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import training  # noqa: F401
  peak = Peak()
  rate = max(peak.rate() for _ in range(4))
  print('TensorFlow %s; peak %.0f GFLOP/s in float32 matrix products' % (tf.__version__, rate / 1e9), flush=True)
  for variant in FLAGS.variants:
    measure(variant, peak)


if __name__ == '__main__':
  flags.DEFINE_list('variants', list(configs.VARIANTS), 'variants to time.')
  flags.DEFINE_integer('steps', 20, 'generator steps to time.', lower_bound=1)
  console.run(main)
