"""Root-mean-square normalization with a scale of its own for every token."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.rms_normalization import rms_normalize
from keras_elastor.layers.per_token.per_token_dense import tokens_and_dim
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Shape, Tensor


@register
class PerTokenRMSNormalization(keras.layers.Layer):
    """Root-mean-square normalization of each token, with a learned scale per token.

        y_t = gamma_t * x_t / sqrt(mean(x_t^2) + epsilon)

    The norms inside per-token networks are of this kind; `RMSNormalization` shares one scale among
    tokens. Statistics are computed in float32 whatever the compute dtype.

    Args:
        epsilon: Added to the mean square. Default: 1e-12, as in the official code.
        tokens_first: Whether input and output have the tokens before the batch. Default: False.

    Input shape: `(batch, tokens, dim)`, or `(tokens, batch, dim)` with `tokens_first`.
    Output shape: the same.

    Example:

    >>> norm = ke.layers.PerTokenRMSNormalization()
    >>> norm(np.ones((2, 4, 5), "float32")).shape == (2, 4, 5)
    True
    >>> norm.gamma.shape == (4, 5)
    True

    Reference: RankElastor's official code, `src/Token_FFN.py`.
    """

    def __init__(self, epsilon: float = 1e-12, tokens_first: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.tokens_first = tokens_first
        self.autocast = False

    def build(self, input_shape: Shape) -> None:
        """Make the stacked scales."""
        self.gamma = self.add_weight(
            name="gamma",
            shape=tokens_and_dim(self, input_shape),
            initializer="ones",
            autocast=False,
        )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize and scale."""
        gamma = ops.expand_dims(self.gamma, 1) if self.tokens_first else self.gamma
        return ops.cast(rms_normalize(inputs, -1, self.epsilon) * gamma, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "tokens_first": self.tokens_first,
        }
