"""From lines of text to columns of text, with every line that is not a row found and named."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Container, Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.reading.short_text import LONGEST, read_keys, to_dictionary, to_text
from keras_elastor.utils.optional import import_optional

Table: TypeAlias = Any

# Pieces that a cache holds: twice as fast as all at once.
_PIECE_BYTES = 1 << 20
# Stand for a separator of several letters, and for the quotes between such, while text is read.
_MARK, _QUOTE = b"\x1f", b"\x1e"
# Found twice as fast as by the operator `in`.
_EMPTY_LINE = re.compile(b"\n\n")


@dataclasses.dataclass(frozen=True)
class BadRow:
    """A row that cannot be used.

    Args:
        row: Its number within the segment, from 0.
        column: Name of the column that is wrong, or None where the row as a whole is.
        expected: What was expected.
        received: What was received.
        stops: Whether rows cannot be skipped here, as it is not known which are wrong.
    """

    row: int
    column: str | None
    expected: str
    received: str
    stops: bool = False


def parse_lines(
    data: bytes,
    columns: Sequence[str],
    needed: Sequence[str],
    separator: str,
    coded: Container[str] = (),
) -> tuple[Table, np.ndarray, list[BadRow]]:
    """Split lines into fields.

    A row is one line: a quoted field may hold separators and doubled quotes, but no line end. A
    line that is not a row by this rule is never repaired. A line without any separator may be a
    piece of a row that a stray line end has cut inside its first or last field; the lines before
    and behind it are left out, too, as one of them may be the rest, with a shorter value.

    Args:
        data: Lines, each ended by a newline but perhaps the last one.
        columns: Names of all fields of a line.
        needed: The columns to return.
        separator: Stands between the fields. Where it is of several letters, such as "::", quotes
            are letters as any other.
        coded: Those of them to return as dictionaries, each value once.

    Returns:
        An Arrow table of text of the needed columns; the number of the line of each of its rows,
        from 0; and the lines that are left out because they are not rows.
    """
    # One byte is found ten times faster than two.
    data = data.replace(b"\r\n", b"\n") if b"\r" in data else data
    ended = data.endswith(b"\n")
    data = data if ended or not data else data + b"\n"
    if len(separator) > 1:
        return _parse_wide(data, columns, needed, separator, coded)
    if _may_be_regular(data, separator):
        table = _read_fields(data, columns, needed, separator, coded, _PIECE_BYTES)
        if table is not None:
            return table, np.arange(len(table)), []
    lines = data.split(b"\n")[:-1]
    problems = (_problem(line, row, len(columns), separator) for row, line in enumerate(lines))
    bad = [problem for problem in problems if problem is not None]
    bad = _with_neighbours_of_pieces(bad, lines, separator, ended)
    numbers = np.delete(np.arange(len(lines)), [problem.row for problem in bad])
    data = b"".join(lines[number] + b"\n" for number in numbers)
    table = _read_fields(data, columns, needed, separator, coded, len(data) + 1)
    if table is None or len(table) != len(numbers):
        raise ValueError(f"Expected {len(numbers)} rows of text. They could not be read")
    return table, numbers, bad


def _parse_wide(
    data: bytes,
    columns: Sequence[str],
    needed: Sequence[str],
    separator: str,
    coded: Container[str],
) -> tuple[Table, np.ndarray, list[BadRow]]:
    """As `parse_lines`, for a separator of several letters: with control characters for it."""
    pa = import_optional("pyarrow", extra="data")
    pc = import_optional("pyarrow.compute", extra="data")
    if _MARK in data or _QUOTE in data:
        raise ValueError(
            f"Expected text between '{separator}' without the control characters "
            f"{_MARK!r} and {_QUOTE!r}. Received one of them"
        )
    has_quotes = b'"' in data
    data = data.replace(separator.encode(), _MARK).replace(b'"', _QUOTE)
    table, numbers, bad = parse_lines(data, columns, needed, _MARK.decode(), coded)
    written = {repr(_MARK.decode())[1:-1]: separator, repr(_QUOTE.decode())[1:-1]: '"'}
    for place, problem in enumerate(bad):
        received = problem.received
        for code, text in written.items():
            received = received.replace(code, text)
        bad[place] = dataclasses.replace(problem, received=received)
    if has_quotes:
        for place, name in enumerate(table.column_names):
            texts = table[name].combine_chunks()
            texts = texts.cast(pa.string()) if pa.types.is_dictionary(texts.type) else texts
            texts = pc.replace_substring(texts, _QUOTE.decode(), '"')
            texts = texts.dictionary_encode() if name in coded else texts
            table = table.set_column(place, name, texts)
    return table, numbers, bad


def _read_fields(
    data: bytes,
    columns: Sequence[str],
    needed: Sequence[str],
    separator: str,
    coded: Container[str],
    piece_bytes: int,
) -> Table | None:
    """The fields of regular lines; None where a line is not, or is longer than a piece."""
    pa = import_optional("pyarrow", extra="data")
    arrays: dict[str, Any] = {}
    if any(name in coded for name in needed) and b'"' not in data:
        found = read_keys(data, len(columns), separator)
        if found is None:
            return None
        keys, longest = found
        for name in needed:
            place = columns.index(name)
            if longest[place] <= LONGEST:
                arrays[name] = (to_dictionary if name in coded else to_text)(keys[place])
    others = [name for name in needed if name not in arrays]
    if others:
        table = _read_text(data, columns, others, separator, piece_bytes)
        if table is None:
            return None
        for name in others:
            # Twice as fast as dictionaries from the reader, which makes one for each piece.
            values = table[name].dictionary_encode() if name in coded else table[name]
            arrays[name] = values.combine_chunks()
    return pa.table({name: arrays[name] for name in needed})


def _read_text(
    data: bytes, columns: Sequence[str], needed: Sequence[str], separator: str, piece_bytes: int
) -> Table | None:
    pa = import_optional("pyarrow", extra="data")
    text = import_optional("pyarrow.csv", extra="data")
    types = dict.fromkeys(needed, pa.string())
    if not data:
        return pa.schema(types).empty_table()
    # To the reader an empty line is a row of empty fields.
    if len(columns) > 1 and (data.startswith(b"\n") or _EMPTY_LINE.search(data)):
        return None
    try:
        return text.read_csv(
            pa.py_buffer(data),
            # Segments are read side by side, so that one needs no threads of its own.
            text.ReadOptions(use_threads=False, block_size=piece_bytes, column_names=columns),
            text.ParseOptions(
                delimiter=separator,
                quote_char='"' if b'"' in data else False,
                ignore_empty_lines=False,
            ),
            text.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                # All of the data is known to be text.
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None


def _may_be_regular(data: bytes, separator: str) -> bool:
    """Whether nothing is wrong but perhaps the number of fields of a line, which reading shows."""
    if not data.endswith(b"\n") or b"\r" in data or b"\0" in data or not _is_text(data):
        return False
    return b'"' not in data or b'"' not in _without_quoted_fields(data, separator)


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


def _problem(line: bytes, number: int, num_columns: int, separator: str) -> BadRow | None:
    """What is wrong with a line, if something is."""
    shown = _show(line)
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
