"""What the two tokenizers of the official code with a perceptron share."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.mlp import MLP, serialize_units
from keras_elastor.layers.core.normalizations import serialize_normalization
from keras_elastor.layers.core.rms_normalization import RMSNormalization
from keras_elastor.layers.tokenizers.tokenizer import Tokenizer
from keras_elastor.utils.saving import serialize
from keras_elastor.utils.types import (
    ActivationLike,
    Config,
    InitializerLike,
    NormalizationLike,
    UnitsLike,
)


class MLPTokenizer(Tokenizer):
    """Base of `SharedTokenizer` and `FlatTokenizer`: an RMS norm of the flat vector, then an MLP.

    Args:
        num_tokens: Number of tokens T.
        token_dim: Width of a token D.
        hidden_units: Widths of the MLP's hidden layers.
        activation: Elementwise function of the MLP.
        normalization: "rms", "layer", "batch" or a layer: the norm before each activation.
        dropout: Rate after each activation.
        kernel_initializer: Initializer of each matrix.
    """

    def __init__(
        self,
        num_tokens: int,
        token_dim: int,
        hidden_units: UnitsLike = (500,),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: float = 0.1,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_tokens, token_dim, **kwargs)
        self.hidden_units = serialize_units(hidden_units)
        self.activation = keras.activations.get(activation)
        self.normalization = serialize_normalization(self, normalization)
        self.dropout = dropout
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def _build_parts(self, flat_size: int, mlp_inputs: int, mlp_outputs: int) -> None:
        self.norm = RMSNormalization(dtype=self.dtype_policy, name="norm")
        self.norm.build((None, flat_size))
        self.mlp = MLP(
            self.hidden_units,
            mlp_outputs,
            activation=self.activation,
            normalization=self.normalization,
            dropout=self.dropout,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name="mlp",
        )
        self.mlp.build((None, mlp_inputs))
        self.built = True

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "dropout": self.dropout,
            "kernel_initializer": serialize(self.kernel_initializer),
        }
