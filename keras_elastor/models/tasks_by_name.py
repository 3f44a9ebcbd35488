"""Losses and metrics that `compile` is given by the names of the labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_elastor.losses import LabelLoss, TaskLoss
from keras_elastor.metrics import TaskMetric
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.plain_values import suggest


def losses_by_name(
    schema: FeatureSchema, losses: Mapping[str, Any], weights: Mapping[str, float] | None
) -> TaskLoss:
    """One loss of a loss for each label.

    Args:
        schema: Of the model.
        losses: A Keras loss, its name or a function for every label.
        weights: What each label's is multiplied by. Default: None, the weights of the labels.

    Raises:
        ValueError: If a name is no label, or a label has no loss.
    """
    _check_names(schema, losses, "loss")
    for label in schema.labels:
        if losses.get(label) is None:
            raise ValueError(
                f"Expected `loss` to have a loss for every label: {', '.join(schema.labels)}. "
                f"Received: none for '{label}'. A task that shall not be trained is no label"
            )
    ordered = [losses[label] for label in schema.labels]
    return TaskLoss(ordered, task_weights(schema, weights), schema.optional_labels)


def weighted_label_loss(schema: FeatureSchema, weights: Mapping[str, float]) -> LabelLoss:
    """The loss of the labels' kinds, with weights by name."""
    return LabelLoss(schema.label_kinds, task_weights(schema, weights), schema.optional_labels)


def task_weights(schema: FeatureSchema, weights: Mapping[str, float] | None) -> tuple[float, ...]:
    """The weight of each label; one that is not named has its own.

    Raises:
        ValueError: If a name is no label, or a weight is no number of at least 0.
    """
    given = {} if weights is None else weights
    _check_names(schema, given, "loss_weights")
    for name, weight in given.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
            raise ValueError(
                f"Expected `loss_weights` to be numbers of at least 0. Received: {weight!r} for "
                f"'{name}'"
            )
    own = zip(schema.labels, schema.label_weights, strict=True)
    return tuple(float(given.get(name, weight)) for name, weight in own)


def metrics_by_name(
    schema: FeatureSchema, metrics: Mapping[str, Any], argument: str
) -> list[TaskMetric]:
    """The metrics of each label, with its name behind theirs.

    Args:
        schema: Of the model.
        metrics: A Keras metric, its name, or a list of these for some of the labels.
        argument: Of `compile`, for messages.

    Raises:
        ValueError: If a name is no label, or one metric is given twice.
    """
    _check_names(schema, metrics, argument)
    found: list[TaskMetric] = []
    for task, label in enumerate(schema.labels):
        given = metrics.get(label) or []
        for metric in given if isinstance(given, list | tuple) else [given]:
            made = _as_metric(metric)
            if any(made is other.metric for other in found):
                raise ValueError(
                    f"Expected `{argument}` to have a metric of its own for every label. "
                    f"Received: one '{made.name}' for '{label}' and another label"
                )
            suffix = f"_{label}" if schema.num_tasks > 1 else ""
            optional = schema.optional_labels[task]
            found.append(TaskMetric(made, task, made.name + suffix, optional=optional))
    return found


def _as_metric(metric: Any) -> keras.metrics.Metric:
    # With one output, Keras reads these two as binary accuracy.
    name = "binary_accuracy" if metric in ("accuracy", "acc") else metric
    made = name if isinstance(name, keras.metrics.Metric) else keras.metrics.get(name)
    if isinstance(made, keras.metrics.Metric):
        return made
    return keras.metrics.MeanMetricWrapper(made, name=getattr(made, "__name__", "metric"))


def _check_names(schema: FeatureSchema, names: Mapping[str, Any], argument: str) -> None:
    for name in names:
        if name not in schema.labels:
            raise ValueError(
                f"Expected `{argument}` by names of labels: {', '.join(schema.labels)}. "
                f"Received: {name!r}. {suggest(str(name), schema.labels)}"
            )
