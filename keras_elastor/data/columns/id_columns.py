"""Columns of ids in a recipe: single values and lists of them."""

from __future__ import annotations

import dataclasses

from keras_elastor.data.columns.checks import (
    OneSource,
    OneTable,
    check_vocabulary,
    is_count,
    is_text,
    require,
)
from keras_elastor.data.vocabularies.vocabulary import SIDES

DTYPES = ("string", "integer", "float")


def _check_vocabulary_options(column: CategoricalColumn | SequenceColumn) -> None:
    check_vocabulary(column)
    require(column.dtype in DTYPES, column.name, "dtype", column.dtype, f"one of {DTYPES}")


@dataclasses.dataclass(frozen=True)
class CategoricalColumn(OneSource, OneTable):
    """A column of single values that becomes a `ke.Categorical` feature.

    Args:
        name: Name of the feature.
        dtype: What the file holds: "string" (default), "integer" (also written as 12.0) or "float".
            Strings are taken as they are written.
        min_count: A value that occurs less often in the training rows is out-of-vocabulary.
        fill: Takes the place of an empty field before the expression. After it, a value equal to
            `fill` counts as missing, hence as out-of-vocabulary (FuxiCTR's `fill_na`). Default:
            only an empty field is missing.
        fill_is_known: Whether a value equal to `fill` is one as any other, counted and with an id.
            `fill=0, fill_is_known=True` is what FuxiCTR makes of an empty integer or float where no
            `fill_na` is set. Default: False.
        expression: SQL over the source column, as polars reads it, such as
            `"CAST(SUBSTR(hour, 7, 2) AS BIGINT)"`; it gives strings or whole numbers.
        source: Column of the file. Default: `name`.
        table: Name of the embedding table. Columns that name one table share ids and rows; the
            vocabulary begins with the values of the first of them. Default: `name`.
        hash_buckets: Number of ids that the values share by a hash of their text, without a
            vocabulary; see `ke.data.HashBuckets`. For values that are too many to count, or new
            every day. All columns of a table have the same number. Default: None, a vocabulary.

    Example:

    >>> ke.data.CategoricalColumn("site_id", min_count=2).table_name
    'site_id'

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """

    name: str
    dtype: str = "string"
    min_count: int = 1
    fill: str | int | float | None = None
    expression: str | None = None
    source: str | None = None
    table: str | None = None
    fill_is_known: bool = False
    hash_buckets: int | None = None

    def __post_init__(self) -> None:
        _check_vocabulary_options(self)
        kinds = (str,) if self.dtype == "string" else (int, float)
        require(
            self.fill is None or isinstance(self.fill, kinds),
            self.name,
            "fill",
            self.fill,
            f"None or a value of dtype {self.dtype}",
        )
        allowed = (False,) if self.fill is None else (False, True)
        require(
            self.fill_is_known in allowed,
            self.name,
            "fill_is_known",
            self.fill_is_known,
            "False without `fill`, True or False with it",
        )


@dataclasses.dataclass(frozen=True)
class SequenceColumn(OneSource, OneTable):
    """A column of lists, such as a history of items, that becomes a `ke.Sequence` feature.

    Args:
        name: Name of the feature.
        max_length: Positions of the feature.
        dtype: Of the elements, as for `CategoricalColumn`. An empty element is padding, as in
            FuxiCTR.
        separator: Stands between the elements in a text file. A Parquet file holds lists or text.
        min_count: As for `CategoricalColumn`.
        padding: Side of the padding: "pre" before the values, "post" (default) behind them.
        truncation: Side that a longer list loses: "pre" (default) keeps its last values, "post" its
            first ones. FuxiCTR's `padding` sets both sides.
        source: Column of the file. Default: `name`.
        table: As for `CategoricalColumn`; a history of items usually names the item's table.
        hash_buckets: As for `CategoricalColumn`.

    Example:

    >>> ke.data.SequenceColumn("history", max_length=50, table="item", padding="pre").table_name
    'item'

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """

    name: str
    max_length: int
    dtype: str = "string"
    separator: str = "^"
    min_count: int = 1
    padding: str = "post"
    truncation: str = "pre"
    source: str | None = None
    table: str | None = None
    hash_buckets: int | None = None

    def __post_init__(self) -> None:
        _check_vocabulary_options(self)
        require(is_count(self.max_length), self.name, "max_length", self.max_length, "at least 1")
        require(
            is_text(self.separator), self.name, "separator", self.separator, "a non-empty string"
        )
        for argument in ("padding", "truncation"):
            value = getattr(self, argument)
            require(value in SIDES, self.name, argument, value, f"one of {SIDES}")
