"""From the rows of a history to one vector: what all such layers share."""

from __future__ import annotations

import keras

from keras_elastor.utils.types import Shape


class HistoryPooling(keras.layers.Layer):
    """Base of the layers that make one vector of a history's rows.

    A subclass implements `call` on a list `[rows, mask]`, or, where `uses_target` is true,
    `[rows, mask, target]`:

    - `rows`: embeddings of the history, `(batch, length, dim)`;
    - `mask`: 1 where there is an item, 0 at padding, `(batch, length)`;
    - `target`: embedding of the candidate, the first `Categorical` feature that reads the history's
      table, `(batch, dim)`.

    Output shape: `(batch, dim)`; zero for an empty history.
    """

    uses_target = False

    def build(self, input_shape: list[Shape]) -> None:
        """Nothing to make."""
        self.built = True

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Shape of one row per history."""
        batch, _, dim = input_shape[0]
        return (batch, dim)
