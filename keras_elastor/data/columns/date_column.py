"""Columns of dates and times, as parts that say something of a new day, too."""

from __future__ import annotations

import dataclasses
import zoneinfo
from typing import Any

from keras_elastor.data.columns.checks import require
from keras_elastor.data.columns.id_columns import CategoricalColumn
from keras_elastor.data.columns.numeric_column import NumericColumn

UNITS = ("s", "ms", "us", "ns")
PARTS = ("minute", "hour", "weekday", "day", "week", "month", "quarter", "year")
"""Parts that become categories: weekday is 1 for Monday to 7, week the ISO week."""

AGE = "age_in_days"
"""The part that becomes a number: days since 1970-01-01, with their fraction."""


def _check_instant(column: DatePart | DateAge) -> None:
    units = (None, *UNITS)
    require(column.unit in units, column.name, "unit", column.unit, f"one of {units}")
    if column.timezone is not None:
        known = column.timezone in zoneinfo.available_timezones()
        expected = "None or a name such as 'Europe/Berlin'"
        require(known, column.name, "timezone", column.timezone, expected)


@dataclasses.dataclass(frozen=True)
class DatePart(CategoricalColumn):
    """One part of a column of dates and times that becomes a `ke.Categorical` feature.

    `DateColumn` makes several of one column. The column holds dates, instants, or text such as
    "2026-01-31" or "2026-01-31 09:30:00"; or numbers, whose `unit` must be said.

    Args:
        name: As for `CategoricalColumn`.
        dtype: "integer" is the only one.
        min_count: As for `CategoricalColumn`.
        fill: None is the only one: an empty field is out-of-vocabulary.
        expression: None is the only one.
        source: Column of the file. Default: `name`.
        table: As for `CategoricalColumn`.
        fill_is_known: False is the only one.
        hash_buckets: None is the only one.
        part: One of "minute", "hour", "weekday" (1 for Monday), "day", "week", "month", "quarter",
            "year".
        timezone: Name of the zone that the part is told in; instants without a zone are taken to be
            in UTC. Default: None, instants without a zone as they are, others in UTC.
        unit: Unit of numbers, counted from 1970-01-01 in UTC: "s", "ms", "us" or "ns".

    Example:

    >>> column = ke.data.DatePart("hour", source="seen_at", part="hour", timezone="Europe/Berlin")
    >>> recipe = ke.data.Recipe([column], label="click")
    >>> table = ke.data.from_dataframe({"seen_at": ["2026-01-31 09:30"], "click": [1]}, recipe=recipe)
    >>> table.preprocessor.vocabularies["hour"].values
    (10,)

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """  # noqa: E501 - an example is one line

    dtype: str = "integer"
    part: str = "hour"
    timezone: str | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for argument, only in (
            ("dtype", "integer"),
            ("fill", None),
            ("expression", None),
            ("hash_buckets", None),
        ):
            value = getattr(self, argument)
            require(value == only, self.name, argument, value, f"{only!r} for a part of a date")
        require(self.part in PARTS, self.name, "part", self.part, f"one of {', '.join(PARTS)}")
        _check_instant(self)


@dataclasses.dataclass(frozen=True)
class DateAge(NumericColumn):
    """A column of dates and times that becomes a number of days, a `ke.Numeric` feature.

    Args:
        name: As for `NumericColumn`.
        fill: As for `NumericColumn`. Default: "median".
        expression: None is the only one.
        source: Column of the file. Default: `name`.
        transform: As for `NumericColumn`. Default: "quantile".
        buckets: As for `NumericColumn`.
        timezone: As for `DatePart`.
        unit: As for `DatePart`.

    Example:

    >>> ke.data.DateAge("age", source="seen_at", transform="standard").source_name
    'seen_at'

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """

    fill: float | str | None = "median"
    transform: str = "quantile"
    timezone: str | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        value = self.expression
        require(value is None, self.name, "expression", value, "None for a date")
        _check_instant(self)


@dataclasses.dataclass(frozen=True)
class DateColumn:
    """A column of dates and times; a recipe takes it as one column for each of its parts.

    The instant itself is no good feature: no instant of the training rows comes again. The hour and
    the weekday do.

    Args:
        name: Begins the names of the features: "seen_at_hour", "seen_at_weekday".
        parts: Parts of `DatePart`, or "age_in_days", a number. Default: ("hour", "weekday").
        timezone: As for `DatePart`.
        unit: As for `DatePart`.
        source: Column of the file. Default: `name`.

    Example:

    >>> column = ke.data.DateColumn("seen_at", parts=["hour", "age_in_days"])
    >>> [part.name for part in ke.data.Recipe([column], label="click").columns]
    ['seen_at_hour', 'seen_at_age_in_days']

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """

    name: str
    parts: tuple[str, ...] = ("hour", "weekday")
    timezone: str | None = None
    unit: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        known = bool(self.parts) and all(part in (*PARTS, AGE) for part in self.parts)
        expected = f"some of {', '.join((*PARTS, AGE))}"
        require(known, self.name, "parts", self.parts, expected)

    def columns(self) -> tuple[DatePart | DateAge, ...]:
        """A column of a recipe for each part."""
        source = self.source or self.name
        zone: dict[str, Any] = {"source": source, "timezone": self.timezone, "unit": self.unit}
        return tuple(
            DateAge(f"{self.name}_{part}", **zone)
            if part == AGE
            else DatePart(f"{self.name}_{part}", part=part, **zone)
            for part in self.parts
        )
