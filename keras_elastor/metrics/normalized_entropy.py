"""Log loss relative to that of the best constant prediction."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_elastor.metrics.rows import prepare_rows
from keras_elastor.metrics.sum_metric import SumMetric, log_loss_of_rows, weighted_sum
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Tensor


@register
class NormalizedEntropy(SumMetric):
    """Mean cross-entropy over the entropy of the click rate; lower is better.

        NE = logloss / -(p log p + (1 - p) log(1 - p)),    p = sum of w_i y_i / sum of w_i

    1 is the model that predicts the mean click rate of these rows for every row. Unlike the
    logloss, values of data with other click rates can be compared.

    Args:
        from_logits: Whether predictions are logits. Default: False, probabilities in `[0, 1]`.
        name: Name of the metric. Default: "normalized_entropy".
        dtype: As for every Keras metric. The state is float32 in any case.

    Call arguments: those of `AUC`.

    Returns:
        A float32 scalar of at least 0; `nan` as long as only one class was seen, and `nan` until
        `reset_state` after any row that cannot be counted.

    Raises:
        ValueError: As for `AUC`.

    Example: logits of 0 for one click in four rows.

    >>> metric = ke.metrics.NormalizedEntropy(from_logits=True)
    >>> metric.update_state([0, 0, 0, 1], [0.0, 0.0, 0.0, 0.0])
    >>> round(float(metric.result()), 4)
    1.2326

    Reference: He et al. (2014), Practical Lessons from Predicting Clicks on Ads at Facebook,
    section 3, equation 3.
    """

    def __init__(
        self, from_logits: bool = False, name: str = "normalized_entropy", dtype: Any = None
    ) -> None:
        super().__init__((3,), from_logits, name, dtype)
        self._direction = "down"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        labels, logits, weights = prepare_rows(
            "NormalizedEntropy", y_true, y_pred, sample_weight, self.from_logits
        )
        loss = weighted_sum(weights, log_loss_of_rows(labels, logits))
        clicks = ops.sum(weights * labels)
        self.accumulate(ops.stack([loss, clicks, ops.sum(weights)]))

    def result(self) -> Tensor:
        """The ratio so far."""
        loss, clicks, weight = self.totals[0], self.totals[1], self.totals[2]
        rate = clicks / weight
        one_class = ops.logical_or(ops.equal(clicks, 0), ops.equal(clicks, weight))
        rate = ops.where(one_class, float("nan"), rate)
        entropy = -(rate * ops.log(rate) + (1 - rate) * ops.log1p(-rate))
        return loss / weight / entropy
