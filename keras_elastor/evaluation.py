"""Exact AUC, logloss and gAUC of a model over a whole dataset."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from keras_elastor.metrics.exact import exact_auc, group_auc, log_loss_from_logits
from keras_elastor.schema import Categorical, FeatureSchema

_Array: TypeAlias = npt.NDArray[Any]
_Batch: TypeAlias = tuple[dict[str, Any], Any, Any]


def evaluate(
    model: keras.Model,
    dataset: Any,
    batch_size: int = 4096,
    verbose: bool | int = False,
) -> dict[str, float]:
    """Measure a model over a whole dataset, exactly.

    AUC (ties averaged) and logloss equal scikit-learn's `roc_auc_score` and `log_loss`; gAUC is
    FuxiCTR's, see `keras_elastor.metrics.group_auc`. All are computed in float64 from the model's
    float32 logits. Of the dataset only logits, labels, weights and groups stay in memory.

    The group of a row is `schema.group_column` of its batch, which the model does not see unless
    it has such an input. Where batches do not carry it and the group is a `Categorical` feature,
    rows are grouped by the ids of that feature. All unseen groups share one id there, which a
    warning counts.

    Args:
        model: a model with a `schema` (`FeatureSchema`), named inputs and logits
            `(batch, schema.num_tasks)`; it need not be compiled.
        dataset: a `tf.data.Dataset` or any other finite iterable of batches
            `(features, label)` or `(features, label, sample_weight)`, or one such tuple of arrays
            that holds all rows. Labels are 0 or 1, shape `(batch,)` or `(batch, tasks)`, weights
            likewise. Cut an endless dataset, for example by `.take(100)`.
        batch_size: rows per step when `dataset` is a tuple of arrays; unused otherwise. Default:
            4096.
        verbose: whether to show a progress bar. Default: False.

    Returns:
        `{"auc": ..., "logloss": ...}` and, where the schema has a group, `"gauc"`. For several
        tasks each key ends in the label, as in `"auc_click"`. Sample weights enter AUC and
        logloss; gAUC counts rows. What is undefined (AUC of one class, anything of no rows) is
        `nan`, with a warning.

    Raises:
        ValueError: a model without schema, an endless dataset, a batch of another form, NaN
            logits, labels other than 0 and 1, or no group for a schema that names one. The message
            says where and what was expected.

    Example:

    >>> price = keras.Input((), name="price")
    >>> model = keras.Model({"price": price}, keras.ops.expand_dims(price, -1))
    >>> model.schema = ke.FeatureSchema([ke.Numeric("price")], label="click")
    >>> features = {"price": np.array([-2.0, 0.5, 0.3, 1.0], "float32")}
    >>> result = ke.evaluate(model, (features, np.array([0, 0, 1, 1])))
    >>> result["auc"], round(result["logloss"], 4)
    (0.75, 0.4922)
    """
    schema = getattr(model, "schema", None)
    if not isinstance(schema, FeatureSchema):
        raise ValueError(
            "Expected a model with a `schema`, as those of keras_elastor.models have. Received: "
            f"{type(model).__name__} '{getattr(model, 'name', '')}' with schema={schema!r}. "
            "Assign one: model.schema = keras_elastor.FeatureSchema([...], label=...)"
        )
    rows = _Rows(schema)
    batches, num_batches = _batches_of(dataset, batch_size)
    progress = keras.utils.Progbar(num_batches, verbose=int(bool(verbose)), unit_name="batch")
    step = 0
    for step, (features, labels, weights) in enumerate(batches, start=1):
        rows.add(model, features, labels, weights)
        progress.update(step)
    if num_batches is None:
        progress.update(step, finalize=True)
    return rows.measure()


class _Rows:
    """What is kept of every row seen."""

    def __init__(self, schema: FeatureSchema) -> None:
        self.schema = schema
        self.logits: list[_Array] = []
        self.labels: list[_Array] = []
        self.weights: list[_Array] = []
        self.groups: list[_Array] = []
        self.grouped_by_ids = 0
        self.unknown_ids = 0

    def add(self, model: keras.Model, features: dict[str, Any], labels: Any, weights: Any) -> None:
        """Predict one batch."""
        features = {name: _to_numpy(values) for name, values in features.items()}
        labels = _to_numpy(labels).astype(np.float32)
        size = len(labels) if labels.ndim else 0
        if not size:
            return
        for name, values in features.items():
            if values.ndim == 0 or len(values) != size:
                raise ValueError(
                    f"Feature '{name}': expected one entry for each of the {size} labels of its "
                    f"batch. Received: shape {values.shape}"
                )
        num_tasks = self.schema.num_tasks
        self.labels.append(_columns("label", labels, size, num_tasks))
        self.weights.append(_weight_columns(weights, size, num_tasks))
        if self.schema.group is not None:
            self.groups.append(self._groups_of(features))

        column = self.schema.group_column
        if column in features and column not in model.input:
            del features[column]
        logits = np.asarray(model.predict_on_batch(features), dtype=np.float32)
        if logits.shape != (size, num_tasks):
            raise ValueError(
                f"Expected logits of shape (batch, tasks) = ({size}, {num_tasks}) for the labels "
                f"{', '.join(self.schema.labels)}. Received: {logits.shape}"
            )
        self.logits.append(logits)

    def _groups_of(self, features: dict[str, _Array]) -> _Array:
        schema = self.schema
        if schema.group_column in features:
            return features[schema.group_column].reshape(-1)
        feature = schema[schema.group] if schema.group in schema.names else None
        if not isinstance(feature, Categorical) or feature.name not in features:
            raise ValueError(
                f"The schema groups rows by '{schema.group}': expected every batch to carry the "
                f"group of each row as '{schema.group_column}'. "
                f"Received: {', '.join(sorted(features))}. "
                "Add this column, or use a schema with group=None to go without gAUC"
            )
        ids = features[feature.name].reshape(-1)
        self.grouped_by_ids += len(ids)
        self.unknown_ids += int(np.isin(ids, (0, feature.vocabulary_size - 1)).sum())
        return ids

    def measure(self) -> dict[str, float]:
        """The metrics of all rows."""
        schema = self.schema
        names = ["auc", "logloss"] + (["gauc"] if schema.group is not None else [])
        suffixes = [""] if schema.num_tasks == 1 else [f"_{label}" for label in schema.labels]
        if not self.logits:
            warnings.warn("The dataset is empty: all metrics are nan", UserWarning, stacklevel=3)
            return {name + suffix: float("nan") for suffix in suffixes for name in names}
        if self.unknown_ids:
            warnings.warn(
                f"gAUC groups rows by the ids of feature '{schema.group}': {self.unknown_ids} of "
                f"{self.grouped_by_ids} rows have the out-of-vocabulary or the padding id, and "
                "fall into one group each. Let batches carry the exact group as "
                f"'{schema.group_column}'",
                UserWarning,
                stacklevel=3,
            )
        logits, labels = np.concatenate(self.logits), np.concatenate(self.labels)
        weights = np.concatenate(self.weights)
        groups = np.concatenate(self.groups) if self.groups else None
        _refuse_nan(logits, schema)
        result = {}
        for task, (label, suffix) in enumerate(zip(schema.labels, suffixes, strict=True)):
            columns = labels[:, task], logits[:, task]
            try:
                result[f"auc{suffix}"] = exact_auc(*columns, weights[:, task])
                result[f"logloss{suffix}"] = log_loss_from_logits(*columns, weights[:, task])
                if groups is not None:
                    result[f"gauc{suffix}"] = group_auc(*columns, groups)
            except ValueError as error:
                raise ValueError(f"Task '{label}': {error}") from error
        return result


def _batches_of(dataset: Any, batch_size: int) -> tuple[Iterator[_Batch], int | None]:
    """The batches of a dataset and, where it is known, their number."""
    if isinstance(dataset, tuple | list) and dataset and isinstance(dataset[0], dict):
        features, labels, weights = _unpacked(dataset)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                "Expected `batch_size` to be an integer of at least 1. "
                f"Received: batch_size={batch_size!r}"
            )
        return _cut(features, labels, weights, batch_size), -(-len(labels) // batch_size)
    if not isinstance(dataset, Iterable):
        raise ValueError(
            "Expected `dataset` to be an iterable of batches (features, label[, sample_weight]) "
            f"or one such tuple of arrays. Received: {type(dataset).__name__}"
        )
    # tf.data says -1 for an endless dataset and -2 for one of unknown length.
    cardinality = int(dataset.cardinality()) if hasattr(dataset, "cardinality") else -2
    if cardinality == -1:
        raise ValueError(
            "Expected a finite dataset. Received an endless one. Cut it, for example by "
            "`dataset.take(100)`"
        )
    return map(_unpacked, dataset), cardinality if cardinality >= 0 else None


def _unpacked(batch: Any) -> _Batch:
    if (
        not isinstance(batch, tuple | list)
        or len(batch) not in (2, 3)
        or not isinstance(batch[0], dict)
    ):
        shown = type(batch).__name__
        if isinstance(batch, tuple | list):
            shown += f" of {[type(part).__name__ for part in batch]}"
        raise ValueError(
            "Expected every batch to be (features, label) or (features, label, sample_weight), "
            f"where features is a dict of one array per feature. Received: {shown}"
        )
    return batch[0], batch[1], batch[2] if len(batch) == 3 else None


def _cut(features: dict[str, Any], labels: Any, weights: Any, batch_size: int) -> Iterator[_Batch]:
    sizes = {name: len(values) for name, values in features.items()}
    if weights is not None:
        sizes["sample_weight"] = len(weights)
    for name, size in sizes.items():
        if size != len(labels):
            raise ValueError(
                f"'{name}': expected one entry for each of the {len(labels)} labels. "
                f"Received: {size}"
            )
    for start in range(0, len(labels), batch_size):
        rows = slice(start, start + batch_size)
        yield (
            {name: values[rows] for name, values in features.items()},
            labels[rows],
            None if weights is None else weights[rows],
        )


def _to_numpy(values: Any) -> _Array:
    if keras.ops.is_tensor(values):
        values = keras.ops.convert_to_numpy(values)
    return np.asarray(values)


def _columns(name: str, values: _Array, size: int, num_columns: int) -> _Array:
    """Values `(size,)` or `(size, num_columns)` in the latter shape."""
    if values.shape != (size, num_columns) and (values.shape != (size,) or num_columns != 1):
        raise ValueError(
            f"Expected `{name}` of shape ({size}, {num_columns})"
            f"{f' or ({size},)' if num_columns == 1 else ''}. Received: {values.shape}"
        )
    return values.reshape(size, num_columns)


def _weight_columns(weights: Any, size: int, num_tasks: int) -> _Array:
    """The weight of each row and task; one weight per row holds for every task."""
    weights = np.ones(size) if weights is None else _to_numpy(weights)
    per_task = weights.ndim == 2 and weights.shape[1] > 1
    columns = _columns("sample_weight", weights, size, num_tasks if per_task else 1)
    return np.broadcast_to(columns.astype(np.float32), (size, num_tasks))


def _refuse_nan(logits: _Array, schema: FeatureSchema) -> None:
    nan_rows = np.isnan(logits).any(axis=1)
    if nan_rows.any():
        tasks = np.array(schema.labels)[np.isnan(logits).any(axis=0)]
        raise ValueError(
            f"Task {', '.join(tasks)}: the model's logits are NaN in {int(nan_rows.sum())} of "
            f"{len(logits)} rows (first: row {int(np.argmax(nan_rows))}). Look for NaN in the "
            "features of that row and in the weights"
        )
