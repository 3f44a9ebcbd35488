"""Root-mean-square normalization over one or several axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.keras_compat.rms_gradient import can_fuse, fused_rms_normalize
from keras_elastor.layers.core.numerics import at_least_float32, mean
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Shape, Tensor


def rms_normalize(inputs: Tensor, axis: int | tuple[int, ...], epsilon: float) -> Tensor:
    """`x / sqrt(mean(x^2) + epsilon)` over `axis`, computed in float32 or wider."""
    dtype = at_least_float32(inputs.dtype)
    inputs = ops.cast(inputs, dtype)
    if can_fuse(inputs):
        axes = (axis,) if isinstance(axis, int) else axis
        return fused_rms_normalize(inputs, axes, epsilon)
    return inputs * ops.rsqrt(mean(ops.square(inputs), axis, keepdims=True) + epsilon)


@register
class RMSNormalization(keras.layers.Layer):
    """Root-mean-square normalization with a learned scale and no bias.

        y = gamma * x / sqrt(mean(x^2 over axis) + epsilon)

    With `axis=(-2, -1)` it normalizes the flat vector of all tokens, as RankElastor does before its
    full mixing. Statistics are computed in float32 whatever the compute dtype, of inputs as they
    are; `keras.layers.RMSNormalization` first rounds them to half precision, in which large ones
    are infinite (`tests/layers/per_token/test_per_token.py` has both).

    Args:
        axis: The axis or the consecutive last axes to normalize over. Default: -1.
        epsilon: Added to the mean square. Default: 1e-12, as in the official code.

    Input shape: any, of static size along `axis`. Output shape: the same.

    Example:

    >>> norm = ke.layers.RMSNormalization()
    >>> print(ops.convert_to_numpy(norm(np.array([[3.0, 4.0]], "float32"))).round(4))
    [[0.8485 1.1314]]

    Raises:
        ValueError: If `axis` is not the last axis or the consecutive last axes.

    Reference: Zhang and Sennrich, Root Mean Square Layer Normalization (2019), equation 4;
    RankElastor's official code, `src/utils.py`.
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-12, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        axes = (axis,) if isinstance(axis, int) else tuple(axis)
        if not axes or axes != tuple(range(-len(axes), 0)):
            raise ValueError(
                "Expected `axis` to be -1 or consecutive last axes such as (-2, -1). "
                f"Received: axis={axis!r}"
            )
        self.axis = axis if isinstance(axis, int) else axes
        self.epsilon = epsilon
        # Inputs keep their precision until the statistics are taken.
        self.autocast = False

    @property
    def _axes(self) -> tuple[int, ...]:
        return (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)

    def build(self, input_shape: Shape) -> None:
        """Make the scale, of the shape of the normalized axes."""
        self.gamma = self.add_weight(
            name="gamma",
            shape=tuple(input_shape[axis] for axis in self._axes),
            initializer="ones",
            autocast=False,
        )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize and scale."""
        normalized = rms_normalize(inputs, self._axes, self.epsilon)
        return ops.cast(normalized * self.gamma, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}
