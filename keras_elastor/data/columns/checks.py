"""What the columns of a recipe share: names of source and table, checks of arguments."""

from __future__ import annotations

from typing import Any


class OneSource:
    """What columns share that read one column of the file."""

    name: str
    source: str | None

    @property
    def source_name(self) -> str:
        """Column of the file."""
        return self.source or self.name


class OneTable:
    """What columns share whose ids are rows of an embedding table."""

    name: str
    table: str | None

    @property
    def table_name(self) -> str:
        """Name of the embedding table."""
        return self.table or self.name


def require(condition: bool, column: str, argument: str, value: object, expected: str) -> None:
    """Raise ValueError about an argument of a column unless it is right."""
    if not condition:
        raise ValueError(
            f"Column '{column}': expected `{argument}` to be {expected}. "
            f"Received: {argument}={value!r} (of type {type(value).__name__})"
        )


def is_count(value: object) -> bool:
    """Whether a value is a whole number of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_text(value: object) -> bool:
    """Whether a value is a text that is not empty."""
    return isinstance(value, str) and bool(value)


def check_common(column: Any) -> None:
    """Check name, source, expression and table, where a column has them."""
    require(is_text(column.name), str(column.name), "name", column.name, "a non-empty string")
    for argument in ("source", "expression", "table"):
        value = getattr(column, argument, None)
        require(value is None or is_text(value), column.name, argument, value, "None or a string")


def check_vocabulary(column: Any) -> None:
    """Check `min_count` and `hash_buckets`."""
    check_common(column)
    require(is_count(column.min_count), column.name, "min_count", column.min_count, "at least 1")
    buckets = column.hash_buckets
    is_right = buckets is None or (is_count(buckets) and buckets < 2**31 - 2)
    require(is_right, column.name, "hash_buckets", buckets, "None, or from 1 to 2^31 - 3")
    require(
        buckets is None or column.min_count == 1,
        column.name,
        "min_count",
        column.min_count,
        "1 with `hash_buckets`, which count nothing",
    )
