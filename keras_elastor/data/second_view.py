"""Numbers that are categories, too, and categories in order that are numbers, too."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

from keras_elastor.data.columns.all_columns import CategoricalColumn, NumericColumn

Series: TypeAlias = Any

# Smaller tables were not tried.
_ENOUGH_ROWS = 5_000
# Numbers of at most so many values are categories one by one, others by buckets.
_MAX_VALUES = 255
_MIN_VALUES = 3


def second_view(column: Any, category: CategoricalColumn, values: Series) -> tuple[Any, str]:
    """A second feature of a column of numbers and what it is, or None.

    A number alone is a line to a linear part and to pairwise interactions; its values or buckets
    are steps. Categories alone do not know which values are neighbours.

    Args:
        column: What the recipe has of the numbers.
        category: The column as a category, as the recipe would have it.
        values: The raw values.
    """
    distinct = int(values.drop_nulls().n_unique())
    if len(values) < _ENOUGH_ROWS or distinct < _MIN_VALUES:
        return None, ""
    name = column.name
    if type(column) is CategoricalColumn:
        if distinct > _MAX_VALUES or column.dtype != "integer":
            return None, ""
        number = NumericColumn(f"{name}_number", "median", source=name, transform="quantile")
        return number, "number"
    if distinct <= _MAX_VALUES:
        return dataclasses.replace(category, name=f"{name}_value", source=name), "values"
    buckets = NumericColumn(f"{name}_bucket", "median", source=name, transform="bucketize")
    return buckets, "buckets"
