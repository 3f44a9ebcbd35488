"""Rotary positions."""

from __future__ import annotations

from keras import ops

from keras_elastor.layers.core.numerics import at_least_float32
from keras_elastor.utils.types import Tensor


def rotate(inputs: Tensor, positions: Tensor, base: float) -> Tensor:
    """Turn pairs of features by angles that grow with the position.

    Feature i of the first half and feature i of the second are turned by position * base^(-2i/d):
    the product of two turned vectors depends on the difference of their positions alone.

    Args:
        inputs: `(batch, length, heads, d)` with an even d.
        positions: Integers, `(batch, length)`.
        base: The greatest wavelength over 2 pi.
    """
    half = inputs.shape[-1] // 2
    dtype = at_least_float32(inputs.dtype)
    speeds = base ** (-ops.arange(half, dtype=dtype) / half)
    angles = ops.expand_dims(ops.cast(positions, dtype), -1) * speeds
    cosines, sines = (ops.expand_dims(turn(angles), 2) for turn in (ops.cos, ops.sin))
    first, second = (ops.cast(part, dtype) for part in (inputs[..., :half], inputs[..., half:]))
    turned = [first * cosines - second * sines, second * cosines + first * sines]
    return ops.cast(ops.concatenate(turned, axis=-1), inputs.dtype)
