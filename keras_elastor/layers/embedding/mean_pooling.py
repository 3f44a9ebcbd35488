"""The mean of a history's rows."""

from __future__ import annotations

from keras import ops

from keras_elastor.layers.embedding.history_pooling import HistoryPooling
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Tensor


@register
class MeanPooling(HistoryPooling):
    """Mean of a history's rows.

        y = sum_i m_i h_i / max(1, sum_i m_i)

    Input and output: see `HistoryPooling`.

    Example:

    >>> rows = np.array([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]], "float32")
    >>> ops.convert_to_numpy(ke.layers.MeanPooling()([rows, np.array([[1.0, 1.0, 0.0]])])).tolist()
    [[2.0, 3.0]]

    Reference: FuxiCTR, `MaskedAveragePooling`.
    """

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Average the rows that are no padding."""
        rows, mask = inputs
        mask = ops.cast(mask, rows.dtype)
        total = ops.sum(rows * ops.expand_dims(mask, -1), axis=1)
        return total / ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1)
