"""How a loss falls with the parameters: a power law with its interval, or why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[Any]

# Exponents that are tried; those of language models are .05 to .1, those of ranking models smaller.
_EXPONENTS = np.geomspace(0.01, 3.0, 1200)
_FEWEST_SIZES = 4
# A floor that more of the resamples do not tell is not told by the points.
_MOST_UNTOLD = 0.05


@dataclasses.dataclass(frozen=True)
class PowerLaw:
    """loss = factor * size^(-exponent) + floor.

    Args:
        form: "a * N^-b + c", or "a * N^-b" where the points do not tell a floor.
        factor: The factor a.
        exponent: The exponent b.
        floor: The loss c that no size goes below; 0 without one.
        exponent_interval: 95 % bootstrap interval of the exponent.
        change: Loss at the largest size minus loss at the smallest, of the law.
        change_interval: 95 % bootstrap interval of it.
        problem: Why the points show no power law; None if they do.
        resamples: `(resamples, 3)`: factor, exponent and floor of each.
    """

    form: str
    factor: float
    exponent: float
    floor: float
    exponent_interval: tuple[float, float]
    change: float
    change_interval: tuple[float, float]
    problem: str | None
    resamples: _Array = dataclasses.field(repr=False)

    def predict(self, sizes: Sequence[float] | _Array) -> _Array:
        """The losses at these sizes."""
        law = np.array([[self.factor, self.exponent, self.floor]])
        return np.asarray(_law(law, np.asarray(sizes))[0])

    def interval(self, sizes: Sequence[float] | _Array) -> tuple[_Array, _Array]:
        """95 % bootstrap interval of the losses at these sizes, `(low, high)`."""
        low, high = np.percentile(_law(self.resamples, np.asarray(sizes)), [2.5, 97.5], axis=0)
        return low, high


def fit_power_law(
    sizes: Sequence[float], losses: Sequence[Sequence[float]], num_resamples: int = 1000
) -> PowerLaw:
    """Fit a power law to the mean losses of several sizes, by least squares.

        loss = a * N^-b + c

    For every exponent b of a fine grid, a and c follow in closed form; the best b is taken. Where
    in more than 5 % of the resamples b is at the edge of the grid or c below 0, the points do not
    tell a floor: then c is 0, and the law is a straight line in the logarithms.

    The interval is a parametric bootstrap: a resample adds to each mean normal noise of the spread
    over seeds, one for all sizes, which is itself drawn, as few seeds tell it badly. It is an
    interval over seeds: it holds neither what other test rows would give, nor that the law itself
    may be wrong.

    Args:
        sizes: Dense parameters.
        losses: For each size the loss of every seed.
        num_resamples: Number of resamples. Default: 1000.

    Returns:
        The law; its `problem` tells where it means nothing: fewer than four sizes, no size with two
        seeds, or a change over the sizes whose interval holds 0.

    Example:

    >>> sizes = [1e3, 1e4, 1e5, 1e6]
    >>> losses = [[0.5 + 2 * size**-0.3 + noise for noise in (-1e-4, 1e-4)] for size in sizes]
    >>> law = ke.tuning.fit_power_law(sizes, losses)
    >>> law.form, round(law.exponent, 2), round(law.floor, 2), law.problem
    ('a * N^-b + c', 0.3, 0.5, None)

    Raises:
        ValueError: If the sizes are not above 0, or a size has no loss.

    Reference: Kaplan et al. (2020), arXiv 2001.08361, section 3; Hoffmann et al. (2022), arXiv
    2203.15556, appendix D (the floor).
    """
    numbers = np.asarray(sizes, np.float64)
    if len(numbers) != len(losses) or not len(numbers) or not all(len(each) for each in losses):
        raise ValueError("Expected the losses of every size. Received: sizes without any")
    if not (numbers > 0).all():
        raise ValueError(f"Expected sizes above 0. Received: {min(sizes)}")
    means = np.array([np.mean(each) for each in losses])
    drawn = _resample(losses, means, num_resamples)
    form, best, resamples = _choose_form(numbers, means, drawn)
    ends = np.array([numbers.min(), numbers.max()])
    change = float(np.diff(_law(best[None], ends))[0, 0])
    interval = _percentiles(np.diff(_law(resamples, ends))[:, 0])
    return PowerLaw(
        form=form,
        factor=float(best[0]),
        exponent=float(best[1]),
        floor=float(best[2]),
        exponent_interval=_percentiles(resamples[:, 1]),
        change=change,
        change_interval=interval,
        problem=_problem(numbers, losses, change, interval),
        resamples=resamples,
    )


def _choose_form(sizes: _Array, means: _Array, drawn: _Array) -> tuple[str, _Array, _Array]:
    """The law with a floor where the points tell one: its form, best fit and resamples."""
    distinct = len(set(sizes))
    if distinct >= _FEWEST_SIZES and np.isfinite(drawn).all():
        [best], resamples = _fit_with_floor(sizes, means[None]), _fit_with_floor(sizes, drawn)
        is_told = ~np.isin(resamples[:, 1], _EXPONENTS[[0, -1]]) & (resamples[:, 2] >= 0)
        if is_told.mean() >= 1 - _MOST_UNTOLD and best[2] >= 0:
            return "a * N^-b + c", best, resamples
    if distinct == 1:
        return "a * N^-b", np.array([means.mean(), 0.0, 0.0]), np.zeros((1, 3))
    return "a * N^-b", _fit_line(sizes, means[None])[0], _fit_line(sizes, drawn)


def _problem(
    sizes: _Array, losses: Sequence[Sequence[float]], change: float, interval: tuple[float, float]
) -> str | None:
    distinct = len(set(sizes))
    if distinct < _FEWEST_SIZES:
        return f"{distinct} sizes are too few for a law, which takes {_FEWEST_SIZES}"
    if all(len(each) < 2 for each in losses):
        return "one seed for each size tells no spread, and so no interval"
    low, high = interval
    if low <= 0 <= high:
        return (
            f"from the smallest to the largest the change is {change:+.4f} [{low:+.4f}, "
            f"{high:+.4f}], which holds 0: not told from the spread over seeds"
        )
    if low > 0:
        return f"the loss grows with the size: {change:+.4f} [{low:+.4f}, {high:+.4f}]"
    return None


def _resample(losses: Sequence[Sequence[float]], means: _Array, count: int) -> _Array:
    """`(count, sizes)` means that other seeds might have given; NaN where no spread is known."""
    seeds = np.array([len(each) for each in losses])
    freedom = int((seeds - 1).sum())
    if not freedom:
        return np.full((count, len(means)), np.nan)
    squares = sum(
        ((np.asarray(each) - mean) ** 2).sum() for each, mean in zip(losses, means, strict=True)
    )
    rng = np.random.default_rng(0)
    spread = np.sqrt(squares / rng.chisquare(freedom, (count, 1)))
    return np.asarray(means + rng.standard_normal((count, len(means))) * spread / np.sqrt(seeds))


def _fit_with_floor(sizes: _Array, losses: _Array) -> _Array:
    """`(rows, 3)`: for each row of losses, `(rows, sizes)`, the best factor, exponent and floor."""
    # Sizes around 1 keep the factor near the loss, whatever the exponent.
    middle = np.exp(np.log(sizes).mean())
    powers = (sizes / middle) ** -_EXPONENTS[:, None]
    centred = powers - powers.mean(axis=1, keepdims=True)
    variance = (centred**2).sum(axis=1)
    means = losses.mean(axis=1, keepdims=True)
    slopes = (losses - means) @ centred.T / variance
    explained = slopes**2 * variance
    best = explained.argmax(axis=1)
    rows = np.arange(len(losses))
    slope, exponent = slopes[rows, best], _EXPONENTS[best]
    floor = means[:, 0] - slope * powers.mean(axis=1)[best]
    return np.stack([slope * middle**exponent, exponent, floor], axis=1)


def _fit_line(sizes: _Array, losses: _Array) -> _Array:
    """As `_fit_with_floor`, with a floor of 0: log loss = log a - b * log size."""
    logs = np.log(sizes)
    centred = logs - logs.mean()
    log_losses = np.log(losses)
    exponent = -(log_losses @ centred) / (centred**2).sum()
    factor = np.exp(log_losses.mean(axis=1) + exponent * logs.mean())
    return np.stack([factor, exponent, np.zeros(len(losses))], axis=1)


def _law(parameters: _Array, sizes: _Array) -> _Array:
    """`(rows, sizes)`: the losses of each row of parameters."""
    factor, exponent, floor = parameters.T[:, :, None]
    return np.asarray(factor * sizes**-exponent + floor)


def _percentiles(values: _Array) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
