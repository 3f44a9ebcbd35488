"""AutoInt's self-attention among the fields."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.normalizations import make_normalization, serialize_normalization
from keras_elastor.layers.core.numerics import at_least_float32, matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, NormalizationLike, Shape, Tensor


@register
class InteractingAttention(keras.layers.Layer):
    """Every field gathers from the fields that go with it.

        A_h = softmax(X Q_h (X K_h)^T [/ sqrt(units / heads)])
        Y = relu([layer_norm](concat_h(A_h X V_h) [+ X R]))

    R is the identity where the width does not change. The softmax is computed in float32.

    Args:
        units: Width of the output, all heads together.
        num_heads: Number of heads; divides `units`. Default: 1.
        use_residual: Whether the input is added. Default: True.
        use_scale: Whether the scores are divided. Default: False.
        normalization: "rms", "layer", "batch" or a layer: the norm of the sum. Default: None.
        dropout: Rate on the attention weights. Default: 0.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, fields, dim)`. Output shape: `(batch, fields, units)`.

    Example:

    >>> attention = ke.layers.InteractingAttention(6, num_heads=2)
    >>> attention(np.ones((2, 3, 4), "float32")).shape == (2, 3, 6)
    True

    Raises:
        ValueError: If the heads do not divide the units.

    Reference: Song et al., AutoInt (CIKM 2019, arXiv 1810.11921), section 4.4; FuxiCTR,
    `MultiHeadSelfAttention`.
    """

    def __init__(
        self,
        units: int,
        num_heads: int = 1,
        use_residual: bool = True,
        use_scale: bool = False,
        normalization: NormalizationLike = None,
        dropout: float = 0.0,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, units=units, num_heads=num_heads)
        if units % num_heads:
            raise ValueError(
                "InteractingAttention: expected `num_heads` to divide `units`. "
                f"Received: units={units}, num_heads={num_heads}"
            )
        self.units = units
        self.num_heads = num_heads
        self.use_residual = use_residual
        self.use_scale = use_scale
        self.normalization = serialize_normalization(self, normalization)
        self.dropout = dropout
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make the matrices, the norm and the dropout."""
        fields, dim = require_tokens(self, input_shape)
        self.query_kernel = self._add_kernel("query_kernel", dim)
        self.key_kernel = self._add_kernel("key_kernel", dim)
        self.value_kernel = self._add_kernel("value_kernel", dim)
        self.residual_kernel = None
        if self.use_residual and dim != self.units:
            self.residual_kernel = self._add_kernel("residual_kernel", dim)
        self.norm = None
        if self.normalization is not None:
            self.norm = make_normalization(self.normalization, self.dtype_policy, name="norm")
            self.norm.build((None, fields, self.units))
        self.attention_dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.attention_dropout.build((None, self.num_heads, fields, fields))
        self.built = True

    def _add_kernel(self, name: str, dim: int) -> Any:
        initializer = get_kernel_initializer(self.kernel_initializer)
        return self.add_weight(name=name, shape=(dim, self.units), initializer=initializer)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Attend; `training` switches the dropout."""
        outputs = self._attend(inputs)
        if self.residual_kernel is not None:
            outputs = outputs + matrix_product(inputs, self.residual_kernel)
        elif self.use_residual:
            outputs = outputs + inputs
        if self.norm is not None:
            outputs = self.norm(outputs)
        return ops.relu(outputs)

    def _attend(self, inputs: Tensor) -> Tensor:
        query = self._split_heads(matrix_product(inputs, self.query_kernel))
        key = self._split_heads(matrix_product(inputs, self.key_kernel))
        value = self._split_heads(matrix_product(inputs, self.value_kernel))
        scores = query @ ops.transpose(key, (0, 1, 3, 2))
        scores = ops.cast(scores, at_least_float32(self.compute_dtype))
        if self.use_scale:
            scores = scores / (self.units // self.num_heads) ** 0.5
        weights = ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)
        attended = self.attention_dropout(weights) @ value
        return ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), (-1, inputs.shape[1], self.units))

    def _split_heads(self, tokens: Tensor) -> Tensor:
        """From (batch, fields, units) to (batch, heads, fields, units / heads)."""
        shape = (-1, tokens.shape[1], self.num_heads, self.units // self.num_heads)
        return ops.transpose(ops.reshape(tokens, shape), (0, 2, 1, 3))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with the new width."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "use_residual": self.use_residual,
            "use_scale": self.use_scale,
            "normalization": self.normalization,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
