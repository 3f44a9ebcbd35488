"""Probabilities that are products: a conversion needs a click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.numerics import at_least_float32
from keras_elastor.utils.saving import deserialize, register, serialize
from keras_elastor.utils.types import Config, Shape, Tensor


@register
class ChainedHead(keras.layers.Layer):
    """Multiplies the probability of a task by that of the task that must come first.

        p_k = sigmoid(z_k) p_parent(k),   logit_k = log(p_k / (1 - p_k))

    With labels click and conversion and `parents=(None, 0)` it is ESMM: the conversion is trained
    on all impressions, and sigmoid(z_1), the rate of conversions among clicks, needs no label of
    its own. Logits a and b give that of the product as -log(exp(-a) + exp(-b) + exp(-a - b)), which
    does not saturate.

    Args:
        head: A head of one logit per task, such as `TaskTowers`, as a template.
        parents: For each task None, or the number of the task before it that must come first.

    Input shape: that of the head. Output shape: `(batch, tasks)`.

    Example:

    >>> head = ke.layers.ChainedHead(ke.layers.TaskTowers(2), parents=(None, 0))
    >>> logits = ops.convert_to_numpy(head(np.ones((3, 8), "float32")))
    >>> bool((logits[:, 1] < logits[:, 0]).all())
    True

    Raises:
        ValueError: If there is not one parent per task, or it does not come before.

    Reference: Ma et al., Entire Space Multi-Task Model (SIGIR 2018).
    """

    def __init__(self, head: Any, parents: Sequence[int | None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.head = head
        self.parents = tuple(parents)
        right = all(p is None or 0 <= p < task for task, p in enumerate(self.parents))
        if len(self.parents) != head.units or not right:
            raise ValueError(
                f"ChainedHead: expected `parents` to give for each of the {head.units} tasks None "
                f"or the number of one before it. Received: parents={self.parents}"
            )

    @property
    def units(self) -> int:
        """Number of tasks."""
        return int(self.head.units)

    def build(self, input_shape: Shape) -> None:
        """Build the head."""
        if not self.head.built:
            self.head.build(input_shape)
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """The logits of the products."""
        own = self.head(inputs)
        logits: list[Tensor] = []
        for task, parent in enumerate(self.parents):
            logit = own[:, task]
            if parent is not None:
                a, b = logit, logits[parent]
                logit = -ops.logsumexp(ops.stack([-a, -b, -a - b], axis=-1), axis=-1)
            logits.append(logit)
        return ops.stack(logits, axis=-1)

    def compute_output_spec(self, inputs: Tensor, training: bool | None = None) -> Any:
        """Shape and dtype of the logits."""
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=at_least_float32(self.compute_dtype))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the logits."""
        return (input_shape[0], self.units)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {**super().get_config(), "head": serialize(self.head), "parents": self.parents}

    @classmethod
    def from_config(cls, config: Config) -> ChainedHead:
        """Make the layer from its config."""
        return cls(**{**config, "head": deserialize(config["head"])})
