"""From raw columns to columns of the recipe's types, with every wrong value found and named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.recipe import (
    CategoricalColumn,
    NumericColumn,
    Recipe,
    RecipeColumn,
    SequenceColumn,
)
from keras_elastor.data.text_rows import BadRow
from keras_elastor.optional import import_optional

DataFrame: TypeAlias = Any
Series: TypeAlias = Any

_INT32 = 2**31
# Whole numbers up to here are exact in float64.
_EXACT = 2**53
_EXPECTED = {"string": "text", "integer": "a whole number", "float": "a finite number"}


@dataclasses.dataclass(frozen=True)
class TypedRows:
    """Rows whose values are right, not yet encoded.

    Args:
        features: one column per column of the recipe: Int64 or String (categorical), lists of these
            (sequence), Float32 (numeric).
        labels: `(rows, tasks)` float32, 0 or 1; `(rows, 0)` where labels were not asked for.
        group: `(rows,)` int32, None without a group.
        weight: `(rows,)` float32, None without weights.
    """

    features: DataFrame
    labels: np.ndarray
    group: np.ndarray | None
    weight: np.ndarray | None

    def __len__(self) -> int:
        return len(self.features)


def type_rows(
    frame: DataFrame, recipe: Recipe, with_label: bool = True
) -> tuple[TypedRows, np.ndarray, list[BadRow]]:
    """Parse, fill and transform the columns of some rows.

    Args:
        frame: the columns `recipe.sources`, as text or as Parquet holds them.
        recipe: what they shall become.
        with_label: whether the rows have labels and weights.

    Returns:
        The rows that are right; their numbers in the frame; what is wrong with the others.
    """
    checks = _Checks(frame)
    features = {column.name: checks.column(column) for column in recipe.columns}
    labels, group, weight = [np.empty((len(frame), 0), np.float32)], None, None
    if with_label:
        labels = [checks.label(name)[:, None] for name in recipe.labels]
        weight = checks.weight(recipe.weight) if recipe.weight is not None else None
    if recipe.group is not None and recipe.group in frame.columns:
        group = checks.group(recipe.group)
    good = ~checks.bad
    whole = bool(good.all())
    kept = np.flatnonzero(good)
    pl = import_optional("polars", extra="data")
    table = pl.DataFrame(features)
    cut: Callable[[np.ndarray], np.ndarray] = lambda values: values if whole else values[kept]  # noqa: E731
    rows = TypedRows(
        features=table if whole else table[kept],
        labels=cut(np.concatenate(labels, axis=1)),
        group=None if group is None else cut(group),
        weight=None if weight is None else cut(weight),
    )
    return rows, kept, sorted(checks.problems, key=lambda problem: problem.row)


class _Checks:
    """The columns of a frame one after another, and what is wrong in them."""

    def __init__(self, frame: DataFrame) -> None:
        self._frame = frame
        self.bad = np.zeros(len(frame), bool)
        self.problems: list[BadRow] = []

    def column(self, column: RecipeColumn) -> Series:
        raw = self._frame[column.source_name]
        if isinstance(column, SequenceColumn):
            return self._sequence(column, raw)
        if isinstance(column, NumericColumn):
            return self._numeric(column, raw)
        return self._categorical(column, raw)

    def label(self, name: str) -> np.ndarray:
        return self._numbers(
            name, lambda values: (values == 0) | (values == 1), "a label of 0 or 1"
        )

    def weight(self, name: str) -> np.ndarray:
        return self._numbers(name, lambda values: values >= 0, "a finite weight of at least 0")

    def group(self, name: str) -> np.ndarray:
        expected = "a group as a whole number of 32 bits; number the groups"
        numbers, bad = _parse(self._frame[name], "integer")
        bad |= numbers.is_null() | ~numbers.is_between(-_INT32, _INT32 - 1)
        self._report(bad, name, self._frame[name], expected)
        pl = import_optional("polars", extra="data")
        values: np.ndarray = numbers.set(bad, 0).cast(pl.Int32).to_numpy()
        return values

    def _numbers(
        self, name: str, is_right: Callable[[Series], Series], expected: str
    ) -> np.ndarray:
        pl = import_optional("polars", extra="data")
        numbers, bad = _parse(self._frame[name], "float")
        rounded = numbers.cast(pl.Float32)
        bad |= ~(is_right(numbers) & rounded.is_finite()).fill_null(False)
        self._report(bad, name, self._frame[name], expected)
        values: np.ndarray = rounded.set(bad, 0.0).to_numpy()
        return values

    def _numeric(self, column: NumericColumn, raw: Series) -> Series:
        pl = import_optional("polars", extra="data")
        values = self._parsed(column, raw, "float")
        if column.expression is not None:
            values = self._evaluate(column.expression, column, values)
        numbers = values.cast(pl.Float32, strict=False)
        bad = ~numbers.is_finite().fill_null(False)
        self._report(bad, column.source_name, raw, "a finite number")
        return numbers.set(bad, 0.0)

    def _categorical(self, column: CategoricalColumn, raw: Series) -> Series:
        values = self._parsed(column, raw, column.dtype)
        if column.expression is not None:
            values = self._evaluate(column.expression, column, values)
        if values.dtype.is_float():
            values, bad = _parse(values, "integer")
            self._report(bad, column.source_name, raw, "a whole number")
        elif values.dtype.is_integer():
            values, _ = _parse(values, "integer")
        if column.fill is not None:
            values = values.set((values == column.fill).fill_null(False), None)
        return values

    def _sequence(self, column: SequenceColumn, raw: Series) -> Series:
        pl = import_optional("polars", extra="data")
        lists = raw if isinstance(raw.dtype, pl.List) else _text(raw).str.split(column.separator)
        lengths = lists.list.len().fill_null(0)
        elements = lists.filter(lengths > 0).explode()
        values, bad = _parse(elements, "integer" if column.dtype == "float" else column.dtype)
        row_of_element = np.repeat(np.arange(len(lists)), lengths.to_numpy())
        bad_rows = np.zeros(len(lists), bool)
        bad_rows[row_of_element[bad.to_numpy()]] = True
        expected = "text" if column.dtype == "string" else "whole numbers"
        self._report(pl.Series(bad_rows), column.source_name, raw, f"a list of {expected}")
        offsets = pl.Series(row_of_element)
        grouped = pl.DataFrame({"row": offsets, "value": values}).group_by(
            "row", maintain_order=True
        )
        full = pl.DataFrame({"row": pl.int_range(len(lists), eager=True)}).cast(pl.Int64)
        return full.join(grouped.agg("value"), on="row", how="left", maintain_order="left")["value"]

    def _parsed(self, column: CategoricalColumn | NumericColumn, raw: Series, dtype: str) -> Series:
        values, bad = _parse(raw, dtype)
        self._report(bad, column.source_name, raw, _EXPECTED[dtype])
        return values if column.fill is None else values.fill_null(column.fill)

    def _evaluate(
        self, expression: str, column: CategoricalColumn | NumericColumn, values: Series
    ) -> Series:
        """The value of a column's expression; null, and reported, where it has none."""
        pl = import_optional("polars", extra="data")
        frame = values.alias(column.source_name).to_frame()
        sql = parse_expression(expression, column)
        try:
            result = frame.select(sql.alias(column.name)).to_series()
        except pl.exceptions.PolarsError:
            result = self._evaluate_rows(frame, sql, column)
        if len(result) != len(values):
            raise ValueError(
                f"Column '{column.name}': expected an expression that gives one value per row. "
                f"Received: expression={expression!r}"
            )
        bad = result.is_null() & values.is_not_null()
        self._report(bad, column.source_name, values, f"a value that {expression!r} is defined for")
        return result

    @staticmethod
    def _evaluate_rows(frame: DataFrame, sql: Any, column: RecipeColumn) -> Series:
        """As one evaluation of all rows, but null where it fails; by halving, as few rows fail."""
        pl = import_optional("polars", extra="data")
        pieces, todo = [], [frame]
        while todo:
            part = todo.pop()
            try:
                pieces.append(part.select(sql.alias(column.name)))
            except pl.exceptions.PolarsError:
                if len(part) == 1:
                    pieces.append(pl.DataFrame({column.name: [None]}))
                else:
                    half = len(part) // 2
                    todo += [part[half:], part[:half]]
        return pl.concat(pieces, how="vertical_relaxed").to_series()

    def _report(self, bad: Series, name: str, raw: Series, expected: str) -> None:
        if not bad.any():
            return
        marks = bad.to_numpy()
        for row in np.flatnonzero(marks & ~self.bad):
            value = raw[int(row)]
            shown = "an empty field" if value is None or value == "" else repr(value)
            self.problems.append(BadRow(int(row), name, expected, shown))
        self.bad |= marks


def parse_expression(expression: str, column: CategoricalColumn | NumericColumn) -> Any:
    """A polars expression of a column's SQL.

    Raises:
        ValueError: it is no SQL, reads another column than the source, or does not suit its type.
    """
    pl = import_optional("polars", extra="data")
    dtype = column.dtype if isinstance(column, CategoricalColumn) else "float"
    types = {"string": pl.String, "integer": pl.Int64, "float": pl.Float64}
    try:
        parsed = pl.sql_expr(expression)
        names = set(parsed.meta.root_names())
        if names == {column.source_name}:
            pl.DataFrame(schema={column.source_name: types[dtype]}).select(parsed)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"Column '{column.name}': expression={expression!r}. {error}") from error
    if names != {column.source_name}:
        raise ValueError(
            f"Column '{column.name}': expected an expression over its source column "
            f"'{column.source_name}' and nothing else. Received: expression={expression!r}"
        )
    return parsed


def _text(raw: Series) -> Series:
    """Text, null where a field is empty."""
    pl = import_optional("polars", extra="data")
    text = raw.cast(pl.String)
    return text.set((text == "").fill_null(False), None)


def _parse(raw: Series, dtype: str) -> tuple[Series, Series]:
    """A column as String, Int64 or Float64, null where empty, and marks of unusable values."""
    pl = import_optional("polars", extra="data")
    if dtype == "string":
        return _text(raw), pl.repeat(False, len(raw), eager=True)
    if isinstance(raw.dtype, pl.String | pl.Categorical | pl.Enum):
        raw = _text(raw)
    given = raw.is_not_null()
    if dtype == "integer" and raw.dtype != pl.Boolean:
        numbers = raw.cast(pl.Int64, strict=False)
        bad = given & (numbers.is_null() | (raw.dtype.is_float()))
        if not bad.any():
            return numbers, bad
        # Tables with missing values often write whole numbers as 12.0.
        floats = raw.cast(pl.Float64, strict=False)
        whole = ((floats.floor() == floats) & (floats.abs() <= _EXACT)).fill_null(False) & bad
        return numbers.set(bad, None).zip_with(~whole, floats.set(~whole, 0.0).cast(pl.Int64)), (
            bad & ~whole
        )
    numbers = raw.cast(pl.Float64, strict=False)
    if dtype == "integer":
        numbers = numbers.cast(pl.Int64)
        return numbers, given & numbers.is_null()
    return numbers, given & ~numbers.is_finite().fill_null(False)
