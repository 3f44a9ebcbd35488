"""Adagrad with one number per row."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_elastor.optimizers.row_optimizer import RowOptimizer
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Tensor


@register
class RowWiseAdagrad(RowOptimizer):
    """Adagrad that keeps one number per row of a table and moves the rows that the batch looked up.

        s[r] <- s[r] + mean over the row of g[r]^2
        w[r] <- w[r] - learning_rate * g[r] / (sqrt(s[r]) + epsilon)

    for the rows r of the batch, whose gradient g[r] is the sum over all of its look-ups. Its state
    is a table's size divided by the width of its rows, where Adam keeps twice the table.

    Args:
        learning_rate: A number or a `keras.optimizers.schedules.LearningRateSchedule`. Default:
            0.01.
        epsilon: Added to the root of s. Default: 1e-10.
        name: Name. Default: "row_wise_adagrad".
        kwargs: `weight_decay`, `clipnorm` and `clipvalue` of `RowOptimizer`.

    Example:

    >>> optimizer = ke.optimizers.Split(tables=ke.optimizers.RowWiseAdagrad(0.02), dense="adam")
    >>> optimizer.tables.name
    'row_wise_adagrad'

    Raises:
        ValueError: If an argument of Keras' optimizers has no meaning for rows.

    Reference: `torchrec.optim.RowWiseAdagrad`; `EXACT_ROWWISE_ADAGRAD` of FBGEMM.
    """

    slots = ("accumulator",)

    def __init__(
        self,
        learning_rate: Any = 0.01,
        epsilon: float = 1e-10,
        name: str = "row_wise_adagrad",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **kwargs)
        self.epsilon = epsilon

    def add_slot(self, table: Any, name: str) -> Any:
        """Make the sum of each row."""
        # Named as Keras names what belongs to a weight, so that it moves with the table's rows.
        name = f"{table.path.replace('/', '_')}_{name}"
        return self.add_variable((table.shape[0], 1), dtype=table.dtype, name=name)

    def update(
        self, weights: Tensor, gradients: Tensor, *kept: Tensor, learning_rate: Tensor
    ) -> tuple[Tensor, ...]:
        """Move rows."""
        sums = kept[0] + ops.mean(ops.square(gradients), axis=1, keepdims=True)
        moved = weights - learning_rate * gradients / (ops.sqrt(sums) + self.epsilon)
        return moved, sums

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}
