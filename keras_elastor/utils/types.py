"""Names for the loose types that Keras works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

Tensor: TypeAlias = Any
"""A tensor of the running backend, a numpy array or a `keras.KerasTensor`."""

Shape: TypeAlias = tuple[int | None, ...]
"""A static shape; None where only the running program knows, as for the batch."""

Config: TypeAlias = dict[str, Any]
"""What `get_config` returns: plain values and serialized Keras objects."""

InitializerLike: TypeAlias = (
    keras.initializers.Initializer | Callable[..., Any] | str | Config | None
)
"""A `keras.initializers.Initializer`, a function of shape and dtype, its name, its config, or None
for the default."""

RegularizerLike: TypeAlias = keras.regularizers.Regularizer | str | Config | None
"""A `keras.regularizers.Regularizer`, its name, its config, or None."""

ActivationLike: TypeAlias = (
    Callable[..., Any] | str | keras.layers.Layer | Config | Sequence["ActivationLike"] | None
)
"""A function of one tensor, its name, a layer as a template, or None for the identity.

An MLP also takes a list of these, one per hidden layer.
"""

NormalizationLike: TypeAlias = str | keras.layers.Layer | Config | None
"""A name such as "rms", "layer" or "batch", a layer as a template, its config, or None."""

UnitsLike: TypeAlias = Sequence[int | keras.layers.Layer | Config] | keras.layers.Layer
"""Widths of hidden layers; a layer in place of a width stands for itself."""

RateLike: TypeAlias = float | Sequence[float]
"""A dropout rate, or a list of rates, one per hidden layer of an MLP."""
