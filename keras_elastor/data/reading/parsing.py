"""Stored values as the text or the numbers that a column of a recipe asks for."""

from __future__ import annotations

from typing import Any, TypeAlias

from keras_elastor.data.reading.canonical_text import canonical_text, first_inexact
from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any

_EXPECTED = {"string": "text", "integer": "a whole number", "float": "a finite number"}


def expected_values(dtype: str, wrong: Series) -> str:
    """What wrong values should have been, for a message."""
    pl = import_optional("polars", extra="data")
    if dtype == "integer" and wrong.dtype == pl.UInt64:
        return "a whole number below 2^63; a column of dtype 'string' takes larger ones"
    if dtype != "float" and wrong.dtype.is_float():
        limit = first_inexact(wrong)
        if (wrong.abs() >= limit).any():
            return f"a number below {limit}: from there on its column of floats is rounded"
        return _EXPECTED["integer" if dtype == "integer" else "float"]
    return _EXPECTED[dtype]


def is_stored_text(values: Series) -> bool:
    """Whether a polars column holds written values: strings, categories or bytes."""
    pl = import_optional("polars", extra="data")
    return values.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Binary)


def parse_values(raw: Series, dtype: str) -> tuple[Series, Series]:
    """A column as String, Int64 or Float64, null where empty, and marks of unusable values."""
    pl = import_optional("polars", extra="data")
    if dtype == "string":
        return canonical_text(raw)
    given = raw.is_not_null()
    if dtype == "integer" and raw.dtype != pl.Boolean:
        if raw.dtype.is_nested() or raw.dtype == pl.Binary:
            return pl.Series([None] * len(raw), dtype=pl.Int64), given
        numbers = raw.cast(pl.Int64, strict=False)
        if raw.dtype.is_decimal():
            return numbers, given & ~(numbers.cast(raw.dtype, strict=False) == raw).fill_null(False)
        bad = given & (numbers.is_null() | (raw.dtype.is_float()))
        if not bad.any():
            return numbers, bad
        # Tables with missing values often write whole numbers as 12.0.
        floats = raw.cast(pl.Float64, strict=False)
        exact = floats.abs() < first_inexact(raw if raw.dtype.is_float() else floats)
        whole = ((floats.floor() == floats) & exact).fill_null(False) & bad
        return numbers.set(bad, None).zip_with(~whole, floats.set(~whole, 0.0).cast(pl.Int64)), (
            bad & ~whole
        )
    if raw.dtype.is_nested() or raw.dtype == pl.Binary:
        return pl.Series([None] * len(raw), dtype=pl.Float64), given
    numbers = raw.cast(pl.Float64, strict=False)
    if dtype == "integer":
        numbers = numbers.cast(pl.Int64)
        return numbers, given & numbers.is_null()
    return numbers, given & ~numbers.is_finite().fill_null(False)
