"""The gated linear unit of RankElastor, with weights of its own for every token."""

from __future__ import annotations

import itertools
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.initializers import PerTokenInitializer, get_kernel_initializer
from keras_elastor.layers.core.numerics import matrix_product
from keras_elastor.layers.per_token.per_token_dense import swap_tokens_and_batch, tokens_and_dim
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import ActivationLike, Config, InitializerLike, Shape, Tensor


@register
class PerTokenGLU(keras.layers.Layer):
    """Gated linear unit per token, with a learned residual. It keeps the token width.

        y_t = ((skip_t(x_t) + activation(gate_t(x_t))) * value_t(x_t)) output_t + residual_t(x_t)

    where gate, value and skip map the width d to h = int(expansion * d), output maps h to d and
    residual d to d, all linear with weights of their own for every token. All maps of x_t are one
    matrix product of width 3h + d.

    `expansion=3, gate_skip=False, use_bias=False` is the paper's unit
    Z = (GELU(M W1) * (M W2)) W3 + M Wr. With `output_projection=False`, which needs an expansion of
    1, the output map is the identity and the gate's skip is the residual map, as in the official
    code at expansion 1:

        y_t = (residual_t(x_t) + activation(gate_t(x_t))) * value_t(x_t) + residual_t(x_t)

    Args:
        expansion: R, the gated width over the token width. Default: 3.
        activation: Elementwise function of the gate. Default: "gelu", the exact one (the official
            code's option is called "swiglu", but computes this).
        gate_skip: Whether the gate has the linear branch `skip`. Default: True, as in the official
            code; the paper has none.
        learned_residual: Whether `residual` is added. Default: True.
        output_projection: Whether there is an output map. Default: None, as in the official code:
            only where the expansion is not 1.
        use_bias: Whether the maps have biases. Default: True.
        tokens_first: Whether input and output have the tokens before the batch. Default: False.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, tokens, dim)`, or `(tokens, batch, dim)` with `tokens_first`.
    Output shape: the same.

    Example:

    >>> unit = ke.layers.PerTokenGLU(expansion=3.0)
    >>> unit(np.ones((2, 4, 6), "float32")).shape == (2, 4, 6)
    True
    >>> unit.gate_kernel.shape == (4, 6, 18)
    True

    Raises:
        ValueError: If the expansion is not positive, or is not 1 without an output projection, or
            there is neither an output projection nor the learned residual that the gate needs.

    Reference: Li et al., RankElastor (KDD 2026, arXiv 2605.23191), section 3.2; official code,
    `src/utils.py`, `SwiGLU`.
    """

    def __init__(
        self,
        expansion: float = 3.0,
        activation: ActivationLike = "gelu",
        gate_skip: bool = True,
        learned_residual: bool = True,
        output_projection: bool | None = None,
        use_bias: bool = True,
        tokens_first: bool = False,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not expansion > 0:
            raise ValueError(f"PerTokenGLU: expected a positive `expansion`. Received: {expansion}")
        self.expansion = expansion
        self.activation = keras.activations.get(activation)
        self.gate_skip = gate_skip
        self.learned_residual = learned_residual
        self.output_projection = output_projection
        self.use_bias = use_bias
        self.tokens_first = tokens_first
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)
        if not self._has_output and expansion != 1:
            raise ValueError(
                "PerTokenGLU: without an output projection the gated width is the token width: "
                f"expected expansion=1. Received: expansion={expansion}"
            )
        if not self._has_output and gate_skip and not learned_residual:
            raise ValueError(
                "PerTokenGLU: without an output projection the gate's skip is the learned "
                "residual. Expected learned_residual=True or gate_skip=False"
            )

    @property
    def _has_output(self) -> bool:
        if self.output_projection is None:
            return self.expansion != 1
        return self.output_projection

    def build(self, input_shape: Shape) -> None:
        """Make the stacked kernels and biases of all maps."""
        tokens, dim = tokens_and_dim(self, input_shape)
        hidden = int(dim * self.expansion)
        if hidden < 1:
            raise ValueError(
                f"PerTokenGLU '{self.name}': expected expansion * token_dim to be at least 1. "
                f"Received: expansion={self.expansion}, token_dim={dim}"
            )
        self._maps = {"gate": hidden, "value": hidden}
        if self.gate_skip and self._has_output:
            self._maps["skip"] = hidden
        if self.learned_residual:
            self._maps["residual"] = dim
        for name, units in self._maps.items():
            self._add_map(name, tokens, dim, units)
        if self._has_output:
            self._add_map("output", tokens, hidden, dim)
        self.built = True

    def _add_map(self, name: str, tokens: int, inputs: int, outputs: int) -> None:
        kernel = self.add_weight(
            name=f"{name}_kernel",
            shape=(tokens, inputs, outputs),
            initializer=PerTokenInitializer(self.kernel_initializer),
        )
        setattr(self, f"{name}_kernel", kernel)
        if self.use_bias:
            bias = self.add_weight(
                name=f"{name}_bias", shape=(tokens, outputs), initializer="zeros"
            )
            setattr(self, f"{name}_bias", bias)

    def _project(self, inputs: Tensor, *names: str) -> Tensor:
        """The maps of that name as one product, side by side."""
        kernels = [getattr(self, f"{name}_kernel") for name in names]
        outputs = matrix_product(inputs, ops.concatenate(kernels, axis=-1))
        if self.use_bias:
            biases = [getattr(self, f"{name}_bias") for name in names]
            # In place where the backend can: a sum of its own is one more tensor of this size.
            outputs += ops.expand_dims(ops.concatenate(biases, axis=-1), 1)
        return outputs

    def call(self, inputs: Tensor) -> Tensor:
        """Gate each token."""
        tokens = inputs if self.tokens_first else swap_tokens_and_batch(inputs)
        mapped = self._project(tokens, *self._maps)
        # One split, whose gradient is one tensor; slices would each make one of the whole width.
        ends = list(itertools.accumulate(self._maps.values()))
        pieces = ops.split(mapped, ends[:-1], axis=-1)
        parts = dict(zip(self._maps, pieces, strict=True))
        gate = self.activation(parts["gate"])
        if self.gate_skip:
            gate = gate + (parts["skip"] if self._has_output else parts["residual"])
        outputs = gate * parts["value"]
        if self._has_output:
            outputs = self._project(outputs, "output")
        if self.learned_residual:
            outputs += parts["residual"]
        return outputs if self.tokens_first else swap_tokens_and_batch(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "expansion": self.expansion,
            "activation": keras.activations.serialize(self.activation),
            "gate_skip": self.gate_skip,
            "learned_residual": self.learned_residual,
            "output_projection": self.output_projection,
            "use_bias": self.use_bias,
            "tokens_first": self.tokens_first,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
