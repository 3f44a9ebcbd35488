"""Raw files in pieces that fit into memory, each of which knows where it lies in its file."""

from __future__ import annotations

import codecs
import csv
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_elastor.data.reading.compression import open_packed, skip, unpacked
from keras_elastor.utils.optional import import_optional

# No row of text is longer; a file without line ends would otherwise be read into memory whole.
# What every Parquet file begins with.
_PARQUET = b"PAR1"
_LONGEST_LINE = 1 << 24
_BYTES_PER_PARQUET_ROW = 256


@dataclasses.dataclass(frozen=True)
class Segment:
    """A run of whole rows of one file.

    Args:
        path: The file.
        row_name: What messages call a row, "line" or "row".
        first_row: Number of the first row: the line of a text file, counted from 1 with its header;
            the row of a Parquet file, counted from 0.
        data: Lines of text, each ended by a newline but perhaps the last one of the file; or
            an Arrow table.
        start: Where the rows begin: bytes of (unpacked) text or rows of Parquet.
        end: Where the next segment begins.
        num_rows: Number of rows.
        progress: Bytes of the file that are read after this segment, for a progress bar.
    """

    path: Path
    row_name: str
    first_row: int
    data: Any
    start: int
    end: int
    num_rows: int
    progress: int


def is_parquet(path: Path) -> bool:
    """Whether a file is read as Parquet, by its name or its first bytes."""
    if path.suffix.lower() in (".parquet", ".pq") or not path.is_file():
        return path.suffix.lower() in (".parquet", ".pq")
    # Names such as day1.parquet.brotli, and those without a suffix.
    with open(path, "rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


def read_header(path: Path, separator: str, file_columns: tuple[str, ...] | None) -> list[str]:
    """Names of the columns of a file, in its order.

    Args:
        path: A text file, perhaps packed, or a Parquet file.
        separator: Of the fields of a text file.
        file_columns: Names for a text file without a header.

    Raises:
        ValueError: If the file is empty, or its header is no text or names a column twice.
    """
    if is_parquet(path):
        return list(_open_parquet(path).schema_arrow.names)
    if file_columns is not None:
        return list(file_columns)
    with open(path, "rb") as raw, open_packed(path, raw) as file:
        line = unpacked(path, lambda: file.readline(_LONGEST_LINE))
    if not line:
        raise ValueError(f"{path}: the file is empty. Expected a first line that names the columns")
    try:
        # Excel and others begin a file with a byte order mark.
        names = _split_header(line.decode("utf-8-sig"), separator)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{path}, line 1: expected names of columns as UTF-8 text. {error}"
        ) from error
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{path}, line 1: expected every column once. Received twice: {twice[0]}")
    return names


def _split_header(line: str, separator: str) -> list[str]:
    if len(separator) > 1:
        return line.rstrip("\r\n").split(separator)
    return next(csv.reader([line], delimiter=separator), [])


def read_schema(path: Path, names: Sequence[str]) -> Any:
    """The Arrow schema of a file, which of a text file are texts.

    Args:
        path: A text file, or a Parquet file.
        names: The columns of a text file.
    """
    pa = import_optional("pyarrow", extra="data")
    if is_parquet(path):
        return _open_parquet(path).schema_arrow
    return pa.schema([(name, pa.string()) for name in names])


def require_columns(path: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    """Raise ValueError unless a file has all columns."""
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(
            f"{path}: expected the columns {', '.join(needed)}. Missing: {', '.join(missing)}. "
            f"The file has: {', '.join(names)}. Correct the recipe, or the separator in it"
        )


def read_segments(
    path: Path,
    columns: Sequence[str],
    has_header: bool,
    segment_bytes: int,
    start: int = 0,
    first_row: int = 0,
) -> Iterator[Segment]:
    """The rows of a file, in order.

    Args:
        path: A text file, perhaps packed (by its name), or a Parquet file.
        columns: Of a Parquet file the columns to read.
        has_header: Whether the first line of a text file is a header.
        segment_bytes: Bytes of text per segment, rounded up to whole lines. A Parquet file gives a
            row for each 256 of them.
        start: `end` of the segment to go on behind. Default: the beginning.
        first_row: Number of the row there.

    Raises:
        ValueError: If a truncated or damaged packed or Parquet file, or a file without line ends.
    """
    if is_parquet(path):
        yield from _parquet_segments(path, columns, segment_bytes // _BYTES_PER_PARQUET_ROW, start)
    else:
        yield from _text_segments(path, has_header, segment_bytes, start, first_row)


def first_number(path: Path, has_header: bool) -> int:
    """Number of the first row of a file: its line in a text file, 0 in a Parquet file."""
    return 0 if is_parquet(path) else 2 if has_header else 1


def _text_segments(
    path: Path, has_header: bool, segment_bytes: int, start: int, first_row: int
) -> Iterator[Segment]:
    with open(path, "rb") as raw, open_packed(path, raw) as file:
        begun = b""
        if start:
            unpacked(path, lambda: skip(file, start))
        else:
            first = unpacked(path, lambda: file.readline(_LONGEST_LINE))
            # Excel and others begin a file with a byte order mark, which is no part of a value.
            mark = codecs.BOM_UTF8 if first.startswith(codecs.BOM_UTF8) else b""
            start = len(first) if has_header else len(mark)
            begun = b"" if has_header else first[len(mark) :]
            first_row = first_number(path, has_header)
        while data := begun + unpacked(path, lambda: file.read(segment_bytes)):
            begun = b""
            if not data.endswith(b"\n"):
                rest = unpacked(path, lambda: file.readline(_LONGEST_LINE))
                if len(rest) == _LONGEST_LINE:
                    near = first_row + data.count(b"\n")
                    raise ValueError(
                        f"{path}: expected lines of at most {_LONGEST_LINE:,} bytes. Received a "
                        f"longer one near line {near:,}. Is this text?"
                    )
                data += rest
            rows = data.count(b"\n") + (not data.endswith(b"\n"))
            end = start + len(data)
            yield Segment(path, "line", first_row, data, start, end, rows, raw.tell())
            start, first_row = end, first_row + rows


def _parquet_segments(
    path: Path, columns: Sequence[str], rows: int, start: int
) -> Iterator[Segment]:
    pa = import_optional("pyarrow", extra="data")
    file, position, size = _open_parquet(path), 0, path.stat().st_size
    batches = file.iter_batches(max(rows, 1), columns=list(dict.fromkeys(columns)))
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                f"{path}: the Parquet file is damaged near row {position:,} ({error}). Get it again"
            ) from error
        if batch is None:
            return
        end = position + batch.num_rows
        if position >= start and batch.num_rows:
            progress = size * end // max(file.metadata.num_rows, 1)
            table = pa.Table.from_batches([batch])
            yield Segment(path, "row", position, table, position, end, batch.num_rows, progress)
        position = end


def _open_parquet(path: Path) -> Any:
    parquet = import_optional("pyarrow.parquet", extra="data")
    pa = import_optional("pyarrow", extra="data")
    try:
        return parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: cannot be read as Parquet ({error}). Get it again") from error
