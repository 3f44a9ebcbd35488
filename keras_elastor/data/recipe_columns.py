"""The columns of a recipe: what each kind of raw column becomes."""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

from keras_elastor.data.numbers.number_transform import TRANSFORMS
from keras_elastor.data.vocabularies.vocabulary import SIDES

DTYPES = ("string", "integer", "float")


def require(condition: bool, column: str, argument: str, value: object, expected: str) -> None:
    """Raise ValueError about an argument of a column unless a condition holds."""
    if not condition:
        raise ValueError(
            f"Column '{column}': expected `{argument}` to be {expected}. "
            f"Received: {argument}={value!r} (of type {type(value).__name__})"
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _check_common(column: RecipeColumn) -> None:
    require(_is_text(column.name), str(column.name), "name", column.name, "a non-empty string")
    for argument in ("source", "expression", "table"):
        value = getattr(column, argument, None)
        require(value is None or _is_text(value), column.name, argument, value, "None or a string")


def _check_vocabulary_options(column: CategoricalColumn | SequenceColumn) -> None:
    _check_common(column)
    require(column.dtype in DTYPES, column.name, "dtype", column.dtype, f"one of {DTYPES}")
    require(_is_count(column.min_count), column.name, "min_count", column.min_count, "at least 1")


@dataclasses.dataclass(frozen=True)
class CategoricalColumn:
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

    @property
    def source_name(self) -> str:
        """Column of the file."""
        return self.source or self.name

    @property
    def table_name(self) -> str:
        """Name of the embedding table."""
        return self.table or self.name


@dataclasses.dataclass(frozen=True)
class SequenceColumn:
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

    def __post_init__(self) -> None:
        _check_vocabulary_options(self)
        require(_is_count(self.max_length), self.name, "max_length", self.max_length, "at least 1")
        require(
            _is_text(self.separator), self.name, "separator", self.separator, "a non-empty string"
        )
        for argument in ("padding", "truncation"):
            value = getattr(self, argument)
            require(value in SIDES, self.name, argument, value, f"one of {SIDES}")

    @property
    def source_name(self) -> str:
        """Column of the file."""
        return self.source or self.name

    @property
    def table_name(self) -> str:
        """Name of the embedding table."""
        return self.table or self.name


@dataclasses.dataclass(frozen=True)
class NumericColumn:
    """A column of numbers that becomes a `ke.Numeric` feature, float32.

    Networks learn badly from numbers whose scale is far from 1. A `transform` is fitted on up to
    131,072 of the training rows, drawn by their number:

    | transform | a number x becomes |
    |---|---|
    | "none" | x |
    | "standard" | (x - mean) / standard deviation |
    | "log" | the same of sign(x) log(1 + abs(x)), for amounts and counts |
    | "quantile" | the normal quantile of its rank, whatever the distribution; beyond the training rows, the end of their range |
    | "bucketize" | the id of its bucket, a `ke.Categorical`; buckets hold about equally many rows |

    Args:
        name: Name of the feature.
        fill: Takes the place of an empty field, before the expression. None: an empty field is an
            error. "median": what the median of the training rows becomes; it needs a transform.
            Default: 0, as in FuxiCTR.
        expression: SQL over the source column, as polars reads it, such as `"LN(1 + price)"`.
        source: Column of the file. Default: `name`.
        transform: One of the table above. Default: "none", as in FuxiCTR.
        buckets: The number of buckets of "bucketize", at least 2. Default: 32.

    Example:

    >>> ke.data.NumericColumn("log_price", source="price", expression="LN(1 + price)").source_name
    'price'

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """  # noqa: E501 - the rows of a table do not break

    name: str
    fill: float | str | None = 0.0
    expression: str | None = None
    source: str | None = None
    transform: str = "none"
    buckets: int = 32

    def __post_init__(self) -> None:
        _check_common(self)
        known = self.transform in TRANSFORMS
        require(known, self.name, "transform", self.transform, f"one of {', '.join(TRANSFORMS)}")
        is_number = isinstance(self.fill, int | float) and not isinstance(self.fill, bool)
        if self.transform == "none":
            expected = "None or a number" + ", as there is no transform" * (self.fill == "median")
            require(self.fill is None or is_number, self.name, "fill", self.fill, expected)
        right = self.fill is None or is_number or self.fill == "median"
        require(right, self.name, "fill", self.fill, 'None, a number or "median"')
        enough = _is_count(self.buckets) and self.buckets >= 2
        require(enough, self.name, "buckets", self.buckets, "at least 2")

    @property
    def source_name(self) -> str:
        """Column of the file."""
        return self.source or self.name


RecipeColumn: TypeAlias = CategoricalColumn | SequenceColumn | NumericColumn
"""A column of a recipe; those of dates are categorical or numeric ones."""
