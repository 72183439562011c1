"""The Wasserstein losses, the two ways to keep a critic Lipschitz, and the plain GAN's losses: one function each."""

import math
from typing import Any, Sequence, Tuple

import tensorflow.compat.v1 as tf


def wasserstein_estimate(real_scores: Any, fake_scores: Any) -> Any:
  """mean f(real) - mean f(fake): WGAN (1701.07875) equation 3, which the critic maximises.

  It estimates K * W(P_real, P_fake), K being the critic's Lipschitz constant. The gradient penalty keeps K near 1;
  clipping does not.

  Args:
    real_scores: float32 [N].
    fake_scores: float32 [M].

  Returns:
    float32 scalar; positive if the critic tells the two apart.
  """
  return tf.reduce_mean(real_scores) - tf.reduce_mean(fake_scores)


def generator_loss(fake_scores: Any) -> Any:
  """-mean f(fake): WGAN Algorithm 1, line 10. Its value alone has no meaning, only its gradient.

  Args:
    fake_scores: float32 [N].

  Returns:
    float32 scalar.
  """
  return -tf.reduce_mean(fake_scores)


def gan_critic_loss(real_scores: Any, fake_scores: Any) -> Any:
  """-mean log D(real) - mean log(1 - D(fake)), D being the sigmoid of a score: GAN (1406.2661) equation 1.

  Args:
    real_scores: float32 [N], logits.
    fake_scores: float32 [M], logits.

  Returns:
    float32 scalar.
  """
  return tf.reduce_mean(tf.nn.softplus(-real_scores)) + tf.reduce_mean(tf.nn.softplus(fake_scores))


def gan_generator_loss(fake_scores: Any) -> Any:
  """-mean log D(fake): GAN section 3, whose gradient does not vanish where the discriminator is sure.

  Args:
    fake_scores: float32 [N], logits.

  Returns:
    float32 scalar.
  """
  return tf.reduce_mean(tf.nn.softplus(-fake_scores))


def js_estimate(real_scores: Any, fake_scores: Any) -> Any:
  """log 2 + (mean log D(real) + mean log(1 - D(fake))) / 2: WGAN figure 4.

  This is a lower bound of the Jensen-Shannon divergence, in nats. It reaches its maximum, log 2, if D makes no mistake.

  Args:
    real_scores: float32 [N], logits.
    fake_scores: float32 [M], logits.

  Returns:
    float32 scalar.
  """
  return math.log(2) - gan_critic_loss(real_scores, fake_scores) / 2


def class_loss(logits: Any, labels: Any) -> Any:
  """mean -log P(label): AC-GAN (1610.09585), which WGAN-GP section 5.4 adds to its losses.

  Args:
    logits: float32 [N, classes].
    labels: int32 [N].

  Returns:
    float32 scalar.
  """
  return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def class_accuracy(logits: Any, labels: Any) -> Any:
  """The share of samples whose largest logit is their label's; arguments as in `class_loss`."""
  return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels), tf.float32))


def interpolate(real: Any, fake: Any, weights: Any) -> Any:
  """Points on the lines between real and fake samples: WGAN-GP (1704.00028) Algorithm 1, line 6.

  Args:
    real: float32 [N, ...].
    fake: float32 [N, ...].
    weights: float32 [N] from U[0, 1], one per sample: 1 gives the real sample, 0 the fake one.

  Returns:
    float32 [N, ...].
  """
  weights = tf.reshape(weights, [-1] + [1] * (real.shape.ndims - 1))
  return weights * real + (1 - weights) * fake


@tf.RegisterGradient('ReluGradOfConstantMask')
def _relu_grad_grad(op: Any, grad: Any) -> Tuple[Any, None]:
  # relu'(x) is a step function: its derivative is zero wherever it exists. TensorFlow's own gradient propagates these
  # zeros through the whole forward pass, which costs a quarter of a critic update; None propagates nothing.
  return tf.raw_ops.ReluGrad(gradients=grad, features=op.inputs[1]), None


@tf.RegisterGradient('LeakyReluGradOfConstantMask')
def _leaky_relu_grad_grad(op: Any, grad: Any) -> Tuple[Any, None]:
  return tf.raw_ops.LeakyReluGrad(gradients=grad, features=op.inputs[1], alpha=op.get_attr('alpha')), None


_CONSTANT_MASKS = {'ReluGrad': 'ReluGradOfConstantMask', 'LeakyReluGrad': 'LeakyReluGradOfConstantMask'}


def gradient_norms(scores: Any, inputs: Any) -> Any:
  """The norm of the critic's gradient at each sample: WGAN-GP Algorithm 1, line 7.

  The square root has an infinite slope at zero, which times the zero gradient under it is NaN. Adding 1e-12 under the
  root keeps the slope finite, and in float32 changes no norm above 0.01.

  Args:
    scores: float32 [N], each of which depends on its row of `inputs` alone.
    inputs: float32 [N, ...].

  Returns:
    float32 [N], norms over every axis but the first.
  """
  with tf.get_default_graph().gradient_override_map(_CONSTANT_MASKS):
    (gradients,) = tf.gradients(scores, [inputs])
  return tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=list(range(1, inputs.shape.ndims))) + 1e-12)


def gradient_penalty(norms: Any, sides: str = 'two_sided') -> Any:
  """mean (norm - 1)^2: WGAN-GP equation 3, without its weight lambda.

  Args:
    norms: float32 [N].
    sides: 'two_sided', or 'one_sided' for appendix C's mean max(0, norm - 1)^2.

  Returns:
    float32 scalar.
  """
  excess = norms - 1
  return tf.reduce_mean(tf.square(tf.nn.relu(excess) if sides == 'one_sided' else excess))


def name_in_network(variable: Any) -> str:
  """Returns a variable's name without its network: conv_1/weights of critic/conv_1/weights."""
  return variable.op.name.split('/', 1)[-1]


def clip(variables: Sequence[Any], bound: float) -> Any:
  """Returns an op that clips: w <- clip(w, -c, c), WGAN Algorithm 1, line 7.

  It creates the reads and the assigns inside the caller's control dependencies, so that they wait for the update. The
  post creates its assigns outside that scope, where they race with the update.

  Args:
    variables: resource variables.
    bound: c > 0.
  """
  assigns = []
  with tf.name_scope('clip'):
    for v in variables:
      with tf.name_scope(name_in_network(v)):
        clipped = tf.clip_by_value(v.read_value(), -bound, bound)
        assigns.append(v.assign(clipped, read_value=False))
  # Not tf.group: TensorBoard's graph moves a NoOp, and a scope that has one in its name, out of the flow. What each
  # assign waits for, this op need not wait for again.
  with tf.control_dependencies(None), tf.control_dependencies(assigns):
    return tf.constant(True, name='clipped').op
