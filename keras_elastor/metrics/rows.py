"""What every metric that works inside of `fit` makes of a batch."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_elastor.utils.types import Tensor


def prepare_rows(
    metric: str, y_true: Any, y_pred: Any, sample_weight: Any, from_logits: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, logits and weights of a batch that can be counted.

    Args:
        metric: Name of the metric, for messages.
        y_true: Labels, `(batch,)` or `(batch, 1)`.
        y_pred: Predictions, likewise.
        sample_weight: Weight of each row, likewise, one number, or None for 1.
        from_logits: Whether predictions are logits, not probabilities.

    Returns:
        Three float32 vectors. Of a row that cannot be counted (a label other than 0 and 1, a
        prediction that is NaN or no probability) label and logit are 0 and the weight is NaN, or 0
        where its weight is 0.

    Raises:
        ValueError: If there are several tasks, or not one label per prediction.
    """
    labels, logits, weights = _columns(metric, y_true, y_pred, sample_weight)
    if not from_logits:
        logits = ops.log(logits) - ops.log1p(-logits)
    is_label = ops.logical_or(ops.equal(labels, 0), ops.equal(labels, 1))
    return _counted(labels, logits, weights, is_label)


def prepare_values(
    metric: str, y_true: Any, y_pred: Any, sample_weight: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Counts, predictions and weights of a batch that can be counted.

    As `prepare_rows`, but a label is any finite number of at least 0.
    """
    labels, predictions, weights = _columns(metric, y_true, y_pred, sample_weight)
    is_label = ops.logical_and(ops.isfinite(labels), ops.greater_equal(labels, 0))
    return _counted(labels, predictions, weights, is_label)


def _counted(
    labels: Tensor, predictions: Tensor, weights: Tensor, is_label: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows that can be counted; of the others the weight is NaN, or 0 where it is 0."""
    usable = ops.logical_and(is_label, ops.logical_not(ops.isnan(predictions)))
    counted = ops.logical_or(usable, ops.equal(weights, 0))
    weights = ops.where(counted, weights, float("nan"))
    return ops.where(usable, labels, 0.0), ops.where(usable, predictions, 0.0), weights


def _columns(
    metric: str, y_true: Any, y_pred: Any, sample_weight: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, predictions and weights as float32 vectors."""
    labels = _one_task(metric, "y_true", y_true)
    predictions = _one_task(metric, "y_pred", y_pred)
    if None not in (*labels.shape, *predictions.shape) and labels.shape != predictions.shape:
        raise ValueError(
            "Expected one label per prediction. Received: "
            f"{labels.shape[0]} labels and {predictions.shape[0]} predictions"
        )
    weights = ops.ones_like(labels)
    if sample_weight is not None:
        sample_weight = ops.cast(ops.convert_to_tensor(sample_weight), "float32")
        weights = weights * ops.reshape(sample_weight, (-1,))
    return labels, predictions, weights


def _one_task(metric: str, argument: str, values: Any) -> Tensor:
    """Values as float32 `(batch,)`."""
    values = ops.cast(ops.convert_to_tensor(values), "float32")
    shape = tuple(values.shape)
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return ops.reshape(values, (-1,))
    raise ValueError(
        f"{metric} measures one task: expected `{argument}` of shape (batch,) or (batch, 1). "
        f"Received: {argument}.shape={shape}. "
        "Of a model of several tasks choose one: ke.metrics.TaskMetric(metric, task=0)"
    )
