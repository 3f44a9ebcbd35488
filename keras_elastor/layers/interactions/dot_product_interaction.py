"""The inner product of every pair of embeddings."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_elastor.layers.core.checks import require_tokens
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Shape, Tensor


@register
class DotProductInteraction(keras.layers.Layer):
    """Inner products of all pairs of fields, row by row: (0, 1), (0, 2), ..., (1, 2), ...

        y_ij = <e_i, e_j>,   i < j

    Input shape: `(batch, fields, embedding_dim)`.
    Output shape: `(batch, fields * (fields - 1) / 2)`.

    Example:

    >>> embeddings = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]], "float32")
    >>> ops.convert_to_numpy(ke.layers.DotProductInteraction()(embeddings)).tolist()
    [[11.0, 17.0, 39.0]]

    Raises:
        ValueError: If there are fewer than two fields.

    Reference: Naumov et al., Deep Learning Recommendation Model (arXiv 1906.00091), section 2.1.
    """

    def build(self, input_shape: Shape) -> None:
        """Check the shape."""
        fields, _ = require_tokens(self, input_shape)
        if fields < 2:
            raise ValueError(
                f"DotProductInteraction '{self.name}': expected at least 2 fields to multiply. "
                f"Received: shape={tuple(input_shape)}"
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Multiply every pair once."""
        fields = inputs.shape[1]
        products = inputs @ ops.transpose(inputs, (0, 2, 1))
        first, second = np.triu_indices(fields, k=1)
        flat = ops.reshape(products, (-1, fields * fields))
        return ops.take(flat, first * fields + second, axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the products."""
        fields, _ = require_tokens(self, input_shape)
        return (input_shape[0], fields * (fields - 1) // 2)
