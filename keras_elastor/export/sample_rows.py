"""Rows to try an exported model with: known values, and all that is not one."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_elastor.data.columns.all_columns import (
    CategoricalColumn,
    CrossedColumn,
    NumericColumn,
    PretrainedColumn,
)
from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.data.reading.crossed_values import split_combination
from keras_elastor.data.reading.instants import PER_SECOND
from keras_elastor.data.reading.raw_rows import to_polars
from keras_elastor.data.vocabularies.hash_buckets import HashBuckets
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

# How often a value is none of the usual ones.
_ODD = 0.15
_ODD_TEXTS = ("", " ", "0", "-1", "nan", "NULL", "Ünïcode ✓", "a|b", "a\\b", "\t", "x" * 300)
_ODD_INTEGERS = (0, -1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63) + 1)
_ODD_NUMBERS = (0.0, -0.0, -1.0, 0.5, 1e-30)
# For columns that are scaled: of others, rounding inside of the network is all that is compared.
_LARGE_NUMBERS = (1e6, -1e6, 2.0**24 + 1, 1e30)
_MOST_KNOWN = 100_000

Columns = dict[str, list[Any]]


def sample_rows(
    preprocessor: Preprocessor, inputs: Mapping[str, RawInput], rows: int, seed: int = 0
) -> Columns:
    """Columns of raw rows that a preprocessor accepts, by their name.

    Args:
        preprocessor: Its vocabularies have the known values.
        inputs: Of the exported model, by column.
        rows: How many to draw; those with a value that is refused are left out.
        seed: Of the draws.
    """
    random = np.random.default_rng(seed)
    columns: Columns = {}
    for name, entry in inputs.items():
        draw = _DRAWS[entry.kind]
        known = _known_values(name, preprocessor)
        columns[name] = [draw(random, known, entry, preprocessor) for _ in range(rows)]
    _, bad = preprocessor.encode(to_polars(columns))
    refused = {problem.row for problem in bad}
    kept = [row for row in range(rows) if row not in refused]
    return {name: [values[row] for row in kept] for name, values in columns.items()}


def _known_values(source: str, preprocessor: Preprocessor) -> list[Any]:
    """What the columns that read a source know, or numbers between which they tell apart."""
    found: list[Any] = []
    for name, column in preprocessor.columns.items():
        if isinstance(column, CrossedColumn):
            if source in column.columns:
                place = column.columns.index(source)
                texts = preprocessor.vocabularies[column.table_name].values[:_MOST_KNOWN]
                found += [split_combination(str(text))[place] for text in texts]
        elif column is None or column.source_name != source:
            continue
        elif isinstance(column, NumericColumn):
            transform = preprocessor.transforms.get(name)
            if transform is not None:
                found += [*transform.knots, transform.center, transform.center + transform.scale]
        elif isinstance(column, PretrainedColumn):
            found += preprocessor.vectors[name].ids.to_list()[:_MOST_KNOWN]
        elif column.table_name in preprocessor.vocabularies:
            vocabulary = preprocessor.vocabularies[column.table_name]
            found += [] if isinstance(vocabulary, HashBuckets) else vocabulary.values[:_MOST_KNOWN]
    return found


def _choose(random: np.random.Generator, values: Any) -> Any:
    return values[int(random.integers(len(values)))]


def _text(random: np.random.Generator, known: list[Any], entry: RawInput, _: Any) -> Any:
    if random.random() < _ODD or not known:
        odd = (None, *_ODD_TEXTS, *entry.null_values, f"new {random.integers(1000)}")
        return _choose(random, odd)
    text = str(_choose(random, known))
    return f" {text}\u00a0" if entry.trim and random.random() < _ODD else text


def _integer(random: np.random.Generator, known: list[Any], entry: RawInput, _: Any) -> Any:
    if entry.below is not None:
        return int(random.integers(entry.below))
    numbers = [number for number in map(_as_integer, known) if number is not None]
    if random.random() < _ODD or not numbers:
        odd = _ODD_INTEGERS if entry.required else (None, *_ODD_INTEGERS)
        return _choose(random, odd)
    return _choose(random, numbers)


def _as_integer(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < 2**63 else None


def _number(
    random: np.random.Generator, known: list[Any], entry: RawInput, preprocessor: Preprocessor
) -> Any:
    readers: list[Any] = [
        column
        for column in preprocessor.columns.values()
        if getattr(column, "source_name", None) == entry.name
    ]
    units = [PER_SECOND[column.unit] for column in readers if getattr(column, "unit", None)]
    is_scaled = all(getattr(column, "transform", "ids") != "none" for column in readers)
    if random.random() < _ODD / 3 and not entry.required:
        return None
    if units:
        return float(random.integers(-(2**31), 2**32)) * units[0]
    if any(_needs_whole(column) for column in readers):
        # Any other number is refused: with many such columns hardly a row would be left.
        is_odd = random.random() < _ODD or not known
        return float(random.integers(-100, 2**40) if is_odd else _choose(random, known))
    if random.random() < _ODD / 3:
        return _choose(random, (*_ODD_NUMBERS, *(_LARGE_NUMBERS if is_scaled else ())))
    if known and random.random() < 0.7:
        place = float(_choose(random, known))
        return place if random.random() < 0.5 else place + float(random.normal())
    if random.random() < 0.5:
        return float(random.integers(100))
    return float(np.exp(random.normal(0, 2)))


def _needs_whole(column: Any) -> bool:
    """Whether a column has ids of whole numbers that are written as floats."""
    return isinstance(column, CategoricalColumn) and column.expression is None


def _instant(random: np.random.Generator, *_: Any) -> Any:
    if random.random() < _ODD:
        return None
    first = datetime.datetime(1900, 1, 2)
    days, micros = int(random.integers(300 * 365)), int(random.integers(86_400 * 10**6))
    return first + datetime.timedelta(days, microseconds=micros)


def _texts(random: np.random.Generator, known: list[Any], entry: RawInput, all_: Any) -> Any:
    if random.random() < _ODD:
        return _choose(random, (None, "", *entry.null_values))
    elements = [_text(random, known, entry, all_) or "" for _ in range(int(random.integers(9)))]
    return str(entry.separator).join(elements)


def _integers(random: np.random.Generator, known: list[Any], entry: RawInput, all_: Any) -> Any:
    if random.random() < _ODD:
        return _choose(random, (None, []))
    elements = [_integer(random, known, entry, all_) for _ in range(int(random.integers(9)))]
    while elements and elements[-1] is None:
        elements.pop()
    return elements


def _vector(random: np.random.Generator, known: Any, entry: RawInput, _: Any) -> Any:
    return [float(number) for number in random.normal(size=entry.width).astype(np.float32)]


_DRAWS: dict[str, Callable[..., Any]] = {
    TEXT: _text,
    INTEGER: _integer,
    NUMBER: _number,
    INSTANT: _instant,
    TEXTS: _texts,
    INTEGERS: _integers,
    VECTOR: _vector,
}
