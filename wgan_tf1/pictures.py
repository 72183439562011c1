"""What a session's generator makes, as pictures: a grid of images, points over the critic's level lines."""

import numpy as np

from wgan_tf1 import images


def grid(config, graph, session):
  """Draws the samples of the fixed latents in 8 rows, one column for each class if there are any.

  Args:
    config: a `config.Config` of images.
    graph: its `graph.Graph`.
    session: a session that has its variables.

  Returns:
    uint8 [H, W, C].
  """
  samples = images.to_uint8(session.run(graph.samples), config.pixel_minimum)
  return images.grid(samples, columns=len(samples) // 8)


def points(graph, session, real, latents=None):
  """Draws real and generated points over the critic's level lines, as in WGAN-GP (1704.00028) figure 1.

  Args:
    graph: a `graph.Graph` of points.
    session: a session that has its variables.
    real: float32 [N, 2].
    latents: float32 [N, Z]; None is the run's fixed ones.

  Returns:
    uint8 [H, W, 3].
  """
  feed = {graph.real: real}
  if latents is not None:
    feed[graph.sample_latents] = latents
  fake = session.run(graph.samples, feed)
  axis = np.linspace(-1.4, 1.4, 100, dtype=np.float32) * np.abs(real).max()
  scores = session.run(graph.real_scores, {graph.real: np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)})
  return images.plot_points(real, fake, axis, scores.reshape(100, 100))
