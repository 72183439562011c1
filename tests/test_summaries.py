"""What TensorBoard makes of the summaries of a run."""

import json
import sys
import time
import urllib.request

import pytest
from tensorboard import program

from wgan_tf1 import config, training

pytestmark = pytest.mark.xdist_group('summaries')  # the runs are made once
DEADLINE_SECONDS = 120


@pytest.fixture(scope='module')
def tensorboard(tmp_path_factory):
  """Serves the runs 'clip' and 'gp' of a toy. Returns a function of a page, and of what to post to it, to its JSON."""
  folder = tmp_path_factory.mktemp('runs')
  for variant in ('clip', 'gp'):
    training.train(
      config.make(
        'toy-8gaussians',
        variant,
        width=4,
        batch_size=4,
        generator_steps=2,
        summary_every_steps=1,
        run_dir=str(folder / variant),
      )
    )
  server = program.TensorBoard()
  # The fast loader is a separate program, which not every version has.
  own_loader = ['--load_fast=false'] if sys.version_info >= (3, 8) else []
  server.configure(['', '--logdir=%s' % folder, '--port=0', '--host=localhost', '--reload_interval=1', *own_loader])
  address = server.launch()

  def get(page, post=None):
    data = None if post is None else json.dumps(post).encode()
    request = urllib.request.Request(address + 'data/plugin/' + page, data, {'Content-Type': 'application/json'})
    with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as response:
      return json.load(response)

  return get


def _when(get, holds, *page):
  """Returns a page as soon as holds(page), because TensorBoard loads in the background."""
  started = time.time()
  while True:
    found = get(*page)
    if holds(found):
      return found
    assert time.time() - started < DEADLINE_SECONDS, found


def test_scalars_and_the_charts_that_overlay_them(tensorboard):
  last = 'speed/generator_steps_per_second'
  tags = _when(tensorboard, lambda t: set(t) == {'clip', 'gp'} and all(last in r for r in t.values()), 'scalars/tags')
  assert {'estimate/train', 'estimate/held_out', 'constraint/share_at_bound'} <= set(tags['clip'])
  assert tags['gp']['estimate/train']['displayName'] == 'Wasserstein estimate, training'
  assert 'mean f(real) - mean f(fake)' in tags['gp']['estimate/train']['description']
  (category,) = _when(tensorboard, lambda layout: layout.get('category'), 'custom_scalars/layout')['category']
  charts = {chart['title']: chart['multiline']['tag'] for chart in category['chart']}
  overlaid = ['^estimate/train$', '^estimate/held_out$']
  assert charts['estimate, training and held out'] == overlaid
  assert len(category['chart']) == len(charts) == 6  # the charts of both runs, none twice
  assert ['^constraint/share_at_bound$'] in charts.values()  # a share, from 0 to 1, beside no norm
  for tag in overlaid:  # the page asks for each run's scalars like this
    found = tensorboard('custom_scalars/scalars?run=gp&tag=%s' % urllib.request.quote(tag))
    assert found['regex_valid'] and [len(v) for v in found['tag_to_events'].values()] == [2]


def test_the_hparams_tab_tells_runs_apart(tensorboard):
  everything = {
    'experimentName': '', 'colParams': [], 'startIndex': 0, 'sliceSize': 9,
    'allowedStatuses': ['STATUS_UNKNOWN', 'STATUS_SUCCESS', 'STATUS_FAILURE', 'STATUS_RUNNING'],
  }  # fmt: skip

  def has_both(found):
    return len(found.get('sessionGroups', [])) == 2 and all(g.get('metricValues') for g in found['sessionGroups'])

  groups = _when(tensorboard, has_both, 'hparams/session_groups', everything)['sessionGroups']
  hparams = {group['name']: group['hparams'] for group in groups}
  assert hparams['clip']['clip_value'] == 0.01 and 'clip_value' not in hparams['gp']
  assert hparams['gp']['penalty_weight'] == 0.1 and hparams['gp']['critic_learning_rate'] == 1e-4
  assert not {'run_dir', 'data_dir', 'save_every_steps', 'data_fingerprint'} & set(hparams['gp'])
  assert all(g['sessions'][0]['status'] == 'STATUS_SUCCESS' for g in groups)
  metrics = {value['name']['tag'] for value in groups[0]['metricValues']}
  assert {'estimate/train', 'estimate/held_out'} <= metrics
  columns = [info['name'] for info in tensorboard('hparams/experiment', {'experimentName': ''})['hparamInfos']]
  assert set(columns[:2]) == {'variant', 'preset'}
