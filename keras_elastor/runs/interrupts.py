"""Ctrl-C and SIGTERM as a wish to stop at the next good moment."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from types import FrameType
from typing import Any, Self

_logger = logging.getLogger(__name__)


class Interrupts:
    """A context in which the first Ctrl-C or SIGTERM is noted and the second one acts at once.

    Outside of the main thread, where Python allows no signal handlers, only the deadline counts.

    Args:
        deadline: The value of `time.monotonic()` at which to stop. Default: never.

    Attributes:
        pressed: Whether somebody wants to stop.
    """

    def __init__(self, deadline: float = math.inf) -> None:
        self.pressed = False
        self.deadline = deadline
        self._before: dict[int, Any] = {}

    @property
    def wanted(self) -> bool:
        """Whether it is time to stop."""
        return self.pressed or time.monotonic() >= self.deadline

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        _logger.warning("Stopping as soon as all is saved; once more stops at once, without saving")
