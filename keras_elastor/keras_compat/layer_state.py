"""What is set on the layers of a built model, so that it can be saved with the model.

Keras saves it in the configs of the layers, from which it makes its own functional models anew. A
subclass is made by its constructor instead, which knows nothing of what came later.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import keras

from keras_elastor.utils.types import Config


def plain_policy(policy: Any) -> Any:
    """A dtype policy as a plain value, which `keras.dtype_policies.get` takes."""
    if isinstance(policy, keras.dtype_policies.DTypePolicyMap):
        return keras.dtype_policies.serialize(policy)
    return policy.name


@dataclasses.dataclass(frozen=True)
class LayerSettings:
    """What a layer is set to.

    Args:
        policy: Its dtype policy as a plain value.
        arguments: Its arguments that are numbers, texts or truth values, such as a dropout's rate.
    """

    policy: Any
    arguments: Config


def get_settings(model: Any) -> tuple[LayerSettings, ...]:
    """What all layers of a model, inner ones included, are set to."""
    return tuple(
        LayerSettings(plain_policy(layer.dtype_policy), _plain_arguments(layer))
        for layer in inner_layers(model)
    )


def _plain_arguments(layer: Any) -> Config:
    try:
        config = layer.get_config()
    except NotImplementedError:
        # A layer of a person's own that is never saved alone.
        return {}
    return {
        name: value
        for name, value in config.items()
        if name not in ("name", "trainable", "dtype")
        and isinstance(value, bool | int | float | str)
        and getattr(layer, name, None) == value
    }


def get_layer_state(model: Any, made: tuple[LayerSettings, ...]) -> Config:
    """What is set on the layers of a model, as plain values.

    Args:
        model: A Keras model.
        made: What `get_settings` said of the model when its constructor had made it.

    Returns:
        The numbers of the frozen layers, the dtype policies and arguments that are others than
        those, and what belongs to quantized layers and those with LoRA. A layer's number is its
        place among all layers, inner ones included, which the constructor makes in the same order
        each time.
    """
    frozen = [number for number, layer in enumerate(inner_layers(model)) if not layer.trainable]
    dtypes: Config = {}
    lora: Config = {}
    arguments: Config = {}
    for number, (layer, old, new) in enumerate(
        zip(inner_layers(model), made, get_settings(model), strict=True)
    ):
        changed = {
            name: value
            for name, value in new.arguments.items()
            if name in old.arguments and old.arguments[name] != value
        }
        if changed:
            arguments[str(number)] = changed
        if new.policy != old.policy:
            quantization = getattr(layer, "quantization_config", None)
            dtypes[str(number)] = {
                "policy": new.policy,
                "quantization": keras.saving.serialize_keras_object(quantization),
            }
        if getattr(layer, "lora_enabled", False):
            lora[str(number)] = {"rank": layer.lora_rank, "lora_alpha": layer.lora_alpha}
    return {"frozen": frozen, "dtypes": dtypes, "lora": lora, "arguments": arguments}


def set_layer_state(model: Any, state: Config) -> None:
    """Set on a new model what `get_layer_state` said of another."""
    layers = inner_layers(model)
    for number, dtype in state["dtypes"].items():
        _set_policy(layers[int(number)], dtype)
    for number, changed in state.get("arguments", {}).items():
        for name, value in changed.items():
            setattr(layers[int(number)], name, value)
    for number, options in state["lora"].items():
        layers[int(number)].enable_lora(**options)
    frozen = set(state["frozen"])
    # Outer layers come first: they pass on what is set on them.
    for number, layer in enumerate(layers):
        if layer.trainable != (number not in frozen):
            layer.trainable = number not in frozen


@contextlib.contextmanager
def global_policy(policy: Any) -> Iterator[None]:
    """Inside this context, layers without a dtype policy of their own have this one."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if policy is None else keras.dtype_policies.get(policy))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _set_policy(layer: Any, dtype: Config) -> None:
    policy = keras.dtype_policies.get(dtype["policy"])
    quantization = keras.saving.deserialize_keras_object(dtype["quantization"])
    if policy.quantization_mode is not None and quantization is not None:
        layer.quantize(policy.quantization_mode, config=quantization)
    layer.dtype_policy = policy


def inner_layers(model: Any) -> list[Any]:
    """All layers of a model, inner ones included, in the order in which they were made."""
    return list(model._flatten_layers(include_self=False))
