"""RankMixer's parameter-free mixing: a block transpose."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_tokens
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Shape, Tensor


@register
class TokenMixing(keras.layers.Layer):
    """Multi-head token mixing without parameters.

    Every token is cut into H heads of width D/H; output token h holds head h of all tokens:

        s_h = concat(x_1[h], ..., x_T[h]),   h = 1..H

    With as many heads as tokens it keeps the shape and is its own inverse; on the flat, row-major
    vector it is the permutation `K (x) I_{D/T}` with the commutation matrix K.

    Args:
        num_heads: Number of heads H; must divide the token width. Default: the number of tokens,
            which allows a residual around the layer.

    Input shape: `(batch, tokens, token_dim)`.
    Output shape: `(batch, num_heads, tokens * token_dim / num_heads)`.

    Example:

    >>> tokens = np.array([[[1, 2], [3, 4]]], "float32")
    >>> ops.convert_to_numpy(ke.layers.TokenMixing()(tokens)).tolist()
    [[[1.0, 3.0], [2.0, 4.0]]]

    Raises:
        ValueError: If the heads do not divide the token width.

    Reference: Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3.3.1.
    """

    def __init__(self, num_heads: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_heads is not None and num_heads < 1:
            raise ValueError(f"Expected `num_heads` to be at least 1. Received: {num_heads=}")
        self.num_heads = num_heads

    def build(self, input_shape: Shape) -> None:
        """Check that the heads divide the token width."""
        tokens, token_dim = require_tokens(self, input_shape)
        heads = self.num_heads or tokens
        if token_dim % heads:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': expected a token width that {heads} heads "
                f"divide (by default there are as many heads as tokens). Received: {tokens} "
                f"tokens of width {token_dim}; the nearest fitting widths are "
                f"{token_dim // heads * heads or heads} and {(token_dim // heads + 1) * heads}"
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Mix the tokens."""
        tokens, token_dim = inputs.shape[1:]
        heads = self.num_heads or tokens
        split = ops.reshape(inputs, (-1, tokens, heads, token_dim // heads))
        mixed = ops.transpose(split, (0, 2, 1, 3))
        return ops.reshape(mixed, (-1, heads, tokens * token_dim // heads))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the mixed tokens."""
        tokens, token_dim = require_tokens(self, input_shape)
        heads = self.num_heads or tokens
        return (input_shape[0], heads, tokens * token_dim // heads)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {**super().get_config(), "num_heads": self.num_heads}
