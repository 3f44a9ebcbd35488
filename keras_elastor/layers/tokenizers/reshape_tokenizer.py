"""Tokens without weights of their own: the normalized embeddings, read in another shape."""

from __future__ import annotations

from keras import ops

from keras_elastor.layers.core.rms_normalization import RMSNormalization
from keras_elastor.layers.tokenizers.tokenizer import Tokenizer
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Shape, Tensor


@register
class ReshapeTokenizer(Tokenizer):
    """Reads the normalized embeddings of all fields as tokens.

        x = reshape( RMSNorm(e), (T, D) )

    Args:
        num_tokens: Number of tokens T.
        token_dim: Width of a token D; T * D must be fields * embedding_dim.

    Input shape: `(batch, fields, embedding_dim)`. Output shape: `(batch, num_tokens, token_dim)`.

    Example:

    >>> tokenizer = ke.layers.ReshapeTokenizer(num_tokens=3, token_dim=8)
    >>> tokenizer(np.ones((2, 6, 4), "float32")).shape == (2, 3, 8)
    True

    Raises:
        ValueError: T * D is not fields * embedding_dim.

    Reference: RankElastor's official code, `src/Emb_Tokenizer.py`, without a transformation.
    """

    def build(self, input_shape: Shape) -> None:
        """Make and build the norm."""
        size = self.flat_size(input_shape)
        if size != self.num_tokens * self.token_dim:
            raise ValueError(
                f"ReshapeTokenizer '{self.name}': expected num_tokens * token_dim = fields * "
                f"embedding_dim = {input_shape[1]} * {input_shape[2]} = {size}. Received: "
                f"num_tokens={self.num_tokens}, token_dim={self.token_dim}"
            )
        self.norm = RMSNormalization(dtype=self.dtype_policy, name="norm")
        self.norm.build((None, size))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize and reshape."""
        flat = self.norm(self.flatten(inputs))
        return ops.reshape(flat, (-1, self.num_tokens, self.token_dim))
