"""The values of several columns as one: a text per combination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.reading.text_as_kind import text_as_kind
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
    return _joined(pl.DataFrame(parts)), places


def split_combination(text: str) -> tuple[str, ...]:
    r"""The texts that `join_values` has joined.

    Example:

    >>> from keras_elastor.data.reading.crossed_values import split_combination
    >>> split_combination(r"a\|b|c\\")
    ('a|b', 'c\\')
    """
    parts, part, letters = [], "", iter(text)
    for letter in letters:
        if letter == "|":
            parts.append(part)
            part = ""
        else:
            part += next(letters, "") if letter == "\\" else letter
    return (*parts, part)


def combinations_as_kinds(
    texts: Series, kinds: Sequence[str | None], fill: str | None
) -> tuple[Series, Series]:
    """Combinations whose parts are told as other kinds, as `text_as_kind` tells them.

    Args:
        texts: What `join_values` joined, a polars column of String.
        kinds: For each part what its text tells of; None where it stays.
        fill: The text of a missing part, which stays; None without.

    Returns:
        The combinations, and marks of those with a part that no value of its kind has.
    """
    pl = import_optional("polars", extra="data")
    names = [str(number) for number in range(len(kinds))]
    schema = dict.fromkeys(names, pl.String)
    frame = pl.DataFrame([split_combination(text) for text in texts], schema, orient="row")
    bad = pl.repeat(False, len(texts), eager=True)
    for name, kind in zip(names, kinds, strict=True):
        if kind is None:
            continue
        stays = (
            (frame[name] == fill) if fill is not None else pl.repeat(False, len(bad), eager=True)
        )
        told, wrong = text_as_kind(frame[name], kind)
        frame = frame.with_columns(frame[name].zip_with(stays, told).alias(name))
        bad |= wrong & ~stays
    return _joined(frame), bad


def _joined(parts: Any) -> Series:
    """One text per row of a frame of texts; null where one of them is."""
    pl = import_optional("polars", extra="data")
    escaped = [pl.col(name).str.replace_all(r"([\\|])", r"\${1}") for name in parts.columns]
    return parts.select(pl.concat_str(escaped, separator="|")).to_series()


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
