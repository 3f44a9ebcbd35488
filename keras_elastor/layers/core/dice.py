"""The activation of DIN, which adapts to the data."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Shape, Tensor


@register
class Dice(keras.layers.Layer):
    """Data-adaptive activation: a PReLU whose bend follows the batch's mean and deviation.

        p = sigmoid((x - mean(x)) / sqrt(var(x) + epsilon));   y = p x + alpha (1 - p) x

    Mean and variance are those of the batch in training and moving averages otherwise; alpha is
    learned, one per channel, and starts at 0.

    Args:
        epsilon: Added to the variance. Default: 1e-9.
        momentum: Share of the old moving average kept at each step. Default: 0.99.

    Input shape: `(..., channels)`. Output shape: the same.

    Example:

    >>> ke.layers.Dice()(np.ones((2, 3), "float32")).shape == (2, 3)
    True

    Reference: Zhou et al., Deep Interest Network (KDD 2018, arXiv 1706.06978), section 5.3;
    FuxiCTR, `Dice`.
    """

    def __init__(self, epsilon: float = 1e-9, momentum: float = 0.99, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.momentum = momentum

    def build(self, input_shape: Shape) -> None:
        """Make the moving averages and the slopes."""
        self.norm = keras.layers.BatchNormalization(
            epsilon=self.epsilon,
            momentum=self.momentum,
            center=False,
            scale=False,
            dtype=self.dtype_policy,
            name="norm",
        )
        self.norm.build(input_shape)
        self.alpha = self.add_weight(name="alpha", shape=(input_shape[-1],), initializer="zeros")
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Apply the activation."""
        passed = ops.sigmoid(self.norm(inputs))
        return passed * inputs + self.alpha * (1 - passed) * inputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {**super().get_config(), "epsilon": self.epsilon, "momentum": self.momentum}
