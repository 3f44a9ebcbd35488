"""The rows of any dataset, in windows of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_elastor.analysis.singular_values import Array
from keras_elastor.schema import FeatureSchema


def iterate_windows(
    dataset: Any, schema: FeatureSchema, window: int, max_rows: int | None
) -> Iterator[dict[str, Array]]:
    """The features of a dataset's first rows; the last window may be shorter.

    Raises:
        ValueError: If the dataset or one of its batches has another form than `layer_ranks` takes.
    """
    held: dict[str, Array] = {}
    left = max_rows
    for batch in batches_of(dataset):
        features = {name: to_numpy(values) for name, values in _features(batch, schema).items()}
        size = _size(features)
        if left is not None and size >= left:
            features = {name: values[:left] for name, values in features.items()}
        if held:
            features = {name: np.concatenate([held[name], features[name]]) for name in features}
        # The rows held back were counted before.
        left = None if left is None else left - min(size, left)
        size = _size(features)
        whole = size - size % window
        for start in range(0, whole, window):
            yield {name: values[start : start + window] for name, values in features.items()}
        held = {name: values[whole:] for name, values in features.items()}
        if left == 0:
            break
    if held and _size(held):
        yield held


def batches_of(dataset: Any) -> Iterable[Any]:
    """The batches of a dataset; the arrays of all rows are one."""
    is_tuple = isinstance(dataset, tuple | list) and dataset and isinstance(dataset[0], Mapping)
    if is_tuple or isinstance(dataset, Mapping):
        return [dataset]
    if not isinstance(dataset, Iterable):
        raise ValueError(
            "Expected `dataset` to be an iterable of batches, or the arrays of all rows. "
            f"Received: {type(dataset).__name__}"
        )
    return dataset


def _features(batch: Any, schema: FeatureSchema) -> Mapping[str, Any]:
    features = batch[0] if isinstance(batch, tuple | list) and batch else batch
    if not isinstance(features, Mapping):
        raise ValueError(
            "Expected every batch to be features, or (features, label, ...), where features is a "
            f"dict of one array per feature. Received: {type(batch).__name__}"
        )
    missing = [name for name in schema.names if name not in features]
    if missing:
        raise ValueError(
            f"Expected every batch to have the features {', '.join(schema.names)}. "
            f"Received: a batch without {', '.join(missing)}"
        )
    return {name: features[name] for name in schema.names}


def _size(features: Mapping[str, Array]) -> int:
    sizes = {name: len(values) for name, values in features.items()}
    (first, size), *others = sizes.items()
    for name, other in others:
        if other != size:
            raise ValueError(
                f"Feature '{name}': expected {size} rows, as of feature '{first}'. "
                f"Received: {other}"
            )
    return size


def to_numpy(values: Any) -> Array:
    """A tensor of any backend, or a list, as an array."""
    if keras.ops.is_tensor(values):
        values = keras.ops.convert_to_numpy(values)
    return np.asarray(values)
