"""Gradient descent for the rows that a batch touches."""

from __future__ import annotations

from typing import Any

from keras_elastor.optimizers.row_optimizer import RowOptimizer
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Tensor


@register
class LazySGD(RowOptimizer):
    """Gradient descent that reads and writes, of a table, the rows that the batch looked up.

        w[r] <- w[r] - learning_rate * g[r]

    for the rows r of the batch. It is `keras.optimizers.SGD` without momentum, whose other rows do
    not move either, at a cost that does not grow with the table. It keeps nothing.

    Args:
        learning_rate: A number or a `keras.optimizers.schedules.LearningRateSchedule`. Default:
            0.01.
        name: Name. Default: "lazy_sgd".
        kwargs: `weight_decay`, `clipnorm` and `clipvalue` of `RowOptimizer`.

    Example:

    >>> optimizer = ke.optimizers.Split(tables=ke.optimizers.LazySGD(0.1), dense="adam")
    >>> optimizer.tables.name
    'lazy_sgd'

    Raises:
        ValueError: If an argument of Keras' optimizers has no meaning for rows.
    """

    def __init__(self, learning_rate: Any = 0.01, name: str = "lazy_sgd", **kwargs: Any) -> None:
        super().__init__(learning_rate, name=name, **kwargs)

    def update(
        self, weights: Tensor, gradients: Tensor, *kept: Tensor, learning_rate: Tensor
    ) -> tuple[Tensor, ...]:
        """Move rows."""
        return (weights - learning_rate * gradients,)
