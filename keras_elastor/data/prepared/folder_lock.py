"""One run per folder, and errors of its disk that say what to do."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside this context no other process is; the lock ends with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such locks.
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RuntimeError(
                f"{folder}: another run is preparing data in this folder. Wait until it has ended, "
                "or give another out_dir"
            ) from error
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def readable_disk_errors(folder: Path) -> Iterator[None]:
    """Inside this context the error of a full disk says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OSError(
            error.errno,
            f"{folder}: writing failed ({error}). What is finished stays: free space, then call "
            "again to go on",
        ) from error
