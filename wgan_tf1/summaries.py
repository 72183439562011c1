"""What TensorBoard shows of a run: its settings, how its charts are laid out, its scalars and histograms."""

import dataclasses
from typing import Any, Dict, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalars
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams

from wgan_tf1 import config as configs
from wgan_tf1 import sampling
from wgan_tf1.config import Config
from wgan_tf1.runs.events import EventWriter

HISTOGRAMS_EVERY = 5  # summaries: they cost three times as much as all the rest
# Settings that do not affect the weights, or that the data decide.
_NOT_HPARAMS = configs.CHANGEABLE | configs.FROM_DATA


def start(config: Config, estimate: str) -> List[Any]:
  """Returns the summaries that open a run: its text, its line in the HParams tab, its charts in Custom Scalars.

  Args:
    config: the run.
    estimate: `graph.Graph.estimate`.
  """
  settings = {name: value for name, value in dataclasses.asdict(config).items() if value is not None}
  settings = {name: value for name, value in settings.items() if name not in _NOT_HPARAMS}
  layout = custom_scalars.pb(_layout(estimate))
  return [text('config', configs.to_json(config)), hparams.session_start_pb(settings), layout]


def end() -> Any:
  """Returns the summary that tells the HParams tab that a run is finished."""
  return hparams.session_end_pb(api_pb2.STATUS_SUCCESS)


def _layout(estimate: str) -> Any:
  """Lays out charts that show related scalars together. Tags are regular expressions."""
  charts = {
    'training and held-out estimate': ['^%s$' % estimate, '^validation/%s$' % estimate],
    'losses': ['^critic_loss$', '^generator_loss$'],
    'constraint': ['^gradient_norm/', '^clip/'],
  }
  shown = [
    layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
    for title, tags in charts.items()
  ]
  return layout_pb2.Layout(category=[layout_pb2.Category(title='run', chart=shown)])


def text(tag: str, content: str) -> Any:
  """Returns the summary of a text that TensorBoard shows as it is."""
  plugin = tf.SummaryMetadata.PluginData(plugin_name='text')
  markdown = ''.join('    %s\n' % line for line in content.splitlines())  # indented: not read as Markdown
  tensor = tf.make_tensor_proto(markdown, tf.string)
  value = tf.Summary.Value(tag=tag, metadata=tf.SummaryMetadata(plugin_data=plugin), tensor=tensor)
  return tf.Summary(value=[value])


def image(tag: str, shape: Sequence[int], png: bytes) -> Any:
  """Returns the summary of an image of shape (H, W, C)."""
  height, width, channels = shape
  shown = tf.Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png)
  return tf.Summary(value=[tf.Summary.Value(tag=tag, image=shown)])


def write(
  model: sampling.Model,
  writer: EventWriter,
  feed: Dict[Any, Any],
  held_out: np.ndarray,
  step: int,
  steps_per_second: float,
) -> None:
  """Writes the scalars, and at every `HISTOGRAMS_EVERY`-th call the histograms.

  It is called between the critic updates and the generator update of `step`. So the scalars describe the critic that
  the generator is about to follow, on the latents of that update and the real samples of the next critic update. After
  the generator update the critic's estimate would say little, because the generator has just moved against it.

  Args:
    model: the run in training.
    writer: the run's event file.
    feed: of the critic update to come.
    held_out: float32 [N, ...], held-out samples.
    step: number of the generator update to come; the first is 1.
    steps_per_second: generator updates a second.
  """
  config, graph, session = model.config, model.graph, model.session
  fetches: Dict[str, Any] = {'scalars': graph.scalars, 'fake_scores': graph.fake_scores}
  if step % (config.summary_every_steps * HISTOGRAMS_EVERY) == 0:
    fetches['histograms'] = graph.histograms
  values = session.run(fetches, feed)
  scalars = dict(values['scalars'], steps_per_second=steps_per_second)
  # In batches of the training's size, because batch norm depends on the batch, and large images fill the memory.
  chunks = [held_out[i : i + config.batch_size] for i in range(0, len(held_out), config.batch_size)]
  held_out_scores = np.concatenate([session.run(graph.real_scores, {graph.real: chunk}) for chunk in chunks])
  scalars['validation/' + graph.estimate] = session.run(
    graph.scalars[graph.estimate], {graph.real_scores: held_out_scores, graph.fake_scores: values['fake_scores']}
  )
  writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag=t, simple_value=v) for t, v in scalars.items()]), step)
  if 'histograms' in values:
    writer.add_summary(values['histograms'], step)
  writer.flush()
