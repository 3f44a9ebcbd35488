"""What can stop a run, each in one clear line."""

from __future__ import annotations


class RunError(RuntimeError):
    """A run cannot go on; the message says why in one line and what to do."""


class RunInterruptedError(RunError):
    """A run was stopped by Ctrl-C or SIGTERM, after it had saved a checkpoint."""


class OutOfTimeError(RunInterruptedError):
    """A run was stopped by a time budget, after it had saved a checkpoint."""


class NonFiniteLossError(RunError):
    """The loss became NaN or infinite."""
