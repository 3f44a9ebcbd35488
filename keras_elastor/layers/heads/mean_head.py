"""A head without weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_tokens
from keras_elastor.layers.core.numerics import at_least_float32, mean
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Shape, Tensor


@register
class MeanHead(keras.layers.Layer):
    """The mean over all tokens and features as the one logit.

        logit = mean_{t,j} x_{t,j}

    Input shape: `(batch, tokens, token_dim)`. Output shape: `(batch, 1)`, float32 under a
    half-precision policy.

    Example:

    >>> tokens = np.array([[[1.0, 2.0], [3.0, 6.0]]], "float32")
    >>> ops.convert_to_numpy(ke.layers.MeanHead()(tokens)).tolist()
    [[3.0]]

    Reference: RankElastor's official code, `src/UniMixer.py`, head "noparam_mean".
    """

    units = 1

    def build(self, input_shape: Shape) -> None:
        """Check the shape."""
        require_tokens(self, input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Take the mean."""
        inputs = ops.cast(inputs, at_least_float32(self.compute_dtype))
        return ops.expand_dims(mean(inputs, axis=(1, 2)), -1)

    def compute_output_spec(self, inputs: Tensor) -> Any:
        """Shape and dtype of the logit."""
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=at_least_float32(self.compute_dtype))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the logit."""
        return (input_shape[0], self.units)
