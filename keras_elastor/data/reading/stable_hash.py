"""A hash of text that is the same on all machines, in all versions and for ever."""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any

_BYTES = 8


def stable_hash(values: Series) -> np.ndarray:
    """A number of 64 bits for each text: BLAKE2b of its UTF-8 bytes, 8 bytes long, little-endian.

    Args:
        values: A polars column of texts, or of integers, which stand for their digits.

    Returns:
        `(rows,)` uint64; that of an empty text where there is no value.

    Example:

    >>> import polars as pl
    >>> from keras_elastor.data.reading.stable_hash import stable_hash
    >>> [f"{number:016x}" for number in stable_hash(pl.Series(["item", "7"]))]
    ['d8f8d8ff3cab8a84', '828f78ceca1750e7']
    >>> bool((stable_hash(pl.Series([7])) == stable_hash(pl.Series(["7"]))).all())
    True

    Reference: RFC 7693, The BLAKE2 Cryptographic Hash and Message Authentication Code.
    """
    pl = import_optional("polars", extra="data")
    texts = values.cast(pl.String).fill_null("").to_list()
    digests = [hashlib.blake2b(text.encode(), digest_size=_BYTES).digest() for text in texts]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
