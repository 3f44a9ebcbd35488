"""From stored dates and times to local instants, and to their parts."""

from __future__ import annotations

from typing import Any, TypeAlias

from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""How many of each unit are a second."""

# Years that a number of another unit, or another number, would hardly give.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


def parse_instants(
    values: Series, timezone: str | None, unit: str | None
) -> tuple[Series, Series, str]:
    """A column of dates and times as instants without a zone, told in one zone.

    Args:
        values: A polars column of dates, instants, text or numbers.
        timezone: Zone to tell the instants in; those without a zone are taken to be in UTC. None
            leaves those as they are, and tells the others in UTC.
        unit: Unit of numbers, counted from 1970-01-01 in UTC.

    Returns:
        The instants as Datetime in microseconds, null where there is none; marks of the values that
        are no instants; and what was expected of these, for a message.
    """
    pl = import_optional("polars", extra="data")
    expected = "a date, or date and time, such as 2026-01-31 or 2026-01-31 09:30:00"
    given = values.is_not_null()
    if values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        instants = _without_zone(values.cast(pl.Datetime) if values.dtype == pl.Date else values)
    elif unit is not None:
        expected = f"a number of {unit} since 1970-01-01"
        numbers = values.cast(pl.Float64, strict=False)
        micros = (numbers * (10**6 / PER_SECOND[unit])).round(0)
        instants = micros.cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
    elif isinstance(values.dtype, pl.String | pl.Categorical | pl.Enum):
        instants = _of_text(values.cast(pl.String).str.strip_chars())
    else:
        expected = f"{expected}, or a `unit` of the recipe's column that says what numbers count"
        instants = pl.Series([None] * len(values), dtype=pl.Datetime("us"))
    instants = instants.cast(pl.Datetime("us"))
    if timezone is not None:
        in_zone = instants.dt.replace_time_zone("UTC").dt.convert_time_zone(timezone)
        instants = in_zone.dt.replace_time_zone(None)
    in_range = instants.dt.year().is_between(_FIRST_YEAR, _LAST_YEAR).fill_null(False)
    return instants, given & ~in_range, expected


def part_of(instants: Series, part: str) -> Series:
    """A part of each instant, an integer; `DatePart` says which there are."""
    pl = import_optional("polars", extra="data")
    return getattr(instants.dt, part)().cast(pl.Int64)


def days_of(instants: Series) -> Series:
    """Days since 1970-01-01, with their fraction."""
    pl = import_optional("polars", extra="data")
    return instants.cast(pl.Int64) / (86_400 * 10**6)


def _without_zone(values: Series) -> Series:
    has_zone = values.dtype.time_zone is not None
    in_utc = values.dt.convert_time_zone("UTC") if has_zone else values
    return in_utc.dt.replace_time_zone(None)


def _of_text(texts: Series) -> Series:
    """Instants of ISO 8601, with or without time, seconds and zone; null for other text."""
    pl = import_optional("polars", extra="data")
    iso = texts.str.replace("T", " ", literal=True).str.replace(r"Z$", "+00:00")
    instants = pl.Series([None] * len(texts), dtype=pl.Datetime("us"))
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f"):
        if form == "%Y-%m-%d":
            found = iso.str.to_date(form, strict=False).cast(pl.Datetime("us"))
        else:
            found = iso.str.to_datetime(form, time_unit="us", strict=False)
        instants = instants.zip_with(instants.is_not_null(), found)
    zoned = iso.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us", strict=False)
    return instants.zip_with(instants.is_not_null(), _without_zone(zoned))
