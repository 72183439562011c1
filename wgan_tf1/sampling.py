"""What a run makes of latents: samples as people see them, plots of points, a model to serve."""

import contextlib
import os
import tempfile
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import saved_model_pb2

from wgan_tf1 import files, images, networks
from wgan_tf1.classes import sample_classes
from wgan_tf1.config import Config
from wgan_tf1.data import batches, datasets, text
from wgan_tf1.errors import UserError
from wgan_tf1.graph import Graph, build_graph
from wgan_tf1.kernels import devices, precision
from wgan_tf1.latents import BATCH_SIZE
from wgan_tf1.progress import progress
from wgan_tf1.runs import checkpoints, directory


class Model:
  """A run's whole graph, in a session that has values for its variables."""

  def __init__(self, config: Config, graph: Graph, session: Any):
    self.config = config
    self.graph = graph
    self.session = session

  def critic_feed(self, real: np.ndarray, labels: Optional[np.ndarray] = None) -> Dict[Any, Any]:
    """Returns the feed by which the critic scores real samples, and as many fake ones.

    Args:
      real: float32 [N, ...].
      labels: int32 [N]: fake samples are of the classes of the real ones, as in the WGAN-GP code. None if the networks
        are not class-conditional.
    """
    feed = {self.graph.real: real, self.graph.fake_count: len(real)}
    if self.graph.labels is not None:
      feed.update({self.graph.real_labels: labels, self.graph.labels: labels})
    return feed


@contextlib.contextmanager
def restored(config: Config, checkpoint_step: Optional[int] = None) -> Iterator[Tuple[Model, int]]:
  """Yields a trained run's (`Model`, generator step).

  Args:
    config: as a run directory has it.
    checkpoint_step: generator step to restore; None is the newest.

  Raises:
    UserError: if there is no such checkpoint, or it cannot be read.
  """
  with tf.Graph().as_default(), _session(config) as session:
    graph = build_graph(config)
    variables = tf.global_variables('generator/') + tf.global_variables('critic/') + [graph.global_step]
    step = _restore(session, tf.train.Saver(variables + [graph.critic_step]), config, checkpoint_step)
    yield Model(config, graph, session), step


class Sampler(NamedTuple):
  """A generator alone, as a trained run samples from it."""

  latents: Any  # float32 [N, Z], placeholder
  labels: Any  # int32 [N], placeholder, for class-conditional networks; else None
  samples: Any  # float32 [N, ...], by the moving averages
  variables: Dict[str, Any]  # name in a checkpoint -> variable


def build_sampler(config: Config) -> Sampler:
  """Adds a run's generator, for sampling alone, to the default graph.

  Args:
    config: as a run directory has it.
  """
  generate, _ = networks.networks_of(config)
  latents = tf.placeholder(tf.float32, [None, config.latent_size], 'latents')
  labels = tf.placeholder(tf.int32, [None], 'labels') if config.class_count else None
  samples = generate(latents, labels, training=False)
  variables = {v.op.name: v for v in tf.global_variables()}
  if config.ema_decay:
    averages = tf.train.ExponentialMovingAverage(config.ema_decay)
    variables.update({averages.average_name(v): v for v in tf.trainable_variables()})
    for v in tf.trainable_variables():
      del variables[v.op.name]
  return Sampler(latents, labels, samples, variables)


def to_uint8(config: Config, samples: np.ndarray) -> np.ndarray:
  """Returns uint8 [N, H, W, C] of a generator's images, float [N, H, W, C]."""
  assert config.pixel_minimum is not None  # every Config of images has one
  return images.to_uint8(samples, config.pixel_minimum, config.dequantize)


def grid(model: Model) -> np.ndarray:
  """Draws the samples of a run's fixed latents in 8 rows, with a column for each class if there are classes.

  Returns:
    uint8 [H, W, C].
  """
  samples = to_uint8(model.config, model.session.run(model.graph.samples))
  return images.grid(samples, columns=len(samples) // networks.SAMPLE_ROWS)


def real(config: Config, dataset: datasets.Dataset) -> Union[np.ndarray, bytes]:
  """Draws as many real samples as a run has fixed latents, in the form of its own.

  Args:
    config: of images or text.
    dataset: its data.

  Returns:
    What `grid` returns of images, what `lines` returns of text.
  """
  count = networks.sample_count(config)
  raw = dataset.train[np.arange(count) % len(dataset.train)]
  if config.form == 'text':
    return _as_lines(raw, config)
  return images.grid(raw, columns=count // networks.SAMPLE_ROWS)


def points(model: Model, real: np.ndarray, latents: Optional[np.ndarray] = None) -> np.ndarray:
  """Draws real and generated points over the critic's level lines, as in WGAN-GP (1704.00028) figure 1.

  Args:
    model: of points.
    real: float32 [N, 2].
    latents: float32 [N, Z]; None is the run's fixed ones.

  Returns:
    uint8 [H, W, 3].
  """
  graph, session = model.graph, model.session
  feed = {graph.real: real}
  if latents is not None:
    feed[graph.sample_latents] = latents
  fake = session.run(graph.samples, feed)
  axis = np.linspace(-1.4, 1.4, 100, dtype=np.float32) * np.abs(real).max()
  scores = session.run(graph.real_scores, {graph.real: np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)})
  return images.plot_points(real, fake, axis, scores.reshape(100, 100))


def lines(model: Model) -> bytes:
  """Returns a run's samples of its fixed latents as lines of UTF-8 text."""
  return _as_lines(model.session.run(model.graph.samples).argmax(axis=2), model.config)


def _as_lines(tokens: np.ndarray, config: Config) -> bytes:
  assert config.vocabulary is not None  # a text's Config has one once its data are loaded
  return ''.join(line + '\n' for line in text.decode_text(tokens, config.vocabulary)).encode()


def plot_points(config: Config, latents: np.ndarray, checkpoint_step: Optional[int] = None) -> Tuple[int, np.ndarray]:
  """Plots a trained run's points and held-out real ones over the critic's level lines.

  Args:
    config: as a run directory has it, of points.
    latents: float [N, 2].
    checkpoint_step: generator step to draw at; None is the newest.

  Returns:
    (generator step, uint8 [H, W, 3]).

  Raises:
    UserError: if there is no such checkpoint, or it cannot be read.
  """
  held_out = datasets.load(config).validation
  # A fixed generator adds each latent to another real point.
  count = len(latents) if config.fixed_generator else networks.SAMPLE_POINTS
  real = batches.encode(config, held_out[np.arange(count) % len(held_out)])
  with restored(config, checkpoint_step) as (model, step):
    return step, points(model, real, latents)


@contextlib.contextmanager
def generator(config: Config, checkpoint_step: Optional[int] = None) -> Iterator[Tuple[int, Callable[..., Any]]]:
  """Yields (generator step, draw) of a run, where draw(latents, labels) returns samples.

  `draw` takes latents, float [N, Z], of which at most `BATCH_SIZE` are used at once, and labels, int [N], the classes
  of a class-conditional run, else None. It returns uint8 [N, H, W, C] of images, a list of N str of text, float32
  [N, 2] of points.

  Args:
    config: as a run directory has it.
    checkpoint_step: generator step to draw at; None is the newest.

  Raises:
    UserError: if there is no such checkpoint, or it cannot be read.
  """
  with tf.Graph().as_default(), _session(config) as session:
    sampler = build_sampler(config)
    step = _restore(session, tf.train.Saver(sampler.variables), config, checkpoint_step)

    def run(latents: np.ndarray, labels: Optional[Sequence[int]]) -> Any:
      feed: Dict[Any, Any] = {sampler.latents: latents}
      if sampler.labels is not None:
        feed[sampler.labels] = labels
      batch = session.run(sampler.samples, feed)
      if config.form == 'text':
        return text.decode_text(batch.argmax(axis=2), config.vocabulary)
      return to_uint8(config, batch) if config.form == 'image' else batch

    def draw(latents: np.ndarray, labels: Optional[Sequence[int]] = None) -> Any:
      parts = [slice(i, i + BATCH_SIZE) for i in range(0, len(latents), BATCH_SIZE)]
      drawn = [run(latents[part], None if labels is None else labels[part]) for part in parts]
      return [line for lines in drawn for line in lines] if config.form == 'text' else np.concatenate(drawn)

    yield step, draw


def generate(
  config: Config, latents: np.ndarray, labels: Optional[Sequence[int]] = None, checkpoint_step: Optional[int] = None
) -> Tuple[int, Any]:
  """Draws samples of a run, all at once.

  Args:
    config: as a run directory has it.
    latents: float [N, Z].
    labels: int [N], the classes of a class-conditional run; else None.
    checkpoint_step: generator step to draw at; None is the newest.

  Returns:
    (generator step, N samples: see `generator`).

  Raises:
    UserError: if there is no such checkpoint, or it cannot be read.
  """
  with generator(config, checkpoint_step) as (step, draw):
    return step, draw(latents, labels)


def export(config: Config, path: str, checkpoint_step: Optional[int] = None) -> int:
  """Writes the generator alone, with the weights that samples are drawn by, as a SavedModel.

  Its signature `serving_default` takes `latents`, float32 [N, Z], and of a class-conditional run `labels`, int32
  [N], and returns one of `images`, uint8 [N, H, W, C]; `text`, string [N] of UTF-8; `points`, float32 [N, 2].

  Args:
    config: as a run directory has it.
    path: directory to write, new or empty. It is written whole or not at all.
    checkpoint_step: generator step to take the weights of; None is the newest.

  Returns:
    The generator step.

  Raises:
    UserError: if there is no such checkpoint, it cannot be read, or `path` cannot be written.
  """
  path = os.path.realpath(path)
  with tf.Graph().as_default(), _session(config) as session, progress('exporting', 3, 'stages') as advance:
    sampler = build_sampler(config)
    inputs = {'latents': sampler.latents}
    if sampler.labels is not None:
      inputs['labels'] = sampler.labels
    signatures = {'serving_default': tf.saved_model.predict_signature_def(inputs, _served(config, sampler))}
    advance(1)
    step = _restore(session, tf.train.Saver(sampler.variables), config, checkpoint_step)
    advance(1)
    try:
      os.makedirs(os.path.dirname(path), exist_ok=True)
      prefix = '.%s.' % os.path.basename(path)
      with tempfile.TemporaryDirectory(prefix=prefix, dir=os.path.dirname(path)) as temporary:
        written = os.path.join(temporary, 'model')  # TensorFlow's own, as `temporary` is closed to other users
        with files.plain_folder(temporary) as folder:
          builder = tf.saved_model.Builder(os.path.join(folder, 'model'))
          builder.add_meta_graph_and_variables(
            session, [tf.saved_model.SERVING], signatures, clear_devices=True, strip_default_attrs=True
          )
          _make_portable(os.fsdecode(builder.save()))
        if os.path.isdir(path):  # empty: Windows does not rename onto it
          os.rmdir(path)
        os.rename(written, path)
    except (OSError, tf.errors.OpError) as e:
      reason = str(getattr(e, 'message', e)).split('\n')[0]
      raise UserError('export=%s cannot be written: %s. Use another --export' % (path, reason)) from e
    advance(1)
  return step


def _session(config: Config) -> Any:
  """Returns a `tf.Session` of the default graph, for a run's networks: of a GPU it takes no more than the run does.

  Raises:
    UserError: if this TensorFlow lacks the operations of the run's precision.
  """
  precision.check_version(config.precision)
  return tf.Session(config=devices.session_options(config))


def _restore(session: Any, saver: Any, config: Config, checkpoint_step: Optional[int]) -> int:
  """Restores a checkpoint; returns its generator step."""
  directory.existing_step(config.run_dir, checkpoint_step)
  checkpoints.restore(session, saver, config.run_dir, checkpoint_step)
  return checkpoints.step_of(saver.last_checkpoints[-1])


def _make_portable(path: str) -> None:
  """Removes from a saved_model.pb what TensorFlow 1.15, or a process without this package, cannot read.

  TensorFlow 2 writes a debug name at every variable, which 1.15 refuses; `precision` names gradients of this package.
  """
  with open(path, 'rb') as f:
    model = saved_model_pb2.SavedModel.FromString(f.read())
  for node in model.meta_graphs[0].graph_def.node:
    for name in ('debug_name', '_gradient_op_type'):
      node.attr.pop(name, None)
  with open(path, 'wb') as f:
    f.write(model.SerializeToString())


def _served(config: Config, sampler: Sampler) -> Dict[str, Any]:
  """Returns {name: tensor} of what `images.to_uint8` and `text.decode_text` make of the samples, in TensorFlow."""
  samples = sampler.samples
  if sampler.labels is not None:
    known = tf.reduce_any(tf.equal(sampler.labels[:, None], sample_classes(config)), axis=1)
    # The raw op: tf.Assert would wrap it in a conditional, of a kind that TensorFlow 1 and 2 write differently.
    message = 'labels must be among %s, the classes that the model was trained on' % (sample_classes(config),)
    check = tf.raw_ops.Assert(condition=tf.reduce_all(known), data=[message, sampler.labels])
    with tf.control_dependencies([check]):
      samples = tf.identity(samples)
  if config.form == 'image':
    white = 1 - config.pixel_minimum
    from_black = samples - config.pixel_minimum
    levels = tf.floor(from_black * (256 / white)) if config.dequantize else tf.round(from_black * (255 / white))
    return {'images': tf.cast(tf.clip_by_value(levels, 0, 255), tf.uint8)}
  if config.form == 'text':
    characters = tf.gather([c.encode() for c in config.vocabulary], tf.argmax(samples, axis=2))
    lines = tf.strings.regex_replace(tf.strings.reduce_join(characters, axis=1), text.PADDING + r'+\z', '')
    return {'text': tf.strings.regex_replace(lines, text.PADDING, '\u00b6')}
  return {'points': samples}
