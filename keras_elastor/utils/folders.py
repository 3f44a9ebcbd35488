"""Folders that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], mark: str) -> Iterator[Path]:
    """A new folder to write into, which becomes `path` when all is written.

    Args:
        path: Where the folder shall be. One that holds the file `mark`, hence an earlier one of
            the kind, is replaced.
        mark: Name of a file that every such folder holds.

    Raises:
        FileExistsError: If there is something else at `path`, which is left as it is.
    """
    target = Path(path)
    if target.exists() and not (target / mark).is_file() and not _is_empty(target):
        raise FileExistsError(
            f"{target}: expected a new or empty folder, or one with a {mark}, which is replaced. "
            "There is something else. Choose another name"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.part"))
    new, old = place / "new", place / "old"
    try:
        # Not `place` itself: it is for its owner only.
        new.mkdir()
        yield new
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
