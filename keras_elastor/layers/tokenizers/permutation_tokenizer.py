"""Whole fields, shuffled once, in nearly equal groups: one group per token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.normalizations import make_normalization, serialize_normalization
from keras_elastor.layers.per_token.per_token_dense import PerTokenDense
from keras_elastor.layers.tokenizers.tokenizer import Tokenizer
from keras_elastor.utils.files import hash_bytes
from keras_elastor.utils.saving import register, serialize
from keras_elastor.utils.types import (
    ActivationLike,
    Config,
    InitializerLike,
    NormalizationLike,
    Shape,
    Tensor,
)


@register
class PermutationTokenizer(Tokenizer):
    """Shuffles the fields, cuts them into groups, and maps each group by its own affine map.

        x_t = activation(norm(W_t [e_{s(i)} for i in group t] + b_t)),   t = 1..T

    with a permutation s of the M fields. No field is cut, unlike in `SliceTokenizer`: the first
    M mod T groups have one field more than the others, floor(M / T). The permutation is drawn once,
    from the seed, and is the same in training and serving, in all versions and on all platforms.
    The paper does not say whether it is drawn anew, and writes "Proj" for the map: that it is
    affine, without norm and activation, is our reading.

    Args:
        num_tokens: Number of tokens T; at most the number of fields.
        token_dim: Width of a token D.
        seed: What the permutation is drawn from; an integer. Default: 0.
        permutation: The fields in the order in which they are cut into groups, given instead of
            drawn. Default: None.
        activation: Elementwise function. Default: None, the identity.
        normalization: "rms", "layer", "batch" or a layer: the norm before the activation. Default:
            None.
        use_bias: Whether to add b. Default: True.
        kernel_initializer: Initializer of each token's matrix. Default: None, Xavier normal.

    Input shape: `(batch, fields, embedding_dim)`. Output shape: `(batch, num_tokens, token_dim)`.

    Example:

    >>> tokenizer = ke.layers.PermutationTokenizer(2, 8, permutation=[3, 0, 4, 1, 2])
    >>> tokenizer(np.ones((3, 5, 4), "float32")).shape == (3, 2, 8)
    True
    >>> tokenizer.groups
    [[3, 0, 4], [1, 2]]

    Raises:
        ValueError: If there are more tokens than fields, or `permutation` does not hold every field
            once.

    Reference: Chen et al., RankUp (arXiv 2604.17878), randomized permutation splitting.
    """

    def __init__(
        self,
        num_tokens: int,
        token_dim: int,
        seed: int = 0,
        permutation: Sequence[int] | None = None,
        activation: ActivationLike = None,
        normalization: NormalizationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_tokens, token_dim, **kwargs)
        self.seed = seed
        self.permutation = None if permutation is None else list(permutation)
        self.activation = keras.activations.get(activation)
        self.normalization = serialize_normalization(self, normalization)
        self.use_bias = use_bias
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Draw the permutation; make and build the maps of the longer and the shorter groups."""
        fields, embedding_dim = require_tokens(self, input_shape)
        self.groups = self._make_groups(fields)
        self.projections = []
        for size, count in _runs([len(group) for group in self.groups]):
            projection = PerTokenDense(
                self.token_dim,
                use_bias=self.use_bias,
                kernel_initializer=self.kernel_initializer,
                dtype=self.dtype_policy,
                name=f"projection_of_{size}",
            )
            projection.build((input_shape[0], count, size * embedding_dim))
            self.projections.append(projection)
        self.norm = None
        if self.normalization is not None:
            self.norm = make_normalization(self.normalization, self.dtype_policy)
            self.norm.build(self.compute_output_shape(input_shape))
        self.built = True

    def _make_groups(self, fields: int) -> list[list[int]]:
        if self.num_tokens > fields:
            raise ValueError(
                f"PermutationTokenizer '{self.name}': expected at most as many tokens as fields, "
                f"{fields}, as no field is cut. Received: num_tokens={self.num_tokens}"
            )
        order = self.permutation
        if order is None:
            order = draw_permutation(fields, self.seed)
        elif sorted(order) != list(range(fields)):
            raise ValueError(
                f"PermutationTokenizer '{self.name}': expected `permutation` to hold each of the "
                f"{fields} fields, 0 to {fields - 1}, once. Received: permutation={order}"
            )
        size, longer = divmod(fields, self.num_tokens)
        groups, start = [], 0
        for token in range(self.num_tokens):
            stop = start + size + (token < longer)
            groups.append(order[start:stop])
            start = stop
        return groups

    def call(self, inputs: Tensor) -> Tensor:
        """Gather the groups and map them."""
        width = inputs.shape[-1]
        order = [field for group in self.groups for field in group]
        shuffled = ops.take(inputs, order, axis=1)
        tokens, start = [], 0
        runs = _runs([len(group) for group in self.groups])
        for (size, count), projection in zip(runs, self.projections, strict=True):
            part = shuffled[:, start : start + size * count]
            tokens.append(projection(ops.reshape(part, (-1, count, size * width))))
            start += size * count
        outputs = tokens[0] if len(tokens) == 1 else ops.concatenate(tokens, axis=1)
        if self.norm is not None:
            outputs = self.norm(outputs)
        # Some activations of Keras narrow float64.
        return ops.cast(self.activation(outputs), self.compute_dtype)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "seed": self.seed,
            "permutation": self.permutation,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "use_bias": self.use_bias,
            "kernel_initializer": serialize(self.kernel_initializer),
        }


def draw_permutation(size: int, seed: int) -> list[int]:
    """The numbers below `size` in an order that depends on the seed alone.

    Random generators promise no equal streams in other versions: a saved model would read other
    fields.
    """
    return sorted(range(size), key=lambda index: hash_bytes(f"{seed}:{index}".encode()))


def _runs(sizes: list[int]) -> list[tuple[int, int]]:
    """Equal neighbours as (size, count)."""
    return [(size, sizes.count(size)) for size in dict.fromkeys(sizes)]
