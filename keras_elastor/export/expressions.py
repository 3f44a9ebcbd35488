"""The expressions of columns of numbers, in a graph."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_elastor.data.columns.all_columns import CategoricalColumn, NumericColumn
from keras_elastor.data.reading.typed_rows import parse_expression
from keras_elastor.export.graph_ops import Value
from keras_elastor.export.raw_inputs import refuse

_ARITHMETIC = {"Plus": "Add", "Minus": "Sub", "Multiply": "Mul"}
_SQL_ARITHMETIC = {"Add": "Add", "Sub": "Sub", "Mul": "Mul", "Div": "Div"}
_COMPARISONS = {"Lt": "Less", "LtEq": "LessOrEqual", "Gt": "Less", "GtEq": "LessOrEqual"}
_FUNCTIONS = {"Abs": "Abs", "Exp": "Exp", "Floor": "Floor", "Sign": "Sign"}
_KNOWN = (
    "+, -, *, /, comparisons, AND, OR, NOT, IS NULL, CASE, COALESCE, ABS, CEIL, EXP, FLOOR, "
    + ("LN, LOG, LOG10, POWER, SIGN, SQRT, and CAST to BIGINT outside of all others")
)


class _UnknownError(Exception):
    """A part of an expression that is not translated."""


def evaluate(source: Value, column: CategoricalColumn | NumericColumn) -> tuple[Value, Value]:
    """What the expression of a column makes of its source, and where it has no value.

    Args:
        source: `(rows,)` float64, NaN where missing.
        column: The column.

    Raises:
        ValueError: If a part of the expression is not known; the message names the column.
    """
    parsed = parse_expression(str(column.expression), column)
    try:
        tree = json.loads(parsed.meta.serialize(format="json"))
        translated = _Expression(source).result(tree)
    except (_UnknownError, KeyError, TypeError, ValueError) as error:
        refuse(column.name, f"an expression of {_KNOWN}", f"{column.expression!r} ({error})")
    value, missing = translated
    return (value.cast("float64"), missing)


class _Expression:
    """Translates polars' tree of an expression; a result is a value and where it is null."""

    def __init__(self, source: Value) -> None:
        self._source = source
        self._ops = source.ops
        self._never = source.ops.apply("And", source.is_nan(), ~source.is_nan())

    def result(self, tree: Any) -> tuple[Value, Value]:
        kind, body = _node(tree)
        if kind == "Cast" and body["dtype"] == {"Literal": "Int64"}:
            value, missing = self.of(body["expr"])
            whole = self._ops.apply("Floor", self._ops.apply("Abs", value))
            return self._ops.apply("Sign", value) * whole, missing
        return self.of(tree)

    def of(self, tree: Any) -> tuple[Value, Value]:
        """The value, and whether it is null."""
        kind, body = _node(tree)
        if kind == "Column":
            return self._source, self._source.is_nan()
        if kind == "Literal":
            number = self._source * 0.0
            value = self._ops.where(self._never, number, _number(body))
            return value, self._never
        if kind == "Cast" and body["dtype"] in ({"Literal": "Float64"}, {"Literal": "Boolean"}):
            return self.of(body["expr"])
        if kind == "BinaryExpr":
            return self._binary(body["op"], self.of(body["left"]), self.of(body["right"]))
        if kind == "Ternary":
            truth, unknown = self.of(body["predicate"])
            chosen, no_chosen = self.of(body["truthy"])
            other, no_other = self.of(body["falsy"])
            chooses = truth & ~unknown
            value = self._ops.where(chooses, chosen, other)
            return value, (chooses & no_chosen) | (~chooses & no_other)
        if kind == "Function":
            return self._function(body["function"], body["input"])
        raise _UnknownError(kind)

    def _binary(
        self, name: str, left: tuple[Value, Value], right: tuple[Value, Value]
    ) -> tuple[Value, Value]:
        (a, no_a), (b, no_b) = left, right
        missing = no_a | no_b
        if name in _ARITHMETIC:
            return self._ops.apply(_ARITHMETIC[name], a, b), missing
        if name in _COMPARISONS:
            # NaN, that no comparison is true of here, is the largest number to polars.
            pair = (b, a) if name.startswith("Gt") else (a, b)
            truth = self._ops.apply(_COMPARISONS[name], *pair)
            low, high = pair
            truth = truth | (high.is_nan() & ~low.is_nan())
            if name.endswith("Eq"):
                truth = truth | (high.is_nan() & low.is_nan())
            return truth, missing
        if name in ("Eq", "NotEq"):
            truth = a.equals(b) | (a.is_nan() & b.is_nan())
            return (truth if name == "Eq" else ~truth), missing
        if name == "And":
            return a & b, (missing & ~(~a & ~no_a) & ~(~b & ~no_b))
        if name == "Or":
            return a | b, (missing & ~(a & ~no_a) & ~(b & ~no_b))
        raise _UnknownError(name)

    def _function(self, function: Any, inputs: list[Any]) -> tuple[Value, Value]:
        if function == "Log":
            value, missing = self.of(inputs[0])
            base = _number(inputs[1]["Literal"])
            found = self._ops.apply("Log", value)
            return (found if base == math.e else found / math.log(base)), missing
        results = [self.of(part) for part in inputs]
        value, missing = results[0]
        if isinstance(function, dict):
            name, detail = next(iter(function.items()))
            if (name, detail) == ("Sql", "ToFloat"):
                return value, missing
            if (name, detail) == ("Pow", "Sqrt"):
                return self._ops.apply("Sqrt", value), missing
            if (name, detail) == ("Pow", "Generic"):
                other, no_other = results[1]
                return self._ops.apply("Pow", value, other), missing | no_other
            if (name, detail) == ("Boolean", "Not"):
                return ~value, missing
            if (name, detail) == ("Boolean", "IsNull"):
                return missing, self._never
            if (name, detail) == ("Boolean", "IsNotNull"):
                return ~missing, self._never
            if (
                name == "Sql"
                and isinstance(detail, dict)
                and detail.get("Binary") in _SQL_ARITHMETIC
            ):
                other, no_other = results[1]
                operator = _SQL_ARITHMETIC[detail["Binary"]]
                return self._ops.apply(operator, value, other), missing | no_other
        unary: dict[str, Callable[[], Value]] = {
            "Ceil": lambda: self._ops.apply("Floor", value * -1.0) * -1.0,
            "Log1p": lambda: self._ops.apply("Log", value + 1.0),
        }
        if isinstance(function, str) and function in _FUNCTIONS:
            return self._ops.apply(_FUNCTIONS[function], value), missing
        if isinstance(function, str) and function in unary:
            return unary[function](), missing
        if function == "Coalesce":
            for other, no_other in results[1:]:
                value = self._ops.where(missing, other, value)
                missing = missing & no_other
            return value, missing
        raise _UnknownError(json.dumps(function))


def _node(tree: Any) -> tuple[str, Any]:
    if not isinstance(tree, dict) or len(tree) != 1:
        raise _UnknownError(json.dumps(tree))
    return next(iter(tree.items()))


def _number(literal: Any) -> float:
    kind, body = _node(literal)
    name, number = _node(body)
    if kind == "Scalar" and name == "Decimal":
        digits, _, scale = number
        return float(np.float64(digits) / 10**scale)
    if name in ("Int", "Float", "Int64", "Int32", "Float64") and kind in ("Dyn", "Scalar"):
        return float(number)
    raise _UnknownError(json.dumps(literal))
