"""A graph that is not made: finds what a format cannot express before anything is written."""

from __future__ import annotations

from typing import Any

from keras_elastor.export.graph_ops import GraphOps


class DryOps(GraphOps):
    """Operations without results.

    Args:
        kind: The operations of the format in question.
    """

    def __init__(self, kind: type[GraphOps]) -> None:
        self.can_strip = kind.can_strip
        self.has_text = kind.has_text

    def _nothing(self, *arguments: Any) -> Any:
        return None

    def _two(self, *arguments: Any) -> Any:
        return None, None

    _apply = _constant = _cast = _look_up = _take = _search = _nothing  # type: ignore[assignment]
    _as_column = _with_column = _take_along = _lengths = _nothing  # type: ignore[assignment]
    _any_of_row = _strip = _pick = _nothing  # type: ignore[assignment]
    _split = _two  # type: ignore[assignment]
