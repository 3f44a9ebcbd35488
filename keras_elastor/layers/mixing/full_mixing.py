"""RankElastor's learned mixing over all token-feature coordinates."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.numerics import matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class FullMixing(keras.layers.Layer):
    """Learned linear mixing of all tokens and features, or of blocks of them.

    The tokens are read as one row-major vector and cut into n = T*D/g consecutive blocks of g
    coordinates; a matrix W in R^{n x n} mixes the blocks, equally at every offset inside a block:

        vec(y) = (W (x) I_g) vec(x) + b

    g = 1 is RankElastor's full mixing. g = D/T with the commutation matrix for W is RankMixer's
    `TokenMixing`. Every g > 1 has g^2 times fewer weights, g times fewer operations, and is less
    expressive. The weight `kernel`, of shape `(inputs, outputs)`, holds W transposed.

    Args:
        block_size: G; must divide tokens * token_dim. Default: 1.
        use_bias: Whether to add b, of shape `(tokens * token_dim,)`. Default: True, as in the
            official code; the paper has none.
        kernel_initializer: Initializer of the kernel. Default: None, Xavier normal.
        bias_initializer: Initializer of the bias. Default: "zeros".

    Input shape: `(batch, tokens, token_dim)`. Output shape: the same.

    Example:

    >>> mixing = ke.layers.FullMixing(block_size=2)
    >>> mixing(np.ones((5, 4, 6), "float32")).shape == (5, 4, 6)
    True
    >>> mixing.kernel.shape == (12, 12)
    True

    Raises:
        ValueError: If the block size does not divide tokens * token_dim.

    Reference: Li et al., RankElastor (KDD 2026, arXiv 2605.23191), section 3.1, Theorem 3.1;
    official code, `src/Token_Mixing.py`, mixing type 999.
    """

    def __init__(
        self,
        block_size: int = 1,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = None,
        bias_initializer: InitializerLike = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, block_size=block_size)
        self.block_size = block_size
        self.use_bias = use_bias
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias."""
        tokens, token_dim = require_tokens(self, input_shape)
        size = tokens * token_dim
        if size % self.block_size:
            raise ValueError(
                f"FullMixing '{self.name}': expected a block size that divides tokens * token_dim "
                f"= {tokens} * {token_dim} = {size}. Received: block_size={self.block_size}"
            )
        blocks = size // self.block_size
        self.kernel = self.add_weight(
            name="kernel", shape=(blocks, blocks), initializer=self.kernel_initializer
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(size,), initializer=self.bias_initializer
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Mix the tokens."""
        tokens, token_dim = inputs.shape[1:]
        size = tokens * token_dim
        if self.block_size == 1:
            mixed = matrix_product(ops.reshape(inputs, (-1, size)), self.kernel)
        else:
            blocks = ops.reshape(inputs, (-1, size // self.block_size, self.block_size))
            mixed = matrix_product(ops.transpose(blocks, (0, 2, 1)), self.kernel)
            mixed = ops.reshape(ops.transpose(mixed, (0, 2, 1)), (-1, size))
        if self.use_bias:
            mixed += self.bias
        return ops.reshape(mixed, (-1, tokens, token_dim))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "block_size": self.block_size,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
