"""One matrix shared by consecutive segments of the flat token vector."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.numerics import matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class SegmentMixing(keras.layers.Layer):
    """Learned linear mixing inside each of s equal segments of the flat token vector.

        vec(y) = (I_s (x) W) vec(x),   W in R^{n x n},  n = T*D/s

    This is what the "fast" variants of RankElastor's official code compute. The paper's cheaper
    operator is the transpose of that order, `FullMixing(block_size=s)`: it mixes across segments.
    Here nothing crosses a segment; with s = T each token is mapped alone and no tokens mix at all.

    Args:
        num_segments: S; must divide tokens * token_dim.
        kernel_initializer: Initializer of the kernel (W transposed). Default: None, Xavier normal.

    Input shape: `(batch, tokens, token_dim)`. Output shape: the same.

    Example:

    >>> mixing = ke.layers.SegmentMixing(num_segments=2)
    >>> mixing(np.ones((5, 4, 6), "float32")).shape == (5, 4, 6)
    True
    >>> mixing.kernel.shape == (12, 12)
    True

    Raises:
        ValueError: If the segments do not divide tokens * token_dim.

    Reference: RankElastor's official code, `src/Token_Mixing.py`, mixing types 8881 (26 segments)
    and 8882 (2 segments).
    """

    def __init__(
        self, num_segments: int, kernel_initializer: InitializerLike = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, num_segments=num_segments)
        self.num_segments = num_segments
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make the kernel."""
        tokens, token_dim = require_tokens(self, input_shape)
        size = tokens * token_dim
        if size % self.num_segments:
            raise ValueError(
                f"SegmentMixing '{self.name}': expected a number of segments that divides tokens * "
                f"token_dim = {tokens} * {token_dim} = {size}. "
                f"Received: num_segments={self.num_segments}"
            )
        width = size // self.num_segments
        self.kernel = self.add_weight(
            name="kernel", shape=(width, width), initializer=self.kernel_initializer
        )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Mix inside the segments."""
        tokens, token_dim = inputs.shape[1:]
        segments = ops.reshape(inputs, (-1, tokens * token_dim // self.num_segments))
        return ops.reshape(matrix_product(segments, self.kernel), (-1, tokens, token_dim))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "num_segments": self.num_segments,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
