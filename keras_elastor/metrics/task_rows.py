"""What is kept of every row for one label, and what is measured of it."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_elastor.label import LabelKind
from keras_elastor.metrics.exact import log_losses
from keras_elastor.metrics.exact_accumulators import BlockSum, PairStream

_Array = npt.NDArray[Any]
_Measured = Iterator[tuple[str, float | None, str]]


class Task(abc.ABC):
    """What is kept of every row for one label.

    Args:
        label: Name of the label.

    Attributes:
        optional: Whether a row may lack the label, NaN, and then does not count.
    """

    optional = False
    expected = ""
    """Right labels in words."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.weights = BlockSum()
        self.nan_rows = 0
        self.first_nan_row = 0

    @property
    @abc.abstractmethod
    def names(self) -> list[str]:
        """Names of the metrics."""

    @abc.abstractmethod
    def measure(self) -> _Measured:
        """Name, value and, where it is None, the reason."""

    @abc.abstractmethod
    def _is_label(self, labels: _Array) -> _Array: ...

    @abc.abstractmethod
    def _keep(
        self, labels: _Array, logits: _Array, weights: _Array | None, groups: _Array | None
    ) -> None: ...

    def add(
        self,
        labels: _Array,
        logits: _Array,
        weights: _Array | None,
        groups: _Array | None,
        first_row: int,
    ) -> None:
        """Keep a batch whose first row has that number."""
        missing = np.isnan(labels) & self.optional
        self._check("labels", labels, self._is_label(labels) | missing, self.expected, first_row)
        if weights is not None:
            is_weight = np.isfinite(weights) & (weights >= 0)
            expected = "finite numbers of at least 0"
            self._check("sample_weight", weights, is_weight, expected, first_row)
        is_nan = np.isnan(logits) & ~missing
        if is_nan.any():
            if not self.nan_rows:
                self.first_nan_row = first_row + int(np.argmax(is_nan))
            self.nan_rows += int(is_nan.sum())
            logits = np.where(is_nan, np.float32(0), logits)  # Nothing is measured any more.
        if weights is not None and (weights == 1).all():
            weights = None
        if missing.any():
            labels, logits = labels[~missing], logits[~missing]
            weights = None if weights is None else weights[~missing]
            groups = None if groups is None else groups[~missing]
        self._keep(labels, logits, weights, groups)

    def _check(
        self, argument: str, values: _Array, is_right: _Array, expected: str, first_row: int
    ) -> None:
        if not is_right.all():
            row = int(np.argmin(is_right))
            raise ValueError(
                f"Task '{self.label}': `{argument}`: expected {expected}. "
                f"Received: {values[row]:g} in row {first_row + row}"
            )


class BinaryTask(Task):
    """AUC, logloss and gAUC of labels that are 0 or 1.

    Args:
        label: Name of the label.
        grouped: Whether there is a group.
    """

    expected = "0 or 1"

    def __init__(self, label: str, grouped: bool) -> None:
        super().__init__(label)
        self.pairs = PairStream()
        self.grouped_pairs = PairStream(grouped=True) if grouped else None
        self.losses = BlockSum()

    @property
    def names(self) -> list[str]:
        """Names of the metrics."""
        return ["auc", "logloss"] + ([] if self.grouped_pairs is None else ["gauc"])

    def _is_label(self, labels: _Array) -> _Array:
        is_label: _Array = (labels == 0) | (labels == 1)
        return is_label

    def _keep(
        self, labels: _Array, logits: _Array, weights: _Array | None, groups: _Array | None
    ) -> None:
        is_click = labels == 1
        if self.grouped_pairs is not None:
            self.grouped_pairs.add(is_click, logits, groups=groups)
        if weights is not None:
            counted = weights > 0
            is_click, logits, weights = is_click[counted], logits[counted], weights[counted]
        self.pairs.add(is_click, logits, weights)
        losses = log_losses(is_click, logits.astype(np.float64))
        double_weights = np.ones(len(losses)) if weights is None else weights.astype(np.float64)
        self.losses.add(losses * double_weights)
        self.weights.add(double_weights)

    def measure(self) -> _Measured:
        """Name, value and, where it is None, the reason."""
        total = self.weights.value
        positives = len(self.pairs.positives.keys)
        counted = positives + len(self.pairs.negatives.keys)
        label = int(positives > 0)
        seen = (
            f"all rows of positive weight ({counted}) have label {label}"
            if counted
            else "no row has positive weight"
        )
        yield "auc", self.pairs.auc(), f"AUC is nan: it needs both classes, but {seen}"
        loss = self.losses.value / total if total else None
        yield "logloss", loss, "logloss is nan: it needs rows of positive weight"
        if self.grouped_pairs is not None:
            mean = self.grouped_pairs.group_auc()
            # Counting the groups takes memory: only where the message needs it.
            groups = self.grouped_pairs.num_groups() if mean is None else 0
            problem = (
                "gAUC is nan: it needs a group with both classes, but none of "
                f"{groups} groups has both"
            )
            yield "gauc", mean, problem


class MeanTask(Task):
    """Metrics that are means over rows, of labels that are numbers.

    Args:
        label: Name of the label.
        kind: Of the label: "soft", "regression" or "count".
    """

    def __init__(self, label: str, kind: LabelKind) -> None:
        super().__init__(label)
        self.expected, self._is_right, self._terms, self._metrics = _MEANS[kind]
        self._sums = {name: BlockSum() for name in self._terms}

    @property
    def names(self) -> list[str]:
        """Names of the metrics."""
        return list(self._metrics)

    def _is_label(self, labels: _Array) -> _Array:
        is_label: _Array = np.isfinite(labels) & self._is_right(labels)
        return is_label

    def _keep(
        self, labels: _Array, logits: _Array, weights: _Array | None, groups: _Array | None
    ) -> None:
        doubles = np.ones(len(labels)) if weights is None else weights.astype(np.float64)
        counted = doubles > 0
        labels, logits = labels[counted].astype(np.float64), logits[counted].astype(np.float64)
        for name, terms in self._terms.items():
            self._sums[name].add(terms(labels, logits) * doubles[counted])
        self.weights.add(doubles[counted])

    def measure(self) -> _Measured:
        """Name, value and, where it is None, the reason."""
        total = self.weights.value
        means = {name: sum_.value / total for name, sum_ in self._sums.items()} if total else {}
        for name, metric in self._metrics.items():
            problem = f"{name} is nan: it needs rows of positive weight"
            yield name, metric(means) if means else None, problem


def make_task(label: str, kind: LabelKind, grouped: bool, optional: bool = False) -> Task:
    """What measures a label of that kind.

    Args:
        label: Name of the label.
        kind: Its kind.
        grouped: Whether there is a group, which only binary labels have a metric for.
        optional: Whether rows without the label are left out.
    """
    task = BinaryTask(label, grouped) if kind == "binary" else MeanTask(label, kind)
    task.optional = optional
    return task


def _deviances(counts: _Array, log_rates: _Array) -> _Array:
    """Poisson deviance of each row; 0 log 0 is 0."""
    positive = np.where(counts > 0, counts, 1.0)
    logs = np.where(counts > 0, np.log(positive) - log_rates, 0.0)
    deviances: _Array = 2 * (counts * logs - counts + _rates(log_rates))
    return deviances


def _rates(log_rates: _Array) -> _Array:
    with np.errstate(over="ignore"):
        return np.exp(log_rates)


def _cross_entropies(labels: _Array, logits: _Array) -> _Array:
    """Cross-entropy of each row; of an infinite logit, where the label agrees, 0."""
    with np.errstate(invalid="ignore"):
        clicks = np.where(labels > 0, labels * np.logaddexp(0.0, -logits), 0.0)
        others = np.where(labels < 1, (1 - labels) * np.logaddexp(0.0, logits), 0.0)
    losses: _Array = clicks + others
    return losses


def _mean(name: str) -> Callable[[Mapping[str, float]], float]:
    return lambda means: means[name]


def _root(means: Mapping[str, float]) -> float:
    return float(means["mse"] ** 0.5)


# Of each kind: right labels in words, and as a condition; terms of rows; metrics of their means.
_MEANS: dict[LabelKind, tuple[str, Any, dict[str, Any], dict[str, Any]]] = {
    "soft": (
        "numbers in [0, 1]",
        lambda labels: (labels >= 0) & (labels <= 1),
        {"logloss": _cross_entropies},
        {"logloss": _mean("logloss")},
    ),
    "regression": (
        "finite numbers",
        np.isfinite,
        {"mse": lambda y, z: (y - z) ** 2, "mae": lambda y, z: np.abs(y - z)},
        {"mse": _mean("mse"), "mae": _mean("mae"), "rmse": _root},
    ),
    "count": (
        "whole numbers of at least 0",
        lambda labels: (labels >= 0) & (labels == np.floor(labels)),
        {
            "deviance": _deviances,
            "mae": lambda y, z: np.abs(y - _rates(z)),
            "mse": lambda y, z: (y - _rates(z)) ** 2,
        },
        {"deviance": _mean("deviance"), "mae": _mean("mae"), "rmse": _root},
    ),
}
