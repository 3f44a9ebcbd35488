"""A dense layer with weights of its own for every token."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import PerTokenInitializer, get_kernel_initializer
from keras_elastor.layers.core.numerics import matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import ActivationLike, Config, InitializerLike, Shape, Tensor


def swap_tokens_and_batch(inputs: Tensor) -> Tensor:
    """`(batch, tokens, dim)` to `(tokens, batch, dim)` and back.

    With the tokens leading, all tokens' products are one batched matrix product, which is several
    times faster than the same sum with the batch leading. Networks of several per-token layers
    swap once on the way in and once on the way out.
    """
    return ops.transpose(inputs, (1, 0, 2))


def tokens_and_dim(layer: Any, input_shape: Shape) -> tuple[int, int]:
    """Number of tokens and token width of an input in the layer's layout."""
    if layer.tokens_first:
        first, second, dim = input_shape
        input_shape = (second, first, dim)
    return require_tokens(layer, input_shape)


@register
class PerTokenDense(keras.layers.Layer):
    """Dense layer with a kernel and a bias per token.

        y_t = activation(x_t W_t + b_t),   t = 1..T

    Args:
        units: Width of the output.
        activation: Elementwise function. Default: None, the identity.
        use_bias: Whether to add b. Default: True.
        tokens_first: Whether input and output have the tokens before the batch. Default: False.
        kernel_initializer: Initializer of each token's `(inputs, units)` matrix. Default: None,
            Xavier normal.
        bias_initializer: Initializer of the biases. Default: "zeros".

    Input shape: `(batch, tokens, dim)`, or `(tokens, batch, dim)` with `tokens_first`.
    Output shape: the same with `units` for `dim`.

    Example:

    >>> layer = ke.layers.PerTokenDense(3)
    >>> layer(np.ones((2, 4, 5), "float32")).shape == (2, 4, 3)
    True
    >>> layer.kernel.shape == (4, 5, 3)
    True

    Reference: Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3.3.2.
    """

    def __init__(
        self,
        units: int,
        activation: ActivationLike = None,
        use_bias: bool = True,
        tokens_first: bool = False,
        kernel_initializer: InitializerLike = None,
        bias_initializer: InitializerLike = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, units=units)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.tokens_first = tokens_first
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make the stacked kernels and biases."""
        tokens, dim = tokens_and_dim(self, input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(tokens, dim, self.units),
            initializer=PerTokenInitializer(self.kernel_initializer),
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(tokens, self.units), initializer=self.bias_initializer
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Apply every token's own weights."""
        tokens = inputs if self.tokens_first else swap_tokens_and_batch(inputs)
        outputs = matrix_product(tokens, self.kernel)
        if self.use_bias:
            outputs += ops.expand_dims(self.bias, 1)
        # Some activations of Keras narrow float64.
        outputs = ops.cast(self.activation(outputs), self.compute_dtype)
        return outputs if self.tokens_first else swap_tokens_and_batch(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with `units` as its width."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "tokens_first": self.tokens_first,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
