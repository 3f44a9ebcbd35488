"""Ctrl-C and SIGTERM as a wish to stop at the next good moment, which is never lost."""

from __future__ import annotations

import _thread
import contextlib
import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

_logger = logging.getLogger(__name__)

# Long enough for what has swallowed a press to return.
_AGAIN_AFTER_SECONDS = 0.05


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
        self._keeping = contextlib.ExitStack()

    @property
    def wanted(self) -> bool:
        """Whether it is time to stop."""
        return self.pressed or time.monotonic() >= self.deadline

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._keeping.enter_context(keep_interrupts())
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._keeping.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        _logger.warning("Stopping as soon as all is saved; once more stops at once, without saving")


@contextlib.contextmanager
def keep_interrupts() -> Iterator[None]:
    """Inside this context a KeyboardInterrupt that Python ignores comes again.

    A signal is handled wherever the main thread is. That may be a callback of the garbage
    collector (JAX has one), of a weak reference, or `__del__`: there Python prints "Exception
    ignored" and goes on as if nobody had pressed Ctrl-C. Outside of the main thread, where no
    signal arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = sys.unraisablehook

    def raise_again(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        # Not here: what is raised in this hook is ignored, too.
        timer = threading.Timer(_AGAIN_AFTER_SECONDS, _thread.interrupt_main)
        timer.daemon = True
        timer.start()

    sys.unraisablehook = raise_again
    try:
        yield
    finally:
        sys.unraisablehook = before
