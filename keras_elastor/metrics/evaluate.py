"""Exact metrics of a model over a whole dataset."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from keras_elastor.metrics.exact_accumulators import GroupCodes
from keras_elastor.metrics.task_rows import make_task
from keras_elastor.schema import Categorical, FeatureSchema
from keras_elastor.validation.columns import is_split

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
    float32 logits. Labels of other kinds have other metrics (see `ke.Label`), equal to
    scikit-learn's:

    | kind | metrics |
    |---|---|
    | "binary" | `auc`, `logloss`, with a group `gauc` |
    | "soft" | `logloss` |
    | "regression" | `mse`, `mae`, `rmse` |
    | "count" | `deviance` (Poisson), `mae`, `rmse` of the rate |

    Of each row of a binary label and task 4 bytes stay in memory, 12 where the schema has a group,
    and 4 more where it has a weight other than 1; of other labels, none. 50
    million predictions need less than 2 GB.

    The group of a row is `schema.group_column` of its batch, which the model does not see unless
    it has such an input; `split.dataset(4096, with_group=True)` has it, and a split itself. Where
    batches do not carry it and the group is a `Categorical` feature,
    rows are grouped by the ids of that feature. All unseen groups share one id there, which a
    warning counts.

    Args:
        model: A model with a `schema` (`FeatureSchema`), named inputs and logits
            `(batch, schema.num_tasks)`; it need not be compiled.
        dataset: A `ke.data.Split`; a `tf.data.Dataset` or any other finite iterable of batches
            `(features, label)` or `(features, label, sample_weight)`, or one such tuple of arrays
            that holds all rows. Labels are what their kind says, of shape `(batch,)` or
            `(batch, tasks)`, weights likewise. Cut an endless dataset, for example by `.take(100)`.
        batch_size: Rows per step when `dataset` is a split or a tuple of arrays; unused otherwise.
            Default: 4096.
        verbose: Whether to show a progress bar. Default: False.

    Returns:
        The metrics by name, such as `{"auc": ..., "logloss": ...}`. For several tasks each key ends
        in the label, as in `"auc_click"`. Sample weights enter all but gAUC, which counts rows.
        What is undefined (AUC of one class, anything of no rows) is `nan`, with a warning.

    Raises:
        ValueError: If a model without schema, an endless dataset, a batch of another form, NaN
            logits, labels of another kind than the schema says, or no group for a schema that names
            one. The message says where and what was expected.

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
        self.tasks = [
            make_task(label, kind, schema.group is not None, optional)
            for label, kind, optional in zip(
                schema.labels, schema.label_kinds, schema.optional_labels, strict=True
            )
        ]
        self.group_codes = GroupCodes()
        self.seen = 0
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
        labels = _columns("label", labels, size, num_tasks)
        weights = _weight_columns(weights, size, num_tasks)
        groups = None
        if self.schema.group is not None and "binary" in self.schema.label_kinds:
            groups = self.group_codes.encode(self._groups_of(features))

        column = self.schema.group_column
        if column in features and column not in model.input:
            del features[column]
        logits = np.asarray(model.predict_on_batch(features), dtype=np.float32)
        if logits.shape != (size, num_tasks):
            raise ValueError(
                f"Expected logits of shape (batch, tasks) = ({size}, {num_tasks}) for the labels "
                f"{', '.join(self.schema.labels)}. Received: {logits.shape}"
            )
        for index, task in enumerate(self.tasks):
            task_weights = None if weights is None else weights[:, index]
            task.add(labels[:, index], logits[:, index], task_weights, groups, self.seen)
        self.seen += size

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
                "Read the rows by `dataset(batch_size, with_group=True)`, add this column, or use "
                "a schema with group=None to go without gAUC"
            )
        ids = features[feature.name].reshape(-1)
        self.grouped_by_ids += len(ids)
        self.unknown_ids += int(np.isin(ids, (0, feature.vocabulary_size - 1)).sum())
        return ids

    def measure(self) -> dict[str, float]:
        """The metrics of all rows."""
        schema = self.schema
        suffixes = [""] if schema.num_tasks == 1 else [f"_{label}" for label in schema.labels]
        if not self.seen:
            warnings.warn("The dataset is empty: all metrics are nan", UserWarning, stacklevel=3)
            return {
                name + suffix: float("nan")
                for suffix, task in zip(suffixes, self.tasks, strict=True)
                for name in task.names
            }
        if self.unknown_ids:
            warnings.warn(
                f"gAUC groups rows by the ids of feature '{schema.group}': {self.unknown_ids} of "
                f"{self.grouped_by_ids} rows have the out-of-vocabulary or the padding id, and "
                "fall into one group each. Let batches carry the exact group as "
                f"'{schema.group_column}', as `dataset(batch_size, with_group=True)` does",
                UserWarning,
                stacklevel=3,
            )
        self._refuse_nan()
        result = {}
        for suffix, task in zip(suffixes, self.tasks, strict=True):
            for name, value, problem in task.measure():
                if value is None:
                    warnings.warn(problem, UserWarning, stacklevel=3)
                result[name + suffix] = float("nan") if value is None else value
        return result

    def _refuse_nan(self) -> None:
        tasks = [task for task in self.tasks if task.nan_rows]
        if tasks:
            raise ValueError(
                f"Task {', '.join(task.label for task in tasks)}: the model's logits are NaN in "
                f"{max(task.nan_rows for task in tasks)} of {self.seen} rows (first: row "
                f"{min(task.first_nan_row for task in tasks)}). Look for NaN in the features of "
                "that row and in the weights"
            )


def _batches_of(dataset: Any, batch_size: int) -> tuple[Iterator[_Batch], int | None]:
    """The batches of a dataset and, where it is known, their number."""
    if is_split(dataset):
        dataset = (dataset.columns, dataset.labels, dataset.weights)
    elif not isinstance(dataset, Iterable) and callable(getattr(dataset, "dataset", None)):
        # Rows on the disk, which have no arrays.
        dataset = dataset.dataset(batch_size, with_group=True)
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


def _weight_columns(weights: Any, size: int, num_tasks: int) -> _Array | None:
    """The weight of each row and task; one weight per row holds for every task."""
    if weights is None:
        return None
    weights = _to_numpy(weights)
    per_task = weights.ndim == 2 and weights.shape[1] > 1
    columns = _columns("sample_weight", weights, size, num_tasks if per_task else 1)
    return np.broadcast_to(columns.astype(np.float32), (size, num_tasks))
