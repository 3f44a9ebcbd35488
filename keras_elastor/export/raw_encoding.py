"""From the inputs of an exported model to features, as `Preprocessor.encode` has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np

from keras_elastor.data.columns.all_columns import (
    CrossedColumn,
    DateAge,
    DatePart,
    NumericColumn,
    PretrainedColumn,
    SequenceColumn,
)
from keras_elastor.data.numbers.number_transform import NumberTransform
from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.data.reading.crossed_values import split_combination
from keras_elastor.data.vocabularies.hash_buckets import HashBuckets
from keras_elastor.data.vocabularies.vocabulary import PADDING
from keras_elastor.export.calendar_parts import part_of, to_instants
from keras_elastor.export.expressions import evaluate
from keras_elastor.export.graph_ops import MISSING, GraphOps, Value
from keras_elastor.export.raw_inputs import RawInput, refuse


class RawEncoder:
    """Makes the part of a graph between raw rows and features.

    Args:
        ops: Operations of the graph.
        preprocessor: What the graph shall do.
        inputs: Of the graph, by column of the raw rows.
    """

    def __init__(
        self, ops: GraphOps, preprocessor: Preprocessor, inputs: Mapping[str, RawInput]
    ) -> None:
        self._ops = ops
        self._preprocessor = preprocessor
        self._inputs = inputs
        self._raw: dict[str, Value] = {}
        self._wrong: list[Value] = []
        recipe = preprocessor.recipe
        self._nulls = ("", *(recipe.null_values if recipe else ()))
        self._trim = bool(recipe and recipe.trim)

    def encode(self, raw: Mapping[str, Value]) -> tuple[dict[str, Value], Value | None]:
        """The features by name, and which rows hold a value that `Predictor.predict` refuses.

        Raises:
            ValueError: If the format cannot express what a column does; the message names it.
        """
        self._raw = dict(raw)
        if not self._ops.has_text:
            for name, entry in self._inputs.items():
                if entry.dtype == "str":
                    refuse(name, "integers or numbers, as PyTorch has no text", entry.kind)
        if self._trim:
            for name, entry in self._inputs.items():
                if entry.dtype == "str":
                    if not self._ops.can_strip:
                        refuse(name, "trim=False, as the format cannot trim text", "trim=True")
                    self._raw[name] = self._ops.strip(self._raw[name])
        features = {}
        for feature in self._preprocessor.schema.features:
            column = self._preprocessor.columns[feature.name]
            dtype = "float32"
            if column is None:
                value = self._vector(feature.name)
            elif isinstance(column, NumericColumn):
                value = self._number(column)
                dtype = value.dtype
            elif isinstance(column, PretrainedColumn):
                value = self._pretrained(column)
            else:
                value, dtype = self._ids(column, feature), "int32"
            features[feature.name] = value.cast(dtype)
        wrong = None
        for truth in self._wrong:
            wrong = truth if wrong is None else wrong | truth
        return features, wrong

    def _vector(self, name: str) -> Value:
        value = self._raw[name]
        self._wrong.append(self._ops.any_of_row(value.is_nan() | value.is_infinite()))
        return value

    def _as_float(self, source: str) -> Value:
        value = self._raw[source]
        if value.dtype == "float64":
            return value
        nan = self._ops.constant(np.nan, "float64")
        return self._ops.where(value.equals(MISSING), nan, value.cast("float64"))

    def _number(self, column: NumericColumn) -> Value:
        if isinstance(column, DateAge):
            source = self._raw[column.source_name]
            micros, missing, wrong = to_instants(source, column.unit, column.timezone)
            self._wrong.append(wrong)
            days = micros.cast("float64") / (86_400 * 10**6)
            value = self._ops.where(missing, np.nan, days)
        else:
            value = self._as_float(column.source_name)
        if column.fill not in (None, "median"):
            value = self._ops.where(value.is_nan(), float(column.fill), value)
        if column.expression is not None:
            value, missing = evaluate(value, column)
            value = self._ops.where(missing, np.nan, value)
        number = value.cast("float32")
        self._wrong.append(number.is_infinite())
        if column.fill != "median":
            self._wrong.append(number.is_nan())
        if column.transform == "none":
            return number
        return transform_numbers(number, self._preprocessor.transforms[column.name])

    def _ids(self, column: Any, feature: Any) -> Value:
        vocabulary = self._preprocessor.vocabularies.get(column.table_name)
        if isinstance(vocabulary, HashBuckets):
            refuse(
                column.name,
                "a vocabulary, as no exported format computes BLAKE2b",
                f"hash_buckets={vocabulary.buckets}",
            )
        ids = None
        if vocabulary is not None:
            ids = {value: place for place, value in enumerate(vocabulary.values, start=1)}
        if isinstance(column, SequenceColumn):
            return self._sequence(column, ids, feature)
        if ids is None:
            value = self._raw[column.source_name]
            self._wrong.append((value < 0) | (value >= feature.vocabulary_size))
            return value
        if isinstance(column, CrossedColumn):
            return self._crossed(column, ids)
        if isinstance(column, DatePart):
            source = self._raw[column.source_name]
            micros, missing, wrong = to_instants(source, column.unit, column.timezone)
            self._wrong.append(wrong)
            found = self._ops.look_up(part_of(micros, column.part), ids, len(ids) + 1)
            return self._ops.where(missing, len(ids) + 1, found)
        return self._categorical(column, ids)

    def _categorical(self, column: Any, ids: dict[Any, int]) -> Value:
        unknown = len(ids) + 1
        value = self._raw[column.source_name]
        if column.dtype == "float" or column.expression is not None:
            return self._computed(column, ids, unknown)
        table = keys_of(ids, value.dtype, column.name)
        fill: Any = column.fill
        if value.dtype == "int64" and isinstance(fill, str):
            fill = _as_integer(fill)
        if fill is not None and not column.fill_is_known:
            table.pop(fill, None)
        for null in self._nulls_of(value):
            table.pop(null, None)
            if column.fill_is_known and fill in table:
                table[null] = table[fill]
        return self._ops.look_up(value, table, unknown)

    def _computed(self, column: Any, ids: dict[Any, int], unknown: int) -> Value:
        """Ids of whole numbers that are written as floats, or that an expression gives."""
        if column.dtype != "float":
            refuse(
                column.name,
                'an expression over numbers (dtype="float"), as no exported format has those over '
                "text. Have the column computed before",
                f"expression={column.expression!r}",
            )
        value = self._as_float(column.source_name)
        if column.fill is not None:
            value = self._ops.where(value.is_nan(), float(column.fill), value)
        missing = value.is_nan()
        if column.expression is not None:
            value, missing = evaluate(value, column)
        value = self._ops.where(missing, 0, value)
        # NaN and numbers that floats round are equal to no whole number.
        is_whole = self._ops.apply("Floor", value).equals(value)
        is_exact = self._ops.apply("Abs", value) < float(2**53)
        self._wrong.append(~(is_whole & is_exact))
        whole = self._ops.where(is_whole & is_exact, value, 0).cast("int64")
        table = keys_of(ids, "int64", column.name)
        if column.fill is not None and not column.fill_is_known:
            table.pop(column.fill, None)
        found = self._ops.look_up(whole, table, unknown)
        return self._ops.where(missing, unknown, found)

    def _crossed(self, column: CrossedColumn, ids: dict[Any, int]) -> Value:
        """The ids of combinations, by a number for each text of each of the columns."""
        parts = {text: split_combination(text) for text in ids}
        for text, found in parts.items():
            if len(found) != len(column.columns):
                refuse(column.name, f"combinations of {len(column.columns)} texts", repr(text))
        code: Value | None = None
        codes = dict.fromkeys(ids, 0)
        for place, source in enumerate(column.columns):
            numbers: dict[str, int] = {}
            for found in parts.values():
                numbers.setdefault(found[place], len(numbers) + 1)
            size = len(numbers) + 1
            codes = {text: codes[text] * size + numbers[parts[text][place]] for text in ids}
            if max(codes.values(), default=0) >= 2**61:
                refuse(column.name, "fewer combinations than 2^61", column.columns)
            raw = self._raw[source]
            table = keys_of(numbers, raw.dtype, column.name)
            for null in self._nulls_of(raw):
                table.pop(null, None)
                if column.fill is not None and column.fill in numbers:
                    table[null] = numbers[column.fill]
            known = self._ops.look_up(raw, table, -(2**62))
            if code is None:
                code = known
            else:
                # A part that no combination has makes the whole one that is not known.
                code = self._ops.where((code < 0) | (known < 0), -(2**62), code * size + known)
        combined = {codes[text]: place for text, place in ids.items()}
        return self._ops.look_up(cast("Value", code), combined, len(ids) + 1)

    def _nulls_of(self, raw: Value) -> tuple[Any, ...]:
        """What stands for a missing value in a tensor."""
        return self._nulls if raw.dtype == "str" else (MISSING,)

    def _sequence(self, column: SequenceColumn, ids: dict[Any, int] | None, feature: Any) -> Value:
        raw = self._raw[column.source_name]
        if raw.dtype == "str":
            elements, counts = self._ops.split(raw, column.separator)
            if self._trim:
                elements = self._ops.strip(elements)
            for null in self._nulls[1:]:
                counts = self._ops.where(raw.equals(null), 0, counts)
        else:
            elements, counts = raw, self._ops.lengths(~raw.equals(MISSING))
        if ids is None:
            wrong = (elements < 0) | (elements >= feature.vocabulary_size)
            found = self._ops.where(wrong, -1, elements)
            padded = self._ops.pad(found, counts, column.max_length, "post", "pre")
            self._wrong.append(self._ops.any_of_row(padded < 0))
            return padded
        table = keys_of(ids, elements.dtype, column.name)
        if elements.dtype == "str":
            self._require_splittable(column, table)
        for null in self._nulls_of(elements):
            table[null] = PADDING
        found = self._ops.look_up(elements, table, len(ids) + 1)
        return self._ops.pad(found, counts, column.max_length, column.padding, column.truncation)

    def _require_splittable(self, column: SequenceColumn, texts: Iterable[str]) -> None:
        for text in texts:
            if column.separator in text:
                refuse(
                    column.name,
                    f"elements without its separator {column.separator!r}, by which they are "
                    "joined",
                    repr(text),
                )

    def _pretrained(self, column: PretrainedColumn) -> Value:
        vectors = self._preprocessor.vectors[column.name]
        ids = {text: place for place, text in enumerate(vectors.ids.to_list(), start=1)}
        raw = self._raw[column.source_name]
        table = keys_of(ids, raw.dtype, column.name)
        for null in self._nulls_of(raw):
            table.pop(null, None)
        places = self._ops.look_up(raw, table, 0)
        return self._ops.take(np.pad(vectors.vectors, ((1, 0), (0, 0))), places)


def keys_of(ids: Mapping[Any, int], dtype: str, column: str) -> dict[Any, int]:
    """A table for inputs of a type, from one whose keys are all texts or all integers."""
    is_text = isinstance(next(iter(ids), ""), str)
    if dtype == "str":
        if not is_text:
            refuse(
                column,
                "a vocabulary of texts for a column of texts",
                "one of integers, by a table that it shares",
            )
        return dict(ids)
    if not is_text:
        return dict(ids)
    numbers = {_as_integer(text): place for text, place in ids.items()}
    numbers.pop(None, None)
    return numbers


def _as_integer(text: str) -> int | None:
    """The integer of 64 bits whose digits a text is."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text and abs(number) < 2**63 else None


def transform_numbers(number: Value, transform: NumberTransform) -> Value:
    """What `NumberTransform` makes of numbers, float32, or ids of buckets."""
    ops = number.ops
    value = number.cast("float64")
    value = ops.where(value.is_nan(), transform.fill, value)
    if transform.kind == "bucketize":
        return (ops.search(transform.knots, value) + 1).cast("int32")
    if transform.kind == "quantile":
        return _interpolate(value, transform).cast("float32")
    if transform.kind == "log":
        size = ops.apply("Log", ops.apply("Abs", value) + 1.0)
        value = ops.apply("Sign", value) * size
    return ((value - transform.center) / transform.scale).cast("float32")


def _interpolate(value: Value, transform: NumberTransform) -> Value:
    """As `numpy.interp`."""
    ops = value.ops
    knots, outputs = np.array(transform.knots), np.array(transform.outputs)
    if len(knots) == 1:
        return value * 0.0 + float(outputs[0])
    value = ops.apply("Max", ops.apply("Min", value, knots[-1]), knots[0])
    place = ops.apply("Min", ops.search(knots, value), len(knots) - 1) - 1
    slopes = np.diff(outputs) / np.diff(knots)
    return ops.take(slopes, place) * (value - ops.take(knots, place)) + ops.take(outputs, place)
