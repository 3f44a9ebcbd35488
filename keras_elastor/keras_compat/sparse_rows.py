"""Some rows of a variable: summed, read and written at the cost of the rows alone.

Keras (3.15) has optimizers that pass over whole variables; no version is known to end that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_elastor.utils.types import Tensor


class Rows(NamedTuple):
    """A value for each of some rows of a table.

    JAX knows no shapes that depend on values: there it has a place for every look-up, of which the
    spare ones point behind the table and hold zeros.
    """

    indices: Tensor
    """The rows in rising order on JAX and PyTorch, each once, `(rows,)`."""
    values: Tensor
    """Their values, `(rows, width)`."""


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
