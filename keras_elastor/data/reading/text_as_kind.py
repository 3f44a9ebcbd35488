"""Text as the values of another kind that it tells of, such as "101.0" as the number 101."""

from __future__ import annotations

from typing import Any, TypeAlias

from keras_elastor.data.reading.canonical_text import canonical_text
from keras_elastor.data.reading.value_kinds import BOOLEAN, DATE, INSTANT, NUMBER, ZONED
from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any

EXPECTED = {
    NUMBER: "a finite number, and below 2^53 where it has a point or an exponent: from there on "
    "such text tells of rounded numbers",
    BOOLEAN: "true or false",
    DATE: "a date such as 2026-01-31",
    INSTANT: "a date and time without a time zone, such as 2026-01-31 09:30:00",
    ZONED: "a date and time with a time zone, such as 2026-01-31 09:30:00+01:00",
}
"""What text of each kind should say, for a message."""

_INTEGER = r"^([+-]?)0*(\d+)$"
_WHOLE_FLOAT = r"^\+?(-?)0*(\d+)\.0*$"
_INSTANT = (
    r"^(?<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?<time>\d{2}:\d{2})(?::(?<second>\d{2})(?:[.,](?<digits>\d{1,9}))?)?)?"
    r" ?(?:(?<utc>Z|UTC)|(?<sign>[+-])(?<hours>\d{2}):?(?<minutes>\d{2}))?$"
)


def text_as_kind(texts: Series, kind: str) -> tuple[Series, Series]:
    """The canonical text of the values that texts tell of; see `canonical_text`.

    Files write one value in several ways: 101 and 101.0, True and true, 2026-01-31 12:00:00 and
    2026-01-31T12:00:00.000000.

    Args:
        texts: A polars column of String.
        kind: What they tell of, as `value_kinds` names it; not text.

    Returns:
        The texts, null where the value is missing; and marks of those that no value of the kind
        has. Text that is no number may be a value of its own, though: it stays, and is not marked.

    Example:

    >>> import polars as pl
    >>> from keras_elastor.data.reading.text_as_kind import text_as_kind
    >>> text_as_kind(pl.Series(["101.0", "101", "new"]), "numbers")[0].to_list()
    ['101', '101', 'new']
    """
    pl = import_optional("polars", extra="data")
    texts = texts.str.strip_chars()
    if kind == NUMBER:
        return _as_numbers(texts)
    if kind == BOOLEAN:
        words = texts.str.to_lowercase()
        told = words.str.to_titlecase()
        return told, texts.is_not_null() & ~words.is_in(["true", "false"])
    frame = _parts(texts).with_columns(text=texts)
    is_zoned = pl.col("zone").is_not_null()
    told = pl.col("second_text")
    if kind == DATE:
        right = ~is_zoned & (pl.col("digits") == "") & told.str.ends_with(" 00:00:00")
        told = pl.col("date")
    else:
        right = is_zoned if kind == ZONED else ~is_zoned
        told = told + pl.when(pl.col("digits") != "").then("." + pl.col("digits")).otherwise(
            pl.lit("")
        )
        told += pl.lit("+00:00" if kind == ZONED else "")
    right &= pl.col("second_text").is_not_null()
    columns = frame.select(
        told=pl.when(right).then(told),
        bad=pl.col("text").is_not_null() & ~right.fill_null(False),
    )
    return columns["told"], columns["bad"]


def plain_spelling(texts: Series) -> Series:
    """The canonical text where a text spells a value otherwise, whatever else the column holds.

    This is for values that are hashed: nothing tells later how the training rows spelled them, so
    that 101.0, TRUE and 2026-01-31T12:00 are hashed as 101, True and 2026-01-31 12:00:00 at once.
    Whole numbers with zeros before them, as of "007", and fractions, as of a version "1.10", may be
    codes; they stay.

    Args:
        texts: A polars column of String.

    Example:

    >>> import polars as pl
    >>> from keras_elastor.data.reading.text_as_kind import plain_spelling
    >>> plain_spelling(pl.Series(["101.0", "true", "007", "1.10"])).to_list()
    ['101', 'True', '007', '1.10']
    """
    pl = import_optional("polars", extra="data")
    spelled = texts.str.strip_chars()
    digits = spelled.str.extract(_WHOLE_FLOAT, 1) + spelled.str.extract(_WHOLE_FLOAT, 2)
    plain = digits.replace("-0", "0")
    is_anything = pl.repeat(True, len(texts), eager=True)
    has_time = spelled.str.contains(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:").fill_null(False)
    for kind, may_be in ((BOOLEAN, is_anything), (INSTANT, has_time), (ZONED, has_time)):
        told, bad = text_as_kind(texts, kind)
        nothing = pl.repeat(None, len(texts), dtype=pl.String, eager=True)
        plain = plain.fill_null(told.zip_with(may_be & ~bad, nothing))
    return plain.fill_null(texts)


def _as_numbers(texts: Series) -> tuple[Series, Series]:
    pl = import_optional("polars", extra="data")
    sign, digits = texts.str.extract(_INTEGER, 1), texts.str.extract(_INTEGER, 2)
    is_negative = (sign == "-") & (digits != "0")
    whole = digits.zip_with(~is_negative, "-" + digits)
    floats = texts.cast(pl.Float64, strict=False)
    told, bad = canonical_text(floats)
    told = told.zip_with(floats.is_not_null() & ~bad, texts)
    is_whole = whole.is_not_null()
    return whole.zip_with(is_whole, told), bad & ~is_whole


def _parts(texts: Series) -> Any:
    """The parts of instants, all null where text is none; told in UTC where there is a zone."""
    pl = import_optional("polars", extra="data")
    parts = texts.str.extract_groups(_INSTANT).struct.unnest()
    clock = (
        pl.col("date")
        + " "
        + pl.col("time").fill_null("00:00")
        + ":"
        + pl.col("second").fill_null("00")
    )
    size = pl.col("hours").cast(pl.Int64) * 60 + pl.col("minutes").cast(pl.Int64)
    offset = pl.when(pl.col("sign") == "-").then(-size).otherwise(size).fill_null(0)
    instant = clock.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    instant -= pl.duration(minutes=offset)
    return parts.select(
        "date",
        digits=pl.col("digits").fill_null("").str.strip_chars_end("0"),
        zone=pl.coalesce("utc", "sign"),
        second_text=instant.dt.strftime("%Y-%m-%d %H:%M:%S"),
    )
