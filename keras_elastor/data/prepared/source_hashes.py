"""Hashes of the raw files, made while these are prepared."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from keras_elastor.utils.files import hash_file


class SourceHashes:
    """SHA-256 of files, as a context in which a thread of its own makes them.

    Hashing takes a core, but neither the lock of Python nor much memory: beside the rest of a
    preparation it costs little time. Leaving the context stops it.

    Args:
        paths: The files.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_elastor.data.prepared.source_hashes import SourceHashes
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.csv"
    >>> _ = path.write_bytes(b"abc")
    >>> with SourceHashes([path]) as hashes:
    ...     print(hashes.of(path)[:16])
    ba7816bf8f01cfea
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._left = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._digests = {path: self._pool.submit(self._digest, path) for path in paths}

    def __enter__(self) -> SourceHashes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left.set()
        self._pool.shutdown()

    def of(self, path: Path) -> str:
        """The hash of a file as hexadecimal digits, once it is known.

        Raises:
            OSError: If the file cannot be read.
            CancelledError: If the context was left before.
        """
        return self._digests[path].result()

    def _digest(self, path: Path) -> str:
        return hash_file(path, check=self._require_within)

    def _require_within(self) -> None:
        if self._left.is_set():
            raise CancelledError
