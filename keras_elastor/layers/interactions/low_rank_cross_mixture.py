"""DCN-V2's cross network as a mixture of low-rank experts."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_matrix, require_positive
from keras_elastor.layers.core.initializers import clone_initializer
from keras_elastor.layers.core.numerics import at_least_float32, matrix_product
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class LowRankCrossMixture(keras.layers.Layer):
    """Feature crossings in several learned subspaces, mixed by a gate.

        v_e = tanh(C_le tanh(V_le^T x_l));   g = softmax_e(x_l G)
        x_{l+1} = x_0 * (sum_e g_e U_le v_e + b_l) + x_l

    The gate G is shared by all crossings, as in FuxiCTR, which is why they are one layer. Since the
    gates sum to one, all experts meet in one matrix product.

    Args:
        num_layers: Number of crossings. Default: 3.
        rank: Width of each subspace. Default: 32.
        num_experts: Number of subspaces. Default: 4.
        kernel_initializer: Initializer of U, V and C, each a stack over the experts, and of G.
            Default: None, normal with the deviations that PyTorch's Xavier normal gives such
            stacks in FuxiCTR: sqrt(2 / (rank * (dim + experts))) for U and V, sqrt(2 / (rank *
            (rank + experts))) for C; sqrt(2 / (dim + 1)) for each column of G.

    Input shape: `(batch, dim)`. Output shape: `(batch, dim)`.

    Example:

    >>> cross = ke.layers.LowRankCrossMixture(num_layers=2, rank=3, num_experts=2)
    >>> cross(np.ones((2, 5), "float32")).shape == (2, 5)
    True

    Raises:
        ValueError: If an argument is below 1, or the input is no matrix.

    Reference: Wang et al., DCN V2 (WWW 2021, arXiv 2008.13535), section 3.4; FuxiCTR,
    `CrossNetMix`.
    """

    def __init__(
        self,
        num_layers: int = 3,
        rank: int = 32,
        num_experts: int = 4,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, num_layers=num_layers, rank=rank, num_experts=num_experts)
        self.num_layers = num_layers
        self.rank = rank
        self.num_experts = num_experts
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def _add_kernel(self, name: str, shape: Shape, stddev: float) -> Any:
        initializer = clone_initializer(self.kernel_initializer)
        if initializer is None:
            initializer = keras.initializers.RandomNormal(stddev=stddev)
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def build(self, input_shape: Shape) -> None:
        """Make the weights of all crossings."""
        dim = require_matrix(self, input_shape)
        rank, experts = self.rank, self.num_experts
        outer = (2 / (rank * (dim + experts))) ** 0.5
        inner = (2 / (rank * (rank + experts))) ** 0.5
        self.gate_kernel = self._add_kernel("gate_kernel", (dim, experts), (2 / (dim + 1)) ** 0.5)
        self.input_kernels, self.inner_kernels, self.output_kernels = [], [], []
        self.biases = []
        for index in range(self.num_layers):
            self.input_kernels.append(
                self._add_kernel(f"input_kernel_{index}", (dim, experts * rank), outer)
            )
            self.inner_kernels.append(
                self._add_kernel(f"inner_kernel_{index}", (experts, rank, rank), inner)
            )
            self.output_kernels.append(
                self._add_kernel(f"output_kernel_{index}", (experts * rank, dim), outer)
            )
            self.biases.append(
                self.add_weight(name=f"bias_{index}", shape=(dim,), initializer="zeros")
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Cross the features again and again."""
        current = inputs
        for index in range(self.num_layers):
            projected = ops.tanh(matrix_product(current, self.input_kernels[index]))
            projected = ops.reshape(projected, (-1, self.num_experts, self.rank))
            experts_first = ops.transpose(projected, (1, 0, 2))
            hidden = ops.tanh(matrix_product(experts_first, self.inner_kernels[index]))
            gated = ops.transpose(hidden, (1, 0, 2)) * ops.expand_dims(self._gate(current), -1)
            gated = ops.reshape(gated, (-1, self.num_experts * self.rank))
            crossed = matrix_product(gated, self.output_kernels[index]) + self.biases[index]
            current = inputs * crossed + current
        return current

    def _gate(self, current: Tensor) -> Tensor:
        scores = matrix_product(current, self.gate_kernel)
        scores = ops.cast(scores, at_least_float32(self.compute_dtype))
        return ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "rank": self.rank,
            "num_experts": self.num_experts,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
