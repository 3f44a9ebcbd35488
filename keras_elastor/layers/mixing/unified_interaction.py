"""TokenFormer's block: causal attention, full or in a window, behind a gate of its input."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.numerics import at_least_float32
from keras_elastor.layers.core.rms_normalization import RMSNormalization
from keras_elastor.layers.mixing.rotary import rotate
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor

_GATE_INPUTS = ("raw", "normed")


@register
class UnifiedInteraction(keras.layers.Layer):
    """Causal attention over a stream of tokens, gated by its input, then a SwiGLU network.

        A = Attention(RMSNorm(X)) W_o;   I = X + sigmoid(X W_g + b_g) * A
        Y = I + (SiLU(N W_1) * (N W_2)) W_3,   N = RMSNorm(I)

    A token sees itself and the tokens before it, with a `window` w only the last w of these, itself
    included. Queries and keys are turned by their positions, see `rotary`. Padding neither sees
    nor is seen, and is 0 in the output. Scores of a window are computed for blocks of w queries
    with the keys of their own block and the one before: 2 w per token, however long the stream.

    The paper does not say what the gate starts from and whether it reads the norm's output: ours
    starts at one half and reads X. Widths and heads are not published.

    Args:
        num_heads: Number of heads; must divide the token width into even parts. Default: 2.
        window: How many tokens a token sees; None for all before it. Default: None.
        expansion: Hidden width of the SwiGLU network over the token's. Default: 4.
        gate_input: "raw", the gate reads X, or "normed", it reads RMSNorm(X). Default: "raw".
        rotary: Whether positions turn queries and keys. Default: True.
        rotary_base: Base of the angles. Default: 10000.
        kernel_initializer: Initializer of each matrix but the gate's, which is 0. Default: None,
            Xavier normal.

    Input: a list `[stream, positions]`: `(batch, length, token_dim)` and `(batch, length)`,
    integers, negative at padding. Output shape: `(batch, length, token_dim)`.

    Example:

    >>> block = ke.layers.UnifiedInteraction(num_heads=2, window=3)
    >>> stream, positions = np.ones((1, 5, 8), "float32"), np.array([[-1, 1, 2, 3, 4]])
    >>> block([stream, positions]).shape == (1, 5, 8)
    True

    Raises:
        ValueError: If the heads do not fit the width, or an argument is out of its range.

    Reference: Zhou et al., TokenFormer (arXiv 2604.13737).
    """

    def __init__(
        self,
        num_heads: int = 2,
        window: int | None = None,
        expansion: float = 4.0,
        gate_input: str = "raw",
        rotary: bool = True,
        rotary_base: float = 10_000.0,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, num_heads=num_heads)
        if window is not None:
            require_positive(self, window=window)
        if gate_input not in _GATE_INPUTS:
            raise ValueError(
                f"{type(self).__name__}: expected `gate_input` to be one of "
                f"{', '.join(_GATE_INPUTS)}. Received: gate_input={gate_input!r}"
            )
        self.num_heads = num_heads
        self.window = window
        self.expansion = expansion
        self.gate_input = gate_input
        self.rotary = rotary
        self.rotary_base = rotary_base
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: list[Shape]) -> None:
        """Make and build the norms, maps and the gate."""
        shape = tuple(input_shape[0])
        _, dim = require_tokens(self, shape)
        if dim % self.num_heads or (self.rotary and dim // self.num_heads % 2):
            parts = "even parts" if self.rotary else "equal parts"
            raise ValueError(
                f"UnifiedInteraction '{self.name}': expected a token width that num_heads="
                f"{self.num_heads} divides into {parts}. Received: token width {dim}"
            )
        hidden = int(self.expansion * dim)
        self.attention_norm = RMSNormalization(epsilon=1e-6, dtype=self.dtype_policy)
        self.network_norm = RMSNormalization(epsilon=1e-6, dtype=self.dtype_policy)
        self.query, self.key, self.value, self.output_map = (
            self._dense(dim, name) for name in ("query", "key", "value", "output")
        )
        self.gate = keras.layers.Dense(
            dim, kernel_initializer="zeros", dtype=self.dtype_policy, name="gate"
        )
        self.network_gate, self.network_value = (
            self._dense(hidden, name) for name in ("network_gate", "network_value")
        )
        self.network_output = self._dense(dim, "network_output")
        for layer in (self.attention_norm, self.network_norm, self.query, self.key, self.value):
            layer.build(shape)
        for layer in (self.output_map, self.gate, self.network_gate, self.network_value):
            layer.build(shape)
        self.network_output.build((*shape[:-1], hidden))
        self.built = True

    def _dense(self, units: int, name: str) -> Any:
        return keras.layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=get_kernel_initializer(self.kernel_initializer),
            dtype=self.dtype_policy,
            name=name,
        )

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Attend, gate, map."""
        stream, positions = inputs
        normed = self.attention_norm(stream)
        attended = self.output_map(self._attend(normed, positions))
        gate = ops.sigmoid(self.gate(normed if self.gate_input == "normed" else stream))
        stream = stream + gate * attended
        normed = self.network_norm(stream)
        hidden = ops.silu(self.network_gate(normed)) * self.network_value(normed)
        stream = stream + self.network_output(hidden)
        present = ops.cast(ops.expand_dims(positions >= 0, -1), stream.dtype)
        return stream * present

    def _attend(self, normed: Tensor, positions: Tensor) -> Tensor:
        length, dim = normed.shape[1:]
        heads = (-1, length, self.num_heads, dim // self.num_heads)
        query, key, value = (
            ops.reshape(layer(normed), heads) for layer in (self.query, self.key, self.value)
        )
        if self.rotary:
            query = rotate(query, positions, self.rotary_base)
            key = rotate(key, positions, self.rotary_base)
        present = ops.cast(positions >= 0, "int32")
        if self.window is None or self.window >= length:
            attended = _masked_attention(query, key, value, present, present, 0, length)
        else:
            attended = _windowed_attention(query, key, value, present, self.window)
        return ops.reshape(attended, (-1, length, dim))

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """The stream's shape."""
        return tuple(input_shape[0])

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "window": self.window,
            "expansion": self.expansion,
            "gate_input": self.gate_input,
            "rotary": self.rotary,
            "rotary_base": self.rotary_base,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _masked_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_present: Tensor,
    key_present: Tensor,
    offset: int,
    window: int,
) -> Tensor:
    """Attention of `(batch, length, heads, dim)`.

    Query i stands at place i + offset among the keys and sees the `window` keys up to its own.
    Padding sees itself alone, so that no row is empty.
    """
    places = ops.arange(query.shape[1], dtype="int32")[:, None] + offset
    distances = places - ops.arange(key.shape[1], dtype="int32")[None, :]
    near = ops.logical_and(distances >= 0, distances < window)
    both = query_present[:, :, None] * key_present[:, None, :] > 0
    visible = ops.logical_or(ops.logical_and(near, both), ops.equal(distances, 0))
    dtype = at_least_float32(query.dtype)
    query, key = (ops.transpose(part, (0, 2, 1, 3)) for part in (query, key))
    scores = ops.cast(query @ ops.transpose(key, (0, 1, 3, 2)), dtype) / math.sqrt(query.shape[-1])
    scores = ops.where(visible[:, None], scores, -1e9)
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)
    return ops.transpose(weights @ ops.transpose(value, (0, 2, 1, 3)), (0, 2, 1, 3))


def _windowed_attention(
    query: Tensor, key: Tensor, value: Tensor, present: Tensor, window: int
) -> Tensor:
    """Attention to the last `window` keys: blocks of queries, each with two blocks of keys."""
    length, heads, dim = query.shape[1:]
    blocks = -(-length // window)

    def cut(tensor: Tensor, before: int) -> Tensor:
        """Blocks as rows of the batch, behind `before` blocks of padding."""
        widths = [(0, 0), (before * window, blocks * window - length)]
        tensor = ops.pad(tensor, widths + [(0, 0)] * (len(tensor.shape) - 2))
        return ops.reshape(tensor, (-1, blocks + before, window, *tensor.shape[2:]))

    def merge(tensor: Tensor) -> Tensor:
        return ops.reshape(tensor, (-1, *tensor.shape[2:]))

    def with_one_before(tensor: Tensor) -> Tensor:
        tensor = cut(tensor, 1)
        return merge(ops.concatenate([tensor[:, :-1], tensor[:, 1:]], axis=2))

    attended = _masked_attention(
        merge(cut(query, 0)),
        with_one_before(key),
        with_one_before(value),
        merge(cut(present, 0)),
        with_one_before(present),
        window,
        window,
    )
    return ops.reshape(attended, (-1, blocks * window, heads, dim))[:, :length]
