"""FinalMLP's fusion of two streams into logits."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.numerics import at_least_float32, matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class BilinearFusion(keras.layers.Layer):
    """Logits of two vectors: a linear map of each and a bilinear form of both, head by head.

        logits = x W_x + y W_y + b + sum_h x_h^T W_h y_h

    The weights and the result are float32 under a half-precision policy.

    Args:
        units: Number of tasks. Default: 1.
        num_heads: Number of parts that each vector is cut into; divides both widths. Default: 1.
        kernel_initializer: Initializer of the matrices, those of all heads seen as one matrix
            (heads * dim_x * dim_y, units). Default: None, Xavier normal.

    Input: a list `[x, y]` of shapes `(batch, width_x)` and `(batch, width_y)`.
    Output shape: `(batch, units)`.

    Example:

    >>> fusion = ke.layers.BilinearFusion(num_heads=2)
    >>> fusion([np.ones((3, 4), "float32"), np.ones((3, 6), "float32")]).shape == (3, 1)
    True

    Raises:
        ValueError: If the heads do not divide a width.

    Reference: Mao et al., FinalMLP (AAAI 2023, arXiv 2304.00902), section 3.3; FuxiCTR,
    `InteractionAggregation`.
    """

    def __init__(
        self,
        units: int = 1,
        num_heads: int = 1,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, units=units, num_heads=num_heads)
        self.units = units
        self.num_heads = num_heads
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: list[Shape]) -> None:
        """Make the two linear maps and the bilinear form."""
        widths = [int(shape[-1] or 0) for shape in input_shape]
        if len(widths) != 2 or any(not width or width % self.num_heads for width in widths):
            raise ValueError(
                f"BilinearFusion '{self.name}': expected two inputs whose widths num_heads="
                f"{self.num_heads} divides. Received: widths={widths}"
            )
        self.x_kernel = self._add_weight("x_kernel", (widths[0], self.units))
        self.y_kernel = self._add_weight("y_kernel", (widths[1], self.units))
        self.bias = self._add_weight("bias", (self.units,), "zeros")
        heads, x_dim, y_dim = self.num_heads, *(width // self.num_heads for width in widths)
        shape = (heads, x_dim, self.units * y_dim)
        self.kernel = self._add_weight("kernel", shape, self._initialize_form)
        self.built = True

    def _add_weight(self, name: str, shape: Shape, initializer: InitializerLike = None) -> Any:
        if initializer is None:
            initializer = get_kernel_initializer(self.kernel_initializer)
        return self.add_weight(name=name, shape=shape, initializer=initializer, autocast=False)

    def _initialize_form(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        heads, x_dim, width = shape
        matrix = (heads * x_dim * width // self.units, self.units)
        values = get_kernel_initializer(self.kernel_initializer)(matrix, dtype=dtype)
        return ops.reshape(values, shape)

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Fuse the two streams."""
        dtype = at_least_float32(self.compute_dtype)
        x, y = (ops.cast(stream, dtype) for stream in inputs)
        linear = matrix_product(x, self.x_kernel) + matrix_product(y, self.y_kernel) + self.bias
        form = matrix_product(self._split_heads(x), self.kernel)
        form = ops.reshape(form, (self.num_heads, -1, self.units, y.shape[-1] // self.num_heads))
        form = form * ops.expand_dims(self._split_heads(y), 2)
        return linear + ops.sum(form, axis=(0, 3))

    def _split_heads(self, stream: Tensor) -> Tensor:
        """From (batch, width) to (heads, batch, width / heads)."""
        parts = ops.reshape(stream, (-1, self.num_heads, stream.shape[-1] // self.num_heads))
        return ops.transpose(parts, (1, 0, 2))

    def compute_output_spec(self, inputs: list[Tensor]) -> Any:
        """Shape and dtype of the logits."""
        shape = self.compute_output_shape([stream.shape for stream in inputs])
        return keras.KerasTensor(shape, dtype=at_least_float32(self.compute_dtype))

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Shape of the logits."""
        return (input_shape[0][0], self.units)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
