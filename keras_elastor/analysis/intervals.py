"""Intervals of means of few values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Student's 97.5 % quantile for 1 and 2 degrees of freedom, and the coefficients of its expansion
# in their reciprocal, which is right to .003 from 3 on.
_FEW = {1: 12.7062, 2: 4.3027}
_EXPANSION = (1.95996, 2.37227, 2.82250, 2.55585, 1.58953)


def student_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of a sample and its 95 % confidence interval, NaN of a single value.

        mean -+ t(n - 1) * sd / sqrt(n)

    Example:

    >>> from keras_elastor.analysis.intervals import student_interval
    >>> [round(value, 3) for value in student_interval([1.0, 3.0])]
    [2.0, -10.706, 14.706]

    Reference: Abramowitz and Stegun, 26.7.5, for the quantile t.
    """
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return mean, float("nan"), float("nan")
    half = student_quantile(count - 1) * float(np.std(values, ddof=1)) / count**0.5
    return mean, mean - half, mean + half


def student_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t."""
    if freedom in _FEW:
        return _FEW[freedom]
    return float(np.polynomial.polynomial.polyval(1 / freedom, _EXPANSION))
