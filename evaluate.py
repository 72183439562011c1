"""Measures a trained run, and prints the numbers next to the published ones.

python evaluate.py --run_dir=runs/blog-mnist-clip --train_classifier   images: trains a small classifier first
python evaluate.py --run_dir=runs/blog-mnist-clip                      the same, with the classifier trained before
python evaluate.py --run_dir=runs/toy-8gaussians-gp                    points: modes captured, earth mover's distance
python evaluate.py --run_dir=runs/text-char-gp --num_samples=5000      text: divergence of 1- to 4-grams
python evaluate.py --run_dir=runs/cifar10-resnet-gp --classifier_graph=inception --num_samples=50000
python evaluate.py --train_classifier --dataset=mnist                  the classifier alone

Each line says by which protocol it was measured. A published number is comparable only if samples, splits, features
and reference are the same; otherwise its line says what differs. The rows are added to RUN_DIR/metrics.jsonl and to
the run's events. To measure a run while it trains, use train.py --evaluate_every_steps.
"""

import wgan_tf1.packages  # isort: skip  # noqa: F401

import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

from absl import flags

from wgan_tf1 import config as configs
from wgan_tf1 import console
from wgan_tf1.errors import UserError
from wgan_tf1.evaluation import published

FLAGS = flags.FLAGS


def _define_flags() -> None:
  flags.DEFINE_string('run_dir', os.path.join('runs', 'blog-mnist-clip'), 'directory of the run.')
  flags.DEFINE_string('checkpoint', None, 'generator step to measure at, or path of a checkpoint. Default: newest.')
  flags.DEFINE_integer(
    'num_samples', None, 'samples to draw. Default: 10000 images, 640 lines or 2500 points.', lower_bound=10
  )
  flags.DEFINE_integer('seed', 0, 'seed of the latents.', lower_bound=0, upper_bound=2**32 - 1)
  flags.DEFINE_string('data_dir', None, "directory that holds the data sets. Default: the run's.")
  flags.DEFINE_boolean('train_classifier', False, "train a small classifier of the run's data first, and save it.")
  flags.DEFINE_string('dataset', None, 'with --train_classifier: only train a classifier of these data; no run.')
  flags.DEFINE_string(
    'classifier_graph', None, "frozen graph of a classifier, or inception. Default: the small one of the run's data."
  )
  flags.DEFINE_string('classifier_checksum', None, 'SHA-256 that the graph must have, in hexadecimal.')
  for name in ('input', 'features', 'probabilities'):
    flags.DEFINE_string(
      'classifier_%s' % name, None, "the graph's tensor. Default: that of Inception or of the small classifiers."
    )


def _check_flags() -> None:
  if FLAGS.dataset and not FLAGS.train_classifier:
    raise UserError('--dataset has no effect without --train_classifier. Leave it out')
  if FLAGS.classifier_graph in (None, 'inception'):
    for name in ('checksum', 'input', 'features', 'probabilities'):
      if FLAGS['classifier_' + name].value is not None and (name, FLAGS.classifier_graph) != ('checksum', 'inception'):
        raise UserError('--classifier_%s has no effect without --classifier_graph=FILE. Leave it out' % name)
  elif FLAGS.train_classifier:
    raise UserError('--train_classifier and --classifier_graph exclude each other. Leave one of them out')


def _checkpoint_step() -> Optional[int]:
  """Returns the generator step that --checkpoint names, or None."""
  if FLAGS.checkpoint is None:
    return None
  folder, name = os.path.split(FLAGS.checkpoint)
  name = name[len('model-') :] if name.startswith('model-') else name
  name = name[: -len('.index')] if name.endswith('.index') else name
  if not name.isdigit() or (folder and os.path.realpath(folder) != os.path.realpath(FLAGS.run_dir)):
    raise UserError(
      '--checkpoint=%s: must be a generator step, such as 2000, or a checkpoint in %s'
      % (FLAGS.checkpoint, FLAGS.run_dir)
    )
  return int(name)


def _classifier(dataset_name: str) -> Any:
  """Returns the `Classifier` to measure images of a data set with, or None if there is none yet."""
  from wgan_tf1.evaluation import classifiers, inception, small_classifier

  if FLAGS.classifier_graph == 'inception':
    return inception.load(checksum=FLAGS.classifier_checksum or inception.SHA256)
  if FLAGS.classifier_graph is not None:
    names = FLAGS.classifier_input, FLAGS.classifier_features, FLAGS.classifier_probabilities
    return classifiers.load(FLAGS.classifier_graph, *names, checksum=FLAGS.classifier_checksum)
  return small_classifier.cached(dataset_name)


def _train_classifier(dataset_name: str, data_dir: str) -> None:
  from wgan_tf1.evaluation import small_classifier

  if dataset_name in small_classifier.TRAININGS:  # otherwise `train` refuses it
    print('training a classifier of %s' % dataset_name, flush=True)
  accuracy = small_classifier.train(dataset_name, data_dir).test_accuracy
  assert accuracy is not None
  path = small_classifier.cache_path(dataset_name)
  print('%s: right on %.2f %% of the test images' % (path, 100 * accuracy))


def _value(row: Any) -> str:
  if row.value is None:
    return '-'
  return '%.4g' % row.value + (' +- %.2g' % row.deviation if row.deviation is not None else '')


def _protocol(row: Any) -> str:
  """Returns what the number was measured by, in a few words, or the reason why there is none."""
  if row.reason:
    return row.reason
  parts = ['%s samples' % format(row.protocol['samples'], ',')]
  if 'reference' in row.protocol:
    parts[0] += ' against %s' % str(row.protocol['reference']).replace('_', '-')
  if 'splits' in row.protocol:
    parts.append('%d splits' % row.protocol['splits'])
  if 'features' in row.protocol:
    parts.append('by %s %s' % (row.protocol['features'], row.protocol['checksum'][:8]))
  return ', '.join(parts)


def print_table(rows: Sequence[Any], dataset_name: str, published_rows: Sequence[Dict[str, Any]]) -> None:
  """Prints a line for each `measures.Row`, and under it the published rows of the same metric and data.

  A published row that it may not be compared with has the reason under it.
  """
  width, unit_width = (max(map(len, column)) for column in zip(*((row.metric, row.unit) for row in rows)))
  line = '%%-%ds  %%-16s  %%-%ds  %%s' % (width, unit_width)
  print(line % ('metric', 'this run', 'unit', 'measured on'))
  for row in rows:
    print(line % (row.metric, _value(row), row.unit, _protocol(row)))
    groups: Dict[Tuple[str, Optional[str]], List[str]] = {}  # (source, why not comparable) -> systems
    for other, reason in published.comparisons(row, dataset_name, published_rows):
      deviation = '' if other['deviation'] is None else ' +- %g' % other['deviation']
      groups.setdefault((other['source'], reason), []).append('%s %g%s' % (other['system'], other['value'], deviation))
    for (source, reason), numbers in groups.items():
      print('  %s: %s' % (source, ', '.join(numbers)))
      if reason:
        print('    not comparable: %s' % reason)


def main() -> None:
  _check_flags()
  if FLAGS.dataset:
    with console.quiet_tensorflow():
      from wgan_tf1.evaluation import small_classifier  # noqa: F401
    _train_classifier(FLAGS.dataset, FLAGS.data_dir or configs.make().data_dir)
    return
  config = configs.load(FLAGS.run_dir)
  step = _checkpoint_step()
  with console.quiet_tensorflow():
    from wgan_tf1.evaluation import protocol
  if FLAGS.train_classifier:
    _train_classifier(config.dataset, FLAGS.data_dir or config.data_dir)
  classifier = _classifier(config.dataset) if config.form == 'image' else None
  step, rows = protocol.evaluate_run(config, FLAGS.data_dir, FLAGS.num_samples, classifier, FLAGS.seed, step)
  print('%s at generator step %d, %s, %s' % (FLAGS.run_dir, step, config.dataset, config.variant))
  print_table(rows, config.dataset, published.rows())
  protocol.record(config, step, rows)


if __name__ == '__main__':
  _define_flags()
  console.run(main)
