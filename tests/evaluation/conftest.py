"""Fixtures of several modules of these tests."""

import contextlib

import pytest

from tests.helpers.classifiers import look_alike
from tests.helpers.mirror import mirror  # noqa: F401
from wgan_tf1 import sampling


@pytest.fixture(scope='session')
def inception_graph(tmp_path_factory):
  """The path of a stand-in for Inception's graph."""
  path = tmp_path_factory.mktemp('graph') / 'classify_image_graph_def.pb'
  path.write_bytes(look_alike())
  return path


@pytest.fixture
def model_of(running):
  """Yields a `Model` of a `Config`, with its initial weights: `with model_of(config) as model`."""

  @contextlib.contextmanager
  def make(config):
    with running(config) as (graph, session):
      yield sampling.Model(config, graph, session)

  return make
