"""Logits of several parts of a model, added up."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.layers.core.numerics import at_least_float32
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Shape, Tensor


@register
class LogitSum(keras.layers.Layer):
    """Sum of logits in at least float32.

        y = x_1 + ... + x_n

    `keras.layers.Add` would make float32 of float64 on JAX and PyTorch, and half precision of all
    under a half-precision policy.

    Input: a list of tensors, each of shape `(batch, units)` or, for all units alike, `(batch, 1)`.
    Output shape: `(batch, units)`, float32 under a half-precision policy.

    Example:

    >>> parts = [np.array([[1.0, 2.0]]), np.array([[0.5]])]
    >>> ops.convert_to_numpy(ke.layers.LogitSum()(parts)).tolist()
    [[1.5, 2.5]]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.autocast = False

    def build(self, input_shape: list[Shape]) -> None:
        """Nothing to make."""
        self.built = True

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Add up the parts."""
        ops, dtype = keras.ops, at_least_float32(self.compute_dtype)
        units = self.compute_output_shape([part.shape for part in inputs])[-1]
        parts = [ops.broadcast_to(ops.cast(x, dtype), (ops.shape(x)[0], units)) for x in inputs]
        # One after the other, TensorFlow would make a single operation of the additions, which adds
        # in the order in which buffers become free: the last digit would change from call to call.
        return ops.sum(ops.stack(parts, axis=-1), axis=-1)

    def compute_output_spec(self, inputs: list[Tensor]) -> Any:
        """Shape and dtype of the sum."""
        shape = self.compute_output_shape([part.shape for part in inputs])
        return keras.KerasTensor(shape, dtype=at_least_float32(self.compute_dtype))

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Shape of the widest part."""
        return max(input_shape, key=lambda shape: int(shape[-1] or 0))
