"""All pairwise products of the embeddings, summed in linear time."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_tokens
from keras_elastor.layers.core.numerics import at_least_float32
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Shape, Tensor


@register
class FactorizationMachine(keras.layers.Layer):
    """The second-order term of a factorization machine.

        y = sum_{i<j} <e_i, e_j> = 1/2 sum_d ((sum_i e_id)^2 - sum_i e_id^2)

    Computed in float32 whatever the compute dtype: the two sums of squares nearly cancel.

    Input shape: `(batch, fields, embedding_dim)`. Output shape: `(batch, 1)`, float32 under a
    half-precision policy.

    Example:

    >>> embeddings = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]], "float32")
    >>> ops.convert_to_numpy(ke.layers.FactorizationMachine()(embeddings)).tolist()
    [[67.0]]

    Reference: Rendle, Factorization Machines (ICDM 2010), lemma 3.1.
    """

    def build(self, input_shape: Shape) -> None:
        """Check the shape."""
        require_tokens(self, input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Sum the products."""
        inputs = ops.cast(inputs, at_least_float32(self.compute_dtype))
        square_of_sum = ops.square(ops.sum(inputs, axis=1))
        sum_of_squares = ops.sum(ops.square(inputs), axis=1)
        return 0.5 * ops.sum(square_of_sum - sum_of_squares, axis=1, keepdims=True)

    def compute_output_spec(self, inputs: Tensor) -> Any:
        """Shape and dtype of the sum."""
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=at_least_float32(self.compute_dtype))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the sum."""
        return (input_shape[0], 1)
