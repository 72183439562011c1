"""THE loop: critic updates, a generator update; summaries, samples and checkpoints on the way."""

import contextlib
import dataclasses
import os
import re
import signal
import sys
import time

import tensorflow.compat.v1 as tf
from tqdm import tqdm

from wgan_tf1 import UserError
from wgan_tf1 import checkpoints
from wgan_tf1 import config as configs
from wgan_tf1 import data
from wgan_tf1 import images
from wgan_tf1.graph import NOT_FINITE
from wgan_tf1.graph import build_graph

VALIDATION_IMAGES = 512  # the first of the held-out ones, at every summary
HISTOGRAMS_EVERY_SUMMARIES = 5  # they cost three times as much as all the rest


def train(config):
  """Starts the run in `config.run_dir`, or goes on with it from its newest checkpoint.

  Args:
    config: a `config.Config`.

  Returns:
    The signal, SIGINT or SIGTERM, that ended the run early; None if it came to its end.

  Raises:
    UserError: if the data cannot be had, the directory holds another run, or training diverged.
  """
  config = _same_run(config)
  dataset = data.load(config.dataset, config.data_dir, config.image_size)
  config = dataclasses.replace(config, dataset=dataset.name)

  with tf.Graph().as_default():
    graph = build_graph(config)
    saver = tf.train.Saver(max_to_keep=config.keep_checkpoints)
    with tf.Session(config=_session_config(config)) as session, _stop_signals() as stopped:
      session.run(tf.global_variables_initializer())
      if os.path.isdir(config.run_dir):
        checkpoints.restore(session, saver, config.run_dir)
      step = int(session.run(graph.global_step))
      if step >= config.generator_steps:
        print('%s is at generator step %d already: --generator_steps above that goes on' % (config.run_dir, step))
        return None
      try:
        data.write_file(os.path.join(config.run_dir, 'config.json'), configs.to_json(config).encode())
      except OSError as e:
        raise UserError('run_dir=%s cannot be written: %s' % (config.run_dir, e))
      print(_opening_block(config, dataset, graph, session, step), flush=True)
      with contextlib.closing(tf.summary.FileWriter(config.run_dir, session.graph)) as writer:
        # Whatever a killed process wrote past its last checkpoint is written again: TensorBoard drops the first.
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), step + 1 if step else 0)
        writer.add_summary(_text_summary('config', configs.to_json(config)), step)
        try:
          step = _train_loop(config, dataset, graph, session, saver, writer, stopped)
        except tf.errors.InvalidArgumentError as e:
          raise _diverged(config, graph, session, e) or e
  if stopped and step < config.generator_steps:
    print('Stopped at generator step %d of %d; saved. The same command goes on.' % (step, config.generator_steps))
    return stopped[0]
  print('Trained %d generator steps. See %s' % (step, _sample_path(config, step)))
  return None


def _train_loop(config, dataset, graph, session, saver, writer, stopped):
  """WGAN (1701.07875) and WGAN-GP (1704.00028), Algorithm 1; returns the generator steps done."""
  step, critic_step = (int(n) for n in session.run([graph.global_step, graph.critic_step]))
  if step == 0:
    _write_samples(config, graph, session, writer, step)
  timed_step, timed_at = step, time.perf_counter()
  stopping = False
  with _progress_bar(config, step) as bar:
    while step < config.generator_steps and not stopping:
      for _ in range(config.critic_steps):  # lines 2 to 8
        real = data.batch(dataset.train, config.batch_size, config.seed, critic_step)
        session.run(graph.before_critic)
        _, estimate = session.run([graph.train_critic, graph.scalars['wasserstein_estimate']], {graph.real: real})
        critic_step += 1
      if (step + 1) % config.summary_every_steps == 0:
        now = time.perf_counter()
        steps_per_second = (step + 1 - timed_step) / (now - timed_at)
        write_summaries(config, dataset, graph, session, writer, step + 1, critic_step, steps_per_second)
        timed_step, timed_at = step + 1, now
      session.run(graph.train_generator)  # lines 9 to 11
      step += 1
      bar.set_postfix_str('Wasserstein estimate %.4g' % estimate, refresh=False)
      bar.update()

      last = step == config.generator_steps
      stopping = bool(stopped)  # read once: a signal from here on ends the next step, saved
      if step % config.sample_every_steps == 0 or last:
        _write_samples(config, graph, session, writer, step)
      if step % config.save_every_steps == 0 or last or stopping:
        session.run(graph.check_weights)
        checkpoints.save(session, saver, config.run_dir, step)
  return step


def _same_run(config):
  """Returns `config` as the run in its directory has it, if there is one; refuses what would make it another.

  `auto` is then the data set that it was at the start: a download that works by now does not change a run.
  """
  if not os.path.exists(os.path.join(config.run_dir, 'config.json')):
    if os.path.isdir(config.run_dir) and checkpoints.paths(config.run_dir):
      raise UserError('%s holds checkpoints without their config.json: start another --run_dir' % config.run_dir)
    return config
  previous = configs.load(config.run_dir)
  if config.dataset == 'auto':
    config = dataclasses.replace(config, dataset=previous.dataset)
  configs.check_same_run(previous, config)
  return config


def _session_config(config):
  session_config = tf.ConfigProto(allow_soft_placement=True, log_device_placement=config.log_device_placement)
  session_config.gpu_options.allow_growth = config.allow_growth
  session_config.gpu_options.per_process_gpu_memory_fraction = config.gpu_memory_fraction
  return session_config


@contextlib.contextmanager
def _stop_signals():
  """Collects SIGINT and SIGTERM in the list that it yields; the second of a kind acts at once, as ever."""
  stopped = []

  def note(number, frame):
    del frame
    stopped.append(number)
    signal.signal(number, previous[number])
    os.write(2, b'\nFinishing this step and saving; once more stops at once.\n')

  previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
  try:
    yield stopped
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)


def _progress_bar(config, step):
  # rate_noinv: steps per second even below one, where tqdm turns to seconds per step.
  return tqdm(
    total=config.generator_steps, initial=step, unit='steps', mininterval=0.2 if sys.stderr.isatty() else 30,
    bar_format='{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]',
  )  # fmt: skip


def _opening_block(config, dataset, graph, session, step):
  """What is trained, on what, from where, into where, and how to watch it."""
  gpus = [d.name.split('device:')[-1] for d in session.list_devices() if d.device_type == 'GPU']
  count = lambda variables: format(sum(v.shape.num_elements() for v in variables), ',')
  parameters = [count(graph.generator_variables), count(graph.critic_variables)]
  constraint = 'clip %g' % config.clip_value if config.variant == 'clip' else 'penalty %g' % config.penalty_weight
  lines = [
    ('training', '%s, %s: generator steps %d to %d, each after %d critic steps, batch %d'
     % (config.preset, config.variant, step, config.generator_steps, config.critic_steps, config.batch_size)),
    ('optimizer', '%s, learning rates %g (generator) and %g (critic), %s'
     % (config.optimizer, config.generator_learning_rate, config.critic_learning_rate, constraint)),
    ('data', '%s: %d images, %d held out' % (dataset.name, len(dataset.train), len(dataset.validation))),
    ('networks', '%s: generator of %s parameters, critic of %s' % (config.architecture, *parameters)),
    ('device', '%s; TensorFlow %s' % (', '.join(gpus) or 'CPU, %d cores' % os.cpu_count(), tf.__version__)),
    ('run_dir', config.run_dir),
    ('watch', '%s -m tensorboard.main --logdir=%s' % (os.path.relpath(sys.executable), config.run_dir)),
  ]  # fmt: skip
  paper = configs.VARIANTS[config.variant]['learning_rate']
  if (config.generator_learning_rate, config.critic_learning_rate) != (paper, paper):
    flags = '--generator_learning_rate=%g --critic_learning_rate=%g' % (paper, paper)
    lines.insert(2, ('', "the paper's learning rate is %g: %s" % (paper, flags)))
  return '\n'.join('%-10s %s' % line for line in lines)


def _diverged(config, graph, session, error):
  """A `UserError` that names the step and the tensor if `error` is an alarm of the graph's checks, else None."""
  match = re.search(re.escape(NOT_FINITE) + '(.*?) : Tensor had (.*?) values', error.message)
  if not match:
    return None
  step, critic_step = session.run([graph.global_step, graph.critic_step])
  good = list(checkpoints.paths(config.run_dir).values())
  return UserError(
    'training diverged after %d generator and %d critic steps: %s has %s values; %s. Try another --run_dir with '
    'smaller learning rates' % (step, critic_step, match.group(1), match.group(2),
                                'the last good checkpoint is ' + good[-1] if good else 'no checkpoint yet')
  )  # fmt: skip


def write_summaries(config, dataset, graph, session, writer, step, critic_step, steps_per_second):
  """Writes the scalars, and at every `HISTOGRAMS_EVERY_SUMMARIES`-th time the histograms.

  Called between the critic updates and the generator update of `step`: of the critic that the generator is about to
  follow, on the latents that it is about to use and the real images of the critic update to come.
  After the generator update the same critic's estimate would say little: the generator has just moved against it.

  Args:
    config: the run's `config.Config`.
    dataset: a `data.Dataset`.
    graph: a `graph.Graph`.
    session: the session that trains it.
    writer: a `FileWriter`.
    step: the generator update about to be made, counted from 1.
    critic_step: critic updates so far.
    steps_per_second: generator updates a second, to be written among the rest.
  """
  fetches = {'scalars': graph.scalars, 'fake_scores': graph.fake_scores}
  if step % (config.summary_every_steps * HISTOGRAMS_EVERY_SUMMARIES) == 0:
    fetches['histograms'] = graph.histograms
  real = data.batch(dataset.train, config.batch_size, config.seed, critic_step)
  values = session.run(fetches, {graph.real: real})
  held_out = data.to_float(dataset.validation[:VALIDATION_IMAGES])
  held_out_scores = session.run(graph.real_scores, {graph.real: held_out})
  scalars = dict(values['scalars'], steps_per_second=steps_per_second)
  scalars['validation/wasserstein_estimate'] = held_out_scores.mean() - values['fake_scores'].mean()
  summaries = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
  writer.add_summary(tf.Summary(value=summaries), step)
  if 'histograms' in values:
    writer.add_summary(values['histograms'], step)
  writer.flush()


def _sample_path(config, step):
  return os.path.join(config.run_dir, 'samples', '%d.png' % step)


def _write_samples(config, graph, session, writer, step):
  """Writes the grid of the fixed latents as a PNG file and to the event file."""
  grid = images.grid(images.to_uint8(session.run(graph.samples)), columns=8)
  png = images.encode_png(grid)
  data.write_file(_sample_path(config, step), png)
  height, width, channels = grid.shape
  image = tf.Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png)
  writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag='samples', image=image)]), step)


def _text_summary(tag, text):
  plugin = tf.SummaryMetadata.PluginData(plugin_name='text')
  markdown = ''.join('    %s\n' % line for line in text.splitlines())  # indented: shown as it is
  return tf.Summary(value=[tf.Summary.Value(
    tag=tag, metadata=tf.SummaryMetadata(plugin_data=plugin), tensor=tf.make_tensor_proto(markdown, tf.string)
  )])  # fmt: skip
