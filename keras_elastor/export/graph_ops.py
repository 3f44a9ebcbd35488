"""What raw rows become features by, in each format that a model is exported to."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

MISSING = -(2**63)
"""What an integer is that is missing, as NumPy's NaT is stored."""

_TRUTHS = ("And", "Equal", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or")


class GraphOps(abc.ABC):
    """Operations of one format. Elementwise ones have the names of ONNX's operators."""

    can_strip = False
    """Whether text can be rid of blanks around it."""
    has_text = True
    """Whether there are tensors of text."""

    @abc.abstractmethod
    def _apply(self, name: str, nodes: list[Any], dtype: str) -> Any:
        """The node of an elementwise operation."""

    @abc.abstractmethod
    def _constant(self, array: np.ndarray) -> Any: ...

    @abc.abstractmethod
    def _cast(self, node: Any, dtype: str) -> Any: ...

    @abc.abstractmethod
    def _look_up(self, node: Any, dtype: str, table: Mapping[Any, int], default: int) -> Any: ...

    @abc.abstractmethod
    def _split(self, node: Any, separator: str) -> tuple[Any, Any]: ...

    @abc.abstractmethod
    def _take(self, table: np.ndarray, node: Any) -> Any: ...

    @abc.abstractmethod
    def _search(self, knots: np.ndarray, node: Any) -> Any: ...

    @abc.abstractmethod
    def _as_column(self, node: Any) -> Any: ...

    @abc.abstractmethod
    def _with_column(self, node: Any, column: Any) -> Any: ...

    @abc.abstractmethod
    def _take_along(self, node: Any, places: Any) -> Any: ...

    @abc.abstractmethod
    def _lengths(self, is_given: Any) -> Any: ...

    @abc.abstractmethod
    def _any_of_row(self, node: Any) -> Any: ...

    @abc.abstractmethod
    def _pick(self, node: Any, place: int) -> Any: ...

    def _strip(self, node: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot strip text")

    def apply(self, name: str, *values: Any) -> Value:
        """An elementwise operation.

        Args:
            name: Of ONNX's operator, such as "Add".
            *values: `Value`s, or numbers, which take the type of the others.
        """
        typed = [value for value in values if isinstance(value, Value)]
        dtype = typed[-1].dtype
        nodes = [
            value.node if isinstance(value, Value) else self._constant(np.asarray(value, dtype))
            for value in values
        ]
        return Value(self, self._apply(name, nodes, dtype), "bool" if name in _TRUTHS else dtype)

    def constant(self, array: Any, dtype: str) -> Value:
        """A constant of the graph."""
        return Value(self, self._constant(np.asarray(array, dtype)), dtype)

    def where(self, condition: Value, chosen: Any, other: Any) -> Value:
        """One or the other of two values, of which at least one is a `Value`."""
        dtype = next(value.dtype for value in (chosen, other) if isinstance(value, Value))
        nodes = [
            value.node if isinstance(value, Value) else self._constant(np.asarray(value, dtype))
            for value in (chosen, other)
        ]
        return Value(self, self._apply("Where", [condition.node, *nodes], dtype), dtype)

    def look_up(self, value: Value, table: Mapping[Any, int], default: int) -> Value:
        """The number of each text or integer in a table, int64; `default` for one not there."""
        if not table:
            zeros = self.apply("Equal", value, value).cast("int64") * 0
            return zeros + default
        return Value(self, self._look_up(value.node, value.dtype, table, default), "int64")

    def split(self, text: Value, separator: str) -> tuple[Value, Value]:
        """The parts of each text, `(rows, width)`, filled up with "", and how many there are."""
        parts, counts = self._split(text.node, separator)
        return Value(self, parts, "str"), Value(self, counts, "int64")

    def strip(self, text: Value) -> Value:
        """Text without blanks around it."""
        return Value(self, self._strip(text.node), "str")

    def take(self, table: np.ndarray, places: Value) -> Value:
        """Rows, or numbers, of an array by their place."""
        return Value(self, self._take(table, places.node), str(table.dtype))

    def search(self, knots: Any, value: Value) -> Value:
        """How many of the rising knots are at most the value, `(rows,)` int64."""
        array = np.asarray(knots, value.dtype)
        if not len(array):
            return value.cast("int64") * 0
        return Value(self, self._search(array, value.node), "int64")

    def lengths(self, is_given: Value) -> Value:
        """The place behind the last that is given, of each row of `(rows, width)`."""
        return Value(self, self._lengths(is_given.node), "int64")

    def pick(self, table: Value, place: int) -> Value:
        """A column of `(rows, width)`."""
        return Value(self, self._pick(table.node, place), table.dtype)

    def any_of_row(self, truths: Value) -> Value:
        """Whether any of a row of `(rows, width)` is true."""
        return Value(self, self._any_of_row(truths.node), "bool")

    def pad(self, ids: Value, counts: Value, length: int, padding: str, truncation: str) -> Value:
        """Lists of ids, cut and filled up with 0 to one length; see `Vocabulary.encode_lists`.

        Args:
            ids: `(rows, width)` int64.
            counts: Lengths of the lists, `(rows,)` int64.
            length: Positions of the result.
            padding: "pre" or "post".
            truncation: "pre" or "post".
        """
        kept = self.apply("Min", counts, length)
        first = counts - kept if truncation == "pre" else kept * 0
        shift = length - kept if padding == "pre" else kept * 0
        positions = self.constant(np.arange(length)[None], "int64")
        place = positions - shift.as_column()
        is_value = (place >= 0) & (place < kept.as_column())
        # There is always a place to take from, in lists of no elements, too.
        filled = Value(self, self._with_column(ids.node, (counts * 0).as_column().node), "int64")
        places = self.where(is_value, place + first.as_column(), 0)
        taken = Value(self, self._take_along(filled.node, places.node), "int64")
        return self.where(is_value, taken, 0)


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """A tensor of a graph that is being made; its operators make further ones.

    Args:
        ops: The operations of the graph.
        node: What the format calls the tensor.
        dtype: "str", "bool", "int32", "int64", "float32" or "float64".
    """

    ops: GraphOps
    node: Any
    dtype: str

    def __add__(self, other: Any) -> Value:
        return self.ops.apply("Add", self, other)

    def __sub__(self, other: Any) -> Value:
        return self.ops.apply("Sub", self, other)

    def __rsub__(self, other: Any) -> Value:
        return self.ops.apply("Sub", other, self)

    def __mul__(self, other: Any) -> Value:
        return self.ops.apply("Mul", self, other)

    def __truediv__(self, other: Any) -> Value:
        """Of integers, rounded towards 0, as ONNX has it."""
        return self.ops.apply("Div", self, other)

    def __mod__(self, other: Any) -> Value:
        return self.ops.apply("Mod", self, other)

    def __lt__(self, other: Any) -> Value:
        return self.ops.apply("Less", self, other)

    def __le__(self, other: Any) -> Value:
        return self.ops.apply("LessOrEqual", self, other)

    def __gt__(self, other: Any) -> Value:
        return self.ops.apply("Less", other, self)

    def __ge__(self, other: Any) -> Value:
        return self.ops.apply("LessOrEqual", other, self)

    def __and__(self, other: Value) -> Value:
        return self.ops.apply("And", self, other)

    def __or__(self, other: Value) -> Value:
        return self.ops.apply("Or", self, other)

    def __invert__(self) -> Value:
        return self.ops.apply("Not", self)

    def equals(self, other: Any) -> Value:
        """Whether values are equal; `==` compares the objects of Python."""
        return self.ops.apply("Equal", self, other)

    def is_nan(self) -> Value:
        """Whether floats are no numbers."""
        return self.ops.apply("IsNaN", self)

    def is_infinite(self) -> Value:
        """Whether floats are infinite."""
        return self.ops.apply("IsInf", self)

    def cast(self, dtype: str) -> Value:
        """The values in another type."""
        if dtype == self.dtype:
            return self
        return Value(self.ops, self.ops._cast(self.node, dtype), dtype)

    def as_column(self) -> Value:
        """`(rows,)` as `(rows, 1)`."""
        return Value(self.ops, self.ops._as_column(self.node), self.dtype)
