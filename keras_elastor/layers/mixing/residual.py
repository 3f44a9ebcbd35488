"""A residual connection around any layer, with norms before or after."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.utils.saving import deserialize, register, serialize
from keras_elastor.utils.types import Config, Shape, Tensor


@register
class Residual(keras.layers.Layer):
    """Residual connection with an optional norm on the branch and on the sum.

        y = post_norm(x + layer(pre_norm(x)))

    Args:
        layer: A layer that keeps the shape.
        pre_norm: Norm of the branch's input; the residual itself stays as it is. Default: None.
        post_norm: Norm of the sum. Default: None.

    Input shape: any that `layer` keeps. Output shape: the same.

    Example:

    >>> norm = ke.layers.RMSNormalization()
    >>> sublayer = ke.layers.Residual(ke.layers.TokenMixing(), post_norm=norm)
    >>> sublayer(np.ones((2, 4, 8), "float32")).shape == (2, 4, 8)
    True

    Raises:
        ValueError: If `layer` changes the shape.
    """

    def __init__(
        self,
        layer: Any,
        pre_norm: Any | None = None,
        post_norm: Any | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.layer = layer
        self.pre_norm = pre_norm
        self.post_norm = post_norm

    def build(self, input_shape: Shape) -> None:
        """Build the layer and the norms."""
        for part in (self.pre_norm, self.layer, self.post_norm):
            if part is not None and not part.built:
                part.build(input_shape)
        output_shape = tuple(self.layer.compute_output_shape(input_shape))
        if output_shape[1:] != tuple(input_shape)[1:]:
            raise ValueError(
                f"Residual '{self.name}': expected a layer that keeps the shape "
                f"{tuple(input_shape)}, so that its output can be added to its input. Received: "
                f"{type(self.layer).__name__} with output shape {output_shape}"
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the layer and add its input."""
        branch = inputs if self.pre_norm is None else self.pre_norm(inputs)
        outputs = inputs + self.layer(branch)
        return outputs if self.post_norm is None else self.post_norm(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "layer": serialize(self.layer),
            "pre_norm": serialize(self.pre_norm),
            "post_norm": serialize(self.post_norm),
        }

    @classmethod
    def from_config(cls, config: Config) -> Residual:
        """Make the layer from its config."""
        return cls(**{key: deserialize(value) for key, value in config.items()})
