"""What a trained run makes of latents: samples as people see them, a plot of points, a model to serve."""

import os
import tempfile

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import saved_model_pb2

from wgan_tf1 import UserError
from wgan_tf1 import checkpoints
from wgan_tf1 import data
from wgan_tf1 import images
from wgan_tf1 import pictures
from wgan_tf1 import text_files
from wgan_tf1 import training
from wgan_tf1.config import sample_classes
from wgan_tf1.graph import build_graph
from wgan_tf1.models import build_sampler

BATCH_SIZE = 64  # samples generated at once, however many are asked for


def generate(config, latents, labels=None, checkpoint_step=None):
  """Draws images or lines from a run.

  Args:
    config: a `config.Config` as a run directory has it, of images or of text.
    latents: float [N, Z].
    labels: int [N], the classes of a class-conditional run; else None.
    checkpoint_step: generator step to draw at; None is the newest.

  Returns:
    (generator step, list of N samples: uint8 [H, W, C], or str).

  Raises:
    UserError: if there is no such checkpoint, or it cannot be read.
  """
  with tf.Graph().as_default(), tf.Session() as session:
    sampler = build_sampler(config)
    step = _restore(session, tf.train.Saver(sampler.variables), config, checkpoint_step)
    samples = []
    for i in range(0, len(latents), BATCH_SIZE):
      feed = {sampler.latents: latents[i : i + BATCH_SIZE]}
      if sampler.labels is not None:
        feed[sampler.labels] = labels[i : i + BATCH_SIZE]
      batch = session.run(sampler.samples, feed)
      if config.form == 'text':
        samples += data.decode_text(batch.argmax(axis=2), config.vocabulary)
      else:
        samples += list(images.to_uint8(batch, config.pixel_minimum))
  return step, samples


def plot_points(config, latents, checkpoint_step=None):
  """Plots a run's points and held-out real ones over the critic's level lines.

  Args:
    config: a `config.Config` as a run directory has it, of points.
    latents: float [N, 2].
    checkpoint_step: generator step to draw at; None is the newest.

  Returns:
    (generator step, uint8 [H, W, 3]).

  Raises:
    UserError: if there is no such checkpoint, or it cannot be read.
  """
  held_out = data.load(config).validation
  # A fixed generator adds each latent to a real point of its own.
  count = len(latents) if config.fixed_generator else training.VALIDATION_SAMPLES
  real = data.encode(config, held_out[np.arange(count) % len(held_out)])
  with tf.Graph().as_default(), tf.Session() as session:
    graph = build_graph(config)
    variables = tf.global_variables('generator/') + tf.global_variables('critic/') + [graph.global_step]
    step = _restore(session, tf.train.Saver(variables), config, checkpoint_step)
    return step, pictures.points(graph, session, real, latents)


def export(config, path, checkpoint_step=None):
  """Writes the generator alone, with the weights that samples are drawn by, as a SavedModel.

  Its signature `serving_default` takes `latents`, float32 [N, Z], and of a class-conditional run `labels`, int32
  [N], and returns one of `images`, uint8 [N, H, W, C]; `text`, string [N] of UTF-8; `points`, float32 [N, 2].

  Args:
    config: a `config.Config` as a run directory has it.
    path: directory to write; not there yet, or empty. It comes to be whole or not at all.
    checkpoint_step: generator step to take the weights of; None is the newest.

  Returns:
    The generator step.

  Raises:
    UserError: if there is no such checkpoint, it cannot be read, or `path` cannot be written.
  """
  path = os.path.realpath(path)
  with tf.Graph().as_default(), tf.Session() as session:
    sampler = build_sampler(config)
    step = _restore(session, tf.train.Saver(sampler.variables), config, checkpoint_step)
    inputs = {'latents': sampler.latents}
    if sampler.labels is not None:
      inputs['labels'] = sampler.labels
    signatures = {'serving_default': tf.saved_model.predict_signature_def(inputs, _served(config, sampler))}
    try:
      os.makedirs(os.path.dirname(path), exist_ok=True)
      prefix = '.%s.' % os.path.basename(path)
      with tempfile.TemporaryDirectory(prefix=prefix, dir=os.path.dirname(path)) as temporary:
        written = os.path.join(temporary, 'model')  # TensorFlow's own, as `temporary` is closed to other users
        builder = tf.saved_model.Builder(written)
        builder.add_meta_graph_and_variables(
          session, [tf.saved_model.SERVING], signatures, clear_devices=True, strip_default_attrs=True
        )
        _make_portable(builder.save())
        os.rename(written, path)
    except (OSError, tf.errors.OpError) as e:
      raise UserError('export=%s cannot be written: %s' % (path, str(getattr(e, 'message', e)).split('\n')[0]))
  return step


def _restore(session, saver, config, checkpoint_step):
  """Restores a checkpoint, and returns its generator step."""
  if not checkpoints.restore(session, saver, config.run_dir, checkpoint_step):
    raise UserError('%s has no checkpoint yet: train it for longer' % config.run_dir)
  return int(tf.train.load_variable(saver.last_checkpoints[-1], 'global_step'))


def _make_portable(path):
  """Takes out of a saved_model.pb what a process without this package, or TensorFlow 1.15, has no use for.

  TensorFlow 2 writes a name at every variable that 1.15 refuses; `precision` names gradients that only it has.
  """
  with open(path, 'rb') as f:
    model = saved_model_pb2.SavedModel.FromString(f.read())
  for node in model.meta_graphs[0].graph_def.node:
    for name in ('debug_name', '_gradient_op_type'):
      node.attr.pop(name, None)
  with open(path, 'wb') as f:
    f.write(model.SerializeToString())


def _served(config, sampler):
  """Returns {name: tensor} of what `images.to_uint8` and `data.decode_text` make of the samples, in TensorFlow."""
  samples = sampler.samples
  if sampler.labels is not None:
    known = tf.reduce_any(tf.equal(sampler.labels[:, None], sample_classes(config)), axis=1)
    # The raw op: tf.Assert would wrap it in a conditional, of a kind that TensorFlow 1 and 2 write differently.
    message = 'labels must be among %s, which the model was trained on' % (sample_classes(config),)
    check = tf.raw_ops.Assert(condition=tf.reduce_all(known), data=[message, sampler.labels])
    with tf.control_dependencies([check]):
      samples = tf.identity(samples)
  if config.form == 'image':
    levels = tf.rint((samples - config.pixel_minimum) * (255 / (1 - config.pixel_minimum)))
    return {'images': tf.cast(tf.clip_by_value(levels, 0, 255), tf.uint8)}
  if config.form == 'text':
    characters = tf.gather([c.encode() for c in config.vocabulary], tf.argmax(samples, axis=2))
    lines = tf.strings.regex_replace(tf.strings.reduce_join(characters, axis=1), text_files.PADDING + r'+\z', '')
    return {'text': tf.strings.regex_replace(lines, text_files.PADDING, '\u00b6')}
  return {'points': samples}
