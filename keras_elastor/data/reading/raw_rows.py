"""Rows in memory, in whatever people keep them, as one kind of table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.reading.raw_column import without_views
from keras_elastor.data.reading.text_rows import BadRow
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any
Rows: TypeAlias = Any
Series: TypeAlias = Any

_EXPECTED = (
    "Expected rows as a pandas or polars DataFrame, an Arrow table, a list of one dict per row, or "
    "a dict of one list per column"
)


def to_polars(rows: Rows) -> DataFrame:
    """Rows as a polars frame, with NaN in pandas and in Python's lists as missing.

    Args:
        rows: A pandas or polars DataFrame, an Arrow table or record batch, a list of one dict per
            row (a key that a row lacks is missing there), or a dict of one list per column.

    Raises:
        ValueError: If it is none of these, or a column holds values of several types.
    """
    pl = import_optional("polars", extra="data")
    if isinstance(rows, pl.DataFrame):
        return rows
    package = type(rows).__module__.partition(".")[0]
    if package == "pyarrow" and hasattr(rows, "column_names"):
        named = zip(rows.column_names, rows.columns, strict=True)
        return pl.DataFrame({name: _from_arrow(name, column) for name, column in named})
    if package == "pandas" and hasattr(rows, "columns"):
        _require_different(rows.columns)
        columns = {str(name): _from_pandas(rows[name]) for name in rows.columns}
    elif isinstance(rows, Mapping):
        _require_different(rows)
        columns = {str(name): _from_values(str(name), values) for name, values in rows.items()}
    elif isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
        _require_different(names)
        columns = {
            str(name): _from_values(str(name), [row.get(name) for row in rows]) for name in names
        }
    else:
        raise ValueError(f"{_EXPECTED}. Received: {type(rows).__name__}")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Expected columns of one length. Received the lengths: {lengths}")
    return pl.DataFrame(columns)


def select_columns(frame: DataFrame, needed: Sequence[str]) -> DataFrame:
    """The columns that are needed; ValueError if one is missing."""
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ValueError(
            f"Expected the columns {', '.join(needed)}. Missing: {', '.join(missing)}. The table "
            f"has: {', '.join(frame.columns)}"
        )
    return frame.select(needed)


def require_right_rows(bad: Sequence[BadRow], first_row: int = 0, all_read: bool = True) -> None:
    """Raise ValueError about the first of the wrong rows in memory, if there are any.

    Args:
        bad: What is wrong.
        first_row: Number of the row that the rows of `bad` are counted from.
        all_read: Whether there are no more of them.
    """
    if not bad:
        return
    many = f" Such rows in the table: {len(bad)}." if all_read else ""
    first = bad[0]
    raise ValueError(
        f"Row {first_row + first.row}, column '{first.column}': expected {first.expected}. "
        f"Received: {first.received}.{many} Correct or drop them"
    )


def _require_different(names: Iterable[Any]) -> None:
    """Raise ValueError if two columns have one name as text, such as 1 and "1"."""
    seen: dict[str, Any] = {}
    for name in names:
        if str(name) in seen:
            raise ValueError(
                f"Expected columns of different names. Received: {seen[str(name)]!r} and "
                f"{name!r}. Rename or drop one"
            )
        seen[str(name)] = name


def _from_arrow(name: str, column: Any) -> Series:
    pa = import_optional("pyarrow", extra="data")
    pl = import_optional("polars", extra="data")
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    try:
        return pl.from_arrow(without_views(array))
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise ValueError(
            f"Column '{name}': expected text, numbers, booleans, dates, or lists of these. "
            f"Received: {array.type}. Cast the column. {error}"
        ) from error


def _from_pandas(column: Any) -> Series:
    pa = import_optional("pyarrow", extra="data")
    pl = import_optional("polars", extra="data")
    if hasattr(column.dtype, "pyarrow_dtype"):
        return _from_arrow(str(column.name), pa.array(column))
    try:
        return pl.from_pandas(column, nan_to_null=True)
    except (TypeError, ValueError, pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(
            f"Column '{column.name}': expected values of one type. Cast the column. {error}"
        ) from error


def _from_values(name: str, values: Any) -> Series:
    pa = import_optional("pyarrow", extra="data")
    pl = import_optional("polars", extra="data")
    if isinstance(values, pl.Series):
        return values
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise ValueError(
            f"{_EXPECTED}. Received: a dict whose key '{name}' holds {values!r}. One row is a list "
            "of one dict"
        )
    if isinstance(values, np.ndarray) and values.ndim > 1:
        values = list(values)
    try:
        return pl.from_arrow(pa.array(values, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ValueError(
            f"Column '{name}': expected values of one type. {_odd_value(values)}{error}"
        ) from error


def _odd_value(values: Any) -> str:
    """Says which is the first value that is not of the type of those before it."""
    first: tuple[int, Any] | None = None
    for row, value in enumerate(values):
        if value is None:
            continue
        first = (row, value) if first is None else first
        if type(value) is not type(first[1]):
            return f"Received: {value!r} in row {row}, {first[1]!r} in row {first[0]}. "
    return ""
