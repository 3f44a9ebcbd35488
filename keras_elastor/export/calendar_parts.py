"""Parts of dates and times in integers, as graphs have no calendar."""

from __future__ import annotations

import datetime
import functools
from typing import Any

import numpy as np

from keras_elastor.data.reading.instants import PER_SECOND
from keras_elastor.export.graph_ops import MISSING, Value
from keras_elastor.utils.optional import import_optional

_SECOND = 10**6
_DAY = 86_400 * _SECOND
# Days from 0000-03-01, where the four hundred years of the calendar begin, to 1970-01-01.
_FIRST_DAY = 719_468
_ERA = 146_097


def _micros(year: int) -> int:
    epoch = datetime.datetime(1970, 1, 1)
    return (datetime.datetime(year, 1, 1) - epoch) // datetime.timedelta(microseconds=1)


# Instants of other years are refused; see `data.reading.instants`.
_FIRST, _LAST = _micros(1900), _micros(2201)


def to_instants(value: Value, unit: str | None, timezone: str | None) -> tuple[Value, Value, Value]:
    """Microseconds since 1970-01-01, told in one zone.

    Args:
        value: Microseconds, int64; or, with a unit, float64.
        unit: What a number counts.
        timezone: Zone to tell the instants in.

    Returns:
        The instants; whether they are missing, then 0; and whether they are wrong.
    """
    if unit is None:
        missing = value.equals(MISSING)
        micros = value.ops.where(missing, 0, value)
        wrong = (micros < _FIRST) | (micros >= _LAST)
    else:
        value = value if value.dtype == "float64" else _as_number(value)
        missing = value.is_nan()
        scaled = value * (10**6 / PER_SECOND[unit])
        outside = (scaled < _FIRST) | (scaled >= _LAST)
        wrong = outside & ~missing
        rounded = value.ops.apply("Round", value.ops.where(outside | missing, 0, scaled))
        micros = rounded.cast("int64")
    micros = value.ops.where(wrong, 0, micros)
    if timezone is not None:
        changes, offsets = zone_offsets(timezone)
        micros = micros + value.ops.take(offsets, value.ops.search(changes, micros))
        outside = (micros < _FIRST) | (micros >= _LAST)
        wrong = wrong | (outside & ~missing)
    return micros, missing, wrong


def _as_number(value: Value) -> Value:
    nan = value.ops.constant(np.nan, "float64")
    return value.ops.where(value.equals(MISSING), nan, value.cast("float64"))


def part_of(micros: Value, part: str) -> Value:
    """A part of each instant, int64; `ke.data.DatePart` says which there are.

    Reference: Hinnant, chrono-Compatible Low-Level Date Algorithms, 2013.
    """
    shifted = micros + _FIRST_DAY * _DAY
    day, time = shifted / _DAY, shifted % _DAY
    if part == "hour":
        return time / (3600 * _SECOND)
    if part == "minute":
        return (time / (60 * _SECOND)) % 60
    # 0000-03-01 was a Wednesday.
    weekday = (day + 2) % 7 + 1
    if part == "weekday":
        return weekday
    if part == "week":
        thursday = day - weekday + 4
        return (thursday - _first_of_january(_date(thursday)["year"])) / 7 + 1
    return _date(day)[part]


def _date(day: Value) -> dict[str, Value]:
    """Year, quarter, month and day of days since 0000-03-01."""
    era = day / _ERA
    in_era = day - era * _ERA
    leap = in_era / 1460
    year = (in_era - leap + in_era / 36_524 - in_era / 146_096) / 365
    in_year = in_era - (year * 365 + year / 4 - year / 100)
    march_month = (in_year * 5 + 2) / 153
    day_of_month = in_year - (march_month * 153 + 2) / 5 + 1
    is_late = march_month >= 10
    month = day.ops.where(is_late, march_month - 9, march_month + 3)
    return {
        "year": year + era * 400 + is_late.cast("int64"),
        "quarter": (month + 2) / 3,
        "month": month,
        "day": day_of_month,
    }


def _first_of_january(year: Value) -> Value:
    """Days from 0000-03-01 to the first day of a year."""
    before = year - 1
    era = before / 400
    in_era = before - era * 400
    return era * _ERA + in_era * 365 + in_era / 4 - in_era / 100 + 306


@functools.cache
def zone_offsets(timezone: str) -> tuple[np.ndarray, np.ndarray]:
    """When a zone changes its offset from UTC, and the offsets before, between and behind.

    Both in microseconds, as polars has them, which the rows of training were told by.
    """
    hours = np.arange(_FIRST - _DAY, _LAST + _DAY, 3600 * _SECOND)
    offsets = _offsets(hours, timezone)
    places = np.flatnonzero(np.diff(offsets))
    low, high = hours[places], hours[places + 1]
    old = offsets[places]
    while (high - low > 1).any():
        middle = (low + high) // 2
        is_old = _offsets(middle, timezone) == old
        low, high = np.where(is_old, middle, low), np.where(is_old, high, middle)
    return high, np.append(offsets[:1], offsets[places + 1])


def _offsets(micros: np.ndarray, timezone: str) -> Any:
    pl = import_optional("polars", extra="data")
    utc = pl.Series(micros).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    local = utc.dt.convert_time_zone(timezone).dt.replace_time_zone(None)
    return local.cast(pl.Int64).to_numpy() - micros
