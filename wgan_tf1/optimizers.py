"""TensorFlow's RMSProp, PyTorch's RMSProp, Adam, and the linear decay of a learning rate."""

from typing import Any

import tensorflow.compat.v1 as tf

from wgan_tf1.config import Config


class TorchRMSProp(tf.train.Optimizer):
  """RMSProp as PyTorch computes it, which the WGAN authors' code uses.

  ms <- 0.99 ms + 0.01 g^2, from ms = 0;  w <- w - lr * g / (sqrt(ms) + 1e-8).

  TensorFlow's RMSProp starts from ms = 1, decays by 0.9, and has its epsilon of 1e-10 inside the root. So its first
  steps are about lr * g, while PyTorch's are about 10 * lr * sign(g).
  """

  def __init__(
    self, learning_rate: Any, decay: float = 0.99, epsilon: float = 1e-8, name: str = 'TorchRMSProp'
  ) -> None:
    super().__init__(use_locking=False, name=name)
    self._learning_rate = learning_rate
    self._decay = decay
    self._epsilon = epsilon

  def _create_slots(self, var_list: Any) -> None:
    for v in var_list:
      self._zeros_slot(v, 'mean_square', self._name)

  def _resource_apply_dense(self, grad: Any, var: Any) -> Any:
    slot = self.get_slot(var, 'mean_square')
    mean_square = self._decay * slot.read_value() + (1 - self._decay) * tf.square(grad)
    step = self._learning_rate * grad / (tf.sqrt(mean_square) + self._epsilon)
    return tf.group(slot.assign(mean_square), var.assign_sub(step))


def make(config: Config, learning_rate: Any) -> Any:
  """Returns the `tf.train.Optimizer` that `config.optimizer` names; the learning rate is a float or float32 scalar."""
  if config.optimizer == 'adam':
    return tf.train.AdamOptimizer(learning_rate, config.beta1, config.beta2)
  if config.optimizer == 'rmsprop_torch':
    return TorchRMSProp(learning_rate)
  return tf.train.RMSPropOptimizer(learning_rate, decay=0.9, epsilon=1e-10)


def decayed(rate: float, decay_steps: int, global_step: Any, of_generator: bool = False) -> Any:
  """Returns a learning rate that falls linearly from `rate` to zero, as in the WGAN-GP code: float or float32 scalar.

  That code numbers its iterations from 0 and has no generator update in the first. So generator update k, and the
  critic updates after it, have the rate 1 - k / N.

  Args:
    rate: learning rate of the first critic updates.
    decay_steps: N, generator updates until the learning rate is zero; 0 keeps it constant.
    global_step: int64 variable, generator updates so far.
    of_generator: whether it is for the generator's optimizer, whose update counts itself.
  """
  if not decay_steps:
    return rate
  done = tf.cast(global_step.read_value(), tf.float32) + (1 if of_generator else 0)
  return rate * tf.maximum(0.0, 1 - done / decay_steps)
