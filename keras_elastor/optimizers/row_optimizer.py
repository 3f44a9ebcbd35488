"""What optimizers of tables share: a step that costs what the batch touches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from keras_elastor.keras_compat.sparse_rows import Rows, is_table, read_rows, write_rows
from keras_elastor.utils.types import Tensor

# Arguments of Keras' optimizers that pass over whole variables or belong to the whole model.
_OTHERS = {
    "global_clipnorm": "Give it to ke.optimizers.Split, for the gradients of the tables and of the "
    "rest together",
    "use_ema": "An average of all rows would pass over the whole table in each step",
    "loss_scale_factor": "Tables have no need of it: their rows are float32",
    "gradient_accumulation_steps": "It would keep a gradient of the table's size. Train on larger "
    "batches",
}


class RowOptimizer(keras.optimizers.Optimizer):
    """Base of the optimizers of tables: it moves the rows that a batch looks up, and no others.

    Given to `ke.optimizers.Split` as `tables`. Its gradients come as `Rows`, each row once. A
    subclass names what it keeps of each weight in `slots` and writes its rule as `update`.

    Args:
        learning_rate: A number or a `keras.optimizers.schedules.LearningRateSchedule`.
        weight_decay: Share of the touched rows that a step takes off, times the learning rate, as
            in `keras.optimizers.AdamW`. Default: None.
        clipnorm: Norm to which larger gradients of one table are scaled. Default: None.
        clipvalue: Largest absolute value of a gradient. Default: None.
        name: Name. Default: None, the class' own.
        kwargs: None of Keras' other arguments has a meaning for rows; each is an error that says
            why.

    Example:

    >>> class SignDescent(ke.optimizers.RowOptimizer):
    ...     def update(self, weights, gradients, *kept, learning_rate):
    ...         return (weights - learning_rate * ops.sign(gradients),)
    >>> optimizer = ke.optimizers.Split(tables=SignDescent(1e-3), dense="adam")

    Raises:
        ValueError: If an argument passes over whole tables or is the whole model's.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    """Names of what is kept of each table."""

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        for argument, reason in _OTHERS.items():
            value = kwargs.pop(argument, None)
            if value:
                raise ValueError(
                    f"{type(self).__name__}: expected no `{argument}`. {reason}. Received: "
                    f"{argument}={value!r}"
                )
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            name=name,
            **kwargs,
        )

    def build(self, variables: Sequence[Any]) -> None:
        """Make what is kept of each table.

        Raises:
            ValueError: If a variable is no table of this package.
        """
        if self.built:
            return
        for variable in variables:
            if not is_table(variable):
                raise ValueError(
                    f"{type(self).__name__} moves rows of embedding tables only. Expected "
                    f"ke.optimizers.Split(tables=ke.optimizers.{type(self).__name__}(), "
                    "dense=...), whose `dense` moves the other weights. Received: "
                    f"'{variable.path}', which is no table"
                )
        super().build(variables)
        self._slots = [[self.add_slot(table, name) for name in self.slots] for table in variables]

    def add_slot(self, table: Any, name: str) -> Any:
        """Make what is kept of a table under a name; zeros of the table's shape."""
        return self.add_variable_from_reference(table, name=name)

    def apply(self, grads: Sequence[Rows], trainable_variables: Any = None) -> None:
        """Move the rows of tables.

        Args:
            grads: The gradient of each table.
            trainable_variables: The tables. Default: None, those it was built for.
        """
        tables = self._trainable_variables if trainable_variables is None else trainable_variables
        clipped = self._clip_gradients([rows.values for rows in grads])
        for table, rows, gradients in zip(tables, grads, clipped, strict=True):
            self._move(table, rows.indices, gradients)
        self._iterations.assign_add(1)

    def _move(self, table: Any, indices: Tensor, gradients: Tensor) -> None:
        rate = ops.cast(self.learning_rate, table.dtype)
        weights = read_rows(table, indices)
        if self.weight_decay is not None:
            weights = weights - weights * self.weight_decay * rate
        variables = self._slots[self._get_variable_index(table)]
        kept = [read_rows(variable, indices) for variable in variables]
        moved = self.update(weights, ops.cast(gradients, table.dtype), *kept, learning_rate=rate)
        for variable, rows in zip((table, *variables), moved, strict=True):
            write_rows(variable, indices, rows)

    def update(
        self, weights: Tensor, gradients: Tensor, *kept: Tensor, learning_rate: Tensor
    ) -> tuple[Tensor, ...]:
        """The rule.

        Args:
            weights: Rows, `(rows, width)`.
            gradients: Their gradients.
            kept: Their rows of each of the `slots`.
            learning_rate: A scalar.

        Returns:
            The new rows, and those of each of the `slots`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        names = ("learning_rate", "weight_decay", "clipnorm", "clipvalue", "name")
        config = super().get_config()
        return {name: config[name] for name in names}
