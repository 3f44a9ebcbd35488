"""Columns of data frames as plain arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_elastor.validation.rules import PREFIX


def as_features(x: Any) -> Any:
    """A dict of arrays for a pandas or Polars frame, or for a dict with columns of one.

    Whatever else, a dict of arrays too, is returned itself.

    Raises:
        ValueError: If a name is doubled, a nullable column lacks a value, or the lists of a column
            differ in length.
    """
    if _is_a(x, "DataFrame"):
        names = [str(name) for name in x.columns]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(
                f"{PREFIX} column {', '.join(map(repr, doubled))} is there more than once. "
                "Expected one column per feature. Rename or drop the others"
            )
        return {str(name): as_array(x[name], str(name)) for name in x.columns}
    if isinstance(x, Mapping):
        arrays = {name: as_array(column, name) for name, column in x.items()}
        return x if all(arrays[name] is x[name] for name in x) else arrays
    return x


def is_split(x: Any) -> bool:
    """Whether rows are a `ke.data.Split`, whose room lies above this one."""
    names = ("features", "labels", "weights", "columns")
    return callable(getattr(x, "dataset", None)) and all(hasattr(x, name) for name in names)


def as_labels(y: Any, name: str = "label") -> Any:
    """An array for a column or a frame of labels; whatever else is returned itself."""
    if _is_a(y, "DataFrame"):
        return np.stack([as_array(y[column], str(column)) for column in y.columns], axis=1)
    return as_array(y, name)


def as_array(column: Any, name: str) -> Any:
    """An array for a pandas or Polars column, nullable or of lists; whatever else itself."""
    values = column
    missing = np.zeros(0, bool)
    if _is_a(column, "Series", "api.extensions.ExtensionArray"):
        dtype = column.dtype
        if not isinstance(dtype, np.dtype) and hasattr(column, "isna"):
            missing = np.asarray(column.isna())
        elif hasattr(column, "is_null"):
            missing = column.is_null().to_numpy()
        if missing.any():
            raise ValueError(
                f"{PREFIX} column {name!r}, row {int(np.argmax(missing))}: expected a value. "
                "Received: a missing one. Fill it in the pipeline, or encode the column with its "
                "vocabulary, in which what is missing has an id"
            )
        # Nullable pandas columns become objects unless told what they hold.
        plain = getattr(dtype, "numpy_dtype", None)
        values = column.to_numpy() if plain is None else column.to_numpy(dtype=plain)
    elif not isinstance(column, np.ndarray):
        return column
    if values.dtype == object and len(values) and isinstance(values[0], list | tuple | np.ndarray):
        lengths = {len(row) for row in values}
        if len(lengths) > 1:
            raise ValueError(
                f"{PREFIX} column {name!r}: expected lists of one length. Received: lengths "
                f"{min(lengths)} to {max(lengths)}. Pad them to the length of the schema"
            )
        return np.stack(list(map(np.asarray, values)))
    return values


def _is_a(value: Any, *names: str) -> bool:
    """Whether a value is of a class of that name in pandas or Polars."""
    # Whoever holds such an object has imported its library; we must not.
    for library in filter(None, map(sys.modules.get, ("pandas", "polars"))):
        for name in names:
            found: Any = library
            for part in name.split("."):
                found = getattr(found, part, None)
            if isinstance(found, type) and isinstance(value, found):
                return True
    return False
