"""Mean Poisson deviance while a model trains."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.metrics.rows import prepare_values
from keras_elastor.metrics.sum_metric import MeanLoss


@keras.saving.register_keras_serializable(package="keras_elastor")
class PoissonDeviance(MeanLoss):
    """Mean Poisson deviance of one task of counts; lower is better, 0 is perfect.

        deviance = sum of w_i * 2 (y_i log(y_i / r_i) - y_i + r_i) / sum of w_i

    of the rates r_i, where 0 log 0 is 0. Equal to scikit-learn's `mean_poisson_deviance`.

    Args:
        from_logits: Whether predictions are logarithms of the rates. Default: False, rates.
        name: Name of the metric. Default: "deviance".
        dtype: As for every Keras metric. The state is float32 in any case.

    Call arguments: those of `AUC`; labels are at least 0.

    Returns:
        A float32 scalar of at least 0; `nan` without rows, and `nan` until `reset_state` after any
        row that cannot be counted.

    Raises:
        ValueError: As for `AUC`.

    Example:

    >>> metric = ke.metrics.PoissonDeviance(from_logits=True)
    >>> metric.update_state([0, 2], [0.0, 0.0])
    >>> round(float(metric.result()), 4)
    1.3863
    """

    label_kind = "count"

    def __init__(
        self, from_logits: bool = False, name: str = "deviance", dtype: Any = None
    ) -> None:
        super().__init__(from_logits, name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        counts, predictions, weights = prepare_values(
            "PoissonDeviance", y_true, y_pred, sample_weight
        )
        log_rates = predictions if self.from_logits else ops.log(predictions)
        # The loss of a rate equal to the count is the least there is, not 0.
        is_zero = ops.equal(counts, 0)
        positive = ops.maximum(counts, 1.0)
        best = ops.where(is_zero, 0.0, positive - counts * ops.log(positive))
        loss = ops.exp(log_rates) - ops.where(is_zero, 0.0, counts * log_rates)
        self.accumulate_mean(2.0 * (loss - best), weights)
