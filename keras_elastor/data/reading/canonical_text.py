"""One text per value, however a column stores it."""

from __future__ import annotations

from typing import Any, TypeAlias

from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any

# Whole numbers below these are exact; from these on, one float stands for several of them.
_FIRST_INEXACT = {32: 2**24, 64: 2**53}


def first_inexact(values: Series) -> int:
    """The least whole number that a column of floats may have rounded.

    Args:
        values: A polars column of Float32 or Float64.

    Example:

    >>> import polars as pl
    >>> from keras_elastor.data.reading.canonical_text import first_inexact
    >>> first_inexact(pl.Series([1.0])) == 2**53
    True
    """
    pl = import_optional("polars", extra="data")
    return _FIRST_INEXACT[32 if values.dtype == pl.Float32 else 64]


def canonical_text(values: Series) -> tuple[Series, Series]:
    """The text of each value, the same for equal values of all types.

    | value | text |
    |---|---|
    | text, category | itself |
    | integer, float or decimal that is whole | digits: 101, 101.0 and Decimal("101.00") are "101" |
    | other float or decimal | shortest decimal digits: "0.1" |
    | boolean | "True" or "False", as Python and pandas write it |
    | date | ISO 8601: "2024-01-31" |
    | date and time | "2024-01-31 09:30:00", digits of a second as far as there are any; in UTC, with "+00:00", if it has a zone |
    | bytes | decoded as UTF-8 |
    | NaN | none: it is missing |

    Args:
        values: A polars column.

    Returns:
        The texts as a String column, null where there is no value; and marks of values that have
        no text: infinite floats, whole floats too large to be exact, bytes that are not UTF-8, and
        all durations, lists, structs and Python objects.

    Example:

    >>> import polars as pl
    >>> from keras_elastor.data.reading.canonical_text import canonical_text
    >>> [canonical_text(pl.Series(values))[0].to_list() for values in ([101.0, 0.5], [101], [True])]
    [['101', '0.5'], ['101'], ['True']]
    """  # noqa: E501 - the rows of a table do not break
    pl = import_optional("polars", extra="data")
    dtype = values.dtype
    right = pl.repeat(False, len(values), eager=True)
    if dtype.is_float():
        return _text_of_floats(values)
    if dtype.is_decimal():
        texts = values.cast(pl.String)
        whole = texts.str.strip_chars_end("0").str.strip_chars_end(".")
        return texts.zip_with(~texts.str.contains(".", literal=True), whole), right
    if dtype == pl.Boolean:
        return values.cast(pl.String).str.to_titlecase(), right
    if dtype == pl.Datetime:
        return _text_of_instants(values), right
    if dtype == pl.Binary:
        texts = pl.Series([_decoded(value) for value in values], dtype=pl.String)
        return texts, values.is_not_null() & texts.is_null()
    if dtype.is_nested() or dtype in (pl.Duration, pl.Object):
        return pl.Series([None] * len(values), dtype=pl.String), values.is_not_null()
    return values.cast(pl.String), right


def texts_of(values: Series) -> Series:
    """The canonical texts of a column, all of whose values must have one.

    Raises:
        ValueError: If a value has no text; the message names column, row and value.
    """
    texts, bad = canonical_text(values)
    if bad.any():
        row = bad.arg_max()
        raise ValueError(
            f"Column '{values.name}', row {row}: expected a value that has one text, whatever "
            f"stores it. Received: {values[row]!r}"
        )
    return texts


def _text_of_floats(values: Series) -> tuple[Series, Series]:
    pl = import_optional("polars", extra="data")
    values = values.fill_nan(None)
    is_whole = (values.floor() == values).fill_null(False)
    bad = (values.is_infinite() | (is_whole & (values.abs() >= first_inexact(values)))).fill_null(
        False
    )
    whole = values.set(bad | ~is_whole, 0.0).cast(pl.Int64, strict=False)
    texts = values.cast(pl.String).zip_with(~is_whole, whole.cast(pl.String))
    return texts, bad


def _text_of_instants(values: Series) -> Series:
    pl = import_optional("polars", extra="data")
    has_zone = values.dtype.time_zone is not None
    if has_zone:
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    # All units have nine digits at nanoseconds; zeros at the end tell nothing.
    texts = values.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%d %H:%M:%S")
    digits = values.dt.nanosecond().cast(pl.String).str.zfill(9).str.strip_chars_end("0")
    zone = "+00:00" if has_zone else ""
    frame = pl.DataFrame({"text": texts, "digits": digits})
    return frame.select(
        pl.when(pl.col("digits") == "")
        .then(pl.col("text") + zone)
        .otherwise(pl.col("text") + "." + pl.col("digits") + zone)
    ).to_series()


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
