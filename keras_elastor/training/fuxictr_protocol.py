"""FuxiCTR's training protocol for `model.compile` and `model.fit`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import keras

from keras_elastor.layers import FeatureEncoder
from keras_elastor.optimizers.pytorch_adam import PyTorchAdam
from keras_elastor.training.protocol import Protocol, register_protocol
from keras_elastor.utils.fuxictr import fuxictr_l2

# Options of FuxiCTR's training under our names. The others shape the model or the data.
_OFFICIAL_NAMES = {
    "learning_rate": "learning_rate",
    "embedding_regularizer": "embedding_l2_lambda",
    "max_gradient_norm": "max_gradient_norm",
    "eval_steps": "evaluate_every",
    "early_stop_patience": "patience",
}
# Official options that would change the training, with the only value that is supported.
_FIXED_OPTIONS = {
    "optimizer": ("adam", None),
    "loss": ("binary_crossentropy", "binary_cross_entropy", None),
    "net_regularizer": (0, None),
    "reduce_lr_on_plateau": (True, None),
    "monitor_mode": ("max", None),
}


@register_protocol("fuxictr")
@dataclasses.dataclass(frozen=True)
class FuxiCTRProtocol(Protocol):
    """How FuxiCTR trains, which is how the published numbers were made.

        loss = mean binary cross-entropy + (embedding_l2_lambda / 2) * sum of squares
                                           of all embedding weights
        Adam with epsilon 1e-8, as PyTorch has it; gradients scaled to a global norm of at most
        max_gradient_norm

    At every evaluation the monitored value is

        sum over metrics of monitor[metric] * metric

    of the exact validation metrics. Without a gain of `min_delta` over the best so far, the
    learning rate is multiplied by `learning_rate_factor`; `patience` such evaluations in a row end
    the training. The best weights are restored in the end.

    Args:
        learning_rate: First learning rate. Default: 1e-3.
        embedding_l2_lambda: FuxiCTR's lambda, of which the loss has half; FuxiCTR itself calls it
            `embedding_regularizer`. Default: None, whatever the model was made with.
        max_gradient_norm: Global norm to which larger gradients are scaled. Default: 10.
        arguments: Those of `Protocol`: `monitor`, `evaluate_every`, `patience`, `min_delta`,
            `learning_rate_factor`, `min_learning_rate` and `redraw_embeddings`.

    The initialisers of this package's layers are FuxiCTR's.

    Example:

    >>> protocol = ke.training.FuxiCTRProtocol(embedding_l2_lambda=1e-3, patience=1)
    >>> schema = ke.FeatureSchema([ke.Categorical("item", 20), ke.Numeric("price")])
    >>> model = ke.models.DNN(
    ...     schema,
    ...     hidden_units=[8],
    ...     encoder={"embeddings_regularizer": protocol.embeddings_regularizer},
    ... )
    >>> protocol.compile(model)
    >>> features = {"item": np.arange(20), "price": np.linspace(-1, 1, 20)}
    >>> rows = (features, np.arange(20) % 2)
    >>> callback = protocol.callback(rows)
    >>> history = model.fit(*rows, epochs=5, callbacks=[callback], verbose=0)
    >>> sorted(callback.evaluations[0])
    ['auc', 'epoch', 'gain', 'learning_rate', 'logloss', 'monitor', 'step']

    Raises:
        ValueError: If an argument is out of range.

    Reference: FuxiCTR, `fuxictr/pytorch/models/rank_model.py`.
    """

    learning_rate: float = 1e-3
    embedding_l2_lambda: float | None = None
    max_gradient_norm: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check("learning_rate", self.learning_rate > 0, "above 0")
        lambda_ = self.embedding_l2_lambda
        self.check("embedding_l2_lambda", (lambda_ or 0) >= 0, "None or at least 0")
        self.check("max_gradient_norm", self.max_gradient_norm > 0, "above 0")

    @classmethod
    def from_official(cls, config: Mapping[str, Any]) -> Self:
        """Read FuxiCTR's own options.

        Args:
            config: Options of a FuxiCTR experiment. Those of the model and the data are ignored.

        Raises:
            ValueError: If an option asks for another training, such as `optimizer="sgd"`.
        """
        for name, supported in _FIXED_OPTIONS.items():
            value = config.get(name)
            if (value.lower() if isinstance(value, str) else value) not in supported:
                raise ValueError(
                    f"Expected the official option '{name}' to be {supported[0]!r} or left out; "
                    f"nothing else is supported. Received: {name}={value!r}"
                )
        options = {
            ours: config[official]
            for official, ours in _OFFICIAL_NAMES.items()
            if config.get(official) is not None
        }
        monitor = config.get("monitor")
        if monitor is not None:
            monitor = {monitor: 1.0} if isinstance(monitor, str) else monitor
            options["monitor"] = {name.lower(): weight for name, weight in monitor.items()}
        return cls(**options)

    @property
    def embeddings_regularizer(self) -> Any:
        """What a model's `encoder` needs as `embeddings_regularizer`: L2 of half of lambda."""
        return fuxictr_l2(self.embedding_l2_lambda or 0)

    @property
    def model_arguments(self) -> dict[str, Any]:
        """The `embeddings_regularizer` of the `encoder`, where the protocol has a lambda."""
        if self.embedding_l2_lambda is None:
            return {}
        return {"encoder": {"embeddings_regularizer": self.embeddings_regularizer}}

    def make_optimizer(self) -> PyTorchAdam:
        """A new optimizer."""
        return PyTorchAdam(self.learning_rate, epsilon=1e-8, global_clipnorm=self.max_gradient_norm)

    def compile(self, model: keras.Model, **arguments: Any) -> None:
        """Compile a model with FuxiCTR's optimizer and loss.

        Args:
            model: A model of logits. One of `keras_elastor.models` must have been made with this
                protocol's `embeddings_regularizer`.
            arguments: Further arguments of `model.compile`, such as `metrics`.

        Raises:
            ValueError: If the model's embeddings are regularized in another way.
        """
        for layer in model.layers:
            if isinstance(layer, FeatureEncoder) and self.embedding_l2_lambda is not None:
                self._check_regularizer(layer.embeddings_regularizer)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(self.make_optimizer(), loss, **arguments)

    def _check_regularizer(self, regularizer: Any) -> None:
        expected = keras.regularizers.serialize(self.embeddings_regularizer)
        received = keras.regularizers.serialize(regularizer)
        if expected != received:
            raise ValueError(
                f"The protocol has embedding_l2_lambda={self.embedding_l2_lambda}, but the "
                f"model was made with embeddings_regularizer={received}. Make it with "
                "encoder={'embeddings_regularizer': protocol.embeddings_regularizer}"
            )
