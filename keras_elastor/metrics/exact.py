"""Exact metrics of whole evaluation sets, in float64 on the host.

All take one-dimensional arrays, one entry per row; a column `(rows, 1)` counts as one.
"""

from __future__ import annotations

import datetime
import numbers
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[Any]


def exact_auc(labels: Any, scores: Any, sample_weight: Any = None) -> float:
    """Area under the ROC curve, ties averaged.

        AUC = sum over clicks i, non-clicks j of w_i w_j ([s_i > s_j] + [s_i == s_j] / 2)
              / (sum of w_i * sum of w_j)

    Equal to scikit-learn's `roc_auc_score`, which the package does not need; cost of one sort
    (`benchmarks/own_code.py` has both).

    Args:
        labels: 0 or 1 per row, shape `(rows,)`, any dtype.
        scores: Logits or probabilities, shape `(rows,)`, any real dtype; infinities allowed.
        sample_weight: Weight per row, finite and not negative, shape `(rows,)`. Default: 1.

    Returns:
        The area in `[0, 1]`; `nan`, with a warning, where only one class has weight.

    Raises:
        ValueError: NaN scores, labels other than 0 and 1, wrong weights or shapes. The message
            names the first such row.

    Example:

    >>> ke.metrics.exact_auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    labels, scores, weights = checked_rows(labels, scores, sample_weight)
    one_group = np.zeros(len(labels), dtype=np.int64)
    won, positives, negatives = (
        float(total[0]) for total in pairs_won(labels, scores, weights, one_group, 1)
    )
    if positives == 0 or negatives == 0:
        _warn_undefined("AUC", f"needs both classes, but {_classes(labels, weights)}")
        return float("nan")
    return won / positives / negatives


def log_loss_from_logits(labels: Any, logits: Any, sample_weight: Any = None) -> float:
    """Mean binary cross-entropy in nats.

        logloss = sum of w_i * (softplus(z_i) - y_i z_i) / sum of w_i

    computed without a sigmoid, so that logits of any size keep their exact loss.

    Args:
        labels: 0 or 1 per row, shape `(rows,)`, any dtype.
        logits: Shape `(rows,)`, any real dtype.
        sample_weight: Weight per row, finite and not negative, shape `(rows,)`. Default: 1.

    Returns:
        The mean loss; `nan`, with a warning, where no row has weight.

    Raises:
        ValueError: As for `exact_auc`.

    Example:

    >>> round(ke.metrics.log_loss_from_logits([0, 1], [0.0, 2.0]), 6)
    0.410038
    """
    labels, logits, weights = checked_rows(labels, logits, sample_weight)
    total = weights.sum()
    if total == 0:
        _warn_undefined("logloss", "needs rows of positive weight, but there are none")
        return float("nan")
    counted = weights > 0
    losses = log_losses(labels == 1, logits)
    return float(np.dot(losses[counted], weights[counted]) / total)


def log_losses(is_click: _Array, logits: _Array) -> _Array:
    """The cross-entropy of each row in nats."""
    # A click turns the sign of its logit: the usual form subtracts, and inf - inf is NaN.
    losses: _Array = np.logaddexp(0.0, np.where(is_click, -logits, logits))
    return losses


def group_auc(labels: Any, scores: Any, groups: Any, sample_weight: Any = None) -> float:
    """GAUC: the mean of the groups' AUC, each weighted by its rows.

        gAUC = sum over groups u of n_u AUC_u / sum over groups u of n_u

    Groups (usually users) in which only one class occurs have no AUC and are left out of both
    sums, as in FuxiCTR.

    Args:
        labels: 0 or 1 per row, shape `(rows,)`, any dtype.
        scores: Logits or probabilities, shape `(rows,)`, any real dtype.
        groups: Group of each row, numbers, strings or dates, shape `(rows,)`; rows of one group may
            lie anywhere. 7 and 7.0 are one group.
        sample_weight: Weight per row, finite and not negative, shape `(rows,)`; n_u is then the sum
            of the group's weights. Default: 1.

    Returns:
        The mean in `[0, 1]`; `nan`, with a warning, where no group has both classes.

    Raises:
        ValueError: As for `exact_auc`, one group per row is not given, or a group is missing.

    Example:

    >>> ke.metrics.group_auc([0, 1, 0, 0, 1], [0.1, 0.4, 0.4, 0.5, 0.2], groups=[7, 7, 9, 9, 9])
    0.4

    References:
        `fuxictr/metrics.py` of FuxiCTR, metric `gAUC`; Zhu et al. (2017), Optimized Cost per Click
        in Taobao Display Advertising, section 5.
    """
    labels, scores, weights = checked_rows(labels, scores, sample_weight)
    groups = checked_groups(groups, labels)
    names, group_of_row = np.unique(groups, return_inverse=True)
    won, positives, negatives = pairs_won(labels, scores, weights, group_of_row, len(names))
    both = (positives > 0) & (negatives > 0)
    if not both.any():
        _warn_undefined(
            "gAUC", f"needs a group with both classes, but none of {len(names)} groups has both"
        )
        return float("nan")
    won, positives, negatives = won[both], positives[both], negatives[both]
    return float(np.average(won / positives / negatives, weights=positives + negatives))


def pairs_won(
    labels: _Array, scores: _Array, weights: _Array, group_of_row: _Array, num_groups: int
) -> tuple[_Array, _Array, _Array]:
    """Per group: weight of the pairs that clicks win, of the clicks and of the non-clicks."""
    if not len(labels):
        nothing = np.zeros(num_groups)
        return nothing, nothing, nothing
    order = np.lexsort((scores, group_of_row))
    scores, group_of_row = scores[order], group_of_row[order]
    positive = (weights * labels)[order]
    negative = (weights * (1 - labels))[order]

    changes = (np.diff(group_of_row) != 0) | (scores[1:] != scores[:-1])
    tie_starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    group_of_tie = group_of_row[tie_starts]
    positive_of_tie = np.add.reduceat(positive, tie_starts)
    negative_of_tie = np.add.reduceat(negative, tie_starts)

    positives = np.bincount(group_of_tie, positive_of_tie, minlength=num_groups)
    negatives = np.bincount(group_of_tie, negative_of_tie, minlength=num_groups)
    # Groups lie one after the other: the negatives of all groups before are no opponents.
    opponents_before = (np.cumsum(negatives) - negatives)[group_of_tie]
    below = np.cumsum(negative_of_tie) - negative_of_tie - opponents_before
    pairs = positive_of_tie * (below + negative_of_tie / 2)
    return np.bincount(group_of_tie, pairs, minlength=num_groups), positives, negatives


def checked_rows(labels: Any, scores: Any, sample_weight: Any) -> tuple[_Array, _Array, _Array]:
    """All three as float64 vectors of one length, with values that can be measured."""
    labels = checked_vector("labels", labels).astype(np.float64)
    scores = checked_vector("scores", scores, labels).astype(np.float64)
    _refuse(np.isnan(scores), "scores", scores, "expected numbers")
    _refuse((labels != 0) & (labels != 1), "labels", labels, "expected 0 or 1")
    if sample_weight is None:
        return labels, scores, np.ones_like(labels)
    weights = checked_vector("sample_weight", sample_weight, labels).astype(np.float64)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    _refuse(wrong, "sample_weight", weights, "expected finite numbers of at least 0")
    return labels, scores, weights


def checked_vector(argument: str, values: Any, labels: _Array | None = None) -> _Array:
    """Values as a vector, one entry per label."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"Expected `{argument}` of shape (rows,). Received: {argument}.shape={array.shape}. "
            "Measure several tasks one by one"
        )
    if labels is not None and len(array) != len(labels):
        raise ValueError(
            f"Expected one entry of `{argument}` per label. "
            f"Received: {len(array)} for {len(labels)} labels"
        )
    return array


def checked_groups(groups: Any, labels: _Array | None = None) -> _Array:
    """Groups as a vector of numbers or of text, equal where the groups are.

    A group keeps its value however it is stored: numbers of any width, bytes and text, objects.
    Dates and times are microseconds since 1970, which is what makes those of all units equal.
    """
    array = checked_vector("groups", groups, labels)
    kind = array.dtype.kind
    if kind in "iubU":
        return array
    if kind == "S":
        return np.char.decode(array, "utf-8")
    if kind == "f":
        whole = array == np.floor(array)
        # Above, neighbours are one float.
        wrong = ~np.isfinite(array) | (whole & (np.abs(array) >= 2.0**53))
        _refuse(wrong, "groups", array, "expected finite numbers, whole ones below 2^53, or text")
        return array.astype(np.int64) if whole.all() else array
    if kind == "M":
        return _microseconds(array)
    names = [
        name.decode() if isinstance(name, bytes) else name for name in array.astype(object).tolist()
    ]
    kinds = next((kinds for kinds in _GROUPS if names and isinstance(names[0], kinds)), _GROUPS[0])
    for row, name in enumerate(names):
        if not isinstance(name, kinds) or name != name or getattr(name, "tzinfo", None):
            raise ValueError(
                "`groups`: expected numbers, text, or dates without a time zone, one of these in "
                f"all rows. Received: {name!r} (of type {type(name).__name__}) in row {row}. Give "
                "each group a number, a missing one, too"
            )
    if kinds == _GROUPS[-1] and names:
        return _microseconds(np.array(names, "datetime64[us]"))
    named = np.empty(len(names), object)
    named[:] = names
    return named


_GROUPS: tuple[Any, ...] = ((str,), (numbers.Number,), (datetime.date,))


def _microseconds(times: _Array) -> _Array:
    """Times as microseconds since 1970; fractions of one where there are any."""
    missing = np.flatnonzero(np.isnat(times))
    if len(missing):
        raise ValueError(
            f"`groups`: expected a date. Received: none in row {missing[0]}. Give what is missing "
            "a date of its own"
        )
    rounded = times.astype("datetime64[us]")
    whole: _Array = rounded.astype(np.int64)
    if (rounded.astype(times.dtype) == times).all():
        return whole
    exact = np.empty(len(times), object)
    exact[:] = [Fraction(nanoseconds, 1000) for nanoseconds in times.astype("M8[ns]").tolist()]
    return exact


def _refuse(wrong: _Array, argument: str, values: _Array, expected: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise ValueError(
            f"`{argument}`: {expected}. Received: {values[rows[0]]:g} in row {rows[0]} "
            f"(first of {len(rows)} such rows among {len(values)})"
        )


def _classes(labels: _Array, weights: _Array) -> str:
    if not len(labels):
        return "there are no rows"
    present = np.unique(labels[weights > 0])
    if not len(present):
        return f"none of {len(labels)} rows has positive weight"
    return f"all rows of positive weight ({int((weights > 0).sum())}) have label {present[0]:g}"


def _warn_undefined(metric: str, why: str) -> None:
    # Frame 1 is this one, 2 the metric, 3 its caller.
    warnings.warn(f"{metric} is nan: it {why}", UserWarning, stacklevel=3)
