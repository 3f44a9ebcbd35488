"""One loss for several tasks, each by the kind of its label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from keras_elastor.label import LABEL_KINDS, LabelKind
from keras_elastor.utils.types import Config, Tensor


@keras.saving.register_keras_serializable(package="keras_elastor")
class LabelLoss(keras.losses.Loss):
    """Mean over the tasks of what the kind of each label asks for, of logits z and labels y.

    | kind | loss of a row |
    |---|---|
    | "binary", "soft" | binary cross-entropy, softplus(z) - y z |
    | "regression" | squared error, (z - y)^2 |
    | "count" | Poisson loss of the log-rate, exp(z) - y z |

    Each is multiplied by its task's weight. A missing label of an optional task counts as a loss of
    0, without a gradient: the sum is divided by the number of tasks and rows all the same, so that
    a label which few rows have weighs as little as these rows.

    Args:
        kinds: Kind of each task's label, as `ke.FeatureSchema.label_kinds` has them.
        weights: Weight of each task. Default: None, 1.
        optional: Whether each task's label may be missing, NaN. Default: None, for no task.
        reduction: As for every Keras loss. Default: "sum_over_batch_size".
        name: Name of the loss. Default: "label_loss".
        dtype: As for every Keras loss.

    Call arguments:
        y_true: Labels, `(batch, tasks)`.
        y_pred: Logits, `(batch, tasks)`.

    Example:

    >>> loss = ke.losses.LabelLoss(["regression", "count"])
    >>> float(loss(np.array([[3.0, 2.0]]), np.array([[1.0, 0.0]], "float32")))
    2.5

    Raises:
        ValueError: If a kind is unknown.
    """

    def __init__(
        self,
        kinds: Iterable[LabelKind],
        weights: Iterable[float] | None = None,
        optional: Iterable[bool] | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "label_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.kinds = tuple(kinds)
        unknown = [kind for kind in self.kinds if kind not in LABEL_KINDS]
        if unknown or not self.kinds:
            raise ValueError(
                f"LabelLoss: expected `kinds` to name, for each task, one of "
                f"{', '.join(LABEL_KINDS)}. Received: kinds={self.kinds!r}"
            )

        tasks = len(self.kinds)
        self.weights = (1.0,) * tasks if weights is None else tuple(weights)
        self.optional = (False,) * tasks if optional is None else tuple(optional)
        for name in ("weights", "optional"):
            if len(getattr(self, name)) != tasks:
                raise ValueError(
                    f"LabelLoss: expected `{name}` to have one entry for each of the {tasks} "
                    f"tasks. Received: {name}={getattr(self, name)!r}"
                )

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each row, `(batch,)`."""
        losses = [self._task_loss(task, y_true, y_pred) for task in range(len(self.kinds))]
        return ops.mean(ops.stack(losses, axis=-1), axis=-1)

    def _task_loss(self, task: int, y_true: Tensor, y_pred: Tensor) -> Tensor:
        labels, logits = y_true[:, task], y_pred[:, task]
        if not self.optional[task]:
            return self.weights[task] * _loss(self.kinds[task], labels, logits)
        missing = ops.isnan(labels)
        # Of a NaN that is only left out of the result, the gradient would still be NaN.
        losses = _loss(self.kinds[task], ops.where(missing, 0.0, labels), logits)
        return self.weights[task] * ops.where(missing, 0.0, losses)

    def get_config(self) -> Config:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "kinds": self.kinds,
            "weights": self.weights,
            "optional": self.optional,
        }


def _loss(kind: LabelKind, labels: Tensor, logits: Tensor) -> Tensor:
    if kind == "regression":
        return ops.square(logits - labels)
    if kind == "count":
        return ops.exp(logits) - labels * logits
    return ops.softplus(logits) - labels * logits
