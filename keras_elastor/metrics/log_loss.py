"""Mean binary cross-entropy while a model trains."""

from __future__ import annotations

from typing import Any

from keras_elastor.metrics.rows import prepare_rows
from keras_elastor.metrics.sum_metric import MeanLoss, log_loss_of_rows
from keras_elastor.utils.saving import register


@register
class LogLoss(MeanLoss):
    """Mean binary cross-entropy of one task, in nats; lower is better.

        logloss = sum of w_i * (softplus(z_i) - y_i z_i) / sum of w_i

    of the logits z_i. It is the model's loss without regularization, over all rows of all batches:
    Keras' own loss divides by the number of rows where there are weights. Equal to scikit-learn's
    `log_loss`, but nothing is clipped: a certain and wrong prediction costs infinity.

    Args:
        from_logits: Whether predictions are logits. Default: False, probabilities in `[0, 1]`.
        name: Name of the metric. Default: "logloss".
        dtype: As for every Keras metric. The state is float32 in any case.

    Call arguments: those of `AUC`.

    Returns:
        A float32 scalar of at least 0; `nan` without rows, and `nan` until `reset_state` after any
        row that cannot be counted.

    Raises:
        ValueError: As for `AUC`.

    Example:

    >>> metric = ke.metrics.LogLoss(from_logits=True)
    >>> metric.update_state([0, 1], [0.0, 2.0])
    >>> round(float(metric.result()), 4)
    0.41
    """

    def __init__(self, from_logits: bool = False, name: str = "logloss", dtype: Any = None) -> None:
        super().__init__(from_logits, name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        labels, logits, weights = prepare_rows(
            "LogLoss", y_true, y_pred, sample_weight, self.from_logits
        )
        self.accumulate_mean(log_loss_of_rows(labels, logits), weights)
