"""Text of up to eight bytes, as most values are, as one integer each.

Integers are found, compared and sorted faster than text: `benchmarks/own_code.py` has the reading
of fields beside pyarrow's, and the counting of values beside polars'.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from keras_elastor.utils.optional import import_optional

Array: TypeAlias = Any
Series: TypeAlias = Any
DataFrame: TypeAlias = Any

LONGEST = 8
# Pieces whose fields a cache holds: twice as fast as all at once.
_PIECE_BYTES = 1 << 17
_NEWLINE = ord("\n")


def read_keys(
    data: bytes, num_columns: int, separator: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """The fields of lines without quotes and NUL bytes, as keys.

    Args:
        data: Lines, each ended by a newline.
        num_columns: Fields of a line.
        separator: One byte, which stands between the fields.

    Returns:
        The keys, `(num_columns, lines)` uint64; and the bytes of the longest field of each column.
        If these are more than `LONGEST`, the keys of the column are of no use. None where a line
        has another number of fields.
    """
    longest = np.zeros(num_columns, np.int64)
    # Every field takes a byte or more; memory is taken only where something is written.
    keys = np.empty((num_columns, len(data) // num_columns), np.uint64)
    start = first = 0
    while start < len(data):
        end = data.find(b"\n", min(start + _PIECE_BYTES, len(data) - 1)) + 1
        letters = np.frombuffer(data, np.uint8, end - start, start)
        is_newline = letters == _NEWLINE
        ends = np.flatnonzero((letters == ord(separator)) | is_newline)
        lines = int(np.count_nonzero(is_newline))
        is_last = is_newline[ends[num_columns - 1 :: num_columns]]
        if len(ends) != lines * num_columns or not is_last.all():
            return None
        lengths = np.diff(ends, prepend=-1) - 1
        longest = np.maximum(longest, lengths.reshape(lines, -1).max(axis=0))
        found = _keys(letters, ends - lengths, lengths)
        keys[:, first : first + lines] = found.reshape(lines, -1).T
        start, first = end, first + lines
    return keys[:, :first], longest


def to_keys(values: Series) -> np.ndarray | None:
    """The keys of a polars column of text without nulls; None unless all of it is short.

    The order of the keys is that of the text.

    Example:

    >>> import polars as pl
    >>> from keras_elastor.data.reading.short_text import to_keys, to_text
    >>> keys = to_keys(pl.Series(["b", "", "ab"]))
    >>> to_text(np.sort(keys)).to_pylist()
    ['', 'ab', 'b']
    """
    pa = import_optional("pyarrow", extra="data")
    text = values.to_arrow().cast(pa.large_string())
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int64)[text.offset :][: len(text) + 1]
    letters = np.frombuffer(data or b"", np.uint8)[: ends[-1]]
    lengths = np.diff(ends)
    if lengths.max(initial=0) > LONGEST or not letters.all():
        return None
    return _keys(letters, ends[:-1], lengths)


def with_keys(counts: DataFrame) -> DataFrame:
    """A frame with the keys of its column `value`, UInt64, if that is short text."""
    pl = import_optional("polars", extra="data")
    keys = to_keys(counts["value"]) if counts["value"].dtype == pl.String else None
    return counts if keys is None else counts.with_columns(value=pl.Series(keys))


def with_text(counts: DataFrame) -> DataFrame:
    """The frame whose column `value` is the text of the keys there, if it holds keys."""
    pl = import_optional("polars", extra="data")
    if counts["value"].dtype != pl.UInt64:
        return counts
    text = pl.from_arrow(to_text(counts["value"].to_numpy()))
    return counts.with_columns(value=text)


def to_text(keys: np.ndarray) -> Array:
    """The Arrow array of text of some keys."""
    pa = import_optional("pyarrow", extra="data")
    letters = keys.astype(">u8").view(np.uint8)
    is_letter = letters != 0
    # The product adds up the eight bytes of a word, each 0 or 1, in its highest byte.
    lengths = (is_letter.view(np.uint64) * np.uint64(0x0101010101010101)) >> np.uint64(56)
    ends = np.cumsum(lengths, dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    return pa.StringArray.from_buffers(
        len(keys), pa.py_buffer(offsets), pa.py_buffer(letters[is_letter])
    )


def to_dictionary(keys: np.ndarray) -> Array:
    """As `to_text`, but an Arrow dictionary, which holds each value once."""
    pa = import_optional("pyarrow", extra="data")
    coded = pa.array(keys).dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices, to_text(coded.dictionary.to_numpy()))


def _keys(letters: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Keys of pieces of text: their bytes from the highest to the lowest."""
    # Also the last piece is read as eight bytes.
    padded = np.concatenate([letters, np.zeros(LONGEST, np.uint8)])
    words = np.ndarray(len(letters) + 1, ">u8", padded, strides=1)
    keys: np.ndarray = words[starts].astype(np.uint64)
    # What follows a piece is shifted out.
    shifts = (64 - 8 * lengths).view(np.uint64)
    keys >>= shifts
    keys <<= shifts
    return keys
