"""The posts' earth mover's examples: plans between three points, a histogram moved step by step, areas between CDFs.

python -m experiments.earth_mover

Everything is exact and nothing is trained.
"""

import itertools
import math
import sys

import numpy as np

from experiments import common
from wgan_tf1.evaluation import metrics

TITLE = "The earth mover's distance on the posts' examples"

# The posts print pictures of their histograms, not their numbers: these are ours, of ten blocks each.
_HISTOGRAMS = {
  'apart': {'p': [4, 3, 2, 1, 0, 0, 0, 0], 'q': [0, 0, 0, 0, 1, 2, 3, 4]},
  'mixed': {'p': [1, 4, 3, 0, 0, 2, 0, 0], 'q': [2, 0, 2, 1, 4, 0, 0, 1]},
}
SETTINGS = {
  'full': dict(
    histograms=_HISTOGRAMS, distances=[0.0, 0.25, 0.5, 1.0, 2.0, 4.0], random_plans=2000, pairs=50, points=60
  ),
  'quick': dict(histograms=_HISTOGRAMS, distances=[0.0, 1.0, 2.0], random_plans=50, pairs=5, points=10),
}
EXACT = 1e-9  # what float64 and a linear program leave of an exact equality
HEIGHTS = np.arange(3.0)  # of a, b, c on the one line and of A, B, C on the other


def three_points(distance):
  """Costs of every plan that moves a, b, c at 0 whole to A, B, C at `distance`, a third of the mass each.

  Args:
    distance: between the two parallel lines.

  Returns:
    {plan: cost}, such as 'ABC' for a to A, b to B, c to C; the cost of the best of all plans, those that split a point
    included, by linear programming; that plan, [3, 3].
  """
  cost = np.hypot(distance, HEIGHTS[:, np.newaxis] - HEIGHTS)  # [3, 3]
  whole = {
    ''.join('ABC'[j] for j in order): float(sum(cost[i, j] for i, j in enumerate(order)) / 3)
    for order in itertools.permutations(range(3))
  }
  plan = metrics.earth_movers_plan(np.full(3, 1 / 3), np.full(3, 1 / 3), cost)
  return whole, float((plan * cost).sum()), plan


def moves(p, q):
  """Turns histogram `p` into `q` bin by bin from the left: each bin hands its surplus, or its lack, to the next.

  Args:
    p: int [K], blocks in each bin.
    q: int [K], as many in all.

  Returns:
    The histogram before each step and after the last, [K, K]; the blocks that each step carries over one bin, [K - 1].
  """
  stages, carried = [np.array(p)], []
  for i in range(len(p) - 1):
    now = stages[-1].copy()
    surplus = now[i] - q[i]
    now[i] -= surplus
    now[i + 1] += surplus
    stages.append(now)
    carried.append(int(abs(surplus)))
  return np.array(stages), carried


def blocks(histogram):
  """Returns the bin of each block: [2, 0, 1] -> [0, 0, 2]."""
  return np.repeat(np.arange(len(histogram)), histogram)


def area_between_cdfs(a, b):
  """Integral of |F_a - F_b| for point masses, by adding up the rectangles between neighbouring points.

  Args:
    a: float [N], each of mass 1 / N.
    b: float [M], each of mass 1 / M.
  """
  xs = np.sort(np.concatenate([a, b]))
  heights = np.searchsorted(np.sort(a), xs, 'right') / len(a) - np.searchsorted(np.sort(b), xs, 'right') / len(b)
  return float(np.sum(np.abs(heights[:-1]) * np.diff(xs)))


def _plan_cost(a, b):
  """Cost of the best plan between point masses on a line, by linear programming; a is float [N], b is float [M]."""
  cost = np.abs(a[:, np.newaxis] - b)
  plan = metrics.earth_movers_plan(np.full(len(a), 1 / len(a)), np.full(len(b), 1 / len(b)), cost)
  return float((plan * cost).sum())


def _three_points_by_distance(distances):
  found = []
  for distance in distances:
    whole, best, plan = three_points(distance)
    apart = np.array([0.5, 0.5]) if distance == 0 else np.array([1.0, 0.0])
    js = metrics.jensen_shannon(apart, apart[::-1])  # the mass of either distribution on the one line and the other
    found.append(
      dict(distance=distance, plans=whole, best=best, plan=plan.round(12).tolist(), jensen_shannon=float(js))
    )
  return found


def turned(p, q, random_plans):
  """Turns histogram `p` into `q` bin by bin, by the best plan, and by random ones.

  Args:
    p: int [K], blocks in each bin.
    q: int [K], as many in all.
    random_plans: how many plans to draw, each of which gives every block of p a random block's place in q.

  Returns:
    dict of p, q, the stages and what they carry, see `moves`, and costs in blocks times bins: best, by linear
    programming; area, between the CDFs; random, [cost, plans that have it] from low to high.
  """
  stages, carried = moves(p, q)
  here, there = blocks(p), blocks(q)
  random = np.random.RandomState([0, 1])
  costs = [int(np.abs(here - random.permutation(there)).sum()) for _ in range(random_plans)]
  return dict(
    p=p,
    q=q,
    stages=stages.tolist(),
    carried=carried,
    best=_plan_cost(here, there) * len(here),
    area=area_between_cdfs(here, there) * len(here),
    random=sorted([cost, costs.count(cost)] for cost in set(costs)),
  )


def shifted(p):
  """Moves a copy of histogram `p` off to the right; returns shift, overlap in blocks, W and JS after each bin."""
  found, room = [], np.zeros(len(p), int)
  for shift in range(len(p) + 1):
    a, b = np.concatenate([p, room]), np.concatenate([room[:shift], p, room[shift:]])
    distance = metrics.wasserstein_1d(blocks(a).astype(float), blocks(b).astype(float))
    js = metrics.jensen_shannon(a / sum(p), b / sum(p))
    overlap = int(np.minimum(a, b).sum())
    found.append(dict(shift=shift, overlap=overlap, wasserstein=float(distance), jensen_shannon=float(js)))
  return found


def measure(settings, run):
  """Returns the costs of plans, of moves, and of pairs of point sets; all exact."""
  del run  # nothing is kept or read
  pairs = []
  for i in range(settings['pairs']):
    random = np.random.RandomState([0, 2, i])
    # Of unequal sizes every second time: then no sorting pairs them up.
    a, b = random.normal(size=settings['points']), random.gamma(2, size=settings['points'] - i % 2)
    pairs.append([area_between_cdfs(a, b), _plan_cost(a, b), float(metrics.wasserstein_1d(a, b))])
  return dict(
    three_points=_three_points_by_distance(settings['distances']),
    histograms={
      name: turned(pair['p'], pair['q'], settings['random_plans']) for name, pair in settings['histograms'].items()
    },
    shifted=shifted(settings['histograms']['apart']['p']),
    pairs=pairs,
  )


def _apart(numbers):
  return [row for row in numbers['three_points'] if row['distance'] > 0]


def _worst_pair(numbers):
  return max(max(pair) - min(pair) for pair in numbers['pairs'])


def _disjoint(numbers):
  return [row for row in numbers['shifted'] if row['overlap'] == 0]


def _median_of_random(example):
  return float(np.median(np.repeat(*np.transpose(example['random']))))


def _clumsy_takes_more(example):
  return (
    abs(sum(example['carried']) - example['best']) < EXACT
    and example['random'][0][0] >= example['best'] - EXACT
    and _median_of_random(example) > example['best'] + EXACT
  )


def _moves_measured(example):
  costs = example['random']
  return 'bin by bin %d steps, best plan %.4g, random plans %d to %d, median %g' % (
    sum(example['carried']), example['best'], costs[0][0], costs[-1][0], _median_of_random(example))  # fmt: skip


_MOVES_RULE = (
  'moving bin by bin takes as many steps as the best plan by linear programming, to 1e-9; no random plan takes fewer, '
  'and at least half of them more'
)

CLAIMS = [
  common.Claim(
    text="The plan aA, bB, cC costs less than aB, bC, cA; it is the cheapest of all, and costs the lines' distance.",
    source='MNIST post, three-point example',
    rule='at each distance above 0, plan ABC costs the distance to 1e-9, so does the linear program over all plans, '
    'and BCA costs more',
    holds=lambda n: all(
      abs(row['plans']['ABC'] - row['distance']) < EXACT
      and abs(row['best'] - row['distance']) < EXACT
      and row['plans']['BCA'] > row['plans']['ABC'] + EXACT
      for row in _apart(n)
    ),
    measured=lambda n: '; '.join(
      'at %g: ABC %.4g, BCA %.4g, best of all %.4g'
      % (row['distance'], row['plans']['ABC'], row['plans']['BCA'], row['best'])
      for row in _apart(n)
    ),
  ),
  common.Claim(
    text="Without overlap the Jensen-Shannon divergence is log 2 wherever the two are; the earth mover's is not.",
    source='MNIST post; GAN post',
    rule='JS is log 2 to 1e-9 at each distance of the lines above 0 and for each shift of a histogram without overlap, '
    'and W rises with each shift',
    holds=lambda n: (
      all(abs(row['jensen_shannon'] - math.log(2)) < EXACT for row in _apart(n) + _disjoint(n))
      and all(b['wasserstein'] > a['wasserstein'] for a, b in zip(n['shifted'], n['shifted'][1:]))
    ),
    measured=lambda n: (
      'JS from %.6f to %.6f nats; W %s'
      % (
        min(row['jensen_shannon'] for row in _apart(n) + _disjoint(n)),
        max(row['jensen_shannon'] for row in _apart(n) + _disjoint(n)),
        ', '.join('%.4g' % row['wasserstein'] for row in _disjoint(n)),
      )
    ),
  ),
  common.Claim(
    text='A clumsy way to move one histogram onto another takes more steps than the best: of two without overlap.',
    source='GAN post, histograms',
    rule=_MOVES_RULE,
    holds=lambda n: _clumsy_takes_more(n['histograms']['apart']),
    measured=lambda n: _moves_measured(n['histograms']['apart']),
  ),
  common.Claim(
    text='The same, of two histograms whose bins lie among each other.',
    source='GAN post, histograms',
    rule=_MOVES_RULE,
    holds=lambda n: _clumsy_takes_more(n['histograms']['mixed']),
    measured=lambda n: _moves_measured(n['histograms']['mixed']),
  ),
  common.Claim(
    text='In one dimension W1 is the area between the two cumulative distribution functions.',
    source='Keras post, W1 in one dimension',
    rule='area, linear program and metrics.wasserstein_1d agree to 1e-9 on every random pair of point sets, and area '
    'and linear program on the histograms',
    holds=lambda n: (
      _worst_pair(n) < EXACT and all(abs(h['area'] - h['best']) < EXACT for h in n['histograms'].values())
    ),
    measured=lambda n: 'largest difference %.0e over %d pairs' % (_worst_pair(n), len(n['pairs'])),
  ),
]

# Written after the run.
REMARKS = (
  'Where all of P lies to the left of all of Q, every plan that carries blocks straight to their places costs the '
  'same: the distance between the means. So on such a pair no direct way is clumsy, and the claim needs bins that lie '
  'among each other. The first pair was the only one at first; the second was added after it had failed.'
)


def _draw_plan(axes, plan, distance, cost, title):
  for i, j in enumerate('ABC'.index(letter) for letter in plan):
    axes.annotate('', (distance, HEIGHTS[j]), (0, HEIGHTS[i]), arrowprops=dict(arrowstyle='->', color='C0', lw=1.5))
    axes.text(-0.06, HEIGHTS[i], 'abc'[i], ha='right', va='center')
    axes.text(distance + 0.06, HEIGHTS[i], 'ABC'[i], ha='left', va='center')
  axes.plot([0] * 3, HEIGHTS, 'o', color='C2')
  axes.plot([distance] * 3, HEIGHTS, 'o', color='C3')
  axes.set(xlim=(-0.3, distance + 0.3), ylim=(-0.35, 2.35), xlabel='position', yticks=[0, 1, 2])
  axes.set_title('%s: cost %.3g' % (title, cost), fontsize=10)


def plot(numbers):
  """Draws the two plans and their costs, the moves, and the area."""
  figure = common.figure(8, 8)
  grid = figure.add_gridspec(3, 12, hspace=0.55, wspace=3, left=0.08, right=0.97, top=0.95, bottom=0.07)
  row = next((row for row in numbers['three_points'] if row['distance'] == 1), numbers['three_points'][-1])
  for i, plan in enumerate(('ABC', 'BCA')):
    axes = figure.add_subplot(grid[0, 3 * i : 3 * i + 3])
    _draw_plan(axes, plan, row['distance'], row['plans'][plan], 'plan ' + ', '.join(map(''.join, zip('abc', plan))))
  axes = figure.add_subplot(grid[0, 7:])
  distances = [row['distance'] for row in numbers['three_points']]
  for plan, label in (('ABC', 'aA, bB, cC = W'), ('BCA', 'aB, bC, cA')):
    axes.plot(distances, [row['plans'][plan] for row in numbers['three_points']], 'o-', ms=4, label=label)
  apart = _apart(numbers)
  axes.plot([row['distance'] for row in apart], [row['jensen_shannon'] for row in apart], 's--', c='C2', ms=4)
  axes.plot([0], [0], 's--', c='C2', ms=4, label='JS (nats), 0 at 0')
  axes.set(xlabel='distance of the lines', ylabel='cost')
  axes.legend(fontsize=8)

  example = numbers['histograms']['mixed']
  stages = np.array(example['stages'])
  bins = np.arange(stages.shape[1])
  top = stages.max() + 1
  shown = np.linspace(0, len(stages) - 1, 4).round().astype(int)
  for i, stage in enumerate(shown):
    axes = figure.add_subplot(grid[1, 3 * i : 3 * i + 3])
    axes.bar(bins, stages[stage], color='C0', width=0.9)
    axes.step(np.append(bins, bins[-1] + 1) - 0.5, np.append(example['q'], example['q'][-1]), where='post', color='C3')
    carried = sum(example['carried'][:stage])
    axes.set_title('P (target: red)' if stage == 0 else 'after step %d: %d moved' % (stage, carried), fontsize=9)
    axes.set(xlabel='bin', ylim=(min(0, stages.min()), top), xticks=bins[::2])
    if i == 0:
      axes.set_ylabel('blocks')

  axes = figure.add_subplot(grid[2, :6])
  edges = np.append(bins, len(bins))
  total = sum(example['p'])
  cdfs = [np.append(np.cumsum(example[name]) / total, 1.0) for name in 'pq']
  axes.fill_between(edges, *cdfs, step='post', color='0.85')
  for cdf, color, label in zip(cdfs, ('C0', 'C3'), ('P', 'Q')):
    axes.step(edges, cdf, where='post', color=color, label=label)
  axes.set_title('area between CDFs: %.3g = W' % (example['area'] / total), fontsize=10)
  axes.set(xlabel='bin', ylabel='cumulative share')
  axes.legend(loc='lower right', fontsize=8)

  axes = figure.add_subplot(grid[2, 7:])
  costs, counts = np.transpose(example['random'])
  axes.bar(costs, counts, width=1.6, color='0.7', label='random plans')
  axes.axvline(example['best'], color='C0', lw=2, label='best plan: %.3g' % example['best'])
  axes.set_title('steps to turn P into Q', fontsize=10)
  axes.set(xlabel='blocks times bins', ylabel='plans', ylim=(0, 1.35 * counts.max()))
  axes.legend(fontsize=8, ncol=2, loc='upper center')
  return figure


if __name__ == '__main__':
  common.main(sys.modules[__name__])
