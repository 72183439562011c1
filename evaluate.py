"""Measures a trained run, and sets the numbers beside the published ones.

python evaluate.py --run_dir=runs/blog-mnist-clip --train_classifier   images: trains a small classifier first
python evaluate.py --run_dir=runs/blog-mnist-clip                      with the classifier that is there by now
python evaluate.py --run_dir=runs/toy-8gaussians-gp                    points: modes captured, earth mover's distance
python evaluate.py --run_dir=runs/text-char-gp --num_samples=5000      text: divergence of 1- to 4-grams
python evaluate.py --run_dir=runs/cifar10-resnet-gp --classifier_graph=inception --num_samples=50000
python evaluate.py --train_classifier --dataset=mnist                  the classifier alone

Each line says by which protocol it was measured. A published number is comparable only where samples, splits,
features and reference are the same; else its line says what is not. The rows are added to RUN_DIR/metrics.jsonl
and to the run's events. While a run trains, measure it by train.py --evaluate_every_steps.
"""

import json
import os

from absl import flags

from wgan_tf1 import UserError
from wgan_tf1 import cli
from wgan_tf1 import config as configs

FLAGS = flags.FLAGS

PAPER_NUMBERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'experiments', 'paper_numbers.json')


def _define_flags():
  flags.DEFINE_string('run_dir', os.path.join('runs', 'blog-mnist-clip'), 'directory of the run.')
  flags.DEFINE_string('checkpoint', None, 'generator step to measure at, or the path of a checkpoint. Default: newest.')
  flags.DEFINE_integer(
    'num_samples', None, 'samples to draw. Default: 10000 images, 640 lines or 2500 points.', lower_bound=10
  )
  flags.DEFINE_integer('seed', 0, 'of the latents.', lower_bound=0, upper_bound=2**32 - 1)
  flags.DEFINE_string('data_dir', None, "directory that holds the data sets. Default: the run's.")
  flags.DEFINE_boolean('train_classifier', False, "train a small classifier of the run's data first, and keep it.")
  flags.DEFINE_string('dataset', None, 'with --train_classifier alone: the data to train it on; no run is measured.')
  flags.DEFINE_string(
    'classifier_graph', None, "frozen graph of a classifier, or inception. Default: the small one of the run's data."
  )
  flags.DEFINE_string('classifier_checksum', None, 'SHA-256 that the graph must have, in hexadecimal.')
  for name in ('input', 'features', 'probabilities'):
    flags.DEFINE_string('classifier_%s' % name, None, "the graph's tensor. Default: those of Inception or of ours.")


def _checkpoint_step():
  """Returns the generator step that --checkpoint names, or None."""
  if FLAGS.checkpoint is None:
    return None
  folder, name = os.path.split(FLAGS.checkpoint)
  name = name[len('model-') :] if name.startswith('model-') else name
  name = name[: -len('.index')] if name.endswith('.index') else name
  if not name.isdigit() or (folder and os.path.realpath(folder) != os.path.realpath(FLAGS.run_dir)):
    raise UserError(
      '--checkpoint=%s is neither a generator step nor a checkpoint in %s: write it like 2000'
      % (FLAGS.checkpoint, FLAGS.run_dir)
    )
  return int(name)


def _classifier(dataset_name):
  """Returns the `features.Classifier` to measure images of a data set with, or None if there is none yet."""
  from wgan_tf1 import features
  from wgan_tf1 import small_classifier

  if FLAGS.classifier_graph == 'inception':
    return features.inception(checksum=FLAGS.classifier_checksum or features.INCEPTION_SHA256)
  if FLAGS.classifier_graph is not None:
    return features.load(
      FLAGS.classifier_graph, FLAGS.classifier_input, FLAGS.classifier_features, FLAGS.classifier_probabilities,
      FLAGS.classifier_checksum,
    )  # fmt: skip
  return small_classifier.cached(dataset_name)


def _train_classifier(dataset_name, data_dir):
  from wgan_tf1 import small_classifier

  if dataset_name in small_classifier.TRAININGS:  # else the next line says so
    print('training a classifier of %s' % dataset_name, flush=True)
  classifier = small_classifier.train(dataset_name, data_dir)
  print(
    '%s: right on %.2f %% of the test images'
    % (small_classifier.cache_path(dataset_name), 100 * classifier.test_accuracy)
  )


def _value(row):
  if row.value is None:
    return '-'
  return '%.4g' % row.value + (' +- %.2g' % row.deviation if row.deviation is not None else '')


def _protocol(row):
  """What the number was measured by, in a few words."""
  known = ('samples', 'reference', 'splits', 'features')
  words = {name: row.protocol[name] for name in known if row.protocol.get(name) is not None}
  if row.reason:
    return row.reason
  parts = ['%s samples' % format(words['samples'], ',')]
  if 'reference' in words:
    parts[0] += ' against %s' % str(words['reference']).replace('_', '-')
  parts += ['%d splits' % words['splits']] if 'splits' in words else []
  parts += ['by %s %s' % (words['features'], row.protocol['checksum'][:8])] if 'features' in words else []
  return ', '.join(parts)


def print_table(rows, dataset_name, published):
  """Prints a line for each `evaluation.Row`, and under it the published rows it may be compared with, or why not."""
  from wgan_tf1 import evaluation

  width, unit_width = (max(map(len, column)) for column in zip(*((row.metric, row.unit) for row in rows)))
  line = '%%-%ds  %%-16s  %%-%ds  %%s' % (width, unit_width)
  print(line % ('metric', 'this run', 'unit', 'measured on'))
  for row in rows:
    print(line % (row.metric, _value(row), row.unit, _protocol(row)))
    groups = {}  # (source, why not) -> what it has
    for other, reason in evaluation.comparisons(row, dataset_name, published):
      deviation = '' if other['deviation'] is None else ' +- %g' % other['deviation']
      groups.setdefault((other['source'], reason), []).append('%s %g%s' % (other['system'], other['value'], deviation))
    for (source, reason), numbers in groups.items():
      print('  %s: %s' % (source, ', '.join(numbers)))
      if reason:
        print('    not comparable: %s' % reason)


def main():
  if FLAGS.dataset and not FLAGS.train_classifier:
    raise UserError('--dataset has no effect without --train_classifier: leave it out')
  if FLAGS.classifier_graph in (None, 'inception'):
    for name in ('checksum', 'input', 'features', 'probabilities'):
      if FLAGS['classifier_' + name].value is not None and (name, FLAGS.classifier_graph) != ('checksum', 'inception'):
        raise UserError('--classifier_%s has no effect without --classifier_graph=FILE: leave it out' % name)
  elif FLAGS.train_classifier:
    raise UserError('--train_classifier and --classifier_graph exclude each other: leave one of them out')
  if FLAGS.dataset:
    with cli.quiet_tensorflow():
      from wgan_tf1 import small_classifier  # noqa: F401
    return _train_classifier(FLAGS.dataset, FLAGS.data_dir or configs.make().data_dir)
  config = configs.load(FLAGS.run_dir)
  step = _checkpoint_step()
  with cli.quiet_tensorflow():
    from wgan_tf1 import evaluation
  if FLAGS.train_classifier:
    _train_classifier(config.dataset, FLAGS.data_dir or config.data_dir)
  classifier = _classifier(config.dataset) if config.form == 'image' else None
  step, rows = evaluation.evaluate_run(config, FLAGS.data_dir, FLAGS.num_samples, classifier, FLAGS.seed, step)
  print('%s at generator step %d, %s, %s' % (FLAGS.run_dir, step, config.dataset, config.variant))
  with open(PAPER_NUMBERS) as f:
    print_table(rows, config.dataset, json.load(f))
  evaluation.record(config, step, rows)


if __name__ == '__main__':
  _define_flags()
  cli.run(main)
