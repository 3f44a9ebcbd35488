"""What can stop a run, each in one clear line."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

_REASONS = {
    errno.ENOSPC: "the disk is full. Free some space and start again",
    errno.EDQUOT: "the quota of the disk is used up. Free some space and start again",
    errno.EFBIG: "the file would be larger than allowed. Raise the limit and start again",
    errno.EROFS: "the disk is read-only. Choose another folder",
    errno.EACCES: "there is no permission to write there. Choose another folder",
    errno.EPERM: "there is no permission to write there. Choose another folder",
}


class RunError(RuntimeError):
    """A run cannot go on; the message says why in one line and what to do."""


class RunInterruptedError(RunError):
    """A run was stopped by Ctrl-C or SIGTERM, after it had saved a checkpoint."""


class NonFiniteLossError(RunError):
    """The loss became NaN or infinite."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside this context, what the disk refuses is a `RunError` about that path."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}")
        raise RunError(f"Cannot write {path}: {reason}") from error
