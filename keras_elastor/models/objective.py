"""What a model of logits is trained for: its losses and metrics, right by default."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_elastor.label import LabelKind
from keras_elastor.losses import LabelLoss, TaskLoss
from keras_elastor.metrics import AUC, LogLoss, PoissonDeviance
from keras_elastor.metrics.task_metric import per_task
from keras_elastor.models.entry_points import CheckedModel
from keras_elastor.models.tasks_by_name import (
    losses_by_name,
    metrics_by_name,
    weighted_label_loss,
)
from keras_elastor.optimizers.split import check_optimizer
from keras_elastor.schema import FeatureSchema


class LogitModel(CheckedModel):
    """A `CheckedModel` whose output are logits of shape `(batch, tasks)`.

    Every loss and metric, one's own too, sees labels, logits and weights of shapes that agree.
    """

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """`keras.Model.compile` with other defaults; whatever is given replaces them.

        Without arguments the model is trained with Adam on the loss that the kinds of its labels
        ask for (see `ke.Label`): the binary cross-entropy of its logits where all are 0 or 1.
        Where neither a loss nor metrics are given, each task reports metrics of its kind, for
        several tasks with the label behind the name, as in `auc_click`:

        | kind | metrics |
        |---|---|
        | "binary" | `ke.metrics.AUC`, `ke.metrics.LogLoss` |
        | "soft" | `keras.metrics.BinaryCrossentropy` as `logloss` |
        | "regression" | `mse`, `mae` and `rmse` of Keras |
        | "count" | `ke.metrics.PoissonDeviance` |

        Metrics of `ke.metrics` that measure one task are made one for each label of their kind:
        `metrics=[ke.metrics.AUC(from_logits=True)]` of the labels click and like reports
        `auc_click` and `auc_like`.

        A loss or metric that expects probabilities is a warning that says what to write.

        With several tasks `loss`, `loss_weights`, `metrics` and `weighted_metrics` may be dicts by
        the names of the labels, as in `loss={"click": ..., "like": ...}`. The losses become a
        `ke.losses.TaskLoss`, their weighted sum; `loss_weights` replaces the labels' own weights;
        metrics have the label behind their name. Rows without an optional label are left out.

        Example:

        >>> schema = ke.FeatureSchema([ke.Categorical("user", 100)])
        >>> model = ke.models.LogisticRegression(schema)
        >>> model.compile()
        >>> model.optimizer.name, model.loss.name
        ('adam', 'binary_crossentropy')

        Raises:
            ValueError: If the loss is a cross-entropy and a label is a regression or a count, a
                dict names what is no label or lacks the loss of one, no label is of the kind that a
                metric measures, or an optimizer of tables is given without `ke.optimizers.Split`.
        """
        given = dict(inspect.signature(keras.Model.compile).bind(self, *args, **kwargs).arguments)
        del given["self"]
        loss, weights = given.get("loss"), given.get("loss_weights")
        of_tasks = "loss" not in given or isinstance(loss, Mapping)
        if of_tasks and not {"metrics", "weighted_metrics"} & given.keys():
            given["metrics"] = _metrics_of(self.schema)
        if isinstance(loss, Mapping):
            loss = {
                label: (_find("loss", one) or one) if isinstance(one, str) else one
                for label, one in loss.items()
            }
            given["loss"] = losses_by_name(self.schema, loss, given.pop("loss_weights", None))
        elif "loss" not in given:
            given["loss"] = _loss_of(self.schema)
            if isinstance(weights, Mapping):
                given["loss"] = weighted_label_loss(self.schema, given.pop("loss_weights"))
        elif isinstance(weights, Mapping):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': expected `loss` by the names of the labels, "
                f"as `loss_weights` is. Received: loss={loss!r}"
            )
        self._refuse_cross_entropy(given["loss"])
        for advice in _advice(given):
            warnings.warn(
                f"{type(self).__name__} '{self.name}' gives logits. {advice}", stacklevel=2
            )
        for name in given.keys() & {"metrics", "weighted_metrics"}:
            if isinstance(given[name], Mapping):
                given[name] = metrics_by_name(self.schema, given[name], name)
            else:
                given[name] = _per_task(given[name], self.schema)
        super().compile(**{"optimizer": "adam", **given})
        check_optimizer(self.optimizer)

    def _refuse_cross_entropy(self, loss: Any) -> None:
        """Numbers outside of [0, 1] have no cross-entropy, but Keras gives one."""
        if isinstance(loss, TaskLoss):
            for name, kind, own in zip(
                self.schema.labels, self.schema.label_kinds, loss.losses, strict=True
            ):
                if _is_cross_entropy(own):
                    self._require_kind_of_cross_entropy(name, kind)
            return
        for one in keras.tree.flatten(loss):
            if not _is_cross_entropy(one):
                continue
            for name, is_optional in zip(
                self.schema.labels, self.schema.optional_labels, strict=True
            ):
                if is_optional:
                    raise ValueError(
                        f"{type(self).__name__} '{self.name}', label '{name}', which may be "
                        "missing: expected a loss that leaves out what is NaN. Received: a binary "
                        "cross-entropy. Leave `loss` out to get ke.losses.LabelLoss"
                    )
            for name, kind in zip(self.schema.labels, self.schema.label_kinds, strict=True):
                self._require_kind_of_cross_entropy(name, kind)

    def _require_kind_of_cross_entropy(self, name: str, kind: LabelKind) -> None:
        if kind in ("regression", "count"):
            raise ValueError(
                f"{type(self).__name__} '{self.name}', label '{name}' of kind "
                f"'{kind}': expected a loss for its values. Received: a binary "
                "cross-entropy. Leave `loss` out to get the one of the label's kind"
            )

    def compile_from_config(self, config: Any) -> None:
        """Compile the model as it was when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """`keras.Model.compute_loss` of labels and weights shaped like the logits.

        Raises:
            ValueError: If there are no labels.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': expected batches (features, labels) or "
                "(features, labels, weights). Received: features without labels "
                f"({', '.join(self.schema.labels)})"
            )
        y, sample_weight = _as_column(y, y_pred), _as_column(sample_weight, y_pred)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """`keras.Model.compute_metrics` of labels and weights shaped like the logits."""
        y, sample_weight = _as_column(y, y_pred), _as_column(sample_weight, y_pred)
        return super().compute_metrics(x, y, y_pred, sample_weight)


def _is_cross_entropy(loss: Any) -> bool:
    found = _find("loss", loss) if isinstance(loss, str) else loss
    return isinstance(found, keras.losses.BinaryCrossentropy) or (
        found is keras.losses.binary_crossentropy
    )


def _loss_of(schema: FeatureSchema) -> keras.losses.Loss:
    is_plain = set(schema.label_weights) == {1.0} and not any(schema.optional_labels)
    if is_plain and set(schema.label_kinds) <= {"binary", "soft"}:
        return keras.losses.BinaryCrossentropy(from_logits=True)
    return LabelLoss(schema.label_kinds, schema.label_weights, schema.optional_labels)


def _metrics_of(schema: FeatureSchema) -> list[keras.metrics.Metric]:
    """The metrics of each task, by the kind of its label."""
    found = [
        metric
        for kind in dict.fromkeys(schema.label_kinds)
        for metric in per_task(_metrics_of_kind(kind), schema, kind)
    ]
    # In the order of the tasks, whatever their kinds.
    return sorted(found, key=lambda metric: getattr(metric, "task", 0))


def _per_task(metrics: Any, schema: FeatureSchema) -> Any:
    """What was given to `compile`, with this package's metrics of one task for each label."""
    if not isinstance(metrics, list | tuple):
        return _per_task([metrics], schema) if hasattr(metrics, "label_kind") else metrics
    made: list[Any] = []
    for metric in metrics:
        kind = getattr(metric, "label_kind", None)
        if kind is not None and kind not in schema.label_kinds:
            kinds = ", ".join(map(repr, schema.label_kinds))
            raise ValueError(
                f"Metric '{metric.name}' measures labels of kind '{kind}'. Expected the schema to "
                f"have one. Received: labels of kind {kinds}"
            )
        made += [metric] if kind is None else per_task([metric], schema, kind)
    return made


def _metrics_of_kind(kind: LabelKind) -> list[keras.metrics.Metric]:
    if kind == "binary":
        return [AUC(from_logits=True), LogLoss(from_logits=True)]
    if kind == "soft":
        return [keras.metrics.BinaryCrossentropy("logloss", from_logits=True)]
    if kind == "count":
        return [PoissonDeviance(from_logits=True)]
    return [
        keras.metrics.MeanSquaredError("mse"),
        keras.metrics.MeanAbsoluteError("mae"),
        keras.metrics.RootMeanSquaredError("rmse"),
    ]


def _as_column(values: Any, logits: Any) -> Any:
    """Values of shape `(batch,)` as `(batch, 1)`: against `(batch, 1)` they would make a square."""
    if isinstance(values, np.ndarray):
        # With PyTorch, `train_on_batch` hands on what it was given.
        values = ops.convert_to_tensor(values)
    rank = len(getattr(logits, "shape", ()))
    if rank == 2 and len(getattr(values, "shape", ())) == 1:
        return ops.expand_dims(values, -1)
    return values


def _advice(given: dict[str, Any]) -> list[str]:
    """What to write for each loss and metric that takes logits for probabilities."""
    metrics = keras.tree.flatten([given.get("metrics"), given.get("weighted_metrics")])
    losses = given.get("loss")
    losses = losses.losses if isinstance(losses, TaskLoss) else losses
    found = [_advice_on("loss", loss) for loss in keras.tree.flatten(losses)]
    found += [_advice_on("metric", metric) for metric in metrics]
    return [advice for advice in found if advice is not None]


def _advice_on(kind: str, given: Any) -> str | None:
    scorer = _find(kind, given) if isinstance(given, str) else given
    if not isinstance(scorer, keras.losses.Loss | keras.metrics.Metric):
        return None
    config = scorer.get_config()
    argument = None
    if "from_logits" in config:
        argument = None if config["from_logits"] else "from_logits=True"
    elif config.get("thresholds", 0) in (None, 0.5, [0.5]):
        argument = "thresholds=0.0"
    elif config.get("threshold") == 0.5:
        argument = "threshold=0.0"
    if argument is None:
        return None
    library = "ke" if type(scorer).__module__.startswith("keras_elastor") else "keras"
    place = "losses" if kind == "loss" else "metrics"
    return (
        f"The {kind} {given if isinstance(given, str) else scorer.name!r} takes them for "
        f"probabilities and is wrong. Write {library}.{place}.{type(scorer).__name__}({argument})"
    )


def _find(kind: str, name: str) -> Any:
    """What Keras makes of the name of a loss or metric; None where it makes nothing of it."""
    if kind == "loss":
        known = ("binary_crossentropy", "bce", "BinaryCrossentropy")
        return keras.losses.BinaryCrossentropy() if name in known else None
    try:
        # With one output in [0, 1], Keras reads these two as binary accuracy.
        return keras.metrics.get("binary_accuracy" if name in ("accuracy", "acc") else name)
    except ValueError:
        return None
