"""What a layer does to the rank: expands, contracts, or neither."""

from __future__ import annotations

import math
from typing import Any


def shift_of(before: Any, after: Any) -> str:
    """What happened between two lines of `layer_ranks`: "expands", "contracts" or neither."""
    difference = after["mean"] - before["mean"]
    # An unknown error is no proof of a change.
    error = math.hypot(before["standard_error"], after["standard_error"])
    if not abs(difference) > 2 * error:
        return "inside the error"
    return "expands" if difference > 0 else "contracts"


def main_view(ranks: Any) -> str:
    """The view "tokens" where most stages have it, and "batch" otherwise."""
    measured = set(ranks["view"])
    with_tokens = ranks[ranks["view"] == "tokens"].stage.nunique()
    is_common = 2 * with_tokens > ranks.stage.nunique() or "batch" not in measured
    return "tokens" if "tokens" in measured and is_common else "batch"


def choose(frame: Any, kind: str, view: str, name: str) -> Any:
    """The lines of `layer_ranks` of one kind and view.

    Raises:
        ValueError: If there are none; the message calls them those of `name`.
    """
    lines = frame[(frame.kind == kind) & (frame["view"] == view)].reset_index(drop=True)
    if lines.empty:
        measured = sorted({*zip(frame.kind, frame["view"], strict=True)})
        raise ValueError(
            f"Expected ranks of {name} of the kind '{kind}' in the view '{view}'. "
            f"Received: only {measured}"
        )
    return lines
