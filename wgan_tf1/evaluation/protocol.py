"""One protocol for all evaluations: how the samples are drawn, and what is recorded of a run."""

import contextlib
import functools
import json
import os
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from wgan_tf1 import files, sampling, summaries
from wgan_tf1.classes import sample_classes
from wgan_tf1.config import Config
from wgan_tf1.data import batches
from wgan_tf1.data.datasets import Dataset
from wgan_tf1.evaluation import measures, references
from wgan_tf1.evaluation.classifiers import Classifier
from wgan_tf1.progress import progress
from wgan_tf1.runs.events import EventWriter

# Form of the data -> number of generated samples unless another is given. These are the numbers of the published
# protocols, except for the inception score, which has 50,000 images there.
SAMPLES = {'image': 10000, 'text': 640, 'points': 2500}
TAG = 'evaluation/'  # prefix of a metric in the event file


def _in_batches(
  model: sampling.Model,
  tensor: Any,
  feeds: Dict[Any, np.ndarray],
  what: str = 'scoring samples',
  convert: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> np.ndarray:
  """Returns `tensor`, converted, for every row of `feeds`, {placeholder: array [N, ...]}, one batch at a time."""
  size = model.config.batch_size
  count = len(next(iter(feeds.values())))
  parts = []
  with progress(what, count, 'samples') as advance:
    for i in range(0, count, size):
      parts.append(convert(model.session.run(tensor, {key: rows[i : i + size] for key, rows in feeds.items()})))
      advance(len(parts[-1]))
  return np.concatenate(parts)


def _latents(config: Config, count: int, seed: int, latents: Any, labels: Any) -> Dict[Any, np.ndarray]:
  """Returns {latents: [count, Z]} and, for a class-conditional run, {labels: each class in turn}, to be fed."""
  feeds = {latents: np.random.RandomState([seed, 1]).normal(size=[count, config.latent_size])}
  if labels is not None:
    feeds[labels] = np.resize(sample_classes(config), count)
  return feeds


def evaluator(
  config: Config,
  dataset: Dataset,
  num_samples: Optional[int] = None,
  classifier: Optional[Classifier] = None,
  seed: int = 0,
  reference: Optional[str] = None,
) -> Callable[[sampling.Model], List[measures.Row]]:
  """Prepares the measurement of a run at any step: draws and scores the real samples once.

  Args:
    config: of the run.
    dataset: its data.
    num_samples: number of generated samples; None is the number in `SAMPLES`. A metric with a lower limit uses fewer.
    classifier: for the metrics of images that need one; None leaves them out, with the reason.
    seed: of the latents and of the metrics' own draws.
    reference: 'test' or 'train', the part of the data to compare with. None is 'test', or after a warning 'train' if
      too few samples are held out.

  Returns:
    A function that measures a `sampling.Model` of the run.

  Raises:
    UserError: if `classifier` cannot run on the real images.
  """
  count = num_samples or SAMPLES[config.form]
  reference = reference or references.chosen(dataset)
  if config.form == 'image':
    measure = measures.of_images(config, dataset, count, classifier, seed, reference)
  elif config.form == 'text':
    measure = measures.of_text(config, dataset, count, seed, reference)
  else:
    measure = measures.of_points(config, dataset, count, seed, reference)

  def evaluate(model: sampling.Model) -> List[measures.Row]:
    graph = model.graph
    rows = _estimates(model, dataset, count, seed)
    feeds = _latents(config, count, seed, graph.sample_latents, graph.sample_labels)
    if config.fixed_generator:
      feeds[graph.real] = batches.encode(config, dataset.train[np.arange(count) % len(dataset.train)])
    # Images are kept in bytes: 50,000 of 64x64 pixels are 0.6 GB, and 2.5 GB as floats.
    convert = functools.partial(sampling.to_uint8, config) if config.form == 'image' else np.asarray
    return rows + measure(_in_batches(model, graph.samples, feeds, 'drawing samples', convert))

  return evaluate


def _estimates(model: sampling.Model, dataset: Dataset, count: int, seed: int) -> List[measures.Row]:
  """The variant's own estimate, by the critic as it is, on training and on held-out samples.

  Fake samples are made as in training, since the critic is trained on these: batch norm uses the statistics of the
  batch, and the weights are not the moving averages.
  """
  config, graph = model.config, model.graph
  rows = []
  # Whole batches, in which batch norm sees as many samples as in training.
  n = min(count, len(dataset.train), len(dataset.validation)) // config.batch_size
  n = max(n, 1) * config.batch_size
  feeds = _latents(config, n, seed, graph.latents, graph.labels)
  fake_scores = None
  for name, metric, part in (
    ('training', 'estimate/train', dataset.train),
    ('held_out', 'estimate/held_out', dataset.validation),
  ):
    feeds[graph.real] = batches.encode(config, part[np.resize(references.spread(len(part), n), n)])
    real_scores = _in_batches(model, graph.real_scores, feeds)
    if fake_scores is None or config.fixed_generator:  # a fixed generator makes its samples from the real ones
      fake_scores = _in_batches(model, graph.fake_scores, feeds)
    scores = {graph.real_scores: real_scores, graph.fake_scores: fake_scores}
    estimate = model.session.run(graph.scalars[graph.estimate], scores)
    unit = 'nats' if graph.estimate == 'js_estimate' else 'score'
    protocol = {'samples': n, 'reference': name, 'seed': seed}
    rows.append(measures.Row(metric, float(estimate), unit, protocol))
  return rows


def evaluate_run(
  config: Config,
  dataset: Dataset,
  num_samples: Optional[int] = None,
  classifier: Optional[Classifier] = None,
  seed: int = 0,
  checkpoint_step: Optional[int] = None,
  reference: Optional[str] = None,
) -> Tuple[int, List[measures.Row]]:
  """Measures a trained run at one of its checkpoints.

  Args:
    config: as a run directory has it.
    dataset: the data that it was trained on.
    num_samples, classifier, seed, reference: as for `evaluator`.
    checkpoint_step: generator step to measure at; None is the newest.

  Returns:
    (generator step, rows).

  Raises:
    UserError: if there is no such checkpoint, it cannot be read, or the classifier cannot run.
  """
  with sampling.restored(config, checkpoint_step) as (model, step):
    return step, evaluator(config, dataset, num_samples, classifier, seed, reference)(model)


def record(config: Config, step: int, rows: Sequence[measures.Row], writer: Optional[EventWriter] = None) -> None:
  """Adds rows to metrics.jsonl in the run directory, and to an event file, where training writes the estimates itself.

  Args:
    config: of the run.
    step: generator step that they were measured at.
    rows: what was measured.
    writer: of the training that measures itself; None makes a new one.

  Raises:
    UserError: if they cannot be written.
  """
  lines = [json.dumps(dict(row._asdict(), step=step), allow_nan=False) + '\n' for row in rows]
  path = os.path.join(config.run_dir, 'metrics.jsonl')
  with files.user_errors('%s cannot be written' % path, 'Make it writable'), contextlib.ExitStack() as stack:
    with open(path, 'a') as f:
      f.write(''.join(lines))
    values = []
    for row in rows:
      if row.value is not None and not row.metric.startswith('estimate/'):
        title = row.metric.replace('_', ' ')
        values.append(summaries.scalar(TAG + row.metric, row.value, title, 'In %s; see metrics.jsonl.' % row.unit))
    if writer is None:
      writer = stack.enter_context(contextlib.closing(EventWriter(config.run_dir)))
    writer.add_summary(tf.Summary(value=values), step)
    writer.flush()
