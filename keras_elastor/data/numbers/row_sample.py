"""A sample of the training rows that does not depend on the parts in which they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any
Table: TypeAlias = Any

SAMPLE_ROWS = 2**17
"""Rows that transforms of numbers are fitted on: all rows of a smaller table."""

_KEY = "/key"
# Rows of one file may be this many before two files share keys.
_ROWS_PER_FILE = 2**40


def draw_sample(rows: Table, names: Sequence[str], file: int = 0, first_row: int = 0) -> DataFrame:
    """The rows of one part that may belong to the sample of all parts.

    Each row has a key, a hash of its file and number. The sample are the rows of the smallest keys,
    so it is the same however the rows are cut into parts, and in whatever order these arrive.

    Args:
        rows: An Arrow table of float32 columns.
        names: The columns to keep.
        file: Number of the file that the rows come from.
        first_row: Number of the first row in its file.
    """
    pl = import_optional("polars", extra="data")
    first = file * _ROWS_PER_FILE + first_row
    keys = _hash(np.arange(first, first + len(rows), dtype=np.uint64))
    kept = np.arange(len(rows))
    if len(rows) > SAMPLE_ROWS:
        kept = np.argpartition(keys, SAMPLE_ROWS)[:SAMPLE_ROWS]
    columns = {name: rows[name].to_numpy()[kept] for name in names}
    return pl.DataFrame({_KEY: keys[kept], **columns})


def merge_samples(parts: Iterable[DataFrame]) -> DataFrame:
    """The sample of several parts, of what `draw_sample` or this function gave for each."""
    pl = import_optional("polars", extra="data")
    return pl.concat(parts).sort(_KEY).head(SAMPLE_ROWS)


def is_sample(frame: DataFrame) -> bool:
    """Whether a frame is a sample of rows."""
    return _KEY in frame.columns


def _hash(numbers: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele et al. 2014), one to one on 64 bits."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    hashed: np.ndarray = numbers ^ (numbers >> np.uint64(31))
    return hashed
