"""Wukong's layer: a factorization machine block beside a linear one."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.mlp import MLP, serialize_units
from keras_elastor.layers.core.numerics import matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor, UnitsLike


@register
class WukongBlock(keras.layers.Layer):
    """Second-order interactions and linear compressions, side by side; stacks double the order.

        F = reshape(MLP(layer_norm(vec(X X^T Y))));   C = W_L X
        Z = layer_norm([F; C] + W_R X + b_R)

    Where the number of tokens does not change, X is added as it is. Each layer of the MLP, the last
    one, too, is followed by ReLU. Y is drawn from N(0, 1), as in FuxiCTR.

    Args:
        interaction_tokens: Number of rows of F. Default: 40.
        linear_tokens: Number of rows of C. Default: 40.
        rank: Width of the projection Y. Default: 8.
        hidden_units: Widths of the MLP's hidden layers. Default: (512, 256).
        kernel_initializer: Initializer of each matrix but Y. Default: None, Xavier normal.

    Input shape: `(batch, tokens, dim)`.
    Output shape: `(batch, interaction_tokens + linear_tokens, dim)`.

    Example:

    >>> block = ke.layers.WukongBlock(3, 2, rank=2, hidden_units=[8])
    >>> block(np.ones((2, 4, 6), "float32")).shape == (2, 5, 6)
    True

    Raises:
        ValueError: If an argument is below 1.

    Reference: Zhang et al., Wukong (ICML 2024, arXiv 2403.02545), sections 3.3 to 3.6; FuxiCTR,
    `WuKongLayer`.
    """

    def __init__(
        self,
        interaction_tokens: int = 40,
        linear_tokens: int = 40,
        rank: int = 8,
        hidden_units: UnitsLike = (512, 256),
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(
            self, interaction_tokens=interaction_tokens, linear_tokens=linear_tokens, rank=rank
        )
        self.interaction_tokens = interaction_tokens
        self.linear_tokens = linear_tokens
        self.rank = rank
        self.hidden_units = serialize_units(hidden_units)
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make the weights of both parts, the norms and the residual's map."""
        tokens, dim = require_tokens(self, input_shape)
        # No linear map of PyTorch's, hence not among those that FuxiCTR draws anew.
        self.projection = self.add_weight(
            name="projection",
            shape=(tokens, self.rank),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.linear_kernel = self._add_kernel("linear_kernel", (self.linear_tokens, tokens))
        self.residual_kernel = None
        total = self.interaction_tokens + self.linear_tokens
        if total != tokens:
            self.residual_kernel = self._add_kernel("residual_kernel", (total, tokens))
            self.residual_bias = self.add_weight(
                name="residual_bias", shape=(total, 1), initializer="zeros"
            )
        self.interaction_norm = self._make_norm("interaction_norm", (None, tokens * self.rank))
        self.mlp = MLP(
            self.hidden_units,
            output_units=self.interaction_tokens * dim,
            kernel_initializer=self.kernel_initializer,
            output_activation="relu",
            dtype=self.dtype_policy,
            name="mlp",
        )
        self.mlp.build((None, tokens * self.rank))
        self.output_norm = self._make_norm("output_norm", (None, total, dim))
        self.built = True

    def _add_kernel(self, name: str, shape: Shape) -> Any:
        initializer = get_kernel_initializer(self.kernel_initializer)
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def _make_norm(self, name: str, shape: Shape) -> Any:
        norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy, name=name)
        norm.build(shape)
        return norm

    def call(self, inputs: Tensor) -> Tensor:
        """Interact, compress and add."""
        tokens, dim = inputs.shape[1:]
        transposed = ops.transpose(inputs, (0, 2, 1))
        # X (X^T Y) costs rank / tokens of (X X^T) Y.
        products = inputs @ matrix_product(transposed, self.projection)
        products = self.interaction_norm(ops.reshape(products, (-1, tokens * self.rank)))
        interactions = ops.reshape(self.mlp(products), (-1, self.interaction_tokens, dim))
        compressed = ops.convert_to_tensor(self.linear_kernel) @ inputs
        residual = inputs
        if self.residual_kernel is not None:
            residual = ops.convert_to_tensor(self.residual_kernel) @ inputs + self.residual_bias
        outputs = ops.concatenate([interactions, compressed], axis=1)
        return self.output_norm(outputs + residual)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with the new number of tokens."""
        tokens = self.interaction_tokens + self.linear_tokens
        return (input_shape[0], tokens, input_shape[2])

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "interaction_tokens": self.interaction_tokens,
            "linear_tokens": self.linear_tokens,
            "rank": self.rank,
            "hidden_units": self.hidden_units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
