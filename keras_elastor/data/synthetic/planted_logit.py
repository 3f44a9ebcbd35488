"""A known logit with interactions of order 1, 2 and 3."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_elastor.data.synthetic.draws import Draws, Floats
from keras_elastor.schema import Categorical, FeatureSchema, Sequence

_HIDDEN_DIM = 2


class PlantedLogit:
    """The logit of `synthetic`; see there for its equation.

    Args:
        schema: Categorical and numeric fields, and perhaps histories.
        draws: Source of the hidden vectors.
        frequencies: Probability of each id of every categorical field, `(vocabulary_size,)`.
        log_normal: Names of the numeric fields whose logarithm is standard normal.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        draws: Draws,
        frequencies: Mapping[str, Floats],
        log_normal: tuple[str, ...],
    ) -> None:
        self._fields = [field for field in schema.features if not isinstance(field, Sequence)]
        self._histories = [field for field in schema.features if isinstance(field, Sequence)]
        self._log_normal = log_normal
        self._tables = {
            field.name: _hidden_table(draws, frequencies[field.name])
            if isinstance(field, Categorical)
            else _hidden_direction(draws)
            for field in self._fields
        }
        self._weights = np.zeros(3)
        self._intercept = 0.0

    def calibrate(self, features: Mapping[str, Any], stddevs: Floats, click_rate: float) -> None:
        """Set the standard deviation of each order, `(3,)`, and the mean probability, on a sample.

        The intercept is found by bisection, so that it depends on the sample only.
        """
        orders = self._orders(features)
        self._weights = stddevs / orders.std(axis=1)
        logit = self._weights @ orders
        low, high = -logit.max() - 50.0, -logit.min() + 50.0
        for _ in range(64):
            self._intercept = (low + high) / 2.0
            if _sigmoid(self._intercept + logit).mean() < click_rate:
                low = self._intercept
            else:
                high = self._intercept

    def probability(self, features: Mapping[str, Any]) -> Floats:
        """Click probability of each row, `(rows,)` float64."""
        return _sigmoid(self._intercept + self._weights @ self._orders(features))

    def _orders(self, features: Mapping[str, Any]) -> Floats:
        """The unweighted parts of the logit of order 1, 2 and 3, `(3, rows)`."""
        h = np.stack([self._hidden(field.name, features[field.name]) for field in self._fields])
        orders = np.stack(
            [
                h.sum(axis=(0, 2)),
                (h[:-1] * h[1:]).sum(axis=(0, 2)),
                (h[:-2] * h[1:-1] * h[2:]).sum(axis=(0, 2)),
            ]
        )
        for history in self._histories:
            item = self._hidden(history.table_name, features[history.table_name])
            orders[1] += (self._hidden_history(history, features[history.name]) * item).sum(axis=1)
        return orders

    def _hidden(self, name: str, values: npt.NDArray[Any]) -> Floats:
        """Hidden vectors of the values of a field, `(rows, _HIDDEN_DIM)`."""
        table = self._tables[name]
        if table.ndim == 2:
            return np.asarray(table[values])
        numbers = values.astype(np.float64)
        return np.outer(np.log(numbers) if name in self._log_normal else numbers, table)

    def _hidden_history(self, history: Sequence, ids: npt.NDArray[Any]) -> Floats:
        """Mean hidden vector of the items of a history, scaled to variance 1 as other fields."""
        total = self._tables[history.table_name][ids].sum(axis=1)
        mean = total / np.maximum((ids > 0).sum(axis=1, keepdims=True), 1)
        # A mean over n items has variance 1/n, and n is uniform on 0..max_length.
        variance = sum(1.0 / n for n in range(1, history.max_length + 1)) / (history.max_length + 1)
        return np.asarray(mean / math.sqrt(variance))


def _hidden_table(draws: Draws, frequencies: Floats) -> Floats:
    """A vector per id, of mean 0 and variance 1 over the rows; 0 for ids that never occur."""
    table = draws.normal(len(frequencies), _HIDDEN_DIM)
    table -= frequencies @ table
    table /= np.sqrt(frequencies @ table**2)
    return table * (frequencies > 0)[:, np.newaxis]


def _hidden_direction(draws: Draws) -> Floats:
    """The hidden vector of a number is the number times this, of mean square 1."""
    angle = 2.0 * math.pi * float(draws.uniform(1)[0])
    return math.sqrt(2.0) * np.array([math.cos(angle), math.sin(angle)])


def _sigmoid(logit: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))
