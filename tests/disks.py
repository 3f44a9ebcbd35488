"""Disks that refuse."""

import contextlib
import errno
import os
import stat

import pytest


@contextlib.contextmanager
def largest_file(size):
    """Inside this context the system refuses larger files, as a full disk does."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def failing_write(monkeypatch, number, error=None):
    """Inside this context the write of the file of that number fails where it would become lasting.

    Args:
        monkeypatch: Of pytest.
        number: Counted from 1.
        error: What is raised. Default: None, that the disk is full.
    """
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if error is None else error
    fsync, writes = os.fsync, []  # noqa: TID251

    def sync(descriptor):
        # Folders need not be known to every disk.
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            writes.append(descriptor)
            if len(writes) == number:
                raise error
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        yield writes
