"""FuxiCTR's training protocol for `model.compile` and `model.fit`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import keras

from keras_elastor.layers import FeatureEncoder
from keras_elastor.optimizers.pytorch_adam import PyTorchAdam
from keras_elastor.training.evaluation_callback import EvaluationCallback
from keras_elastor.training.plateau import Plateau

# Options of FuxiCTR's training under our names. The others shape the model or the data.
_OFFICIAL_NAMES = {
    "learning_rate": "learning_rate",
    "embedding_regularizer": "embedding_regularizer",
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


@dataclasses.dataclass(frozen=True)
class FuxiCTRProtocol:
    """How FuxiCTR trains, which is how the published numbers were made.

        loss = mean binary cross-entropy + (embedding_regularizer / 2) * sum of squares
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
        embedding_regularizer: FuxiCTR's lambda, of which the loss has half. Default: None,
            whatever the model was made with.
        max_gradient_norm: Global norm to which larger gradients are scaled. Default: 10.
        monitor: Weight of each metric of `keras_elastor.evaluate`, such as
            `{"auc": 1, "logloss": -1}`. Default: `{"auc": 1}`.
        evaluate_every: Training steps between two evaluations. Default: None, every epoch.
        patience: Evaluations without gain in a row that end the training. Default: 2.
        min_delta: Smallest gain. Default: 1e-6.
        learning_rate_factor: See above. Default: 0.1.
        min_learning_rate: The learning rate never falls below it. Default: 1e-6.

    The initialisers of this package's layers are FuxiCTR's.

    Example:

    >>> protocol = ke.training.FuxiCTRProtocol(embedding_regularizer=1e-3, patience=1)
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
    embedding_regularizer: float | None = None
    max_gradient_norm: float = 10.0
    monitor: Mapping[str, float] = dataclasses.field(default_factory=lambda: {"auc": 1.0})
    evaluate_every: int | None = None
    patience: int = 2
    min_delta: float = 1e-6
    learning_rate_factor: float = 0.1
    min_learning_rate: float = 1e-6

    def __post_init__(self) -> None:
        every = self.evaluate_every
        for name, is_right, expected in (
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("embedding_regularizer", (self.embedding_regularizer or 0) >= 0, "None or at least 0"),
            ("max_gradient_norm", self.max_gradient_norm > 0, "above 0"),
            ("evaluate_every", every is None or every >= 1, "None or at least 1"),
            ("patience", self.patience >= 1, "at least 1"),
            ("min_delta", self.min_delta >= 0, "at least 0"),
            ("learning_rate_factor", 0 < self.learning_rate_factor <= 1, "above 0, at most 1"),
            ("min_learning_rate", self.min_learning_rate >= 0, "at least 0"),
            ("monitor", bool(self.monitor), 'a dict such as {"auc": 1}'),
        ):
            if not is_right:
                raise ValueError(
                    f"FuxiCTRProtocol: expected `{name}` to be {expected}. "
                    f"Received: {name}={getattr(self, name)!r}"
                )

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
        """What to give a model as `embeddings_regularizer`: L2 of half of lambda, or None."""
        strength = self.embedding_regularizer
        return keras.regularizers.L2(strength / 2) if strength else None

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
            if isinstance(layer, FeatureEncoder) and self.embedding_regularizer is not None:
                self._check_regularizer(layer.embeddings_regularizer)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(self.make_optimizer(), loss, **arguments)

    def _check_regularizer(self, regularizer: Any) -> None:
        expected = keras.regularizers.serialize(self.embeddings_regularizer)
        received = keras.regularizers.serialize(regularizer)
        if expected != received:
            raise ValueError(
                f"The protocol has embedding_regularizer={self.embedding_regularizer}, but the "
                f"model was made with embeddings_regularizer={received}. Make it with "
                "encoder={'embeddings_regularizer': protocol.embeddings_regularizer}"
            )

    def callback(self, validation_data: Any, batch_size: int = 4096) -> EvaluationCallback:
        """A new callback for `model.fit` that evaluates, lowers the learning rate and stops.

        Args:
            validation_data: What `keras_elastor.evaluate` takes as dataset.
            batch_size: Rows per step where it is a tuple of arrays.
        """
        plateau = Plateau(
            self.patience, self.min_delta, self.learning_rate_factor, self.min_learning_rate
        )
        return EvaluationCallback(
            validation_data, self.monitor, self.evaluate_every, plateau, batch_size
        )
