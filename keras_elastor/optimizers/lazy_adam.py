"""Adam for the rows that a batch touches."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_elastor.keras_compat.fused_adam import fused_adam
from keras_elastor.optimizers.row_optimizer import RowOptimizer
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Tensor


@register
class LazyAdam(RowOptimizer):
    """Adam that moves, of a table, the rows that the batch looked up.

        m[r] <- beta_1 m[r] + (1 - beta_1) g[r]
        v[r] <- beta_2 v[r] + (1 - beta_2) g[r]^2
        w[r] <- w[r] - learning_rate * m[r] / (1 - beta_1^t) / (sqrt(v[r] / (1 - beta_2^t)) + epsilon)

    for the rows r of the batch, whose gradient g[r] is the sum over all of its look-ups, and the
    step t of the training. Where each row is touched in each step, this is `PyTorchAdam`. The means
    of other rows do not decay and their weights do not drift on, as those of Adam do: it is another
    rule, at a cost that does not grow with the table. It keeps two numbers per weight.

    Args:
        learning_rate: A number or a `keras.optimizers.schedules.LearningRateSchedule`. Default:
            1e-3.
        beta_1: Decay of the mean of gradients. Default: 0.9.
        beta_2: Decay of the mean of squared gradients. Default: 0.999.
        epsilon: Added to the root of the corrected mean of squares. Default: 1e-8.
        name: Name. Default: "lazy_adam".
        kwargs: `weight_decay`, `clipnorm` and `clipvalue` of `RowOptimizer`.

    Example:

    >>> tables = ke.optimizers.LazyAdam(learning_rate=1e-2)
    >>> optimizer = ke.optimizers.Split(tables=tables, dense=keras.optimizers.Adam())
    >>> model = ke.models.DNN(ke.FeatureSchema([ke.Categorical("item", 20)]), hidden_units=[4])
    >>> model.compile(optimizer)
    >>> history = model.fit({"item": np.arange(20)}, np.arange(20) % 2, verbose=0)

    Raises:
        ValueError: If an argument of Keras' optimizers has no meaning for rows.

    Reference: Kingma & Ba (2015), Adam, algorithm 1, on rows as `torch.optim.SparseAdam` does.
    """  # noqa: E501 - one equation per line

    slots = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        name: str = "lazy_adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def update(
        self, weights: Tensor, gradients: Tensor, *kept: Tensor, learning_rate: Tensor
    ) -> tuple[Tensor, ...]:
        """Move rows."""
        mean, mean_square = kept
        if keras.backend.backend() == "torch":
            fused_adam(
                [weights],
                [gradients],
                [mean],
                [mean_square],
                learning_rate=learning_rate,
                step=self.iterations + 1,
                beta_1=self.beta_1,
                beta_2=self.beta_2,
                epsilon=self.epsilon,
            )
            return weights, mean, mean_square
        mean = mean + (gradients - mean) * (1 - self.beta_1)
        mean_square = mean_square + (ops.square(gradients) - mean_square) * (1 - self.beta_2)
        step = ops.cast(self.iterations + 1, learning_rate.dtype)
        # 1 - beta^t by expm1, as float32 would lose half of its digits where beta^t is close to 1.
        mean_weight = -ops.expm1(step * math.log(self.beta_1))
        square_weight = -ops.expm1(step * math.log(self.beta_2))
        root = ops.sqrt(mean_square) / ops.sqrt(square_weight)
        moved = weights - learning_rate / mean_weight * mean / (root + self.epsilon)
        return moved, mean, mean_square

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
