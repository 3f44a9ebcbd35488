"""One explicit feature crossing of GDCN, with a gate."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_same_shapes
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.numerics import matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class GatedCrossLayer(keras.layers.Layer):
    """A `CrossLayer` whose new part passes a gate that is learned from the current features.

        y = x_0 * (x W + b) * sigmoid(x V) + x

    Args:
        kernel_initializer: Initializer of W and V. Default: None, Xavier normal.
        bias_initializer: Initializer of b. Default: None, uniform in [0, 1), as in the authors'
            code.

    Input: a list `[x_0, x]`, each of shape `(batch, dim)`. Output shape: `(batch, dim)`.

    Example:

    >>> features = np.ones((2, 3), "float32")
    >>> ke.layers.GatedCrossLayer()([features, features]).shape == (2, 3)
    True

    Raises:
        ValueError: If the two inputs differ in shape or are no matrices.

    Reference: Wang et al., Towards Deeper, Lighter and Interpretable Cross Network (CIKM 2023,
    arXiv 2311.04635), section 3.2.
    """

    def __init__(
        self,
        kernel_initializer: InitializerLike = None,
        bias_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)
        if bias_initializer is None:
            bias_initializer = keras.initializers.RandomUniform(0.0, 1.0)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: list[Shape]) -> None:
        """Make the two matrices and the bias."""
        dim = require_same_shapes(self, input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(dim, dim),
            initializer=get_kernel_initializer(self.kernel_initializer),
        )
        self.gate_kernel = self.add_weight(
            name="gate_kernel",
            shape=(dim, dim),
            initializer=get_kernel_initializer(self.kernel_initializer),
        )
        self.bias = self.add_weight(name="bias", shape=(dim,), initializer=self.bias_initializer)
        self.built = True

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Cross the features and let the gate decide."""
        first, current = inputs
        gate = ops.sigmoid(matrix_product(current, self.gate_kernel))
        return first * (matrix_product(current, self.kernel) + self.bias) * gate + current

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Shape of one of the inputs."""
        return input_shape[0]

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
