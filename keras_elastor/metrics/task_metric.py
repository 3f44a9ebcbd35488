"""A metric of one task among several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.saving import deserialize, serialize
from keras_elastor.utils.types import Config, Tensor


@keras.saving.register_keras_serializable(package="keras_elastor")
class TaskMetric(keras.metrics.Metric):
    """A metric of one column of labels and predictions `(batch, tasks)`.

    Args:
        metric: A Keras metric of one task.
        task: Number of the task, from 0 on.
        optional: Whether a row may lack the label, NaN, and then does not count. Default: False.
        name: Name of the metric. Default: that of `metric`.
        dtype: As for every Keras metric.

    Example:

    >>> metric = ke.metrics.TaskMetric(keras.metrics.MeanSquaredError(), task=1)
    >>> metric.update_state(np.array([[0.0, 3.0]]), np.array([[9.0, 1.0]]))
    >>> float(metric.result())
    4.0
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        task: int,
        name: str | None = None,
        dtype: Any = None,
        optional: bool = False,
    ) -> None:
        super().__init__(name=name or metric.name, dtype=dtype)
        self.metric = metric
        self.task = task
        self.optional = optional
        # By it callbacks with mode="auto" know what is better.
        direction = getattr(metric, "_direction", None)
        if direction is not None:
            self._direction = direction

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        column = slice(self.task, self.task + 1)
        labels, predictions = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        weights = sample_weight
        if len(getattr(weights, "shape", ())) == 2 and weights.shape[1] > 1:
            weights = weights[:, column]
        labels, predictions = labels[:, column], predictions[:, column]
        if self.optional:
            labels, weights = _without_missing(labels, weights)
        self.metric.update_state(labels, predictions, weights)

    def result(self) -> Tensor:
        """The metric of the task so far."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Begin anew."""
        self.metric.reset_state()

    def get_config(self) -> Config:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "metric": serialize(self.metric),
            "task": self.task,
            "optional": self.optional,
        }

    @classmethod
    def from_config(cls, config: Config) -> TaskMetric:
        """Make the metric from its config."""
        return cls(**{**config, "metric": deserialize(config["metric"])})


def per_task(
    metrics: Iterable[keras.metrics.Metric], schema: FeatureSchema, kind: str
) -> list[keras.metrics.Metric]:
    """A metric of each label of a kind for each of these metrics of one task.

    With several labels the label follows the name, as in `auc_click`. Metrics of a single label
    that is always there remain as they are.

    Args:
        metrics: Metrics of one task.
        schema: The labels.
        kind: Of the labels that they measure.
    """
    if schema.num_tasks == 1 and not schema.optional_labels[0]:
        return list(metrics)
    return [
        TaskMetric(
            deserialize(serialize(metric)),
            task,
            metric.name if schema.num_tasks == 1 else f"{metric.name}_{label}",
            optional=schema.optional_labels[task],
        )
        for task, label in enumerate(schema.labels)
        if schema.label_kinds[task] == kind
        for metric in metrics
    ]


def _without_missing(labels: Tensor, weights: Any) -> tuple[Tensor, Tensor]:
    """Labels `(batch, 1)` and weights, both 0 where the label is NaN."""
    missing = ops.isnan(labels)
    present = ops.cast(ops.logical_not(missing), labels.dtype)
    if weights is not None:
        weights = ops.cast(ops.convert_to_tensor(weights), labels.dtype)
        present = present * ops.reshape(weights, (-1, 1))
    return ops.where(missing, 0.0, labels), present
