"""From the values of a column to ids."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.optional import import_optional

Series: TypeAlias = Any

PADDING = 0


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The known values of a column and their ids.

    Id 0 is padding, ids 1 to n are the known values by falling frequency (equally frequent ones in
    the order of the values), and the last id, n + 1, stands for every other value. A missing value
    is out-of-vocabulary in a column of single values and padding in a column of lists.

    Build it from training rows only: a value that only occurs later is then unknown, as it will be
    in production.

    Args:
        values: the known values, all integers or all strings; `values[0]` has id 1.
        min_count: how often a value had to occur to become known.

    Example:

    >>> import polars as pl
    >>> vocabulary = ke.data.Vocabulary.build(pl.Series(["b", "a", "b", "c", None]))
    >>> vocabulary.values
    ('b', 'a', 'c')
    >>> vocabulary.size
    5
    >>> vocabulary.encode(pl.Series(["a", "z", None])).tolist()
    [2, 4, 4]
    >>> vocabulary.encode_lists(pl.Series([["b", "z"], ["a", "b", "c"]]), max_length=2).tolist()
    [[1, 4], [1, 3]]

    Raises:
        ValueError: a value occurs twice, is neither integer nor string, or differs in kind from
            the first one; or `min_count` is below 1.
    """

    values: tuple[int, ...] | tuple[str, ...]
    min_count: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not isinstance(self.min_count, int) or self.min_count < 1:
            raise ValueError(
                "Expected `min_count` to be an integer of at least 1. "
                f"Received: min_count={self.min_count!r}"
            )
        kinds = {type(value) for value in self.values}
        if not (kinds <= {int} or kinds <= {str}):
            raise ValueError(
                "A Vocabulary holds integers or strings, not both and nothing else. "
                f"Received values of: {', '.join(sorted(kind.__name__ for kind in kinds))}"
            )
        if len(set(self.values)) < len(self.values):
            raise ValueError("A Vocabulary holds every value once. Received one more often")

    @classmethod
    def build(cls, *columns: Series, min_count: int = 1) -> Vocabulary:
        """Count the values of one or more polars columns.

        Args:
            *columns: columns of single values or of lists, all of integers or all of strings. More
                than one column shares the vocabulary, such as an item and the history of items.
            min_count: values that occur less often, over all columns together, stay unknown.

        Returns:
            The vocabulary of the values that occur often enough.

        Raises:
            ValueError: the columns are neither integers nor strings.
        """
        pl = import_optional("polars", extra="data")
        counts = (
            pl.concat([_single_values(column).alias("value") for column in columns])
            .drop_nulls()
            .to_frame()
            .group_by("value")
            .len("count")
            .filter(pl.col("count") >= min_count)
            .sort("count", "value", descending=[True, False])
        )
        return cls(tuple(counts["value"].to_list()), min_count)

    @property
    def size(self) -> int:
        """Number of ids, padding and out-of-vocabulary included."""
        return len(self.values) + 2

    @property
    def out_of_vocabulary(self) -> int:
        """The id of every value that is not known."""
        return self.size - 1

    def encode(self, column: Series) -> np.ndarray:
        """Ids of a polars column of single values.

        Args:
            column: `(rows,)`, of the kind of the vocabulary's values. Nulls are unknown values.

        Returns:
            `(rows,)`, int32.

        Raises:
            ValueError: the column holds another kind of values than the vocabulary.
        """
        ids: np.ndarray = self._lookup(column).fill_null(self.out_of_vocabulary).to_numpy()
        return ids

    def encode_lists(self, column: Series, max_length: int) -> np.ndarray:
        """Ids of a polars column of lists, cut and padded to one length.

        Args:
            column: `(rows,)` lists of the kind of the vocabulary's values. Nulls inside a list
                become padding, a null instead of a list becomes an empty one.
            max_length: of longer lists the last `max_length` elements are kept.

        Returns:
            `(rows, max_length)`, int32: the ids of each list in order, then zeros.

        Raises:
            ValueError: the column is none of lists, or of another kind of values than the
                vocabulary.
        """
        pl = import_optional("polars", extra="data")
        if not isinstance(column.dtype, pl.List):
            raise ValueError(f"Expected a column of lists. Received: dtype={column.dtype}")
        last = column.list.tail(max_length)
        lengths = last.list.len().fill_null(0).to_numpy().astype(np.int64)
        elements = last.filter(last.list.len() > 0).explode()
        ids = np.full((len(column), max_length), PADDING, dtype=np.int32)
        ids[np.arange(max_length) < lengths[:, None]] = (
            self._lookup(elements).fill_null(PADDING).to_numpy()
        )
        return ids

    def _lookup(self, column: Series) -> Series:
        """Ids of single values as an Int32 series, null where the column is null."""
        pl = import_optional("polars", extra="data")
        values = _single_values(column)
        if not self.values or values.dtype == pl.Null:
            ids = pl.repeat(self.out_of_vocabulary, len(values), dtype=pl.Int32, eager=True)
        elif values.dtype != self._known.dtype:
            raise ValueError(
                f"Column '{column.name}': expected values of the type {self._known.dtype}, as in "
                f"the vocabulary. Received: {column.dtype}"
            )
        else:
            ids = values.replace_strict(
                self._known,
                pl.int_range(1, self.out_of_vocabulary, dtype=pl.Int32, eager=True),
                default=self.out_of_vocabulary,
                return_dtype=pl.Int32,
            )
        return ids.set(values.is_null(), None)

    @functools.cached_property
    def _known(self) -> Series:
        return import_optional("polars", extra="data").Series(self.values)

    def get_config(self) -> dict[str, Any]:
        """Plain values from which `from_config` makes an equal vocabulary."""
        return {"values": list(self.values), "min_count": self.min_count}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Vocabulary:
        """Make a vocabulary from `get_config`'s values.

        Raises:
            ValueError: a key is missing or unknown, or a value is wrong.
        """
        if set(config) != {"values", "min_count"}:
            raise ValueError(
                "Expected a vocabulary with the keys ['min_count', 'values']. "
                f"Received: {sorted(config)}"
            )
        return cls(tuple(config["values"]), config["min_count"])


def _single_values(column: Series) -> Series:
    """The values of a column, of lists or not, as Int64, String or, where all are null, Null."""
    pl = import_optional("polars", extra="data")
    values = column.explode() if isinstance(column.dtype, pl.List) else column
    if values.dtype.is_integer():
        return values.cast(pl.Int64)
    if values.dtype not in (pl.String, pl.Null):
        raise ValueError(
            f"Column '{column.name}': a vocabulary holds integers or strings. "
            f"Received: dtype={column.dtype}. Cast the column first"
        )
    return values
