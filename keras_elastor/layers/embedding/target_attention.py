"""A history pooled by what the candidate finds relevant in it."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_elastor.layers.core.activations import serialize_activation
from keras_elastor.layers.core.checks import require_tokens
from keras_elastor.layers.core.dice import Dice
from keras_elastor.layers.core.mlp import MLP, serialize_units
from keras_elastor.layers.core.numerics import at_least_float32
from keras_elastor.layers.embedding.history_pooling import HistoryPooling
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import (
    ActivationLike,
    Config,
    RateLike,
    Shape,
    Tensor,
    UnitsLike,
)


@register
class TargetAttention(HistoryPooling):
    """Sum of a history's rows, weighted by their relevance to the candidate.

        a_i = MLP([t, h_i, t - h_i, t * h_i]);   y = sum_i m_i a_i h_i

    The weights are not normalized by default, so that the strength of an interest is kept; see
    `use_softmax`.

    Args:
        hidden_units: Widths of the MLP's hidden layers. Default: (64,).
        activation: Elementwise function, or a layer, of the MLP. Default: None, `Dice()`.
        dropout: Rate after each activation, or one per layer, see `MLP`. Default: 0.
        use_softmax: Whether the weights are normalized over the items of the history. Default:
            False.

    Input and output: see `HistoryPooling`; this one takes `[rows, mask, target]`.

    Example:

    >>> pooling = ke.layers.TargetAttention([16])
    >>> rows, target = np.ones((2, 5, 4), "float32"), np.ones((2, 4), "float32")
    >>> pooling([rows, np.ones((2, 5), "float32"), target]).shape == (2, 4)
    True

    Reference: Zhou et al., Deep Interest Network (KDD 2018, arXiv 1706.06978), section 4.3;
    FuxiCTR, `DIN_Attention`.
    """

    uses_target = True

    def __init__(
        self,
        hidden_units: UnitsLike = (64,),
        activation: ActivationLike = None,
        dropout: RateLike = 0.0,
        use_softmax: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_units = serialize_units(hidden_units)
        self.activation = serialize_activation(Dice() if activation is None else activation)
        self.dropout = dropout
        self.use_softmax = use_softmax

    def build(self, input_shape: list[Shape]) -> None:
        """Make and build the MLP."""
        length, dim = require_tokens(self, input_shape[0])
        self.mlp = MLP(
            self.hidden_units,
            output_units=1,
            activation=self.activation,
            dropout=self.dropout,
            dtype=self.dtype_policy,
            name="mlp",
        )
        self.mlp.build((None, length, 4 * dim))
        self.built = True

    def call(self, inputs: list[Tensor], training: bool | None = None) -> Tensor:
        """Weigh the rows and sum them."""
        rows, mask, target = inputs
        mask = ops.cast(mask, rows.dtype)
        target = ops.broadcast_to(ops.expand_dims(target, 1), ops.shape(rows))
        pairs = ops.concatenate([target, rows, target - rows, target * rows], axis=-1)
        weights = ops.squeeze(self.mlp(pairs), -1)
        if self.use_softmax:
            weights = ops.cast(weights, at_least_float32(self.compute_dtype))
            padding = 1 - ops.cast(mask, weights.dtype)
            weights = ops.cast(ops.softmax(weights - 1e9 * padding, axis=-1), rows.dtype)
        return ops.sum(rows * ops.expand_dims(weights * mask, -1), axis=1)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "dropout": self.dropout,
            "use_softmax": self.use_softmax,
        }
