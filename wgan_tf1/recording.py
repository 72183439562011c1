"""Recorder: writes the files of a run while it trains. `trainer` is a `training.Trainer` everywhere."""

import contextlib
import os
import time
from typing import Any, Callable, Iterator, List, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1 import curve, files, images, networks, sampling, summaries
from wgan_tf1.data import batches
from wgan_tf1.errors import warn
from wgan_tf1.evaluation import protocol, small_classifier
from wgan_tf1.runs import checkpoints, directory
from wgan_tf1.runs.events import EventWriter


class Recorder:
  """Writes summaries, samples, checkpoints and evaluations when they are due."""

  def __init__(self, trainer: Any, saver: Any, writer: EventWriter):
    self._trainer = trainer
    self._config = trainer.config
    self._saver = saver
    self._writer = writer
    held_out = trainer.dataset.validation
    count = min(networks.SAMPLE_POINTS, len(held_out))
    self._held_out = batches.encode(trainer.config, held_out[np.arange(count)])
    self._evaluate = _evaluator(trainer)
    self._curve = curve.Curve(trainer.config, trainer.global_step)
    self._timed_step, self._timed_at = trainer.global_step, time.perf_counter()
    self._warned = False

  @property
  def fetches(self) -> List[Any]:
    """What every critic update of a run fetches, needed or not: TensorFlow takes 0.1 s to prepare other fetches."""
    graph = self._trainer.graph
    return [graph.scalars[graph.estimate], graph.fake_scores]

  def last_critic_update(self) -> float:
    """Makes the last critic update before a generator update, and adds its estimate to the curve.

    When due it adds the estimate on a batch of held-out samples too, by the same critic, before the update, and on the
    same fake samples: scores drift together from update to update. One batch is enough, because the critic changes
    more from step to step than a batch's mean does.

    Returns:
      The estimate.
    """
    trainer, graph = self._trainer, self._trainer.graph
    step, size = trainer.global_step + 1, self._config.batch_size
    due = step % curve.held_out_every(self._config) == 0
    if due:
      held_out = np.take(self._held_out, np.arange(size) + step * size, axis=0, mode='wrap')
      real_scores = trainer.session.run(graph.real_scores, {graph.real: held_out})
    estimate, fake_scores = trainer.critic_update(self.fetches, run=self.traced('critic'))
    self._curve.training.append((step, float(estimate)))
    if due:
      feed = {graph.real_scores: real_scores, graph.fake_scores: fake_scores}
      held_out_estimate = trainer.session.run(graph.scalars[graph.estimate], feed)
      self._curve.held_out.append((step, float(held_out_estimate)))
    if not self._warned and self._curve.critic_died():
      self._warned = True
      warn(
        'the critic gives every sample the same score: its estimate was exactly 0 for %d generator steps, so the '
        'generator no longer learns. Stop this run, and start another with a smaller --critic_learning_rate and '
        'another --run_dir' % curve.FILTER_STEPS
      )
    return float(estimate)

  def summarise(self) -> None:
    """Before a generator update: writes the summaries if they are due."""
    step, every = self._trainer.global_step + 1, self._config.summary_every_steps
    if step // every > self._timed_step // every:
      now = time.perf_counter()
      rate = (step - self._timed_step) / (now - self._timed_at)
      feed = self._trainer.feed()  # outside of `writing`: an error of the data is not one of the run directory
      with directory.writing(self._config.run_dir):
        summaries.write(self._trainer, self._writer, feed, self._held_out, step, rate)
      self._timed_step, self._timed_at = step, now

  def write_samples(self) -> None:
    """Writes the samples of the fixed latents to a file and to the event file."""
    if self._config.form == 'text':
      content = sampling.lines(self._trainer)
      summary = summaries.text('samples/generated', content.decode())
    else:
      points = self._config.form == 'points'
      picture = sampling.points(self._trainer, self._held_out) if points else sampling.grid(self._trainer)
      content = images.encode_png(picture)
      summary = summaries.image('samples/generated', picture.shape, content)
    with directory.writing(self._config.run_dir):
      files.write_file(directory.sample_path(self._config, self._trainer.global_step), content)
      self._writer.add_summary(summary, self._trainer.global_step)

  def write_real(self) -> None:
    """Writes as many real samples to the event file, to compare with; a plot of points has them already."""
    if self._config.form == 'points':
      return
    picture = sampling.real(self._config, self._trainer.dataset)
    if isinstance(picture, bytes):
      summary = summaries.text('samples/real', picture.decode())
    else:
      summary = summaries.image('samples/real', picture.shape, images.encode_png(picture))
    with directory.writing(self._config.run_dir):
      self._writer.add_summary(summary, self._trainer.global_step)

  def save(self, ends: bool = True) -> None:
    """Writes a checkpoint, unless a weight is not finite, and the curve up to it; `ends`: the process does, too."""
    self._trainer.session.run(self._trainer.graph.check_weights)
    try:
      with directory.writing(self._config.run_dir):
        self._curve.write()  # before the checkpoint: a kill between the two loses nothing of the curve
    finally:
      checkpoints.save(self._trainer.session, self._saver, self._config.run_dir, self._trainer.global_step)
    self._curve.draw(ends)

  def keep(self, before: int, last: bool, stopping: bool) -> None:
    """Writes samples, checkpoint and evaluation if they became due after step `before`.

    Args:
      before: generator steps when the last call was made.
      last: whether the run is at its end, where all of them are written.
      stopping: whether the run stops early, which needs a checkpoint.
    """
    config, step = self._config, self._trainer.global_step

    def due(every: int) -> bool:
      return last or step // every > before // every  # several processes together skip steps

    if due(config.sample_every_steps):
      self.write_samples()
    if due(config.save_every_steps) or stopping:
      with directory.writing(config.run_dir):
        self._writer.flush()  # or a kill would lose events that no later process writes again
      self.save(ends=last or stopping)
    if self._evaluate and due(config.evaluate_every_steps):
      rows = self._evaluate(self._trainer)
      with directory.writing(config.run_dir):
        protocol.record(config, step, rows, self._writer)

  def end(self) -> None:
    """Tells TensorBoard that the run is finished."""
    with directory.writing(self._config.run_dir):
      self._writer.add_summary(summaries.end(), self._trainer.global_step)

  def traced(self, name: str) -> Optional[Callable[..., Any]]:
    """Returns a function like `session.run` that leaves a trace, or None if the coming step is not to be traced.

    The trace of step `config.profile_step` is RUN_DIR/timeline-STEP-NAME.json, for Chrome's trace viewer, and run
    metadata in the event file, which TensorBoard's graph shows as a tagged run.
    """
    config, session, writer, step = self._config, self._trainer.session, self._writer, self._trainer.global_step + 1
    if step != config.profile_step:
      return None

    def run(fetches: Any, feed: Any = None) -> Any:
      from tensorflow.python.client import timeline  # few runs need it

      metadata = tf.RunMetadata()
      values = session.run(fetches, feed, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
      trace = timeline.Timeline(metadata.step_stats).generate_chrome_trace_format()
      with directory.writing(config.run_dir):
        writer.add_run_metadata(metadata, '%s-%d' % (name, step), step)
        files.write_file(os.path.join(config.run_dir, 'timeline-%d-%s.json' % (step, name)), trace.encode())
      return values

    return run


@contextlib.contextmanager
def recorder(trainer: Any, saver: Any) -> Iterator[Recorder]:
  """Writes config.json, and yields the `Recorder` of an event file that starts at the trainer's step."""
  config, step = trainer.config, trainer.global_step
  directory.write_config(config)
  with directory.writing(config.run_dir):
    writer = EventWriter(config.run_dir, trainer.session.graph)
  try:
    with directory.writing(config.run_dir):
      # What a killed process wrote after its last checkpoint is written again: TensorBoard drops the first copy.
      writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), step + 1 if step else 0)
      for summary in summaries.start(config):
        writer.add_summary(summary, step)
    records = Recorder(trainer, saver, writer)
    if step == 0:
      records.write_real()
    yield records
  finally:
    with directory.writing(config.run_dir):
      writer.close()


def _evaluator(trainer: Any) -> Optional[Callable[..., Any]]:
  """Returns what `protocol.evaluator` returns; None if the run is not to be evaluated."""
  config, dataset = trainer.config, trainer.dataset
  if not config.evaluate_every_steps:
    return None
  classifier = small_classifier.cached(dataset.name) if config.form == 'image' else None
  if config.form == 'image' and classifier is None:
    advice = 'To measure them, run evaluate.py --classifier_graph=FILE'
    if dataset.name in small_classifier.TRAININGS:
      advice = 'To train it, run evaluate.py --train_classifier --dataset=' + dataset.name
    warn('there is no classifier of %s, so the metrics that need one are left out. %s' % (dataset.name, advice))
  return protocol.evaluator(config, dataset, classifier=classifier)
