"""What per-token networks of several layers share: tokens lead through all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.normalizations import (
    NORMALIZATIONS,
    make_normalization,
    serialize_normalization,
)
from keras_elastor.layers.per_token.per_token_dense import swap_tokens_and_batch
from keras_elastor.layers.per_token.per_token_rms_normalization import PerTokenRMSNormalization
from keras_elastor.utils.types import (
    ActivationLike,
    Config,
    InitializerLike,
    NormalizationLike,
    Shape,
    Tensor,
)

_NORMALIZATIONS: Mapping[str, Callable[..., Any]] = {
    "rms": lambda **kwargs: PerTokenRMSNormalization(tokens_first=True, **kwargs),
    "layer": NORMALIZATIONS["layer"],
}


class PerTokenNetwork(keras.layers.Layer):
    """Base of networks that map each token by weights of its own and keep its width.

    A subclass implements `make_layers`. The tokens are swapped to the front once, before the first
    of these layers, and back once, after the last.

    Args:
        hidden_units: Widths between the token's width and itself; each at least 1.
        activation: Elementwise function.
        normalization: "rms", a norm with a scale per token, "layer", or a layer for
            `(tokens, batch, dim)`; None for no norms.
        dropout: Rate of the dropout; 0 leaves it out.
        use_bias: Whether the hidden maps have biases.
        kernel_initializer: Initializer of each token's matrices; None is Xavier normal.

    Input shape: `(batch, tokens, token_dim)`. Output shape: the same.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        activation: ActivationLike,
        normalization: NormalizationLike,
        dropout: float,
        use_bias: bool,
        kernel_initializer: InitializerLike,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_units = tuple(hidden_units)
        for units in self.hidden_units:
            require_positive(self, hidden_units=units)
        self.activation = keras.activations.get(activation)
        self.normalization = serialize_normalization(self, normalization, _NORMALIZATIONS)
        self.dropout = dropout
        self.use_bias = use_bias
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def make_layers(self, token_dim: int) -> list[Any]:
        """The layers of the network, made for `(tokens, batch, dim)`, first to last."""
        raise NotImplementedError

    def make_norms(self) -> list[Any]:
        """A new norm, or none."""
        if self.normalization is None:
            return []
        return [make_normalization(self.normalization, self.dtype_policy, _NORMALIZATIONS)]

    def build(self, input_shape: Shape) -> None:
        """Make and build the layers."""
        tokens, token_dim = require_tokens(self, input_shape)
        self.layers = self.make_layers(token_dim)
        shape: Shape = (tokens, None, token_dim)
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Apply the network; `training` switches the dropout."""
        outputs = swap_tokens_and_batch(inputs)
        for layer in self.layers:
            outputs = layer(outputs)
        return swap_tokens_and_batch(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
