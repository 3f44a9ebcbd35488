"""MaskNet's block."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.layers.core.activations import make_activation, serialize_activation
from keras_elastor.layers.core.checks import require_matrix, require_positive
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.mlp import MLP
from keras_elastor.layers.core.normalizations import make_normalization, serialize_normalization
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import ActivationLike, Config, NormalizationLike, Shape, Tensor


@register
class MaskBlock(keras.layers.Layer):
    """A hidden layer whose input is multiplied by a mask that is made of the embeddings.

        mask = relu(e W_1 + b_1) W_2 + b_2;   y = dropout(activation(norm((mask * h) W)))

    Args:
        units: Width of the output.
        reduction_ratio: Width of the mask's hidden layer over the width of h. Default: 1.
        activation: Elementwise function, or a layer. Default: "relu".
        normalization: "rms", "layer", "batch" or a layer: the norm before the activation; None for
            none. Default: "layer".
        dropout: Rate after the activation. Default: 0.

    Input: a list `[e, h]` of shapes `(batch, embeddings)` and `(batch, hidden)`.
    Output shape: `(batch, units)`.

    Example:

    >>> block = ke.layers.MaskBlock(5)
    >>> block([np.ones((3, 8), "float32"), np.ones((3, 4), "float32")]).shape == (3, 5)
    True

    Raises:
        ValueError: If a width is below 1, or the normalization is unknown.

    Reference: Wang et al., MaskNet (DLP-KDD 2021, arXiv 2102.07619), section 3; FuxiCTR,
    `MaskBlock`.
    """

    def __init__(
        self,
        units: int,
        reduction_ratio: float = 1.0,
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = "layer",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, units=units)
        self.units = units
        self.reduction_ratio = reduction_ratio
        self.activation = serialize_activation(activation)
        self.normalization = serialize_normalization(self, normalization)
        self.dropout = dropout

    def build(self, input_shape: list[Shape]) -> None:
        """Make the mask's MLP and the hidden layer."""
        embeddings_shape, hidden_shape = input_shape
        width = require_matrix(self, hidden_shape)
        mask_units = int(width * self.reduction_ratio)
        self.mask = MLP([mask_units], output_units=width, dtype=self.dtype_policy, name="mask")
        self.mask.build(embeddings_shape)
        self.dense = keras.layers.Dense(
            self.units,
            use_bias=False,
            kernel_initializer=get_kernel_initializer(None),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.layers = [self.dense]
        if self.normalization is not None:
            self.layers.append(
                make_normalization(self.normalization, self.dtype_policy, name="norm")
            )
        self.layers.append(make_activation(self.activation, self.dtype_policy))
        self.layers.append(keras.layers.Dropout(self.dropout, dtype=self.dtype_policy))
        shape = (None, width)
        for layer in self.layers:
            layer.build(shape)
            shape = (None, self.units)
        self.built = True

    def call(self, inputs: list[Tensor], training: bool | None = None) -> Tensor:
        """Mask and map; `training` switches the dropout."""
        embeddings, hidden = inputs
        outputs = self.mask(embeddings) * hidden
        for layer in self.layers:
            outputs = layer(outputs)
        return outputs

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Shape of the output."""
        return (input_shape[1][0], self.units)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "reduction_ratio": self.reduction_ratio,
            "activation": self.activation,
            "normalization": self.normalization,
            "dropout": self.dropout,
        }
