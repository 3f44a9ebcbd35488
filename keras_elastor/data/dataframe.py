"""From a data frame in memory to schema, vocabularies and encoded rows, in one call."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np

from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.data.reading.raw_rows import Rows, to_polars
from keras_elastor.data.recipe import (
    CategoricalColumn,
    NumericColumn,
    Recipe,
    RecipeColumn,
    SequenceColumn,
)
from keras_elastor.data.split import Split
from keras_elastor.label import LabelLike, as_labels
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.optional import import_optional

_LONGEST_HISTORY = 100


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedTable:
    """A preprocessor and the training rows that its vocabularies were counted from.

    Args:
        preprocessor: Recipe and vocabularies; `ke.Predictor` takes it, and it can be saved alone.
        train: The encoded training rows.
    """

    preprocessor: Preprocessor
    train: Split

    @property
    def recipe(self) -> Recipe:
        """How columns become features."""
        return cast("Recipe", self.preprocessor.recipe)

    @property
    def schema(self) -> FeatureSchema:
        """The features, for models."""
        return self.preprocessor.schema

    def split(self, rows: Rows) -> Split:
        """Encode further rows with labels, for validation or test, as `Preprocessor.split` does."""
        return self.preprocessor.split(rows)

    def features(self, rows: Rows) -> dict[str, np.ndarray]:
        """Encode rows without labels, for `model.predict`, as `Preprocessor.features` does."""
        return self.preprocessor.features(rows)


def from_dataframe(
    frame: Rows,
    label: LabelLike = "label",
    group: str | None = None,
    weight: str | None = None,
    min_count: int = 1,
    recipe: Recipe | None = None,
) -> EncodedTable:
    """Encode a table in memory; what a model needs to train on it, in one call.

    Without a recipe, one is inferred from the types of the columns by `infer_recipe`; print
    `table.recipe.to_json()` to read it, and give a corrected one where it is wrong.

    Args:
        frame: The training rows: a pandas or polars DataFrame, an Arrow table, a list of one dict
            per row, or a dict of one list per column.
        label: Column of the label, 0 or 1; a `ke.Label` where it is of another kind; or several,
            one per task.
        group: Column for group-wise metrics, usually the user.
        weight: Column of sample weights.
        min_count: A category that occurs less often is out-of-vocabulary.
        recipe: How columns become features; the arguments before it are then not looked at.

    Example:

    >>> import polars as pl
    >>> frame = pl.DataFrame(
    ...     {
    ...         "item": ["a", "b", "a", None],
    ...         "seen": [["b"], [], ["a", "b"], None],
    ...         "price": [1.5, 2.0, None, 0.0],
    ...         "click": [1, 0, 0, 1],
    ...     }
    ... )
    >>> table = ke.data.from_dataframe(frame, label="click")
    >>> table.schema["item"]
    Categorical(name='item', vocabulary_size=4, table=None)
    >>> table.train.features["item"].tolist()
    [1, 2, 1, 3]
    >>> new = pl.DataFrame({"item": ["b", "z"], "seen": [["a"], []], "price": [3.0, None]})
    >>> table.features(new)["item"].tolist()
    [2, 3]

    Raises:
        ValueError: If a column is missing, of a type that is no feature, or holds a wrong value;
            the message names it.
        ImportError: If polars is not installed.
    """
    frame = to_polars(frame)
    if recipe is None:
        recipe = infer_recipe(frame, label, group, weight, min_count)
    return EncodedTable(*Preprocessor.fit(frame, recipe))


def infer_recipe(
    frame: Rows,
    label: LabelLike = "label",
    group: str | None = None,
    weight: str | None = None,
    min_count: int = 1,
) -> Recipe:
    """A first recipe for a table, by the types of its columns only.

    | type of the column | becomes |
    |---|---|
    | string, boolean, category | `CategoricalColumn` of strings |
    | integer | `CategoricalColumn` of integers: correct it where it is a count or an amount |
    | float | `NumericColumn` |
    | list of strings or integers | `SequenceColumn`, as long as the longest list, at most 100 |

    A group is a feature, too, as the user usually is.

    Args:
        frame: As for `from_dataframe`.
        label: As for `from_dataframe`.
        group: As for `from_dataframe`.
        weight: As for `from_dataframe`.
        min_count: As for `from_dataframe`.

    Example:

    >>> import polars as pl
    >>> frame = pl.DataFrame({"user": [7], "price": [1.5], "click": [1]})
    >>> [type(column).__name__ for column in ke.data.infer_recipe(frame, "click").columns]
    ['CategoricalColumn', 'NumericColumn']

    Raises:
        ValueError: If a column has another type; the message says what to do.
    """
    frame = to_polars(frame)
    others = {*(one.name for one in as_labels(label)), weight}
    columns = [
        _infer_column(frame[name], min_count) for name in frame.columns if name not in others
    ]
    is_number = group is None or group not in frame.columns or frame[group].dtype.is_integer()
    return Recipe(
        tuple(columns),
        label=label,
        group=group,
        weight=weight,
        group_dtype="integer" if is_number else "string",
    )


def _infer_column(column: Any, min_count: int) -> RecipeColumn:
    pl = import_optional("polars", extra="data")
    name, dtype = column.name, column.dtype
    if dtype.is_float():
        return NumericColumn(name)
    if dtype.is_integer():
        return CategoricalColumn(name, dtype="integer", min_count=min_count)
    if isinstance(dtype, pl.String | pl.Boolean | pl.Categorical | pl.Enum | pl.Null):
        return CategoricalColumn(name, min_count=min_count)
    if isinstance(dtype, pl.List) and (dtype.inner.is_integer() or dtype.inner == pl.String):
        longest = min(max(column.list.len().max() or 1, 1), _LONGEST_HISTORY)
        kind = "integer" if dtype.inner.is_integer() else "string"
        return SequenceColumn(name, longest, dtype=kind, min_count=min_count)
    raise ValueError(
        f"Column '{name}': expected strings, booleans, integers, floats, or lists of strings or "
        f"integers. Received: dtype={dtype}. Drop the column, or turn it into one of these"
    )
