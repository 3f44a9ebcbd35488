"""What per-token networks of several layers share: tokens lead through all of them."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.layers.checks import require_tokens
from keras_elastor.layers.per_token_dense import swap_tokens_and_batch
from keras_elastor.types import Shape, Tensor


class PerTokenNetwork(keras.layers.Layer):
    """Base of networks that map each token by weights of its own and keep its width.

    A subclass implements `make_layers`. The tokens are swapped to the front once, before the first
    of these layers, and back once, after the last.

    Input shape: `(batch, tokens, token_dim)`. Output shape: the same.
    """

    def make_layers(self, token_dim: int) -> list[Any]:
        """The layers of the network, made for `(tokens, batch, dim)`, first to last."""
        raise NotImplementedError

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
            if isinstance(layer, keras.layers.Dropout):
                outputs = layer(outputs, training=training)
            else:
                outputs = layer(outputs)
        return swap_tokens_and_batch(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape
