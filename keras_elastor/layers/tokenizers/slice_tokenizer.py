"""RankMixer's tokenizer: equal slices, each with an affine map of its own."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.per_token.per_token_dense import PerTokenDense
from keras_elastor.layers.tokenizers.tokenizer import Tokenizer
from keras_elastor.utils.saving import register, serialize
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class SliceTokenizer(Tokenizer):
    """Cuts the concatenated embeddings into equal slices and maps each by its own affine map.

        x_t = W_t e[s(t-1) : s*t] + b_t,   s = ceil(fields * embedding_dim / T),   t = 1..T

    A slice border may fall inside a field. Where T does not divide the length, zeros are appended.

    Args:
        num_tokens: Number of tokens T.
        token_dim: Width of a token D.
        use_bias: Whether to add b. Default: True.
        kernel_initializer: Initializer of each token's matrix. Default: None, Xavier normal.

    Input shape: `(batch, fields, embedding_dim)`. Output shape: `(batch, num_tokens, token_dim)`.

    Example:

    >>> tokenizer = ke.layers.SliceTokenizer(num_tokens=4, token_dim=8)
    >>> tokenizer(np.ones((2, 6, 3), "float32")).shape == (2, 4, 8)
    True

    Reference: Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3.2.
    """

    def __init__(
        self,
        num_tokens: int,
        token_dim: int,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_tokens, token_dim, **kwargs)
        self.use_bias = use_bias
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make and build the per-token map."""
        size = self.flat_size(input_shape)
        self.padding = -size % self.num_tokens
        self.projection = PerTokenDense(
            self.token_dim,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name="projection",
        )
        self.projection.build(
            (input_shape[0], self.num_tokens, (size + self.padding) // self.num_tokens)
        )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Cut and map."""
        flat = self.flatten(inputs)
        if self.padding:
            flat = ops.pad(flat, ((0, 0), (0, self.padding)))
        width = flat.shape[-1] // self.num_tokens
        return self.projection(ops.reshape(flat, (-1, self.num_tokens, width)))

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "kernel_initializer": serialize(self.kernel_initializer),
        }
