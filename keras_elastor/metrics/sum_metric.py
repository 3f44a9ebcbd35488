"""Sums over batches that keep the digits a float32 loses."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.utils.types import Config, Shape, Tensor


class SumMetric(keras.metrics.Metric):
    """Base of the metrics that are a function of sums over all rows.

    Each sum is a pair of float32: the rounded sum and what rounding has left over so far (Knuth's
    two-sum). Together they are as precise as one float64, which JAX does not have by default.

    Args:
        shape: Shape of the sums.
        from_logits: Whether predictions are logits.
        name: Name of the metric.
        dtype: As for every Keras metric. The state is float32 in any case.
    """

    label_kind = "binary"
    """Kind of the labels that it measures; see `ke.Label`."""

    def __init__(
        self, shape: Shape, from_logits: bool = False, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.from_logits = from_logits
        self.sums = self.add_variable((2, *shape), "zeros", dtype="float32", name="sums")

    def accumulate(self, terms: Tensor) -> None:
        """Add the sums of a batch.

        Args:
            terms: Float32 of the shape of the sums.
        """
        total, rest = self.sums[0], self.sums[1]
        new = total + terms
        share = new - total
        lost = (total - (new - share)) + (terms - share)
        # Infinite sums lose nothing, where the formula gives NaN.
        rest = rest + ops.where(ops.isfinite(new), lost, 0.0)
        self.sums.assign(ops.stack([new, rest]))

    @property
    def totals(self) -> Tensor:
        """The sums so far."""
        return self.sums[0] + self.sums[1]

    def get_config(self) -> Config:
        """Arguments of the constructor."""
        return {**super().get_config(), "from_logits": self.from_logits}


class MeanLoss(SumMetric):
    """Base of the metrics that are a weighted mean of what each row loses; lower is better.

    A subclass names its default in its constructor and implements `update_state`, which gives
    `accumulate_mean` what the rows lose.
    """

    def __init__(
        self, from_logits: bool = False, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__((2,), from_logits, name, dtype)
        self._direction = "down"

    def accumulate_mean(self, losses: Tensor, weights: Tensor) -> None:
        """Add the losses and weights of a batch, `(rows,)` each."""
        self.accumulate(ops.stack([weighted_sum(weights, losses), ops.sum(weights)]))

    def result(self) -> Tensor:
        """The mean so far."""
        return self.totals[0] / self.totals[1]


def log_loss_of_rows(labels: Tensor, logits: Tensor) -> Tensor:
    """Binary cross-entropy of each row, exact for logits of any size."""
    return ops.softplus(ops.where(ops.equal(labels, 1), -logits, logits))


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Sum of weight times value; rows of weight 0 add nothing, not 0 * infinity."""
    return ops.sum(ops.where(ops.equal(weights, 0), 0.0, weights * values))
