"""A multi-layer perceptron with the layer order of the reference code."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.layers.core.activations import make_activation, serialize_activation
from keras_elastor.layers.core.checks import require_positive
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.normalizations import make_normalization, serialize_normalization
from keras_elastor.utils.saving import clone_layer, deserialize, register, serialize
from keras_elastor.utils.types import (
    ActivationLike,
    Config,
    InitializerLike,
    NormalizationLike,
    RateLike,
    Shape,
    Tensor,
    UnitsLike,
)


def serialize_units(units: UnitsLike) -> tuple[Any, ...]:
    """Widths as they are, and layers, which are templates, as plain values."""
    if isinstance(units, keras.layers.Layer):
        units = (units,)
    return tuple(one if isinstance(one, int) else serialize(deserialize(one)) for one in units)


def _of_template(config: Config, dtype: Any) -> Any:
    return clone_layer(deserialize(config), dtype=dtype)


@register
class MLP(keras.layers.Layer):
    """Multi-layer perceptron.

        h_i = dropout(activation(norm(h_{i-1} W_i + b_i)));   y = output_activation(h_m W + b)

    Args:
        hidden_units: Widths of the hidden layers; may be empty. A layer in place of a width, such
            as one's own residual layer, is a template of which a copy is made; it has neither norm,
            activation nor dropout but its own. A layer alone is the only one.
        output_units: Width of the last layer, without norm and dropout; None leaves it out.
            Default: None.
        activation: Elementwise function of the hidden layers, or a layer such as `Dice()` or
            `keras.layers.PReLU()`, of which each gets its own; None for none. A list has one per
            hidden layer. Default: "relu".
        normalization: "rms", "layer", "batch" or a layer: the norm before each activation.
            Default: None.
        dropout: Rate after each activation, or a list of rates, one per hidden layer. Default: 0.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.
        output_activation: As `activation`, of the last layer. Default: None.

    Input shape: `(..., dim)`. Output shape: `(..., output_units)`, or the last hidden width.

    Example:

    >>> mlp = ke.layers.MLP([32, 16], output_units=1)
    >>> mlp(np.ones((2, 8), "float32")).shape == (2, 1)
    True

    Raises:
        ValueError: If a width is below 1, the normalization is unknown, or a list of activations or
            rates is not as long as `hidden_units`.

    Reference: FuxiCTR, `MLP_Block`.
    """

    def __init__(
        self,
        hidden_units: UnitsLike,
        output_units: int | None = None,
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        kernel_initializer: InitializerLike = None,
        output_activation: ActivationLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_units = serialize_units(hidden_units)
        for units in self.hidden_units:
            if not isinstance(units, dict):
                require_positive(self, hidden_units=units)
        if output_units is not None:
            require_positive(self, output_units=output_units)
        self.output_units = output_units
        self.activation = serialize_activation(activation)
        self.normalization = serialize_normalization(self, normalization)
        self.dropout = dropout
        self._activations = self._per_layer("activation", self.activation)
        self._rates = self._per_layer("dropout", dropout)
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)
        self.output_activation = serialize_activation(output_activation)

    def _per_layer(self, argument: str, value: Any) -> list[Any]:
        """One value per hidden layer."""
        if not isinstance(value, list | tuple):
            return [value] * len(self.hidden_units)
        if len(value) != len(self.hidden_units):
            raise ValueError(
                f"MLP: expected `{argument}` to be one for all hidden layers or a list with one "
                f"for each of the {len(self.hidden_units)} in hidden_units="
                f"{list(self.hidden_units)}. Received: {len(value)}, {argument}={list(value)}"
            )
        return list(value)

    def _make_layers(self) -> list[Any]:
        layers: list[Any] = []
        ends = []
        for index, units in enumerate(self.hidden_units):
            if isinstance(units, dict):
                layers.append(_of_template(units, self.dtype_policy))
                ends.append(len(layers))
                continue
            layers.append(self._dense(units, f"hidden_{index}"))
            if self.normalization is not None:
                layers.append(make_normalization(self.normalization, self.dtype_policy))
            if self._activations[index] is not None:
                layers.append(make_activation(self._activations[index], self.dtype_policy))
            if self._rates[index]:
                layers.append(keras.layers.Dropout(self._rates[index], dtype=self.dtype_policy))
            ends.append(len(layers))
        if self.output_units is not None:
            layers.append(self._dense(self.output_units, "output"))
            if self.output_activation is not None:
                layers.append(make_activation(self.output_activation, self.dtype_policy))
            ends.append(len(layers))
        self._ends = tuple(ends)
        return layers

    def _dense(self, units: int, name: str) -> Any:
        return keras.layers.Dense(
            units,
            kernel_initializer=get_kernel_initializer(self.kernel_initializer),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: Shape) -> None:
        """Make and build the layers."""
        self.layers = self._make_layers()
        shape = input_shape
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Apply the layers; Keras hands `training` on to those that differ in training."""
        outputs = inputs
        for layer in self.layers:
            outputs = layer(outputs)
        return outputs

    def layer_outputs(self, inputs: Tensor) -> list[Tensor]:
        """What each layer gives, norm, activation and dropout included, first to last."""
        found, outputs = [], inputs
        for position, layer in enumerate(self.layers, start=1):
            outputs = layer(outputs)
            if position in self._ends:
                found.append(outputs)
        return found

    def hidden_outputs(self, inputs: Tensor) -> list[Tensor]:
        """What each layer but the last gives; the last one's is the output of `call`."""
        return self.layer_outputs(inputs)[:-1]

    def hidden_output_shapes(self, input_shape: Shape) -> list[Shape]:
        """Shapes of `hidden_outputs`."""
        return self.layer_output_shapes(input_shape)[:-1]

    def layer_output_shapes(self, input_shape: Shape) -> list[Shape]:
        """Shapes of `layer_outputs`."""
        shapes, shape = [], input_shape
        for units in self.hidden_units:
            if isinstance(units, dict):
                shape = _of_template(units, self.dtype_policy).compute_output_shape(shape)
            else:
                shape = (*shape[:-1], units)
            shapes.append(shape)
        return shapes if self.output_units is None else [*shapes, (*shape[:-1], self.output_units)]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with the last layer's width."""
        return (input_shape, *self.layer_output_shapes(input_shape))[-1]

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "output_units": self.output_units,
            "activation": self.activation,
            "normalization": self.normalization,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "output_activation": self.output_activation,
        }
