"""From a data frame in memory to schema, vocabularies and encoded rows, in one call."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.reading.typed_rows import TypedRows, type_rows
from keras_elastor.data.recipe import (
    CategoricalColumn,
    NumericColumn,
    Recipe,
    RecipeColumn,
    SequenceColumn,
)
from keras_elastor.data.split import Split
from keras_elastor.data.vocabularies.encoding import Encoder, VocabularyCounter
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any

_LONGEST_HISTORY = 100


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedTable:
    """A recipe, the vocabularies of its training rows, and these rows.

    Args:
        encoder: Recipe and vocabularies.
        train: The encoded training rows.
    """

    encoder: Encoder
    train: Split

    @property
    def recipe(self) -> Recipe:
        """How columns become features."""
        return self.encoder.recipe

    @functools.cached_property
    def schema(self) -> FeatureSchema:
        """The features, for models."""
        return self.encoder.schema

    def split(self, frame: DataFrame) -> Split:
        """Encode further rows with labels, for validation or test.

        Args:
            frame: A pandas or polars frame with the columns of the recipe.

        Raises:
            ValueError: If a column is missing or a value is wrong; the message names it.
        """
        return _encode(self.encoder, _typed(to_polars(frame), self.recipe))

    def features(self, frame: DataFrame) -> dict[str, np.ndarray]:
        """Encode rows without labels, for `model.predict`.

        Args:
            frame: A pandas or polars frame with the columns of the features.

        Raises:
            ValueError: If a column is missing or a value is wrong; the message names it.
        """
        recipe = dataclasses.replace(self.recipe, group=None, weight=None)
        return self.encoder.encode(_typed(to_polars(frame), recipe, with_label=False))


def from_dataframe(
    frame: DataFrame,
    label: str | tuple[str, ...] = "label",
    group: str | None = None,
    weight: str | None = None,
    min_count: int = 1,
    recipe: Recipe | None = None,
) -> EncodedTable:
    """Encode a table in memory; what a model needs to train on it, in one call.

    Without a recipe, one is inferred from the types of the columns by `infer_recipe`; print
    `table.recipe.to_json()` to read it, and give a corrected one where it is wrong.

    Args:
        frame: The training rows as a pandas or polars frame.
        label: Column of the label, 0 or 1; or several, one per task.
        group: Column of whole numbers for group-wise metrics, usually the user.
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
    rows = _typed(frame, recipe)
    counter = VocabularyCounter(recipe)
    counter.add(VocabularyCounter.count(rows, recipe))
    encoder = Encoder(recipe, counter.vocabularies())
    return EncodedTable(encoder, _encode(encoder, rows))


def infer_recipe(
    frame: DataFrame,
    label: str | tuple[str, ...] = "label",
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

    A group that holds integers is a feature, too, as the user usually is.

    Args:
        frame: A pandas or polars frame.
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
    others = {*((label,) if isinstance(label, str) else label), weight}
    columns = [
        _infer_column(frame[name], min_count) for name in frame.columns if name not in others
    ]
    return Recipe(tuple(columns), label=label, group=group, weight=weight)


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


def to_polars(frame: DataFrame) -> DataFrame:
    """A pandas or polars frame as a polars frame, with NaN in pandas as missing.

    Raises:
        ValueError: If it is neither, or a column holds values of several types.
    """
    pl = import_optional("polars", extra="data")
    if isinstance(frame, pl.DataFrame):
        return frame
    if type(frame).__module__.partition(".")[0] != "pandas" or not hasattr(frame, "columns"):
        raise ValueError(f"Expected a pandas or polars DataFrame. Received: {type(frame).__name__}")
    columns = {}
    for name in frame.columns:
        try:
            columns[str(name)] = pl.from_pandas(frame[name], nan_to_null=True)
        except (TypeError, ValueError, pl.exceptions.PolarsError, OSError) as error:
            raise ValueError(
                f"Column '{name}': expected values of one type. Cast the column. {error}"
            ) from error
    return pl.DataFrame(columns)


def _typed(frame: DataFrame, recipe: Recipe, with_label: bool = True) -> TypedRows:
    needed = list(recipe.sources)
    if not with_label:
        needed = [name for name in needed if name not in recipe.labels]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ValueError(
            f"Expected the columns {', '.join(needed)}. Missing: {', '.join(missing)}. The table "
            f"has: {', '.join(frame.columns)}"
        )
    rows, _, bad = type_rows(frame.select(needed).to_arrow(), recipe, with_label)
    if bad:
        first = bad[0]
        raise ValueError(
            f"Row {first.row}, column '{first.column}': expected {first.expected}. Received: "
            f"{first.received}. Such rows in the table: {len(bad)}. Correct or drop them"
        )
    return rows


def _encode(encoder: Encoder, rows: TypedRows) -> Split:
    labels = rows.labels[:, 0] if encoder.schema.num_tasks == 1 else rows.labels
    return Split(encoder.encode(rows), labels, rows.weight)
