"""Times the training step against the machine's own matrix-multiply peak, and the summaries against the step.

python -m benchmarks.throughput                  blog-mnist, every variant
python -m benchmarks.throughput --steps=50       more steps, steadier medians

The floating-point work of a step is counted from the layers' shapes. The peak is that of 2048 x 2048 float32 products
through the same TensorFlow. Each step is held against the product just before it, in one process, so that a machine
whose speed drifts still gives honest ratios.
"""

import dataclasses
import statistics
import tempfile
import time

import numpy as np
from absl import flags

from wgan_tf1 import config
from wgan_tf1 import console
from wgan_tf1.data import batches
from wgan_tf1.data import datasets

FLAGS = flags.FLAGS


# What a clock says; 'cpu' counts what the process used on all cores, whatever else the machine did meanwhile.
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}


def seconds(function, times, clock='wall'):
  """Returns how long each of `times` calls took, by one of `CLOCKS`."""
  taken = []
  for _ in range(times):
    start = CLOCKS[clock]()
    function()
    taken.append(CLOCKS[clock]() - start)
  return taken


def forward_flops(tf, run_config):
  """Floating-point operations of one sample through a run's generator, and of one through its critic."""
  from wgan_tf1 import models  # whoever has `tf` has loaded TensorFlow

  generate, score = models.networks_of(run_config)
  with tf.Graph().as_default() as graph:
    labels = tf.zeros([1], tf.int32) if run_config.class_count else None
    sample = generate(tf.zeros([1, run_config.latent_size]), labels, training=False)
    generator = _products(graph)
    score(tf.zeros(sample.shape))
    return generator, _products(graph) - generator


def _products(graph):
  """Floating-point operations of a graph's products and convolutions; its batch is of a known size."""
  flops = 0
  for op in graph.get_operations():
    if op.type in ('MatMul', 'Conv2D', 'Conv2DBackpropInput'):
      # Each weight is used once at each position of the smaller side: a convolution's output, a transposed one's input.
      positions = op.inputs[2].shape if op.type == 'Conv2DBackpropInput' else op.outputs[0].shape
      flops += 2 * op.inputs[1].shape.num_elements() * int(np.prod(positions.as_list()[:-1], dtype=np.int64))
  return flops


def step_flops(run_config, generator, critic):
  """Floating-point operations of one generator step with its critic steps.

  A pass back costs two passes forward where it reaches the weights, one where it only passes through. The penalty
  adds to the critic's two batches a third, forward, back to its input, and back through that to the weights.
  """
  passes = {'clip': 2 * 3, 'gp': 2 * 3 + 1 + 1 + 2, 'gan': 2 * 3}[run_config.variant]
  critic_update = generator + passes * critic
  generator_update = 3 * generator + 2 * critic
  critic_updates = run_config.critic_steps * run_config.batch_size * critic_update
  return critic_updates + run_config.generator_batch_size * generator_update


class Run:
  """A run's graph and session, and its updates one by one: `with Run(tf, config, training) as run`."""

  def __init__(self, tf, run_config, training, threads=0):
    self._tf = tf
    self._dataset = datasets.load(run_config)
    self.config = run_config = dataclasses.replace(run_config, vocabulary=self._dataset.vocabulary)
    self._training = training
    self.critic_step = 0
    self._graph = tf.Graph()
    with self._graph.as_default():
      self.built = training.build_graph(run_config)
      options = training._session_config(run_config)
      options.intra_op_parallelism_threads = threads
      self.session = tf.Session(config=options)
      self.session.run(tf.global_variables_initializer())

  def __enter__(self):
    self._scope = self._graph.as_default()
    self._scope.__enter__()
    return self

  def __exit__(self, *exception):
    self._scope.__exit__(*exception)
    self.session.close()

  def feed(self):
    return self._training.critic_feed(self.built, batches.batch(self.config, self._dataset, self.critic_step))

  def held_out(self):
    return batches.encode(self.config, self._dataset.validation)

  def critic_update(self):
    if self.built.before_critic is not None:
      self.session.run(self.built.before_critic)
    estimate = self.built.scalars[self.built.estimate]
    self.session.run([self.built.train_critic, estimate], self.feed())
    self.critic_step += 1

  def generator_update(self):
    self.session.run(self.built.train_generator, {self.built.fake_count: self.config.generator_batch_size})

  def step(self):
    for _ in range(self.config.critic_steps):
      self.critic_update()
    self.generator_update()

  def flops(self):
    """Floating-point operations of a step."""
    return step_flops(self.config, *forward_flops(self._tf, self.config))


class Peak:
  """The machine's float32 matrix-product rate, as `rate()` finds it at the moment, in operations a second."""

  SIZE = 2048

  def __init__(self, tf, threads=0, clock='wall'):
    self._clock = clock
    with tf.Graph().as_default():
      self._session = tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=threads))
      a, b = (tf.get_variable(name, [self.SIZE, self.SIZE], use_resource=True) for name in 'ab')
      self._product = tf.reduce_sum(tf.matmul(a, b))  # summed, so that it is neither optimised away nor copied out
      self._session.run(tf.global_variables_initializer())
    self.rate()

  def rate(self):
    return 2 * self.SIZE**3 / min(seconds(lambda: self._session.run(self._product), 2, self._clock))


def measure(tf, training, variant, peak):
  run_config = config.make('blog-mnist', variant, dataset='digits')
  with Run(tf, run_config, training) as run:
    with tempfile.TemporaryDirectory() as folder, tf.summary.FileWriter(folder, run.session.graph) as writer:
      every = run_config.summary_every_steps
      cycle = every * training.summaries.HISTOGRAMS_EVERY
      held_out = run.held_out()

      def summarise():  # as often as a cycle has them: the last with histograms
        for at in range(every, cycle + 1, every):
          training.summaries.write(run.config, run.built, run.session, writer, run.feed(), held_out, at, 0)

      seconds(run.step, 2), seconds(summarise, 1)
      steps, written, peaks = [], [], []
      for _ in range(FLAGS.steps):
        peaks.append(peak.rate())
        steps += seconds(run.step, 1)
        written += seconds(summarise, 1)
    flops = run.flops()
  taken = statistics.median(steps)
  share = statistics.median(written) / (cycle * taken)
  of_peak = statistics.median(
    flops / step / rate for step, rate in zip(steps, peaks)
  )  # each by the peak just before it
  print(
    '%-5s %.3f s a generator step (median of %d, %.3f to %.3f); %.0f GFLOP, %.0f GFLOP/s, %.0f %% of the peak; '
    'summaries every %d steps cost %.1f %%'
    % (variant, taken, len(steps), min(steps), max(steps), flops / 1e9, flops / taken / 1e9, 100 * of_peak, every,
       100 * share), flush=True,
  )  # fmt: skip


def main():
  with console.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import training
  peak = Peak(tf)
  rate = max(peak.rate() for _ in range(4))
  print('TensorFlow %s; peak %.0f GFLOP/s in float32 matrix products' % (tf.__version__, rate / 1e9), flush=True)
  for variant in FLAGS.variants:
    measure(tf, training, variant, peak)


if __name__ == '__main__':
  flags.DEFINE_list('variants', list(config.VARIANTS), 'what to time.')
  flags.DEFINE_integer('steps', 20, 'generator steps to time.', lower_bound=1)
  console.run(main)
