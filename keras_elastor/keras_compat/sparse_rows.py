"""Some rows of a variable: summed, read and written at the cost of the rows alone.

Keras (3.15) has optimizers that pass over whole variables; no version is known to end that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_elastor.utils.types import Tensor

# Weights of which `sum_of_squares` adds up the squares at once.
_PART = 1 << 14


class Rows(NamedTuple):
    """A value for each of some rows of a table.

    JAX knows no shapes that depend on values: there it has a place for every look-up, of which the
    spare ones point behind the table and hold zeros.
    """

    indices: Tensor
    """The rows in rising order on JAX and PyTorch, each once, `(rows,)`."""
    values: Tensor
    """Their values, `(rows, width)`."""


class TableGradient(NamedTuple):
    """The gradient of a whole table, which is never made: rows, and a share of the table itself.

    g = rows + share * table
    """

    table: Any
    """The variable."""
    rows: Rows
    """What the batch looked up, each row once."""
    share: Any
    """Of the weights of all rows: twice the strength of an L2."""

    def square_norm(self, table_squares: Any) -> Tensor:
        """The sum of its squares, at the cost of the rows.

        Args:
            table_squares: The sum of the squares of the table.
        """
        values = self.rows.values
        if not self.share:
            return ops.sum(ops.square(values))
        weights = read_rows(self.table, self.rows.indices)
        others = table_squares - ops.sum(ops.square(weights))
        return ops.sum(ops.square(values + self.share * weights)) + self.share**2 * others

    def scaled(self, scale: Any) -> TableGradient:
        """The gradient times a scalar."""
        rows = self.rows._replace(values=self.rows.values * scale)
        return self._replace(rows=rows, share=self.share * scale)


def mark_table(variable: Any, regularizer: Any) -> None:
    """Mark a variable as a table, which its layer reads by `look_up` alone.

    Args:
        variable: A `keras.Variable` of shape `(rows, width)`.
        regularizer: What its layer asks of all of its rows, or None.
    """
    variable.row_regularizer = regularizer


def is_table(variable: Any) -> bool:
    """Whether a variable was marked as a table."""
    return hasattr(variable, "row_regularizer")


def l2_of(regularizer: Any) -> float | None:
    """The strength of a regularizer that is an L2 or none at all; None for any other."""
    if regularizer is None:
        return 0.0
    if type(regularizer) not in (keras.regularizers.L2, keras.regularizers.L1L2):
        return None
    return None if float(getattr(regularizer, "l1", 0)) else float(regularizer.l2)


def as_rows(gradient: Any) -> Rows | None:
    """A gradient by rows, the duplicates of each row summed; None if it is none by rows."""
    if isinstance(gradient, Rows):
        return gradient
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if isinstance(gradient, tf.IndexedSlices):
            return sum_rows(gradient.indices, gradient.values)
    if backend == "torch" and gradient.is_sparse:
        # `coalesce` takes ten times as long.
        return sum_rows(gradient._indices()[0], gradient._values())
    return None


def no_rows(variable: Any) -> Rows:
    """Values for no row of a variable."""
    indices = ops.zeros((0,), "int64" if keras.backend.backend() == "torch" else "int32")
    return Rows(indices, ops.zeros((0, variable.shape[1]), variable.dtype))


def sum_rows(indices: Tensor, values: Tensor) -> Rows:
    """The sum of the values of each index.

    Args:
        indices: Rows of a table below 2^31, `(count,)`.
        values: A value for each, `(count, width)`.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return _sum_jax(indices, values)
    if backend == "tensorflow":
        import tensorflow as tf

        unique, place = tf.unique(indices)
        return Rows(unique, tf.math.unsorted_segment_sum(values, place, tf.size(unique)))
    import torch

    # Half as wide, sorted in half of the time.
    ordered, order = torch.sort(indices.int(), stable=True)
    unique, counts = torch.unique_consecutive(ordered, return_counts=True)
    starts = torch.cumsum(counts, 0) - counts
    sums = torch.nn.functional.embedding_bag(order, values, starts, mode="sum")
    return Rows(unique.long(), sums)


def _sum_jax(indices: Any, values: Any) -> Rows:
    import jax
    import jax.numpy as jnp

    order = jnp.argsort(indices)
    indices = indices[order].astype("int32")
    count = indices.shape[0]
    is_new = jnp.concatenate([jnp.zeros(1, "bool"), indices[1:] != indices[:-1]])
    place = jnp.cumsum(is_new.astype("int32"))
    sums = jax.ops.segment_sum(values[order], place, count, indices_are_sorted=True)
    behind = jnp.arange(count, dtype="int32") + (np.iinfo("int32").max - count)
    return Rows(behind.at[place].set(indices, indices_are_sorted=True), sums)


def read_rows(variable: Any, indices: Tensor) -> Tensor:
    """Rows of a variable; zeros where JAX' spare indices point behind it."""
    backend = keras.backend.backend()
    if backend == "jax":
        at = variable.value.at[indices]
        return at.get(mode="fill", fill_value=0, indices_are_sorted=True, unique_indices=True)
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.gather(variable.value, indices)
    return variable.value.detach().index_select(0, indices)


def write_rows(variable: Any, indices: Tensor, rows: Tensor) -> None:
    """Set rows of a variable in place; JAX does so where the step was given its memory."""
    backend = keras.backend.backend()
    if backend == "jax":
        at = variable.value.at[indices]
        variable.assign(at.set(rows, mode="drop", indices_are_sorted=True, unique_indices=True))
    elif backend == "tensorflow":
        import tensorflow as tf

        variable.value.scatter_update(tf.IndexedSlices(rows, indices))
    else:
        variable.value.detach().index_copy_(0, indices, rows)


def sum_of_squares(variable: Any) -> Tensor:
    """The sum of all squares of a table, without a gradient, in one pass over its memory."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.stop_gradient(2 * tf.nn.l2_loss(variable.value))
    if backend == "torch":
        import torch

        # In parts, whose sums keep the digits that one sum over the whole would lose.
        parts = variable.value.detach().reshape(-1).split(_PART)
        return torch.stack([torch.dot(part, part) for part in parts]).sum()
    return ops.stop_gradient(ops.sum(ops.square(variable.value)))


def assign_all_rows(variable: Any, values: Any, kept: np.ndarray) -> None:
    """Set all rows of a variable but some.

    Args:
        variable: A variable whose first axis are rows.
        values: The new values, of its shape, shared with no other variable.
        kept: Numbers of the rows that stay.
    """
    if len(kept):
        values = np.array(keras.ops.convert_to_numpy(values))
        values[kept] = keras.ops.convert_to_numpy(variable)[kept]
    variable.assign(values)
