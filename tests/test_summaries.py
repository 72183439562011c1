"""What TensorBoard makes of the summaries of a run."""

import json
import sys
import time
import types
import urllib.request

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from tensorboard import program

from wgan_tf1 import config, summaries, training

pytestmark = pytest.mark.xdist_group('summaries')  # the runs are made once
DEADLINE_SECONDS = 120


# The loaders of events that TensorBoard has: its own, and since 2.5 the faster one of another program.
LOADERS = [['--load_fast=auto'], ['--load_fast=false']] if sys.version_info >= (3, 8) else [[]]


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  """A folder with a run of each variant of a toy: 'a-gan', 'clip' and 'gp', in TensorBoard's order."""
  folder = tmp_path_factory.mktemp('runs')
  for variant in ('clip', 'gp', 'gan'):
    training.train(
      config.make(
        'toy-8gaussians',
        variant,
        width=4,
        batch_size=4,
        ema_decay=0.5,
        generator_steps=2,
        summary_every_steps=1,
        run_dir=str(folder / ('a-gan' if variant == 'gan' else variant)),
      )
    )
  return folder


@pytest.fixture(scope='module', params=LOADERS, ids=' '.join)
def tensorboard(request, runs):
  """Serves the runs. Returns a function of a page, and of what to post to it, to its content, by default JSON."""
  server = program.TensorBoard()
  server.configure(['', '--logdir=%s' % runs, '--port=0', '--host=localhost', '--reload_interval=1', *request.param])
  address = server.launch()

  def get(page, post=None, read=json.load):
    data = None if post is None else json.dumps(post).encode()
    request = urllib.request.Request(address + 'data/plugin/' + page, data, {'Content-Type': 'application/json'})
    with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as response:
      return read(response)

  return get


def _when(get, holds, *page):
  """Returns a page as soon as holds(page), because TensorBoard loads in the background."""
  started = time.time()
  while True:
    found = get(*page)
    if holds(found):
      return found
    assert time.time() - started < DEADLINE_SECONDS, found


def test_scalars_have_groups_titles_and_descriptions(tensorboard):
  last = 'speed/generator_steps_per_second'
  tags = _when(tensorboard, lambda t: len(t) == 3 and all(last in r for r in t.values()), 'scalars/tags')
  assert {'estimate/train', 'estimate/held_out', 'constraint/share_at_bound'} <= set(tags['clip'])
  assert {run['estimate/train']['displayName'] for run in tags.values()} == {'estimate, training'}
  assert 'mean f(real) - mean f(fake)' in tags['gp']['estimate/train']['description']
  assert all(shown['displayName'] != tag and shown['description'] for r in tags.values() for tag, shown in r.items())


def test_custom_scalars_show_the_groups_in_the_order_of_the_table_of_scalars(tensorboard):
  _when(tensorboard, lambda tags: len(tags) == 3, 'scalars/tags')
  groups = tensorboard('custom_scalars/layout')['category']
  in_order = list(dict.fromkeys(shown.tag.split('/')[0] for shown in summaries.SCALARS.values()))
  assert [group['title'] for group in groups] == in_order + ['evaluation']
  charts = [(chart['title'], chart['multiline']['tag']) for group in groups for chart in group.get('chart', [])]
  tags_of = dict(charts)
  overlaid = ['^estimate/train$', '^estimate/held_out$']
  assert tags_of['estimate, training and held out'] == overlaid
  assert len(charts) == len(tags_of) == 8  # the charts of all runs, none twice
  assert ['^constraint/share_at_bound$'] in tags_of.values()  # a share, from 0 to 1, beside no norm
  for tag in overlaid:  # the page asks for each run's scalars like this
    found = tensorboard('custom_scalars/scalars?run=gp&tag=%s' % urllib.request.quote(tag))
    assert found['regex_valid'] and [len(v) for v in found['tag_to_events'].values()] == [2]


@pytest.mark.parametrize('run', ['a-gan', 'clip', 'gp'])
def test_the_graph_has_no_auxiliary_nodes(tensorboard, run):
  """TensorBoard moves a NoOp aside and, of a graph of 15 nodes or more, those with the most edges: train_critic."""
  _when(tensorboard, lambda runs: run in runs, 'graphs/info')
  graph = tf.GraphDef()
  text_format.Parse(tensorboard('graphs/graph?run=' + run, read=lambda response: response.read().decode()), graph)
  drawn = {node.name.split('/')[0] for node in graph.node}
  assert {'train_critic', 'train_generator', 'losses', 'inputs'} <= drawn
  assert len(drawn) < 15, drawn
  assert not [node.name for node in graph.node if node.op == 'NoOp' and '/' not in node.name]


def test_the_hparams_tab_tells_runs_apart(tensorboard):
  everything = {
    'experimentName': '', 'colParams': [], 'startIndex': 0, 'sliceSize': 9,
    'allowedStatuses': ['STATUS_UNKNOWN', 'STATUS_SUCCESS', 'STATUS_FAILURE', 'STATUS_RUNNING'],
  }  # fmt: skip

  def has_all(found):
    return len(found.get('sessionGroups', [])) == 3 and all(g.get('metricValues') for g in found['sessionGroups'])

  groups = _when(tensorboard, has_all, 'hparams/session_groups', everything)['sessionGroups']
  hparams = {group['name']: group['hparams'] for group in groups}
  assert hparams['clip']['clip_value'] == 0.01 and 'clip_value' not in hparams['gp']
  assert hparams['gp']['penalty_weight'] == 0.1 and hparams['gp']['critic_learning_rate'] == 1e-4
  assert not {'run_dir', 'data_dir', 'save_every_steps', 'data_fingerprint'} & set(hparams['gp'])
  assert all(g['sessions'][0]['status'] == 'STATUS_SUCCESS' for g in groups)
  metrics = {value['name']['tag'] for value in groups[0]['metricValues']}
  assert {'estimate/train', 'estimate/held_out'} <= metrics
  columns = [info['name'] for info in tensorboard('hparams/experiment', {'experimentName': ''})['hparamInfos']]
  assert set(columns[:2]) == {'variant', 'preset'}


@pytest.mark.parametrize(
  'count, batch_size, parts', [(9, 4, [3, 3, 3]), (5, 4, [3, 2]), (65, 64, [33, 32]), (8, 4, [4, 4]), (3, 4, [3])]
)
def test_no_held_out_sample_is_scored_alone_in_a_remainder(count, batch_size, parts):
  """A critic with batch norm would see one sample as zeros."""
  scored, written = [], []

  def run(fetches, feed):
    if fetches == 'real_scores':
      scored.append(feed['real'])
      return feed['real']
    if fetches == 'wasserstein_estimate':
      return np.mean(feed['real_scores']) - np.mean(feed['fake_scores'])
    return {'scalars': {}, 'fake_scores': np.ones(2)}

  graph = types.SimpleNamespace(**{name: name for name in ('real', 'real_scores', 'fake_scores')})
  graph.estimate = 'wasserstein_estimate'
  graph.scalars = {graph.estimate: graph.estimate}
  settings = types.SimpleNamespace(batch_size=batch_size, summary_every_steps=10)
  model = types.SimpleNamespace(config=settings, graph=graph, session=types.SimpleNamespace(run=run))
  writer = types.SimpleNamespace(add_summary=lambda summary, step: written.append(summary), flush=lambda: None)
  held_out = np.arange(count, dtype=np.float32)
  summaries.write(model, writer, {}, held_out, 1, 1.0)
  assert [len(part) for part in scored] == parts
  np.testing.assert_array_equal(np.concatenate(scored), held_out)
  values = {value.tag: value.simple_value for value in written[0].value}
  assert values['estimate/held_out'] == (count - 1) / 2 - 1
