"""Ids of an open vocabulary: a bucket for each value, by a hash of its text."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.reading.stable_hash import stable_hash
from keras_elastor.data.vocabularies.vocabulary import Vocabulary

Series: TypeAlias = Any
DataFrame: TypeAlias = Any


@dataclasses.dataclass(frozen=True)
class HashBuckets(Vocabulary):
    """A vocabulary that knows every value, and counts none: values share the ids of buckets.

    | id | stands for |
    |---|---|
    | 0 | padding |
    | 1 to `buckets` | values, by 1 + hash(text) mod `buckets` |
    | `buckets` + 1, the last | a missing value; no value is out-of-vocabulary |

    The hash is BLAKE2b of the value's UTF-8 text, 8 bytes long, little-endian (RFC 7693): the same
    on every machine, in every version and on every backend. An integer has the id of its digits.
    Nothing tells later how the training rows spelled a value. A preprocessor therefore hashes text
    in its plain spelling: "101.0" as "101", "true" as "True", and "2026-01-31T12:00" as
    "2026-01-31 12:00:00".

    Args:
        buckets: Number of buckets. With as many buckets as values, a value meets another one in its
            bucket with a probability of 63 %, with ten times as many, of 10 %.

    Example:

    >>> import polars as pl
    >>> buckets = ke.data.HashBuckets(1000)
    >>> buckets.size
    1002
    >>> buckets.encode(pl.Series(["item", "7", None])).tolist()
    [37, 256, 1001]

    Raises:
        ValueError: If the number is below 1.
    """

    values: tuple[str, ...] = dataclasses.field(default=(), init=False, repr=False)
    buckets: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.buckets, int) or not 1 <= self.buckets < 2**31 - 2:
            raise ValueError(
                f"HashBuckets: expected `buckets` from 1 to 2^31 - 3. Received: {self.buckets!r}"
            )

    @property
    def size(self) -> int:
        """Number of ids, those of padding and of missing values included."""
        return self.buckets + 2

    def extend(self, *columns: Series, min_count: int = 1) -> Vocabulary:
        """Itself, as every value has a bucket."""
        return self

    def extend_by_counts(self, *counts: DataFrame, min_count: int = 1) -> Vocabulary:
        """Itself, as every value has a bucket."""
        return self

    def _lookup(self, values: Series) -> np.ndarray:
        ids = (stable_hash(values) % np.uint64(self.buckets)).astype(np.int32) + np.int32(1)
        missing = values.is_null().to_numpy()
        return np.where(missing, self.out_of_vocabulary, ids).astype(np.int32)

    def get_config(self) -> dict[str, Any]:
        """Plain values from which `vocabulary_from_config` makes an equal vocabulary."""
        return {"hash_buckets": self.buckets}

    def _is_plain_text(self) -> bool:
        return False


def vocabulary_from_config(config: dict[str, Any]) -> Vocabulary:
    """The vocabulary, or the buckets, of `get_config`'s values.

    Raises:
        ValueError: If a key is missing or unknown, or a value is wrong.
    """
    if isinstance(config, dict) and set(config) == {"hash_buckets"}:
        return HashBuckets(config["hash_buckets"])
    return Vocabulary.from_config(config)
