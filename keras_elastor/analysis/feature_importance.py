"""What each feature is worth to a trained model: permutation importance."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_elastor.analysis.singular_values import Array
from keras_elastor.analysis.windows import batches_of, to_numpy
from keras_elastor.data.columns.all_columns import sources_of
from keras_elastor.data.reading.raw_rows import to_polars
from keras_elastor.layers import FeatureEncoder
from keras_elastor.metrics.exact import pairs_won
from keras_elastor.runs.bootstrap import METRICS, Interval, RowScores, Scores, resample
from keras_elastor.runs.predictor import Predictor
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.optional import import_optional
from keras_elastor.utils.plain_values import suggest
from keras_elastor.validation.columns import is_split

_METRICS = (*METRICS, "gauc")
_BATCH = 4096


def feature_importance(
    model: keras.Model | Predictor,
    data: Any,
    metric: str = "auc",
    repeats: int = 5,
    seed: int = 0,
    together: Iterable[Sequence[str]] = (),
    max_rows: int | None = 10_000,
    num_resamples: int = 200,
) -> Any:
    """How much worse a model becomes when the column of a feature is shuffled.

        importance = metric of the rows - mean over repeats of (metric with the column shuffled)

    of `auc` and `gauc`, and the other way round of `logloss`: more is always more important, and a
    feature that the model does not use has 0. A history is shuffled as a whole, row by row.
    Histories that the model joins (`joint_histories`, events) are shuffled as one, and so are the
    columns of each group in `together`. Of two features that tell the same, each may seem to be
    worth nothing, as the other one is still there: name them in `together`.

    The intervals are 95 % bootstrap intervals: a resample draws as many rows (groups, for `gauc`)
    and as many repeats as there are, with replacement, the same for all features. They tell how
    sure the importance for this model is, not how it would differ between trainings.

    Args:
        model: A model of `ke.models`, or a `ke.Predictor`, whose raw columns are then shuffled.
        data: For a model a `ke.data.Split`, `(features, labels)` as arrays, or batches of these;
            for a predictor raw rows with labels. Sample weights are not looked at.
        metric: "auc", "logloss" or "gauc". Default: "auc".
        repeats: Orders that each column is shuffled into. Default: 5.
        seed: Of these orders and of the resamples. Default: 0.
        together: Groups of names that are shuffled as one. Default: ().
        max_rows: The first rows that are looked at. Default: 10,000; None for all.
        num_resamples: Resamples of the bootstrap. Default: 200.

    Returns:
        A pandas frame, the most important feature first: `feature`, `label`, `metric`, `baseline`
        (the metric of the rows as they are), `importance`, `low`, `high` and
        `standard_deviation` (over the repeats; NaN of one).

    Raises:
        ValueError: If an argument is out of range or names no feature, there is no label of 0 and
            1, or no group for "gauc".
        ImportError: If pandas is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Numeric("price"), ke.Numeric("noise")], label="click")
    >>> rows = {"price": np.linspace(-1, 1, 40), "noise": np.ones(40)}
    >>> model = ke.models.LogisticRegression(schema)
    >>> model.compile(optimizer=keras.optimizers.Adam(0.1))
    >>> labels = (rows["price"] > 0).astype("float32")
    >>> history = model.fit(rows, labels, epochs=20, verbose=0)
    >>> ke.analysis.feature_importance(model, (rows, labels)).feature.tolist()
    ['price', 'noise']

    Reference: Breiman, Random forests (Machine Learning 2001), section 10; Fisher, Rudin and
    Dominici, All models are wrong, but many are useful (JMLR 2019).
    """
    if metric not in _METRICS:
        raise ValueError(
            f"Expected `metric` to be one of {', '.join(_METRICS)}. Received: {metric!r}. "
            f"{suggest(str(metric), _METRICS)}"
        )
    if repeats < 1 or num_resamples < 1:
        raise ValueError(
            "Expected at least one repeat and one resample. Received: "
            f"repeats={repeats!r}, num_resamples={num_resamples!r}"
        )
    raw = isinstance(model, Predictor)
    rows = _raw_rows(model, data, max_rows) if raw else _encoded_rows(model, data, max_rows)
    schema = rows.schema
    if "binary" not in schema.label_kinds:
        raise ValueError("Expected a label of 0 and 1, whose importance is measured")
    if metric == "gauc" and rows.groups is None:
        raise ValueError(
            "Expected rows with a group for gauc. Received: none. Give a ke.data.Split, or a "
            "dataset(..., with_group=True), of a schema with a group"
        )
    units = _units(rows.names, [*rows.joint, *together])
    rng = np.random.default_rng(seed)
    count = len(rows.labels)
    logits = [[rows.logits((), np.arange(count))] * repeats]
    for unit in units:
        logits.append([rows.logits(unit, rng.permutation(count)) for _ in range(repeats)])
    lines: list[dict[str, Any]] = []
    for task, (label, kind) in enumerate(zip(schema.labels, schema.label_kinds, strict=True)):
        if kind == "binary":
            columns = [[one[:, task] for one in of_unit] for of_unit in logits]
            found = _measure(rows, task, columns, metric, num_resamples, seed)
            lines += [
                {"feature": " + ".join(unit), "label": label, "metric": metric, **values}
                for unit, values in zip(units, found, strict=True)
            ]
    frame = import_optional("pandas", "analysis").DataFrame(lines)
    return frame.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


class _GroupScores:
    """Logits whose gAUC is measured, of some groups again and again."""

    def __init__(self, labels: Array, logits: Array, groups: Array) -> None:
        names, group_of_row = np.unique(groups, return_inverse=True)
        ones = np.ones(len(labels))
        won, clicks, others = pairs_won(labels, logits, ones, group_of_row, len(names))
        pairs = clicks * others
        self.sizes = np.where(pairs > 0, clicks + others, 0.0)
        self.won = self.sizes * won / np.maximum(pairs, 1)

    def measure(self, counts: Array) -> tuple[float, ...]:
        """The gAUC where each group occurs that often."""
        return (float(counts @ self.won / (counts @ self.sizes)),)


@dataclasses.dataclass(frozen=True, eq=False)
class _Rows:
    """Rows whose columns can be shuffled, and the model that predicts them.

    Attributes:
        names: What can be shuffled.
        joint: Groups of these that the model sees as one.
        labels: `(rows, tasks)`.
        groups: `(rows,)`, or None.
    """

    model: keras.Model
    schema: FeatureSchema
    names: tuple[str, ...]
    joint: list[tuple[str, ...]]
    columns: Any
    labels: Array
    groups: Array | None
    preprocessor: Any = None

    def logits(self, names: Sequence[str], order: Array) -> Array:
        """Predictions, `(rows, tasks)` float32, with these columns in another order."""
        if self.preprocessor is None:
            features = {**self.columns, **{name: self.columns[name][order] for name in names}}
        else:
            shuffled = [self.columns[name].gather(order) for name in names]
            features, _ = self.preprocessor.encode(self.columns.with_columns(shuffled))
        predicted = self.model.predict(features, batch_size=_BATCH, verbose=0)
        return np.asarray(predicted, np.float32)


def _encoded_rows(model: keras.Model, data: Any, max_rows: int | None) -> _Rows:
    schema = model.schema
    if is_split(data):
        data = (data.columns, data.labels)
    parts: list[dict[str, Array]] = []
    labels: list[Array] = []
    left = np.inf if max_rows is None else max_rows
    for batch in batches_of(data):
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise ValueError(
                "Expected rows with labels: a ke.data.Split, (features, labels), or batches of "
                f"these. Received: {type(batch).__name__}"
            )
        size = int(min(left, len(batch[1])))
        parts.append({name: to_numpy(values)[:size] for name, values in batch[0].items()})
        labels.append(to_numpy(batch[1])[:size].reshape(size, -1))
        left -= size
        if not left:
            break
    if not sum(map(len, labels)):
        raise ValueError("Expected rows to measure on. Received: none")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    features = {name: columns[name] for name in schema.names}
    return _Rows(
        model,
        schema,
        schema.names,
        _joint(model),
        features,
        np.concatenate(labels),
        _groups(schema, columns),
    )


def _raw_rows(predictor: Predictor, data: Any, max_rows: int | None) -> _Rows:
    preprocessor = predictor.preprocessor
    frame = to_polars(data)
    frame = frame if max_rows is None else frame[:max_rows]
    split = preprocessor.split(frame)
    columns = preprocessor.columns
    joint = []
    for names in _joint(predictor.model):
        read = [columns[name] for name in names]
        sources = [s for column in read if column is not None for s in sources_of(column)]
        joint.append(tuple(dict.fromkeys(sources)))
    schema = preprocessor.schema
    return _Rows(
        predictor.model,
        schema,
        preprocessor.sources,
        joint,
        frame,
        split.labels.reshape(len(split), -1),
        _groups(schema, split.columns),
        preprocessor,
    )


def _groups(schema: FeatureSchema, columns: Mapping[str, Array]) -> Array | None:
    """The group of each row, exact where the rows carry it."""
    names = [name for name in (schema.group_column, schema.group) if name in columns]
    return columns[str(names[0])] if names else None


def _joint(model: keras.Model) -> list[tuple[str, ...]]:
    """Histories that the model sees as one."""
    encoders = [layer for layer in model.layers if isinstance(layer, FeatureEncoder)]
    groups = [group for encoder in encoders for group in encoder.joint_histories]
    groups += [tuple(getattr(encoder, "event_histories", ())) for encoder in encoders]
    return [tuple(group) for group in groups if len(group) > 1]


def _units(names: Sequence[str], groups: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """What is shuffled as one, in the order of the names; groups that meet are one."""
    of_name: dict[str, set[str]] = {name: {name} for name in names}
    for group in groups:
        for name in group:
            if name not in of_name:
                raise ValueError(
                    f"Expected `together` to name {', '.join(names)}. Received: '{name}'. "
                    f"{suggest(str(name), names)}"
                )
        met = set().union(*(of_name[name] for name in group))
        of_name.update(dict.fromkeys(met, met))
    units = [tuple(name for name in names if name in of_name[first]) for first in names]
    return list(dict.fromkeys(units))


def _measure(
    rows: _Rows,
    task: int,
    logits: list[list[Array]],
    metric: str,
    num_resamples: int,
    seed: int,
) -> list[dict[str, float]]:
    """Importance of each unit, whose logits follow those of the rows as they are."""
    there = ~np.isnan(rows.labels[:, task])
    labels = rows.labels[there, task].astype(np.float64)
    make: Any = RowScores
    units, place = len(labels), 0 if metric == "gauc" else METRICS.index(metric)
    if rows.groups is not None and metric == "gauc":
        groups = rows.groups[there]
        make = functools.partial(_GroupScores, groups=groups)
        units = len(np.unique(groups))
    scores: list[list[Scores]] = [[make(labels, one[there]) for one in unit] for unit in logits]
    ones = np.ones(units, np.int64)
    baseline = scores[0][0].measure(ones)[place]
    sign = 1 if metric == "logloss" else -1
    found = []
    for unit, intervals in zip(
        scores[1:], resample(scores, units, num_resamples, seed)[1:], strict=True
    ):
        interval: Interval = intervals[place]
        ends = sorted((sign * interval.low, sign * interval.high))
        values = [score.measure(ones)[place] for score in unit]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        found.append(
            {
                "baseline": baseline,
                "importance": sign * interval.difference,
                "low": ends[0],
                "high": ends[1],
                "standard_deviation": spread,
            }
        )
    return found
