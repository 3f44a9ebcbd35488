"""RankElastor's per-token network: gated units in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers.per_token.per_token_dense import PerTokenDense
from keras_elastor.layers.per_token.per_token_glu import PerTokenGLU
from keras_elastor.layers.per_token.per_token_network import PerTokenNetwork
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import ActivationLike, Config, InitializerLike, NormalizationLike


@register
class PerTokenGLUStack(PerTokenNetwork):
    """Gated units in a row, with weights of their own for every token.

        h_0 = x_t;   h_i = dropout(resize_{t,i}(GLU_{t,i}(norm(h_{i-1}))));   y_t = output_t(h_m)

    A `PerTokenGLU` keeps its width, so a linear map `resize` follows where the next width differs.
    The official code wraps the stack in an identity residual: put it into `Residual`. The paper's
    network is a single `PerTokenGLU`.

    Args:
        hidden_units: Widths after each gated unit.
        expansion: Gated width over the unit's width, see `PerTokenGLU`. Default: 3.
        activation: Elementwise function of the gates. Default: "gelu", the exact one.
        normalization: "rms", a norm with a scale per token, "layer", or a layer for
            `(tokens, batch, dim)`: the norm before each unit; None for none. Default: "rms".
        dropout: Rate after each unit. Default: 0.
        use_bias: Whether the units have biases; the last map always has. Default: True.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, tokens, token_dim)`. Output shape: the same.

    Example:

    >>> ffn = ke.layers.PerTokenGLUStack([16, 16], expansion=3.0)
    >>> ffn(np.ones((2, 4, 6), "float32")).shape == (2, 4, 6)
    True

    Reference: RankElastor's official code, `src/Token_FFN.py`, activation "swiglu".
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        expansion: float = 3.0,
        activation: ActivationLike = "gelu",
        normalization: NormalizationLike = "rms",
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
        self.expansion = expansion

    def make_layers(self, token_dim: int) -> list[Any]:
        """Gated units and the projection back to the token width."""
        shared = {
            "tokens_first": True,
            "kernel_initializer": self.kernel_initializer,
            "dtype": self.dtype_policy,
        }
        layers: list[Any] = []
        width = token_dim
        for index, units in enumerate(self.hidden_units):
            layers += self.make_norms()
            unit = PerTokenGLU(
                self.expansion,
                self.activation,
                use_bias=self.use_bias,
                name=f"glu_{index}",
                **shared,
            )
            layers.append(unit)
            if units != width:
                name = f"resize_{index}"
                layers.append(PerTokenDense(units, use_bias=self.use_bias, name=name, **shared))
                width = units
            if self.dropout:
                layers.append(keras.layers.Dropout(self.dropout, dtype=self.dtype_policy))
        layers.append(PerTokenDense(token_dim, name="output", **shared))
        return layers

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {**super().get_config(), "expansion": self.expansion}
