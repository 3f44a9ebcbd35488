"""Normalizations as arguments: a name, or a layer as a template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_elastor.layers.core.rms_normalization import RMSNormalization
from keras_elastor.utils.saving import clone_layer, deserialize, serialize
from keras_elastor.utils.types import NormalizationLike

NORMALIZATIONS: Mapping[str, Callable[..., Any]] = {
    "rms": RMSNormalization,
    # PyTorch's defaults, which Keras' differ from.
    "layer": lambda **kwargs: keras.layers.LayerNormalization(epsilon=1e-5, **kwargs),
    "batch": lambda **kwargs: keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **kwargs),
}
"""What the names stand for in layers that share a norm among all that they normalize."""


def serialize_normalization(
    owner: Any, normalization: NormalizationLike, known: Mapping[str, Any] = NORMALIZATIONS
) -> Any:
    """The normalization as a plain value.

    Args:
        owner: The layer that takes the argument, for messages.
        normalization: A name, a layer as a template, its config, or None.
        known: The names.

    Raises:
        ValueError: If it is something else, such as True.
    """
    value = deserialize(normalization)
    if value is None or (isinstance(value, str) and value in known):
        return value
    if isinstance(value, keras.layers.Layer):
        return serialize(value)
    names = ", ".join(f'"{name}"' for name in known)
    raise ValueError(
        f"{type(owner).__name__}: expected `normalization` to be None, one of {names}, or a layer "
        f"such as keras.layers.LayerNormalization(). Received: normalization={normalization!r}"
    )


def make_normalization(
    config: Any,
    dtype: Any,
    known: Mapping[str, Callable[..., Any]] = NORMALIZATIONS,
    name: str | None = None,
) -> Any:
    """A new layer of what `serialize_normalization` made plain, which is not None."""
    value = deserialize(config)
    if isinstance(value, keras.layers.Layer):
        return clone_layer(value, name=name, dtype=dtype)
    return known[value](dtype=dtype, name=name)
