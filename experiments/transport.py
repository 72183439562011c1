"""Plans that move one distribution to another, for the earth mover's examples. Not itself an experiment."""

import itertools
from typing import List, Sequence, Tuple

import numpy as np

from experiments import common
from wgan_tf1.evaluation.distances import earth_movers_plan, wasserstein_1d
from wgan_tf1.evaluation.metrics import jensen_shannon

HEIGHTS = np.arange(3.0)  # of a, b, c on the one line and of A, B, C on the other


def three_points(distance: float) -> common.Json:
  """Costs of every plan that moves a, b, c at 0 whole to A, B, C at `distance`, a third of the mass each.

  Args:
    distance: between the two parallel lines.

  Returns:
    dict: distance; plans, {plan: cost}, such as 'ABC' for a to A, b to B, c to C; best, the cost of the best of all
    plans, those that split a point included, by linear programming; plan, that plan, [3, 3]; jensen_shannon, in nats.
  """
  cost = np.hypot(distance, HEIGHTS[:, np.newaxis] - HEIGHTS)  # [3, 3]
  whole = {
    ''.join('ABC'[j] for j in order): float(sum(cost[i, j] for i, j in enumerate(order)) / 3)
    for order in itertools.permutations(range(3))
  }
  plan = earth_movers_plan(np.full(3, 1 / 3), np.full(3, 1 / 3), cost)
  apart = np.array([0.5, 0.5]) if distance == 0 else np.array([1.0, 0.0])  # the mass of either on each of the lines
  js = float(jensen_shannon(apart, apart[::-1]))
  best = float((plan * cost).sum())
  return dict(distance=distance, plans=whole, best=best, plan=plan.round(12).tolist(), jensen_shannon=js)


def moves(p: Sequence[int], q: Sequence[int]) -> Tuple[np.ndarray, List[int]]:
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


def blocks(histogram: Sequence[int]) -> np.ndarray:
  """Returns the bin of each block: [2, 0, 1] -> [0, 0, 2]."""
  return np.repeat(np.arange(len(histogram)), histogram)


def area_between_cdfs(a: np.ndarray, b: np.ndarray) -> float:
  """Integral of |F_a - F_b| for point masses, by adding up the rectangles between neighbouring points.

  Args:
    a: float [N], each of mass 1 / N.
    b: float [M], each of mass 1 / M.
  """
  xs = np.sort(np.concatenate([a, b]))
  heights = np.searchsorted(np.sort(a), xs, 'right') / len(a) - np.searchsorted(np.sort(b), xs, 'right') / len(b)
  return float(np.sum(np.abs(heights[:-1]) * np.diff(xs)))


def plan_cost(a: np.ndarray, b: np.ndarray) -> float:
  """Cost of the best plan between point masses on a line, by linear programming; a is float [N], b is float [M]."""
  cost = np.abs(a[:, np.newaxis] - b)
  plan = earth_movers_plan(np.full(len(a), 1 / len(a)), np.full(len(b), 1 / len(b)), cost)
  return float((plan * cost).sum())


def turned(p: List[int], q: List[int], random_plans: int) -> common.Json:
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
    best=plan_cost(here, there) * len(here),
    area=area_between_cdfs(here, there) * len(here),
    random=sorted([cost, costs.count(cost)] for cost in set(costs)),
  )


def shifted(p: List[int]) -> List[common.Json]:
  """Moves a copy of histogram `p` off to the right; returns shift, overlap in blocks, W and JS after each bin."""
  found, room = [], np.zeros(len(p), int)
  for shift in range(len(p) + 1):
    a, b = np.concatenate([p, room]), np.concatenate([room[:shift], p, room[shift:]])
    distance = wasserstein_1d(blocks(a.tolist()).astype(float), blocks(b.tolist()).astype(float))
    js = jensen_shannon(a / sum(p), b / sum(p))
    overlap = int(np.minimum(a, b).sum())
    found.append(dict(shift=shift, overlap=overlap, wasserstein=float(distance), jensen_shannon=float(js)))
  return found
