"""The hidden layers of towers as stages of a model."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.utils.types import Shape, Tensor


def hidden_stages(layer: Any, inputs: Tensor) -> dict[str, Tensor]:
    """The outputs of a tower's hidden layers, each named after the tower.

    They are computed beside the model's own graph, by the tower's own weights: only
    `model.intermediates()` ever runs them.

    Args:
        layer: An `MLP` or a `PredictionHead` that has been called on `inputs`.
        inputs: The symbolic inputs of the layer.

    Returns:
        A dict from "<name of the layer>_hidden_<index>" to symbolic tensor, first to last. The
        output of the layer itself is not among them.

    Example:

    >>> mlp = ke.layers.MLP([16, 8], output_units=4, name="deep")
    >>> inputs = keras.Input((10,))
    >>> outputs = mlp(inputs)
    >>> {name: tensor.shape for name, tensor in ke.models.hidden_stages(mlp, inputs).items()}
    {'deep_hidden_0': (None, 16), 'deep_hidden_1': (None, 8)}
    """
    if not layer.hidden_output_shapes(inputs.shape):
        return {}
    name = f"{layer.name}_hidden"
    outputs = _HiddenOutputs(layer, dtype=layer.dtype_policy, name=name)(inputs)
    return {f"{name}_{index}": output for index, output in enumerate(outputs)}


class _HiddenOutputs(keras.layers.Layer):
    """A layer that gives what the hidden layers of another give."""

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = layer

    def call(self, inputs: Tensor, training: bool | None = None) -> list[Tensor]:
        """The outputs of the hidden layers, first to last."""
        outputs: list[Tensor] = self.layer.hidden_outputs(inputs)
        return outputs

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        """Shapes of the outputs."""
        shapes: list[Shape] = self.layer.hidden_output_shapes(input_shape)
        return shapes
