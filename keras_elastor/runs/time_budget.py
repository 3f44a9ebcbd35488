"""How long something may take, as people write it."""

from __future__ import annotations

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def seconds_of(budget: float | str) -> float:
    """Seconds of a number of seconds or a text such as "90", "90s", "10m" or "1h30m".

    Example:

    >>> from keras_elastor.runs.time_budget import seconds_of
    >>> seconds_of("10m"), seconds_of("1h30m"), seconds_of(90)
    (600.0, 5400.0, 90.0)

    Raises:
        ValueError: If it is neither, or not above 0.
    """
    text = str(budget).strip()
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", text)
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        parts = [(text, "s")]
    elif "".join(number + unit for number, unit in parts) != text:
        parts = []
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not seconds > 0:
        raise ValueError(
            'Expected a time such as 90 (seconds), "90s", "10m" or "1h30m", above 0. '
            f"Received: {budget!r}"
        )
    return seconds
