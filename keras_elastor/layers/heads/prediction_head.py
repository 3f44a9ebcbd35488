"""From the last tokens or features to the logits."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.activations import serialize_activation
from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.mlp import MLP, serialize_units
from keras_elastor.layers.core.normalizations import serialize_normalization
from keras_elastor.layers.core.numerics import at_least_float32, mean
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import (
    ActivationLike,
    Config,
    InitializerLike,
    NormalizationLike,
    RateLike,
    Shape,
    Tensor,
    UnitsLike,
)

_POOLINGS = ("flatten", "mean")


@register
class PredictionHead(keras.layers.Layer):
    """Pools the tokens, if there are tokens, and maps them to one logit per task.

        logits = MLP(pool(x))

    The last linear map and its output are float32 under a half-precision policy, so that losses
    and metrics see logits of full precision.

    Args:
        units: Number of tasks. Default: 1.
        pooling: "flatten", all tokens side by side as in RankElastor's official code, or "mean",
            the mean token as in RankMixer. Default: "flatten".
        hidden_units: Widths of hidden layers, each followed by `activation`, or layers in their
            place, see `MLP`. The official head "mlp" has one of 2 * tokens * token_dim, its head
            "flatten" none. Default: ().
        activation: Elementwise function, or a layer such as `Dice()`. Default: "relu".
        normalization: "rms", "layer", "batch" or a layer: the norm before each activation.
            Default: None.
        dropout: Rate after each activation, or one per layer, see `MLP`. Default: 0.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, tokens, token_dim)`, or `(batch, dim)`, where there is nothing to pool.
    Output shape: `(batch, units)`.

    Example:

    >>> head = ke.layers.PredictionHead(hidden_units=[16])
    >>> head(np.ones((2, 4, 6), "float32")).shape == (2, 1)
    True

    Raises:
        ValueError: If the pooling is unknown or a width is below 1.

    Reference: Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3.3; RankElastor's
    official code, `src/UniMixer.py`.
    """

    def __init__(
        self,
        units: int = 1,
        pooling: str = "flatten",
        hidden_units: UnitsLike = (),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, units=units)
        if pooling not in _POOLINGS:
            raise ValueError(
                f"PredictionHead: expected `pooling` to be one of {', '.join(_POOLINGS)}. "
                f"Received: pooling={pooling!r}"
            )
        self.units = units
        self.pooling = pooling
        self.hidden_units = serialize_units(hidden_units)
        self.activation = serialize_activation(activation)
        self.normalization = serialize_normalization(self, normalization)
        self.dropout = dropout
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make and build the hidden layers and the last linear map."""
        width = self._pooled_width(input_shape)
        self.hidden = MLP(
            self.hidden_units,
            activation=self.activation,
            normalization=self.normalization,
            dropout=self.dropout,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name="hidden",
        )
        self.hidden.build((None, width))
        self.logits = keras.layers.Dense(
            self.units,
            kernel_initializer=get_kernel_initializer(self.kernel_initializer),
            dtype=at_least_float32(self.compute_dtype),
            name="logits",
        )
        self.logits.build(self.hidden.compute_output_shape((None, width)))
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Pool and map; `training` switches dropout and batch normalization."""
        return self.logits(self.hidden(self._pool(inputs)))

    def hidden_outputs(self, inputs: Tensor) -> list[Tensor]:
        """What each hidden layer gives, norm, activation and dropout included, first to last."""
        outputs: list[Tensor] = self.hidden.layer_outputs(self._pool(inputs))
        return outputs

    def hidden_output_shapes(self, input_shape: Shape) -> list[Shape]:
        """Shapes of `hidden_outputs`."""
        pooled = input_shape[0], self._pooled_width(input_shape)
        shapes: list[Shape] = self.hidden.layer_output_shapes(pooled)
        return shapes

    def _pooled_width(self, input_shape: Shape) -> Any:
        if len(input_shape) == 2:
            return input_shape[-1]
        tokens, width = require_tokens(self, input_shape)
        return width if self.pooling == "mean" else tokens * width

    def _pool(self, inputs: Tensor) -> Tensor:
        if len(inputs.shape) == 2:
            return inputs
        if self.pooling == "mean":
            return mean(inputs, axis=1)
        tokens, token_dim = inputs.shape[1:]
        return ops.reshape(inputs, (-1, tokens * token_dim))

    def compute_output_spec(self, inputs: Tensor, training: bool | None = None) -> Any:
        """Shape and dtype of the logits."""
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=at_least_float32(self.compute_dtype))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the logits."""
        return (input_shape[0], self.units)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "pooling": self.pooling,
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "normalization": self.normalization,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
