"""Learned tokens, one per task, behind the others."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class TaskTokens(keras.layers.Layer):
    """Appends one learned token per task, the same for every row.

        y = [x_1, ..., x_T, v_1, ..., v_K]

    Behind the blocks, `TaskTowers(task_tokens=True)` reads what became of them.

    Args:
        num_tasks: Number of tasks K.
        initializer: Initializer of the tokens. Default: None, normal with standard deviation 0.02,
            which is our choice.

    Input shape: `(batch, tokens, token_dim)`.
    Output shape: `(batch, tokens + num_tasks, token_dim)`.

    Example:

    >>> ke.layers.TaskTokens(2)(np.ones((3, 5, 4), "float32")).shape == (3, 7, 4)
    True

    Reference: Chen et al., RankUp (arXiv 2604.17878), task tokens.
    """

    def __init__(self, num_tasks: int, initializer: InitializerLike = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_positive(self, num_tasks=num_tasks)
        self.num_tasks = num_tasks
        default = keras.initializers.RandomNormal(stddev=0.02)
        self.initializer = default if initializer is None else keras.initializers.get(initializer)

    def build(self, input_shape: Shape) -> None:
        """Make the tokens."""
        _, token_dim = require_tokens(self, input_shape)
        self.tokens = self.add_weight(
            name="tokens", shape=(self.num_tasks, token_dim), initializer=self.initializer
        )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Append the tokens to every row."""
        tokens = ops.expand_dims(ops.cast(self.tokens, self.compute_dtype), 0)
        rows = (ops.shape(inputs)[0], *tokens.shape[1:])
        return ops.concatenate([inputs, ops.broadcast_to(tokens, rows)], axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape with the tasks' tokens."""
        tokens, token_dim = require_tokens(self, input_shape)
        return (input_shape[0], tokens + self.num_tasks, token_dim)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "num_tasks": self.num_tasks,
            "initializer": keras.initializers.serialize(self.initializer),
        }
