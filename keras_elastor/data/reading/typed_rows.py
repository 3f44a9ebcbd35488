"""From raw columns to columns of the recipe's types, with every wrong value found and named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.columns.all_columns import (
    CategoricalColumn,
    CrossedColumn,
    NumericColumn,
    PretrainedColumn,
    RecipeColumn,
    SequenceColumn,
)
from keras_elastor.data.columns.date_column import DateAge, DatePart
from keras_elastor.data.reading.canonical_text import canonical_text
from keras_elastor.data.reading.crossed_values import join_values
from keras_elastor.data.reading.instants import days_of, parse_instants, part_of
from keras_elastor.data.reading.parsing import expected_values, is_stored_text, parse_values
from keras_elastor.data.reading.raw_column import RawColumn
from keras_elastor.data.reading.stable_hash import stable_hash
from keras_elastor.data.reading.text_as_kind import EXPECTED, plain_spelling, text_as_kind
from keras_elastor.data.reading.text_rows import BadRow
from keras_elastor.data.reading.value_kinds import TEXT
from keras_elastor.data.recipe import Recipe
from keras_elastor.label import Label, as_labels
from keras_elastor.utils.optional import import_optional

Table: TypeAlias = Any
Array: TypeAlias = Any
DataFrame: TypeAlias = Any
Series: TypeAlias = Any

_INT32 = 2**31

_LABELS: dict[str, tuple[Callable[[Series], Series], str]] = {
    "binary": (lambda values: (values == 0) | (values == 1), "a label of 0 or 1"),
    "soft": (lambda values: values.is_between(0, 1), "a soft label in [0, 1]"),
    "regression": (lambda values: values.is_finite(), "a finite number as label"),
    "count": (
        lambda values: (values >= 0) & (values.floor() == values),
        "a count, a whole number of at least 0, as label",
    ),
}


@dataclasses.dataclass(frozen=True)
class TypedRows:
    """Rows whose values are right, not yet encoded.

    Args:
        features: An Arrow table of one column per column of the recipe: dictionaries of int64 or
            strings (categorical), lists of these (sequence), float32 (numeric; NaN where `fill` is
            "median" and the field is empty). Only the dictionaries hold nulls.
        labels: `(rows, tasks)` float32; `(rows, 0)` where labels were not asked for.
        group: `(rows,)` int32, or int64 where it is a hash of a text; None without a group.
        weight: `(rows,)` float32, None without weights.
    """

    features: Table
    labels: np.ndarray
    group: np.ndarray | None
    weight: np.ndarray | None

    def __len__(self) -> int:
        return len(self.labels)


def type_rows(
    table: Table, recipe: Recipe, kinds: Mapping[str, str], with_label: bool = True
) -> tuple[TypedRows, np.ndarray, list[BadRow]]:
    """Parse, fill and transform the columns of some rows.

    Args:
        table: An Arrow table of the columns `recipe.sources`: text, dictionaries of text, or types
            as Parquet has them.
        recipe: What they shall become.
        kinds: Of the values of source columns: where one is not text, text is read as that kind.
        with_label: Whether the rows have labels and weights.

    Returns:
        The rows that are right; their numbers in the table; what is wrong with the others.
    """
    pa = import_optional("pyarrow", extra="data")
    checks = _Checks(table, recipe, kinds)
    features = pa.table({column.name: checks.column(column) for column in recipe.columns})
    labels, group, weight = [np.empty((len(table), 0), np.float32)], None, None
    if with_label:
        labels = [checks.label(label)[:, None] for label in as_labels(recipe.label)]
        weight = checks.weight(recipe.weight) if recipe.weight is not None else None
    if recipe.group is not None and recipe.group in table.column_names:
        group = checks.group(recipe.group, recipe.group_dtype)
    rows = TypedRows(features, np.concatenate(labels, axis=1), group, weight)
    kept = np.flatnonzero(~checks.bad)
    if checks.problems:
        rows = TypedRows(
            rows.features.take(kept),
            rows.labels[kept],
            None if group is None else group[kept],
            None if weight is None else weight[kept],
        )
    return rows, kept, sorted(checks.problems, key=lambda problem: problem.row)


class _Checks:
    """The columns of a table one after another, and what is wrong in them."""

    def __init__(self, table: Table, recipe: Recipe, kinds: Mapping[str, str]) -> None:
        self._table = table
        self._recipe = recipe
        self._kinds = kinds
        self.bad = np.zeros(len(table), bool)
        self.problems: list[BadRow] = []

    def column(self, column: RecipeColumn) -> Array:
        if isinstance(column, SequenceColumn):
            return self._sequence(column)
        if isinstance(column, NumericColumn):
            return self._numeric(column)
        if isinstance(column, PretrainedColumn):
            return self._keys(column)
        if isinstance(column, CrossedColumn):
            return self._crossed(column)
        return self._categorical(column)

    def label(self, label: Label) -> np.ndarray:
        is_right, expected = _LABELS[label.kind]
        if label.optional:
            expected += ", or nothing"
        return self._numbers(label.name, is_right, expected, label.optional)

    def weight(self, name: str) -> np.ndarray:
        return self._numbers(name, lambda values: values >= 0, "a finite weight of at least 0")

    def group(self, name: str, dtype: str) -> np.ndarray:
        if dtype == "string":
            raw = self._raw(name, as_codes=True)
            texts, bad = canonical_text(raw.values)
            self._report(bad | texts.is_null(), raw, "a group")
            return raw.rows(stable_hash(texts).view(np.int64))
        expected = 'a group as a whole number of 32 bits; group_dtype="string" takes any group'
        raw = self._raw(name)
        numbers, bad = parse_values(raw.values, "integer")
        bad |= numbers.is_null() | ~numbers.is_between(-_INT32, _INT32 - 1)
        self._report(bad, raw, expected)
        pl = import_optional("polars", extra="data")
        return raw.rows(numbers.set(bad, 0).cast(pl.Int32).to_numpy())

    def _raw(self, name: str, as_codes: bool = False) -> RawColumn:
        recipe = self._recipe
        array = self._table[name].combine_chunks()
        return RawColumn.of(name, array, as_codes, recipe.null_values, recipe.trim)

    def _numbers(
        self,
        name: str,
        is_right: Callable[[Series], Series],
        expected: str,
        optional: bool = False,
    ) -> np.ndarray:
        pl = import_optional("polars", extra="data")
        raw = self._raw(name)
        numbers, bad = parse_values(raw.values, "float")
        rounded = numbers.cast(pl.Float32)
        bad |= ~(is_right(numbers) & rounded.is_finite()).fill_null(False)
        rounded = rounded.set(bad, 0.0)
        if optional:
            missing = raw.values.is_null()
            if raw.values.dtype.is_float():
                missing |= raw.values.is_nan().fill_null(False)
            bad, rounded = bad & ~missing, rounded.set(missing, float("nan"))
        self._report(bad, raw, expected)
        return raw.rows(rounded.to_numpy())

    def _numeric(self, column: NumericColumn) -> np.ndarray:
        pl = import_optional("polars", extra="data")
        raw = self._raw(column.source_name)
        if isinstance(column, DateAge):
            values = days_of(self._instants(column, raw))
            values = values if column.fill in (None, "median") else values.fill_null(column.fill)
        else:
            values = self._parsed(column, raw, "float")
        if column.expression is not None:
            values = self._evaluate(column.expression, column, raw, values)
        numbers = values.cast(pl.Float32, strict=False)
        bad = ~numbers.is_finite().fill_null(False)
        if column.fill == "median":
            missing = values.is_null()
            numbers, bad = numbers.set(missing, float("nan")), bad & ~missing
        self._report(bad, raw, "a finite number")
        return raw.rows(numbers.set(bad, 0.0).to_numpy())

    def _categorical(self, column: CategoricalColumn) -> Array:
        raw = self._raw(column.source_name, as_codes=True)
        if isinstance(column, DatePart):
            return raw.dictionary(part_of(self._instants(column, raw), column.part))
        is_plain = (column.dtype, column.expression, column.fill) == ("string", None, None)
        is_hashed = column.hash_buckets is not None
        is_plain &= not is_hashed
        if raw.is_text and is_plain and self._kinds.get(raw.name, TEXT) == TEXT:
            return raw.dictionary()
        values = self._parsed(column, raw, column.dtype, is_hashed)
        if column.expression is not None:
            values = self._evaluate(column.expression, column, raw, values)
        if values.dtype.is_float():
            values, bad = parse_values(values, "integer")
            self._report(bad, raw, "a whole number")
        elif values.dtype.is_integer():
            values, _ = parse_values(values, "integer")
        if column.fill is not None and not column.fill_is_known:
            values = values.set((values == column.fill).fill_null(False), None)
        return raw.dictionary(values)

    def _instants(self, column: DatePart | DateAge, raw: RawColumn) -> Series:
        instants, bad, expected = parse_instants(raw.values, column.timezone, column.unit)
        self._report(bad, raw, expected)
        return instants

    def _keys(self, column: PretrainedColumn) -> Array:
        raw = self._raw(column.source_name, as_codes=True)
        return raw.dictionary(self._values(raw, column.dtype))

    def _crossed(self, column: CrossedColumn) -> Array:
        """The texts of combinations, made once for each that occurs."""
        pl = import_optional("polars", extra="data")
        texts, codes = [], []
        for name, dtype in zip(column.columns, column.dtypes, strict=True):
            raw = self._raw(name, as_codes=True)
            is_hashed = column.hash_buckets is not None
            text = self._values(raw, dtype, is_hashed).cast(pl.String)
            texts.append(text if column.fill is None else text.fill_null(column.fill))
            codes.append(raw.rows(np.arange(len(text))))
        joined, places = join_values(texts, codes)
        return RawColumn(column.name, joined.to_arrow(), places).dictionary(joined)

    def _sequence(self, column: SequenceColumn) -> Array:
        pa = import_optional("pyarrow", extra="data")
        pl = import_optional("polars", extra="data")
        raw = self._raw(column.source_name)
        lists = raw.values
        if lists.dtype == pl.Array:
            lists = lists.arr.to_list()
        elif lists.dtype != pl.List:
            texts, bad = canonical_text(lists)
            self._report(bad, raw, "a list, or text")
            lists = texts.str.split(column.separator)
        if raw.codes is not None:
            lists = lists.gather(raw.codes)
        lengths = lists.list.len().fill_null(0).to_numpy()
        flat = lists.filter(lengths > 0).explode().to_arrow()
        recipe = self._recipe
        elements = RawColumn.of(raw.name, flat, True, recipe.null_values, recipe.trim)
        dtype = "integer" if column.dtype == "float" else column.dtype
        is_hashed = column.hash_buckets is not None
        values, bad = self._parse(raw.name, elements.values, dtype, is_hashed)
        bad_rows = np.zeros(len(lists), bool)
        bad_rows[np.repeat(np.arange(len(lists)), lengths)[elements.rows(bad.to_numpy())]] = True
        expected = "text" if column.dtype == "string" else "whole numbers"
        self._report_rows(bad_rows, raw, f"a list of {expected}")
        ends = np.cumsum(lengths, dtype=np.int32)
        return pa.ListArray.from_arrays(np.insert(ends, 0, 0), elements.dictionary(values))

    def _parsed(
        self,
        column: CategoricalColumn | NumericColumn,
        raw: RawColumn,
        dtype: str,
        is_hashed: bool = False,
    ) -> Series:
        values = self._values(raw, dtype, is_hashed)
        # The median is known when all rows are read.
        return values if column.fill in (None, "median") else values.fill_null(column.fill)

    def _values(self, raw: RawColumn, dtype: str, is_hashed: bool = False) -> Series:
        """The values of a column as a dtype of recipes; those that are none are reported."""
        values, bad = self._parse(raw.name, raw.values, dtype, is_hashed)
        if bad.any():
            wrong = raw.values.filter(bad)
            kind = self._told_kind(raw.name, wrong, dtype)
            self._report(bad, raw, EXPECTED[kind] if kind else expected_values(dtype, wrong))
        return values

    def _parse(
        self, source: str, values: Series, dtype: str, is_hashed: bool = False
    ) -> tuple[Series, Series]:
        kind = self._told_kind(source, values, dtype)
        if kind is not None:
            return text_as_kind(canonical_text(values)[0], kind)
        parsed, bad = parse_values(values, dtype)
        if is_hashed and dtype == "string" and is_stored_text(values):
            parsed = plain_spelling(parsed)
        return parsed, bad

    def _told_kind(self, source: str, values: Series, dtype: str) -> str | None:
        """What text tells of; None where values are no text, or text that is nothing else."""
        kind = self._kinds.get(source, TEXT)
        is_told = dtype == "string" and kind != TEXT and is_stored_text(values)
        return kind if is_told else None

    def _evaluate(
        self,
        expression: str,
        column: CategoricalColumn | NumericColumn,
        raw: RawColumn,
        values: Series,
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
        self._report(
            bad,
            dataclasses.replace(raw, array=values.to_arrow()),
            f"a value that {expression!r} is defined for",
        )
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

    def _report(self, bad: Series, raw: RawColumn, expected: str) -> None:
        """Note that some values of a column are wrong."""
        if bad.any():
            self._report_rows(raw.rows(bad.to_numpy()), raw, expected)

    def _report_rows(self, bad: np.ndarray, raw: RawColumn, expected: str) -> None:
        for row in map(int, np.flatnonzero(bad & ~self.bad)):
            self.problems.append(BadRow(row, raw.name, expected, raw.show(row)))
        self.bad |= bad


def parse_expression(expression: str, column: CategoricalColumn | NumericColumn) -> Any:
    """A polars expression of a column's SQL.

    Raises:
        ValueError: If it is no SQL, reads another column than the source, or does not suit its
            type.
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
