"""Raw rows in PyTorch, which has no text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_elastor.export.graph_ops import GraphOps
from keras_elastor.utils.optional import import_optional

_NAMES = {
    "Abs": "abs",
    "Add": "add",
    "And": "logical_and",
    "Equal": "eq",
    "Exp": "exp",
    "Floor": "floor",
    "IsInf": "isinf",
    "IsNaN": "isnan",
    "Less": "lt",
    "LessOrEqual": "le",
    "Log": "log",
    "Max": "maximum",
    "Min": "minimum",
    "Mod": "remainder",
    "Mul": "mul",
    "Not": "logical_not",
    "Or": "logical_or",
    "Pow": "pow",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sqrt": "sqrt",
    "Sub": "sub",
    "Where": "where",
}


class TorchOps(GraphOps):
    """Tensors of PyTorch."""

    has_text = False

    def __init__(self) -> None:
        self._torch = import_optional("torch", extra="torch")

    def _apply(self, name: str, nodes: list[Any], dtype: str) -> Any:
        if name == "Div":
            mode = None if dtype.startswith("float") else "trunc"
            return self._torch.div(*nodes, rounding_mode=mode)
        return getattr(self._torch, _NAMES[name])(*nodes)

    def _constant(self, array: np.ndarray) -> Any:
        return self._torch.as_tensor(array)

    def _cast(self, node: Any, dtype: str) -> Any:
        return node.to(getattr(self._torch, dtype))

    def _look_up(self, node: Any, dtype: str, table: Mapping[Any, int], default: int) -> Any:
        keys = np.array(list(table), np.int64)
        order = np.argsort(keys)
        numbers = self._constant(np.array(list(table.values()), np.int64)[order])
        sorted_keys = self._constant(keys[order])
        place = self._torch.searchsorted(sorted_keys, node).clamp(max=len(keys) - 1)
        return self._torch.where(sorted_keys[place] == node, numbers[place], default)

    def _split(self, node: Any, separator: str) -> tuple[Any, Any]:
        raise NotImplementedError("PyTorch has no text")

    def _take(self, table: np.ndarray, node: Any) -> Any:
        return self._constant(table)[node]

    def _search(self, knots: np.ndarray, node: Any) -> Any:
        return self._torch.searchsorted(self._constant(knots), node, right=True)

    def _as_column(self, node: Any) -> Any:
        return node.unsqueeze(1)

    def _with_column(self, node: Any, column: Any) -> Any:
        return self._torch.cat([node, column], dim=1)

    def _take_along(self, node: Any, places: Any) -> Any:
        return self._torch.gather(node, 1, places)

    def _lengths(self, is_given: Any) -> Any:
        behind = self._torch.arange(1, is_given.shape[1] + 1)
        ends = self._torch.where(is_given, behind, 0)
        return self._torch.cat([ends, ends.sum(1, keepdim=True) * 0], dim=1).amax(1)

    def _any_of_row(self, node: Any) -> Any:
        return node.any(1)

    def _pick(self, node: Any, place: int) -> Any:
        return node[:, place]
