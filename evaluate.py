"""Measures a trained run, or any images, beside as many real samples.

python evaluate.py --run_dir=runs/blog-mnist-clip --train_classifier   images: trains a small classifier first
python evaluate.py --run_dir=runs/blog-mnist-clip                      the same, with the classifier trained before
python evaluate.py --run_dir=runs/toy-8gaussians-gp                    points: modes captured, earth mover's distance
python evaluate.py --run_dir=runs/text-char-gp --num_samples=5000      text: divergence of 1- to 4-grams
python evaluate.py --run_dir=runs/cifar10-resnet-gp --classifier_graph=inception --num_samples=50000 --published
python evaluate.py --samples=a.npz --dataset=cifar10                   images from anywhere, against a data set
python evaluate.py --samples=a --reference=b                           a folder against another, without a run
python evaluate.py --train_classifier --dataset=mnist                  the classifier alone

The column 'floor' has the same metric of real samples, and their number. RUN_DIR/metrics.jsonl, to which the
numbers of a run are added, and the file of --json have the protocol of each number. To measure a run while it trains,
use train.py --evaluate_every_steps.
"""

import wgan_tf1.packages  # isort: skip  # noqa: F401

import dataclasses
import os
import re
import sys
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np
from absl import flags

from wgan_tf1 import config as configs
from wgan_tf1 import console, files
from wgan_tf1.data import datasets
from wgan_tf1.errors import UserError, warn
from wgan_tf1.evaluation import image_sets, published, references, tables
from wgan_tf1.runs import directory

FLAGS = flags.FLAGS
_SPLITS = ('train', 'test')
_WITH_DATA_PATH = ('folder', 'idx', 'lsun', 'text')
GROUPS = {
  'what is measured': ['run_dir', 'checkpoint', 'num_samples', 'seed', 'samples', 'image_size'],
  'what it is compared with': ['reference', 'dataset', 'data_dir', 'data_path', 'published'],
  'the classifier': ['train_classifier', 'classifier_graph', 'classifier_checksum', 'classifier_input',
                     'classifier_features', 'classifier_probabilities'],
}  # fmt: skip


def _define_flags() -> None:
  flags.DEFINE_string('run_dir', os.path.join('runs', 'blog-mnist-clip'), 'directory of the run.')
  flags.DEFINE_string('checkpoint', None, 'generator step to measure at, or path of a checkpoint. Default: newest.')
  flags.DEFINE_integer(
    'num_samples', None, 'samples to draw. Default: 10000 images, 640 lines or 2500 points.', lower_bound=10
  )
  flags.DEFINE_integer('seed', 0, 'seed of the latents.', lower_bound=0, upper_bound=2**32 - 1)
  flags.DEFINE_string('data_dir', None, "directory that holds the data sets. Default: $WGAN_DATA_DIR, else the run's.")
  flags.DEFINE_string('data_path', None, "file or folder of the run's data, if it has moved. Default: the run's.")
  flags.DEFINE_string(
    'samples', None, 'score these images instead of a run: a folder, or a .zip, .npz or .npy file. Default: the run.'
  )
  flags.DEFINE_string(
    'reference',
    None,
    'what to compare with: test, the held-out samples, or train; with --samples also a folder or file of images. '
    'Default: test, or train if fewer than 50 are held out.',
  )
  flags.DEFINE_integer('image_size', None, 'with --samples: crop and resize all images to this many pixels.', 8, 1024)
  flags.DEFINE_string('dataset', None, 'data to compare --samples with, or for --train_classifier without a run.')
  flags.DEFINE_boolean('published', False, 'show the published numbers of the same metric and data.')
  flags.DEFINE_string('json', None, 'write everything to this file; - prints it instead of the table.')
  flags.DEFINE_boolean('train_classifier', False, "train a small classifier of the run's data first, and save it.")
  flags.DEFINE_string(
    'classifier_graph', None, "frozen graph of a classifier, or inception. Default: the small one of the run's data."
  )
  flags.DEFINE_string('classifier_checksum', None, 'SHA-256 that the graph must have, in hexadecimal.')
  for name in ('input', 'features', 'probabilities'):
    flags.DEFINE_string(
      'classifier_%s' % name, None, "the graph's %s tensor. Default: Inception's or the small classifiers'." % name
    )


def _has_own_reference() -> bool:
  """Tells whether --reference names a folder or file of images."""
  return FLAGS.reference not in (None, *_SPLITS)


def _check_flags() -> None:
  if FLAGS.samples is None:
    if FLAGS.dataset and not FLAGS.train_classifier:
      raise UserError('--dataset has no effect without --train_classifier or --samples. Leave it out')
    if FLAGS.image_size is not None:
      raise UserError('--image_size has no effect without --samples. Leave it out')
    if _has_own_reference():
      raise UserError('--reference=%s: must be train or test without --samples' % FLAGS.reference)
  else:
    if FLAGS.checkpoint is not None:
      raise UserError('--checkpoint has no effect with --samples. Leave it out')
    if FLAGS.train_classifier and FLAGS.dataset is None and _has_own_reference():
      raise UserError('--train_classifier needs --dataset with --samples and --reference=%s' % FLAGS.reference)
  if FLAGS.classifier_graph in (None, 'inception'):
    for name in ('checksum', 'input', 'features', 'probabilities'):
      if FLAGS['classifier_' + name].value is not None and (name, FLAGS.classifier_graph) != ('checksum', 'inception'):
        raise UserError('--classifier_%s has no effect without --classifier_graph=FILE. Leave it out' % name)
  elif FLAGS.train_classifier:
    raise UserError('--train_classifier and --classifier_graph exclude each other. Leave one of them out')
  if FLAGS.json not in (None, '-'):
    with files.user_errors('--json=%s cannot be written' % FLAGS.json, 'Use another --json'):
      files.resolved(FLAGS.json)


def _checkpoint_step() -> Optional[int]:
  """Returns the generator step that --checkpoint names, or None."""
  if FLAGS.checkpoint is None:
    return None
  folder, name = os.path.split(FLAGS.checkpoint)
  name = name[len('model-') :] if name.startswith('model-') else name
  name = name[: -len('.index')] if name.endswith('.index') else name
  if not re.fullmatch('[0-9]+', name) or (folder and os.path.realpath(folder) != os.path.realpath(FLAGS.run_dir)):
    raise UserError(
      '--checkpoint=%s: must be a generator step, such as 2000, or a checkpoint in %s'
      % (FLAGS.checkpoint, FLAGS.run_dir)
    )
  return int(name)


def _classifier(dataset_name: Optional[str]) -> Any:
  """Returns the `Classifier` to measure images of a data set, or of none, with; None if there is none yet."""
  from wgan_tf1.evaluation import classifiers, inception, small_classifier

  if FLAGS.classifier_graph == 'inception':
    return inception.load(checksum=FLAGS.classifier_checksum or inception.SHA256)
  if FLAGS.classifier_graph is not None:
    names = FLAGS.classifier_input, FLAGS.classifier_features, FLAGS.classifier_probabilities
    return classifiers.load(FLAGS.classifier_graph, *names, checksum=FLAGS.classifier_checksum)
  return small_classifier.cached(dataset_name) if dataset_name else None


def _train_classifier(dataset_name: str, data_dir: str) -> None:
  from wgan_tf1.evaluation import small_classifier

  if dataset_name in small_classifier.TRAININGS:  # otherwise `train` refuses it
    print('training a classifier of %s' % dataset_name, file=sys.stderr, flush=True)
  accuracy = small_classifier.train(dataset_name, data_dir).test_accuracy
  assert accuracy is not None
  path = small_classifier.cache_path(dataset_name)
  print('%s: right on %.2f %% of the test images' % (path, 100 * accuracy), file=sys.stderr)


def _data_dir(config: Optional[configs.Config] = None) -> str:
  """Returns the directory of the data sets: --data_dir, else WGAN_DATA_DIR, else where a run had them."""
  return FLAGS.data_dir or os.environ.get('WGAN_DATA_DIR') or (config or configs.make()).data_dir


def _dataset(config: configs.Config) -> datasets.Dataset:
  """Loads the data that a run was trained on, from where --data_dir or --data_path says they are by now.

  Raises:
    UserError: if they cannot be loaded, or are other data.
  """
  has_path = config.dataset in _WITH_DATA_PATH
  path = FLAGS.data_path
  if path is not None and not has_path:
    raise UserError('--data_path has no effect with dataset=%s. Use --data_dir' % config.dataset)
  if FLAGS.data_dir is None and path is None:
    path = config.data_path
    if path is not None and not os.path.exists(path):
      raise UserError('%s was trained on %s: file not found. Give its path with --data_path' % (FLAGS.run_dir, path))
  dataset = datasets.load(dataclasses.replace(config, data_dir=_data_dir(config), data_path=path))
  if dataset.fingerprint != config.data_fingerprint:
    flag = '--data_path' if has_path else '--data_dir'
    place = '' if config.dataset == 'digits' else ', or give its path with ' + flag
    raise UserError(
      '%s was trained on other data than dataset=%s has now. %s%s'
      % (FLAGS.run_dir, config.dataset, datasets.restoring(config.dataset), place)
    )
  return dataset


def _score_run() -> None:
  """Measures the run, prints the numbers, and adds them to its metrics.jsonl and events."""
  config = configs.load(FLAGS.run_dir)
  if config.form != 'image':
    for name in ('train_classifier', 'classifier_graph'):
      if FLAGS[name].value:
        raise UserError('--%s has no effect on %s: it is of images. Leave it out' % (name, config.form))
  step = _checkpoint_step()
  directory.existing_step(FLAGS.run_dir, step)  # refused here if there is none
  dataset = _dataset(config)
  with console.quiet_tensorflow():
    from wgan_tf1.evaluation import protocol
  if FLAGS.train_classifier:
    _train_classifier(config.dataset, _data_dir(config))
  classifier = _classifier(config.dataset) if config.form == 'image' else None
  given = FLAGS.num_samples, classifier, FLAGS.seed, step, FLAGS.reference
  step, rows = protocol.evaluate_run(config, dataset, *given)
  _report({'run_dir': FLAGS.run_dir, 'step': step, 'dataset': config.dataset, 'variant': config.variant}, rows)
  try:
    protocol.record(config, step, rows)
  except UserError as e:  # the run may be somebody else's
    warn('the run does not have these numbers: %s' % e)


def _reference(count: int) -> Tuple[str, references.Real, Optional[str], Optional[str]]:
  """Reads what --samples are compared with: a folder, the data of --dataset, or the run's.

  Args:
    count: number of samples.

  Returns:
    (name, images, data set, image_fit); the last two are None for images from anywhere.
  """
  if _has_own_reference():
    images = image_sets.read(FLAGS.reference, FLAGS.image_size)
    some = images[references.spread(len(images), FLAGS.num_samples or len(images))]
    real = references.Real(FLAGS.reference, 'images', some, references.halves(images, count))
    return FLAGS.reference, real, FLAGS.dataset, None
  dataset: Any = None
  if FLAGS.dataset is not None:
    name, image_fit = FLAGS.dataset, 'pad'
    dataset = image_sets.of_dataset(name, _data_dir())
  else:
    config = configs.load(FLAGS.run_dir)
    if config.form != 'image':
      raise UserError('%s is no run of images. Use --reference=FOLDER, or another --run_dir' % FLAGS.run_dir)
    name, image_fit, dataset = config.dataset, config.image_fit, _dataset(config)
  real = references.real_samples(dataset, count, FLAGS.reference or references.chosen(dataset))
  return 'dataset=' + name, real, name, image_fit


def _score_samples() -> None:
  """Measures the images of --samples, and prints the numbers."""
  samples = image_sets.read(FLAGS.samples, FLAGS.image_size)
  samples = samples[references.spread(len(samples), FLAGS.num_samples or len(samples))]
  name, real, dataset_name, image_fit = _reference(len(samples))
  size, own_size = samples.shape[1], real.reference.shape[1]
  if FLAGS.dataset is None or _has_own_reference():
    image_sets.check_alike(samples, real.reference, '--samples=' + FLAGS.samples, name)
  elif size != own_size:
    how = 'padded' if size > own_size else 'shrunk'
    warn('%s has images of %dx%d pixels. They are %s to %dx%d' % (name, own_size, own_size, how, size, size))
  channels = max(samples.shape[3], real.reference.shape[3])
  with console.quiet_tensorflow():
    from wgan_tf1.evaluation import classifiers, measures
  if FLAGS.train_classifier:
    _train_classifier(dataset_name, _data_dir())
  measure = measures.of_image_sets(
    references.fitted(real, size, channels),
    _classifier(dataset_name),
    FLAGS.seed,
    published.UNKNOWN_GENERATOR,
    classifiers.unpadded_size(dataset_name, image_fit),
    measures.without_classifier(dataset_name),
  )
  rows = measure(np.repeat(samples, channels // samples.shape[3], axis=3))
  _report({'samples': FLAGS.samples, 'reference': name, 'dataset': dataset_name}, rows)


def _report(about: Dict[str, Any], rows: Sequence[Any]) -> None:
  """Prints the table, or the JSON, and writes the JSON."""
  name, known = about['dataset'], published.rows()
  found = [published.comparisons(row, name, known) for row in rows]
  text = tables.as_json(about, rows, found)
  if FLAGS.json == '-':
    sys.stdout.write(text)
    return
  if FLAGS.samples:
    print('%s against %s' % (FLAGS.samples, about['reference']))
  else:
    print('%s at generator step %d, %s, %s' % tuple(about[key] for key in ('run_dir', 'step', 'dataset', 'variant')))
  print(tables.table(rows, found if FLAGS.published else ()))
  if any(found) and not FLAGS.published:
    print('published numbers of these metrics: --published')
  if FLAGS.json is not None:  # last: if it fails, the numbers are not lost
    with files.user_errors('--json=%s cannot be written' % FLAGS.json, 'Use another --json'):
      files.write_file(FLAGS.json, text.encode())


def main() -> None:
  _check_flags()
  if FLAGS.samples:
    _score_samples()
  elif FLAGS.dataset:
    with console.quiet_tensorflow():
      from wgan_tf1.evaluation import small_classifier  # noqa: F401
    _train_classifier(FLAGS.dataset, _data_dir())
  else:
    _score_run()


if __name__ == '__main__':
  _define_flags()
  console.run(main, GROUPS)
