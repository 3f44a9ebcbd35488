"""Files of text, packed or not, as bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

from keras_elastor.utils.optional import import_optional

_Result = TypeVar("_Result")

PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
"""Suffixes of packed files, in lower or upper case."""


def open_packed(path: Path, raw: IO[bytes]) -> Any:
    """The text of a file, unpacked by what its suffix says.

    Args:
        path: Its name.
        raw: Its bytes.

    Returns:
        A file of bytes that can be read, and skipped forward by `skip`.

    Raises:
        ValueError: If a zip archive holds another number of files than one.
        ImportError: If pyarrow, which unpacks `.zst`, is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return gzip.open(raw, "rb")
    if suffix == ".bz2":
        return bz2.open(raw, "rb")
    if suffix == ".xz":
        return lzma.open(raw, "rb")
    if suffix == ".zst":
        arrow = import_optional("pyarrow", extra="data")
        return io.BufferedReader(_Readable(arrow.CompressedInputStream(raw, "zstd")))
    if suffix == ".zip":
        return _only_member(path, raw)
    return raw


def unpacked(path: Path, read: Callable[[], _Result]) -> _Result:
    """What `read` gives of a packed file.

    Raises:
        ValueError: If the file is damaged; the message names it.
    """
    try:
        return read()
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        # Bzip2 and zstd have no error of their own; one of the disk has a number.
        if error.errno is not None or path.suffix.lower() not in PACKED:
            raise
        raise _damaged(path, error) from error


def skip(file: Any, size: int) -> None:
    """Go on behind the next bytes of a file."""
    while size > 0:
        piece = file.read(min(size, 1 << 20))
        if not piece:
            return
        size -= len(piece)


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: the packed file is damaged or cut off ({error}). Get it again")


def _only_member(path: Path, raw: IO[bytes]) -> Any:
    archive = unpacked(path, lambda: zipfile.ZipFile(raw))
    # macOS puts its own notes beside the files.
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        raise ValueError(
            f"{path}: expected one file in the archive. Received {len(names)}: "
            f"{', '.join(names[:5])}. Unpack it, and give the files"
        )
    return unpacked(path, lambda: archive.open(names[0]))


class _Readable(io.RawIOBase):
    """An Arrow stream, which has no lines, as one of Python's."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there is something."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
