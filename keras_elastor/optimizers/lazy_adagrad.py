"""Adagrad for the rows that a batch touches."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.optimizers.row_optimizer import RowOptimizer
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Tensor


@register
class LazyAdagrad(RowOptimizer):
    """Adagrad that reads and writes, of a table, the rows that the batch looked up.

        s[r] <- s[r] + g[r]^2
        w[r] <- w[r] - learning_rate * g[r] / sqrt(s[r] + epsilon)

    for the rows r of the batch, whose gradient g[r] is the sum over all of its look-ups. It is
    `keras.optimizers.Adagrad`, whose other rows do not move either, at a cost that does not grow
    with the table. It keeps one number per weight.

    Args:
        learning_rate: A number or a `keras.optimizers.schedules.LearningRateSchedule`. Default:
            1e-3.
        initial_accumulator_value: First value of s, at least 0. Default: 0.1.
        epsilon: Added to s. Default: 1e-7.
        name: Name. Default: "lazy_adagrad".
        kwargs: `weight_decay`, `clipnorm` and `clipvalue` of `RowOptimizer`.

    Example:

    >>> optimizer = ke.optimizers.Split(tables=ke.optimizers.LazyAdagrad(0.05), dense="adam")
    >>> optimizer.tables.name
    'lazy_adagrad'

    Raises:
        ValueError: If `initial_accumulator_value` is below 0, or an argument of Keras' optimizers
            has no meaning for rows.

    Reference: Duchi et al. (2011), Adaptive Subgradient Methods, section 1.1, the diagonal form.
    """

    slots = ("accumulator",)

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        name: str = "lazy_adagrad",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **kwargs)
        if not initial_accumulator_value >= 0:
            raise ValueError(
                f"{type(self).__name__}: expected `initial_accumulator_value` to be at least 0. "
                f"Received: initial_accumulator_value={initial_accumulator_value!r}"
            )
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def add_slot(self, table: Any, name: str) -> Any:
        """Make the accumulator of a table."""
        initializer = keras.initializers.Constant(self.initial_accumulator_value)
        return self.add_variable_from_reference(table, name=name, initializer=initializer)

    def update(
        self, weights: Tensor, gradients: Tensor, *kept: Tensor, learning_rate: Tensor
    ) -> tuple[Tensor, ...]:
        """Move rows."""
        accumulator = kept[0] + ops.square(gradients)
        moved = weights - learning_rate * gradients / ops.sqrt(accumulator + self.epsilon)
        return moved, accumulator

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }
