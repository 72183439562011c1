"""What the experiments on images share: small runs, scored by the small classifier. No experiment itself."""

import functools
import os
import tempfile

import numpy as np

from experiments import common
from wgan_tf1 import config as configs
from wgan_tf1 import console
from wgan_tf1 import images
from wgan_tf1.data import datasets
from wgan_tf1.evaluation import metrics

SCORED_AT_ONCE = 250  # images


def add_architectures():
  """Adds pairs of networks that only experiments use to `networks.ARCHITECTURES`.

  mlp-blog       a generator of four dense layers of 16 times the width, and the MNIST post's critic: WGAN figure 7
  constant-blog  the post's generator with the same number of filters in every layer, and its critic: WGAN figure 6
  """
  with console.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import layers
    from wgan_tf1 import networks
    from wgan_tf1.networks import blog
    from wgan_tf1.networks import mlp

  def constant_generator(latents, *, shape, width, norm, training):
    rows = shape[0] // 8
    with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
      x = layers.dense(latents, rows * rows * width, 'dense')
      x = tf.nn.relu(layers.normalize(x, norm, 'norm', training))
      x = tf.reshape(x, [-1, rows, rows, width])
      for i in (1, 2, 3):
        x = layers.conv2d_transpose(x, width, 'conv_transpose_%d' % i)
        x = tf.nn.relu(layers.normalize(x, norm, 'norm_%d' % i, training))
      return tf.tanh(layers.conv2d_transpose(x, shape[2], 'conv_transpose_4', stride=1))

  networks.ARCHITECTURES['mlp-blog'] = functools.partial(mlp.generator, multiple=16), blog.critic
  networks.ARCHITECTURES['constant-blog'] = constant_generator, blog.critic


def make_config(settings, run, variant, **overrides):
  """Returns the `Config` of a run: the preset blog-mnist, made smaller by what `settings` and `overrides` say.

  Args:
    settings: an experiment's; those that are fields of `Config` count.
    run: a `common.Run`.
    variant: as in `Config`.
    **overrides: fields of `Config`; they win over `settings`.
  """
  fields = {name: value for name, value in settings.items() if name in configs.MEANINGS}
  return configs.make('blog-mnist', variant, data_dir=run.data_dir, **dict(fields, **overrides))


def draw(config, graph, session, count):
  """Returns uint8 [count, H, W, C]: what the generator makes of latents that are the same at every call."""
  latents = np.random.RandomState([config.seed, 2]).normal(size=(count, config.latent_size)).astype(np.float32)
  drawn = [
    session.run(graph.samples, {graph.sample_latents: latents[i : i + SCORED_AT_ONCE]})
    for i in range(0, count, SCORED_AT_ONCE)
  ]
  return images.to_uint8(np.concatenate(drawn), config.pixel_minimum)


def _classifier(name, settings, run):
  """Returns a data set's small classifier, trained if it is not there; for quick settings a poor one, not kept."""
  from wgan_tf1.evaluation import small_classifier

  if 'classifier_steps' not in settings:
    return small_classifier.cached(name) or small_classifier.train(name, run.data_dir)
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'classifier.pb')
    return small_classifier.train(name, run.data_dir, path, settings['classifier_steps'])


def scorer(settings, run):
  """Returns a function (config, graph, session) -> {score: float} of a generator, by the small classifier.

  Its scores, of `settings['scored_samples']` samples against as many held-out images:
    fid              squared Frechet distance of the classifier's features
    inception_score  in one part
    coverage         classes that a sample is assigned to
    entropy          of the classes that the samples are assigned to, in nats

  The function's attribute `protocol` says by which classifier, and has the scores of as many training images, which no
  generator can be expected to pass: {classifier, checksum, test_accuracy, samples, training_images}.
  """
  with console.quiet_tensorflow():
    from wgan_tf1.evaluation import classifiers

  count = settings['scored_samples']
  config = make_config(settings, run, 'clip')
  dataset = datasets.load(config)
  classifier = _classifier(dataset.name, settings, run)
  features_of = functools.partial(
    classifiers.features, classifier, unpadded=classifiers.unpadded_size(dataset.name, config.image_fit)
  )
  real, _ = features_of(dataset.validation[:count])

  def score_images(samples):
    fake, probabilities = features_of(samples)
    return dict(
      fid=metrics.frechet_distance(fake, real),
      inception_score=metrics.inception_score(probabilities, splits=1)[0],
      coverage=metrics.class_coverage(probabilities),
      entropy=metrics.class_entropy(probabilities),
    )

  def score(config, graph, session):
    return score_images(draw(config, graph, session, count))

  score.protocol = dict(
    classifier=classifier.name, checksum=classifier.checksum, test_accuracy=classifier.test_accuracy, samples=count,
    training_images=score_images(dataset.train[:count]),
  )  # fmt: skip
  return score


def train(config, score, score_every, change=None, watch=None):
  """Trains a run and scores it on the way.

  Args:
    config: a `Config`.
    score: as `scorer` returns it.
    score_every: generator updates between two scores; the first is before the first update, the last after the last.
    change: function (config, `graph.Graph`) -> the one to train instead; None trains it as it is.
    watch: function (graph, session) -> float, called after every generator update; None calls nothing.

  Returns:
    dict: steps, generator updates at each score; fid, inception_score, coverage and entropy, of as many; estimate,
    after each update; watched, likewise; diverged, whether a number ceased to be finite, which ended the run.
  """
  with console.quiet_tensorflow():
    import tensorflow.compat.v1 as tf

    from wgan_tf1 import graph as graphs

  dataset = datasets.load(config)
  found = dict(steps=[], estimate=[], watched=[], diverged=False)

  def add_scores(step, graph, session):
    found['steps'].append(step)
    for name, value in score(config, graph, session).items():
      found.setdefault(name, []).append(round(float(value), 4))

  with common.session_of(config) as (graph, session):
    if change is not None:
      graph = change(config, graph)
    add_scores(0, graph, session)
    try:
      for step, scalars in common.train(config, dataset, graph, session):
        found['estimate'].append(float('%.5g' % scalars[graph.estimate]))
        if watch is not None:
          found['watched'].append(watch(graph, session))
        if step % score_every == 0 or step == config.generator_steps:
          add_scores(step, graph, session)
    except tf.errors.InvalidArgumentError as e:
      if graphs.NOT_FINITE not in e.message:
        raise
      found['diverged'] = True
  return found


def rank_correlation(a, b):
  """Spearman's rank correlation of two sequences; None where it does not exist, one of them being constant."""
  from scipy.stats import spearmanr

  if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
    return None
  return float(spearmanr(a, b)[0])


def median_filter(values, window):
  """Running median of a sequence over an odd number of its members; the ends are repeated beyond the ends."""
  from scipy.ndimage import median_filter as filtered

  return [float(v) for v in filtered(np.asarray(values, np.float64), size=window, mode='nearest')]
