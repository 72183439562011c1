"""Distances of two distributions as one moves away: exact, and as trained critics and discriminators estimate them.

python -m experiments.distances

Two parallel lines (WGAN, 1701.07875, example 1 and figure 1) and two Gaussians. The networks are the toy presets',
the fake points are fed, and no generator is trained.
"""

import functools
import math
import sys
from typing import Any, Callable, Iterator, Sequence, Tuple

import numpy as np

from experiments import common
from experiments.common import Json
from wgan_tf1.config import Config
from wgan_tf1.evaluation import metrics, published
from wgan_tf1.evaluation.distances import earth_movers_distance

TITLE = 'Distances between two lines and between two Gaussians, exact and estimated'

# Algorithm 1 of either paper; the toy presets follow the WGAN-GP code, which has another penalty weight and beta1.
CRITICS = dict(preset='toy-8gaussians', fixed_generator=True,
               variants={'clip': {}, 'gp': {'penalty_weight': 10.0, 'beta1': 0.0}, 'gan': {}})  # fmt: skip
FLOOR = 1e-10  # what numerical code likes to add to a density before its logarithm
SETTINGS = {
  'full': dict(
    CRITICS, width=128, batch_size=256, critic_updates=1500, held_out=10000, seed=0, floor=FLOOR,
    distances={'lines': [0.0, 0.125, 0.25, 0.5, 1.0], 'gaussians': [0.0, 1.0, 2.0, 4.0, 8.0]},
    farthest=35.0, curve_points=141, matched=400,
  ),
  'quick': dict(
    CRITICS, width=8, batch_size=32, critic_updates=15, held_out=200, seed=0, floor=FLOOR,
    distances={'lines': [0.0, 1.0], 'gaussians': [0.0, 2.0]}, farthest=35.0, curve_points=8, matched=50,
  ),
}  # fmt: skip
LOG_2 = math.log(2)
Draw = Callable[[int, Any], Tuple[np.ndarray, np.ndarray]]


def draw(kind: str, distance: float, n: int, random: Any) -> Tuple[np.ndarray, np.ndarray]:
  """Draws n real points and n fake ones.

  Args:
    kind: 'lines', (0, u) and (distance, u) with u from U[0, 1]; or 'gaussians', N((0, 0), I) and N((distance, 0), I).
    distance: of the two.
    n: how many of each.
    random: a RandomState.

  Returns:
    float32 [n, 2] twice.
  """
  if kind == 'lines':
    pair = np.stack([np.zeros([2, n]), random.uniform(size=[2, n])], axis=2)
  else:
    pair = random.normal(size=[2, n, 2])
  pair[1, :, 0] += distance
  return pair[0].astype(np.float32), pair[1].astype(np.float32)


def trained(config: Config, samples: Sequence[Draw], updates: int) -> Iterator[Tuple[Draw, Any]]:
  """Trains a critic from new weights on each of several pairs of distributions, neither of them a generator's.

  Args:
    config: of a toy preset with a fixed generator, whose fake points are the real ones and a latent each.
    samples: for each pair a function (n, RandomState) -> real, fake, each float32 [n, 2].
    updates: critic updates to make on each.

  Yields:
    (sample, `training.Trainer`) of each pair: trained, and with TensorFlow's default graph set to its own.
  """
  with common.trainer(config) as trainer:
    import tensorflow.compat.v1 as tf

    initialize = tf.global_variables_initializer()
    for sample in samples:
      trainer.session.run(initialize)  # other weights each time: the initial values' streams go on
      for update in range(updates):
        pair = sample(config.batch_size, np.random.RandomState([config.seed, 0, update]))
        trainer.critic_update(feed=feed_of(trainer, *pair))
      yield sample, trainer


def feed_of(trainer: Any, real: np.ndarray, fake: np.ndarray) -> Any:
  """Returns the feed of points for a fixed generator, which adds a latent to each real point."""
  return {trainer.graph.real: real, trainer.graph.latents: fake - real}


def estimates(config: Config, settings: Json) -> Json:
  """Trains a critic at each distance of each kind, and returns what it says of points that it was not trained on.

  Returns:
    {kind: list of dict}: distance; estimate, of the Wasserstein distance, or for gan of the Jensen-Shannon divergence;
    and for gan kl, mean logit of real points, which is log p(x) / q(x) where the discriminator is at its best.
  """
  pairs = [(kind, distance) for kind, distances in settings['distances'].items() for distance in distances]
  samples = [functools.partial(draw, *pair) for pair in pairs]
  found: Json = {kind: [] for kind in settings['distances']}
  for (kind, distance), (sample, trainer) in zip(pairs, trained(config, samples, settings['critic_updates'])):
    graph, pair = trainer.graph, sample(settings['held_out'], np.random.RandomState([config.seed, 1]))
    fetches = [graph.scalars[graph.estimate], graph.real_scores]
    estimate, scores = trainer.session.run(fetches, feed_of(trainer, *pair))
    found[kind].append(dict(distance=distance, estimate=float(estimate)))
    if config.variant == 'gan':
      found[kind][-1]['kl'] = float(scores.mean())
  return found


def exact_lines(distance: float, n: int) -> Json:
  """Distances between n points on each of two parallel lines, side by side, by the definitions.

  Returns:
    dict of wasserstein, by matching; jensen_shannon and kullback_leibler in nats, None where infinite; and
    total_variation; the last three of the lines' masses on the one place and the other.
  """
  heights = (np.arange(n) + 0.5) / n
  lines = [np.stack([np.full(n, x), heights], 1) for x in (0.0, distance)]
  p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0]) if distance else np.array([1.0, 0.0])
  kl = float(metrics.kullback_leibler(p, q))
  return dict(
    distance=distance,
    wasserstein=float(earth_movers_distance(*lines)),
    jensen_shannon=float(metrics.jensen_shannon(p, q)),
    kullback_leibler=kl if math.isfinite(kl) else None,
    total_variation=float(np.abs(p - q).sum() / 2),
  )


def exact_gaussians(distance: float) -> Json:
  """Distances between N(0, 1) and N(distance, 1); a second axis on which they agree changes none of them.

  Returns:
    dict of wasserstein and kullback_leibler, in closed form; jensen_shannon, integrated over a grid of 0.001; and
    kullback_leibler_floored, integrated with `FLOOR` added to both densities.
  """
  x = np.arange(-10, distance + 10, 0.001)
  p, q = (np.exp(-np.square(x - mean) / 2) / math.sqrt(2 * math.pi) for mean in (0.0, distance))
  js = metrics.jensen_shannon(p / p.sum(), q / q.sum())
  floored = float(np.sum(p * np.log((p + FLOOR) / (q + FLOOR))) * 0.001)
  return dict(
    distance=distance,
    wasserstein=abs(distance),
    jensen_shannon=float(js),
    kullback_leibler=distance**2 / 2,
    kullback_leibler_floored=floored,
  )


def measure(settings: Json, run: common.Run) -> Json:
  """Returns exact curves and, for each kind, variant and distance, a trained network's estimate."""
  distances = np.linspace(0, settings['farthest'], settings['curve_points'])
  exact = {
    'lines': [exact_lines(distance, settings['matched']) for distance in settings['distances']['lines']],
    'gaussians': [exact_gaussians(distance) for distance in settings['distances']['gaussians']],
    'gaussian_curve': [exact_gaussians(float(distance)) for distance in distances],
  }
  variants = settings['variants']
  parts = common.grid(
    run,
    lambda variant: common.config(settings, run, variant=variant, **variants[variant]),
    lambda config, variant: estimates(config, settings),
    variants,
  )  # fmt: skip
  found = {'%s %s' % (kind, variant): rows for (variant,), of in parts.items() for kind, rows in of.items()}
  rows = [
    {'metric': metric, 'dataset': 'parallel_lines', 'system': 'exact', 'value': line[name], 'deviation': None,
     'source': 'here', 'note': 'infinite' if line[name] is None else '',
     'protocol': {'samples': settings['matched'], 'distance': line['distance']}}
    for line in exact['lines'] if line['distance'] in (0, 1)
    for metric, name in (('wasserstein_distance', 'wasserstein'), ('jensen_shannon', 'jensen_shannon'),
                         ('kullback_leibler', 'kullback_leibler'), ('total_variation', 'total_variation'))
  ]  # fmt: skip
  return dict(exact=exact, trained=found, penalty_weight=settings['variants']['gp']['penalty_weight'], rows=rows)


def agrees_with_theory(numbers: Json) -> bool:
  """Whether the lines' distances are those that example 1 gives, for every distance."""
  printed = {
    (row['metric'], row['protocol']['distance']): row['value']
    for row in published.rows()
    if row['dataset'] == 'parallel_lines'
  }
  for line in numbers['exact']['lines']:
    apart = float(line['distance'] > 0)
    for metric, value in (
      ('wasserstein_distance', line['wasserstein'] / line['distance'] if apart else line['wasserstein']),
      ('jensen_shannon', line['jensen_shannon']),
      ('kullback_leibler', line['kullback_leibler']),
      ('total_variation', line['total_variation']),
    ):
      wanted = printed[metric, apart]
      if (value is None) != (wanted is None) or (value is not None and abs(value - wanted) > 1e-9):
        return False
  return True


def rises_with(rows: Sequence[Json], exact: Sequence[Json]) -> Tuple[bool, float]:
  """Returns (whether each estimate is above the one before, Pearson's correlation with the exact W)."""
  found = [row['estimate'] for row in rows]
  rises = all(b > a for a, b in zip(found, found[1:]))
  if np.ptp(found) == 0:
    return rises, 0.0
  return rises, float(np.corrcoef(found, [row['wasserstein'] for row in exact])[0, 1])


def slope_left(curve: Sequence[Json], name: str) -> float:
  """Slope of a curve over its last piece, as a share of its largest slope."""
  slopes = np.diff([row[name] for row in curve]) / np.diff([row['distance'] for row in curve])
  return float(slopes[-1] / slopes.max())


def _follows(kind, variant):
  """`holds` and `measured` of the claim that an estimate follows W."""

  def holds(n):
    rises, correlation = rises_with(n['trained']['%s %s' % (kind, variant)], n['exact'][kind])
    return rises and correlation >= 0.99

  def measured(n):
    rows = n['trained']['%s %s' % (kind, variant)]
    pairs = ', '.join('%.3g for %g' % (row['estimate'], row['distance']) for row in rows)
    return '%s; correlation %.4f' % (pairs, rises_with(rows, n['exact'][kind])[1])

  return dict(holds=holds, measured=measured)


_FOLLOWS = 'on held-out points it rises with every distance, and its correlation with the exact W is at least 0.99'


def _claim_of(kind, variant, text, source):
  return common.Claim(text=text, source=source, rule=_FOLLOWS, **_follows(kind, variant))


def _last(numbers, name):
  return numbers['trained'][name][-1]['estimate']


CLAIMS = [
  common.Claim(
    text='Between parallel lines W is their distance; JS, KL and total variation know only whether it is 0.',
    source='WGAN, example 1 and figure 1',
    rule='at each distance, W by matching points, and JS, KL and total variation by their definitions, are the '
    'published values to 1e-9',
    holds=agrees_with_theory,
    published='W the distance, JS log 2, KL infinite, TV 1',
    measured=lambda n: '; '.join(
      'at %g: W %.4g, JS %.4f, KL %s, TV %g' % (
        line['distance'], line['wasserstein'], line['jensen_shannon'],
        'infinite' if line['kullback_leibler'] is None else '%g' % line['kullback_leibler'], line['total_variation'])
      for line in n['exact']['lines']
    ),
  ),
  _claim_of('lines', 'clip', "A clipped critic's estimate is W between the lines, up to a factor.", 'WGAN, equation 2'),
  _claim_of('lines', 'gp', "So is a penalised critic's.", 'WGAN-GP, section 4'),
  _claim_of('gaussians', 'clip', "A clipped critic's estimate is W between Gaussians, up to a factor.",
            'WGAN, equation 2'),
  _claim_of('gaussians', 'gp', "So is a penalised critic's.", 'WGAN-GP, section 4'),
  common.Claim(
    text='A discriminator trained between the lines finds JS at its bound, log 2, at whatever distance but 0.',
    source='WGAN, section 2 and figure 4',
    rule='on held-out points, its estimate is at least 90 % of log 2 at every distance above 0, and below 10 % at 0',
    holds=lambda n: all(
      row['estimate'] >= 0.9 * LOG_2 if row['distance'] else row['estimate'] < 0.1 * LOG_2
      for row in n['trained']['lines gan']
    ),
    measured=lambda n: ', '.join('%.3f at %g' % (r['estimate'], r['distance']) for r in n['trained']['lines gan']),
  ),
  common.Claim(
    text='Of two Gaussians, JS levels off as the one moves away: nothing is left to descend.',
    source='Keras post, means 0 to 35; GAN post',
    rule='the slope of the exact JS over the last piece of 0 to 35 is below 1 % of its largest',
    holds=lambda n: slope_left(n['exact']['gaussian_curve'], 'jensen_shannon') < 0.01,
    measured=lambda n: 'last slope %.1g of the largest'
    % slope_left(n['exact']['gaussian_curve'], 'jensen_shannon'),
  ),
  common.Claim(
    text='KL levels off too, later than JS.',
    source='Keras post, means 0 to 35; GAN post',
    rule='the slope of the exact KL over the last piece of 0 to 35 is below 1 % of its largest',
    holds=lambda n: slope_left(n['exact']['gaussian_curve'], 'kullback_leibler') < 0.01,
    measured=lambda n: 'last slope %.3g of the largest; with %g added to both densities, %.1g' % (
      slope_left(n['exact']['gaussian_curve'], 'kullback_leibler'), FLOOR,
      slope_left(n['exact']['gaussian_curve'], 'kullback_leibler_floored')),
  ),
]  # fmt: skip


# Written after the run.
REMARKS = (
  'The penalised critic overshoots as its optimum does: between a distribution and itself, shifted by W, the '
  'penalty lets the slope rise to 1 + W / (2 lambda), and the estimate to W + W² / (2 lambda): 1.05 at 1 and 11.2 '
  'at 8.\n\n'
  'The clipped critic misses proportion between the Gaussians. That is not for want of training: in a run of four '
  'times as many updates its estimates at the distances 1 and 8 moved by 3 %. Its slope is not the same everywhere, '
  'as the next experiment shows: steep within about 1 of the origin, where units whose bias and weight are both at '
  'the bound have their kinks, and flatter outside. So the factor between its estimate and W depends on where the '
  'two distributions lie.\n\n'
  'KL between Gaussians of deviation 1 is the squared distance over 2: its slope never stops growing. A KL that '
  'levels off, later than JS, as the posts show and say, is what comes out where a small number is added to the '
  'densities before their logarithm. That may be how their pictures were made; the posts do not say.'
)

_LABELS = {'clip': 'clipped critic', 'gp': 'penalised critic', 'gan': 'discriminator'}


def penalised_optimum(distance: Any, weight: float) -> Any:
  """What a penalised critic finds at its best between a distribution and itself, shifted.

  A linear critic of slope g has g W - lambda (g - 1)^2 to gain: most with g = 1 + W / (2 lambda), an estimate of
  W + W^2 / (2 lambda), above W.
  """
  return distance + distance**2 / (2 * weight)


def _draw_estimates(axes, numbers, kind):
  """W, exact and estimated; a clipped critic's is scaled to W at the farthest distance, its factor being unknown."""
  exact = numbers['exact'][kind]
  xs = np.array([row['distance'] for row in exact])
  axes.plot(xs, [row['wasserstein'] for row in exact], color='0.3', label='W, exact')
  for variant, marker in (('gp', 's'), ('clip', 'o')):
    found = np.array([row['estimate'] for row in numbers['trained']['%s %s' % (kind, variant)]])
    scale = 1.0 if variant == 'gp' or found[-1] <= 0 else exact[-1]['wasserstein'] / found[-1]
    label = _LABELS[variant] + ('' if scale == 1 else ' x %.3g' % scale)
    axes.plot(xs, scale * found, marker, mfc='none', ms=7, label=label)
  fine = np.linspace(0, xs[-1], 50)
  optimum = penalised_optimum(fine, numbers['penalty_weight'])
  axes.plot(fine, optimum, ':', color='C0', label='W + W²/%g' % (2 * numbers['penalty_weight']))
  axes.set(ylabel='Wasserstein distance', ylim=(None, 1.5 * axes.get_ylim()[1]))


def plot(numbers: Json) -> Any:
  """Draws W above JS and KL: lines on the left, Gaussians in the middle, and exact curves far out on the right."""
  figure = common.figure(8, 6.4)
  axes = figure.subplots(2, 3)
  for column, kind in enumerate(('lines', 'gaussians')):
    _draw_estimates(axes[0, column], numbers, kind)
    axes[0, column].set_title(
      {'lines': 'two parallel lines', 'gaussians': 'two Gaussians, deviation 1'}[kind], fontsize=10
    )
    exact, gan = numbers['exact'][kind], numbers['trained'][kind + ' gan']
    below = axes[1, column]
    if kind == 'lines':
      below.plot([0, exact[-1]['distance']], [LOG_2] * 2, color='C2', label='JS, exact; 0 at 0')
      below.plot([0], [0], '.', color='C2')
    else:
      near = [row for row in numbers['exact']['gaussian_curve'] if row['distance'] <= exact[-1]['distance']]
      near = near if len(near) > 2 else exact
      below.plot([r['distance'] for r in near], [r['jensen_shannon'] for r in near], color='C2', label='JS, exact')
    xs = [row['distance'] for row in gan]
    below.plot(xs, [row['estimate'] for row in gan], 'D', color='C2', mfc='none', ms=7, label='discriminator')
    below.set(ylabel='Jensen-Shannon (nats)', ylim=(-0.05, 1.05))
  curve = numbers['exact']['gaussian_curve']
  xs = [row['distance'] for row in curve]
  far = [row for row in curve if row['distance'] > 0]  # a logarithmic axis has no 0
  apart = [row['distance'] for row in far]
  axes[0, 2].plot(apart, [row['kullback_leibler'] for row in far], color='C4', label='KL, exact')
  axes[0, 2].plot(apart, [row['kullback_leibler_floored'] for row in far], '--', color='C4', label='densities + 1e-10')
  gan = [row for row in numbers['trained']['gaussians gan'] if row['distance'] > 0]
  axes[0, 2].plot(
    [row['distance'] for row in gan], [row['kl'] for row in gan], 'D', c='C4', mfc='none', label='discriminator'
  )
  axes[0, 2].set(ylabel='Kullback-Leibler (nats)', yscale='log', ylim=(0.05, 2e4))
  axes[0, 2].set_title('two Gaussians, far out', fontsize=10)
  axes[1, 2].plot(xs, [row['jensen_shannon'] for row in curve], color='C2', label='JS, exact')
  axes[1, 2].set(ylabel='Jensen-Shannon (nats)', ylim=(-0.05, 1.05))
  for panel in axes.flat:
    panel.legend(fontsize=7, loc='upper left')
    panel.set_xlabel('distance')
  figure.tight_layout()
  return figure


if __name__ == '__main__':
  common.main(sys.modules[__name__])
