"""A training run from a config: repeatable, recorded, and continued where it was stopped."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_elastor.datasets.rows import Data
from keras_elastor.metrics.evaluate import evaluate
from keras_elastor.runs.build import build_model, load_data
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.config_files import read_file
from keras_elastor.runs.diagnosis import batch_statistics, describe, first_bad_layer
from keras_elastor.runs.errors import (
    NonFiniteLossError,
    OutOfTimeError,
    RunError,
    RunInterruptedError,
)
from keras_elastor.runs.gradient_boosting import GRADIENT_BOOSTING, GradientBoosting
from keras_elastor.runs.interrupts import Interrupts, keep_interrupts
from keras_elastor.runs.pictures import draw
from keras_elastor.runs.run_callback import RunCallback
from keras_elastor.runs.run_folder import RunFolder
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.files import DiskError
from keras_elastor.utils.seeds import derive_seed

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RunResult:
    """What a finished run has found.

    Args:
        folder: The run's folder.
        steps: Training steps.
        best_step: Training steps of the best weights.
        metrics: Of the best weights, by split: `{"valid": {"auc": ...}, "test": {...}}`.
        parameters: Number of weights, `{"dense": ..., "embedding": ...}`; `{"trees": ...}` of
            gradient boosting.
        data: The rows of the run, where `run` was given them. Default: None.
    """

    folder: Path
    steps: int
    best_step: int
    metrics: dict[str, dict[str, float]]
    parameters: dict[str, int]
    data: Data | None = dataclasses.field(default=None, repr=False, compare=False)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Learning curves, calibration, ROC, gain and gAUC by group, as `ke.analysis.plot_run`.

        Args:
            path: Where to write the picture, as `.svg` and `.png`, and its numbers, as `.csv`.
                Default: None, nowhere.

        Returns:
            A matplotlib Figure.

        Raises:
            ImportError: If matplotlib or pandas is not installed.
        """
        return draw("run", self.folder, self.data, path)


@keep_interrupts()
def run(
    config: RunConfig,
    data: Data | None = None,
    verbose: bool = False,
    deadline: float = math.inf,
) -> RunResult:
    """Train a model as a config says, and keep everything in a folder.

    The folder is `config.folder / config.run_id`; see `RunFolder` for its files. A run that was
    stopped (by Ctrl-C, SIGTERM, SIGKILL or a power cut) continues from its last checkpoint when it
    is called again, and ends with the metrics of a run that was never stopped. A run that has
    finished is not repeated. On one CPU the same config gives the same `metrics.jsonl`, bit for
    bit, on each backend.

    A config of the model "gradient_boosting" trains scikit-learn's trees, the floor of comparisons.
    Their metrics and logits are kept, they themselves are not, and they begin anew when stopped.

    Args:
        config: What to run.
        data: The dataset of the config, where it has been read before. Default: read it.
        verbose: Whether to show a progress bar. Default: no.
        deadline: The value of `time.monotonic()` at which to stop, as Ctrl-C does. Default: never.

    Returns:
        The metrics of the best weights.

    Raises:
        ValueError: If the config names no dataset, model or argument that exists.
        RunInterruptedError: Ctrl-C, SIGTERM or the deadline; a checkpoint was saved.
        NonFiniteLossError: If the loss became NaN or infinite; the message says where.
        RunError: If the folder holds another run, or nothing that could be judged.
        OSError: If the disk refuses to be written.
        RuntimeError: If another process runs in the folder.

    Example:

    >>> import tempfile
    >>> config = ke.runs.RunConfig.from_dict(
    ...     {
    ...         "dataset": {
    ...             "name": "synthetic",
    ...             "arguments": {
    ...                 **{"train_rows": 512, "valid_rows": 256, "test_rows": 256},
    ...                 **{"num_categorical": 3, "num_numeric": 1},
    ...             },
    ...         },
    ...         "model": {"name": "dnn", "arguments": {"hidden_units": [8]}},
    ...         "batch_size": 128,
    ...         "epochs": 1,
    ...         "folder": tempfile.mkdtemp(),
    ...     }
    ... )
    >>> result = ke.runs.run(config)
    >>> result.steps, sorted(result.metrics["test"])
    (4, ['auc', 'gauc', 'logloss'])
    """
    folder = RunFolder(config)
    finished = folder.read_result()
    if finished is not None:
        _logger.info("%s has finished before", folder.path)
        if config.analysis is not None and config.analysis != read_config(folder.path).analysis:
            _logger.warning(
                "%s was trained without the analysis that is asked for now. Delete the folder to "
                "train again with it",
                folder.path,
            )
        return RunResult(folder.path, **finished, data=data)
    if time.monotonic() >= deadline:
        raise OutOfTimeError("The time is over before this run was begun or continued")
    rows = load_data(config) if data is None else data
    if config.model.name == GRADIENT_BOOSTING:
        return dataclasses.replace(_boost(folder, rows), data=data)
    model = _new_model(config, rows.schema)
    with folder.locked(), folder.logging(), Interrupts(deadline) as interrupts:
        try:
            folder.create(rows)
            result = _train_and_report(folder, model, rows, interrupts, verbose)
            return dataclasses.replace(result, data=data)
        except RunInterruptedError as stop:
            kind = RunInterruptedError if interrupts.pressed else OutOfTimeError
            raise kind(
                f"{stop}. A checkpoint is in {folder.path}; the same call continues from there"
            ) from None
        except (RunError, DiskError) as error:
            _logger.error("%s", error)
            raise


def load_model(folder: str | Path) -> keras.Model:
    """The model of a run's folder with its best weights, or the last ones of an unfinished run.

    Args:
        folder: The run's folder.

    Raises:
        ValueError: If there is no run, nothing was trained yet, or a file is damaged.
    """
    path = Path(folder)
    config = read_config(path)
    if config.model.name == GRADIENT_BOOSTING:
        raise ValueError(
            f"{path}: expected a run of a model. Received one of gradient boosting, the floor of "
            "comparisons, whose trees are not kept"
        )
    values = read_file(path / "schema.json")
    try:
        schema = FeatureSchema.from_config(values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path / 'schema.json'}: {error}. The file is damaged") from error
    weights = path / "best.weights.h5"
    unfinished = sorted((path / "checkpoints").glob("best_*.weights.h5"))
    if not weights.exists() and not unfinished:
        raise ValueError(f"{path}: this run was not evaluated yet, so that it has no weights")
    model = build_model(config, schema)
    weights = weights if weights.exists() else unfinished[-1]
    try:
        model.load_weights(weights)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{weights}: expected the weights of this run. The file is damaged or of another model "
            f"({error}). Delete {path} and train again"
        ) from error
    return model


def read_config(folder: str | Path) -> RunConfig:
    """The config of a run's folder.

    Raises:
        ValueError: If there is no run, or its config is damaged or of another version.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise ValueError(
            f"{folder}: expected the folder of a run, with a config.json. There is none"
        )
    return RunConfig.from_file(path)


def _new_model(config: RunConfig, schema: FeatureSchema) -> keras.Model:
    """A compiled model whose weights and dropout follow from the seed."""
    keras.utils.set_random_seed(config.seed)
    model = build_model(config, schema)
    config.protocol.compile(model)
    return model


def _train_and_report(
    folder: RunFolder, model: keras.Model, data: Data, interrupts: Interrupts, verbose: bool
) -> RunResult:
    config = folder.config
    steps_per_epoch = -(-len(data.train) // config.batch_size)
    steps = config.epochs * steps_per_epoch
    callback = RunCallback(
        folder,
        data.valid.dataset(config.batch_size, with_group=True),
        steps_per_epoch,
        interrupts,
    )
    if callback.every is not None and callback.every > steps:
        raise ValueError(
            f"'protocol.evaluate_every': expected at most the {steps} steps of this run, or it "
            f"would never be evaluated. Received: {callback.every}"
        )
    callback.set_model(model)
    if callback.load_checkpoint():
        _logger.info("Continuing %s from step %d", folder.path, callback.step)
        folder.write_evaluations(callback.evaluations)
        callback.evaluate_if_missed()
    else:
        _logger.info("Starting %s", folder.path)
        # What comes before the first step is the ground on which a NaN is looked into.
        callback.save_checkpoint()
    watchers = [] if config.analysis is None else [config.analysis.callback(callback, data)]
    try:
        _fit(callback, data, config.epochs, verbose, watchers)
    except NonFiniteLossError as error:
        raise _look_into(error, callback, data) from None
    # What follows takes long on many rows; stopped there, no step is trained again.
    callback.save_last_checkpoint()
    return _report(folder, model, data, callback)


def _fit(
    callback: RunCallback,
    data: Data,
    epochs: int,
    verbose: bool = False,
    watchers: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train on from where the callback is."""
    config, model = callback.folder.config, callback.model
    while callback.epoch_index < epochs and not callback.plateau.is_over:
        epoch = callback.epoch_index
        model.fit(
            train_batches(config, data, epoch).skip(callback.batch_index),
            initial_epoch=epoch,
            epochs=epoch + 1,
            callbacks=[callback, *watchers],
            verbose=1 if verbose else 0,
        )
        if callback.step == callback.stop_at:
            return


def _look_into(error: NonFiniteLossError, callback: RunCallback, data: Data) -> RunError:
    """Train again up to the step in which the loss became NaN, and look for the first layer."""
    folder, step = callback.folder, callback.step + 1
    callback.load_checkpoint(max_step=callback.step)
    callback.stop_at = step - 1
    try:
        if callback.step < callback.stop_at:
            _fit(callback, data, folder.config.epochs)
    except NonFiniteLossError:
        return error
    batches = train_batches(folder.config, data, callback.epoch_index)
    features, labels, *_ = next(batches.skip(callback.batch_index).as_numpy_iterator())
    statistics = batch_statistics(features, labels)
    where = first_bad_layer(callback.model, features)
    folder.write_json("nan.json", {"step": step, "where": where, "batch": statistics})
    return describe(step, where, statistics, folder.path / "nan.json")


def train_batches(config: RunConfig, data: Data, epoch: int) -> Any:
    """The batches of one epoch; their order follows from the seed and the epoch."""
    seed = derive_seed(config.seed, "epoch", epoch)
    # Keras may look at a batch before it begins: the second pass must give the same order.
    return data.train.dataset(config.batch_size, shuffle=True, seed=seed, reshuffle=False)


def _report(folder: RunFolder, model: keras.Model, data: Data, callback: RunCallback) -> RunResult:
    if callback.best_step is None:
        monitor = ", ".join(callback.monitor)
        raise RunError(
            f"No evaluation of this run gave a value of the monitored {monitor}: see "
            f"{folder.path / 'metrics.jsonl'}. Do the validation rows hold clicks and non-clicks?"
        )
    folder.save_weights(model, folder.path / "last.weights.h5")
    callback.restore_best()
    folder.save_weights(model, folder.path / "best.weights.h5")
    evaluation = next(e for e in callback.evaluations if e["step"] == callback.best_step)
    metrics = {}
    others = {"step", "epoch", "learning_rate", "loss", "monitor", "gain"}
    metrics["valid"] = {k: v for k, v in evaluation.items() if k not in others}
    parameters = {
        "dense": model.count_dense_params(),
        "embedding": model.count_embedding_params(),
    }
    return _finish(
        folder,
        model,
        data,
        {
            "steps": callback.step,
            "best_step": callback.best_step,
            "metrics": metrics,
            "parameters": parameters,
        },
        callback.interruptible,
    )


def _boost(folder: RunFolder, data: Data) -> RunResult:
    """Train trees, and keep what is known of them as of a model."""
    config = folder.config
    trees = GradientBoosting(data.schema, config.seed, config.model.arguments)
    with folder.locked(), folder.logging():
        folder.create(data)
        _logger.info("Starting %s", folder.path)
        trees.fit(data)
        found: dict[str, Any] = {
            "steps": trees.num_trees,
            "best_step": trees.num_trees,
            "metrics": {"valid": evaluate(trees, data.valid)},
            "parameters": {"trees": trees.num_trees},
        }
        return _finish(folder, trees, data, found, lambda batches: batches)


def _finish(
    folder: RunFolder,
    model: Any,
    data: Data,
    result: dict[str, Any],
    interruptible: Callable[[Any], Any],
) -> RunResult:
    """Measure the test rows, and write what makes a run a finished one."""
    metrics = result["metrics"]
    if len(data.test):
        batches = data.test.dataset(folder.config.batch_size, with_group=True)
        metrics["test"] = evaluate(model, interruptible(batches))
    batches = getattr(data, data.judged).dataset(folder.config.batch_size)
    folder.write_logits(_logits(model, interruptible(batches)))
    folder.write_text("table.md", _table(metrics))
    folder.write_json("result.json", result)
    shutil.rmtree(folder.checkpoints.folder, ignore_errors=True)
    _logger.info("Finished %s", folder.path)
    return RunResult(folder.path, **result)


def _logits(model: Any, batches: Any) -> np.ndarray:
    rows = [
        np.asarray(model.predict_on_batch({k: v.numpy() for k, v in batch[0].items()}))
        for batch in batches
    ]
    return np.concatenate(rows).astype(np.float32)


def _table(metrics: dict[str, dict[str, float]]) -> str:
    """Metrics as a Markdown table, a line for each split."""
    names = list(next(iter(metrics.values())))
    lines = ["| split | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for split, values in metrics.items():
        lines.append(f"| {split} | " + " | ".join(f"{values[n]:.6f}" for n in names) + " |")
    return "\n".join(lines) + "\n"
