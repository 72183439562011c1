"""Momentum on a clipped critic: the cosine between the optimizer's step and the gradient, and when it turns negative.

A step is w after the update less w before it, clipping left out; it is compared with minus the gradient, of the same
batch at the same weights. So the cosine is 1 for plain descent, and above 0 as long as the step goes downhill. Both
networks have the optimizer, and clipping comes before each critic update, as in the authors' code.
"""

import sys

import numpy as np

from experiments import common
from wgan_tf1 import config as configs
from wgan_tf1.data import batches
from wgan_tf1.data import datasets

TITLE = "Momentum on a clipped critic: the cosine between the optimizer's step and the gradient"

_OPTIMIZERS = [
  {'optimizer': 'adam', 'beta1': 0.9},
  {'optimizer': 'adam', 'beta1': 0.5},
  {'optimizer': 'adam', 'beta1': 0.0},
  {'optimizer': 'rmsprop'},
]
SETTINGS = {
  'full': dict(dataset='mnist', optimizers=_OPTIMIZERS, learning_rates=[5e-4, 5e-3], width=8, batch_size=64,
               generator_steps=250, window=50),
  'quick': dict(dataset='digits', optimizers=[_OPTIMIZERS[0], _OPTIMIZERS[2], _OPTIMIZERS[3]], learning_rates=[5e-3],
                width=2, batch_size=8, generator_steps=6, window=2),
}  # fmt: skip
FEW = 10  # steps of a kind, below which nothing is said of them


def _label(optimizer):
  return 'Adam %g' % optimizer['beta1'] if optimizer['optimizer'] == 'adam' else 'RMSProp'


def cosine(a, b):
  """Cosine of the angle between two vectors, in float64; 0.0 if one of them is zero."""
  a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
  norms = np.linalg.norm(a) * np.linalg.norm(b)
  return float(np.dot(a, b) / norms) if norms else 0.0


def unstable(estimates, window):
  """Where the estimate leaves what it was: below half, or above twice, the median of the `window` steps before.

  Args:
    estimates: float [steps].
    window: steps; the first so many are never unstable, for want of a past.

  Returns:
    bool [steps].
  """
  estimates = np.asarray(estimates, np.float64)
  found = np.zeros(len(estimates), bool)
  for step in range(window, len(estimates)):
    median = np.median(estimates[step - window : step])
    found[step] = not 0.5 * median <= estimates[step] <= 2 * median  # a median below 0 has none within
  return found


def _runs(numbers, *names):
  return [run for run in numbers['runs'] if run['optimizer'] in names]


def _counts(numbers):
  """Generator steps of Adam with momentum: (unstable and negative, negative, unstable and not negative, not negative).

  Steps without a past are left out.
  """
  with_momentum = [run for run in numbers['runs'] if run['optimizer'] in ('Adam 0.9', 'Adam 0.5')]
  negative = np.concatenate([np.array(run['cosines'][numbers['window'] :]) < 0 for run in with_momentum])
  bad = np.concatenate([np.array(run['unstable'][numbers['window'] :], bool) for run in with_momentum])
  return tuple(int(n) for n in (sum(bad & negative), sum(negative), sum(bad & ~negative), sum(~negative)))


def _go_together(numbers):
  both, negative, bad_alone, others = _counts(numbers)
  if min(both + bad_alone, negative, others) < FEW:
    return None
  return both / negative >= 2 * bad_alone / others


def _unstable_steps(numbers, name):
  return sum(sum(run['unstable']) for run in _runs(numbers, name))


def _negative_share(numbers, name):
  """Share of critic updates whose cosine is below 0."""
  return float(np.mean([run['negative_share'] for run in _runs(numbers, name)]))


CLAIMS = [
  common.Claim(
    text="Adam's step and the gradient have a negative cosine when training is unstable, and only then",
    source='WGAN (1701.07875) section 3, on momentum',
    rule='of the generator steps with beta1 above 0 whose mean cosine is negative, at least twice the share is '
    'unstable as of the others; nothing is said of fewer than %d steps of a kind. Unstable: the estimate is below '
    'half, or above twice, its median over the 50 generator steps before' % FEW,
    holds=_go_together,
    measured=lambda numbers: 'unstable: %d of %d with a negative cosine, %d of %d others' % _counts(numbers),
  ),
  common.Claim(
    text='the negative cosines come from momentum',
    source='WGAN (1701.07875) section 3, on momentum',
    rule='some critic updates have one with beta1 = 0.9, and none with beta1 = 0 or RMSProp',
    holds=lambda numbers: (
      _negative_share(numbers, 'Adam 0.9') > 0
      and _negative_share(numbers, 'Adam 0') == _negative_share(numbers, 'RMSProp') == 0
    ),
    measured=lambda numbers: (
      'share of critic updates: '
      + ', '.join('%s %.3f' % (name, _negative_share(numbers, name)) for name in numbers['optimizers'])
    ),
  ),
  common.Claim(
    text='a clipped critic is unstable at times with momentum, more than with RMSProp',
    source='WGAN (1701.07875) section 3, on momentum',
    rule='Adam with beta1 = 0.9 has at least %d unstable generator steps, and at least twice those of RMSProp' % FEW,
    holds=lambda numbers: _unstable_steps(numbers, 'Adam 0.9') >= max(FEW, 2 * _unstable_steps(numbers, 'RMSProp')),
    measured=lambda numbers: (
      'unstable generator steps: '
      + ', '.join('%s %d' % (name, _unstable_steps(numbers, name)) for name in numbers['optimizers'])
    ),
  ),
]


def _flat(tensors):
  import tensorflow.compat.v1 as tf

  return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)


def _train(config):
  """Trains; returns, of each generator step, the means of its critic updates' estimates and cosines."""
  import tensorflow.compat.v1 as tf

  dataset = datasets.load(config)
  estimates, cosines, done = [], [], 0
  with common.session_of(config) as (graph, session):
    weights = _flat([v.read_value() for v in graph.critic_variables])
    gradient = _flat(tf.gradients(graph.scalars['critic_loss'], graph.critic_variables))
    for step in range(1, config.generator_steps + 1):
      while done < configs.critic_updates(config, step):
        feed = {graph.real: batches.batch(config, dataset, done).real}
        session.run(graph.before_critic)
        # The latents are drawn by the step counters: the update that follows has the same ones.
        before, slope, estimate = session.run([weights, gradient, graph.scalars[graph.estimate]], feed)
        session.run(graph.train_critic, feed)
        cosines.append(cosine(session.run(weights).astype(np.float64) - before, -slope.astype(np.float64)))
        estimates.append(float(estimate))
        done += 1
      session.run(graph.train_generator, {graph.fake_count: config.generator_batch_size})
  by_step = lambda values: np.reshape(values, [config.generator_steps, config.critic_steps]).mean(axis=1).tolist()
  return dict(
    estimates=by_step(estimates),
    cosines=by_step(cosines),
    first_cosine=cosines[0],
    negative_share=float(np.mean(np.array(cosines) < 0)),
  )


def measure(settings, run):
  """Returns a list of 'runs', one for each optimizer and learning rate."""
  runs = []
  for rate in settings['learning_rates']:
    for optimizer in settings['optimizers']:
      config = configs.make(
        'blog-mnist', 'clip', dataset=settings['dataset'], data_dir=run.data_dir, width=settings['width'],
        batch_size=settings['batch_size'], generator_steps=settings['generator_steps'], clip_order='before',
        generator_learning_rate=rate, critic_learning_rate=rate, **optimizer
      )  # fmt: skip
      label = _label(optimizer)
      found = run.part('%s-%g' % (label.replace(' ', '-'), rate), lambda: _train(config))
      outliers = [bool(u) for u in unstable(found['estimates'], settings['window'])]
      runs.append(dict(found, optimizer=label, learning_rate=rate, unstable=outliers))
  return dict(runs=runs, window=settings['window'], optimizers=[_label(o) for o in settings['optimizers']])


REMARKS = (
  'At the smaller learning rate the cosine of Adam with beta1 = 0.9 falls from 0.25 to about 0.1 at its unstable '
  'steps: the direction that the paper speaks of, without crossing 0. At the larger one the critics of Adam 0.5 and '
  'Adam 0 die, their gradient being exactly 0 from about the 145th and the 87th generator step on; such steps have the '
  'cosine 0 and count as not negative. One seed, an eighth of the width and 250 steps: rarer events would not show.'
)


def plot(numbers):
  """Cosine and estimate over the generator steps, a column for each learning rate; dots where unstable."""
  rates = sorted({run['learning_rate'] for run in numbers['runs']})
  figure = common.figure(8.0, 5.0)
  axes = figure.subplots(2, len(rates), squeeze=False, sharex=True)
  for (top, bottom), rate in zip(np.transpose(axes), rates):
    for i, run in enumerate(run for run in numbers['runs'] if run['learning_rate'] == rate):
      steps = np.arange(1, len(run['cosines']) + 1)
      typical = np.median(np.abs(run['estimates'])) or 1.0
      for panel, values in ((top, run['cosines']), (bottom, np.array(run['estimates']) / typical)):
        panel.plot(steps, values, linewidth=0.9, color='C%d' % i, label=run['optimizer'])
        bad = np.array(run['unstable'], bool)
        panel.plot(steps[bad], np.array(values)[bad], '.', markersize=4, color='C%d' % i)
    top.axhline(0, color='black', linewidth=0.6)
    top.set_title('learning rate %g' % rate, fontsize=10)
    bottom.axhline(0, color='black', linewidth=0.6)
    bottom.set_xlabel('generator steps')
  axes[0, 0].set_ylabel('cosine of step\nand -gradient')
  axes[1, 0].set_ylabel("Wasserstein estimate\nover the run's median")
  legend = axes[0, 0].get_legend_handles_labels()
  figure.legend(*legend, loc='upper center', ncol=4, frameon=False, title='dots: unstable steps', fontsize=9)
  figure.tight_layout(rect=[0, 0, 1, 0.89])
  return figure


if __name__ == '__main__':
  common.main(sys.modules[__name__])
