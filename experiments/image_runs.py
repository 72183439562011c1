"""What the experiments on images share: small runs, scored by the small classifier. Not itself an experiment."""

import base64
import contextlib
import functools
import io
import os
import tempfile
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

import numpy as np
from PIL import Image

from experiments import common
from wgan_tf1 import console, images
from wgan_tf1.config import Config
from wgan_tf1.data import datasets
from wgan_tf1.evaluation import metrics

# For the MNIST post's networks at an eighth of their width. A clipped layer of an eighth of the width passes on an
# eighth as much, so the bound is five times the paper's. With the paper's bound and the post preset's learning rate
# nothing was learnt in 300 updates, so the learning rates are higher too.
VARIANTS: Dict[str, common.Json] = {
  'gan': dict(learning_rate=1e-3),
  'clip': dict(learning_rate=3e-3, clip_value=0.05),
  'gp': dict(learning_rate=1e-3),
}
_NORMS = {'gan': 'batch', 'clip': 'batch', 'gp': 'layer'}  # the papers' critics
VARIANTS_WITH_NORMS = {variant: dict(fields, critic_norm=_NORMS[variant]) for variant, fields in VARIANTS.items()}
LABELS = {'gan': 'GAN', 'clip': 'WGAN', 'gp': 'WGAN-GP'}

# Settings of every experiment on images.
_SHARED = dict(preset='blog-mnist', scored_at_once=250)
FULL = dict(_SHARED, dataset='mnist', image_size=32)
QUICK = dict(_SHARED, dataset='digits', image_size=16)
# The same of those that score samples: how many, and updates of the classifier, if it is not the usual one.
SCORED_FULL = dict(FULL, scored_samples=1000)
SCORED_QUICK = dict(QUICK, scored_samples=50, classifier_steps=20)

PICTURED, PICTURED_COLUMNS = 16, 4  # samples that a picture shows of a run


def _constant_generator(latents, *, shape, width, norm, training):
  import tensorflow.compat.v1 as tf

  from wgan_tf1 import layers

  rows = shape[0] // 8
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    x = layers.dense(latents, rows * rows * width, 'dense')
    x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
    x = tf.reshape(x, [-1, rows, rows, width])
    for i in (1, 2, 3):
      x = layers.conv2d_transpose(x, width, 'conv_transpose_%d' % i)
      x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
    return tf.tanh(layers.conv2d_transpose(x, shape[2], 'conv_transpose_4', stride=1))


def architecture(name: str) -> Any:
  """Returns a (generator, critic) that only experiments use, or None if the package has an architecture of that name.

  mlp-blog       a generator of four dense layers of 16 times the width, and the MNIST post's critic: WGAN figure 7
  constant-blog  the post's generator with the same number of filters in every layer, and its critic: WGAN figure 6
  """
  with console.quiet_tensorflow():
    from wgan_tf1.networks import blog, mlp

  mlp_generator = functools.partial(mlp.generator, multiple=16)
  return {'mlp-blog': (mlp_generator, blog.critic), 'constant-blog': (_constant_generator, blog.critic)}.get(name)


def draw(trainer: Any, count: int, at_once: int) -> np.ndarray:
  """Draws images of latents that are the same at every call.

  Args:
    trainer: a `training.Trainer`.
    count: images.
    at_once: images generated at once.

  Returns:
    uint8 [count, H, W, C].
  """
  config = trainer.config
  latents = np.random.RandomState([config.seed, 2]).normal(size=(count, config.latent_size)).astype(np.float32)
  drawn = [
    trainer.session.run(trainer.graph.samples, {trainer.graph.sample_latents: latents[i : i + at_once]})
    for i in range(0, count, at_once)
  ]
  return images.to_uint8(np.concatenate(drawn), config.pixel_minimum, config.dequantize)


def _classifier(name, settings, run):
  """Returns a data set's small classifier, trained if it does not exist; for quick settings a poor one, not saved."""
  from wgan_tf1.evaluation import small_classifier

  if 'classifier_steps' not in settings:
    return small_classifier.cached(name) or small_classifier.train(name, run.data_dir)
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'classifier.pb')
    return small_classifier.train(name, run.data_dir, path, settings['classifier_steps'])


class Scorer:
  """Scores generators by the small classifier: a function of a `training.Trainer`.

  It compares `settings['scored_samples']` samples with as many held-out images:
    fid              squared Frechet distance of the classifier's features
    inception_score  in one part
    coverage         classes that a sample is assigned to
    entropy          of the classes that the samples are assigned to, in nats

  Attributes:
    protocol: {classifier, checksum, test_accuracy, samples, training_images}: which classifier, and the scores of as
      many training images, which no generator can be expected to pass.
  """

  def __init__(self, settings: common.Json, run: common.Run):
    with console.quiet_tensorflow():
      from wgan_tf1.evaluation import classifiers

    config = common.config(settings, run)
    dataset = datasets.load(config)
    classifier = _classifier(dataset.name, settings, run)
    unpadded = classifiers.unpadded_size(dataset.name, config.image_fit)
    self._features = functools.partial(classifiers.features, classifier, unpadded=unpadded)
    self._count, self._at_once = settings['scored_samples'], settings['scored_at_once']
    self._real, _ = self._features(dataset.validation[: self._count])
    self.protocol = dict(
      classifier=classifier.name,
      checksum=classifier.checksum,
      test_accuracy=classifier.test_accuracy,
      samples=self._count,
      training_images=self._scores(dataset.train[: self._count]),
    )

  def _scores(self, samples):
    fake, probabilities = self._features(samples)
    return dict(
      fid=metrics.frechet_distance(fake, self._real),
      inception_score=metrics.inception_score(probabilities, splits=1)[0],
      coverage=metrics.class_coverage(probabilities),
      entropy=metrics.class_entropy(probabilities),
    )

  def __call__(self, trainer: Any) -> Dict[str, float]:
    return self._scores(draw(trainer, self._count, self._at_once))


@contextlib.contextmanager
def until_divergence(found: common.Json) -> Iterator[None]:
  """Ends the block, and sets found['diverged'], when a number in training is not finite."""
  with console.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import graph as graphs
  try:
    yield
  except tf.errors.InvalidArgumentError as e:
    if graphs.NOT_FINITE not in e.message:
      raise
    found['diverged'] = True


def train(
  config: Config,
  score: Callable[[Any], Dict[str, float]],
  score_every: int,
  change: Optional[Callable[[Any], Any]] = None,
  watch: Optional[Callable[[Any], float]] = None,
  networks: Any = None,
) -> common.Json:
  """Trains a run and scores it on the way.

  Args:
    config: a `Config`.
    score: function of a `training.Trainer` -> {score: float}, such as a `Scorer`.
    score_every: generator updates between two scores; the first is before the first update, the last after the last.
    change: function of the `graph.Graph` that returns the one to train instead; None trains it as it is.
    watch: function of the `training.Trainer` -> float, called after every generator update; None calls nothing.
    networks: (generator, critic) to train; None is the config's architecture, of the package or of `architecture`.

  Returns:
    dict: steps, generator updates at each score; fid, inception_score, coverage and entropy, at each score; estimate
    and watched, after each update; diverged, whether a number was not finite, which ended the run; samples, a grid of
    `PICTURED` of them at the end, as `shown` takes it, or None of a run that diverged.
  """
  found: common.Json = dict(steps=[], estimate=[], watched=[], diverged=False)

  def add_scores(trainer):
    found['steps'].append(trainer.global_step)
    for name, value in score(trainer).items():
      found.setdefault(name, []).append(round(float(value), 4))

  networks = networks or architecture(config.architecture)
  with common.trainer(config, architecture=networks, change=change) as trainer:
    add_scores(trainer)
    with until_divergence(found):
      for step, scalars in common.steps(trainer):
        found['estimate'].append(float('%.5g' % scalars[trainer.graph.estimate]))
        if watch is not None:
          found['watched'].append(watch(trainer))
        if step % score_every == 0 or step == config.generator_steps:
          add_scores(trainer)
    found['samples'] = None if found['diverged'] else kept(trainer)
  return found


def kept(trainer: Any) -> str:
  """Returns a grid of `PICTURED` samples of a `training.Trainer`, as `shown` takes it: PNG in base 64."""
  grid = images.grid(draw(trainer, PICTURED, PICTURED), PICTURED_COLUMNS)
  return base64.b64encode(images.encode_png(grid)).decode()


def shown(samples: Optional[str]) -> np.ndarray:
  """Returns the grid that was `kept`, uint8 [H, W, 3]; of None, a white pixel."""
  if samples is None:
    return np.full([1, 1, 3], 255, np.uint8)
  with Image.open(io.BytesIO(base64.b64decode(samples))) as image:
    return np.asarray(image.convert('RGB'))


def corner(samples: Optional[str], columns: int) -> Optional[str]:
  """Returns the first rows and columns of the grid that was `kept`, as many of both, in the same form; None of None."""
  if samples is None:
    return None
  grid = shown(samples)
  side = (len(grid) - 2) // (PICTURED // PICTURED_COLUMNS) * columns + 2
  return base64.b64encode(images.encode_png(grid[:side, :side, :1])).decode()


def show(axes: Any, samples: Optional[str]) -> None:
  """Shows the grid that was `kept`, as `shown` reads it, on matplotlib Axes without a frame."""
  axes.imshow(shown(samples))
  axes.axis('off')


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> Optional[float]:
  """Spearman's rank correlation of two sequences; None where it does not exist, because one of them is constant."""
  from scipy.stats import spearmanr

  if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
    return None
  return float(spearmanr(a, b)[0])
