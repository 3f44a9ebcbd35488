"""Reading columns of a CSV file with errors that name the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from keras_elastor.data.reading.segment_rows import raise_bad_row
from keras_elastor.data.reading.segments import read_header, read_segments, require_columns
from keras_elastor.data.reading.text_rows import parse_lines
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any
Expression: TypeAlias = Any

_LINE = "__line__"
_SEGMENT_BYTES = 1 << 24


def read_csv_columns(path: Path, columns: Sequence[str]) -> DataFrame:
    """Read some columns of a CSV file as text.

    Args:
        path: The file; its first line names the columns.
        columns: The columns to read. Others in the file are ignored.

    Returns:
        A polars frame of these columns, all strings, null where a field is empty. Its last column
        is the line number of each row, for `parse_integers` and `require`.

    Raises:
        ValueError: If the file is empty, lacks a column or holds a line that is no row. The message
            names the file and the column or line.
    """
    pl = import_optional("polars", extra="data")
    names = read_header(path, ",", None)
    require_columns(path, names, columns)
    text = dict.fromkeys(columns, pl.String)
    frames = [pl.DataFrame(schema={**text, _LINE: pl.Int64})]
    for segment in read_segments(path, columns, has_header=True, segment_bytes=_SEGMENT_BYTES):
        table, numbers, bad = parse_lines(segment.data, names, columns, ",")
        if bad:
            raise_bad_row(segment, bad[0])
        frame = pl.from_arrow(table).with_columns(pl.all().replace("", None))
        frames.append(frame.with_columns(pl.Series(_LINE, segment.first_row + numbers)))
    return pl.concat(frames)


def parse_integers(frame: DataFrame, path: Path, *columns: str, empty: bool = False) -> DataFrame:
    """Turn columns of text into integers.

    Args:
        frame: What `read_csv_columns` returned.
        path: Its file, for the message.
        *columns: the columns to turn.
        empty: Whether a field may be empty; it becomes a null. Default: no.

    Returns:
        The frame with these columns as Int64.

    Raises:
        ValueError: If a field is no integer. The message names file, line, column and value.
    """
    pl = import_optional("polars", extra="data")
    numbers = frame.with_columns(pl.col(*columns).cast(pl.Int64, strict=False))
    for name in columns:
        bad = numbers[name].is_null()
        if empty:
            bad &= frame[name].is_not_null()
        _raise_if_any(frame, path, name, bad, "an integer")
    return numbers


def require(
    frame: DataFrame, path: Path, column: str, condition: Expression, expected: str
) -> None:
    """Check every row of a frame.

    Args:
        frame: What `read_csv_columns` or `parse_integers` returned.
        path: Its file, for the message.
        column: The column to show in the message.
        condition: A polars expression that holds for a right row.
        expected: What a right value is, for the message.

    Raises:
        ValueError: If it does not hold somewhere. The message names file, line, column and value.
    """
    _raise_if_any(frame, path, column, ~frame.select(condition).to_series(), expected)


def without_lines(frame: DataFrame) -> DataFrame:
    """The frame without its line numbers."""
    return frame.drop(_LINE)


def _raise_if_any(frame: DataFrame, path: Path, column: str, bad: Any, expected: str) -> None:
    if bad.any():
        line, value = frame.filter(bad).select(_LINE, column).row(0)
        raise ValueError(
            f"{path}, line {line}, column '{column}': expected {expected}. Received: "
            f"{'an empty field' if value is None else repr(value)} "
            f"(such lines in the file: {bad.sum()})"
        )
