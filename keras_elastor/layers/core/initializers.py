"""Initializers of the reference code, and how one matrix initializer fills a stack of matrices."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.utils.saving import deserialize, register, serialize
from keras_elastor.utils.types import Config, InitializerLike, Tensor


def get_kernel_initializer(initializer: InitializerLike) -> Any:
    """The initializer of a weight matrix; None is Xavier normal.

    Xavier normal, untruncated, std `sqrt(2 / (inputs + outputs))`, is what FuxiCTR gives every
    linear map (`BaseModel.reset_parameters`). Keras' own `GlorotNormal` is truncated.

    Returns:
        A new initializer, so that two weights made from one argument do not start equal.
    """
    if initializer is None:
        return keras.initializers.VarianceScaling(1.0, "fan_avg", "untruncated_normal")
    return clone_initializer(keras.initializers.get(initializer))


def clone_initializer(initializer: Any) -> Any:
    """A copy of an initializer, with a new seed where none was given; a function as it is."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer


def seed_initializer(initializer: Any, seed: int) -> Any:
    """A copy of an initializer that draws from this seed; one without `seed` as it is."""
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    if "seed" not in config:
        return initializer
    return type(initializer).from_config({**config, "seed": seed})


@register
class PerTokenInitializer(keras.initializers.Initializer):
    """Fills a stack `(tokens, inputs, outputs)` with independent draws of a matrix initializer.

    Keras takes the leading axis of a three-dimensional weight for a convolution window and would
    scale by it; here each token's matrix is scaled by its own inputs and outputs.

    Args:
        initializer: Initializer of one `(inputs, outputs)` matrix.

    Example:

    >>> initializer = ke.layers.PerTokenInitializer("glorot_normal")
    >>> initializer((4, 8, 16)).shape == (4, 8, 16)
    True
    """

    def __init__(self, initializer: InitializerLike = None) -> None:
        self.initializer = get_kernel_initializer(initializer)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """Draw the stack."""
        matrices = [
            self._matrix_initializer(token)(tuple(shape[1:]), dtype=dtype)
            for token in range(shape[0])
        ]
        return ops.stack(matrices, axis=0)

    def _matrix_initializer(self, token: int) -> Any:
        """An initializer for one token; a seeded one must not give all tokens the same matrix."""
        if not isinstance(self.initializer, keras.initializers.Initializer):
            return self.initializer
        config = self.initializer.get_config()
        if isinstance(config.get("seed"), int):
            config["seed"] += token
        return self.initializer.__class__.from_config(config)

    def get_config(self) -> Config:
        """Config of the matrix initializer."""
        return {"initializer": serialize(self.initializer)}

    @classmethod
    def from_config(cls, config: Config) -> PerTokenInitializer:
        """Make the initializer from its config."""
        return cls(deserialize(config["initializer"]))
