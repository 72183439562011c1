"""What TensorBoard shows of a run: its settings, how its charts are laid out, its scalars, histograms and samples."""

import dataclasses
from typing import Any, Dict, List, NamedTuple, Sequence

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


class Scalar(NamedTuple):
  """How TensorBoard shows a scalar."""

  tag: str  # its group, a slash, its name in the group
  title: str
  meaning: str  # Markdown


_DISTANCE = 'Wasserstein: mean f(real) - mean f(fake) of the critic f: WGAN equation 3. It falls as samples improve.'
_DIVERGENCE = 'JS: log 2 + (mean log D(real) + mean log(1 - D(fake))) / 2, in nats: WGAN figure 4. At most log 2.'
_TRAINING, _HELD_OUT = ' One training batch.', ' Samples that are not trained on.'

# Name in `graph.Graph.scalars` -> how it is shown. If runs have different titles of a tag, TensorBoard shows none.
SCALARS = {
  'wasserstein_estimate': Scalar('estimate/train', 'estimate, training', _DISTANCE + _TRAINING),
  'js_estimate': Scalar('estimate/train', 'estimate, training', _DIVERGENCE + _TRAINING),
  'held_out/wasserstein_estimate': Scalar('estimate/held_out', 'estimate, held out', _DISTANCE + _HELD_OUT),
  'held_out/js_estimate': Scalar('estimate/held_out', 'estimate, held out', _DIVERGENCE + _HELD_OUT),
  'critic_loss': Scalar('loss/critic', "critic's loss", 'What the critic minimises, the penalty included.'),
  'generator_loss': Scalar('loss/generator', "generator's loss", 'It means nothing by itself.'),
  'class_loss/real': Scalar('loss/class_real', 'class loss, real', 'mean -log P(label) of real samples.'),
  'class_loss/fake': Scalar('loss/class_fake', 'class loss, fake', 'mean -log P(label) of generated samples.'),
  'critic/real_score': Scalar('critic/real_score', 'mean score, real', 'mean f(real).'),
  'critic/fake_score': Scalar('critic/fake_score', 'mean score, fake', 'mean f(fake).'),
  'class_accuracy/real': Scalar('critic/class_accuracy_real', 'class accuracy, real', 'Share of right labels.'),
  'class_accuracy/fake': Scalar('critic/class_accuracy_fake', 'class accuracy, fake', 'Share of right labels.'),
  'clip/share_at_bound': Scalar(
    'constraint/share_at_bound', 'share of weights at the bound', "Of the critic's weights, those at -c or c: 0 to 1."),
  'gradient_penalty': Scalar(
    'constraint/gradient_penalty', 'gradient penalty', 'mean (norm - 1)^2, without its weight: WGAN-GP equation 3.'),
  'gradient_norm/mean': Scalar(
    'constraint/gradient_norm_mean', 'mean gradient norm', 'Of the critic, between real and fake samples. Ideally 1.'),
  'gradient_norm/maximum': Scalar(
    'constraint/gradient_norm_maximum', 'largest gradient norm', 'Of the critic, between real and fake samples.'),
  'learning_rate/critic': Scalar('learning_rate/critic', "critic's learning rate", 'Of the next critic update.'),
  'learning_rate/generator': Scalar(
    'learning_rate/generator', "generator's learning rate", 'Of the next generator update.'),
  'steps_per_second': Scalar(
    'speed/generator_steps_per_second', 'generator steps per second', 'With their critic updates.'),
}  # fmt: skip

# Columns of the HParams tab. TensorBoard ticks the first five.
_METRICS = (
  'estimate/train', 'estimate/held_out', 'evaluation/frechet_distance', 'evaluation/inception_score',
  'evaluation/earth_movers_distance', 'loss/critic', 'loss/generator', 'speed/generator_steps_per_second',
)  # fmt: skip


def start(config: Config) -> List[Any]:
  """Returns the summaries that open a run: its text, its line in the HParams tab, its charts in Custom Scalars."""
  settings = {name: value for name, value in dataclasses.asdict(config).items() if value is not None}
  settings = {name: value for name, value in settings.items() if name not in _NOT_HPARAMS}
  layout = custom_scalars.pb(_layout(config))
  return [text('config', configs.to_json(config)), _experiment(), hparams.session_start_pb(settings), layout]


def end() -> Any:
  """Returns the summary that tells the HParams tab that a run is finished."""
  return hparams.session_end_pb(api_pb2.STATUS_SUCCESS)


def _experiment() -> Any:
  """Returns the columns of the HParams tab, the same for every run: TensorBoard uses those of any run for all."""
  names = [field.name for field in dataclasses.fields(Config) if field.name not in _NOT_HPARAMS]
  first = ['variant', 'preset']
  types = {field.name: str(field.type) for field in dataclasses.fields(Config)}
  infos = []
  for name in sorted(names, key=lambda n: (n not in first, names.index(n))):
    kind = 'STRING' if 'str' in types[name] else 'BOOL' if 'bool' in types[name] else 'FLOAT64'
    info = api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value('DATA_TYPE_' + kind))
    choices = [False, True] if kind == 'BOOL' else configs.FIELDS[name]['choices']
    if choices:
      info.domain_discrete.extend(choices)
    if name in first and 'differs' in info.DESCRIPTOR.fields_by_name:
      info.differs = True  # newer TensorBoards sort the columns by this, then by name
    infos.append(info)
  metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in _METRICS]
  return hparams.experiment_pb(infos, metrics)


def _layout(config: Config) -> Any:
  """Lays out charts that show related scalars together, in the order of `SCALARS`. Tags are regular expressions.

  TensorBoard joins the layouts of all runs, group by group, and shows equal charts once. So a title has the same tags
  in all runs, and every run has all groups, even empty ones: otherwise those of another run would come last.
  """
  groups: Dict[str, Dict[str, List[str]]] = {
    'estimate': {'estimate, training and held out': ['^estimate/train$', '^estimate/held_out$']},
    'loss': {"critic's loss": ['^loss/critic$'], "generator's loss": ['^loss/generator$']},
    'critic': {"critic's mean scores": ['^critic/real_score$', '^critic/fake_score$']},
    'constraint': {},
    'learning_rate': {'learning rates': ['^learning_rate/']},
    'speed': {'generator steps per second': ['^speed/generator_steps_per_second$']},
    'evaluation': {},
  }
  if config.variant == 'clip':
    groups['constraint']['share of weights at the bound'] = ['^constraint/share_at_bound$']
  if config.variant == 'gp':
    groups['constraint']['gradient norm, mean and largest'] = ['^constraint/gradient_norm_']
  if config.evaluate_every_steps and config.form == 'text':
    groups['evaluation']['n-gram divergences, and their floors'] = ['^evaluation/ngram_divergence_']
  elif config.evaluate_every_steps:
    groups['evaluation']["earth mover's distance, and its floor"] = ['^evaluation/earth_movers_distance']
    if config.form == 'image':
      groups['evaluation']['Frechet distance, and its floor'] = ['^evaluation/frechet_distance']
  categories = []
  for group, charts in groups.items():
    shown = [
      layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
      for title, tags in charts.items()
    ]
    categories.append(layout_pb2.Category(title=group, chart=shown))
  return layout_pb2.Layout(category=categories)


def scalar(tag: str, value: float, title: str, meaning: str) -> Any:
  """Returns the value of a summary: a scalar that TensorBoard shows with a title and, in a tooltip, its meaning."""
  plugin = tf.SummaryMetadata.PluginData(plugin_name='scalars')
  metadata = tf.SummaryMetadata(display_name=title, summary_description=meaning, plugin_data=plugin)
  if 'data_class' in metadata.DESCRIPTOR.fields_by_name:  # TensorFlow 1.15 has no such field
    metadata.data_class = 1  # a scalar: without it TensorBoard's fast loader drops the title and the description
  return tf.Summary.Value(tag=tag, simple_value=value, metadata=metadata)


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
  # In pieces, because large images fill the memory; of about the training's batch size, because batch norm depends on
  # it; and equal, because batch norm turns a remainder of one sample into zeros.
  chunks = np.array_split(held_out, -(-len(held_out) // config.batch_size))
  held_out_scores = np.concatenate([session.run(graph.real_scores, {graph.real: chunk}) for chunk in chunks])
  scalars['held_out/' + graph.estimate] = session.run(
    graph.scalars[graph.estimate], {graph.real_scores: held_out_scores, graph.fake_scores: values['fake_scores']}
  )
  shown = [scalar(SCALARS[name].tag, value, *SCALARS[name][1:]) for name, value in scalars.items()]
  writer.add_summary(tf.Summary(value=shown), step)
  if 'histograms' in values:
    writer.add_summary(values['histograms'], step)
  writer.flush()
