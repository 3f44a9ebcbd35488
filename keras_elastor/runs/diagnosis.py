"""Where a NaN came from: the step is trained again up to it and looked into layer by layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_elastor.runs.errors import NonFiniteLossError


def first_bad_layer(model: keras.Model, features: dict[str, Any]) -> str | None:
    """The first layer, in the order of computation, whose weights or output are not finite.

    Args:
        model: A functional model.
        features: A batch.

    Returns:
        What is wrong with which layer; None if all of them are finite.
    """
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    for layer in layers:
        for weight in layer.weights:
            if not _is_finite(weight.value):
                return f"weight '{weight.path}' of layer '{layer.name}'"
    inputs = {name: features[name] for name in model.input}
    outputs = keras.Model(model.input, [layer.output for layer in layers])(inputs)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    for layer, output in zip(layers, outputs, strict=True):
        if not all(_is_finite(tensor) for tensor in keras.tree.flatten(output)):
            return f"output of layer '{layer.name}'"
    return None


def _is_finite(tensor: Any) -> bool:
    array = np.asarray(keras.ops.convert_to_numpy(tensor))
    return array.dtype.kind not in "fV" or bool(np.isfinite(array.astype(np.float64)).all())


def batch_statistics(features: dict[str, Any], labels: Any) -> dict[str, dict[str, float]]:
    """Smallest, mean and largest value of each column of a batch."""
    return {
        name: {
            "min": float(np.min(values)),
            "mean": float(np.mean(values, dtype=np.float64)),
            "max": float(np.max(values)),
        }
        for name, values in {**features, "label": labels}.items()
    }


def describe(
    step: int, where: str | None, statistics: dict[str, dict[str, float]], report: Any
) -> NonFiniteLossError:
    """The error that tells of it in one line."""
    largest = max(statistics, key=lambda name: max(map(abs, statistics[name].values())))
    values = statistics[largest]
    return NonFiniteLossError(
        f"The loss became NaN or infinite in step {step}, first in the "
        f"{where or 'loss itself (regularization)'}. Labels have mean "
        f"{statistics['label']['mean']:.4g}; the largest values of the batch are those of "
        f"'{largest}', from {values['min']:.4g} to {values['max']:.4g}. Statistics of all columns: "
        f"{report}. Lower the learning rate or scale the feature"
    )
