"""The sum of a history's rows."""

from __future__ import annotations

from keras import ops

from keras_elastor.layers.embedding.history_pooling import HistoryPooling
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Tensor


@register
class SumPooling(HistoryPooling):
    """Sum of a history's rows.

        y = sum_i m_i h_i

    Input and output: see `HistoryPooling`.

    Example:

    >>> rows = np.array([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]], "float32")
    >>> ops.convert_to_numpy(ke.layers.SumPooling()([rows, np.array([[1.0, 1.0, 0.0]])])).tolist()
    [[4.0, 6.0]]
    """

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Sum the rows that are no padding."""
        rows, mask = inputs
        return ops.sum(rows * ops.expand_dims(ops.cast(mask, rows.dtype), -1), axis=1)
