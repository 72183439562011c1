import ast
import json
import os
import re
import sys
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from benchmarks import cost, processes, quality, table, throughput
from benchmarks.peers import compare
from tests.helpers.checkpoints import assert_same_variables, variables
from tests.helpers.errors import user_error
from tests.helpers.processes import ROOT, refused, run, run_here
from wgan_tf1 import config as configs
from wgan_tf1 import training


def _traces(path):
  """Returns the events with a duration of a trace in Chrome's format."""
  events = json.loads(path.read_text())['traceEvents']
  return [e for e in events if e['ph'] == 'X']


@pytest.mark.parametrize('variant', ['clip', 'gp'])
def test_the_profile_of_a_step_changes_nothing_else(tiny, tmp_path, variant):
  config = tiny(variant, width=2, generator_steps=3, profile_step=3, run_dir=str(tmp_path / 'run'))
  assert training.train(config) is None
  made = sorted(path.name for path in (tmp_path / 'run').glob('timeline*'))
  assert made == ['timeline-3-critic.json', 'timeline-3-generator.json']
  of = {name: _traces(tmp_path / 'run' / ('timeline-3-%s.json' % name)) for name in ('critic', 'generator')}
  for events in of.values():
    assert all(e['dur'] >= 0 and e['ts'] > 0 for e in events)
    assert any('Conv2D' in e['name'] for e in events)
  names = {name: ' '.join(str(e['args'].get('name')) for e in events) for name, events in of.items()}
  assert 'train_critic' in names['critic'] and 'train_generator' not in names['critic']
  assert 'train_generator' in names['generator'] and 'train_critic' not in names['generator']
  (events,) = (tmp_path / 'run').glob('events*')
  tagged = [e for e in tf.train.summary_iterator(str(events)) if e.HasField('tagged_run_metadata')]
  assert [(e.step, e.tagged_run_metadata.tag) for e in tagged] == [(3, 'critic-3'), (3, 'generator-3')]
  metadata = tf.RunMetadata.FromString(tagged[0].tagged_run_metadata.run_metadata)
  assert metadata.step_stats.dev_stats
  assert 'profile_step' in configs.CHANGEABLE
  if variant == 'clip':
    training.train(tiny(width=2, generator_steps=3, run_dir=str(tmp_path / 'plain')))
    assert not list((tmp_path / 'plain').glob('timeline*'))
    assert_same_variables(variables(tmp_path / 'run', 3), variables(tmp_path / 'plain', 3))


def test_operations_are_counted(tiny):
  """blog-mnist's, by hand: a convolution's weights times the positions of its smaller side, twice."""
  config = tiny('gp', width=4, batch_size=2)
  generator = 2 * (128 * 512 + 9 * (32 * 16 * 16 + 16 * 8 * 64 + 8 * 4 * 256 + 4 * 1 * 1024))
  critic = 2 * (9 * (1 * 4 * 256 + 4 * 8 * 64 + 8 * 16 * 16 + 16 * 32 * 4) + 128)
  assert throughput.forward_flops(config) == (generator, critic)
  flops = throughput.step_flops(config, generator, critic)
  assert flops == 2 * (2 * (generator + 10 * critic) + 3 * generator + 2 * critic)


def test_a_generators_own_batch_counts(tiny):
  config = tiny(batch_size=2, generator_batch_size=4)
  assert throughput.step_flops(config, 10, 1) == 2 * 2 * (10 + 6) + 4 * (30 + 2)


def test_a_point_of_the_table():
  point = dict(preset='toy-8gaussians', variant='gp', width=4, batch_size=8, threads=1)
  out, err = run(ROOT, '-m', 'benchmarks.cost', '--steps=2', '--point=' + json.dumps(point))
  assert err == ''
  measured = json.loads(out)
  assert measured['bytes'] > 0 and measured['flops'] > 0
  steps = 5 * measured['critic_seconds'] + measured['generator_seconds']
  np.testing.assert_allclose(measured['seconds'], steps)
  assert 0 < measured['best'] <= measured['seconds'] and 0 < measured['peak'] <= measured['best_peak']


@pytest.mark.parametrize('preset', ['gp-mnist', 'text-char'])
def test_no_point_needs_data_on_disk(tmp_path, preset):
  point = dict(preset=preset, variant='gp', width=2, batch_size=2, generator_batch_size=2)
  out, err = run(
    ROOT, '-m', 'benchmarks.cost', '--steps=1', '--point=' + json.dumps(point), WGAN_DATA_DIR=str(tmp_path)
  )
  assert err == '' and json.loads(out)['best'] > 0


def test_made_lines_have_as_many_characters_as_the_twins():
  with cost._data('text') as settings, training.new_trainer(configs.make('text-char', width=2, **settings)) as trainer:
    assert len(trainer.config.vocabulary) == 96  # as in torch_step.py


def test_notices_among_the_results_of_a_process_are_ignored():
  """A download's notice on standard output was once taken for the measurement."""
  for printed in ('downloading\n{"a": 1}\n', '{"a": 0}\n{"a": 1}\n{ a notice\n3\n'):
    assert processes.measured([sys.executable, '-c', 'print(%r)' % printed]) == {'a': 1}
  with user_error('printed no results'):
    processes.measured([sys.executable, '-c', 'print(1)'])
  with user_error('failed: ZeroDivisionError'):
    processes.measured([sys.executable, '-c', '1 / 0'])


def test_the_comparison_reads_both_processes(tmp_path, monkeypatch):
  other = tmp_path / 'python'
  other.write_text(
    '#!/bin/sh\necho downloading\necho \'{"best": 2.0, "best_peak": 8e9, "flops": 4e9}\'\necho a notice\n'
  )
  other.chmod(0o755)
  monkeypatch.setattr(sys, 'executable', str(other))
  flags = ['--torch_python=%s' % other, '--presets=toy-8gaussians', '--variants=gp', '--rounds=1']
  out, err = run_here(tmp_path, 'benchmarks/peers/compare.py', *flags)
  assert err == '' and out.startswith('toy-8gaussians  gp    fp32  ours 2.000 s  torch 2.000 s')
  assert out.endswith('ratio 1.00, 25 % of peak\n') and out.count('\n') == 1


def test_every_point_is_a_run():
  for quick in (False, True):
    series = cost.series(quick, 'cpu' if quick else 'wall')
    assert set(series) == {'batch_size', 'width', 'image_size', 'threads'}
    for name, points in series.items():
      grown = [point[name] for point in points]
      assert grown == sorted(grown) and len(set(grown)) == len(points) > 1
      for point in points:
        configs.make(**{key: value for key, value in point.items() if key not in ('threads', 'clock')})
  assert [p['batch_size'] for p in cost.series(False)['batch_size']] == [16, 32, 64, 128, 256, 512]
  assert [p['threads'] for p in cost.series(False)['threads']] == [1, 2]


def test_a_command_is_timed_until_it_ends_or_writes_a_file(tmp_path, monkeypatch):
  waits = []
  monkeypatch.setattr(cost.time, 'sleep', waits.append)
  written = tmp_path / 'written'
  command = [sys.executable, '-c', 'import sys; open(sys.argv[1], "w").close()', str(written)]
  assert cost.seconds_until(command, str(tmp_path / 'never')) > 0 and written.exists() and waits
  del waits[:]
  assert cost.seconds_until(command, str(written)) > 0 and not waits


def test_a_row_holds_time_against_work():
  first = dict(seconds=1.0, flops=2e9, bytes=2**20)
  cells = cost.row('batch_size', dict(batch_size=4), dict(seconds=3.0, flops=4e9, peak=2e9, bytes=2**23), first).split()
  # ms an image, GFLOP an image, 4 / 3 GFLOP/s of 2, 3 s / 4 GFLOP against 1 s / 2 GFLOP, MB an image
  assert cells == ['batch_size', '4', '750.00', '1.00', '66.7', '1.50', '2.00']


def test_the_step_and_the_summaries_are_timed(tiny, monkeypatch, capsys):
  small = tiny('clip', width=2)
  monkeypatch.setattr(configs, 'make', lambda *args, **kwargs: small)
  monkeypatch.setattr(throughput, 'FLAGS', types.SimpleNamespace(steps=1))
  throughput.measure('clip', types.SimpleNamespace(rate=lambda: 1e9))
  line = capsys.readouterr().out
  assert line.startswith('clip ') and '(median of 1, ' in line and 'summaries every 20 steps cost' in line


def test_the_twins_have_the_batches_widths_and_steps_of_the_presets():
  """torch_step.py cannot be imported here, because it needs torch."""
  with open(os.path.join(ROOT, 'benchmarks', 'peers', 'torch_step.py'), encoding='utf-8') as f:
    tree = ast.parse(f.read())
  tables = {
    node.targets[0].id: ast.literal_eval(node.value)
    for node in tree.body
    if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') in ('PRESETS', 'MISSING')
  }
  assert set(compare.PRESETS) == set(tables['PRESETS']) and compare.WITHOUT_TWIN == tables['MISSING']
  for preset, row in tables['PRESETS'].items():
    for variant in {'clip', 'gp'} - {v for p, v in tables['MISSING'] if p == preset}:
      c = configs.make(preset, variant)
      assert row == (c.batch_size, c.generator_batch_size, c.width, c.critic_steps, c.latent_size), preset


def test_the_table_has_every_preset_with_the_variants_that_it_has():
  points = table.points(list(configs.PRESETS))
  assert {point['preset'] for point in points.values()} == set(configs.PRESETS)
  assert 'keras-mnist clip' in points and 'keras-mnist gp' not in points
  with user_error('--presets=blog: preset=blog: must be one of'):
    table.points(['blog'])


def _cost(monkeypatch, *seconds):
  """Makes each measurement take the next of these seconds."""
  left = list(seconds)
  found = dict(flops=1e9, best_peak=1e9, bytes=2**20)
  monkeypatch.setattr(table.processes, 'measured', lambda command: dict(found, best=left.pop(0)))


def test_what_got_slower_is_measured_again_and_told(tmp_path, monkeypatch):
  flags = ['--presets=toy-8gaussians', '--output=new.json']
  _cost(monkeypatch, 2, 4)
  out, _ = run_here(tmp_path, 'benchmarks/table.py', *flags)
  assert re.search(r'toy-8gaussians clip +2 +50 +1\b', out) and 'Slower' not in out
  rows = json.loads((tmp_path / 'new.json').read_text())
  assert {name: (row['seconds'], row['share']) for name, row in rows.items()} == {
    'toy-8gaussians clip': (2, 0.5), 'toy-8gaussians gp': (4, 0.25)}  # fmt: skip
  (tmp_path / 'old.json').write_text(json.dumps(rows))
  _cost(monkeypatch, 2.2, 2.05, 5, 4.4)  # each twice: the first was a hiccup, the second is slower
  out, _ = run_here(tmp_path, 'benchmarks/table.py', *flags, '--against=old.json')
  assert out.endswith('Slower than in old.json by more than 5 %: \n  toy-8gaussians gp        1.10 times\n')
  _cost(monkeypatch, 2, 4)
  out, _ = run_here(tmp_path, 'benchmarks/table.py', *flags, '--against=old.json')
  assert out.endswith('by more than 5 %: nothing\n')


def test_rows_that_are_not_measured_stay(tmp_path, monkeypatch):
  (tmp_path / 'bench.json').write_text('{"other clip": {"share": 0.5}}')
  _cost(monkeypatch, 2, 4)
  run_here(tmp_path, 'benchmarks/table.py', '--presets=toy-8gaussians')
  assert set(json.loads((tmp_path / 'bench.json').read_text())) == {
    'other clip', 'toy-8gaussians clip', 'toy-8gaussians gp'}  # fmt: skip
  (tmp_path / 'bench.json').write_text('[]')
  assert 'bench.json is not a table of this script' in refused(tmp_path, 'benchmarks/table.py', here=True)
  line = refused(tmp_path, 'benchmarks/table.py', '--against=gone.json', here=True)
  assert '--against=gone.json: file not found' in line


def test_the_first_time_at_a_distance_counts():
  curve = [(50, 10.0, 80.0), (100, 20.0, 39.0), (150, 30.0, 41.0), (200, 40.0, 20.0)]
  assert quality.seconds_to(curve, 40) == 20 and quality.seconds_to(curve, 20) == 40
  assert quality.seconds_to(curve, 10) is None


def test_the_interval_is_welchs():
  """By hand, for variances 1 and 4 of three each: 5^2 / (1 / 2 + 16 / 2) = 2.94 degrees of freedom; t from a table."""
  difference, low, high = quality.interval([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
  assert difference == 2
  np.testing.assert_allclose([low, high], 2 + np.array([-1, 1]) * 3.2188 * np.sqrt(5 / 3), rtol=1e-4)


def test_time_to_quality_is_kept_and_not_measured_again(tmp_path):
  """Of tiny networks, without PyTorch; the distance after two steps is far above 10."""
  command = ['-m', 'benchmarks.quality', '--dataset=digits', '--width=2', '--steps=2', '--every=1', '--samples=64']
  command += ['--systems=gp', '--precisions=fp32', '--distances=1e9,10', '--whole']
  out, _ = run(tmp_path, *command, PYTHONPATH=ROOT)
  first, second = out.splitlines()[1:]
  assert first.split()[:4] == ['gp', 'fp32', '0', '1e+09'] and first.split()[4].isdigit()
  assert second.split() == ['gp', 'fp32', '0', '10', 'never']
  kept = (tmp_path / 'quality.json').read_text()
  (sides,) = json.loads(kept).values()
  assert [step for step, _, _ in sides['here']] == [1, 2] and sides['here'][0][1] < sides['here'][1][1]
  again, _ = run(tmp_path, *command, PYTHONPATH=ROOT)
  assert again == out and (tmp_path / 'quality.json').read_text() == kept


def test_an_unknown_system_is_refused(tmp_path):
  assert '--systems=gp,wgan: must be among gp, clip-bn' in refused(
    tmp_path, '-m', 'benchmarks.quality', '--systems=gp,wgan', PYTHONPATH=ROOT
  )
