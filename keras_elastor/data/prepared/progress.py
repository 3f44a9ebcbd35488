"""A progress bar over the bytes of files, with rows per second and the time left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_elastor.utils.optional import import_optional


class ProgressBar:
    """Shows how far the reading of some files is.

    Args:
        visible: Whether to show anything.
    """

    def __init__(self, visible: bool) -> None:
        self._visible = visible
        self._bar: Any = None
        self._done: dict[Path, int] = {}
        self._rows = 0

    @contextlib.contextmanager
    def phase(self, title: str, num_bytes: int) -> Iterator[None]:
        """Inside this context files of so many bytes are read."""
        self._done, self._rows = {}, 0
        if not self._visible:
            yield
            return
        tqdm = import_optional("tqdm", extra="data").tqdm
        with tqdm(total=num_bytes, desc=title, unit="B", unit_scale=True) as self._bar:
            yield
        self._bar = None

    def advance(self, path: Path, position: int, rows: int) -> None:
        """A file has been read up to a position, which gave so many rows more."""
        self._rows += rows
        if self._bar is not None:
            self._bar.update(position - self._done.get(path, 0))
            seconds = max(self._bar.format_dict["elapsed"], 1e-9)
            self._bar.set_postfix_str(f"{self._rows:,} rows, {self._rows / seconds:,.0f} rows/s")
        self._done[path] = position
