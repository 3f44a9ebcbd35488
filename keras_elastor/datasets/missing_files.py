"""The error of a dataset whose files are not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class DatasetNotFoundError(FileNotFoundError):
    """Files of a dataset are missing.

    Its message has three lines: which files are needed and which of them are missing, where they
    were looked for, and where a person gets them.
    """


def find_folder(folders: Sequence[Path], files: Sequence[str], source: str) -> Path:
    """The first of some folders that holds all files.

    Args:
        folders: Where to look, in this order.
        files: Names of the files.
        source: Where a person gets them, one line.

    Raises:
        DatasetNotFoundError: If no folder holds them all.
    """
    missing = {
        folder: [name for name in files if not (folder / name).is_file()] for folder in folders
    }
    nearest = min(folders, key=lambda folder: len(missing[folder]))
    if missing[nearest]:
        raise DatasetNotFoundError(
            f"Needed: {', '.join(files)}. Missing: {', '.join(missing[nearest])}.\n"
            f"Looked in: {', '.join(str(folder) for folder in folders)}.\n"
            f"{source}"
        )
    return nearest
