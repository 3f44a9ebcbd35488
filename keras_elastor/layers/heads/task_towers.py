"""A tower of its own for every task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.core.numerics import at_least_float32, mean
from keras_elastor.layers.per_token.per_token_dense import PerTokenDense, swap_tokens_and_batch
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import ActivationLike, Config, InitializerLike, Shape, Tensor

_POOLINGS = ("flatten", "mean", None)


@register
class TaskTowers(keras.layers.Layer):
    """Maps tokens to one logit per task, by weights of its own for every task.

        logit_k = MLP_k( [x^k, pool(x)] ),   k = 1..K

    where x^k is the token of task k, the k-th of the last K, with `task_tokens`. `PredictionHead`
    shares its hidden layers among the tasks. All towers are computed as one batched product. Their
    last maps and the logits are float32 under a half-precision policy.

    Args:
        units: Number of tasks K. Default: 1.
        hidden_units: Widths of the hidden layers of each tower. Default: ().
        activation: Elementwise function of the hidden layers. Default: "relu".
        pooling: What all towers read: "flatten", all tokens side by side, "mean", the mean of all
            tokens, those of the tasks included, or None, nothing. Default: "flatten".
        task_tokens: Whether each tower reads the token of its task, too. Default: False.
        dropout: Rate after each hidden layer. Default: 0.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, tokens, token_dim)`; without `task_tokens` also `(batch, dim)`, where
    there is nothing to pool. Output shape: `(batch, units)`.

    Example:

    >>> head = ke.layers.TaskTowers(units=2, hidden_units=[16], pooling="mean", task_tokens=True)
    >>> head(np.ones((3, 5, 4), "float32")).shape == (3, 2)
    True

    Raises:
        ValueError: If the towers would read nothing, there are fewer tokens than tasks, or an
            argument is out of its range.

    Reference: Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3.3, for towers behind
    the mean token; Chen et al., RankUp (arXiv 2604.17878), for towers of task tokens.
    """

    def __init__(
        self,
        units: int = 1,
        hidden_units: Sequence[int] = (),
        activation: ActivationLike = "relu",
        pooling: str | None = "flatten",
        task_tokens: bool = False,
        dropout: float = 0.0,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, units=units)
        self.hidden_units = tuple(hidden_units)
        for width in self.hidden_units:
            require_positive(self, hidden_units=width)
        if pooling not in _POOLINGS or (pooling is None and not task_tokens):
            raise ValueError(
                'TaskTowers: expected `pooling` to be "flatten", "mean" or, with task_tokens=True, '
                f"None. Received: pooling={pooling!r}, task_tokens={task_tokens}"
            )
        self.units = units
        self.activation = keras.activations.get(activation)
        self.pooling = pooling
        self.task_tokens = task_tokens
        self.dropout = dropout
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make and build the towers."""
        shape: Shape = (self.units, input_shape[0], self._width(input_shape))
        self.towers: list[Any] = []
        for index, units in enumerate(self.hidden_units):
            self.towers.append(self._dense(units, self.activation, f"hidden_{index}"))
            if self.dropout:
                self.towers.append(keras.layers.Dropout(self.dropout, dtype=self.dtype_policy))
        self.logits = self._dense(1, None, "logits", at_least_float32(self.compute_dtype))
        for layer in (*self.towers, self.logits):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def _width(self, input_shape: Shape) -> int:
        """Width of what a tower reads."""
        if len(input_shape) == 2 and not self.task_tokens:
            return int(input_shape[-1] or 0)
        tokens, token_dim = require_tokens(self, input_shape)
        if self.task_tokens and tokens < self.units:
            raise ValueError(
                f"TaskTowers '{self.name}': expected one token for each of the {self.units} tasks "
                f"among the inputs. Received: {tokens} tokens"
            )
        pooled = {"flatten": tokens * token_dim, "mean": token_dim, None: 0}[self.pooling]
        return pooled + token_dim * self.task_tokens

    def _dense(self, units: int, activation: Any, name: str, dtype: Any = None) -> Any:
        return PerTokenDense(
            units,
            activation,
            tokens_first=True,
            kernel_initializer=self.kernel_initializer,
            dtype=dtype or self.dtype_policy,
            name=name,
        )

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Apply every task's tower; `training` switches the dropout."""
        outputs = self._tower_inputs(inputs)
        for layer in (*self.towers, self.logits):
            outputs = layer(outputs)
        return ops.transpose(ops.squeeze(outputs, -1))

    def _tower_inputs(self, inputs: Tensor) -> Tensor:
        """What each task's tower reads, `(tasks, batch, width)`."""
        parts = []
        if self.task_tokens:
            parts.append(swap_tokens_and_batch(inputs[:, inputs.shape[1] - self.units :]))
        if self.pooling is not None:
            pooled = inputs
            if len(inputs.shape) == 3 and self.pooling == "mean":
                pooled = mean(inputs, axis=1)
            elif len(inputs.shape) == 3:
                tokens, token_dim = inputs.shape[1:]
                pooled = ops.reshape(inputs, (-1, tokens * token_dim))
            parts.append(ops.repeat(ops.expand_dims(pooled, 0), self.units, axis=0))
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

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
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "pooling": self.pooling,
            "task_tokens": self.task_tokens,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
