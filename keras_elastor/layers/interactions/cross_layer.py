"""One explicit feature crossing of DCN-V2."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.layers.core.checks import require_same_shapes
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.numerics import matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class CrossLayer(keras.layers.Layer):
    """Crosses the current features with the first ones; each layer raises the order by one.

        y = x_0 * (x W + b) + x

    Args:
        kernel_initializer: Initializer of W. Default: None, Xavier normal.

    Input: a list `[x_0, x]`, each of shape `(batch, dim)`. Output shape: `(batch, dim)`.

    Example:

    >>> features = np.ones((2, 3), "float32")
    >>> ke.layers.CrossLayer()([features, features]).shape == (2, 3)
    True

    Raises:
        ValueError: If the two inputs differ in shape or are no matrices.

    Reference: Wang et al., DCN V2 (WWW 2021, arXiv 2008.13535), section 3.2; FuxiCTR, `CrossNetV2`.
    """

    def __init__(self, kernel_initializer: InitializerLike = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: list[Shape]) -> None:
        """Make the matrix and the bias."""
        dim = require_same_shapes(self, input_shape)
        self.kernel = self.add_weight(
            name="kernel", shape=(dim, dim), initializer=self.kernel_initializer
        )
        self.bias = self.add_weight(name="bias", shape=(dim,), initializer="zeros")
        self.built = True

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Cross the features."""
        first, current = inputs
        return first * (matrix_product(current, self.kernel) + self.bias) + current

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Shape of one of the inputs."""
        return input_shape[0]

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
