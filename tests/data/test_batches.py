import concurrent.futures

import numpy as np
import pytest

from wgan_tf1.data import batches, datasets, prefetch


@pytest.mark.parametrize('n, batch_size', [(10, 4), (12, 4), (3, 8), (1, 1)])
def test_batches_lay_shuffled_epochs_end_to_end(n, batch_size):
  slow = np.concatenate([np.random.RandomState([5, epoch]).permutation(n) for epoch in range(40)])
  steps = 40 * n // batch_size
  for step in reversed(range(steps)):  # in reverse, because a batch must not depend on earlier calls
    expected = slow[step * batch_size : (step + 1) * batch_size]
    assert np.array_equal(batches.batch_indices(n, batch_size, 5, step), expected)
  for epoch in range(40):
    assert sorted(slow[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_epochs_and_seeds_differ():
  first = batches.batch_indices(100, 100, 0, 0)
  assert not np.array_equal(first, batches.batch_indices(100, 100, 0, 1))
  assert not np.array_equal(first, batches.batch_indices(100, 100, 1, 0))


def _ramp():
  """Returns a `Dataset` that has every pixel value. The label of a sample is its first pixel."""
  images = np.arange(256, dtype=np.uint8).reshape(64, 2, 2, 1)
  return datasets.Dataset('ramp', images, images, images[:, 0, 0, 0].astype(np.int32), None, None, '')


@pytest.mark.parametrize('pixel_minimum', [-1.0, 0.0])
def test_a_batch_is_scaled_and_labelled(data_config, pixel_minimum):
  config, dataset = data_config(batch_size=64, pixel_minimum=pixel_minimum), _ramp()
  real, labels = batches.batch(config, dataset, 3)
  assert real.dtype == np.float32 and real.shape == (64, 2, 2, 1)
  assert real.min() == pixel_minimum and real.max() == 1
  chosen = dataset.train[batches.batch_indices(64, 64, 0, 3)]
  assert np.allclose(real, chosen.astype(np.float64) / 255 * (1 - pixel_minimum) + pixel_minimum, atol=1e-6)
  assert np.array_equal(real, batches.encode(config, chosen))
  assert labels.dtype == np.int32 and np.array_equal(labels, chosen[:, 0, 0, 0])


@pytest.mark.parametrize('pixel_minimum', [-1.0, 0.0])
def test_dequantised_pixels_fill_their_interval(data_config, pixel_minimum):
  config, dataset = data_config(batch_size=64, pixel_minimum=pixel_minimum, dequantize=True), _ramp()
  width = (1 - pixel_minimum) / 256
  noises = []
  for step in range(40):
    real, _ = batches.batch(config, dataset, step)
    chosen = dataset.train[batches.batch_indices(64, 64, 0, step)]
    assert real.dtype == np.float32 and real.min() >= pixel_minimum and real.max() < 1
    noises.append((real - (chosen.astype(np.float64) / 256 * (1 - pixel_minimum) + pixel_minimum)) / width)
  noises = np.array(noises)
  assert 0 <= noises.min() < 0.01 and 0.99 < noises.max() < 1
  assert abs(noises.mean() - 0.5) < 0.01 and abs(noises.var() - 1 / 12) < 0.003
  assert len(np.unique(noises[0])) > 250 and not np.array_equal(noises[0], noises[1])
  # With a single sample the order cannot differ, so the noise must.
  one = datasets.Dataset('one', dataset.train[:1], dataset.train[:1], None, None, None, '')
  by_seed = [batches.batch(data_config(dequantize=True, seed=seed), one, 0).real for seed in (0, 1)]
  assert not np.array_equal(*by_seed)
  middle = batches.encode(config, dataset.train)
  assert middle.dtype == np.float32
  assert np.allclose(middle, (dataset.train + 0.5) / 256 * (1 - pixel_minimum) + pixel_minimum, atol=1e-6)
  most = batches.encode(config, np.full([1], 255, np.uint8), np.uint16(65535))
  assert most.dtype == np.float32 and most[0] < 1


@pytest.mark.parametrize('dequantize', [False, True])
def test_the_parts_of_several_processes_are_the_batch_of_one_process(data_config, dequantize):
  dataset = _ramp()
  whole = batches.batch(data_config(dequantize=dequantize, batch_size=15), dataset, 4)
  parts = [batches.batch(data_config(dequantize=dequantize, batch_size=5), dataset, 4, (i, 3)) for i in range(3)]
  for joined, expected in zip(map(np.concatenate, zip(*parts)), whole):
    assert np.array_equal(joined, expected)


@pytest.mark.parametrize('dequantize', [False, True])
def test_a_resumed_run_gets_the_same_batches(data_config, dequantize):
  config, dataset = data_config(dequantize=dequantize, batch_size=7), _ramp()
  whole = [batches.batch(config, dataset, step) for step in range(30)]
  with prefetch.Prefetcher(lambda step: batches.batch(config, dataset, step), 13, workers=3) as ahead:
    for step in range(13, 30):
      real, labels = ahead.next()
      assert np.array_equal(real, whole[step].real) and np.array_equal(labels, whole[step].labels)


def test_half_of_the_images_are_mirrored_others_each_time(data_config):
  dataset, flips = _ramp(), []
  for step in range(40):
    plain, labels = batches.batch(data_config(batch_size=64), dataset, step)
    mirrored, same = batches.batch(data_config(batch_size=64, mirror=True), dataset, step)
    assert np.array_equal(labels, same)
    flipped = (mirrored == plain[:, :, ::-1]).all(axis=(1, 2, 3))
    assert np.array_equal(mirrored[~flipped], plain[~flipped])
    flips.append(flipped)
  assert 0.47 < np.mean(flips) < 0.53 and len({tuple(flipped) for flipped in flips}) == 40
  assert dataset.train[0].tolist() == [[[0], [1]], [[2], [3]]]  # the data set itself is not flipped


def test_the_mirrored_parts_of_several_processes_are_the_batch_of_one(data_config):
  whole = batches.batch(data_config(mirror=True, batch_size=15), _ramp(), 4)
  parts = [batches.batch(data_config(mirror=True, batch_size=5), _ramp(), 4, (i, 3)) for i in range(3)]
  assert np.array_equal(np.concatenate([part.real for part in parts]), whole.real)


def test_threads_that_want_the_same_epoch_order_it_once():
  before = batches._epoch_order.cache_info().misses
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    found = list(pool.map(lambda step: batches.batch_indices(500000, 4, 11, step), range(8)))
  assert batches._epoch_order.cache_info().misses == before + 1
  assert len(set(np.concatenate(found).tolist())) == 32
