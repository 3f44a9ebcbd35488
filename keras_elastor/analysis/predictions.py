"""What a model's predictions are worth: calibration by bins, gAUC by the size of the group."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_elastor.analysis.singular_values import Array
from keras_elastor.analysis.windows import batches_of, to_numpy
from keras_elastor.metrics.exact import exact_auc, group_auc
from keras_elastor.utils.optional import import_optional

_BINS = 15
# The least rows of a group in each class of sizes.
_SIZES = (1, 5, 10, 20, 50, 100, 500)
_BATCH = 4096
# Of a curve, along each of its axes.
_POINTS = 200


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Labels and predictions of rows.

    Args:
        names: Of the labels that are clicks or not.
        labels: `(rows, names)`, 0 or 1.
        logits: `(rows, names)`.
        groups: Of each row, or None.
    """

    names: list[str]
    labels: Array
    logits: Array
    groups: Array | None


def predict_rows(model: keras.Model, dataset: Any) -> Predictions | None:
    """Predict all rows of a dataset; None where it has no labels, or none of 0 and 1."""
    schema = model.schema
    binary = [i for i, kind in enumerate(schema.label_kinds) if kind == "binary"]
    if not binary:
        return None
    labels, logits, groups = [], [], []
    for features, label in _labelled_batches(dataset):
        size = len(label)
        column = schema.group_column if schema.group_column in features else schema.group
        if column in features:
            groups.append(features[column].reshape(size))
        inputs = {name: features[name] for name in model.input}
        logits.append(np.asarray(model.predict_on_batch(inputs), np.float64)[:, binary])
        labels.append(label.reshape(size, -1)[:, binary])
    if not labels:
        return None
    return Predictions(
        [schema.labels[index] for index in binary],
        np.concatenate(labels),
        np.concatenate(logits),
        np.concatenate(groups) if groups else None,
    )


def _labelled_batches(dataset: Any) -> Iterator[tuple[dict[str, Array], Array]]:
    for batch in batches_of(dataset):
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            return
        features = {name: to_numpy(values) for name, values in batch[0].items()}
        labels = to_numpy(batch[1])
        for start in range(0, len(labels), _BATCH):
            rows = slice(start, start + _BATCH)
            yield {name: values[rows] for name, values in features.items()}, labels[rows]


def calibration_curve(predictions: Predictions) -> Any:
    """Predicted against observed click rates, in bins of as many rows each.

    Returns:
        A pandas frame of `label`, `predicted` (mean probability), `observed` (click rate),
        `standard_error` (of a rate of `predicted` over so many rows) and `rows`, the lowest bin
        first.
    """
    lines = []
    for index, name in enumerate(predictions.names):
        labels = predictions.labels[:, index]
        probabilities = 1 / (1 + np.exp(-predictions.logits[:, index].clip(-700, 700)))
        order = np.argsort(probabilities, kind="stable")
        for rows in np.array_split(order, min(_BINS, len(order))):
            predicted = float(probabilities[rows].mean())
            variance = float((probabilities[rows] * (1 - probabilities[rows])).mean())
            lines.append(
                {
                    "label": name,
                    "predicted": predicted,
                    "observed": float(labels[rows].mean()),
                    "standard_error": (variance / len(rows)) ** 0.5,
                    "rows": len(rows),
                }
            )
    return import_optional("pandas", "analysis").DataFrame(lines)


def auc_by_group_size(predictions: Predictions) -> Any | None:
    """GAUC of the groups of each size, such as of users with few and with many impressions.

    Groups of clicks alone, or of none, count in no gAUC, as in `ke.metrics.group_auc`.

    Returns:
        A pandas frame of `label`, `smallest` and `largest` (rows of a group), `groups`, `rows` (of
        these groups), `gauc` (NaN where no group has both classes) and `auc` of the same rows; None
        where the rows have no groups.
    """
    if predictions.groups is None:
        return None
    _, group_of_row, sizes = np.unique(predictions.groups, return_inverse=True, return_counts=True)
    size_of_row = sizes[group_of_row]
    lines = []
    for low, above in zip(_SIZES, (*_SIZES[1:], np.inf), strict=True):
        rows = (size_of_row >= low) & (size_of_row < above)
        if not rows.any():
            continue
        for index, name in enumerate(predictions.names):
            labels, logits = predictions.labels[rows, index], predictions.logits[rows, index]
            with warnings.catch_warnings():
                # One class alone is no surprise in groups of a few rows.
                warnings.simplefilter("ignore", UserWarning)
                gauc = group_auc(labels, logits, group_of_row[rows])
                auc = exact_auc(labels, logits)
            lines.append(
                {
                    "label": name,
                    "smallest": low,
                    "largest": int(size_of_row[rows].max()),
                    "groups": int(((sizes >= low) & (sizes < above)).sum()),
                    "rows": int(rows.sum()),
                    "gauc": gauc,
                    "auc": auc,
                }
            )
    return import_optional("pandas", "analysis").DataFrame(lines)


def ranking_curve(predictions: Predictions) -> Any:
    """What is found among the rows of the highest predictions, for gain and ROC curves.

    Returns:
        A pandas frame of `label`, `share_of_rows` (whose prediction is at least a threshold),
        `true_positive_rate` (share of the clicks among them) and `false_positive_rate` (share of
        the others), from (0, 0, 0) to (1, 1, 1); some hundred thresholds. A rate of none is NaN.
    """
    pandas = import_optional("pandas", "analysis")
    frames = []
    for index, name in enumerate(predictions.names):
        labels, logits = predictions.labels[:, index], predictions.logits[:, index]
        order = np.argsort(-logits, kind="stable")
        # Rows of one prediction lie on one side of every threshold.
        last = np.append(np.flatnonzero(np.diff(logits[order])), len(order) - 1)
        clicks = np.append(0, np.cumsum(labels[order])[last])
        rows = np.append(0, last + 1)
        others = rows - clicks
        kept = np.unique(np.concatenate([_spread(rows), _spread(clicks), _spread(others)]))
        with np.errstate(invalid="ignore"):
            shares = [(counts / counts[-1])[kept] for counts in (rows, clicks, others)]
        columns = ("share_of_rows", "true_positive_rate", "false_positive_rate")
        frames.append(pandas.DataFrame({"label": name, **dict(zip(columns, shares, strict=True))}))
    return pandas.concat(frames, ignore_index=True)


def _spread(counts: Array) -> Array:
    """Places of growing counts that are evenly far apart, the first and the last among them."""
    return np.searchsorted(counts, np.linspace(0, counts[-1], _POINTS))
