"""The best metrics that any model can reach where the click probabilities are known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from keras_elastor.data.synthetic.draws import Floats


@dataclasses.dataclass(frozen=True)
class BayesOptimum:
    """What a model that knows the probability of every row reaches, from a sample of rows.

    Args:
        auc: Expected area under the ROC curve.
        auc_error: Standard error of `auc` from the sample.
        logloss: Expected mean binary cross-entropy, in nats.
        logloss_error: Standard error of `logloss` from the sample.
    """

    auc: float
    auc_error: float
    logloss: float
    logloss_error: float


def bayes_optimum(probability: npt.ArrayLike) -> BayesOptimum:
    """The optimum of the distribution from which rows of these probabilities were drawn.

    The labels are integrated out, so that only the choice of rows leaves an error:

        logloss = mean_i H(p_i),  H(p) = -p log p - (1 - p) log(1 - p)

        AUC = sum_(i != j) p_i (1 - p_j) ([p_i > p_j] + [p_i = p_j] / 2)
              / sum_(i != j) p_i (1 - p_j)

    that is the chance that a click has a higher probability than a non-click, for two rows drawn
    independently. One sort instead of all pairs. The error of the AUC is that of a ratio of
    U-statistics, by their projection on single rows (Hoeffding 1948; van der Vaart, "Asymptotic
    Statistics", 12.1).

    Args:
        probability: Click probability of each row, shape `(rows,)`, strictly between 0 and 1, at
            least 2 rows.

    Example:

    >>> from keras_elastor.data.synthetic.bayes import bayes_optimum
    >>> optimum = bayes_optimum([0.2, 0.6])
    >>> round(optimum.auc, 4)  # 0.6 * 0.8 of the pairs (0.6, 0.2), of 0.6 * 0.8 + 0.2 * 0.4
    0.8571

    Raises:
        ValueError: If the shape is another, there are fewer than 2 rows, or a probability is not in
            (0, 1).
    """
    p = np.asarray(probability, np.float64)
    if p.ndim != 1 or len(p) < 2 or not ((p > 0) & (p < 1)).all():
        raise ValueError(
            "Expected at least 2 probabilities strictly between 0 and 1, of shape (rows,). "
            f"Received: shape {p.shape}, from {p.min(initial=1.0)} to {p.max(initial=0.0)}"
        )
    q = 1.0 - p
    entropy = -(p * np.log(p) + q * np.log(q))
    clicks_above, others_below = _mass_above(p, p), _mass_above(-p, q)
    wins = (p * others_below).sum()
    pairs = p.sum() * q.sum() - (p * q).sum()
    auc = wins / pairs
    # Each row's share in wins and pairs, as the click and as the other one.
    influence = p * others_below + q * clicks_above - auc * (p * (q.sum() - q) + q * (p.sum() - p))
    root = math.sqrt(len(p))
    return BayesOptimum(
        auc=float(auc),
        auc_error=float(influence.std() * root / pairs),
        logloss=float(entropy.mean()),
        logloss_error=float(entropy.std() / root),
    )


def _mass_above(values: Floats, mass: Floats) -> Floats:
    """For each row the mass of all rows of greater value, and half that of other equal rows."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    total = np.concatenate([[0.0], np.cumsum(mass[order])])
    below = total[np.searchsorted(ordered, values, side="left")]
    up_to = total[np.searchsorted(ordered, values, side="right")]
    return np.asarray(total[-1] - up_to + (up_to - below - mass) / 2.0)
