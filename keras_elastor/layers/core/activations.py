"""Activations as arguments: a function, its name, or a layer as a template."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.utils.saving import clone_layer, deserialize, serialize
from keras_elastor.utils.types import ActivationLike


def serialize_activation(activation: ActivationLike) -> Any:
    """The activation as a plain value.

    A layer given as an argument is a template for several layers; kept as a plain value, it is not
    mistaken for a part of the layer that was given it. None stays None; of a list, each is made
    plain.
    """
    if isinstance(activation, list | tuple):
        return [serialize_activation(item) for item in activation]
    activation = deserialize(activation)
    if activation is None:
        return None
    if isinstance(activation, keras.layers.Layer):
        return serialize(activation)
    return keras.activations.serialize(keras.activations.get(activation))


def make_activation(config: Any, dtype: Any) -> Any:
    """A new layer of what `serialize_activation` made plain."""
    activation = deserialize(config)
    if isinstance(activation, keras.layers.Layer):
        return clone_layer(activation, dtype=dtype)
    return keras.layers.Activation(activation, dtype=dtype)
