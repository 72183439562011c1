"""THE loop: critic updates, a generator update; summaries, samples and checkpoints on the way."""

import contextlib
import dataclasses
import fcntl
import os
import re
import signal
import sys
import time

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from wgan_tf1 import UserError
from wgan_tf1 import checkpoints
from wgan_tf1 import cluster
from wgan_tf1 import config as configs
from wgan_tf1 import data
from wgan_tf1 import evaluation
from wgan_tf1 import images
from wgan_tf1 import pictures
from wgan_tf1 import precision
from wgan_tf1 import small_classifier
from wgan_tf1 import summaries
from wgan_tf1 import towers
from wgan_tf1.events import EventWriter
from wgan_tf1.graph import NOT_FINITE
from wgan_tf1.graph import build_graph
from wgan_tf1.messages import warn

VALIDATION_SAMPLES = 512  # the first of the held-out ones, at every summary
SAMPLES = {'image': 'images', 'text': 'lines', 'points': 'points'}
ESTIMATES = {'wasserstein_estimate': 'Wasserstein estimate', 'js_estimate': 'JS estimate'}


def train(config):
  """Starts the run in `config.run_dir`, or goes on with it from its newest checkpoint.

  With TF_CONFIG this process is one of several that do so together; see `cluster`.

  Args:
    config: a `config.Config`.

  Returns:
    The signal, SIGINT or SIGTERM, that ended the run early; None if it came to its end.

  Raises:
    UserError: if the machine lacks the precision, the data cannot be had, the directory holds another run or another
      process trains in it, training diverged, or a process of the cluster does not come.
  """
  precision.check(config.precision)
  member = cluster.join(_session_config(config), config.cluster_wait_seconds)
  if isinstance(member, cluster.ParameterServer):
    return member.serve()
  try:
    return _train(config, member)
  except cluster.PeerLost as e:
    warn('%s. Starting again, to wait for it' % e)
  cluster.start_anew()


def _train(config, member):
  """See `train`."""
  previous = _previous_run(config) if member.chief else None
  config = _same_run(previous, config)
  dataset = data.load(config)
  config = dataclasses.replace(
    config, dataset=dataset.name, vocabulary=dataset.vocabulary, data_fingerprint=dataset.fingerprint,
    fallback_dataset=None,
  )  # fmt: skip
  if previous and previous.data_fingerprint != dataset.fingerprint:
    raise UserError(
      '%s was started on other data than dataset=%s has now: put those back, or start another --run_dir'
      % (config.run_dir, config.dataset)
    )

  with contextlib.ExitStack() as stack:
    if member.chief:
      stack.enter_context(_only_process(config.run_dir))
    stack.enter_context(tf.Graph().as_default())
    with tf.device(member.device):
      graph = build_graph(config, _devices(config), member.replica)
    saver = tf.train.Saver(max_to_keep=config.keep_checkpoints)
    session = stack.enter_context(member.session())

    def first_values():
      session.run(tf.global_variables_initializer())
      if member.chief:
        checkpoints.remove_unfinished(config.run_dir)
        checkpoints.restore(session, saver, config.run_dir)

    member.agree(session, config, first_values)
    if member.chief and not saver.last_checkpoints:  # the variables are a parameter server's, which went on
      saver.recover_last_checkpoints(list(checkpoints.paths(config.run_dir).values())[:-1])  # the newest may be torn
    step = int(session.run(graph.global_step))
    if step >= config.generator_steps:
      if member.chief:  # it may have gone on to the end
        checkpoints.save(session, saver, config.run_dir, step)
      print('%s is at generator step %d already: --generator_steps above that goes on' % (config.run_dir, step))
      member.end(session)
      return None
    signals = stack.enter_context(_stop_signals())
    stopped = member.stopped(signals)
    print(_opening_block(config, dataset, graph, session, step, member), flush=True)
    writer = stack.enter_context(_starting(config, graph, session, step)) if member.chief else None
    try:
      step = _train_loop(config, dataset, graph, session, saver, writer, member, stopped)
      if member.chief and step == config.generator_steps:
        with _writing(config.run_dir):
          writer.add_summary(summaries.end(), step)
        member.end(session)
    except (UserError, cluster.PeerLost) as e:  # data cannot be read, samples not written; what was trained is whole
      if member.chief and (member.own_variables or isinstance(e, UserError)):
        session.run(graph.check_weights)
        step = int(session.run(graph.global_step))
        checkpoints.save(session, saver, config.run_dir, step)
      if isinstance(e, UserError) or not signals:
        raise
      stopped.append(signals[0])
    except tf.errors.InvalidArgumentError as e:
      raise _diverged(config, graph, session, e, member.chief) or e
  saved = 'saved' if member.chief else 'what the chief has saved is in its run directory'
  if stopped and step < config.generator_steps:
    print('Stopped at generator step %d of %d; %s. The same command goes on.' % (step, config.generator_steps, saved))
    return stopped[0]
  print('Trained %d generator steps. See %s' % (step, _sample_path(config, step) if member.chief else "the chief's"))
  return None


@contextlib.contextmanager
def _starting(config, graph, session, step):
  """Writes config.json; yields the writer of an event file that begins at `step`."""
  with _writing(config.run_dir):
    data.write_file(os.path.join(config.run_dir, 'config.json'), configs.to_json(config).encode())
  with _event_writer(config.run_dir, session.graph) as writer:
    # Whatever a killed process wrote past its last checkpoint is written again: TensorBoard drops the first.
    with _writing(config.run_dir):
      writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), step + 1 if step else 0)
      for summary in summaries.start(config, graph.estimate):
        writer.add_summary(summary, step)
    yield writer


def _train_loop(config, dataset, graph, session, saver, writer, member, stopped):
  """WGAN (1701.07875) and WGAN-GP (1704.00028), Algorithm 1; returns the generator steps done."""
  step, critic_step = (int(n) for n in session.run([graph.global_step, graph.critic_step]))
  held_out = data.encode(config, dataset.validation[np.arange(min(VALIDATION_SAMPLES, len(dataset.validation)))])
  if step == 0 and member.chief:
    _write_samples(config, graph, session, writer, held_out, step)
  evaluate = _evaluator(config, dataset) if member.chief else None
  timed_step, timed_at = step, time.perf_counter()
  stopping = False
  estimate = float('nan')  # none yet: a run may go on where the critic is due no update before the generator's
  make_batch = lambda i: data.batch(config, dataset, *member.share(i))
  batches = data.Prefetcher(make_batch, member.own_updates(critic_step))
  with batches, _progress_bar(config, step, member.chief) as bar:
    while step < config.generator_steps and not stopping:
      before, due = step, member.due(config, step, critic_step)
      while critic_step < due and not stopped:  # lines 2 to 8
        run = _traced(config, session, writer, 'critic', step + 1) if critic_step + 1 == due else session.run
        estimate = _critic_update(graph, member, session, batches.next(), run)
        critic_step += 1
      if critic_step == due:
        if member.chief and (step + 1) // config.summary_every_steps > timed_step // config.summary_every_steps:
          now = time.perf_counter()
          steps_per_second = (step + 1 - timed_step) / (now - timed_at)
          feed = critic_feed(graph, batches.peek())
          with _writing(config.run_dir):
            summaries.write(config, graph, session, writer, feed, held_out, step + 1, steps_per_second)
          timed_step, timed_at = step + 1, now
        run = _traced(config, session, writer, 'generator', step + 1)
        feed = {graph.fake_count: config.generator_batch_size}
        step = member.update_generator(run, graph, feed, step)  # lines 9 to 11
        bar.set_postfix_str('%s %.4g' % (ESTIMATES[graph.estimate], estimate), refresh=False)
        bar.update(step - before)

      last = step >= config.generator_steps
      stopping = bool(stopped)  # read once: a signal from here on ends the next update, saved
      if last:
        member.last_update()
      if not member.chief:
        continue
      passed = lambda every: step // every > before // every  # together, several processes skip steps
      if passed(config.sample_every_steps) or last:
        _write_samples(config, graph, session, writer, held_out, step)
      if passed(config.save_every_steps) or last or stopping:
        session.run(graph.check_weights)
        with _writing(config.run_dir):
          writer.flush()  # or a kill would lose events that no later process writes again
        checkpoints.save(session, saver, config.run_dir, step)
      if evaluate and (passed(config.evaluate_every_steps) or last):
        rows = evaluate(graph, session)
        with _writing(config.run_dir):
          evaluation.record(config, step, rows, writer)
  return step


def _evaluator(config, dataset):
  """Returns what `evaluation.evaluator` returns; None if the run is not to be evaluated."""
  if not config.evaluate_every_steps:
    return None
  classifier = small_classifier.cached(dataset.name) if config.form == 'image' else None
  if config.form == 'image' and classifier is None:
    warn('no classifier of %s: the metrics that need one are left out. evaluate.py --train_classifier --dataset=%s '
         'makes one' % (dataset.name, dataset.name))  # fmt: skip
  return evaluation.evaluator(config, dataset, classifier=classifier)


def critic_feed(graph, batch):
  """Returns the feed of a `data.Batch`: fake samples are of the classes of the real ones, as in the WGAN-GP code."""
  feed = {graph.real: batch.real}
  if graph.labels is not None:
    feed.update({graph.real_labels: batch.labels, graph.labels: batch.labels})
  return feed


def _critic_update(graph, member, session, batch, run):
  """One update of the critic, by `session.run` or what `_traced` returns; returns the estimate before it."""
  if graph.before_critic is not None:
    session.run(graph.before_critic)
  fetches = [graph.train_critic, graph.scalars[graph.estimate]]
  _, estimate = member.update_critic(run, fetches, critic_feed(graph, batch))
  return estimate


def _traced(config, session, writer, name, step):
  """Returns `session.run`, or at `config.profile_step` one that leaves a trace of what it runs.

  That is RUN_DIR/timeline-STEP-NAME.json, for Chrome's trace viewer, and the run metadata in the event file, which
  TensorBoard's graph shows as a tagged run.
  """
  if step != config.profile_step or writer is None:  # the chief's alone
    return session.run

  def run(fetches, feed):
    from tensorflow.python.client import timeline  # few runs need it

    metadata = tf.RunMetadata()
    values = session.run(fetches, feed, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
    trace = timeline.Timeline(metadata.step_stats).generate_chrome_trace_format()
    with _writing(config.run_dir):
      writer.add_run_metadata(metadata, '%s-%d' % (name, step), step)
      data.write_file(os.path.join(config.run_dir, 'timeline-%d-%s.json' % (step, name)), trace.encode())
    return values

  return run


def _previous_run(config):
  """Returns the `Config` of the run in the run directory, or None; refuses checkpoints without one."""
  if os.path.exists(os.path.join(config.run_dir, 'config.json')):
    return configs.load(config.run_dir)
  if os.path.isdir(config.run_dir) and checkpoints.paths(config.run_dir):
    raise UserError('%s holds checkpoints without their config.json: start another --run_dir' % config.run_dir)
  return None


def _same_run(previous, config):
  """Returns `config` with what the run was started with, if it was; refuses what would make it another.

  `auto` is then the data set that it was at the start: a download that works by now does not change a run.
  """
  if not previous:
    return config
  if config.fallback_dataset:
    config = dataclasses.replace(config, dataset=previous.dataset, fallback_dataset=None)
  config = dataclasses.replace(config, vocabulary=previous.vocabulary)
  configs.check_same_run(previous, config)
  return config


@contextlib.contextmanager
def _writing(run_dir):
  """Turns an error of the file system into a `UserError`."""
  try:
    yield
  except OSError as e:
    raise UserError('run_dir=%s cannot be written: %s. See to that, and the same command goes on' % (run_dir, e))


@contextlib.contextmanager
def _event_writer(run_dir, graph):
  with _writing(run_dir):
    writer = EventWriter(run_dir, graph)
  try:
    yield writer
  finally:
    with _writing(run_dir):
      writer.close()


@contextlib.contextmanager
def _only_process(run_dir):
  """Makes the run directory, and keeps it from every other training process.

  The lock is the kernel's: it goes with the process, however that ends.

  Raises:
    UserError: if another process trains in it, or it cannot be written.
  """
  with _writing(run_dir):
    os.makedirs(run_dir, exist_ok=True)
    lock = open(os.path.join(run_dir, '.lock'), 'a')
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise UserError('another process trains in %s: wait for it or stop it, or take another --run_dir' % run_dir)
    except OSError:
      pass  # a file system without locks
    yield


def _devices(config):
  """The devices that share each batch, as `build_graph` wants them; one is left to TensorFlow to choose.

  Raises:
    UserError: if there are fewer GPUs than `num_gpus`.
  """
  if config.num_gpus == 1:
    return ('',)
  found = len(towers.gpus())
  if found < config.num_gpus:
    raise UserError('num_gpus=%d: TensorFlow sees %d GPUs on this machine' % (config.num_gpus, found))
  return ['/gpu:%d' % i for i in range(config.num_gpus)]


def _session_config(config):
  session_config = tf.ConfigProto(allow_soft_placement=True, log_device_placement=config.log_device_placement)
  session_config.gpu_options.allow_growth = config.allow_growth
  session_config.gpu_options.per_process_gpu_memory_fraction = config.gpu_memory_fraction
  if not towers.gpus():
    # One operation at a time, on every core: two of them share the cores badly, and fetch each other's cache lines.
    session_config.inter_op_parallelism_threads = 1
  return session_config


@contextlib.contextmanager
def _stop_signals():
  """Collects SIGINT and SIGTERM in the list that it yields; the second of a kind acts at once, as ever."""
  stopped = []

  def note(number, frame):
    del frame
    stopped.append(number)
    signal.signal(number, previous[number])
    with contextlib.suppress(OSError):  # nobody may be there to read it
      os.write(2, b'\nFinishing this update and saving; once more stops at once.\n')

  previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
  try:
    yield stopped
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)


def _progress_bar(config, step, shown):
  # rate_noinv: steps per second even below one, where tqdm turns to seconds per step.
  return tqdm(
    total=config.generator_steps, initial=step, unit='steps', disable=not shown,
    mininterval=0.2 if sys.stderr.isatty() else 30,
    bar_format='{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]',
  )  # fmt: skip


def _opening_block(config, dataset, graph, session, step, member):
  """What is trained, on what, from where, into where, and how to watch it."""
  gpus = [d.name.split('device:')[-1] for d in session.list_devices() if d.device_type == 'GPU']
  count = lambda variables: format(sum(v.shape.num_elements() for v in variables), ',')
  parameters = [count(graph.generator_variables), count(graph.critic_variables)]
  rates = (config.generator_learning_rate, config.critic_learning_rate)
  falling = ' falling to 0 at step %d' % config.learning_rate_decay_steps if config.learning_rate_decay_steps else ''
  constraint = {
    'clip': lambda: ', clip %g' % config.clip_value,
    'gp': lambda: ', penalty %g, %s' % (config.penalty_weight, config.penalty.replace('_', '-')),
    'gan': lambda: '',
  }[config.variant]()
  extra = ' (%d at first)' % configs.EXTRA_CRITIC_STEPS if config.extra_critic_steps else ''
  batch = '%d x %d' % (member.replica.count, config.batch_size) if member.replica.combine else config.batch_size
  lines = [
    ('training', '%s, %s: generator steps %d to %d, each after %d critic steps%s, batch %s'
     % (config.preset, config.variant, step, config.generator_steps, config.critic_steps, extra, batch)),
    ('optimizer', '%s, learning rates %g (generator) and %g (critic)%s%s'
     % (config.optimizer, *rates, falling, constraint)),
    ('data', '%s: %s %s, %s held out' % (
      dataset.name, format(len(dataset.train), ','), SAMPLES[config.form], format(len(dataset.validation), ','))),
    ('networks', '%s: generator of %s parameters, critic of %s' % (config.architecture, *parameters)),
    ('device', '%s; TensorFlow %s' % (', '.join(gpus) or 'CPU, %d cores' % os.cpu_count(), tf.__version__)),
    ('run_dir', config.run_dir),
    ('watch', '%s -m tensorboard.main --logdir=%s' % (os.path.relpath(sys.executable), config.run_dir)),
  ]  # fmt: skip
  if member.cluster:
    lines.insert(0, ('cluster', member.cluster))
  if not member.chief:
    return '\n'.join('%-10s %s' % line for line in lines[:2])
  paper = configs.VARIANTS[config.variant]['learning_rate']
  if config.variant == 'clip' and rates != (paper, paper):
    flags = '--generator_learning_rate=%g --critic_learning_rate=%g' % (paper, paper)
    lines.insert(2, ('', "the paper's learning rate is %g: %s" % (paper, flags)))
  return '\n'.join('%-10s %s' % line for line in lines)


def _diverged(config, graph, session, error, chief):
  """A `UserError` that names the step and the tensor if `error` is an alarm of the graph's checks, else None."""
  match = re.search(re.escape(NOT_FINITE) + '(.*?) : Tensor had (.*?) values', error.message)
  if not match:
    return None
  step, critic_step = session.run([graph.global_step, graph.critic_step])
  good = list(checkpoints.paths(config.run_dir).values()) if chief else ['in the run directory of the chief']
  return UserError(
    'training diverged after %d generator and %d critic steps: %s has %s values; %s. Try another --run_dir with '
    'smaller learning rates' % (step, critic_step, match.group(1), match.group(2),
                                'the last good checkpoint is ' + good[-1] if good else 'no checkpoint yet')
  )  # fmt: skip


def _sample_path(config, step):
  return os.path.join(config.run_dir, 'samples', '%d.%s' % (step, 'txt' if config.form == 'text' else 'png'))


def _write_samples(config, graph, session, writer, held_out, step):
  """Writes what the generator makes of the fixed latents as a file and to the event file."""
  if config.form == 'text':
    lines = data.decode_text(session.run(graph.samples).argmax(axis=2), config.vocabulary)
    content = ''.join(line + '\n' for line in lines).encode()
    summary = summaries.text('samples', content.decode())
  else:
    points = config.form == 'points'
    picture = pictures.points(graph, session, held_out) if points else pictures.grid(config, graph, session)
    content = images.encode_png(picture)
    height, width, channels = picture.shape
    image = tf.Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=content)
    summary = tf.Summary(value=[tf.Summary.Value(tag='samples', image=image)])
  with _writing(config.run_dir):
    data.write_file(_sample_path(config, step), content)
    writer.add_summary(summary, step)
