"""The regularizer of a table for the rows of a batch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.keras_compat.sparse_rows import Rows, read_rows

_KINDS = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)


def check_penalty(table: Any) -> None:
    """Raise ValueError unless a table's regularizer is a sum over its weights that is known."""
    regularizer = table.row_regularizer
    if regularizer is not None and type(regularizer) not in _KINDS:
        raise ValueError(
            f"Split: expected the regularizer of table '{table.path}' to be None or "
            "keras.regularizers.L1, L2 or L1L2, which act on each row alone. Received: "
            f"{type(regularizer).__name__}"
        )


def add_penalty(rows: Rows, table: Any) -> Rows:
    """Gradients of rows with those of their table's regularizer.

    Args:
        rows: The gradients, each row once.
        table: The table, whose regularizer `check_penalty` has let pass.
    """
    regularizer = table.row_regularizer
    if regularizer is None:
        return rows
    weights = read_rows(table, rows.indices)
    values = rows.values
    if l1 := float(getattr(regularizer, "l1", 0)):
        values = values + l1 * ops.sign(weights)
    if l2 := float(getattr(regularizer, "l2", 0)):
        values = values + 2 * l2 * weights
    return rows._replace(values=values)
