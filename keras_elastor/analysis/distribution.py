"""Mean, error and quantiles of a stream of numbers."""

from __future__ import annotations

import math

import numpy as np

from keras_elastor.analysis.singular_values import Array

_BINS = 10_000


class Distribution:
    """What is kept of numbers between 0 and a bound: 80 kB, however many they are.

    Args:
        upper: The bound. Quantiles are right to a 20,000th of it.
    """

    def __init__(self, upper: float) -> None:
        self.upper = upper
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0  # Sum of squared distances from the mean.
        self._bins = np.zeros(_BINS + 1, np.int64)

    def add(self, values: Array) -> None:
        """Count more numbers."""
        if not values.size:
            return
        # Chan et al.: sums of squares of values far from 0 would cancel.
        mean, total = float(values.mean()), self.count + values.size
        distance = mean - self.mean
        self._squares += float(((values - mean) ** 2).sum())
        self._squares += distance**2 * self.count * values.size / total
        self.mean += distance * values.size / total
        self.count = total
        bins = np.rint(values.ravel() / self.upper * _BINS).astype(np.int64).clip(0, _BINS)
        self._bins += np.bincount(bins, minlength=_BINS + 1)

    @property
    def standard_error(self) -> float:
        """Standard error of the mean; NaN for a single number, which tells nothing of it."""
        if self.count < 2:
            return math.nan
        return math.sqrt(self._squares / (self.count - 1) / self.count)

    def quantile(self, share: float) -> float:
        """The smallest number that at least this share of the numbers does not exceed."""
        index = int(np.searchsorted(self._bins.cumsum(), share * self.count))
        return index / _BINS * self.upper
