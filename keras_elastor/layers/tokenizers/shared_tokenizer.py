"""Equal slices, all mapped by one shared perceptron."""

from __future__ import annotations

from keras import ops

from keras_elastor.layers.tokenizers.mlp_tokenizer import MLPTokenizer
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Shape, Tensor


@register
class SharedTokenizer(MLPTokenizer):
    """Cuts the normalized embeddings into equal slices and maps all by one shared MLP.

        x_t = MLP( RMSNorm(e)[s(t-1) : s*t] ),   s = fields * embedding_dim / T,   t = 1..T

    A slice border may fall inside a field.

    Args:
        num_tokens: Number of tokens T; must divide fields * embedding_dim.
        token_dim: Width of a token D.
        hidden_units: Widths of the MLP's hidden layers. Default: (500,).
        activation: Elementwise function of the MLP. Default: "relu".
        normalization: "rms", "layer", "batch" or a layer: the norm before each activation.
            Default: None.
        dropout: Rate after each activation. Default: 0.1.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, fields, embedding_dim)`. Output shape: `(batch, num_tokens, token_dim)`.

    Example:

    >>> tokenizer = ke.layers.SharedTokenizer(num_tokens=3, token_dim=8, hidden_units=[16])
    >>> tokenizer(np.ones((2, 6, 4), "float32")).shape == (2, 3, 8)
    True

    Raises:
        ValueError: T does not divide fields * embedding_dim.

    Reference: RankElastor's official code, `src/Emb_Tokenizer.py`, type "matrix".
    """

    def build(self, input_shape: Shape) -> None:
        """Make and build the norm and the MLP."""
        self._build_parts(self.flat_size(input_shape), self.slice_size(input_shape), self.token_dim)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Normalize, cut and map; `training` switches the dropout."""
        flat = self.norm(self.flatten(inputs))
        slices = ops.reshape(flat, (-1, flat.shape[-1] // self.num_tokens))
        tokens = self.mlp(slices, training=training)
        return ops.reshape(tokens, (-1, self.num_tokens, self.token_dim))
