"""How many directions a matrix really uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_elastor.analysis.singular_values import Array, relative_singular_values


def effective_rank(x: Any, kind: str = "stable") -> Array:
    """Effective rank of matrices: their rank, with small singular values counting less.

    With singular values `s` and `p_i = s_i / sum s`:

    | kind | effective rank |
    |---|---|
    | `"stable"` | sum s^2 / max s^2, that is `||X||_F^2 / ||X||_2^2` |
    | `"participation"` | (sum s^2)^2 / sum s^4 |
    | `"entropy"` | exp(-sum p_i ln p_i) |

    For every matrix but zero, `1 <= stable <= participation <= entropy <= rank`; the effective rank
    of a zero matrix is 0. No kind changes with the scale of a matrix or by a rotation.

    Args:
        x: Finite real numbers, shape `(..., rows, columns)`.
        kind: `"stable"`, `"participation"` or `"entropy"`. Default: "stable".

    Returns:
        Shape `(...)`, float64, right to 1e-6 of its size.

    Raises:
        ValueError: If `kind` is another, or `x` holds no matrices or numbers that are not finite;
            the message says where.

    Example:

    >>> x = np.diag([2.0, 1.0, 1.0])
    >>> float(ke.analysis.effective_rank(x))
    1.5
    >>> float(ke.analysis.effective_rank(x, kind="participation"))
    2.0
    >>> round(float(ke.analysis.effective_rank(x, kind="entropy")), 4)
    2.8284

    Reference: stable, RankElastor's Eq. 1; entropy, Roy and Vetterli (2007), The Effective Rank,
    and RankElastor's official code.
    """
    return effective_ranks(x, (kind,))[kind]


def effective_ranks(x: Any, kinds: tuple[str, ...]) -> dict[str, Array]:
    """Effective ranks of several kinds by one decomposition; see `effective_rank`."""
    check_kinds(kinds)
    values = relative_singular_values(x, squares_only="entropy" not in kinds)
    return {kind: _KINDS[kind](values) for kind in kinds}


def check_kinds(kinds: tuple[str, ...]) -> None:
    """Raise a ValueError that names the first kind which is none."""
    for kind in kinds:
        if kind not in _KINDS:
            raise ValueError(f"Expected `kind` to be one of {list(_KINDS)}. Received: {kind!r}")


def information_abundance(table: Any) -> Array:
    """Sum over maximum of the singular values of an embedding table.

        IA(E) = sum s / max s

    A table whose rows all lie in one direction has 1, one that uses all its directions alike has
    its width; a table of zeros has 0. `stable <= IA <= entropy` of `effective_rank`.

    Args:
        table: Finite real numbers, shape `(..., rows, embedding_dim)`.

    Returns:
        Shape `(...)`, float64, right to 1e-6 of its size.

    Raises:
        ValueError: If `table` holds no matrices or numbers that are not finite; the message says
            where.

    Example:

    >>> float(ke.analysis.information_abundance(np.diag([2.0, 1.0, 1.0])))
    2.0

    Reference: Guo et al. (ICML 2024), On the Embedding Collapse when Scaling up Recommendation
    Models, definition 1.
    """
    return _ratio(lambda s: s.sum(axis=-1) / s.max(axis=-1), relative_singular_values(table))


def _ratio(formula: Callable[[Array], Array], values: Array) -> Array:
    """The formula of singular values, 0 where all are 0."""
    is_zero: Array = values.max(axis=-1) == 0
    ratios = formula(np.where(is_zero[..., np.newaxis], 1.0, values))
    return np.where(is_zero, 0.0, ratios)


def _stable(values: Array) -> Array:
    squares = values**2
    return _ratio(lambda s: s.sum(axis=-1) / s.max(axis=-1), squares)


def _participation(values: Array) -> Array:
    squares = values**2
    return _ratio(lambda s: s.sum(axis=-1) ** 2 / (s**2).sum(axis=-1), squares)


def _entropy(values: Array) -> Array:
    def exponential(s: Array) -> Array:
        shares = s / s.sum(axis=-1, keepdims=True)
        logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
        rank: Array = np.exp(-(shares * logs).sum(axis=-1))
        return rank

    return _ratio(exponential, values)


_KINDS: dict[str, Callable[[Array], Array]] = {
    "stable": _stable,
    "participation": _participation,
    "entropy": _entropy,
}
