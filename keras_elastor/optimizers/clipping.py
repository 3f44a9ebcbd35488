"""The global norm of gradients, some of which are known by parts."""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from keras_elastor.utils.types import Tensor


def clip_scale(squares: Sequence[Tensor], norm: float) -> Tensor:
    """What gradients are multiplied by so that their common norm is at most `norm`.

    Args:
        squares: The sum of squares of each gradient.
        norm: The norm.
    """
    total = ops.sqrt(ops.sum(ops.stack(list(squares))))
    # As Keras does: a norm that is not finite makes all gradients NaN.
    return norm * ops.minimum(1 / total, 1 / norm) + (total - total)
