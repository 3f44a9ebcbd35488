"""Experts that tasks share and experts of their own, each task with a gate over both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.per_token.per_token_dense import PerTokenDense, swap_tokens_and_batch
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import ActivationLike, Config, InitializerLike, Shape, Tensor


@register
class TaskExperts(keras.layers.Layer):
    """Mixes, for every task, the experts that it may use by a gate of its own.

        y_k = sum_j softmax(x_k W_k)_j f_j(x_j),   k = 1..K

    over the task's own experts, which read x_k, and the shared ones, which read x_0; each f is an
    MLP. Without own experts and with one x for all it is MMoE's layer, with own experts PLE's.
    `shared_output` adds y_0, a mixture of all experts by a gate of x_0, which the next layer of a
    PLE reads. All experts are computed as one batched product.

    Args:
        num_tasks: Number of tasks K.
        hidden_units: Widths of the layers of each expert; the last is the output's.
        num_shared: Number of shared experts. Default: 4.
        num_own: Number of experts of each task. Default: 0.
        shared_output: Whether to give y_0, behind the tasks'. Default: False.
        activation: Elementwise function behind each layer of an expert. Default: "relu".
        dropout: Rate after each activation. Default: 0.
        kernel_initializer: Initializer of each matrix. Default: None, Xavier normal.

    Input shape: `(batch, dim)`, one x for all, or `(batch, num_tasks + 1, dim)`, x_1 to x_K and
    x_0. Output shape: `(batch, num_tasks, hidden_units[-1])`, one row more with `shared_output`.

    Example:

    >>> experts = ke.layers.TaskExperts(num_tasks=2, hidden_units=[16, 8], num_shared=3)
    >>> experts(np.ones((5, 10), "float32")).shape == (5, 2, 8)
    True

    Raises:
        ValueError: If there is no expert, an argument is out of its range, or the input has another
            number of rows.

    Reference: Ma et al., MMoE (KDD 2018); Tang et al., PLE (RecSys 2020).
    """

    def __init__(
        self,
        num_tasks: int,
        hidden_units: Sequence[int],
        num_shared: int = 4,
        num_own: int = 0,
        shared_output: bool = False,
        activation: ActivationLike = "relu",
        dropout: float = 0.0,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_units = tuple(hidden_units)
        require_positive(self, num_tasks=num_tasks)
        for units in self.hidden_units:
            require_positive(self, hidden_units=units)
        if num_shared < 0 or num_own < 0 or not num_shared + num_own or not self.hidden_units:
            raise ValueError(
                "TaskExperts: expected at least one expert, shared or own, of at least one layer. "
                f"Received: num_shared={num_shared}, num_own={num_own}, hidden_units={hidden_units}"
            )
        self.num_tasks = num_tasks
        self.num_shared = num_shared
        self.num_own = num_own
        self.shared_output = shared_output
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    @property
    def _num_experts(self) -> int:
        """All experts: those of task 1, of task 2, ..., then the shared ones."""
        return self.num_tasks * self.num_own + self.num_shared

    def build(self, input_shape: Shape) -> None:
        """Make and build the experts and the gates."""
        if len(input_shape) == 3 and require_tokens(self, input_shape)[0] != self.num_tasks + 1:
            raise ValueError(
                f"TaskExperts '{self.name}': expected one row for each of the {self.num_tasks} "
                f"tasks and one for the shared experts. Received: shape={tuple(input_shape)}"
            )
        dim = input_shape[-1]
        self.experts: list[Any] = []
        shape: Shape = (self._num_experts, input_shape[0], dim)
        for index, units in enumerate(self.hidden_units):
            self.experts.append(self._dense(units, self.activation, f"expert_{index}"))
            if self.dropout:
                self.experts.append(keras.layers.Dropout(self.dropout, dtype=self.dtype_policy))
        for layer in self.experts:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.gates = self._dense(self.num_own + self.num_shared, None, "gates")
        self.gates.build((self.num_tasks, input_shape[0], dim))
        if self.shared_output:
            self.shared_gate = self._dense(self._num_experts, None, "shared_gate")
            self.shared_gate.build((1, input_shape[0], dim))
        self.built = True

    def _dense(self, units: int, activation: Any, name: str) -> Any:
        return PerTokenDense(
            units,
            activation,
            tokens_first=True,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name=name,
        )

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Apply experts and gates; `training` switches the dropout."""
        own, shared = self._read(inputs)
        parts = [ops.repeat(own, self.num_own, axis=0)] if self.num_own else []
        if self.num_shared:
            parts.append(ops.repeat(shared, self.num_shared, axis=0))
        outputs = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=0)
        for layer in self.experts:
            outputs = layer(outputs)
        mixed = self._mix(own, outputs)
        if self.shared_output:
            weights = ops.expand_dims(ops.softmax(self.shared_gate(shared)[0], axis=-1), 1)
            mixed = ops.concatenate([mixed, weights @ swap_tokens_and_batch(outputs)], axis=1)
        return mixed

    def _read(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """What the tasks' experts read and what the shared ones do, `(rows, batch, dim)`."""
        if len(inputs.shape) == 2:
            shared = ops.expand_dims(inputs, 0)
            return ops.repeat(shared, self.num_tasks, axis=0), shared
        rows = swap_tokens_and_batch(inputs)
        return rows[: self.num_tasks], rows[self.num_tasks :]

    def _mix(self, own: Tensor, outputs: Tensor) -> Tensor:
        """The mixtures of the tasks, `(batch, tasks, width)`."""
        count = self.num_tasks * self.num_own
        weights = ops.softmax(self.gates(own), axis=-1)
        groups = []
        for task in range(self.num_tasks):
            mine = outputs[task * self.num_own : (task + 1) * self.num_own]
            group = ops.concatenate([mine, outputs[count:]], axis=0)
            task_weights = ops.expand_dims(weights[task], 1)
            groups.append(task_weights @ swap_tokens_and_batch(group))
        return groups[0] if len(groups) == 1 else ops.concatenate(groups, axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the mixtures."""
        return (input_shape[0], self.num_tasks + self.shared_output, self.hidden_units[-1])

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "num_tasks": self.num_tasks,
            "hidden_units": self.hidden_units,
            "num_shared": self.num_shared,
            "num_own": self.num_own,
            "shared_output": self.shared_output,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
