"""One token that has seen all fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers.core.activations import serialize_activation
from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.mlp import MLP
from keras_elastor.layers.core.numerics import mean
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import ActivationLike, Config, InitializerLike, Shape, Tensor


@register
class GlobalToken(keras.layers.Layer):
    """Maps the mean of all fields' embeddings to one token.

        g = MLP( (1/M) sum_i e_i )

    RankUp pools the fields and applies one of MLP, FM, FFM or DCNv2; which, its authors do not say,
    nor which pooling and which widths. Any layer from `(batch, fields, embedding_dim)` to
    `(batch, token_dim)` can stand in its place.

    Args:
        token_dim: Width of the token D.
        hidden_units: Widths of the hidden layers. Default: None, `(token_dim,)`.
        activation: Elementwise function of the hidden layers. Default: "silu".
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, fields, embedding_dim)`. Output shape: `(batch, token_dim)`.

    Example:

    >>> ke.layers.GlobalToken(8)(np.ones((2, 5, 4), "float32")).shape == (2, 8)
    True

    Reference: Chen et al., RankUp (arXiv 2604.17878), global token.
    """

    def __init__(
        self,
        token_dim: int,
        hidden_units: Sequence[int] | None = None,
        activation: ActivationLike = "silu",
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, token_dim=token_dim)
        self.token_dim = token_dim
        self.hidden_units = (token_dim,) if hidden_units is None else tuple(hidden_units)
        self.activation = serialize_activation(activation)
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make and build the MLP."""
        _, embedding_dim = require_tokens(self, input_shape)
        self.mlp = MLP(
            self.hidden_units,
            self.token_dim,
            self.activation,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name="mlp",
        )
        self.mlp.build((input_shape[0], embedding_dim))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Pool and map."""
        outputs: Tensor = self.mlp(mean(inputs, axis=1))
        return outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the token."""
        return (input_shape[0], self.token_dim)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "token_dim": self.token_dim,
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
