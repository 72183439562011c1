"""What TensorBoard shows of a run: its settings, how its charts are laid out, its scalars and histograms."""

import dataclasses

import numpy as np
import tensorflow.compat.v1 as tf
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalars
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams

from wgan_tf1 import config as configs

HISTOGRAMS_EVERY = 5  # summaries: they cost three times as much as all the rest
# Settings that say nothing of how a run was trained.
_NOT_HPARAMS = configs.CHANGEABLE | configs.FROM_DATA


def start(config, estimate):
  """Returns the summaries that open a run: its text, its line in the HParams tab, its charts in Custom Scalars.

  Args:
    config: a `config.Config`.
    estimate: `graph.Graph.estimate`.
  """
  settings = {name: value for name, value in dataclasses.asdict(config).items() if value is not None}
  settings = {name: value for name, value in settings.items() if name not in _NOT_HPARAMS}
  return [
    text('config', configs.to_json(config)), hparams.session_start_pb(settings), custom_scalars.pb(_layout(estimate)),
  ]  # fmt: skip


def end():
  """Returns the summary that tells the HParams tab that a run came to its end."""
  return hparams.session_end_pb(api_pb2.STATUS_SUCCESS)


def _layout(estimate):
  """Charts that overlay what belongs together; the tags are regular expressions."""
  charts = {
    'training and held-out estimate': ['^%s$' % estimate, '^validation/%s$' % estimate],
    'losses': ['^critic_loss$', '^generator_loss$'],
    'constraint': ['^gradient_norm/', '^clip/'],
  }
  return layout_pb2.Layout(category=[layout_pb2.Category(title='run', chart=[
    layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
    for title, tags in charts.items()
  ])])  # fmt: skip


def text(tag, content):
  plugin = tf.SummaryMetadata.PluginData(plugin_name='text')
  markdown = ''.join('    %s\n' % line for line in content.splitlines())  # indented: shown as it is
  return tf.Summary(value=[tf.Summary.Value(
    tag=tag, metadata=tf.SummaryMetadata(plugin_data=plugin), tensor=tf.make_tensor_proto(markdown, tf.string)
  )])  # fmt: skip


def write(config, graph, session, writer, feed, held_out, step, steps_per_second):
  """Writes the scalars, and at every `HISTOGRAMS_EVERY`-th time the histograms.

  Called between the critic updates and the generator update of `step`: of the critic that the generator is about to
  follow, on the latents that it is about to use and the real samples of the critic update to come.
  After the generator update the same critic's estimate would say little: the generator has just moved against it.

  Args:
    config: the run's `config.Config`.
    graph: a `graph.Graph`.
    session: the session that trains it.
    writer: an `events.EventWriter`.
    feed: the critic's, of the batch to come.
    held_out: float32 [N, ...], held-out samples.
    step: the generator update about to be made, counted from 1.
    steps_per_second: generator updates a second, to be written among the rest.
  """
  fetches = {'scalars': graph.scalars, 'fake_scores': graph.fake_scores}
  if step % (config.summary_every_steps * HISTOGRAMS_EVERY) == 0:
    fetches['histograms'] = graph.histograms
  values = session.run(fetches, feed)
  scalars = dict(values['scalars'], steps_per_second=steps_per_second)
  # In batches, as in training: batch norm looks at all of one, and large images fill the memory.
  chunks = [held_out[i : i + config.batch_size] for i in range(0, len(held_out), config.batch_size)]
  held_out_scores = np.concatenate([session.run(graph.real_scores, {graph.real: chunk}) for chunk in chunks])
  scalars['validation/' + graph.estimate] = session.run(
    graph.scalars[graph.estimate], {graph.real_scores: held_out_scores, graph.fake_scores: values['fake_scores']}
  )
  summaries = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
  writer.add_summary(tf.Summary(value=summaries), step)
  if 'histograms' in values:
    writer.add_summary(values['histograms'], step)
  writer.flush()
