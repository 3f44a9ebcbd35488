"""Values of raw rows as the tensors that an exported model is asked with."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_elastor.export.graph_ops import MISSING
from keras_elastor.export.raw_inputs import (
    INSTANT,
    INTEGER,
    INTEGERS,
    NUMBER,
    TEXT,
    TEXTS,
    VECTOR,
    RawInput,
)

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?"
)
_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
# The largest number that is not infinite as float32.
_LARGEST = float(np.finfo(np.float32).max)
# From here on, one float stands for several whole numbers.
_FIRST_INEXACT = 2**53


class RowError(ValueError):
    """A value of a row is wrong.

    Args:
        row: Number of the row, from 0.
        column: Name of the column.
        expected: What should have been there.
        received: The value.
    """

    def __init__(self, row: int, column: str, expected: str, received: Any) -> None:
        shown = "an empty field" if received is None else _shown(received)
        super().__init__(f"Row {row}, column '{column}': expected {expected}. Received: {shown}")
        self.row = row
        self.column = column


class _WrongValueError(ValueError):
    """What was expected instead of a value."""


def make_feeds(
    inputs: Iterable[RawInput], columns: Mapping[str, Sequence[Any]]
) -> dict[str, np.ndarray]:
    """The tensors of some rows, by their name.

    Args:
        inputs: Of the exported model.
        columns: Of each input, by its name, the values of the rows: text, numbers, booleans, dates
            and times, or lists; None where one is missing.

    Raises:
        RowError: If a value is wrong.
    """
    return {entry.tensor: _tensor(entry, columns[entry.name]) for entry in inputs}


def _tensor(entry: RawInput, values: Sequence[Any]) -> np.ndarray:
    convert = _CONVERSIONS[entry.kind]
    found = []
    for row, value in enumerate(values):
        try:
            found.append(convert(_plain(entry, value), entry))
        except _WrongValueError as error:
            raise RowError(row, entry.name, str(error), value) from None
    if entry.dtype == "str":
        return np.array(found, object)
    if entry.kind == INTEGERS:
        table = np.full((len(found), max(map(len, found), default=0)), MISSING, np.int64)
        for row, numbers in enumerate(found):
            table[row, : len(numbers)] = numbers
        return table
    if entry.kind == VECTOR:
        return np.array(found, np.float32).reshape(len(found), entry.width or 0)
    return np.array(found, entry.dtype)


def _plain(entry: RawInput, value: Any) -> Any:
    """A value without blanks, and None where it is missing, as the recipe has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        value = value.strip() if entry.trim else value
        return None if value == "" or value in entry.null_values else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _text(value: Any, entry: RawInput) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # What C's text ends at, and halves of letters, would be other texts in the model.
        if "\0" in value or not _is_unicode(value):
            raise _WrongValueError("text of Unicode, without the character 0")
        return value
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        if value.is_integer() and abs(value) < _FIRST_INEXACT:
            return str(int(value))
        if math.isfinite(value) and "e" not in repr(value):
            return repr(value)
        raise _WrongValueError("text, or a number that has one text")
    if isinstance(value, datetime.datetime):
        zone = "" if value.tzinfo is None else "+00:00"
        told = _in_utc(value).isoformat(" ")
        return (told.rstrip("0") if "." in told else told) + zone
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise _WrongValueError("text")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integer(value: Any, entry: RawInput) -> int:
    if value is None:
        if entry.required:
            raise _WrongValueError("a whole number")
        return MISSING
    number = _whole(value)
    if entry.below is not None and not 0 <= number < entry.below:
        raise _WrongValueError(f"an id from 0 to {entry.below - 1}")
    return number


def _whole(value: Any) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        # Python refuses to read very many digits.
        is_integer = _INTEGER.fullmatch(value) and len(value) < 40
        value = int(value) if is_integer else float(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _FIRST_INEXACT:
        value = int(value)
    if isinstance(value, int) and MISSING < value < -MISSING:
        return int(value)
    raise _WrongValueError("a whole number above -2^63 and below 2^63")


def _number(value: Any, entry: RawInput) -> float:
    if value is None:
        if entry.required:
            raise _WrongValueError("a finite number")
        return math.nan
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, int | float) and abs(value) <= _LARGEST:
        return float(value)
    raise _WrongValueError("a finite number")


def _instant(value: Any, entry: RawInput) -> int:
    if value is None:
        return MISSING
    if isinstance(value, str) and _INSTANT.fullmatch(value.strip()):
        try:
            value = datetime.datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if isinstance(value, datetime.datetime) and 1900 <= value.year <= 2200:
        return (_in_utc(value) - _EPOCH) // _MICROSECOND
    raise _WrongValueError("a date, or date and time, such as 2026-01-31 or 2026-01-31 09:30:00")


def _in_utc(value: datetime.datetime) -> datetime.datetime:
    if value.tzinfo is None:
        return value
    return value.astimezone(datetime.UTC).replace(tzinfo=None)


def _texts(value: Any, entry: RawInput) -> str:
    separator = entry.separator or ""
    if not isinstance(value, list | tuple):
        return _text(value, entry)
    texts = [_text(_plain(entry, element), entry) for element in value]
    if any(separator in text for text in texts):
        raise _WrongValueError(f"elements without {separator!r}, by which they are joined")
    return separator.join(texts)


def _integers(value: Any, entry: RawInput) -> list[int]:
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split(entry.separator)
    if not isinstance(value, list | tuple):
        raise _WrongValueError("a list of whole numbers")
    numbers = [_integer(_plain(entry, element), entry) for element in value]
    if numbers and numbers[-1] == MISSING:
        raise _WrongValueError("a list whose last element is there")
    return numbers


def _vector(value: Any, entry: RawInput) -> list[float]:
    if isinstance(value, str):
        value = value.split(" ")
    if not isinstance(value, list | tuple) or len(value) != entry.width:
        raise _WrongValueError(f"a list of {entry.width} numbers")
    return [_number(_plain(entry, element), entry) for element in value]


_CONVERSIONS: dict[str, Callable[[Any, RawInput], Any]] = {
    TEXT: _text,
    INTEGER: _integer,
    NUMBER: _number,
    INSTANT: _instant,
    TEXTS: _texts,
    INTEGERS: _integers,
    VECTOR: _vector,
}


def _shown(value: Any) -> str:
    """A value for a message, not longer than a line."""
    try:
        text = repr(value)
    except ValueError:
        text = "a number of very many digits"
    return text if len(text) <= 80 else f"{text[:77]}..."
