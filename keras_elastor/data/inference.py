"""What the columns of a table are, by what they hold: a first recipe, with the reasons."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.column_notes import ColumnNote, ColumnNotes
from keras_elastor.data.columns.all_columns import CategoricalColumn, NumericColumn, SequenceColumn
from keras_elastor.data.columns.date_column import DateColumn
from keras_elastor.data.given_columns import GivenColumns
from keras_elastor.data.reading.instants import PER_SECOND
from keras_elastor.data.reading.raw_rows import Rows, select_columns, to_polars
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.second_view import second_view
from keras_elastor.label import LabelLike, as_labels
from keras_elastor.metrics.exact import exact_auc
from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any

# A shorter table tells too little of a column to leave it out, or to take its text apart.
_ENOUGH_ROWS = 100
_LONGEST_HISTORY = 100
_SEPARATORS = "|^;,"
# Of the rows that a separator stands in, and of the words of a text.
_MIN_SEPARATED, _FREE_TEXT_WORDS = 0.2, 5
# Whole numbers of fewer values than this are categories.
_FEW_VALUES = 50
# A column whose order alone sorts the labels better than this knows the answer.
_LEAK_AUC = 0.99
_ID_NAME = re.compile(r"(?:^|[_\W])(?:id|ids|code|key|zip|hash|uuid)$|[a-z](?:Id|ID)$", re.I)
_TIME_NAME = re.compile(r"time|date|stamp|(?:^|[_\W])(?:at|ts)$", re.I)
# Seconds since 1970 at the beginning of 1990 and of 2100.
_FIRST_SECOND, _LAST_SECOND = 631_152_000, 4_102_444_800
_INDEX_NAME = re.compile(r"^(?:Unnamed: ?\d+|index|level_\d+|__index_level_\d+__|row|)$", re.I)


def infer_recipe(
    frame: Rows,
    label: LabelLike = "label",
    group: str | None = None,
    weight: str | None = None,
    min_count: int = 1,
    drop: Collection[str] = (),
    categorical: Collection[str] = (),
    numeric: Collection[str] = (),
    sequences: Mapping[str, str | None] | Collection[str] = (),
    dates: Mapping[str, str | None] | Collection[str] = (),
) -> Recipe:
    r"""A first recipe for a table, by what its columns hold.

    | a column of | becomes |
    |---|---|
    | text, booleans, categories | `CategoricalColumn` |
    | text with "\|", "^", ";" or "," between few distinct values | `SequenceColumn` |
    | whole numbers, in floats, too, where values are missing | `CategoricalColumn` of integers |
    | whole numbers like amounts: over 50 values, thinly spread, half of the rows in the lowest quarter of their range | `NumericColumn` by quantiles |
    | other floats, decimals | `NumericColumn` by quantiles, missing ones as the median |
    | dates, instants; whole numbers called "time", "date" or the like that are seconds, or parts of these, since 1970, in the years 1990 to 2100 | `DateColumn`: hour and weekday |
    | lists of text or whole numbers | `SequenceColumn`, as long as the longest list, at most 100 |

    In tables of at least 5,000 rows numbers are two features, unless asked for: "price" and its
    categories "price_value" (at most 255 values) or 32 buckets "price_bucket" (more); a category of 3
    to 255 whole numbers that is not called an id, "age", and the number "age_number".

    In tables of at least 100 rows these are left out, and a warning names them: an index
    ("Unnamed: 0"), a number or text that is another in every row, a constant, and a column that
    alone sorts the labels (AUC above .99), as it probably was written after the label.

    Args:
        frame: As for `from_dataframe`.
        label: As for `from_dataframe`.
        group: As for `from_dataframe`; it is a feature, too, as the user usually is.
        weight: As for `from_dataframe`.
        min_count: A category that occurs less often is out-of-vocabulary. Default: 1.
        drop: Columns to leave out.
        categorical: Columns that are categories, whatever they look like.
        numeric: Columns that are numbers, whatever they look like.
        sequences: Columns that are lists, or text of several values; as a dict, by name the
            separator of the text.
        dates: Columns that are dates and times, in text or numbers, too; as a dict, by name the unit
            of numbers, such as "s".

    Example:

    >>> import polars as pl
    >>> frame = pl.DataFrame({"user": [7], "price": [1.5], "click": [1]})
    >>> [type(column).__name__ for column in ke.data.infer_recipe(frame, "click").columns]
    ['CategoricalColumn', 'NumericColumn']

    Raises:
        ValueError: If a column is of a type that is no feature, or is free text; a name is none of
            the table's, or named for two purposes; or no column is left.
    """  # noqa: E501 - the rows of a table do not break
    given = GivenColumns(drop, categorical, numeric, sequences, dates)
    return infer_with_notes(frame, label, group, weight, min_count, given)[0]


def _detail(columns: Mapping[str, str | None] | Collection[str], name: str) -> str | None:
    """What a person says of one of the columns, besides its name."""
    return columns[name] if isinstance(columns, Mapping) else None


def infer_with_notes(
    frame: Rows,
    label: LabelLike,
    group: str | None,
    weight: str | None,
    min_count: int,
    given: GivenColumns,
) -> tuple[Recipe, ColumnNotes]:
    """The recipe of `infer_recipe`, and what was made of each column.

    It warns, once, of the columns that were left out without being asked for.
    """
    frame = to_polars(frame)
    labels = [one.name for one in as_labels(label)]
    given.check(frame.columns)
    # A label that is not there would otherwise be looked for among the features, and found there.
    select_columns(frame, [*labels, *(name for name in (group, weight) if name is not None)])
    first_labels = frame[labels[0]] if labels else None
    columns: list[Any] = []
    notes = []
    for name in frame.columns:
        if name in (*labels, weight):
            continue
        look = _Column(frame[name], min_count, given, first_labels)
        column, becomes, why = look.infer(is_group=name == group)
        second, more = (None, "") if name == group else look.second_view(column)
        if second is not None and second.name not in frame.columns:
            columns += [column, second]
            becomes = f"{becomes}, {more}"
        else:
            columns += [] if column is None else [column]
        values = frame[name]
        known = values.drop_nulls()
        example = "" if not len(known) else str(known[0])
        notes.append(
            ColumnNote(
                name,
                becomes,
                _distinct(values),
                values.null_count() / max(len(values), 1),
                example if len(example) <= 24 else example[:23] + "…",
                why,
            )
        )
    if not columns:
        raise ValueError(
            "Expected a column that can be a feature. Received: "
            + "; ".join(f"{it.name} ({it.why})" for it in notes)
        )
    left_out = [f"{it.name} ({it.why})" for it in notes if it.becomes == "left out"]
    if left_out:
        warnings.warn(
            f"Left out: {'; '.join(left_out)}. Name them in `categorical` or `numeric` to keep "
            "them, in `drop` to leave them out without this warning",
            stacklevel=3,
        )
    is_number = group is None or group not in frame.columns or frame[group].dtype.is_integer()
    recipe = Recipe(
        tuple(columns),
        label=label,
        group=group,
        weight=weight,
        group_dtype="integer" if is_number else "string",
    )
    return recipe, ColumnNotes(tuple(notes))


def _distinct(values: Series) -> int:
    return 0 if values.dtype.is_nested() else int(values.drop_nulls().n_unique())


class _Column:
    """One column of a table, to be looked at."""

    def __init__(
        self, values: Series, min_count: int, given: GivenColumns, labels: Series | None
    ) -> None:
        self.values = values
        self.name = values.name
        self.min_count = min_count
        self.given = given
        self.labels = labels
        self.known = values.drop_nulls()
        self.enough = len(values) >= _ENOUGH_ROWS

    def infer(self, is_group: bool) -> tuple[Any, str, str]:
        """The recipe's column, None to leave it out; what that is; and why."""
        asked = self._as_asked()
        if asked is not None:
            return asked
        if not is_group and self.enough:
            reason = self._needless()
            if reason is not None:
                return None, "left out", reason
        return self._by_type()

    def second_view(self, column: Any) -> tuple[Any, str]:
        """A second feature of numbers that are no ids and of which nothing was asked."""
        is_number = type(column) in (NumericColumn, CategoricalColumn) and (
            self.values.dtype.is_numeric() and not _ID_NAME.search(self.name)
        )
        if not is_number or self._as_asked() is not None:
            return None, ""
        return second_view(column, self._category(), self.values)

    def _as_asked(self) -> tuple[Any, str, str] | None:
        given, name, why = self.given, self.name, "asked for"
        if name in given.drop:
            return None, "dropped", why
        if name in given.categorical:
            return self._category(), "category", why
        if name in given.numeric:
            return self._number(), "number", why
        if name in given.dates:
            return DateColumn(name, unit=_detail(given.dates, name)), "date", why
        if name in given.sequences:
            return self._list(_detail(given.sequences, name)), "list", why
        return None

    def _by_type(self) -> tuple[Any, str, str]:
        pl = import_optional("polars", extra="data")
        dtype, name = self.values.dtype, self.name
        if dtype.is_integer():
            return self._whole_number()
        if dtype.is_float() or dtype.is_decimal():
            if self._is_whole() and self.values.null_count():
                return self._whole_number()
            return self._number(), "number", f"{dtype}"
        if dtype == pl.Date or isinstance(dtype, pl.Datetime):
            parts = ("weekday",) if dtype == pl.Date else ("hour", "weekday")
            return DateColumn(name, parts), "date", " and ".join(parts)
        if isinstance(dtype, pl.String):
            return self._text()
        if isinstance(dtype, pl.Boolean | pl.Categorical | pl.Enum | pl.Null):
            return self._category(), "category", f"{dtype}"
        if isinstance(dtype, pl.List | pl.Array) and (
            dtype.inner.is_integer() or dtype.inner == pl.String
        ):
            return self._list(None), "list", f"{dtype}"
        raise ValueError(
            f"Column '{name}': expected text, booleans, numbers, dates, or lists of text or whole "
            f"numbers. Received: dtype={dtype}. Name it in `drop`, or turn it into one of these"
        )

    def _whole_number(self) -> tuple[Any, str, str]:
        distinct = int(self.known.n_unique())
        unit = self._time_unit() if distinct > _FEW_VALUES else None
        if unit is not None:
            return DateColumn(self.name, unit=unit), "date", f"{unit} since 1970: hour and weekday"
        if distinct > _FEW_VALUES and not _ID_NAME.search(self.name):
            low, high = float(self.known.min()), float(self.known.max())
            middle = (float(self.known.median()) - low) / (high - low)
            if distinct < 0.1 * (high - low) and middle < 0.25:
                why = "whole numbers, thinly spread, most of them low: an amount"
                return self._number(), "number", why
        return self._category(), "category", "whole numbers"

    def _time_unit(self) -> str | None:
        """The unit of instants as numbers, if the column is called like such and holds such."""
        if not _TIME_NAME.search(self.name):
            return None
        low, high = float(self.known.min()), float(self.known.max())
        for unit, per_second in PER_SECOND.items():
            if _FIRST_SECOND * per_second <= low and high < _LAST_SECOND * per_second:
                return unit
        return None

    def _text(self) -> tuple[Any, str, str]:
        if not self.enough or not len(self.known):
            return self._category(), "category", "text"
        for separator in _SEPARATORS:
            if self._is_separated(separator):
                why = f"values with '{separator}' between them"
                return self._list(separator), "list", why
        words = self.known.str.count_matches(r"\s+").mean() + 1
        if words >= _FREE_TEXT_WORDS and self.known.n_unique() > 0.5 * len(self.known):
            raise ValueError(
                f"Column '{self.name}': expected categories. Received what looks like free text: "
                f"{words:.0f} words per row, {self.known.n_unique():,} distinct texts in "
                f"{len(self.known):,} rows. Name it in `drop`, or, if each text is a category, in "
                "`categorical`; vectors of a language model are features of their own"
            )
        return self._category(), "category", "text"

    def _is_separated(self, separator: str) -> bool:
        """Whether the text is several values, of which there are far fewer than texts."""
        texts = self.known
        has = texts.str.contains(separator, literal=True)
        if has.mean() < _MIN_SEPARATED:
            return False
        # A sentence has a blank behind its commas.
        if texts.str.contains(separator + " ", literal=True).sum() > 0.5 * has.sum():
            return False
        parts = texts.str.split(separator).explode()
        return bool(parts.n_unique() < 0.5 * texts.n_unique())

    def _category(self) -> CategoricalColumn:
        whole = self.values.dtype.is_integer() or (
            self.values.dtype.is_numeric() and self._is_whole()
        )
        dtype = "integer" if whole else "string"
        return CategoricalColumn(self.name, dtype=dtype, min_count=self.min_count)

    def _number(self) -> NumericColumn:
        return NumericColumn(self.name, fill="median", transform="quantile")

    def _list(self, separator: str | None) -> SequenceColumn:
        pl = import_optional("polars", extra="data")
        values, dtype = self.values, self.values.dtype
        is_integer = False
        if isinstance(dtype, pl.List | pl.Array):
            values = values.cast(pl.List(dtype.inner))
            is_integer = dtype.inner.is_integer()
        else:
            separator = separator or next(
                (mark for mark in _SEPARATORS if self._contains(mark)), "^"
            )
            values = values.cast(pl.String).str.split(separator)
        longest = min(max(values.list.len().max() or 1, 1), _LONGEST_HISTORY)
        return SequenceColumn(
            self.name,
            longest,
            dtype="integer" if is_integer else "string",
            separator=separator or "^",
            min_count=self.min_count,
        )

    def _contains(self, mark: str) -> bool:
        pl = import_optional("polars", extra="data")
        return bool(self.known.cast(pl.String).str.contains(mark, literal=True).any())

    def _is_whole(self) -> bool:
        return bool(len(self.known)) and bool((self.known == self.known.floor()).all())

    def _needless(self) -> str | None:
        """Why a column says nothing of new rows, if so."""
        pl = import_optional("polars", extra="data")
        known, dtype = self.known, self.values.dtype
        if dtype.is_nested() or dtype == pl.Null:
            return "no values" if dtype == pl.Null else None
        distinct = known.n_unique()
        if distinct <= 1 and (distinct == 0 or not self.values.null_count()):
            return "no values" if distinct == 0 else "the same in every row"
        if distinct == len(self.values):
            if dtype.is_integer() and (self.values.is_sorted() or _INDEX_NAME.match(self.name)):
                return "an index: it counts the rows"
            if dtype.is_integer() and _ID_NAME.search(self.name):
                return "another in every row: an id of the row"
            if isinstance(dtype, pl.String) and not known.str.contains(" ").any():
                return "another in every row: an id of the row"
        return self._leak(distinct)

    def _leak(self, distinct: int) -> str | None:
        """Says if the column alone knows the label."""
        labels, values = self.labels, self.values
        if labels is None or not labels.dtype.is_numeric() or labels.null_count():
            return None
        # By many small categories labels are always sorted.
        if not values.dtype.is_float() and distinct > len(values) / 10:
            return None
        truth = labels.to_numpy().astype(np.float64)
        if not set(np.unique(truth)) <= {0.0, 1.0} or truth.min() == truth.max():
            return None
        if values.dtype.is_float():
            order = values.fill_null(values.median()).to_numpy()
        else:
            frame = values.alias("value").to_frame().with_columns(truth=truth)
            pl = import_optional("polars", extra="data")
            order = frame.select(pl.col("truth").mean().over("value"))["truth"].to_numpy()
        auc = exact_auc(truth, order)
        if max(auc, 1 - auc) <= _LEAK_AUC:
            return None
        return f"it alone sorts the labels (AUC {max(auc, 1 - auc):.4f}): known before the label?"
