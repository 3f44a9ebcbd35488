"""A mixture of experts of its own for every token, routed by rectified gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive, require_tokens
from keras_elastor.layers.core.numerics import at_least_float32
from keras_elastor.layers.per_token.per_token_dense import PerTokenDense
from keras_elastor.layers.per_token.per_token_ffn import PerTokenFFN
from keras_elastor.utils.saving import clone_layer, deserialize, register, serialize
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor

TRAINING_OUTPUTS = ("sampled", "mean", "normalized_mean", "sparse")


@register
class PerTokenMoE(keras.layers.Layer):
    """Mixture of experts per token: trained densely, served sparsely.

    Every token t has E experts e_{t,j} and two routers of its own:

        G_{t,j} = ReLU(x_t . r_{t,j} + c_{t,j})           the router that serves
        P_t = softmax(x_t Q_t + q_t)                      the router that only trains
        y_t = sum_j G_{t,j} e_{t,j}(x_t)                  inference, whatever `training_output`

    An expert whose gate is 0 is not active; there is no top-k, so their number differs from token
    to token and from row to row. In training, the layer adds a loss that closes gates,

        lambda * (1 / batch) sum_{b,t,j} G_{b,t,j}
        lambda <- lambda * penalty_factor^sign(active - target_active)         after each step

    where `active` is the share of open gates in the batch. The paper describes the two routers and
    an adaptive lambda, but publishes neither how the routers meet in training nor the rule of
    lambda, nor E: these defaults are ours. The rule is that of ReMoE with a smaller factor and a
    ceiling, as with ReMoE's 1.2 from 1e-8 on the gates of small models closed for good. How the
    routers meet:

    | training_output | y_t in training |
    |---|---|
    | "sampled" | with P or with G, one drawn for each row: each router learns to predict alone |
    | "mean" | half of the sum with P, half of the sum with G |
    | "normalized_mean" | as "mean", with G divided by its sum over the experts |
    | "sparse" | with G; there is no other router |

    All experts are computed, also where their gates are 0, as one batched product: what is saved by
    `target_active` is saved by a kernel that skips, not here.

    Args:
        expert: A layer that maps each token by its own weights, as a template. Default: None,
            `PerTokenFFN([4 * token_dim])`, RankMixer's.
        num_experts: Number of experts E of each token. Default: 4.
        training_output: How the routers meet in training, see above. Default: "sampled".
        target_active: Share of the experts that shall be active. Default: 0.25.
        adaptive: Whether lambda follows the rule above; False keeps `initial_penalty`. Default:
            True.
        initial_penalty: Lambda of the first step. Default: 1e-5.
        penalty_factor: Factor of lambda in each step; above 1. Default: 1.05.
        penalty_range: The least and the greatest lambda. Default: (1e-12, 1e-2).
        router_kernel_initializer: Initializer of the routers' kernels. Default: "zeros".
        router_bias_initializer: Initializer of the serving router's biases; those of the other
            start at 0. Default: "ones", all experts open.
        utilization_momentum: Momentum of the moving average in `utilization`. Default: 0.95.
        seed: Seed of the draws of "sampled". Default: None.

    Attributes:
        utilization: Weight `(tokens, num_experts)`: for each expert the share of rows of the last
            training batches that it was active in; 1 before training. See
            `ke.analysis.expert_utilization`.
        penalty: Weight, lambda.

    Input shape: `(batch, tokens, token_dim)`. Output shape: the same.

    Example:

    >>> experts = ke.layers.PerTokenMoE(ke.layers.PerTokenFFN([24]), num_experts=3)
    >>> experts(np.ones((2, 4, 6), "float32")).shape == (2, 4, 6)
    True
    >>> experts.utilization.shape == (4, 3)
    True

    Raises:
        ValueError: If an argument is out of its range, or the expert changes the token's width.

    Reference: Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3.4; Wang et al., ReMoE
    (ICLR 2025, arXiv 2412.14711), section 3.3, for lambda.
    """

    def __init__(
        self,
        expert: Any | None = None,
        num_experts: int = 4,
        training_output: str = "sampled",
        target_active: float = 0.25,
        adaptive: bool = True,
        initial_penalty: float = 1e-5,
        penalty_factor: float = 1.05,
        penalty_range: Sequence[float] = (1e-12, 1e-2),
        router_kernel_initializer: InitializerLike = "zeros",
        router_bias_initializer: InitializerLike = "ones",
        utilization_momentum: float = 0.95,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, num_experts=num_experts)
        self.expert = serialize(expert)
        self.num_experts = num_experts
        self.training_output = training_output
        self.target_active = target_active
        self.adaptive = adaptive
        self.initial_penalty = initial_penalty
        self.penalty_factor = penalty_factor
        self.penalty_range = tuple(penalty_range)
        self._check_arguments()
        self.router_kernel_initializer = keras.initializers.get(router_kernel_initializer)
        self.router_bias_initializer = keras.initializers.get(router_bias_initializer)
        self.utilization_momentum = utilization_momentum
        self.seed = seed
        if training_output == "sampled":
            self.seed_generator = keras.random.SeedGenerator(seed)

    def _check_arguments(self) -> None:
        least, greatest = self.penalty_range
        rules = {
            "training_output": (
                self.training_output in TRAINING_OUTPUTS,
                f"to be one of {', '.join(TRAINING_OUTPUTS)}",
            ),
            "target_active": (0 < self.target_active <= 1, "to be above 0 and at most 1"),
            "penalty_factor": (self.penalty_factor > 1, "to be above 1"),
            "penalty_range": (0 < least <= greatest, "to be (least, greatest), both positive"),
            "initial_penalty": (self.initial_penalty >= 0, "to be at least 0"),
        }
        for name, (is_right, expected) in rules.items():
            if not is_right:
                raise ValueError(
                    f"PerTokenMoE '{self.name}': expected `{name}` {expected}. "
                    f"Received: {name}={getattr(self, name)!r}"
                )

    def build(self, input_shape: Shape) -> None:
        """Make the experts, the routers and what the layer notes of its training."""
        tokens, token_dim = require_tokens(self, input_shape)
        template = deserialize(self.expert) or PerTokenFFN([4 * token_dim])
        self.experts = clone_layer(template, "experts", self.dtype_policy)
        shape: Shape = (input_shape[0], tokens * self.num_experts, token_dim)
        self.experts.build(shape)
        if tuple(self.experts.compute_output_shape(shape))[1:] != shape[1:]:
            raise ValueError(
                f"PerTokenMoE '{self.name}': expected an expert that keeps the token's width "
                f"{token_dim}. Received: {type(template).__name__} with output shape "
                f"{tuple(self.experts.compute_output_shape(shape))}"
            )
        self.router = self._make_router("router", "relu", self.router_bias_initializer)
        self.router.build(input_shape)
        if self.training_output != "sparse":
            self.training_router = self._make_router("training_router", None, "zeros")
            self.training_router.build(input_shape)
        self.penalty = self._make_note((), self.initial_penalty, "penalty")
        self.utilization = self._make_note((tokens, self.num_experts), 1.0, "utilization")
        self.built = True

    def _make_router(self, name: str, activation: str | None, bias_initializer: Any) -> Any:
        return PerTokenDense(
            self.num_experts,
            activation,
            kernel_initializer=self.router_kernel_initializer,
            bias_initializer=bias_initializer,
            dtype=self.dtype_policy,
            name=name,
        )

    def _make_note(self, shape: tuple[int, ...], value: float, name: str) -> Any:
        """A weight that no gradient changes, equal on all replicas."""
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=keras.initializers.Constant(value),
            trainable=False,
            autocast=False,
            aggregation="mean",
        )

    def gates(self, inputs: Tensor) -> Tensor:
        """The gates of the serving router, `(batch, tokens, num_experts)`."""
        gates: Tensor = self.router(inputs)
        return gates

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Weigh the experts; in training, add the loss and adapt its weight."""
        gates = self.gates(inputs)
        weights = gates
        if training:
            weights = self._training_weights(inputs, gates)
            self._penalize(gates)
        outputs = self.experts(ops.repeat(inputs, self.num_experts, axis=1))
        tokens, token_dim = inputs.shape[1:]
        outputs = ops.reshape(outputs, (-1, tokens, self.num_experts, token_dim))
        return ops.sum(ops.expand_dims(weights, -1) * outputs, axis=2)

    def _training_weights(self, inputs: Tensor, gates: Tensor) -> Tensor:
        """What weighs the experts in training."""
        if self.training_output == "sparse":
            return gates
        dense = ops.softmax(self.training_router(inputs), axis=-1)
        if self.training_output == "sampled":
            rows = (ops.shape(inputs)[0], 1, 1)
            drawn = keras.random.uniform(rows, seed=self.seed_generator) < 0.5
            return ops.where(drawn, dense, gates)
        if self.training_output == "normalized_mean":
            gates = gates / ops.maximum(ops.sum(gates, axis=-1, keepdims=True), 1e-6)
        return 0.5 * (dense + gates)

    def _penalize(self, gates: Tensor) -> None:
        """Add the loss of this step; note how active the experts were."""
        gates = ops.cast(gates, at_least_float32(self.compute_dtype))
        batch = ops.cast(ops.shape(gates)[0], gates.dtype)
        # A copy: the assignment below would change what the loss has seen.
        penalty = ops.copy(ops.stop_gradient(ops.convert_to_tensor(self.penalty)))
        self.add_loss(penalty * ops.sum(gates) / batch)
        active = ops.sum(ops.cast(gates > 0, gates.dtype), axis=0) / batch
        momentum = self.utilization_momentum
        self.utilization.assign(momentum * self.utilization + (1 - momentum) * active)
        if self.adaptive:
            direction = ops.sign(ops.mean(active) - self.target_active)
            self.penalty.assign(
                ops.clip(penalty * self.penalty_factor**direction, *self.penalty_range)
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "expert": self.expert,
            "num_experts": self.num_experts,
            "training_output": self.training_output,
            "target_active": self.target_active,
            "adaptive": self.adaptive,
            "initial_penalty": self.initial_penalty,
            "penalty_factor": self.penalty_factor,
            "penalty_range": self.penalty_range,
            "router_kernel_initializer": keras.initializers.serialize(
                self.router_kernel_initializer
            ),
            "router_bias_initializer": keras.initializers.serialize(self.router_bias_initializer),
            "utilization_momentum": self.utilization_momentum,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: Config) -> PerTokenMoE:
        """Make the layer from its config."""
        return cls(**{**config, "expert": deserialize(config.get("expert"))})
