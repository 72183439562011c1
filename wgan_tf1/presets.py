"""VARIANTS, PRESETS, IMAGE_SIZES and PARAMETERS: every published system as a row. Tables alone.

A preset fixes networks, data and hyper-parameters; a variant fixes loss, constraint and the optimizer's defaults.
"""

from typing import Any, Dict, List, Tuple

# fmt: off

# variant -> what its paper prescribes: WGAN (1701.07875) Algorithm 1; WGAN-GP (1704.00028) Algorithm 1;
# GAN (1406.2661) with the generator's -log D and DCGAN's (1511.06434) Adam.
VARIANTS: Dict[str, Dict[str, Any]] = {
    'clip': dict(optimizer='rmsprop', learning_rate=5e-5, critic_steps=5, clip_value=0.01, clip_order='after'),
    'gp':   dict(optimizer='adam',    learning_rate=1e-4, critic_steps=5, beta1=0.0, beta2=0.9, penalty_weight=10.0,
                 penalty='two_sided'),
    'gan':  dict(optimizer='adam',    learning_rate=2e-4, critic_steps=1, beta1=0.5, beta2=0.999),
}

# What a preset has unless its row says otherwise.
DEFAULTS: Dict[str, Any] = dict(
    form='image', image_channels=1, image_fit='pad', pixel_minimum=-1.0, latent_size=128, batch_size=64,
    generator_norm='none', critic_norm='none', dequantize=False, extra_critic_steps=False, ema_decay=0.0,
    learning_rate_decay_steps=0, fixed_generator=False, save_every_steps=100, sample_every_steps=50,
    summary_every_steps=20, evaluate_every_steps=0, seed=0,
    keep_checkpoints=5, gpu_memory_fraction=0.8, allow_growth=True, log_device_placement=False,  # the MNIST post's
)
_BLOG = dict(architecture='blog', dataset='mnist', image_size=32, width=64, generator_steps=2000,
             # The post states no learning rate. With the paper's 5e-5 the clip variant shows only a
             # checkerboard after 500 generator steps, with 5e-4 digit shapes appear by step 300.
             clip=dict(learning_rate=5e-4), gp=dict(beta1=0.5))
_LSUN64 = dict(dataset='lsun', image_size=64, image_channels=3, latent_size=100, width=64, generator_steps=200000,
               critic_norm='batch',
               clip=dict(optimizer='rmsprop_torch', clip_order='before', extra_critic_steps=True))
_RESNET = dict(architecture='resnet', dataset='cifar10', image_size=32, image_channels=3, width=128,
               generator_batch_size=128, generator_steps=100000, generator_norm='batch', dequantize=True,
               gp=dict(learning_rate=2e-4, learning_rate_decay_steps=100000))
_TOY = dict(architecture='toy', form='points', latent_size=2, width=512, batch_size=256, generator_steps=100000,
            save_every_steps=1000, sample_every_steps=1000, summary_every_steps=100,
            gp=dict(penalty_weight=0.1, beta1=0.5))

# preset -> its settings, and under a variant's name what it changes for that variant.
PRESETS: Dict[str, Dict[str, Any]] = {
    'blog-mnist':     dict(_BLOG, source='MNIST post'),
    'blog-mnist-bn':  dict(_BLOG, source='MNIST post, 5.1', generator_norm='batch', critic_norm='batch'),
    'blog-mnist-mlp': dict(_BLOG, source='MNIST post, 5.3', architecture='mlp', width=512),
    'keras-mnist': dict(
        source='Keras post', architecture='keras', dataset='mnist', image_size=28, latent_size=50, width=64,
        generator_steps=8000, generator_norm='batch', critic_norm='batch'),
    'fashion-upsample': dict(
        source='Fashion-MNIST post', architecture='upsample', dataset='fashion_mnist', image_size=32,
        image_fit='stretch', width=128, generator_steps=2000, generator_norm='batch', critic_norm='batch',
        gp=dict(architecture='upsample-gp', critic_norm='none', beta1=0.5, generator_steps=5000)),
    'gp-mnist': dict(
        source='WGAN-GP code', architecture='crop', dataset='mnist', image_size=28, pixel_minimum=0.0, width=64,
        batch_size=50, generator_steps=200000,
        clip=dict(generator_norm='batch', critic_norm='batch'), gp=dict(beta1=0.5)),
    'cifar10-dcgan': dict(
        source='WGAN-GP code', architecture='dcgan5', dataset='cifar10', image_size=32, image_channels=3, width=128,
        generator_steps=200000, generator_norm='batch', critic_norm='batch', gp=dict(critic_norm='none', beta1=0.5)),
    'cifar10-resnet': dict(_RESNET, source='WGAN-GP app. F'),
    'cifar10-resnet-acgan': dict(
        _RESNET, source='WGAN-GP 5.4', class_count=10, critic_class_weight=1.0, generator_class_weight=0.1),
    'lsun64-dcgan':      dict(_LSUN64, source='WGAN fig. 5', architecture='dcgan4', generator_norm='batch'),
    'lsun64-dcgan-nobn': dict(_LSUN64, source='WGAN fig. 6', architecture='dcgan4-constant'),
    'lsun64-mlp':        dict(_LSUN64, source='WGAN fig. 7', architecture='mlp-dcgan4'),
    'lsun128-resnet': dict(
        source='WGAN-GP fig. 4', architecture='resnet128', dataset='lsun', image_size=128, image_channels=3, width=64,
        generator_steps=200000, generator_norm='batch', critic_norm='batch', gp=dict(critic_norm='layer')),
    'text-char': dict(
        source='WGAN-GP 5.5', architecture='text', form='text', dataset='text', text_length=32, width=512,
        long_lines='split', generator_steps=200000, clip=dict(critic_steps=10), gp=dict(critic_steps=10, beta1=0.5)),
    'toy-8gaussians':  dict(_TOY, source='WGAN-GP fig. 1', dataset='8gaussians'),
    'toy-25gaussians': dict(_TOY, source='WGAN-GP fig. 1', dataset='25gaussians'),
    'toy-swissroll':   dict(_TOY, source='WGAN-GP fig. 1', dataset='swissroll'),
}

# Architecture -> sizes of image that its networks follow, in pixels. The posts' and the WGAN-GP code's networks grow in
# the generator's first layer and the critic's last; the WGAN authors' DCGAN and the 64-pixel residual code have one
# more level for each doubling; the CIFAR-10 residual networks have one size.
_IN_STEPS = tuple(range(16, 257, 8))
_BY_DOUBLING = (16, 32, 64, 128, 256)
IMAGE_SIZES: Dict[str, Tuple[int, ...]] = {
    'blog': _IN_STEPS, 'mlp': _IN_STEPS, 'keras': (*_IN_STEPS, 28), 'upsample': _IN_STEPS, 'upsample-gp': _IN_STEPS,
    'crop': (*_IN_STEPS, 28), 'dcgan5': _IN_STEPS, 'dcgan4': _BY_DOUBLING, 'dcgan4-constant': _BY_DOUBLING,
    'mlp-dcgan4': _BY_DOUBLING, 'resnet': (32,), 'resnet128': (64, 128, 256),
}

# preset -> (variants, parameters of the generator, of the critic), so that a list of them needs no graph. Those of
# text-char are for a vocabulary of 96 characters.
PARAMETERS: Dict[str, List[Tuple[str, int, int]]] = {
    'blog-mnist':           [('clip gp gan', 2605632, 1551873)],
    'blog-mnist-bn':        [('clip gan', 2622912, 1553665)],
    'blog-mnist-mlp':       [('clip gp gan', 1379328, 1313281)],
    'keras-mnist':          [('clip gan', 851201, 70081)],
    'fashion-upsample':     [('clip gan', 5173505, 4109825), ('gp', 5996289, 4107393)],
    'gp-mnist':             [('clip', 1562753, 1030913), ('gp gan', 1554177, 1030145)],
    'cifar10-dcgan':        [('clip gan', 5179907, 4116225), ('gp', 5179907, 4114689)],
    'cifar10-resnet':       [('clip gp gan', 1204483, 1053825)],
    'cifar10-resnet-acgan': [('clip gp gan', 1218307, 1055115)],
    'lsun64-dcgan':         [('clip gan', 3576704, 2765568)],
    'lsun64-dcgan-nobn':    [('clip gan', 302080, 2765568)],
    'lsun64-mlp':           [('clip gan', 7143424, 2765568)],
    'lsun128-resnet':       [('clip gp gan', 8618691, 7570049)],
    'text-char':            [('clip gp gan', 15275104, 13178369)],
    'toy-8gaussians':       [('clip gp gan', 527874, 527361)],
    'toy-25gaussians':      [('clip gp gan', 527874, 527361)],
    'toy-swissroll':        [('clip gp gan', 527874, 527361)],
}

# fmt: on
