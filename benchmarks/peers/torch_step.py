"""Times the same training steps in PyTorch, and prints one line of JSON. It needs torch, and nothing of this project.

python benchmarks/peers/torch_step.py --preset=gp-mnist --variant=gp --channels_last --compile --precision=bf16

The networks, batch sizes and optimizers are those of wgan_tf1.presets.PRESETS. The data are random numbers. Loss,
penalty and clip are written as PyTorch's users write them.
"""

import argparse
import contextlib
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

# preset -> batch size, the generator's batch size, width, critic updates before each generator update, latent size
PRESETS = {
  'blog-mnist': (64, 64, 64, 5, 128),
  'blog-mnist-bn': (64, 64, 64, 5, 128),
  'blog-mnist-mlp': (64, 64, 512, 5, 128),
  'keras-mnist': (64, 64, 64, 5, 50),
  'fashion-upsample': (64, 64, 128, 5, 128),
  'gp-mnist': (50, 50, 64, 5, 128),
  'cifar10-resnet': (64, 128, 128, 5, 128),
  'lsun64-dcgan': (64, 64, 64, 5, 100),
  'text-char': (64, 64, 512, 10, 128),
  'toy-8gaussians': (256, 256, 512, 5, 2),
}
LATENT = 128
# Combinations that are not written here: with the penalty, these critics have another norm or none.
MISSING = {('gp-mnist', 'clip'), ('keras-mnist', 'gp'), ('lsun64-dcgan', 'gp'), ('blog-mnist-bn', 'gp')}
LENGTH, VOCABULARY = 32, 96


class Same(nn.Module):
  """TensorFlow's SAME padding before a strided convolution: if it is odd, the end gets one more."""

  def __init__(self, inputs, outputs, size):
    super().__init__()
    self.conv = nn.Conv2d(inputs, outputs, size, 2)
    self.size = size

  def forward(self, x):
    extra = max((-(-x.shape[-1] // 2) - 1) * 2 + self.size - x.shape[-1], 0)
    return self.conv(F.pad(x, [extra // 2, extra - extra // 2] * 2))


class BlogGenerator(nn.Module):
  def __init__(self, width, norm):
    super().__init__()
    self.width = width
    self.dense = nn.Linear(LATENT, 128 * width)
    self.dense_norm = nn.BatchNorm1d(128 * width) if norm else nn.Identity()
    sizes = (8 * width, 4 * width, 2 * width, width)
    self.up = nn.ModuleList(nn.ConvTranspose2d(i, o, 3, 2, 1, 1, bias=False) for i, o in zip(sizes, sizes[1:]))
    self.norms = nn.ModuleList(normed(c, norm) for c in sizes[1:])
    self.last = nn.Conv2d(width, 1, 3, 1, 1, bias=False)

  def forward(self, z):
    x = F.relu(self.dense_norm(self.dense(z))).view(-1, 8 * self.width, 4, 4)
    for layer, norm in zip(self.up, self.norms):
      x = F.relu(norm(layer(x)))
    return torch.tanh(self.last(x))


class BlogCritic(nn.Module):
  def __init__(self, width, norm):
    super().__init__()
    sizes = (1, width, 2 * width, 4 * width, 8 * width)
    self.down = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in zip(sizes, sizes[1:]))
    self.norms = nn.ModuleList([nn.Identity(), *(normed(c, norm) for c in sizes[2:])])
    self.last = nn.Linear(32 * width, 1)

  def forward(self, x):
    for layer, norm in zip(self.down, self.norms):
      x = F.relu(norm(layer(x)))
    return self.last(x.flatten(1))


class CropGenerator(nn.Module):
  def __init__(self, width, norm):
    super().__init__()
    self.width = width
    self.dense = nn.Linear(LATENT, 64 * width)
    sizes = (4 * width, 2 * width, width, 1)
    self.up = nn.ModuleList(nn.ConvTranspose2d(i, o, 5, 2, 2, 1) for i, o in zip(sizes, sizes[1:]))
    channels = sizes[:3] if norm else ()
    self.norms = nn.ModuleList([nn.BatchNorm1d(64 * width), *(nn.BatchNorm2d(c) for c in channels[1:])] if norm else [])

  def forward(self, z):
    def norm(i, x):
      return self.norms[i](x) if len(self.norms) else x

    x = F.relu(norm(0, self.dense(z))).view(-1, 4 * self.width, 4, 4)
    x = F.relu(norm(1, self.up[0](x)))[:, :, :7, :7]
    return torch.sigmoid(self.up[2](F.relu(norm(2, self.up[1](x)))))


class CropCritic(nn.Module):
  def __init__(self, width, norm):
    super().__init__()
    sizes = (1, width, 2 * width, 4 * width)
    self.down = nn.ModuleList(Same(i, o, 5) for i, o in zip(sizes, sizes[1:]))
    self.last = nn.Linear(64 * width, 1)

  def forward(self, x):
    for layer in self.down:
      x = F.leaky_relu(layer(x), 0.2)
    return self.last(x.flatten(1))


class Block(nn.Module):
  """WGAN-GP appendix F: `leading` norms and ReLUs, 3x3 convolutions, a shortcut; doubled, halved or neither."""

  def __init__(self, inputs, outputs, resample=None, norm=False, leading=True):
    super().__init__()
    self.resample, self.leading = resample, leading
    self.norms = nn.ModuleList(nn.BatchNorm2d(c) if norm else nn.Identity() for c in (inputs, outputs))
    self.convs = nn.ModuleList(nn.Conv2d(i, outputs, 3, 1, 1) for i in (inputs, outputs))
    self.shortcut = nn.Conv2d(inputs, outputs, 1) if resample or inputs != outputs else nn.Identity()

  def forward(self, x):
    up = (lambda y: F.interpolate(y, scale_factor=2)) if self.resample == 'up' else (lambda y: y)
    down = (lambda y: F.avg_pool2d(y, 2)) if self.resample == 'down' else (lambda y: y)
    y = F.relu(self.norms[0](x)) if self.leading else x
    y = F.relu(self.norms[1](self.convs[0](up(y))))
    return up(self.shortcut(down(x))) + down(self.convs[1](y))


class ResnetGenerator(nn.Module):
  def __init__(self, width, norm):
    super().__init__()
    self.width = width
    self.dense = nn.Linear(LATENT, 16 * width)
    self.blocks = nn.Sequential(*(Block(width, width, 'up', norm=True) for _ in range(3)))
    self.norm = nn.BatchNorm2d(width)
    self.last = nn.Conv2d(width, 3, 3, 1, 1)

  def forward(self, z):
    x = self.blocks(self.dense(z).view(-1, self.width, 4, 4))
    return torch.tanh(self.last(F.relu(self.norm(x))))


class ResnetCritic(nn.Module):
  def __init__(self, width, norm):
    super().__init__()
    self.blocks = nn.Sequential(
      Block(3, width, 'down', leading=False), Block(width, width, 'down'), Block(width, width), Block(width, width)
    )
    self.last = nn.Linear(width, 1)

  def forward(self, x):
    return self.last(F.relu(self.blocks(x)).mean([2, 3]))


class TextBlock(nn.Module):
  def __init__(self, width):
    super().__init__()
    self.convs = nn.ModuleList(nn.Conv1d(width, width, 5, 1, 2) for _ in range(2))

  def forward(self, x):
    y = x
    for conv in self.convs:
      y = conv(F.relu(y))
    return x + 0.3 * y


class TextGenerator(nn.Module):
  def __init__(self, width, norm):
    super().__init__()
    self.width = width
    self.dense = nn.Linear(LATENT, LENGTH * width)
    self.blocks = nn.Sequential(*(TextBlock(width) for _ in range(5)))
    self.last = nn.Conv1d(width, VOCABULARY, 1)

  def forward(self, z):
    return F.softmax(self.last(self.blocks(self.dense(z).view(-1, self.width, LENGTH))), 1)


class TextCritic(nn.Module):
  def __init__(self, width, norm):
    super().__init__()
    self.first = nn.Conv1d(VOCABULARY, width, 1)
    self.blocks = nn.Sequential(*(TextBlock(width) for _ in range(5)))
    self.last = nn.Linear(LENGTH * width, 1)

  def forward(self, x):
    return self.last(self.blocks(self.first(x)).flatten(1))


def dense(sizes):
  """Linear layers with ReLUs between them."""
  layers = []
  for inputs, outputs in zip(sizes, sizes[1:]):
    layers += [nn.Linear(inputs, outputs), nn.ReLU()]
  return layers[:-1]


def mlp_generator(width, norm):
  return nn.Sequential(*dense([LATENT, *[width] * 4, 32 * 32]), nn.Tanh(), nn.Unflatten(1, (1, 32, 32)))


def mlp_critic(width, norm):
  return nn.Sequential(nn.Flatten(), *dense([32 * 32, *[width] * 4, 1]))


def toy_generator(width, norm):
  return nn.Sequential(*dense([2, *[width] * 3, 2]))


def toy_critic(width, norm):
  return nn.Sequential(*dense([2, *[width] * 3, 1]))


def normed(channels, norm):
  return nn.BatchNorm2d(channels) if norm else nn.Identity()


def keras_generator(width, norm):
  layers = [nn.Linear(50, 49 * 2 * width), nn.LeakyReLU(0.2), nn.Unflatten(1, (2 * width, 7, 7))]
  for _ in range(2):
    layers += [nn.ConvTranspose2d(2 * width, 2 * width, 4, 2, 1), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)]
  return nn.Sequential(*layers, nn.Conv2d(2 * width, 1, 7, 1, 3), nn.Tanh())


def keras_critic(width, norm):
  layers = []
  for inputs in (1, width):
    layers += [nn.Conv2d(inputs, width, 4, 2, 1), normed(width, norm), nn.LeakyReLU(0.2)]
  return nn.Sequential(*layers, nn.Flatten(), nn.Linear(49 * width, 1))


def upsample_generator(width, norm):
  """Batch norm with either variant; the last filters are twice as many with the penalty."""
  layers = [nn.Linear(LATENT, 64 * width), nn.BatchNorm1d(64 * width), nn.ReLU(), nn.Unflatten(1, (4 * width, 4, 4))]
  sizes = (4 * width, 2 * width, width if norm else 2 * width)
  for inputs, outputs in zip(sizes, sizes[1:]):
    layers += [nn.Upsample(scale_factor=2, mode='bilinear'), nn.Conv2d(inputs, outputs, 5, 1, 2)]
    layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
  return nn.Sequential(
    *layers, nn.Upsample(scale_factor=2, mode='bilinear'), nn.Conv2d(sizes[-1], 1, 5, 1, 2), nn.Tanh()
  )


def conv5_critic(width, norm):
  layers = [Same(1, width, 5), nn.LeakyReLU(0.2)]
  for inputs, outputs in ((width, 2 * width), (2 * width, 4 * width)):
    layers += [Same(inputs, outputs, 5), normed(outputs, norm), nn.LeakyReLU(0.2)]
  return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * width, 1))


def dcgan_generator(width, norm):
  sizes = (8 * width, 4 * width, 2 * width, width)
  layers = [nn.ConvTranspose2d(100, sizes[0], 4, 1, 0, bias=False), nn.BatchNorm2d(sizes[0]), nn.ReLU()]
  for inputs, outputs in zip(sizes, sizes[1:]):
    layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
  return nn.Sequential(
    nn.Unflatten(1, (100, 1, 1)), *layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh()
  )


def dcgan_critic(width, norm):
  layers = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
  for inputs in (width, 2 * width, 4 * width):
    layers += [nn.Conv2d(inputs, 2 * inputs, 4, 2, 1, bias=False), normed(2 * inputs, norm), nn.LeakyReLU(0.2)]
  return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False), nn.Flatten())


# preset -> generator, critic, shape of a sample
NETWORKS = {
  'blog-mnist-mlp': (mlp_generator, mlp_critic, (1, 32, 32)),
  'keras-mnist': (keras_generator, keras_critic, (1, 28, 28)),
  'fashion-upsample': (upsample_generator, conv5_critic, (1, 32, 32)),
  'lsun64-dcgan': (dcgan_generator, dcgan_critic, (3, 64, 64)),
  'toy-8gaussians': (toy_generator, toy_critic, (2,)),
  'blog-mnist': (BlogGenerator, BlogCritic, (1, 32, 32)),
  'blog-mnist-bn': (BlogGenerator, BlogCritic, (1, 32, 32)),
  'gp-mnist': (CropGenerator, CropCritic, (1, 28, 28)),
  'cifar10-resnet': (ResnetGenerator, ResnetCritic, (3, 32, 32)),
  'text-char': (TextGenerator, TextCritic, (VOCABULARY, LENGTH)),
}


WITHOUT_NORM = {'blog-mnist'}  # with clipping, where the others have one or ignore it


class Step:
  """A critic update and a generator update of a preset; `real` is the batch of the next critic update."""

  def __init__(self, args):
    batch, generator_batch, width, self.critic_steps, self.latent_size = PRESETS[args.preset]
    self.batch, self.generator_batch = args.batch_size or batch, args.batch_size or generator_batch
    self.gp = args.variant == 'gp'
    make_generator, make_critic, shape = NETWORKS[args.preset]
    norm = not self.gp and args.preset not in WITHOUT_NORM
    self.generator = make_generator(args.width or width, norm)
    self.critic = make_critic(args.width or width, norm)
    self.rate = args.rate or (1e-4 if self.gp else 5e-5)
    if args.channels_last and len(shape) == 3:
      self.generator.to(memory_format=torch.channels_last)
      self.critic.to(memory_format=torch.channels_last)
    # The penalty differentiates twice, which compiled modules refuse, so the critic is not compiled for it.
    self.generate = torch.compile(self.generator) if args.compile else self.generator
    self.score = torch.compile(self.critic) if args.compile and not self.gp else self.critic
    self.weights = list(self.critic.parameters())
    self.generator_optimizer = self._optimizer(list(self.generator.parameters()))
    self.critic_optimizer = self._optimizer(self.weights)
    self.real = torch.rand(self.batch, *shape)
    bf16 = args.precision == 'bf16'
    self.autocast = (lambda: torch.autocast('cpu', torch.bfloat16)) if bf16 else contextlib.nullcontext

  def _optimizer(self, parameters):
    if self.gp:
      return torch.optim.Adam(parameters, self.rate, (0.5, 0.9), foreach=True)
    return torch.optim.RMSprop(parameters, self.rate, foreach=True)

  def critic_update(self):
    with torch.no_grad(), self.autocast():
      fake = self.generate(torch.randn(self.batch, self.latent_size))
    fake = fake.float()
    self.critic_optimizer.zero_grad()
    with self.autocast():
      loss = self.score(fake).mean() - self.score(self.real).mean()
    if self.gp:
      weights = torch.rand(self.batch, *[1] * (self.real.dim() - 1))
      between = (weights * self.real + (1 - weights) * fake).requires_grad_(True)
      with self.autocast():
        scores = self.score(between).sum()
      (slopes,) = torch.autograd.grad(scores, between, create_graph=True)
      norms = slopes.float().flatten(1).square().sum(1).add(1e-12).sqrt()
      loss = loss + 10 * (norms - 1).square().mean()
    loss.backward()
    self.critic_optimizer.step()
    if not self.gp:
      with torch.no_grad():
        if hasattr(torch, '_foreach_clamp_'):
          torch._foreach_clamp_(self.weights, -0.01, 0.01)
        else:
          for w in self.weights:
            w.clamp_(-0.01, 0.01)

  def generator_update(self):
    for w in self.weights:
      w.requires_grad_(False)
    self.generator_optimizer.zero_grad()
    with self.autocast():
      loss = -self.score(self.generate(torch.randn(self.generator_batch, self.latent_size))).mean()
    loss.backward()
    self.generator_optimizer.step()
    for w in self.weights:
      w.requires_grad_(True)


def timed(function, clock):
  start = clock()
  function()
  return clock() - start


def arguments(description):
  """Returns a parser of the flags that decide a `Step`."""
  parser = argparse.ArgumentParser(description=description)
  parser.add_argument('--preset', choices=list(PRESETS), default='blog-mnist')
  parser.add_argument('--variant', choices=['clip', 'gp'], default='clip')
  parser.add_argument('--precision', choices=['fp32', 'bf16'], default='fp32')
  parser.add_argument('--width', type=int)
  parser.add_argument('--batch_size', type=int)
  parser.add_argument('--rate', type=float, help="learning rate of both networks; default: the paper's")
  parser.add_argument('--compile', action='store_true')
  parser.add_argument('--channels_last', action='store_true')
  return parser


def main():
  parser = arguments(__doc__.split('\n')[0])
  parser.add_argument('--updates', type=int, default=5, help='updates of each network to time, after two that are not')
  parser.add_argument('--threads', type=int, help='default: one per core')
  parser.add_argument('--clock', choices=['wall', 'cpu'], default='wall')
  args = parser.parse_args()
  if (args.preset, args.variant) in MISSING:
    parser.error('%s with %s is not implemented here. Use another variant' % (args.preset, args.variant))
  if args.threads:
    torch.set_num_threads(args.threads)
  clock = {'wall': time.perf_counter, 'cpu': time.process_time}[args.clock]
  step = Step(args)
  times = [[timed(f, clock) for _ in range(args.updates + 2)][2:] for f in (step.critic_update, step.generator_update)]
  critic, generator = map(statistics.median, times)
  print(
    json.dumps(
      {
        'peer': 'torch ' + torch.__version__,
        **vars(args),
        'critic_seconds': critic,
        'generator_seconds': generator,
        'seconds': step.critic_steps * critic + generator,
        'best': step.critic_steps * min(times[0]) + min(times[1]),
        'parameters': [sum(p.numel() for p in net.parameters()) for net in (step.generator, step.critic)],
        'peak_rss_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
      }
    )
  )


if __name__ == '__main__':
  main()
