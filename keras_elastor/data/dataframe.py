"""From a data frame in memory to schema, vocabularies and encoded rows, in one call."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Collection, Mapping
from typing import Any, cast

import numpy as np

from keras_elastor.data.column_notes import ColumnNotes
from keras_elastor.data.given_columns import GivenColumns
from keras_elastor.data.inference import infer_with_notes
from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.data.reading.raw_rows import Rows, to_polars
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.shift import warn_of_duplicates, warn_of_time
from keras_elastor.data.split import Split
from keras_elastor.label import LabelLike
from keras_elastor.schema import FeatureSchema


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedTable:
    """A preprocessor and the training rows that its vocabularies were counted from.

    Args:
        preprocessor: Recipe and vocabularies; `ke.Predictor` takes it, and it can be saved alone.
        train: The encoded training rows.
        notes: What was made of each column, and why; None where a recipe was given. `print(table)`
            shows them.
        time: Column of the time and that of the last training row; None without one.
    """

    preprocessor: Preprocessor
    train: Split
    notes: ColumnNotes | None = None
    time: tuple[str, Any] | None = None

    def __str__(self) -> str:
        return repr(self) if self.notes is None else str(self.notes)

    def _repr_html_(self) -> str:
        return (
            f"<pre>{html.escape(repr(self))}</pre>"
            if self.notes is None
            else (self.notes._repr_html_())
        )

    @property
    def recipe(self) -> Recipe:
        """How columns become features."""
        return cast("Recipe", self.preprocessor.recipe)

    @property
    def schema(self) -> FeatureSchema:
        """The features, for models."""
        return self.preprocessor.schema

    def split(self, rows: Rows) -> Split:
        """Encode further rows with labels, for validation or test, as `Preprocessor.split` does.

        At least 100 rows that differ much from the training rows are a `DataShiftWarning`: unseen
        or missing values, numbers of another scale, another rate of labels, copies of training
        rows, rows older than these.
        """
        frame = to_polars(rows)
        split = self.preprocessor.split(frame)
        warn_of_duplicates(self.train.columns, split.columns)
        if self.time is not None and self.time[0] in frame.columns:
            warn_of_time(*self.time, frame[self.time[0]])
        return split

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
    drop: Collection[str] = (),
    categorical: Collection[str] = (),
    numeric: Collection[str] = (),
    sequences: Mapping[str, str | None] | Collection[str] = (),
    dates: Mapping[str, str | None] | Collection[str] = (),
    time: str | None = None,
) -> EncodedTable:
    """Encode a table in memory; what a model needs to train on it, in one call.

    Without a recipe, one is inferred from what the columns hold by `infer_recipe`, which says the
    rules. `print(table)` shows what became of each column, and why; where that is wrong, name the
    column in `drop`, `categorical`, `numeric`, `sequences` or `dates`.

    Args:
        frame: The training rows: a pandas or polars DataFrame, an Arrow table, a list of one dict
            per row, or a dict of one list per column.
        label: Column of the label, 0 or 1; a `ke.Label` where it is of another kind; or several,
            one per task.
        group: Column for group-wise metrics, usually the user.
        weight: Column of sample weights.
        min_count: A category that occurs less often is out-of-vocabulary.
        recipe: How columns become features; no other argument but the frame is then looked at.
        drop: As for `infer_recipe`.
        categorical: As for `infer_recipe`.
        numeric: As for `infer_recipe`.
        sequences: As for `infer_recipe`.
        dates: As for `infer_recipe`.
        time: Column of the time, if there is one: other rows that are older than the training rows
            are a warning. Where it holds numbers it is no feature, as every new row has a new one.

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
    notes = None
    if time is not None and time not in frame.columns:
        raise ValueError(
            f"There is no column '{time}', the time. The columns are: {', '.join(frame.columns)}"
        )
    if recipe is None:
        if time is not None and frame[time].dtype.is_numeric():
            drop = [*drop, time]
        given = GivenColumns(drop, categorical, numeric, sequences, dates)
        recipe, notes = infer_with_notes(frame, label, group, weight, min_count, given)
    latest = None if time is None else (time, frame[time].max())
    return EncodedTable(*Preprocessor.fit(frame, recipe), notes, latest)
