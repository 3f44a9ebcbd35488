"""From the values of a column to ids."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.prepared import storage
from keras_elastor.data.reading.canonical_text import first_inexact, texts_of
from keras_elastor.data.reading.short_text import with_text
from keras_elastor.data.vocabularies.value_index import ValueIndex
from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any
DataFrame: TypeAlias = Any

PADDING = 0
SIDES = ("pre", "post")


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The known values of a column and their ids, by the rules of FuxiCTR.

    Id 0 is padding, ids 1 to n are the known values by falling frequency (equally frequent ones in
    the order of the values: numbers by size, strings by code points), and the last id, n + 1,
    stands for every other value. A missing value is out-of-vocabulary in a column of single values
    and padding in a column of lists.

    Build it from training rows only: a value that only occurs later is then unknown, as it will be
    in production.

    Args:
        values: The known values, all integers or all strings; `values[0]` has id 1.

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
        ValueError: If a value occurs twice, is neither integer nor string, or differs in kind from
            the first one.

    References:
        FuxiCTR 2.3.1, fuxictr/preprocess/tokenizer.py. Later versions give numbers their ids by
        size instead (2.3.10) or leave the order of equally frequent values to chance.
    """

    values: tuple[int, ...] | tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        _require_one_kind(set(map(type, self.values)))
        if len(set(self.values)) < len(self.values):
            raise ValueError("A Vocabulary holds every value once. Received one more often")

    @classmethod
    def _of_column(cls, known: Series) -> Vocabulary:
        """Of values that are known to be right: checking millions takes longer than using them."""
        vocabulary = cls.__new__(cls)
        vars(vocabulary).update(_known=known, _index=ValueIndex(known))
        return vocabulary

    def __getattr__(self, name: str) -> Any:
        # Millions of values as Python's strings take several times the memory of the column.
        if name == "values" and "_known" in vars(self):
            vars(self)["values"] = tuple(self._known.to_list())
            return self.values
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @classmethod
    def build(cls, *columns: Series, min_count: int = 1) -> Vocabulary:
        """Count the values of one or more polars columns.

        Args:
            *columns: columns of single values or of lists, all of integers or all of strings. More
                than one column shares the vocabulary, such as an item and the history of items:
                the values of the first column come first, then what each next one adds.
            min_count: A value that occurs less often in a column does not become known by it.

        Returns:
            The vocabulary of the values that occur often enough.

        Raises:
            ValueError: If a value is no integer of 64 bits and has no text, or `min_count` is below
                1.
        """
        return cls(()).extend(*columns, min_count=min_count)

    def extend(self, *columns: Series, min_count: int = 1) -> Vocabulary:
        """A vocabulary that also knows the values of further columns.

        Every known value keeps its id. New values follow by falling frequency, column after column,
        and out-of-vocabulary moves to the new last id, so that a model which was trained with the
        old ids needs one more embedding row per new value, inserted before the last one.

        Args:
            *columns: as for `build`.
            min_count: As for `build`.

        Raises:
            ValueError: As for `build`; or a column is of another kind than the known values.
        """
        return self.extend_by_counts(
            *(count_values(column) for column in columns), min_count=min_count
        )

    def extend_by_counts(self, *counts: DataFrame, min_count: int = 1) -> Vocabulary:
        """As `extend`, from polars frames of the columns `value` and `count`.

        Args:
            *counts: the values are integers, text, or keys of text (`short_text`), UInt64.
            min_count: As for `build`.
        """
        pl = import_optional("polars", extra="data")
        if not isinstance(min_count, int) or min_count < 1:
            raise ValueError(
                "Expected `min_count` to be an integer of at least 1. "
                f"Received: min_count={min_count!r}"
            )
        columns = [self._known] if len(self._known) else []
        for frame in counts:
            often = frame.drop_nulls("value").filter(pl.col("count") >= min_count)
            # Most values share few counts: sorted inside these, which is faster than by both.
            often = often.group_by("count").agg(pl.col("value").sort())
            new = with_text(often.sort("count", descending=True).explode("value"))["value"]
            for known in columns if len(new) else []:
                _require_one_kind({int if it.dtype.is_integer() else str for it in (known, new)})
                new = new.filter(~new.is_in(known.implode()))
            columns += [new] if len(new) else []
        return Vocabulary._of_column(pl.concat(columns)) if columns else self

    @property
    def size(self) -> int:
        """Number of ids, padding and out-of-vocabulary included."""
        return (len(self.values) if "values" in vars(self) else len(self._known)) + 2

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
            ValueError: If a value is no integer, where the vocabulary holds integers.
        """
        return self._lookup(single_values(column))

    def encode_lists(
        self, column: Series, max_length: int, padding: str = "post", truncation: str = "pre"
    ) -> np.ndarray:
        """Ids of a polars column of lists, cut and padded to one length.

        Args:
            column: `(rows,)` lists of the kind of the vocabulary's values. Nulls inside a list
                become padding, a null instead of a list becomes an empty one.
            max_length: Positions of the result.
            padding: Side of the zeros: "pre" before the values, "post" (default) behind them.
            truncation: Side that a longer list loses: "pre" (default) keeps its last values,
                "post" its first ones.

        Returns:
            `(rows, max_length)`, int32.

        Raises:
            ValueError: If the column is none of lists, or of another kind of values than the
                vocabulary; or a side is unknown.
        """
        pl = import_optional("polars", extra="data")
        if not isinstance(column.dtype, pl.List):
            raise ValueError(f"Expected a column of lists. Received: dtype={column.dtype}")
        lengths = column.list.len().fill_null(0).to_numpy()
        values = single_values(column.filter(lengths > 0))
        ids = np.where(values.is_null().to_numpy(), PADDING, self._lookup(values))
        return pad_lists(ids, lengths, max_length, padding, truncation)

    def _lookup(self, values: Series) -> np.ndarray:
        """Ids of single values, `(rows,)` int32; that of unknown values where one is null."""
        pl = import_optional("polars", extra="data")
        if not len(self._known) or values.dtype == pl.Null:
            return np.full(len(values), self.out_of_vocabulary, np.int32)
        if values.dtype != self._known.dtype:
            values = self._of_one_kind(values)
        found = self._index.find(values)
        # A hash may also be that of another value: only equal values have its id.
        equal = (self._known.gather(found) == values).fill_null(False).to_numpy()
        ids: np.ndarray = np.where(equal, found + 1, self.out_of_vocabulary).astype(np.int32)
        return ids

    def _of_one_kind(self, values: Series) -> Series:
        """Integers as text, or text as integers, as the known values are."""
        pl = import_optional("polars", extra="data")
        if self._known.dtype == pl.String:
            return texts_of(values)
        numbers = values.cast(pl.Int64, strict=False)
        wrong = numbers.is_null() & values.is_not_null()
        if wrong.any():
            raise ValueError(
                f"Column '{values.name}': expected integers, as in the vocabulary. Received: "
                f"{values.filter(wrong)[0]!r}"
            )
        return numbers

    @functools.cached_property
    def _known(self) -> Series:
        return import_optional("polars", extra="data").Series(self.values)

    @functools.cached_property
    def _index(self) -> ValueIndex:
        return ValueIndex(self._known)

    def get_config(self) -> dict[str, Any]:
        """Plain values from which `from_config` makes an equal vocabulary."""
        return {"values": list(self.values)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Vocabulary:
        """Make a vocabulary from `get_config`'s values.

        Raises:
            ValueError: If a key is missing or unknown, or a value is wrong.
        """
        if not isinstance(config, dict) or set(config) != {"values"}:
            received = sorted(config) if isinstance(config, dict) else repr(config)
            raise ValueError(f"Expected a vocabulary with the key 'values'. Received: {received}")
        return cls(tuple(config["values"]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the vocabulary as JSON with one value per line, in the order of the ids."""
        if self._is_plain_text():
            text = '{"values": ["' + self._known.str.join('",\n"').item() + '"]}'
        else:
            text = json.dumps(self.get_config(), separators=(",\n", ": "), ensure_ascii=False)
        storage.write_bytes(path, f"{text}\n".encode())

    def _is_plain_text(self) -> bool:
        """Whether JSON writes the values as they are, which is then done at once for all.

        `benchmarks/own_code.py` has it beside `json.dumps`.
        """
        is_text = self._known.dtype == import_optional("polars", extra="data").String
        return is_text and not self._known.str.contains(r'["\\\x00-\x1f]').any()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read what `save` wrote.

        Raises:
            ValueError: If the file is no JSON or no vocabulary; the message names it.
        """
        try:
            return cls.from_config(json.loads(storage.read_bytes(path)))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def pad_lists(
    ids: np.ndarray, lengths: np.ndarray, max_length: int, padding: str, truncation: str
) -> np.ndarray:
    """Lists of ids, cut and padded to one length, as `Vocabulary.encode_lists` says.

    `keras.utils.pad_sequences` takes a Python list of lists; `benchmarks/own_code.py` has both.

    Args:
        ids: The elements of all lists, one list after the other.
        lengths: `(rows,)`, of the lists.
        max_length: Positions of the result.
        padding: Side of the zeros.
        truncation: Side that a longer list loses.

    Returns:
        `(rows, max_length)`, int32.

    Raises:
        ValueError: If a side is unknown.
    """
    if padding not in SIDES or truncation not in SIDES:
        raise ValueError(
            "Expected `padding` and `truncation` to be 'pre' or 'post'. "
            f"Received: padding={padding!r}, truncation={truncation!r}"
        )
    lengths = lengths.astype(np.int64)[:, None]
    kept, ends = np.minimum(lengths, max_length), np.cumsum(lengths)[:, None]
    first = ends - kept if truncation == "pre" else ends - lengths
    place = np.arange(max_length) - (max_length - kept if padding == "pre" else 0)
    is_value = (place >= 0) & (place < kept)
    padded = np.full((len(lengths), max_length), PADDING, dtype=np.int32)
    padded[is_value] = ids[(first + place)[is_value]]
    return padded


def _require_one_kind(kinds: set[type]) -> None:
    if not (kinds <= {int} or kinds <= {str}):
        raise ValueError(
            "A Vocabulary holds integers or strings, not both and nothing else. "
            f"Received values of: {', '.join(sorted(kind.__name__ for kind in kinds))}"
        )


def count_values(column: Series) -> DataFrame:
    """How often each value of a polars column occurs.

    Args:
        column: Single values or lists, of integers or strings.

    Returns:
        A frame of the columns `value` (Int64 or String) and `count`, without nulls, in any order.
    """
    values = single_values(column).alias("value").to_frame()
    return values.lazy().drop_nulls().group_by("value").len("count").collect()


def single_values(column: Series) -> Series:
    """The values of a column, of lists or not, as Int64, String or, where all are null, Null.

    Whole numbers in a column of floats, as pandas keeps integers beside missing values, are
    integers; what is neither integer nor text becomes its canonical text.

    Raises:
        ValueError: If a value is no integer of 64 bits and has no text.
    """
    pl = import_optional("polars", extra="data")
    values = column.explode() if isinstance(column.dtype, pl.List) else column
    if values.dtype in (pl.String, pl.Null):
        return values
    if values.dtype.is_float():
        values = values.fill_nan(None)
        exact = values.abs() < first_inexact(values)
        if ((values.floor() == values) & exact).fill_null(True).all():
            return values.cast(pl.Int64)
    if not values.dtype.is_integer():
        return texts_of(values)
    numbers = values.cast(pl.Int64, strict=False)
    if numbers.null_count() > values.null_count():
        raise ValueError(
            f"Column '{column.name}': expected whole numbers below 2^63. Received: "
            f"{values.max()}. Cast the column to text"
        )
    return numbers
