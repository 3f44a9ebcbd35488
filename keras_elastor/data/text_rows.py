"""From lines of text to columns of text, with every line that is not a row found and named."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.optional import import_optional

DataFrame: TypeAlias = Any


@dataclasses.dataclass(frozen=True)
class BadRow:
    """A row that cannot be used.

    Args:
        row: its number within the segment, from 0.
        column: name of the column that is wrong, or None where the row as a whole is.
        expected: what was expected.
        received: what was received.
        stops: whether rows cannot be skipped here, as it is not known which are wrong.
    """

    row: int
    column: str | None
    expected: str
    received: str
    stops: bool = False


def parse_lines(
    data: bytes, columns: Sequence[str], needed: Sequence[str], separator: str
) -> tuple[DataFrame, np.ndarray, list[BadRow]]:
    """Split lines into fields.

    A row is one line: a quoted field may hold separators and doubled quotes, but no line end. A
    line that is not a row by this rule is never repaired. A line without any separator may be a
    piece of a row that a stray line end has cut inside its first or last field; the lines before
    and behind it are left out, too, as one of them may be the rest, with a shorter value.

    Args:
        data: lines, each ended by a newline.
        columns: names of all fields of a line.
        needed: the columns to return.
        separator: stands between the fields.

    Returns:
        A frame of text of the needed columns, null where a field is empty; the number of the line
        of each of its rows, from 0; and the lines that are left out because they are not rows.
    """
    data = data.replace(b"\r\n", b"\n") if b"\r\n" in data else data
    bad: list[BadRow] = []
    numbers = np.arange(data.count(b"\n") + (bool(data) and not data.endswith(b"\n")))
    if data and not _is_regular(data, len(columns), separator):
        lines = data.split(b"\n")
        ended = not lines[-1]
        lines = lines[:-1] if ended else lines
        for number, line in enumerate(lines):
            is_last = not ended and number == len(lines) - 1
            if problem := _problem(line, number, len(columns), separator, is_last):
                bad.append(problem)
        bad = _with_neighbours_of_pieces(bad, lines, separator, ended)
        numbers = np.delete(numbers, [problem.row for problem in bad])
        data = b"".join(lines[number] + b"\n" for number in numbers)
    frame = _read_fields(data, columns, needed, separator)
    if len(frame) != len(numbers):
        raise ValueError(f"Expected {len(numbers)} rows of text, received {len(frame)}")
    return frame, numbers, bad


def _read_fields(
    data: bytes, columns: Sequence[str], needed: Sequence[str], separator: str
) -> DataFrame:
    pl = import_optional("polars", extra="data")
    text = dict.fromkeys(columns, pl.String)
    if not data:
        return pl.DataFrame(schema={name: text[name] for name in needed})
    positions = sorted(columns.index(name) for name in needed)
    frame = pl.read_csv(
        data,
        has_header=False,
        schema=text,
        separator=separator,
        # Reading all columns is a quarter faster without naming them.
        columns=positions if len(positions) < len(columns) else None,
        quote_char='"' if b'"' in data else None,
    )
    return frame.select(needed)


def _is_regular(data: bytes, num_columns: int, separator: str) -> bool:
    """Whether every line is a row, found out without looking at single lines."""
    if not data.endswith(b"\n") or b"\r" in data or b"\0" in data or not _is_text(data):
        return False
    skeleton = _without_quoted_fields(data, separator)
    if b'"' in skeleton:
        return False
    mark = separator.encode()
    others = bytes(set(range(256)) - set(mark + b"\n"))
    # What is left of every line must be the marks of one row.
    marks = skeleton.translate(None, others)
    row = mark * (num_columns - 1) + b"\n"
    return marks == row * (len(marks) // len(row))


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _without_quoted_fields(data: bytes, separator: str) -> bytes:
    """The data with every quoted field replaced by nothing; a quote that is left is wrong."""
    if b'"' not in data:
        return data
    mark = re.escape(separator.encode())
    quoted = rb"(?:(?<=^)|(?<=\n)|(?<=" + mark + rb'))"(?:[^"\n]|"")*"(?=' + mark + rb"|\n|$)"
    return re.sub(quoted, b"", data)


def _problem(
    line: bytes, number: int, num_columns: int, separator: str, is_last: bool
) -> BadRow | None:
    """What is wrong with a line, if something is."""
    shown = _show(line)
    if is_last:
        return BadRow(
            number,
            None,
            "a line that ends with a newline; the file may be cut off. If it is whole, add one",
            shown,
        )
    if not _is_text(line):
        return BadRow(number, None, "UTF-8 text", shown)
    if b"\0" in line or b"\r" in line:
        return BadRow(number, None, "text without NUL bytes and lone carriage returns", shown)
    skeleton = _without_quoted_fields(line, separator)
    if b'"' in skeleton:
        return BadRow(
            number,
            None,
            'quotes only around whole fields that end on the same line, with " inside them doubled',
            shown,
        )
    fields = skeleton.count(separator.encode()) + 1
    if fields != num_columns:
        return BadRow(number, None, f"{num_columns} fields", f"{fields} fields in {shown}")
    return None


def _with_neighbours_of_pieces(
    bad: list[BadRow], lines: list[bytes], separator: str, ended: bool
) -> list[BadRow]:
    """The bad lines with those next to a piece of a row, of which they may be the rest."""
    problems = {problem.row: problem for problem in bad}
    for problem in bad:
        line, last = lines[problem.row], len(lines) - 1
        is_cut_off = problem.row == last and not ended
        if not line or separator.encode() in line or is_cut_off:
            continue
        if problem.row in (0, last):
            # The neighbour lies in another segment, or is the header.
            problems[problem.row] = dataclasses.replace(problem, stops=True)
        for row in (problem.row - 1, problem.row + 1):
            if 0 <= row <= last and row not in problems:
                expected = "no piece of a row next to the row, which may be the rest of it"
                problems[row] = BadRow(row, None, expected, _show(line))
    return sorted(problems.values(), key=lambda problem: problem.row)


def _show(line: bytes, length: int = 200) -> str:
    text = repr(line[:length].decode("utf-8", "backslashreplace"))
    return text if len(line) <= length else f"{text} ..."
