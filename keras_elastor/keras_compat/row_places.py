"""Taking along the second axis, so that PyTorch's exporter follows.

Keras 3.15 calls `torch.take_along_dim`, by which PyTorch 2.13 exports a batch of one size alone. To
be dropped with the Keras that calls `torch.gather`.
"""

from __future__ import annotations

import keras
from keras import ops

from keras_elastor.utils.types import Tensor


def take_of_each_row(values: Tensor, places: Tensor) -> Tensor:
    """Values of each row at places of its own: y[b, i] = values[b, places[b, i]].

    Args:
        values: `(batch, length, width)`.
        places: Integers from 0, `(batch, length)`.
    """
    places = ops.expand_dims(places, -1)
    if keras.backend.backend() == "torch":
        return values.gather(1, places.long().expand(-1, -1, values.shape[-1]))
    return ops.take_along_axis(values, places, axis=1)
