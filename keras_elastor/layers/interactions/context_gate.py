"""FinalMLP's feature selection."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive
from keras_elastor.layers.core.mlp import MLP, serialize_units
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Shape, Tensor, UnitsLike


@register
class ContextGate(keras.layers.Layer):
    """Weighs every feature by what a context says of it.

        y = x * 2 sigmoid(MLP(c))

    Args:
        hidden_units: Widths of the MLP's hidden layers. Default: (64,).
        context_dim: Width of a context that is learned and the same for all rows; None takes the
            context from the input. It starts small (1e-4) but not at zero, as in FuxiCTR, where the
            hidden layers would never receive a gradient. Default: None.

    Input: a list `[x, c]` of shapes `(batch, dim)` and `(batch, context)`, or, with `context_dim`,
    `x` alone. Output shape: `(batch, dim)`.

    Example:

    >>> gate = ke.layers.ContextGate([8])
    >>> gate([np.ones((3, 6), "float32"), np.ones((3, 2), "float32")]).shape == (3, 6)
    True

    Raises:
        ValueError: If a width is below 1, or an input does not fit `context_dim`.

    Reference: Mao et al., FinalMLP (AAAI 2023, arXiv 2304.00902), section 3.2; FuxiCTR,
    `FeatureSelection`.
    """

    def __init__(
        self, hidden_units: UnitsLike = (64,), context_dim: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if context_dim is not None:
            require_positive(self, context_dim=context_dim)
        self.hidden_units = serialize_units(hidden_units)
        self.context_dim = context_dim

    def build(self, input_shape: Any) -> None:
        """Make the MLP and, where it is learned, the context."""
        has_context = isinstance(input_shape[0], list | tuple)
        if has_context != (self.context_dim is None):
            expected = "[x, context]" if self.context_dim is None else "x alone"
            raise ValueError(
                f"ContextGate '{self.name}' of context_dim={self.context_dim}: expected "
                f"{expected}. Received: shape={input_shape}"
            )
        if self.context_dim is None:
            (_, dim), context_shape = input_shape
        else:
            dim, context_shape = input_shape[-1], (1, self.context_dim)
            self.context = self.add_weight(
                name="context",
                shape=context_shape,
                initializer=keras.initializers.RandomNormal(stddev=1e-4),
            )
        self.mlp = MLP(self.hidden_units, output_units=dim, dtype=self.dtype_policy, name="mlp")
        self.mlp.build(context_shape)
        self.built = True

    def call(self, inputs: Any) -> Tensor:
        """Weigh the features."""
        features, context = (
            inputs if self.context_dim is None else (inputs, ops.convert_to_tensor(self.context))
        )
        return features * (2 * ops.sigmoid(self.mlp(context)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Shape of the features."""
        shape: Shape = input_shape[0] if self.context_dim is None else input_shape
        return shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "context_dim": self.context_dim,
        }
