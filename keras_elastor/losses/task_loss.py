"""One loss for several tasks, each by a Keras loss of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from keras_elastor.utils.types import Config, Tensor


@keras.saving.register_keras_serializable(package="keras_elastor")
class TaskLoss(keras.losses.Loss):
    """Weighted sum over the tasks of a Keras loss each.

        loss = sum_k weight_k * loss_k(y_k, z_k)

    of labels y and logits z, as Keras does it for a model of several outputs. It is what
    `model.compile(loss={"click": ..., "like": ...})` makes of its losses. A missing label of an
    optional task counts as a loss of 0, without a gradient.

    Args:
        losses: For each task a Keras loss, its name or a function of `(labels, predictions)`, each
            `(batch, 1)`, that gives one value per row. A loss' own `reduction` is not used.
        weights: Weight of each task. Default: None, 1.
        optional: Whether each task's label may be missing, NaN. Default: None, for no task.
        reduction: As for every Keras loss. Default: "sum_over_batch_size".
        name: Name of the loss. Default: "task_loss".
        dtype: As for every Keras loss.

    Call arguments:
        y_true: Labels, `(batch, tasks)`.
        y_pred: Logits, `(batch, tasks)`.

    Example:

    >>> loss = ke.losses.TaskLoss(["mean_squared_error", "mean_absolute_error"], weights=[1, 10])
    >>> float(loss(np.array([[3.0, 2.0]]), np.array([[1.0, 0.0]], "float32")))
    24.0

    Raises:
        ValueError: If there are not as many weights as losses, or Keras knows no loss of a name.
    """

    def __init__(
        self,
        losses: Iterable[Any],
        weights: Iterable[float] | None = None,
        optional: Iterable[bool] | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "task_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.losses = tuple(map(keras.losses.get, losses))
        tasks = len(self.losses)
        self.weights = (1.0,) * tasks if weights is None else tuple(weights)
        self.optional = (False,) * tasks if optional is None else tuple(optional)
        for argument in ("weights", "optional"):
            if len(getattr(self, argument)) != tasks or not tasks:
                raise ValueError(
                    f"TaskLoss: expected `{argument}` to have one entry for each of the {tasks} "
                    f"losses. Received: {argument}={getattr(self, argument)!r}"
                )

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each row, `(batch,)`."""
        losses = [self._task_loss(task, y_true, y_pred) for task in range(len(self.losses))]
        return ops.sum(ops.stack(losses, axis=-1), axis=-1)

    def _task_loss(self, task: int, y_true: Tensor, y_pred: Tensor) -> Tensor:
        loss, column = self.losses[task], slice(task, task + 1)
        compute = loss.call if isinstance(loss, keras.losses.Loss) else loss
        labels, logits = y_true[:, column], y_pred[:, column]
        missing = ops.isnan(labels)
        if self.optional[task]:
            # Of a NaN that is only left out of the result, the gradient would still be NaN.
            labels = ops.where(missing, 0.0, labels)
        losses = ops.reshape(compute(labels, logits), (-1,))
        if self.optional[task]:
            losses = ops.where(missing[:, 0], 0.0, losses)
        return self.weights[task] * losses

    def get_config(self) -> Config:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "losses": [keras.losses.serialize(loss) for loss in self.losses],
            "weights": self.weights,
            "optional": self.optional,
        }
