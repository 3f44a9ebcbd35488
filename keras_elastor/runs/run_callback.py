"""What a run does after every training step."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

from keras_elastor.runs.checkpoint import to_numpy, variables_of
from keras_elastor.runs.errors import NonFiniteLossError, RunError, RunInterruptedError
from keras_elastor.runs.interrupts import Interrupts
from keras_elastor.runs.run_folder import RunFolder
from keras_elastor.runs.seeds import seed_step
from keras_elastor.training.evaluation_callback import EvaluationCallback
from keras_elastor.utils.files import hash_file
from keras_elastor.utils.seeds import derive_seed

_logger = logging.getLogger(__name__)


class RunCallback(EvaluationCallback):
    """Evaluations whose consequences are kept in a run's folder, and checkpoints.

    After a step, in this order: a loss that is not finite stops the run; an evaluation, where one
    is due; a checkpoint, where one is due or something was evaluated; Ctrl-C stops the run. In an
    evaluation Ctrl-C stops the run at once, and the evaluation is made up for.

    Args:
        folder: The run's folder.
        validation_data: What `keras_elastor.evaluate` takes as dataset.
        steps_per_epoch: Training steps of an epoch.
        interrupts: Tells whether somebody wants to stop.

    Attributes:
        epoch_index, batch_index: The position in the data: whole epochs, and batches of the next
            one, that were trained on.
    """

    def __init__(
        self,
        folder: RunFolder,
        validation_data: Any,
        steps_per_epoch: int,
        interrupts: Interrupts,
    ) -> None:
        asked = folder.config.protocol.callback(_Interruptible(validation_data, interrupts))
        super().__init__(
            asked.validation_data,
            asked.monitor,
            asked.every or steps_per_epoch,
            asked.plateau,
            redraw=asked.redraw,
        )
        if self.redraw is not None:
            self.redraw.seed = derive_seed(folder.config.seed, "redraw", 0)
        self.folder = folder
        self.steps_per_epoch = steps_per_epoch
        self.interrupts = interrupts
        self.epoch_index = 0
        self.batch_index = 0
        self.best_step: int | None = None
        self.stop_at: int | None = None
        self.loss = math.nan
        self._best_digest: str | None = None
        self._last_checkpoint = time.monotonic()
        self._saved_step: int | None = None
        self._metric_values: list[Any] | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go on with the sums of the metrics where a part of the epoch was trained before."""
        super().on_epoch_begin(epoch, logs)
        if self._metric_values is not None:
            for variable, value in zip(
                self.model.metrics_variables, self._metric_values, strict=True
            ):
                variable.assign(value)
            self._metric_values = None

    def redraw_tables(self, epoch: int) -> None:
        """Draw tables anew, but for an epoch that was begun before the run was stopped."""
        if self.batch_index == 0:
            super().redraw_tables(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Let the random numbers of a step follow from its number."""
        seed_step(self.folder.config.seed, self.step)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Do what is due after a step."""
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise NonFiniteLossError(f"The loss became {loss} in step {self.step + 1}")
        self.batch_index += 1
        if self.batch_index == self.steps_per_epoch:
            self.epoch_index, self.batch_index = self.epoch_index + 1, 0
        evaluated = len(self.evaluations)
        self.loss = loss
        try:
            super().on_train_batch_end(batch, logs)
        except RunInterruptedError:
            self.save_checkpoint()
            raise
        if len(self.evaluations) > evaluated or self._checkpoint_is_due():
            self.save_checkpoint()
        if self.interrupts.wanted and not self.model.stop_training:
            self.save_checkpoint()
            raise RunInterruptedError(f"Stopped after step {self.step}")
        if self.step == self.stop_at:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Nothing: `fit` ends with every epoch."""

    def evaluate_now(self) -> dict[str, float]:
        """Evaluate and write it down."""
        metrics = super().evaluate_now()
        evaluation = self.evaluations[-1]
        evaluation["loss"] = self.loss
        self.folder.write_evaluations(self.evaluations)
        scalars = {k: v for k, v in evaluation.items() if k not in ("step", "epoch", "gain")}
        self.folder.events.write(self.step, scalars)
        shown = ", ".join(f"{name} {value:.6f}" for name, value in metrics.items())
        _logger.info(
            "Step %d, epoch %d: loss %.6f, valid %s%s",
            *(self.step, self.epoch, self.loss, shown),
            " (best)" if evaluation["gain"] else "",
        )
        return metrics

    def evaluate_if_missed(self) -> None:
        """Make up for the evaluation in which the run was stopped."""
        is_due = self.step and self.step % (self.every or self.steps_per_epoch) == 0
        if is_due and self.step not in (e["step"] for e in self.evaluations):
            self.evaluate_now()
            self.save_checkpoint()

    def interruptible(self, batches: Any) -> Iterable[Any]:
        """The same batches; Ctrl-C raises RunInterruptedError."""
        return _Interruptible(batches, self.interrupts)

    def save_best(self) -> None:
        """Write the present weights beside the checkpoints."""
        self.best_step = self.step
        path = self.folder.best_path(self.step)
        self.folder.save_weights(self.model, path)
        self._best_digest = hash_file(path)

    def restore_best(self) -> None:
        """Give the model the best weights, if any evaluation has gained.

        Raises:
            RunError: If their file is damaged.
        """
        if self.best_step is not None:
            try:
                self._check_best({"best_step": self.best_step, "best_digest": self._best_digest})
            except ValueError as error:
                raise RunError(f"{error}. Delete {self.folder.path} to start it anew") from error
            self.model.load_weights(self.folder.best_path(self.best_step))

    def _check_best(self, state: dict[str, Any]) -> None:
        """Raise ValueError unless the best weights that a checkpoint asks for are whole."""
        step, digest = state["best_step"], state.get("best_digest")
        if step is None:
            return
        path = self.folder.best_path(step)
        if not path.is_file() or (digest is not None and hash_file(path) != digest):
            raise ValueError(f"The best weights, {path}, are damaged or not there")

    def save_checkpoint(self) -> None:
        """Write all that is needed to continue from here."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        state = {
            "step": self.step,
            "epoch_index": self.epoch_index,
            "batch_index": self.batch_index,
            "best_step": self.best_step,
            "best_digest": self._best_digest,
            "loss": self.loss,
            "best": self.plateau.best,
            "waited": self.plateau.waited,
            "evaluations": self.evaluations,
        }
        self.folder.checkpoints.save(self.step, variables_of(self.model), state)
        self._last_checkpoint = time.monotonic()
        self._saved_step = self.step
        self._forget_old_best()

    def save_last_checkpoint(self) -> None:
        """Write a checkpoint, unless that of the last step is there."""
        if self._saved_step != self.step:
            self.save_checkpoint()

    def _forget_old_best(self) -> None:
        """Delete best weights that no kept checkpoint can ask for."""
        # Every evaluation writes a checkpoint: the two kept ones are one evaluation apart at most.
        steps = [evaluation["step"] for evaluation in self.evaluations if evaluation["gain"]]
        kept = {self.folder.best_path(step) for step in steps[-2:]}
        for path in self.folder.checkpoints.folder.glob("best_*.weights.h5"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def _checkpoint_is_due(self) -> bool:
        config = self.folder.config
        if config.checkpoint_steps is not None and self.step % config.checkpoint_steps == 0:
            return True
        return time.monotonic() - self._last_checkpoint > 60 * config.checkpoint_minutes

    def load_checkpoint(self, max_step: int | None = None) -> bool:
        """Continue from the newest checkpoint that is whole.

        Returns:
            Whether there was one.
        """
        variables = variables_of(self.model)
        state = self.folder.checkpoints.load(variables, max_step, self._check_best)
        if state is None:
            return False
        self.step = state["step"]
        self.epoch_index, self.batch_index = state["epoch_index"], state["batch_index"]
        self.epoch = -(-self.step // self.steps_per_epoch)
        self.loss = state.get("loss", math.nan)
        self.best_step, self._best_digest = state["best_step"], state.get("best_digest")
        self.plateau.best, self.plateau.waited = state["best"], state["waited"]
        self.evaluations = state["evaluations"]
        self._metric_values = None
        if self.batch_index:
            self._metric_values = [to_numpy(one) for one in self.model.metrics_variables]
        return True


class _Interruptible:
    """Batches that end with an error as soon as somebody wants to stop."""

    def __init__(self, batches: Any, interrupts: Interrupts) -> None:
        self._batches = batches
        self._interrupts = interrupts

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches:
            if self._interrupts.wanted:
                raise RunInterruptedError("Stopped in an evaluation")
            yield batch
