"""Area under the ROC curve while a model trains: a fine histogram over logits."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.metrics.rows import prepare_rows
from keras_elastor.utils.saving import register

# Half of all bins lie within this distance of logit 0. For a given number of bins, 4 makes them
# narrowest where the logits of click rates from 50 % to 0.1 % lie.
_HALF_WIDTH = 4.0
# Infinite logits are first brought to this value, or infinity would be divided by infinity.
_LARGEST_LOGIT = 1e30


@register
class AUC(keras.metrics.Metric):
    """Area under the ROC curve of one task, within 1e-5 of the exact one.

    The area is the share of pairs of a click and a non-click in which the click has the higher
    logit; a tie counts one half. Logits `z` in `(-inf, inf)` are squashed to

        u = z / (1 + |z| / 4)    in (-4, 4)

    and counted, clicks and non-clicks apart, in `num_bins` equal bins of `u`. Pairs from different
    bins are decided exactly. Pairs of one bin, with `p` clicks and `n` non-clicks, are decided by
    the mean position `x` in `[-1/2, 1/2)` of both inside the bin,

        p * n * (1/2 + mean(x of clicks) - mean(x of non-clicks)),

    which is exact where the density of each is linear inside the bin. The result depends neither
    on the order of the rows nor on how they are cut into batches.

    Resolution: at logit `z` a bin is `8 * (1 + |z| / 4)**2 / num_bins` wide; by default 1.2e-4 at
    0, 5e-4 at -4 and 9e-4 at -7. The error stays below 1e-5 while the standard deviation of the
    logits is at least eight bins, so also at the start of training, where all logits lie near 0
    with a spread of 1e-3. Narrower logits pull the result towards 1/2. Logits that take a few
    values only, closer than a bin, count as nearly tied. `keras_elastor.evaluate` has no such
    limits. At a click rate of 0.1 % `keras.metrics.AUC` is off by .1 with its 200 thresholds and by
    .002 with 2,000 (`tests/metrics/test_auc.py`).

    Cost: a state of `16 * num_bins` bytes (1 MiB by default), and a pass over it for every batch,
    since Keras computes the result after each.

    Args:
        num_bins: Number of bins, a power of two. Default: 65536.
        from_logits: Whether predictions are logits. Default: False, probabilities in `[0, 1]`,
            both ends included.
        name: Name of the metric. Default: "auc", also for a second instance, so that callbacks
            find it under `monitor="val_auc"` in every model.
        dtype: As for every Keras metric. The state is float32 in any case.

    Call arguments:
        y_true: labels 0 or 1, shape `(batch,)` or `(batch, 1)`, any dtype.
        y_pred: predictions, shape `(batch,)` or `(batch, 1)`, floating point.
        sample_weight: weight of each row, not negative, shape `(batch,)` or `(batch, 1)`, or one
            number. Default: 1. Rows of weight 0 do not count, whatever they hold.

    Returns:
        A float32 scalar in `[0, 1]`; `nan` as long as only one class was seen, and `nan` until
        `reset_state` after any prediction that is NaN or no probability (with
        `from_logits=False`) or any label other than 0 and 1.

    Raises:
        ValueError: If `num_bins` is no power of two; labels or predictions of several tasks; labels
            and predictions of different length.

    Example:

    >>> auc = ke.metrics.AUC(from_logits=True)
    >>> auc.update_state([0, 0, 1, 1], [-2.0, 0.5, 0.3, 1.0])
    >>> float(auc.result())
    0.75

    In training: `model.compile(..., metrics=[ke.metrics.AUC(from_logits=True)])`. A model of
    `ke.models` with several labels reports it of each, as `auc_click` and `auc_like`, so that
    callbacks can monitor `val_auc_like`.

    References:
        Fawcett (2006), An introduction to ROC analysis, section 7: the area as a share of pairs.
    """

    label_kind = "binary"
    """Kind of the labels that it measures; see `ke.Label`."""

    def __init__(
        self,
        num_bins: int = 65536,
        from_logits: bool = False,
        name: str = "auc",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if not isinstance(num_bins, int) or num_bins < 2 or num_bins & (num_bins - 1):
            raise ValueError(
                "Expected `num_bins` to be a power of two of at least 2. "
                f"Received: num_bins={num_bins!r}"
            )
        self.num_bins = num_bins
        self.from_logits = from_logits
        # Keras reads it to know that callbacks with mode="auto" should look for a maximum.
        self._direction = "up"
        # Row 0 holds the non-clicks, row 1 the clicks.
        self.counts = self.add_variable((2, num_bins), "zeros", dtype="float32", name="counts")
        self.positions = self.add_variable(
            (2, num_bins), "zeros", dtype="float32", name="positions"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        labels, logits, weights = prepare_rows(
            "AUC", y_true, y_pred, sample_weight, self.from_logits
        )
        # A row that cannot be counted makes its bin, and so the result, NaN.
        bins, positions = self._locate(logits)
        clicked = ops.cast(labels, "int32")
        segments = bins + self.num_bins * clicked
        self.counts.assign(self.counts + self._histogram(weights, segments))
        self.positions.assign(self.positions + self._histogram(weights * positions, segments))

    def _locate(self, logits: Any) -> tuple[Any, Any]:
        """Bin of each logit and, in `[-1/2, 1/2]`, its position inside."""
        logits = ops.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT)
        half = self.num_bins // 2
        # Bins are numbered from -half to half - 1 here, as floats are most precise around 0.
        scaled = logits / (1.0 + ops.abs(logits) / _HALF_WIDTH) * (half / _HALF_WIDTH)
        lower_edge = ops.clip(ops.floor(scaled), -half, half - 1)
        return ops.cast(lower_edge, "int32") + half, scaled - lower_edge - 0.5

    def _histogram(self, values: Any, segments: Any) -> Any:
        totals = ops.segment_sum(values, segments, num_segments=2 * self.num_bins)
        return ops.reshape(totals, (2, self.num_bins))

    def result(self) -> Any:
        """The area so far."""
        negatives, positives = self.counts[0], self.counts[1]
        won = ops.sum(
            negatives * (0.5 * positives + self.positions[1]) - positives * self.positions[0]
        )
        # Pairs of different bins, first inside each block of bins, then between blocks. The float32
        # rounding error of one running sum over all bins could exceed 1e-5.
        block = 2 ** (self.num_bins.bit_length() // 2)
        negatives, positives = (
            ops.reshape(counts, (-1, block)) for counts in (negatives, positives)
        )
        won = won + _wins(negatives, positives)
        negatives, positives = ops.sum(negatives, axis=-1), ops.sum(positives, axis=-1)
        won = won + _wins(negatives, positives)
        # Two divisions, as the number of pairs could overflow.
        return ops.clip(won / ops.sum(negatives) / ops.sum(positives), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "num_bins": self.num_bins,
            "from_logits": self.from_logits,
        }


def _wins(negatives: Any, positives: Any) -> Any:
    """Pairs in which the click lies further right on the last axis."""
    negatives_below = ops.cumsum(negatives, axis=-1) - negatives
    return ops.sum(ops.sum(positives * negatives_below, axis=-1))
