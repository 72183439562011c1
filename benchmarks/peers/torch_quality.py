"""Trains a preset on images in PyTorch, and writes samples on the way. It needs torch, and nothing of this project.

python benchmarks/peers/torch_quality.py --images=IMAGES.npy --folder=DIR --every=50 --steps=1500 --seed=0

IMAGES.npy is uint8 [N, H, W]. After every so many generator steps DIR/STEP.npy has samples of the same latents, uint8
[n, H, W], and a line of JSON the seconds of training so far. Networks and updates are those of torch_step.py; weights
and biases start from Glorot's uniform distribution, as this project's do.
"""

import json
import math
import os
import time

import numpy as np
import torch
import torch_step
from torch import nn


def start_like_tensorflow(network):
  """Gives every layer the initial values that tf.get_variable has by default."""
  for layer in network.modules():
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
      nn.init.xavier_uniform_(layer.weight)
      if layer.bias is not None:
        limit = math.sqrt(3 / layer.bias.numel())
        nn.init.uniform_(layer.bias, -limit, limit)


def batches(images, size, seed):
  """Yields batches without end: each epoch is shuffled by itself."""
  epoch, order = 0, np.zeros(0, np.int64)
  while True:
    while len(order) < size:
      order = np.concatenate([order, np.random.RandomState([seed, epoch]).permutation(len(images))])
      epoch += 1
    pixels = images[order[:size]].astype(np.float32) / 127.5 - 1
    order = order[size:]
    yield torch.from_numpy(pixels)[:, None]


def drawn(step, latents):
  """Returns samples, uint8 [n, H, W], by batch norm's moving averages."""
  step.generator.eval()
  with torch.no_grad(), step.autocast():
    samples = torch.cat([step.generator(z).float() for z in latents.split(500)])
  step.generator.train()
  return ((samples[:, 0] + 1) * 127.5).round().clamp(0, 255).byte().numpy()


def main():
  parser = torch_step.arguments(__doc__.split('\n')[0])
  parser.add_argument('--images', required=True)
  parser.add_argument('--folder', required=True)
  parser.add_argument('--samples', type=int, default=10000)
  parser.add_argument('--every', type=int, default=50, help='generator steps between samples')
  parser.add_argument('--steps', type=int, default=1500, help='generator steps')
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  torch.manual_seed(args.seed)
  step = torch_step.Step(args)
  for network in (step.generator, step.critic):
    start_like_tensorflow(network)
  latents = torch.randn(args.samples, step.latent_size)
  stream = batches(np.load(args.images), step.batch, args.seed)
  seconds = 0.0
  for i in range(1, args.steps + 1):
    start = time.perf_counter()
    for _ in range(step.critic_steps):
      step.real = next(stream)
      if args.channels_last:
        step.real = step.real.to(memory_format=torch.channels_last)
      step.critic_update()
    step.generator_update()
    seconds += time.perf_counter() - start
    if i % args.every == 0:
      np.save(os.path.join(args.folder, '%d.npy' % i), drawn(step, latents))
      print(json.dumps({'step': i, 'seconds': seconds}), flush=True)


if __name__ == '__main__':
  main()
