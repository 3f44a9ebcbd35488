"""Predicted over observed clicks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_elastor.metrics.rows import prepare_rows
from keras_elastor.metrics.sum_metric import SumMetric
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Tensor


@register
class Calibration(SumMetric):
    """Number of predicted clicks over the number of clicks; 1 is right.

        calibration = sum of w_i sigmoid(z_i) / sum of w_i y_i

    and the same within buckets of the prediction, by `buckets()`. As neither more nor less is
    better, the metric has no direction: Keras refuses it as a monitor with `mode="auto"`.

    Args:
        edges: Probabilities that cut `(0, 1)` into buckets, rising. Default: none, one bucket.
        from_logits: Whether predictions are logits. Default: False, probabilities in `[0, 1]`.
        name: Name of the metric. Default: "calibration".
        dtype: As for every Keras metric. The state is float32 in any case.

    Call arguments: those of `AUC`.

    Returns:
        A float32 scalar of at least 0; `nan` as long as no click was seen, and `nan` until
        `reset_state` after any row that cannot be counted.

    Raises:
        ValueError: If `edges` do not rise or lie outside of `(0, 1)`; otherwise as for `AUC`.

    Example:

    >>> metric = ke.metrics.Calibration(edges=[0.5])
    >>> metric.update_state([0, 1, 1, 1], [0.25, 0.25, 0.75, 1.0])
    >>> float(metric.result())
    0.75
    >>> [bucket["calibration"] for bucket in metric.buckets()]
    [0.5, 0.875]

    Reference: He et al. (2014), Practical Lessons from Predicting Clicks on Ads at Facebook,
    section 3.
    """

    def __init__(
        self,
        edges: Sequence[float] = (),
        from_logits: bool = False,
        name: str = "calibration",
        dtype: Any = None,
    ) -> None:
        self.edges = [float(edge) for edge in edges]
        bounds = [0.0, *self.edges, 1.0]
        if any(low >= high for low, high in itertools.pairwise(bounds)):
            raise ValueError(
                "Expected `edges` to be rising probabilities between 0 and 1. "
                f"Received: edges={list(edges)}"
            )
        super().__init__((3, len(self.edges) + 1), from_logits, name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        labels, logits, weights = prepare_rows(
            "Calibration", y_true, y_pred, sample_weight, self.from_logits
        )
        probabilities = ops.sigmoid(logits)
        edges = ops.convert_to_tensor(np.array(self.edges, "float32"))
        above = ops.greater_equal(ops.expand_dims(probabilities, -1), edges)
        bucket = ops.sum(ops.cast(above, "int32"), axis=-1)
        terms = (weights * probabilities, weights * labels, weights)
        self.accumulate(
            ops.stack([ops.segment_sum(t, bucket, num_segments=len(self.edges) + 1) for t in terms])
        )

    def result(self) -> Tensor:
        """The ratio over all rows so far."""
        sums = ops.sum(self.totals, axis=-1)
        return sums[0] / ops.where(ops.equal(sums[1], 0), float("nan"), sums[1])

    def buckets(self) -> list[dict[str, float]]:
        """What was seen in each bucket, lowest predictions first.

        Returns:
            For each bucket a dict of `low` and `high` (its edges; a prediction of `low` is in it),
            `weight` (of its rows), `predicted` and `observed` (mean prediction, click rate) and
            `calibration` (their ratio); `nan` where there is none.
        """
        totals = np.asarray(ops.convert_to_numpy(self.totals), np.float64)
        bounds = itertools.pairwise([0.0, *self.edges, 1.0])
        with np.errstate(divide="ignore", invalid="ignore"):
            return [
                {
                    "low": low,
                    "high": high,
                    "weight": float(weight),
                    "predicted": float(predicted / weight),
                    "observed": float(clicks / weight),
                    "calibration": float(predicted / clicks) if clicks else float("nan"),
                }
                for (low, high), (predicted, clicks, weight) in zip(bounds, totals.T, strict=True)
            ]

    def get_config(self) -> Config:
        """Arguments of the constructor."""
        return {**super().get_config(), "edges": self.edges}
