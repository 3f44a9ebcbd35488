"""Models as modules of PyTorch, which it exports."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_elastor.schema import Embedding, FeatureSchema, Numeric, Sequence
from keras_elastor.utils.optional import import_optional

# PyTorch takes sizes of 0 and 1 for constants.
_ROWS = 3


def example_features(schema: FeatureSchema) -> dict[str, np.ndarray]:
    """Features of some rows, as PyTorch traces a model by an example."""
    found = {}
    for feature in schema.features:
        shape: tuple[int, ...] = (_ROWS,)
        if isinstance(feature, Sequence):
            shape = (_ROWS, feature.max_length)
        elif isinstance(feature, Embedding):
            shape = (_ROWS, feature.dim)
        is_number = isinstance(feature, Numeric | Embedding)
        found[feature.name] = np.ones(shape, np.float32 if is_number else np.int32)
    return found


def features_module(model: keras.Model) -> Any:
    """A module whose `forward(features)` gives the logits."""
    torch = import_optional("torch", extra="torch")

    class Logits(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: dict[str, Any]) -> Any:
            return self.model(features, training=False)

    return Logits().eval()
