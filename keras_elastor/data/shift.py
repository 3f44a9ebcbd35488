"""What tells rows from those that a model was trained on, said before it costs days."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.schema import Categorical, Embedding, FeatureSchema, Numeric

Profile: TypeAlias = Mapping[str, Mapping[str, float]]
"""A few numbers for each feature, and under "" those of the labels."""

# Fewer rows say too little.
_MIN_ROWS = 100
# Shares of unknown values that are worth a word: at least half, and much more than in training.
_MANY, _MORE = 0.5, 0.25
# Numbers whose mean lies some deviations away, or whose deviation is several times the other.
_FAR, _TIMES = 2.0, 10.0
# Rates of labels that differ twofold, and by more than chance.
_RATE_TIMES, _STANDARD_ERRORS = 2.0, 5.0
_LABELS = ""


class DataShiftWarning(UserWarning):
    """Rows differ from the training rows in a way that makes predictions worthless."""


def profile_of(
    schema: FeatureSchema,
    features: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
    buckets: Collection[str] = (),
) -> dict[str, dict[str, float]]:
    """The numbers by which rows are compared.

    Args:
        schema: The features.
        features: Encoded rows.
        labels: `(rows,)` or `(rows, tasks)`; None without labels.
        buckets: Names of features whose ids are those of buckets, of which the last is no unknown
            one.

    Returns:
        Plain values: of categories and lists the share of unknown values ("unknown") and of rows
        without any ("empty"), of numbers "mean" and "deviation", of buckets the share of the first
        and the last one, of vectors the share of rows that are zero ("empty"), of labels the mean
        of each.

    Example:

    >>> from keras_elastor.data.shift import profile_of
    >>> schema = ke.FeatureSchema([ke.Categorical("item", 4)])
    >>> profile_of(schema, {"item": np.array([1, 3, 2, 3])})
    {'item': {'unknown': 0.5}}
    """
    found: dict[str, dict[str, float]] = {}
    for feature in schema.features:
        values = features[feature.name]
        if isinstance(feature, Categorical) and feature.name in buckets:
            last = feature.vocabulary_size - 1
            found[feature.name] = {"first": np.mean(values == 1), "last": np.mean(values == last)}
        elif isinstance(feature, Numeric):
            numbers = values.astype(np.float64)
            found[feature.name] = {"mean": numbers.mean(), "deviation": numbers.std()}
        elif isinstance(feature, Embedding):
            found[feature.name] = {"empty": 1.0 - values.any(axis=1).mean()}
        else:
            unknown = values == feature.vocabulary_size - 1
            if isinstance(feature, Categorical):
                found[feature.name] = {"unknown": unknown.mean()}
            else:
                filled = values != 0
                share = unknown.sum() / max(filled.sum(), 1)
                found[feature.name] = {"unknown": share, "empty": 1.0 - filled.any(axis=1).mean()}
    if labels is not None:
        labels = labels.reshape(len(labels), -1).astype(np.float64)
        # Rows without a label do not count.
        means = np.nansum(labels, axis=0) / np.maximum((~np.isnan(labels)).sum(axis=0), 1)
        found[_LABELS] = dict(zip(schema.labels, means, strict=True))
    return {name: {key: float(one) for key, one in of.items()} for name, of in found.items()}


def warn_of_shift(
    schema: FeatureSchema,
    trained: Profile | None,
    features: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
) -> None:
    """Warn, once for all features, if rows differ from the training rows.

    Args:
        schema: The features.
        trained: `profile_of` the training rows; None, and nothing is said.
        features: Encoded rows; fewer than 100 are not looked at.
        labels: Of the rows; None without labels.
    """
    rows = len(next(iter(features.values())))
    if trained is None or rows < _MIN_ROWS:
        return
    buckets = [name for name, before in trained.items() if "last" in before]
    now = profile_of(schema, features, labels, buckets)
    found = [line for name in trained if name in now for line in _lines(name, trained, now)]
    if labels is not None and _LABELS in trained:
        found += _label_lines(schema, trained[_LABELS], now[_LABELS], rows)
    if found:
        warnings.warn(
            f"These {rows:,} rows differ from the training rows. " + ". ".join(found),
            DataShiftWarning,
            stacklevel=3,
        )


def _lines(name: str, trained: Profile, now: Profile) -> Iterator[str]:
    before, after = trained[name], now[name]
    for key, what in (("unknown", "values are unseen or missing"), ("empty", "rows have none")):
        if after.get(key, 0.0) >= max(_MANY, before.get(key, 0.0) + _MORE):
            yield (
                f"Feature '{name}': {after[key]:.0%} of the {what}, {before[key]:.0%} in "
                "training. Is it the same column, written in the same way?"
            )
    for key in ("first", "last"):
        if after.get(key, 0.0) >= max(_MANY, before.get(key, 0.0) + _MORE):
            yield (
                f"Feature '{name}': {after[key]:.0%} of the numbers lie in the {key} bucket, "
                f"{before[key]:.0%} in training. Is it in the same unit?"
            )
    if "mean" in before and _has_moved(before, after):
        yield (
            f"Feature '{name}': {_spread(after)}, {_spread(before)} in training. Is it in the same "
            "unit?"
        )


def _has_moved(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    spread = before["deviation"]
    if not spread:
        return after["mean"] != before["mean"] or after["deviation"] > 0
    # A transform of ranks gives all numbers of another unit the same one.
    has_spread = spread / _TIMES <= after["deviation"] <= _TIMES * spread
    return not has_spread or abs(after["mean"] - before["mean"]) > _FAR * spread


def _spread(numbers: Mapping[str, float]) -> str:
    return f"{numbers['mean']:.4g} +- {numbers['deviation']:.4g}"


def _label_lines(
    schema: FeatureSchema, before: Mapping[str, float], after: Mapping[str, float], rows: int
) -> Iterator[str]:
    for label, kind in zip(schema.labels, schema.label_kinds, strict=True):
        if kind != "binary":
            continue
        old, new = before[label], after[label]
        error = np.sqrt(max(old * (1 - old), 1 / rows) / rows)
        low, high = sorted((old, new))
        if high > _RATE_TIMES * low and high - low > _STANDARD_ERRORS * error:
            yield f"Label '{label}': {new:.2%} of the rows, {old:.2%} in training"


def warn_of_time(column: str, latest: Any, times: Any, stacklevel: int = 3) -> None:
    """Warn if rows are older than the last training row: the model has seen their future.

    Args:
        column: Name of the time.
        latest: The last training row's.
        times: A polars column of the other rows' times.
        stacklevel: Of the warning.
    """
    share = (times < latest).mean()
    if share:
        warnings.warn(
            f"Column '{column}': {share:.0%} of these rows are older than the last training row "
            f"({latest}), so that metrics on them promise too much. Split by time, such as with "
            "ke.data.split_by_time",
            DataShiftWarning,
            stacklevel=stacklevel,
        )


def warn_of_duplicates(
    trained: Mapping[str, np.ndarray], features: Mapping[str, np.ndarray]
) -> None:
    """Warn if rows are copies of training rows, more often than these are of each other.

    Args:
        trained: Encoded training rows.
        features: Other rows, encoded by the same rules; fewer than 100 are not looked at.
    """
    rows = len(next(iter(features.values())))
    if rows < _MIN_ROWS:
        return
    known, asked = _row_hashes(trained), _row_hashes(features)
    distinct = np.unique(known)
    share = np.isin(asked, distinct).mean()
    # Tables of few values repeat themselves without fault.
    usual = 1 - len(distinct) / len(known)
    if share > 2 * usual + 0.05:
        warnings.warn(
            f"{share:.0%} of these {rows:,} rows have the features of a training row, {usual:.0%} "
            "of the training rows are copies of another: are rows on both sides? Metrics on them "
            "promise too much",
            DataShiftWarning,
            stacklevel=3,
        )


def _row_hashes(features: Mapping[str, np.ndarray]) -> np.ndarray:
    """A hash of each row's features, `(rows,)` uint64."""
    mixed = np.zeros(len(next(iter(features.values()))), np.uint64)
    for name in sorted(features):
        values = features[name].reshape(len(mixed), -1)
        for column in values.T:
            # The bits, 32 of a feature and perhaps 64 of a group.
            words = np.ascontiguousarray(column).view(f"u{column.itemsize}").astype(np.uint64)
            # Multiplication modulo 2^64 by an odd constant (Fibonacci hashing), then a shift.
            mixed = (mixed ^ words) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
    return mixed
