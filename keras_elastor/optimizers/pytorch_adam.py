"""Adam with epsilon where PyTorch has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.keras_compat.fused_adam import (
    fused_adam,
    fused_adam_of_table,
    tensorflow_adam,
)
from keras_elastor.keras_compat.replicas import num_replicas
from keras_elastor.keras_compat.row_gradients import is_trained_by_rows, squares_of
from keras_elastor.keras_compat.sparse_rows import (
    TableGradient,
    as_rows,
    is_table,
    l2_of,
    no_rows,
)
from keras_elastor.optimizers.clipping import clip_scale
from keras_elastor.utils.saving import register


@register
class PyTorchAdam(keras.optimizers.Adam):
    """Adam as PyTorch computes it.

        m <- beta_1 m + (1 - beta_1) g
        v <- beta_2 v + (1 - beta_2) g^2
        w <- w - learning_rate * m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)

    `keras.optimizers.Adam` adds epsilon to `sqrt(v)` before the bias of `v` is corrected. That is
    an epsilon larger by `1 / sqrt(1 - beta_2^t)`, 32-fold in the first step, which moves weights
    whose gradients are as small as epsilon, such as those of freshly initialised embeddings, along
    another path. `tests/optimizers/test_pytorch_adam.py` has both beside PyTorch's.

    Args:
        learning_rate: A number or a `keras.optimizers.schedules.LearningRateSchedule`. Default:
            1e-3.
        beta_1: Decay of the mean of gradients. Default: 0.9.
        beta_2: Decay of the mean of squared gradients. Default: 0.999.
        epsilon: Added to the root of the corrected mean of squares. Default: 1e-8.
        kwargs: Further arguments of `keras.optimizers.Adam`, such as `global_clipnorm`; `amsgrad`
            is not supported.

    Example:

    >>> optimizer = ke.optimizers.PyTorchAdam(learning_rate=0.1, epsilon=1.0)
    >>> weight = keras.Variable([1.0])
    >>> optimizer.apply([ops.ones(1)], [weight])  # moves by 0.1 / (1 + epsilon)
    >>> round(float(ops.convert_to_numpy(weight.value)[0]), 4)
    0.95

    Raises:
        ValueError: If `amsgrad=True` is given.

    Reference: Kingma & Ba (2015), Adam, algorithm 1; `torch.optim.Adam`.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        name: str = "adam",
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("amsgrad", False):
            raise ValueError("PyTorchAdam: expected amsgrad=False. Received: amsgrad=True")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name=name, **kwargs)

    with_penalty = True
    """The loss has the L2 of tables by rows."""

    def tables_by_rows(self, variables: Sequence[Any]) -> list[Any]:
        """The variables whose gradients it takes by rows, so that none of their size is made.

        On JAX none, where the compiler makes one pass of many. Whatever needs the gradient of a
        table as a whole gets it.
        """
        others = ("clipnorm", "clipvalue", "weight_decay", "gradient_accumulation_steps")
        if keras.backend.backend() == "jax" or num_replicas() > 1:
            return []
        if any(getattr(self, name) for name in others):
            return []
        return [
            one for one in variables if is_table(one) and l2_of(one.row_regularizer) is not None
        ]

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Move variables by their gradients."""
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            pairs = zip(grads, trainable_variables, strict=True)
            grads = [
                _by_rows(gradient, variable) if is_trained_by_rows(variable) else gradient
                for gradient, variable in pairs
            ]
        super().apply(grads, trainable_variables)

    def _clip_gradients(self, grads: Sequence[Any]) -> Sequence[Any]:
        """Clip gradients by their global norm, those by rows among them."""
        if not any(isinstance(one, TableGradient) for one in grads):
            clipped: Sequence[Any] = super()._clip_gradients(grads)
            return clipped
        if not self.global_clipnorm:
            return grads
        squares = [
            one.square_norm(squares_of(one.table))
            if isinstance(one, TableGradient)
            else ops.sum(ops.square(one))
            for one in grads
        ]
        scale = clip_scale(squares, self.global_clipnorm)
        return [
            one.scaled(scale) if isinstance(one, TableGradient) else one * scale for one in grads
        ]

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        """Move all variables; on PyTorch in one pass over each."""
        if keras.backend.backend() != "torch":
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        rule = self._rule(learning_rate)
        dense: list[tuple[Any, ...]] = []
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            place = self._get_variable_index(variable)
            slots = self._momentums[place].value, self._velocities[place].value
            if isinstance(gradient, TableGradient):
                fused_adam_of_table(gradient, *slots, **rule)
            else:
                dense.append((variable.value, ops.cast(gradient, variable.dtype), *slots))
        if dense:
            fused_adam(*zip(*dense, strict=True), **rule)

    def _rule(self, learning_rate: Any) -> dict[str, Any]:
        return {
            "learning_rate": learning_rate,
            "step": self.iterations + 1,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable."""
        index = self._get_variable_index(variable)
        mean, mean_square = self._momentums[index], self._velocities[index]
        if isinstance(gradient, TableGradient):
            tensorflow_adam(
                variable, gradient, mean.value, mean_square.value, **self._rule(learning_rate)
            )
            return
        gradient = ops.cast(gradient, variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(mean_square, (ops.square(gradient) - mean_square) * (1 - self.beta_2))
        # 1 - beta^t by expm1, as float32 would lose half of its digits where beta^t is close to 1.
        mean_weight = -ops.expm1(step * math.log(self.beta_1))
        square_weight = -ops.expm1(step * math.log(self.beta_2))
        rate = ops.cast(learning_rate, variable.dtype) / mean_weight
        root = ops.sqrt(mean_square) / ops.sqrt(square_weight)
        self.assign_sub(variable, rate * mean / (root + self.epsilon))


def _by_rows(gradient: Any, table: Any) -> Any:
    """The gradient of a table, its L2 included; None if no row was looked up and there is no L2."""
    share = 2 * (l2_of(table.row_regularizer) or 0.0)
    if gradient is None:
        return TableGradient(table, no_rows(table), share) if share else None
    rows = as_rows(gradient)
    if rows is None:
        # Something else than look-ups has used the table.
        return gradient + share * table if share else gradient
    values = ops.cast(rows.values, table.dtype)
    return TableGradient(table, rows._replace(values=values), share)
