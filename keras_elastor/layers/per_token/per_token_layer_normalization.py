"""Layer normalization with a scale and a shift of its own for every token."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_tokens
from keras_elastor.layers.core.numerics import at_least_float32, mean
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Shape, Tensor


@register
class PerTokenLayerNormalization(keras.layers.Layer):
    """Normalizes each token over its width; every token has a learned scale and shift.

        y_t = gamma_t * (x_t - mean(x_t)) / sqrt(var(x_t) + epsilon) + beta_t

    Statistics are computed in float32 whatever the compute dtype.

    Args:
        epsilon: Added to the variance. Default: 1e-5, as in PyTorch.

    Input shape: `(batch, tokens, dim)`. Output shape: the same.

    Example:

    >>> norm = ke.layers.PerTokenLayerNormalization()
    >>> norm(np.ones((2, 4, 5), "float32")).shape == (2, 4, 5)
    True

    Reference: Wang et al., MaskNet (DLP-KDD 2021, arXiv 2102.07619), section 3.2; FuxiCTR,
    `MaskNet`.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.autocast = False

    def build(self, input_shape: Shape) -> None:
        """Make the stacked scales and shifts."""
        shape = require_tokens(self, input_shape)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros", autocast=False)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize, scale and shift."""
        inputs = ops.cast(inputs, at_least_float32(self.compute_dtype))
        centered = inputs - mean(inputs, -1, keepdims=True)
        variance = mean(ops.square(centered), -1, keepdims=True)
        normalized = centered * ops.rsqrt(variance + self.epsilon)
        return ops.cast(normalized * self.gamma + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}
