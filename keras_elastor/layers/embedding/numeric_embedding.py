"""From numbers to embeddings: what all such layers share."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive
from keras_elastor.layers.core.numerics import at_least_float32
from keras_elastor.utils.types import Config, Shape, Tensor


class NumericEmbedding(keras.layers.Layer):
    """Base of the layers that embed several numbers, each by weights of its own.

    A subclass makes its weights in `build` and implements `embed`, which gets the numbers in
    float32 or wider.

    Args:
        embedding_dim: Width of each number's embedding. Default: 10. Within a `FeatureEncoder` the
            encoder's holds.

    Input shape: `(batch, numbers)`. Output shape: `(batch, numbers, embedding_dim)`.
    """

    def __init__(self, embedding_dim: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_positive(self, embedding_dim=embedding_dim)
        self.embedding_dim = embedding_dim
        # Half precision would round numbers before they are looked at.
        self.autocast = False

    def embed(self, numbers: Tensor) -> Tensor:
        """Embed `(batch, numbers)` as `(batch, numbers, embedding_dim)`."""
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Tensor:
        """Embed each number."""
        numbers = ops.cast(inputs, at_least_float32(self.compute_dtype))
        return ops.cast(self.embed(numbers), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """One embedding per number."""
        return (*input_shape, self.embedding_dim)

    def compute_output_spec(self, inputs: Tensor) -> Any:
        """Shape and dtype of the embeddings."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {**super().get_config(), "embedding_dim": self.embedding_dim}
