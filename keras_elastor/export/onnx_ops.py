"""Raw rows in ONNX: standard operators only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_elastor.export.graph_ops import GraphOps, Value
from keras_elastor.utils.optional import import_optional

OPSET, ML_OPSET = 20, 4
"""Versions of ONNX's operators: the first that split text, and look up texts in a tensor."""

# So many knots are compared with a value at once; more are searched in two steps.
_FEW_KNOTS = 64


class OnnxOps(GraphOps):
    """Nodes and constants of an ONNX graph, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._onnx = import_optional("onnx", extra="export")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; the names of its outputs."""
        names = [f"rows/{operator}_{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(self._onnx.helper.make_node(operator, inputs, names, **attributes))
        return names[0] if outputs == 1 else tuple(names)

    def repeat(self, value: Value, like: Value, rank: int) -> Value:
        """A value of one row for as many rows as another has; one that has them as it is."""
        shape = self.add("Shape", like.node, start=0, end=1)
        if rank > 1:
            shape = self.add("Concat", shape, self._constant(np.ones(rank - 1, np.int64)), axis=0)
        return Value(self, self.add("Expand", value.node, shape), value.dtype)

    def tensor_type(self, dtype: str) -> int:
        """ONNX's number of a type."""
        if dtype == "str":
            return int(self._onnx.TensorProto.STRING)
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _apply(self, name: str, nodes: list[Any], dtype: str) -> Any:
        return self.add(name, *nodes)

    def _constant(self, array: np.ndarray | np.generic) -> Any:
        name = f"rows/constant_{len(self.constants)}"
        plain = np.asarray(array, object if array.dtype.kind == "U" else None)
        tensor = self._onnx.numpy_helper.from_array(plain, name)
        self.constants.append(tensor)
        return name

    def _cast(self, node: Any, dtype: str) -> Any:
        return self.add("Cast", node, to=self.tensor_type(dtype))

    def _look_up(self, node: Any, dtype: str, table: Mapping[Any, int], default: int) -> Any:
        keys: dict[str, Any] = {
            "keys_strings" if dtype == "str" else "keys_int64s": list(table),
        }
        return self.add(
            "LabelEncoder",
            node,
            domain="ai.onnx.ml",
            values_int64s=list(table.values()),
            default_int64=default,
            **keys,
        )

    def _split(self, node: Any, separator: str) -> tuple[Any, Any]:
        parts, counts = self.add("StringSplit", node, outputs=2, delimiter=separator)
        return parts, counts

    def _take(self, table: np.ndarray, node: Any) -> Any:
        return self.add("Gather", self._constant(table), node, axis=0)

    def _search(self, knots: np.ndarray, node: Any) -> Any:
        column = self._as_column(node)
        if len(knots) <= _FEW_KNOTS:
            return self._count(self.add("LessOrEqual", self._constant(knots[None]), column))
        width = math.isqrt(len(knots) - 1) + 1
        last = np.inf if knots.dtype.kind == "f" else np.iinfo(knots.dtype).max
        filled = np.full(width * width, last, knots.dtype)
        filled[: len(knots)] = knots
        blocks = filled.reshape(width, width)
        begun = self._count(self.add("LessOrEqual", self._constant(blocks[None, :, 0]), column))
        one, zero = self._constant(np.int64(1)), self._constant(np.int64(0))
        block = self.add("Max", self.add("Sub", begun, one), zero)
        inside = self._count(self.add("LessOrEqual", self._take(blocks, block), column))
        before = self.add("Mul", block, self._constant(np.int64(width)))
        found = self.add("Add", before, inside)
        return self.add("Min", found, self._constant(np.int64(len(knots))))

    def _count(self, truths: Any) -> Any:
        axes = self._constant(np.array([1], np.int64))
        return self.add("ReduceSum", self._cast(truths, "int64"), axes, keepdims=0)

    def _as_column(self, node: Any) -> Any:
        return self.add("Unsqueeze", node, self._constant(np.array([1], np.int64)))

    def _with_column(self, node: Any, column: Any) -> Any:
        return self.add("Concat", node, column, axis=1)

    def _take_along(self, node: Any, places: Any) -> Any:
        return self.add("GatherElements", node, places, axis=1)

    def _lengths(self, is_given: Any) -> Any:
        zero, one = self._constant(np.int64(0)), self._constant(np.int64(1))
        width = self.add("Gather", self.add("Shape", is_given), one)
        behind = self.add("Range", one, self.add("Add", width, one), one)
        ends = self.add("Where", is_given, behind, zero)
        # A column of zeros, as there may be none.
        axes = self._constant(np.array([1], np.int64))
        nothing = self.add("ReduceSum", self.add("Mul", ends, zero), axes, keepdims=1)
        ends = self._with_column(ends, nothing)
        return self.add("ReduceMax", ends, axes, keepdims=0)

    def _any_of_row(self, node: Any) -> Any:
        count = self._count(node)
        return self.add("Less", self._constant(np.int64(0)), count)

    def _pick(self, node: Any, place: int) -> Any:
        return self.add("Gather", node, self._constant(np.int64(place)), axis=1)
