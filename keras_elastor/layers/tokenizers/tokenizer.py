"""What all tokenizers share: field embeddings in, tokens out."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.utils.types import Config, Shape, Tensor


class Tokenizer(keras.layers.Layer):
    """Base of layers that make tokens of the field embeddings.

    Args:
        num_tokens: Number of tokens T.
        token_dim: Width of a token D.

    Input shape: `(batch, fields, embedding_dim)`. Output shape: `(batch, num_tokens, token_dim)`.
    """

    def __init__(self, num_tokens: int, token_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_positive(self, num_tokens=num_tokens, token_dim=token_dim)
        self.num_tokens = num_tokens
        self.token_dim = token_dim

    def flat_size(self, input_shape: Shape) -> int:
        """Length of all fields' embeddings as one vector."""
        fields, embedding_dim = require_tokens(self, input_shape)
        return fields * embedding_dim

    def flatten(self, inputs: Tensor) -> Tensor:
        """All fields' embeddings as one vector, `(batch, fields * embedding_dim)`."""
        fields, embedding_dim = inputs.shape[1:]
        return ops.reshape(inputs, (-1, fields * embedding_dim))

    def slice_size(self, input_shape: Shape) -> int:
        """Length of the equal slices that the flat vector is cut into, one per token.

        Raises:
            ValueError: If the flat vector is not a multiple of the number of tokens.
        """
        size = self.flat_size(input_shape)
        if size % self.num_tokens:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': expected a number of tokens that divides "
                f"fields * embedding_dim = {input_shape[1]} * {input_shape[2]} = {size}. "
                f"Received: num_tokens={self.num_tokens}"
            )
        return size // self.num_tokens

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the tokens."""
        return (input_shape[0], self.num_tokens, self.token_dim)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "token_dim": self.token_dim,
        }
