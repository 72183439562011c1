"""Times the training step against the machine's own matrix-multiply peak, and the summaries against the step.

python -m benchmarks.throughput                  blog-mnist, every variant
python -m benchmarks.throughput --steps=50       more steps, steadier medians

The floating-point work of a step is counted from the layers' shapes. The peak is the best of several 4096 x 4096
float32 products through the same TensorFlow. Everything is measured in turn in one process, so that a machine
whose speed drifts still gives honest ratios.
"""

import statistics
import tempfile
import time

import numpy as np
from absl import flags

from wgan_tf1 import cli
from wgan_tf1 import config
from wgan_tf1 import data

FLAGS = flags.FLAGS


def seconds(function, times):
  """Returns how long each of `times` calls took."""
  taken = []
  for _ in range(times):
    start = time.perf_counter()
    function()
    taken.append(time.perf_counter() - start)
  return taken


def forward_flops(tf, scope):
  """Floating-point operations of one sample through the layers under a name scope of the default graph."""
  flops = 0
  for op in tf.get_default_graph().get_operations():
    if op.name.startswith(scope) and op.type in ('MatMul', 'Conv2D', 'Conv2DBackpropInput'):
      # Each weight is used once at each position of the smaller side: a convolution's output, a transposed one's input.
      weights = op.inputs[1].shape.num_elements()
      positions = op.inputs[2].shape if op.type == 'Conv2DBackpropInput' else op.outputs[0].shape
      flops += 2 * weights * int(np.prod(positions.as_list()[1:-1], dtype=np.int64))
  return flops


def step_flops(run_config, generator, critic):
  """Floating-point operations of one generator step with its critic steps.

  A pass back costs two passes forward where it reaches the weights, one where it only passes through. The penalty
  adds to the critic's two batches a third, forward, back to its input, and back through that to the weights.
  """
  passes = {'clip': 2 * 3, 'gp': 2 * 3 + 1 + 1 + 2, 'gan': 2 * 3}[run_config.variant]
  critic_update = generator + passes * critic
  generator_update = 3 * generator + 2 * critic
  return run_config.batch_size * (run_config.critic_steps * critic_update + generator_update)


def measure(tf, build_graph, summaries, variant, peak):
  run_config = config.make('blog-mnist', variant, dataset='digits')
  dataset = data.load(run_config)
  held_out = data.encode(run_config, dataset.validation)
  with tf.Graph().as_default() as graph, tf.Session() as session:
    built = build_graph(run_config)
    session.run(tf.global_variables_initializer())
    critic_step = 0

    def step():
      nonlocal critic_step
      for _ in range(run_config.critic_steps):
        real = data.batch(run_config, dataset, critic_step).real
        session.run([built.train_critic, built.scalars[built.estimate]], {built.real: real})
        critic_step += 1
      session.run(built.train_generator)

    with tempfile.TemporaryDirectory() as folder, tf.summary.FileWriter(folder, graph) as writer:
      every = run_config.summary_every_steps
      cycle = every * summaries.HISTOGRAMS_EVERY

      def summarise():  # as often as a cycle has them: the last with histograms
        for at in range(every, cycle + 1, every):
          batch = data.batch(run_config, dataset, critic_step)
          summaries.write(run_config, built, session, writer, batch, held_out, at, 0)

      seconds(step, 2), seconds(summarise, 1)
      steps, written = [], []
      for _ in range(FLAGS.steps):
        steps += seconds(step, 1)
        written += seconds(summarise, 1)
    flops = step_flops(run_config, forward_flops(tf, 'fake/generator/'), forward_flops(tf, 'real/critic/'))
  taken = statistics.median(steps)
  share = statistics.median(written) / (cycle * taken)
  print(
    '%-5s %.3f s a generator step (median of %d, %.3f to %.3f); %.0f GFLOP, %.0f GFLOP/s, %.0f %% of the peak; '
    'summaries every %d steps cost %.1f %%'
    % (variant, taken, len(steps), min(steps), max(steps), flops / 1e9, flops / taken / 1e9,
       100 * flops / taken / peak, every, 100 * share)
  )  # fmt: skip


def main():
  with cli.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import summaries
    from wgan_tf1.graph import build_graph
  with tf.Graph().as_default(), tf.Session() as session:
    a, b = (tf.get_variable(name, [4096, 4096], use_resource=True) for name in 'ab')
    product = tf.reduce_sum(tf.matmul(a, b))  # summed, so that it is neither optimised away nor copied out
    session.run(tf.global_variables_initializer())
    peak = 2 * 4096**3 / min(seconds(lambda: session.run(product), 8))
  print('TensorFlow %s; peak %.0f GFLOP/s in float32 matrix products' % (tf.__version__, peak / 1e9))
  for variant in config.VARIANTS:
    measure(tf, build_graph, summaries, variant, peak)


if __name__ == '__main__':
  flags.DEFINE_integer('steps', 20, 'generator steps to time.', lower_bound=1)
  cli.run(main)
