"""Singular values of many matrices, quickly where that is accurate."""

from __future__ import annotations

from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

# What the error of the Gram matrix may change of any measure, relative to it.
_TOLERANCE = 1e-6


def spectrum(x: Any) -> Array:
    """Singular values of matrices, largest first.

    Args:
        x: Finite real numbers, shape `(..., rows, columns)`.

    Returns:
        Shape `(..., min(rows, columns))`, float64.

    Raises:
        ValueError: If `x` holds no matrices or numbers that are not finite; the message says where.

    Example:

    >>> ke.analysis.spectrum(np.diag([3.0, 4.0])).tolist()
    [4.0, 3.0]
    """
    matrices, scales = scaled_matrices(x)
    values: Array = np.linalg.svd(matrices, compute_uv=False) * scales
    return values


def scaled_matrices(x: Any) -> tuple[Array, Array]:
    """Matrices in float64 whose largest absolute entry is 1, and their scales, `(..., 1)`.

    No square of such a matrix overflows or vanishes. A zero matrix stays as it is, with scale 1.

    Raises:
        ValueError: As `spectrum`.
    """
    values = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
    if values.ndim < 2 or 0 in values.shape[-2:]:
        raise ValueError(
            "Expected matrices of shape (..., rows, columns) with at least one row and one column. "
            f"Received: shape {values.shape}"
        )
    if values.dtype.kind in "cOSUMm":
        raise ValueError(f"Expected matrices of real numbers. Received: dtype {values.dtype}")
    matrices = values.astype(np.float64)
    is_finite = np.isfinite(matrices)
    if not is_finite.all():
        place = tuple(np.argwhere(~is_finite)[0].tolist())
        raise ValueError(
            f"Expected finite numbers. Received: {matrices[place]} at index {place}, "
            f"and {int((~is_finite).sum())} such numbers in all"
        )
    scales = np.abs(matrices).max(axis=(-2, -1), keepdims=True)
    scales[scales == 0] = 1
    matrices /= scales
    return matrices, scales[..., 0]


def relative_singular_values(x: Any, squares_only: bool = False) -> Array:
    """Singular values up to a factor of each matrix, in no order.

    They come from the eigenvalues of the Gram matrix of the shorter side, faster than a
    decomposition of the matrix itself (`benchmarks/own_code.py`). Squares of singular values lose
    nothing that way. The small values themselves do: an error of size e in an eigenvalue is one of
    e / s in its root. A matrix whose sum or entropy would change by more than 1e-6 is decomposed
    itself; where the smallest value is above a millionth of the largest that is not needed.

    Args:
        x: As for `spectrum`.
        squares_only: Whether only sums of squares (and higher powers) are made of the values.

    Raises:
        ValueError: As `spectrum`.
    """
    matrices, _ = scaled_matrices(x)
    rows, columns = matrices.shape[-2:]
    short = matrices if rows <= columns else matrices.swapaxes(-2, -1)
    squares = np.linalg.eigvalsh(short @ short.swapaxes(-2, -1)).clip(min=0)
    values: Array = np.sqrt(squares)
    if not squares_only:
        error = max(rows, columns) * np.finfo(np.float64).eps * squares[..., -1:]
        is_wrong = _change(values, error) > _TOLERANCE
        values[is_wrong] = np.linalg.svd(matrices[is_wrong], compute_uv=False)
    return values


def _change(values: Array, error: Array) -> Array:
    """How much sum and entropy of singular values change by such an error of their squares."""
    tiny = np.finfo(np.float64).tiny
    values = np.maximum(values, tiny)
    shares = values / values.sum(axis=-1, keepdims=True)
    surprise = -np.log(shares)
    entropy = (shares * surprise).sum(axis=-1, keepdims=True)
    total = values.sum(axis=-1, keepdims=True)
    change: Array = ((1 + surprise + entropy) * (error / values) / total).sum(axis=-1)
    return change
