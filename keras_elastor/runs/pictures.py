"""Pictures of runs, which the room of analysis draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_Draw = TypeVar("_Draw", bound=Callable[..., Any])

_DRAWING: dict[str, Callable[..., Any]] = {}


def draws(kind: str) -> Callable[[_Draw], _Draw]:
    """A decorator that makes a function the one that draws this kind of result.

    Runs lie below the room of analysis and do not know it.

    Args:
        kind: "run" or "comparison".
    """

    def register(draw: _Draw) -> _Draw:
        _DRAWING[kind] = draw
        return draw

    return register


def draw(kind: str, *arguments: Any) -> Any:
    """Draw a result of this kind."""
    return _DRAWING[kind](*arguments)
