"""Confidence intervals of differences between models, over test rows and over seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from keras_elastor.metrics.exact import log_losses

_Array = npt.NDArray[Any]

METRICS = ("auc", "logloss")


@dataclasses.dataclass(frozen=True)
class Interval:
    """A difference and its 95 % confidence interval.

    Args:
        difference: The difference.
        low: Lower end of the interval.
        high: Upper end.

    Example:

    >>> ke.runs.Interval(difference=0.01, low=0.002, high=0.018).low > 0
    True
    """

    difference: float
    low: float
    high: float


class Scores(Protocol):
    """What one model and one seed predicted."""

    def measure(self, counts: _Array) -> tuple[float, ...]:
        """The metrics where each unit, such as a row, occurs that often."""


class RowScores:
    """Logits of one model and one seed, sorted once for all resamples."""

    def __init__(self, labels: _Array, logits: _Array) -> None:
        self.order = np.argsort(logits, kind="stable")
        ranked = logits[self.order]
        self.tie_starts = np.concatenate(([0], np.flatnonzero(np.diff(ranked)) + 1))
        self.is_click = labels[self.order] == 1
        self.losses = log_losses(labels == 1, logits.astype(np.float64))

    def measure(self, counts: _Array) -> tuple[float, float]:
        """AUC and logloss where each row occurs that often."""
        ranked = counts[self.order].astype(np.float64)
        positive = np.add.reduceat(np.where(self.is_click, ranked, 0.0), self.tie_starts)
        negative = np.add.reduceat(np.where(self.is_click, 0.0, ranked), self.tie_starts)
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        won = np.dot(positive, below + negative / 2)
        auc = won / pairs if pairs else float("nan")
        return float(auc), float(np.dot(counts, self.losses) / counts.sum())


def paired_differences(
    labels: _Array, logits: Sequence[Sequence[_Array]], num_resamples: int = 1000, seed: int = 0
) -> list[dict[str, Interval]]:
    """Differences of all models to the first one, paired by row and by seed.

        difference = mean over seeds of (metric of the model - metric of the first model)

    A resample draws as many test rows and as many seeds as there are, with replacement, the same
    for all models. The interval holds the middle 95 % of the resampled differences. With few seeds
    it is somewhat too narrow, as every bootstrap of a small sample is.

    Args:
        labels: 0 or 1, `(rows,)`.
        logits: For each model and each seed `(rows,)`.
        num_resamples: Number of resamples. Default: 1000.
        seed: Of the resamples. Default: 0.

    Returns:
        For each model `{"auc": Interval, "logloss": Interval}`; zeros for the first.

    Reference: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 13.
    """
    labels = np.asarray(labels).reshape(-1)
    scores = [[RowScores(labels, np.asarray(one).reshape(-1)) for one in seeds] for seeds in logits]
    intervals = resample(scores, len(labels), num_resamples, seed)
    return [dict(zip(METRICS, of_model, strict=True)) for of_model in intervals]


def resample(
    scores: Sequence[Sequence[Scores]], units: int, num_resamples: int, seed: int
) -> list[list[Interval]]:
    """Differences of all models to the first one, with their bootstrap intervals.

    Args:
        scores: For each model and each seed.
        units: Number of what is drawn with replacement, such as rows or groups.
        num_resamples: Number of resamples.
        seed: Of the resamples.

    Returns:
        For each model an interval of each metric.
    """
    num_seeds = len(scores[0])
    rng = np.random.default_rng(seed)
    resampled = [
        _differences(
            scores,
            np.bincount(rng.integers(0, units, units), minlength=units),
            rng.integers(0, num_seeds, num_seeds),
        )
        for _ in range(num_resamples)
    ]
    found = _differences(scores, np.ones(units, np.int64), np.arange(num_seeds))
    low, high = np.nanpercentile(np.array(resampled), [2.5, 97.5], axis=0)
    return [
        [
            Interval(float(value), float(low[index]), float(high[index]))
            for index, value in np.ndenumerate(of_model)
        ]
        for of_model, low, high in zip(found, low, high, strict=True)
    ]


def _differences(scores: Sequence[Sequence[Scores]], counts: _Array, seeds: _Array) -> _Array:
    """`(models, metrics)` differences to the first model."""
    needed = sorted({int(seed) for seed in seeds})
    measured = np.array([[model[seed].measure(counts) for seed in needed] for model in scores])
    values = np.zeros((len(scores), len(scores[0]), measured.shape[-1]))
    values[:, needed] = measured
    means = values[:, seeds].mean(axis=1)
    return np.asarray(means - means[0])
