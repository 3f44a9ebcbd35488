"""The values of several columns as one: a text per combination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any


def join_values(texts: Sequence[Series], codes: Sequence[np.ndarray]) -> tuple[Series, np.ndarray]:
    """The text of each combination that occurs, made once, and the place of that of each row.

    Args:
        texts: Of each column the distinct values, null where missing.
        codes: Of each column the place of each row's value, `(rows,)`.
    """
    pl = import_optional("polars", extra="data")
    _, first, places = np.unique(
        combined_codes(codes, [len(text) for text in texts]),
        return_index=True,
        return_inverse=True,
    )
    names = [str(number) for number in range(len(texts))]
    parts = {
        name: text.gather(code[first]) for name, text, code in zip(names, texts, codes, strict=True)
    }
    escaped = [pl.col(name).str.replace_all(r"([\\|])", r"\${1}") for name in names]
    joined = pl.DataFrame(parts).select(pl.concat_str(escaped, separator="|")).to_series()
    return joined, places


def combined_codes(codes: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    """One number per row for the combination of its codes, equal where all codes are.

    Args:
        codes: `(rows,)` of each column, below its size.
        sizes: Of each column.
    """
    combined = np.zeros(len(codes[0]), np.int64)
    count = 1
    for code, size in zip(codes, sizes, strict=True):
        if count * max(size, 1) >= 2**62:
            _, combined = np.unique(combined, return_inverse=True)
            count = int(combined.max(initial=0)) + 1
        combined, count = combined * size + code, count * max(size, 1)
    return combined
