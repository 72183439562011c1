"""Scores and gradients: the Wasserstein losses, the two ways to keep a critic Lipschitz, and the plain GAN's losses."""

import math

import tensorflow.compat.v1 as tf


def wasserstein_estimate(real_scores, fake_scores):
  """mean f(real) - mean f(fake): WGAN (1701.07875) equation 3, what the critic maximises.

  It estimates K * W(P_real, P_fake) for the critic's unknown Lipschitz constant K, which the gradient
  penalty holds near 1 and clipping does not.

  Args:
    real_scores: float32 [N].
    fake_scores: float32 [M].

  Returns:
    float32 scalar, positive for a critic that tells the two apart.
  """
  return tf.reduce_mean(real_scores) - tf.reduce_mean(fake_scores)


def generator_loss(fake_scores):
  """-mean f(fake): WGAN Algorithm 1, line 10. Its value alone means nothing.

  Args:
    fake_scores: float32 [N].

  Returns:
    float32 scalar.
  """
  return -tf.reduce_mean(fake_scores)


def gan_critic_loss(real_scores, fake_scores):
  """-mean log D(real) - mean log(1 - D(fake)), D being the sigmoid of a score: GAN (1406.2661) equation 1.

  Args:
    real_scores: float32 [N], logits.
    fake_scores: float32 [M], logits.

  Returns:
    float32 scalar.
  """
  return tf.reduce_mean(tf.nn.softplus(-real_scores)) + tf.reduce_mean(tf.nn.softplus(fake_scores))


def gan_generator_loss(fake_scores):
  """-mean log D(fake): GAN section 3, which has a slope where the discriminator is sure.

  Args:
    fake_scores: float32 [N], logits.

  Returns:
    float32 scalar.
  """
  return tf.reduce_mean(tf.nn.softplus(-fake_scores))


def js_estimate(real_scores, fake_scores):
  """log 2 + (mean log D(real) + mean log(1 - D(fake))) / 2: WGAN figure 4.

  A lower bound of the Jensen-Shannon divergence, in nats: at most log 2, reached where D tells all apart.

  Args:
    real_scores: float32 [N], logits.
    fake_scores: float32 [M], logits.

  Returns:
    float32 scalar.
  """
  return math.log(2) - gan_critic_loss(real_scores, fake_scores) / 2


def class_loss(logits, labels):
  """mean -log P(label): AC-GAN (1610.09585), as WGAN-GP section 5.4 adds it.

  Args:
    logits: float32 [N, classes].
    labels: int32 [N].

  Returns:
    float32 scalar.
  """
  return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def class_accuracy(logits, labels):
  """Share of the samples whose largest logit is that of their label; arguments as in `class_loss`."""
  return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels), tf.float32))


def interpolate(real, fake, weights):
  """Points on the lines between real and fake samples: WGAN-GP (1704.00028) Algorithm 1, line 6.

  Args:
    real: float32 [N, ...].
    fake: float32 [N, ...], of the same shape.
    weights: float32 [N] from U[0, 1], one for each sample: 1 gives the real one, 0 the fake one.

  Returns:
    float32 [N, ...].
  """
  weights = tf.reshape(weights, [-1] + [1] * (real.shape.ndims - 1))
  return weights * real + (1 - weights) * fake


@tf.RegisterGradient('ReluGradOfConstantMask')
def _relu_grad_grad(op, grad):
  # relu'(x) is a step, flat wherever it has a slope. TensorFlow's own gradient sends zeros on through the
  # whole forward pass, which costs a quarter of a critic update; None sends nothing.
  return tf.raw_ops.ReluGrad(gradients=grad, features=op.inputs[1]), None


@tf.RegisterGradient('LeakyReluGradOfConstantMask')
def _leaky_relu_grad_grad(op, grad):
  return tf.raw_ops.LeakyReluGrad(gradients=grad, features=op.inputs[1], alpha=op.get_attr('alpha')), None


_CONSTANT_MASKS = {'ReluGrad': 'ReluGradOfConstantMask', 'LeakyReluGrad': 'LeakyReluGradOfConstantMask'}


def gradient_norms(scores, inputs):
  """Norm of each sample's gradient of the critic: WGAN-GP Algorithm 1, line 7, before the square.

  The root of zero has an infinite slope, which times the zero gradient under it is NaN. Adding 1e-12
  under the root keeps the slope finite, and in float32 changes no norm above 0.01.

  Args:
    scores: float32 [N], each a function of the same row of `inputs` alone.
    inputs: float32 [N, ...].

  Returns:
    float32 [N], over every axis but the first.
  """
  with tf.get_default_graph().gradient_override_map(_CONSTANT_MASKS):
    (gradients,) = tf.gradients(scores, [inputs])
  return tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=list(range(1, inputs.shape.ndims))) + 1e-12)


def gradient_penalty(norms, sides='two_sided'):
  """mean (norm - 1)^2: WGAN-GP equation 3, without its weight lambda; 'one_sided', appendix C, mean max(0, norm - 1)^2.

  Args:
    norms: float32 [N].
    sides: 'two_sided' or 'one_sided'.

  Returns:
    float32 scalar.
  """
  excess = norms - 1
  return tf.reduce_mean(tf.square(tf.nn.relu(excess) if sides == 'one_sided' else excess))


def clip(variables, bound):
  """w <- clip(w, -c, c): WGAN Algorithm 1, line 7.

  The reads and the assigns are made here, so they wait for the control dependencies in force at the call;
  the post makes its assigns before it enters the scope, and they race with the update.

  Args:
    variables: resource variables.
    bound: c > 0.

  Returns:
    An op.
  """
  return tf.group(*[v.assign(tf.clip_by_value(v.read_value(), -bound, bound)) for v in variables])
