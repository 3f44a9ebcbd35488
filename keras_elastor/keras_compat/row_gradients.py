"""A training step that takes the gradients of tables by rows.

Keras (3.15) differentiates by whole variables; no version is known to end that.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.keras_compat.sparse_rows import Rows, l2_of, sum_of_squares, sum_rows
from keras_elastor.utils.types import Tensor


@dataclasses.dataclass
class _Step:
    """A training step that takes the gradients of some tables by rows.

    Args:
        tables: The variables, by their `id`.
        taps: On JAX, zeros that are added to the rows of each look-up, in the order of the
            look-ups: their gradient is that of the rows. None while their shapes are sought.
        indices: The table and the indices of each look-up so far.
        with_penalty: Whether the loss has the L2 of the tables, whose gradient is the optimizer's.
        squares: The sum of squares of each table that was asked for.
    """

    tables: dict[int, Any]
    taps: Sequence[Tensor] | None = None
    indices: list[tuple[int, Tensor]] = dataclasses.field(default_factory=list)
    with_penalty: bool = False
    squares: dict[int, Tensor] = dataclasses.field(default_factory=dict)


# Not a global: each replica of TensorFlow's strategies takes its step in a thread of its own.
_STEP: contextvars.ContextVar[_Step | None] = contextvars.ContextVar("step", default=None)


@contextlib.contextmanager
def _stepping(step: _Step) -> Iterator[_Step]:
    token = _STEP.set(step)
    try:
        yield step
    finally:
        _STEP.reset(token)


def is_trained_by_rows(table: Any) -> bool:
    """Whether this is a step that takes the gradient of a table by rows."""
    step = _STEP.get()
    return step is not None and id(table) in step.tables


def squares_of(table: Any) -> Tensor:
    """The sum of squares of a table that this step trains by rows, computed once."""
    step: Any = _STEP.get()
    if id(table) not in step.squares:
        step.squares[id(table)] = sum_of_squares(table)
    return step.squares[id(table)]


def penalty_of(table: Any) -> Tensor:
    """What the L2 of a table that this step trains by rows adds to the loss, without gradient."""
    step: Any = _STEP.get()
    if not step.with_penalty:
        return ops.zeros((), dtype=table.dtype)
    return l2_of(table.row_regularizer) * squares_of(table)


def look_up(table: Any, indices: Tensor) -> Tensor:
    """Rows of a table; inside `train_step_by_rows`, their gradient costs what they hold.

    Args:
        table: A `keras.Variable` that is marked as a table.
        indices: Integers that are rows of it, of any shape.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _look_up_tensorflow(table.value, indices, is_trained_by_rows(table))
    if not is_trained_by_rows(table):
        return ops.take(table, indices, axis=0)
    if backend == "torch":
        import torch

        return torch.nn.functional.embedding(indices, table.value, sparse=True)
    step: Any = _STEP.get()
    step.indices.append((id(table), indices))
    rows = ops.take(table, indices, axis=0)
    return rows if step.taps is None else rows + step.taps[len(step.indices) - 1]


def _look_up_tensorflow(table: Any, indices: Any, by_rows: bool) -> Any:
    """Rows of a variable that is never read as a whole: its next update would copy all of it.

    For other optimizers than those of rows, the gradient is dense. Keras' own square and clip the
    look-ups of an IndexedSlices one by one, as if none were of the same row.
    """
    import tensorflow as tf

    if by_rows or not isinstance(table, tf.Variable):
        return tf.gather(table, indices)

    @tf.custom_gradient
    def gather(indices: Any) -> Any:
        def gradient(upstream: Any, variables: Any = ()) -> Any:
            values = tf.reshape(upstream, (-1, upstream.shape[-1]))
            sums = tf.math.unsorted_segment_sum(values, tf.reshape(indices, (-1,)), table.shape[0])
            return None, [sums for _ in variables]

        return tf.gather(table, indices), gradient

    return gather(indices)


def tables_by_rows(optimizer: Any, variables: Sequence[Any]) -> list[Any]:
    """Those of the trainable variables of a model that an optimizer takes gradients by rows of."""
    choose = getattr(optimizer, "tables_by_rows", None)
    return [] if choose is None else list(choose(variables))


def train_step_by_rows(model: Any, step: Any, tables: Sequence[Any], *arguments: Any) -> Any:
    """A training step of Keras whose optimizer gets the gradients of some tables by rows.

    Args:
        model: A Keras model whose optimizer understands them.
        step: The `train_step` of its backend.
        tables: Trainable variables of the model that are marked as tables.
        arguments: What Keras gives a `train_step`.
    """
    by_id = {id(table): table for table in tables}
    if keras.backend.backend() == "jax":
        return _jax_train_step(model, by_id, *arguments)
    # The gradients of `look_up` arrive as they are made: IndexedSlices, sparse tensors.
    with _stepping(_Step(by_id, with_penalty=model.optimizer.with_penalty)):
        return step(*arguments)


def _jax_train_step(model: Any, tables: dict[int, Any], state: Any, data: Any) -> Any:
    """Keras' own step on JAX, but differentiated by the looked-up rows instead of the tables."""
    import jax

    values, non_trainable, optimizer_values, metrics_values = state
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    is_dense = [id(variable) not in tables for variable in model.trainable_variables]

    def compute(dense: list[Any], taps: Sequence[Any] | None) -> Any:
        remaining = iter(dense)
        merged = [
            next(remaining) if by_value else value
            for by_value, value in zip(is_dense, values, strict=True)
        ]
        with _stepping(_Step(tables, taps)) as step:
            loss, auxiliary = model.compute_loss_and_updates(
                merged,
                non_trainable,
                metrics_values,
                x,
                y,
                sample_weight,
                training=True,
                optimizer_variables=optimizer_values,
            )
        order.clear()
        order.extend(table for table, _ in step.indices)
        return loss, (auxiliary, [indices for _, indices in step.indices])

    order: list[int] = []
    dense = [value for by_value, value in zip(is_dense, values, strict=True) if by_value]
    _, (_, shapes) = jax.eval_shape(compute, dense, None)
    taps = [
        jax.numpy.zeros((*indices.shape, tables[table].shape[1]), tables[table].dtype)
        for table, indices in zip(order, shapes, strict=True)
    ]
    (_, (auxiliary, looked_up)), (by_dense, by_taps) = jax.value_and_grad(
        compute, argnums=(0, 1), has_aux=True
    )(dense, taps)
    loss, y_pred, non_trainable, metrics_values = auxiliary
    gradients = iter(by_dense)
    all_gradients = [
        next(gradients) if by_value else _jax_gradient(id(variable), order, looked_up, by_taps)
        for by_value, variable in zip(is_dense, model.trainable_variables, strict=True)
    ]
    values, optimizer_values = model.optimizer.stateless_apply(
        optimizer_values, all_gradients, values
    )
    logs, metrics_values = model._update_metrics_variables(
        metrics_values, loss, x, y, y_pred, sample_weight
    )
    return logs, (values, non_trainable, optimizer_values, metrics_values)


def _jax_gradient(table: int, order: list[int], indices: Any, gradients: Any) -> Rows | None:
    """The gradient of one table, of all its look-ups."""
    import jax.numpy as jnp

    own = [number for number, other in enumerate(order) if other == table]
    if not own:
        return None
    flat = jnp.concatenate([indices[number].reshape(-1) for number in own])
    rows = [gradients[number].reshape(-1, gradients[number].shape[-1]) for number in own]
    return sum_rows(flat, jnp.concatenate(rows))
