"""A plain feed-forward net of its own for every token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers.per_token.per_token_dense import PerTokenDense
from keras_elastor.layers.per_token.per_token_network import PerTokenNetwork
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import ActivationLike, InitializerLike, NormalizationLike


@register
class PerTokenFFN(PerTokenNetwork):
    """Feed-forward net with weights of its own for every token.

        h_0 = x_t;   h_i = dropout(activation(norm(h_{i-1} W_{t,i} + b_{t,i})));
        y_t = h_m W_t + b_t

    It has no residual: put it into `Residual`.

    Args:
        hidden_units: Widths of the hidden layers. RankMixer's net has one of k * token_dim.
        activation: Elementwise function. Default: "gelu", the exact one.
        normalization: "rms", a norm with a scale per token, "layer", or a layer for
            `(tokens, batch, dim)`: the norm before each activation. Default: None.
        dropout: Rate after each activation. Default: 0.
        use_bias: Whether the hidden layers have a bias; the last layer always has. Default: True.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, tokens, token_dim)`. Output shape: the same.

    Example:

    >>> ffn = ke.layers.PerTokenFFN([24])
    >>> ffn(np.ones((2, 4, 6), "float32")).shape == (2, 4, 6)
    True
    >>> ffn.count_params() == 4 * (6 * 24 + 24 + 24 * 6 + 6)
    True

    Reference: Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3.3.2; RankElastor's
    official code, `src/Token_FFN.py`.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        activation: ActivationLike = "gelu",
        normalization: NormalizationLike = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            hidden_units,
            activation,
            normalization,
            dropout,
            use_bias,
            kernel_initializer,
            **kwargs,
        )

    def make_layers(self, token_dim: int) -> list[Any]:
        """Hidden layers and the projection back to the token width."""
        shared = {
            "tokens_first": True,
            "kernel_initializer": self.kernel_initializer,
            "dtype": self.dtype_policy,
        }
        layers: list[Any] = []
        for index, units in enumerate(self.hidden_units):
            name = f"hidden_{index}"
            layers.append(PerTokenDense(units, use_bias=self.use_bias, name=name, **shared))
            layers += self.make_norms()
            layers.append(keras.layers.Activation(self.activation, dtype=self.dtype_policy))
            if self.dropout:
                layers.append(keras.layers.Dropout(self.dropout, dtype=self.dtype_policy))
        layers.append(PerTokenDense(token_dim, name="output", **shared))
        return layers
