"""Rows for training, validation and test, from one table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.reading.canonical_text import texts_of
from keras_elastor.data.reading.raw_rows import Rows, to_polars
from keras_elastor.data.reading.stable_hash import stable_hash

DataFrame: TypeAlias = Any

_BY = ("random", "time", "user")


def train_test_split(
    rows: Rows,
    test_size: float = 0.2,
    by: str = "random",
    column: str | None = None,
    seed: int = 0,
) -> tuple[DataFrame, DataFrame]:
    """Split a table into rows for training and for test.

    | by | the test rows are | it tells how well the model does |
    |---|---|---|
    | "random" | drawn at random | on more rows of the same days and users |
    | "time" | the last ones by `column` | on the days to come, as in production |
    | "user" | all rows of some values of `column` | on users that it has never seen |

    Args:
        rows: A pandas or polars DataFrame, an Arrow table, a list of one dict per row, or a dict of
            one list per column.
        test_size: Share of the rows, or of the values of `column`, for test; as near as whole rows
            and values come to it. Default: 0.2.
        by: One of the table above. Default: "random".
        column: Column of the time or of the user.
        seed: Draws other rows or users. Default: 0.

    Returns:
        Two tables, pandas where pandas was given and polars otherwise, whose rows stay in order.
        Rows of one instant, or of one user, are never on both sides.

    Example:

    >>> rows = {"day": [3, 1, 2, 3], "click": [0, 1, 1, 0]}
    >>> train, test = ke.data.train_test_split(rows, test_size=0.5, by="time", column="day")
    >>> train["day"].to_list(), test["day"].to_list()
    ([1, 2], [3, 3])

    Raises:
        ValueError: If an argument is out of range, there is no such column, a value of it is
            missing, or a side would be empty.
    """
    train, test = split_rows(rows, (1 - test_size, test_size), by, column, seed)
    return train, test


def split_by_time(
    rows: Rows, column: str, sizes: Sequence[float] = (0.8, 0.1, 0.1)
) -> tuple[DataFrame, ...]:
    """Split a table by time: the first rows for training, the next for validation and for test.

    Args:
        rows: As for `train_test_split`.
        column: Column of the time: numbers, dates or instants, or text that sorts as they do.
        sizes: Share of the rows in each part; they add up to 1. Default: (0.8, 0.1, 0.1).

    Returns:
        A table for each size, as `train_test_split` gives them. Rows of one instant are in one
        part.

    Example:

    >>> rows = {"day": [1, 2, 3, 4], "click": [0, 1, 1, 0]}
    >>> [part["day"].to_list() for part in ke.data.split_by_time(rows, "day", (0.5, 0.25, 0.25))]
    [[1, 2], [3], [4]]

    Raises:
        ValueError: As for `train_test_split`.
    """
    return split_rows(rows, sizes, "time", column)


def split_rows(
    rows: Rows, sizes: Sequence[float], by: str, column: str | None = None, seed: int = 0
) -> tuple[DataFrame, ...]:
    """As many parts of a table as there are sizes; see `train_test_split`."""
    if by not in _BY:
        raise ValueError(f"Expected by=one of {', '.join(_BY)}. Received: by={by!r}")
    if len(sizes) < 2 or min(sizes) <= 0 or abs(sum(sizes) - 1) > 1e-6:
        raise ValueError(
            "Expected shares of the rows above 0 that add up to 1, such as a test_size of 0.2. "
            f"Received: {', '.join(f'{size:g}' for size in sizes)}"
        )
    frame = to_polars(rows)
    if by == "random":
        places = np.random.default_rng(seed).permutation(len(frame))
    elif column is None:
        raise ValueError(f"Expected `column`, the column of the {by}, with by={by!r}")
    else:
        keys = _keys(frame, by, column)
        places = _ranks(keys) if by == "time" else _hashes(keys, seed)
    part_of = _parts(places, sizes)
    found = np.bincount(part_of, minlength=len(sizes))
    if not found.all():
        raise ValueError(
            f"Expected enough rows, or different values of '{column}', for parts of the sizes "
            f"{', '.join(f'{size:g}' for size in sizes)}. Received: {len(frame)} rows, "
            f"{len(np.unique(places))} different; parts of {', '.join(map(str, found))} rows"
        )
    return tuple(_take(rows, frame, part_of == part) for part in range(len(sizes)))


def _keys(frame: DataFrame, by: str, column: str) -> Any:
    if column not in frame.columns:
        raise ValueError(
            f"There is no column '{column}'. The columns are: {', '.join(frame.columns)}"
        )
    keys = frame[column]
    missing = keys.is_null() | (keys.is_nan() if keys.dtype.is_float() else False)
    if missing.any():
        raise ValueError(
            f"Column '{column}', row {missing.arg_max()}: expected a {by}. Received: an empty "
            "field. Fill it, or leave the row out"
        )
    return keys


def _ranks(keys: Any) -> np.ndarray:
    ranks: np.ndarray = keys.rank("dense").to_numpy()
    return ranks


def _hashes(keys: Any, seed: int) -> np.ndarray:
    """A number for each user, which every table that has the user would give it."""
    return stable_hash(texts_of(keys) + f"\0{seed}")


def _parts(places: np.ndarray, sizes: Sequence[float]) -> np.ndarray:
    """The part of each row: parts follow each other by place, equal places stay together."""
    ordered, counts = np.unique(places, return_counts=True)
    # A value belongs where the middle of its rows lies.
    middles = (np.cumsum(counts) - counts / 2) / len(places)
    ends = np.fromiter(itertools.accumulate(sizes), float)[:-1]
    parts = np.searchsorted(ends, middles, side="right")
    return parts[np.searchsorted(ordered, places)]


def _take(rows: Rows, frame: DataFrame, chosen: np.ndarray) -> DataFrame:
    if type(rows).__module__.partition(".")[0] == "pandas":
        return rows[chosen]
    return frame.filter(chosen)
