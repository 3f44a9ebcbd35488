"""Raw rows in TensorFlow, with a file for each table of texts or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.export.graph_ops import GraphOps
from keras_elastor.utils.files import write_text
from keras_elastor.utils.optional import import_optional

_NAMES = {
    "Abs": "abs",
    "Add": "add",
    "And": "logical_and",
    "Equal": "equal",
    "Exp": "exp",
    "Floor": "floor",
    "IsInf": "is_inf",
    "IsNaN": "is_nan",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "Log": "log",
    "Max": "maximum",
    "Min": "minimum",
    "Mod": "floormod",
    "Mul": "multiply",
    "Not": "logical_not",
    "Or": "logical_or",
    "Pow": "pow",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sqrt": "sqrt",
    "Sub": "subtract",
}
# What Arrow takes for a blank: Unicode's white space.
_BLANK = r"[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]+"


class TensorFlowOps(GraphOps):
    """Tensors of TensorFlow.

    Args:
        folder: Where the files of the tables are written.
    """

    can_strip = True

    def __init__(self, folder: Path) -> None:
        self._tf = import_optional("tensorflow", extra="tensorflow")
        self._folder = folder
        # What the SavedModel has to track; a function may be traced more often than once.
        self.tables: list[Any] = []

    def restart(self) -> None:
        """Forget the tables of an earlier tracing."""
        self.tables.clear()

    def _apply(self, name: str, nodes: list[Any], dtype: str) -> Any:
        tf = self._tf
        if name == "Where":
            return tf.where(*nodes)
        if name == "Div":
            is_float = dtype.startswith("float")
            return (tf.divide if is_float else tf.truncatediv)(*nodes)
        return getattr(tf.math, _NAMES[name])(*nodes)

    def _constant(self, array: np.ndarray) -> Any:
        return self._tf.constant(array)

    def _cast(self, node: Any, dtype: str) -> Any:
        return self._tf.strings.as_string(node) if dtype == "str" else self._tf.cast(node, dtype)

    def _look_up(self, node: Any, dtype: str, table: Mapping[Any, int], default: int) -> Any:
        tf = self._tf
        lookup = tf.lookup
        kind = tf.string if dtype == "str" else tf.int64
        if any(set(key) & set("\t\r\n") for key in table if isinstance(key, str)):
            keys = [key.encode() for key in table]
            pairs = tf.constant(keys), tf.constant(list(table.values()), tf.int64)
            initializer = lookup.KeyValueTensorInitializer(*pairs)
        else:
            path = self._folder / f"table_{len(self.tables)}.txt"
            write_text(path, "".join(f"{key}\t{place}\n" for key, place in table.items()))
            initializer = lookup.TextFileInitializer(
                str(path), kind, 0, tf.int64, 1, delimiter="\t", vocab_size=len(table)
            )
        self.tables.append(lookup.StaticHashTable(initializer, default_value=default))
        return self.tables[-1].lookup(node)

    def _split(self, node: Any, separator: str) -> tuple[Any, Any]:
        tf = self._tf
        parts = tf.strings.split(node, separator)
        counts = tf.where(tf.equal(node, ""), tf.constant(0, tf.int64), parts.row_lengths())
        return parts.to_tensor(""), counts

    def _strip(self, node: Any) -> Any:
        return self._tf.strings.regex_replace(node, f"^{_BLANK}|{_BLANK}$", "")

    def _take(self, table: np.ndarray, node: Any) -> Any:
        return self._tf.gather(self._constant(table), node)

    def _search(self, knots: np.ndarray, node: Any) -> Any:
        found = self._tf.searchsorted(self._constant(knots), node, side="right")
        return self._tf.cast(found, self._tf.int64)

    def _as_column(self, node: Any) -> Any:
        return node[:, None]

    def _with_column(self, node: Any, column: Any) -> Any:
        return self._tf.concat([node, column], axis=1)

    def _take_along(self, node: Any, places: Any) -> Any:
        return self._tf.gather(node, places, batch_dims=1)

    def _lengths(self, is_given: Any) -> Any:
        tf = self._tf
        behind = tf.range(1, tf.shape(is_given)[1] + 1)
        ends = tf.where(is_given, behind, 0)
        ends = tf.pad(ends, [[0, 0], [0, 1]])
        return tf.cast(tf.reduce_max(ends, axis=1), tf.int64)

    def _any_of_row(self, node: Any) -> Any:
        return self._tf.reduce_any(node, axis=1)

    def _pick(self, node: Any, place: int) -> Any:
        return node[:, place]
