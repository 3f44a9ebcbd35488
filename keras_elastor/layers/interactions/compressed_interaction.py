"""xDeepFM's compressed interaction network (CIN)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.numerics import matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class CompressedInteraction(keras.layers.Layer):
    """Vector-wise interactions of growing order, compressed to a few maps after each step.

        x^k_n = sum_{h,m} W^k_nhm (x^0_h * x^{k-1}_m) + b^k_n;   y = [sum_d x^1, ..., sum_d x^K]

    The embedding dimension stands before the maps throughout, so that the outer product, which is
    by far the largest tensor, is made once per step, in the form that the matrix product reads.

    Args:
        hidden_units: Number of maps after each step.
        kernel_initializer: Initializer of each W, seen as a matrix (h * m, n). Default: None,
            Xavier normal.

    Input shape: `(batch, fields, embedding_dim)`. Output shape: `(batch, sum(hidden_units))`.

    Example:

    >>> cin = ke.layers.CompressedInteraction([4, 3])
    >>> cin(np.ones((2, 5, 8), "float32")).shape == (2, 7)
    True

    Raises:
        ValueError: If there is no step, or a step with fewer than 1 map.

    Reference: Lian et al., xDeepFM (KDD 2018, arXiv 1803.05170), section 3.1, with the identity as
    its activation, as there; FuxiCTR, `CompressedInteractionNet`.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_units = tuple(hidden_units)
        if not self.hidden_units:
            raise ValueError(
                "CompressedInteraction: expected at least one number of maps. "
                "Received: hidden_units=()"
            )
        for units in self.hidden_units:
            require_positive(self, hidden_units=units)
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make the weights of all steps."""
        fields, _ = require_tokens(self, input_shape)
        self.kernels, self.biases = [], []
        maps = fields
        for index, units in enumerate(self.hidden_units):
            self.kernels.append(
                self.add_weight(
                    name=f"kernel_{index}",
                    shape=(fields * maps, units),
                    initializer=get_kernel_initializer(self.kernel_initializer),
                )
            )
            self.biases.append(
                self.add_weight(name=f"bias_{index}", shape=(units,), initializer="zeros")
            )
            maps = units
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Interact, compress and sum."""
        fields, embedding_dim = inputs.shape[1:]
        first = ops.transpose(inputs, (0, 2, 1))
        # Row by row in memory: PyTorch would otherwise copy each product to reshape it.
        first = ops.reshape(ops.reshape(first, (-1, embedding_dim * fields)), ops.shape(first))
        current, maps = first, fields
        sums = []
        for kernel, bias, units in zip(self.kernels, self.biases, self.hidden_units, strict=True):
            products = ops.expand_dims(first, -1) * ops.expand_dims(current, -2)
            products = ops.reshape(products, (-1, embedding_dim, fields * maps))
            current, maps = matrix_product(products, kernel) + bias, units
            del products
            sums.append(ops.sum(current, axis=1))
        return ops.concatenate(sums, axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the sums."""
        return (input_shape[0], sum(self.hidden_units))

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
