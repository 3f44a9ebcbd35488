"""Exact evaluations while a model trains, and what follows from them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import keras

from keras_elastor.metrics.evaluate import evaluate
from keras_elastor.optimizers.split import follows_schedule
from keras_elastor.training.plateau import Plateau
from keras_elastor.training.redraw_embeddings import RedrawEmbeddings


class EvaluationCallback(keras.callbacks.Callback):
    """Measures the model exactly, lowers its learning rate, stops it, restores its best weights.

    After an evaluation at the end of an epoch its metrics are in the logs as `val_auc`, ....

    Args:
        validation_data: What `keras_elastor.evaluate` takes as dataset.
        monitor: Weight of each metric in the monitored value, which should grow.
        every: Training steps between two evaluations. Default: None, once at the end of each epoch.
        plateau: What follows from a monitored value. Default: FuxiCTR's, `Plateau()`.
        batch_size: Rows per step where `validation_data` is a tuple of arrays. Default: 4096.
        redraw: A `RedrawEmbeddings` that goes with the training. Default: None.

    Attributes:
        evaluations: One dict for each evaluation: `step` and `epoch` (both counted from 1), the
            `learning_rate` that led there, the metrics, `monitor` (the monitored value) and `gain`
            (whether it is the best so far).

    Example: see `FuxiCTRProtocol`.

    Raises:
        ValueError: When the training begins, if the plateau lowers a learning rate that follows a
            schedule; at the first evaluation, if `monitor` names a metric that it does not have.
    """

    def __init__(
        self,
        validation_data: Any,
        monitor: Mapping[str, float],
        every: int | None = None,
        plateau: Plateau | None = None,
        batch_size: int = 4096,
        redraw: RedrawEmbeddings | None = None,
    ) -> None:
        super().__init__()
        self.validation_data = validation_data
        self.monitor = dict(monitor)
        self.every = every
        self.plateau = plateau or Plateau()
        self.batch_size = batch_size
        self.redraw = redraw
        self.step = 0
        self.epoch = 0
        self.evaluations: list[dict[str, Any]] = []
        self._best_weights: Any = None

    def set_model(self, model: keras.Model) -> None:
        """Take the model that is trained."""
        super().set_model(model)
        if self.redraw is not None:
            self.redraw.set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse to lower a learning rate that follows a schedule."""
        if self.redraw is not None:
            self.redraw.on_train_begin(logs)
        if self.plateau.factor != 1 and follows_schedule(self.model.optimizer):
            raise ValueError(
                "Expected an optimizer whose learning rate is a number, as an evaluation without "
                f"gain multiplies it by {self.plateau.factor:g}. Received: "
                f"{type(self.model.optimizer).__name__} with a schedule. Give "
                "plateau=Plateau(factor=1), of a protocol learning_rate_factor=1, to keep the "
                "schedule, or a learning rate that is a number"
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the number of the epoch; draw tables anew where that was asked for."""
        self.epoch = epoch + 1
        self.redraw_tables(epoch)

    def redraw_tables(self, epoch: int) -> None:
        """Draw tables anew before an epoch where that was asked for."""
        if self.redraw is not None:
            self.redraw.on_epoch_begin(epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the step; evaluate where one is due."""
        self.step += 1
        if self.every is not None and self.step % self.every == 0:
            self.evaluate_now()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate, unless steps decide."""
        if self.every is None:
            metrics = self.evaluate_now()
            if logs is not None:
                logs.update({f"val_{name}": value for name, value in metrics.items()})

    def on_train_end(self, logs: Any = None) -> None:
        """Give the model its best weights."""
        self.restore_best()

    def evaluate_now(self) -> dict[str, float]:
        """Evaluate and draw the consequences.

        Returns:
            The metrics.
        """
        # On JAX the weights live outside of the model while it trains.
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        metrics = evaluate(self.model, self.validation_data, self.batch_size)
        value = monitored_value(self.monitor, metrics)
        gain = self.plateau.gains(value)
        learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.evaluations.append(
            {
                "step": self.step,
                "epoch": self.epoch,
                "learning_rate": learning_rate,
                **metrics,
                "monitor": value,
                "gain": gain,
            }
        )
        if gain:
            self.save_best()
        elif self.plateau.factor != 1:
            self.model.optimizer.learning_rate = self.plateau.lower(learning_rate)
        if self.plateau.is_over:
            self.model.stop_training = True
        return metrics

    def save_best(self) -> None:
        """Keep the present weights as the best ones."""
        self._best_weights = self.model.get_weights()

    def restore_best(self) -> None:
        """Give the model the best weights, if any evaluation has gained."""
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)


def monitored_value(monitor: Mapping[str, float], metrics: Mapping[str, float]) -> float:
    """The weighted sum of metrics.

    Raises:
        ValueError: If a metric is missing; the message names the nearest one.
    """
    for name in monitor:
        if name not in metrics:
            nearest = difflib.get_close_matches(name, metrics, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"Expected `monitor` to name metrics of the evaluation: {', '.join(metrics)}. "
                f"Received: {name!r}. Did you mean {nearest!r}?"
            )
    return float(sum(weight * metrics[name] for name, weight in monitor.items()))
