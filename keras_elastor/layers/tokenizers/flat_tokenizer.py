"""One perceptron from all fields to all tokens."""

from __future__ import annotations

from keras import ops

from keras_elastor.layers.tokenizers.mlp_tokenizer import MLPTokenizer
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Shape, Tensor


@register
class FlatTokenizer(MLPTokenizer):
    """Maps the normalized embeddings of all fields to all tokens by one MLP.

        x = reshape( MLP( RMSNorm(e) ), (T, D) )

    Its tokens belong to no field: the MLP is itself a full mixing.

    Args:
        num_tokens: Number of tokens T.
        token_dim: Width of a token D.
        hidden_units: Widths of the MLP's hidden layers. Default: (500,).
        activation: Elementwise function of the MLP. Default: "relu".
        normalization: "rms", "layer", "batch" or a layer: the norm before each activation.
            Default: None.
        dropout: Rate after each activation. Default: 0.1.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, fields, embedding_dim)`. Output shape: `(batch, num_tokens, token_dim)`.

    Example:

    >>> tokenizer = ke.layers.FlatTokenizer(num_tokens=3, token_dim=8, hidden_units=[16])
    >>> tokenizer(np.ones((2, 6, 4), "float32")).shape == (2, 3, 8)
    True

    Reference: RankElastor's official code, `src/Emb_Tokenizer.py`, type "vector".
    """

    def build(self, input_shape: Shape) -> None:
        """Make and build the norm and the MLP."""
        size = self.flat_size(input_shape)
        self._build_parts(size, size, self.num_tokens * self.token_dim)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Normalize and map; `training` switches the dropout."""
        tokens = self.mlp(self.norm(self.flatten(inputs)), training=training)
        return ops.reshape(tokens, (-1, self.num_tokens, self.token_dim))
