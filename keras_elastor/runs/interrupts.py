"""Ctrl-C and SIGTERM as a wish to stop at the next good moment."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any, Self

_logger = logging.getLogger(__name__)


class Interrupts:
    """A context in which the first Ctrl-C or SIGTERM is noted and the second one acts at once.

    Outside of the main thread, where Python allows no signal handlers, it does nothing.

    Attributes:
        wanted: Whether somebody wants to stop.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True
        _logger.warning("Stopping as soon as all is saved; once more stops at once, without saving")
