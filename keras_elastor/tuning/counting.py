"""How large a model is and what a row costs, counted by running it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_elastor.keras_compat.matmul_flops import matmul_flops
from keras_elastor.runs.build import build_model
from keras_elastor.runs.config import RunConfig
from keras_elastor.schema import Embedding, FeatureSchema, Numeric, Sequence
from keras_elastor.tuning.trial import with_small_tables


def count_flops(model: keras.Model) -> int:
    """Floating-point operations that one row costs a model to predict.

        FLOPs = sum over all matrix products of 2 * rows * columns * inner size

    A product and its sum are two operations. Elementwise work, norms and lookups are not counted,
    as they are a small part of it. Work that does not grow with the rows counts for none of them. A
    training step costs about three times as much.

    Args:
        model: One of `keras_elastor.models`, or another with a `schema`.

    Example: a (2 * 4, 8) and an (8, 1) matrix.

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> ke.tuning.count_flops(ke.models.DNN(schema, embedding_dim=4, hidden_units=[8]))
    144
    """

    def call(features: Any) -> Any:
        return model(features, training=False)

    # Of one row alone some backends make other products.
    few, many = (matmul_flops(call, _rows(model.schema, rows)) for rows in (2, 4))
    return (many - few) // 2


def count(config: RunConfig, schema: FeatureSchema) -> dict[str, int]:
    """Dense parameters and FLOPs per row of the model of a config, without its tables.

    Args:
        config: Names the model.
        schema: A `FeatureSchema`.

    Returns:
        `{"dense": ..., "flops": ...}`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 1_000_000), ke.Numeric("price")])
    >>> config = ke.runs.RunConfig.from_dict(
    ...     {
    ...         "dataset": {"name": "synthetic"},
    ...         "model": {"name": "dnn", "arguments": {"embedding_dim": 4, "hidden_units": [8]}},
    ...     }
    ... )
    >>> ke.tuning.count(config, schema)
    {'dense': 81, 'flops': 144}
    """
    model = build_model(config, with_small_tables(schema))
    return {"dense": model.count_dense_params(), "flops": count_flops(model)}


def _rows(schema: FeatureSchema, rows: int) -> dict[str, np.ndarray]:
    """Rows of ones: an id that every table has."""
    shapes: dict[str, tuple[int, ...]] = {feature.name: (rows,) for feature in schema.features}
    for feature in schema.features:
        if isinstance(feature, Sequence):
            shapes[feature.name] = (rows, feature.max_length)
        elif isinstance(feature, Embedding):
            shapes[feature.name] = (rows, feature.dim)
    floats = {f.name for f in schema.features if isinstance(f, Numeric | Embedding)}
    return {
        name: np.ones(shape, "float32" if name in floats else "int32")
        for name, shape in shapes.items()
    }
