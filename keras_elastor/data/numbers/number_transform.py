"""How a column of numbers is scaled, by what its training rows hold."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

TRANSFORMS = ("none", "standard", "log", "quantile", "bucketize")

# Knots of the piecewise-linear map of "quantile".
_QUANTILES = 1001


@dataclasses.dataclass(frozen=True)
class NumberTransform:
    """A fitted map of the numbers of one column.

    | kind | a number x becomes |
    |---|---|
    | "standard" | (x - mean) / standard deviation |
    | "log" | the same of sign(x) log(1 + abs(x)) |
    | "quantile" | the normal quantile of its rank among the training rows, piecewise linear |
    | "bucketize" | the number of its bucket, from 1; buckets hold about as many training rows |

    A column of one value becomes 0 under "standard", "log" and "quantile". Numbers beyond those
    of the training rows become, under "quantile" and "bucketize", what the nearest of these does.

    Args:
        kind: "standard", "log", "quantile" or "bucketize".
        fill: What a missing number is before the transform: NaN refuses none.
        center: Mean under "standard" and "log".
        scale: Standard deviation under "standard" and "log"; 1 for a column of one value.
        knots: Numbers between which "quantile" is linear; first numbers of the buckets but the
            first.
        outputs: What "quantile" makes of the knots.
    """

    kind: str
    fill: float
    center: float = 0.0
    scale: float = 1.0
    knots: tuple[float, ...] = ()
    outputs: tuple[float, ...] = ()

    @classmethod
    def fit(
        cls, kind: str, numbers: np.ndarray, fill: float | str | None, buckets: int
    ) -> NumberTransform:
        """Fit a transform to numbers of the training rows.

        Args:
            kind: "standard", "log", "quantile" or "bucketize".
            numbers: `(rows,)`, NaN where a number is missing.
            fill: What a missing number shall be, or "median", that of the others.
            buckets: Number of buckets of "bucketize".
        """
        given = numbers[~np.isnan(numbers)].astype(np.float64)
        if not len(given):
            given = np.zeros(1)
        value = float(np.median(given)) if fill == "median" else float(fill or 0.0)
        if kind in ("standard", "log"):
            given = _signed_log(given) if kind == "log" else given
            scale = float(given.std())
            # Rounding leaves a tiny deviation where all numbers are the same.
            constant = scale <= 1e-12 * max(float(np.abs(given).max()), 1e-300)
            return cls(kind, value, float(given.mean()), 1.0 if constant else scale)
        if kind == "bucketize":
            edges = np.quantile(given, np.arange(1, buckets) / buckets, method="inverted_cdf")
            return cls(kind, value, knots=tuple(np.unique(edges[edges > given.min()]).tolist()))
        knots, outputs = _normal_scores(given)
        return cls(kind, value, knots=knots, outputs=outputs)

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Transform numbers, `(rows,)` float32, NaN where missing, to float32 or bucket int32."""
        values = numbers.astype(np.float64)
        values[np.isnan(values)] = self.fill
        if self.kind == "bucketize":
            return (np.searchsorted(self.knots, values, side="right") + 1).astype(np.int32)
        if self.kind == "quantile":
            return np.interp(values, self.knots, self.outputs).astype(np.float32)
        values = _signed_log(values) if self.kind == "log" else values
        return ((values - self.center) / self.scale).astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        """Plain values from which `from_config` makes an equal transform."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NumberTransform:
        """Make the transform of the values of `get_config`."""
        lists = {name: tuple(config[name]) for name in ("knots", "outputs")}
        return cls(**{**config, **lists})


def _signed_log(numbers: np.ndarray) -> np.ndarray:
    values: np.ndarray = np.sign(numbers) * np.log1p(np.abs(numbers))
    return values


def _normal_scores(given: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots at quantiles, and the normal quantile of the middle rank of each."""
    values, counts = np.unique(given, return_counts=True)
    ends = np.cumsum(counts)
    # The middle rank of equal numbers, so that a frequent number is not at an end of its share.
    shares = (ends - counts / 2) / len(given)
    if len(values) > _QUANTILES:
        places = np.searchsorted(ends, np.linspace(0, len(given), _QUANTILES))
        places = np.unique(places.clip(0, len(values) - 1))
        values, shares = values[places], shares[places]
    normal = statistics.NormalDist()
    return tuple(values.tolist()), tuple(normal.inv_cdf(share) for share in shares.tolist())
