"""How the package's objects are saved: one registration, one way to nest layers in a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import keras

from keras_elastor.utils.types import Config

register = keras.saving.register_keras_serializable(package="keras_elastor")
"""Class decorator: `keras.models.load_model` finds the class after `import keras_elastor`."""


def serialize(value: Any) -> Any:
    """A layer as a template, a list of layers or None as plain values.

    While a model is saved or loaded, Keras notes in a config which object it was made of, so that
    what was one object becomes one again. What is made of a template is always new.
    """
    if isinstance(value, list | tuple):
        return [serialize(item) for item in value]
    if isinstance(value, Mapping):
        return {name: serialize(item) for name, item in value.items()}
    return _plain_config(value)


def _plain_config(value: Any) -> Any:
    return _without_identity(keras.saving.serialize_keras_object(value))


def _without_identity(config: Any) -> Any:
    if isinstance(config, dict):
        return {
            name: _without_identity(value)
            for name, value in config.items()
            if name != "shared_object_id"
        }
    if isinstance(config, list | tuple):
        return type(config)(_without_identity(item) for item in config)
    return config


def serialize_arguments(arguments: Mapping[str, Any]) -> Config:
    """Constructor arguments as plain values; a dtype policy by its name, if that says all of it."""
    plain = {name: serialize(value) for name, value in arguments.items() if name != "dtype"}
    dtype = arguments.get("dtype")
    if dtype is not None:
        policy = keras.dtype_policies.get(dtype)
        dtype = (
            policy.name
            if type(policy) is keras.dtype_policies.DTypePolicy
            else _plain_config(policy)
        )
    return {**plain, "dtype": dtype} if "dtype" in arguments else plain


def deserialize(config: Any) -> Any:
    """What `serialize` made plain; objects that are no config pass through."""
    if isinstance(config, list | tuple):
        return [deserialize(item) for item in config]
    if isinstance(config, dict):
        if "class_name" in config:
            return keras.saving.deserialize_keras_object(config)
        return {name: deserialize(value) for name, value in config.items()}
    return config


def layer_name(name: str) -> str:
    """A feature's name as a part of a layer's name.

    Keras takes no slash there, TensorFlow only ASCII letters, digits and a few signs: any other
    character is written as its number, so that two names stay two.

    Example:

    >>> from keras_elastor.utils.saving import layer_name
    >>> layer_name("user.id"), layer_name("x/y")
    ('user.id', 'x-2f-y')
    """
    return re.sub(r"[^A-Za-z0-9_.]", lambda match: f"-{ord(match[0]):x}-", name)


def exported_names(names: Iterable[str]) -> dict[str, str]:
    """Features' names as exported formats take them, each by the name that it stands for.

    Example:

    >>> from keras_elastor.utils.saving import exported_names
    >>> exported_names(["user", "x/y", "1st"])
    {'user': 'user', 'x/y': 'x_2f_y', '1st': 'input_1st'}
    """
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]", lambda match: f"_{ord(match[0]):x}_", name)
        plain = plain if plain[0].isalpha() else f"input_{plain}"
        # Of two names that would be one, the later is told apart.
        while plain in found.values():
            plain += "_"
        found[name] = plain
    return found


def clone_layer(layer: Any, name: str | None = None, dtype: Any = None) -> Any:
    """A new, unbuilt layer of the same config; None for None.

    Args:
        layer: A Keras layer; it may hold other layers.
        name: Name of the clone; None keeps the layer's.
        dtype: Dtype policy of the clone and of all layers inside it; None keeps theirs.
    """
    if layer is None:
        return None
    config = serialize(layer)
    if name is not None:
        config["config"]["name"] = name
    if dtype is not None:
        _set_dtype(config, _plain_config(keras.dtype_policies.get(dtype)))
    return keras.saving.deserialize_keras_object(config)


def _set_dtype(value: Any, dtype: Config) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "dtype":
                value[key] = dtype
            else:
                _set_dtype(item, dtype)
    elif isinstance(value, list | tuple):
        for item in value:
            _set_dtype(item, dtype)
