"""Runs on a table of one's own: from a data frame to a kept result in a few lines."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.data import EncodedTable, Split
from keras_elastor.data.reading.raw_rows import Rows
from keras_elastor.datasets.rows import Data
from keras_elastor.datasets.table import data_of
from keras_elastor.runs.config import Named, RunConfig
from keras_elastor.runs.gradient_boosting import GRADIENT_BOOSTING, has_trees
from keras_elastor.runs.runner import RunResult, run
from keras_elastor.training.keras_protocol import KerasProtocol
from keras_elastor.training.protocol import Protocol
from keras_elastor.utils.files import hash_bytes, hash_text

MODELS = ("deep_fm", "dnn", "rank_elastor")
"""Compared with the floor where no models are named: two fast baselines, the scaling model."""

EPOCHS = 20

_logger = logging.getLogger(__name__)

# Of the steps of an epoch there should be about a hundred, in batches that a processor likes.
_STEPS, _MIN_BATCH, _MAX_BATCH = 100, 64, 4096


def default_protocol() -> KerasProtocol:
    """How a table of one's own is trained on, unless one says otherwise.

    No constant: a protocol makes its optimizer to check it, which starts TensorFlow, and whoever
    imports this package may still have to say which devices it sees.
    """
    return KerasProtocol(loss=None)


def train(
    data: Data | EncodedTable,
    model: str = "deep_fm",
    arguments: Mapping[str, Any] | None = None,
    valid: Rows | None = None,
    test: Rows | None = None,
    protocol: Protocol | None = None,
    batch_size: int | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    folder: str | Path = "runs",
    verbose: bool = False,
) -> RunResult:
    """Train a model on a table of one's own, and keep everything in a folder, as `run` does.

    Training ends when the validation AUC has not grown for two epochs; the best weights are kept.
    A run that was stopped continues when it is called again with the same rows and arguments.
    `ke.Predictor.from_run(result.folder)` takes raw rows.

    Args:
        data: What `ke.datasets.from_table` returned, or, with `valid`, `ke.data.from_dataframe`.
        model: Name of a model or preset, see `ke.models.list_models()`. Default: "deep_fm".
        arguments: Of the model. Default: its own.
        valid: Raw rows to choose by, where `data` has only training rows.
        test: Raw rows to report on, likewise. Default: none.
        protocol: How to train. Default: `KerasProtocol(loss=None)`: Adam, and the loss of the
            label's kind.
        batch_size: Rows per step. Default: a power of two from 64 to 4,096 that gives an epoch
            about 100 steps.
        epochs: Passes over the training rows, at most. Default: 20.
        seed: Of the weights, the order of the rows and dropout. Default: 0.
        folder: Holds the folders of runs. Default: "runs".
        verbose: Whether to show a progress bar.

    Example:

    >>> import tempfile
    >>> rows = {"item": ["a", "b"] * 100, "price": list(range(200)), "click": [0, 1, 1, 0] * 50}
    >>> data = ke.datasets.from_table(rows, label="click", numeric=["price"])
    >>> result = ke.runs.train(data, epochs=1, folder=tempfile.mkdtemp())
    >>> predictor = ke.Predictor.from_run(result.folder)
    >>> predictor.predict({"item": ["a"], "price": [3]})["click"].shape
    (1,)

    Raises:
        ValueError: If `data` has no validation rows and `valid` is missing; or as for `run`.
        RunError: As for `run`.
    """
    rows = encoded_rows(data, valid, test)
    [config] = own_configs(rows, [model], protocol, batch_size, epochs, folder, arguments, seed)
    return run(config, rows, verbose)


def default_models(floor: bool = True) -> list[str]:
    """What is compared on one's own table where no models are named.

    Args:
        floor: Whether gradient boosting is the first of them. It is left out, with a warning, where
            scikit-learn is not installed.
    """
    if floor and has_trees():
        return [GRADIENT_BOOSTING, *MODELS]
    if floor:
        _logger.warning(
            "Gradient boosting, the floor of the comparison, is left out, as scikit-learn is not "
            'installed. Install it with: pip install "keras-elastor[trees]"'
        )
    return list(MODELS)


def own_configs(
    rows: Data,
    models: Sequence[str] | None,
    protocol: Protocol | None,
    batch_size: int | None,
    epochs: int | None,
    folder: str | Path | None,
    arguments: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> list[RunConfig]:
    """A config for each model; None is the default of `train` and `compare`."""
    if models is None:
        # Trees are of one label.
        models = default_models(floor=rows.schema.num_tasks == 1)
    # The rows themselves are not in the config: what tells them from others is.
    dataset = Named("own_rows", {"rows": len(rows.train), "sha256": _digest(rows)})
    return [
        RunConfig(
            dataset,
            Named(model, dict(arguments or {})),
            default_protocol() if protocol is None else protocol,
            fitting_batch_size(len(rows.train)) if batch_size is None else batch_size,
            EPOCHS if epochs is None else epochs,
            seed,
            folder="runs" if folder is None else str(folder),
        )
        for model in models
    ]


def fitting_batch_size(rows: int) -> int:
    """A power of two from 64 to 4,096 that gives an epoch of so many rows about 100 steps.

    Example:

    >>> from keras_elastor.runs.own_table import fitting_batch_size
    >>> fitting_batch_size(1000), fitting_batch_size(39_000), fitting_batch_size(10_000_000)
    (64, 512, 4096)
    """
    steps = max(rows / _STEPS, 1)
    return int(np.clip(2 ** round(np.log2(steps)), _MIN_BATCH, _MAX_BATCH))


def encoded_rows(data: Data | EncodedTable, valid: Rows | None, test: Rows | None) -> Data:
    """The rows of one's own table, split and encoded.

    Raises:
        ValueError: If they are neither, or there are no rows to choose by.
    """
    if isinstance(data, Data):
        if valid is not None or test is not None:
            raise ValueError(
                "Expected `valid` and `test` beside the training rows of ke.data.from_dataframe. "
                "Received: them beside rows that are split already"
            )
        return data
    if not isinstance(data, EncodedTable):
        raise ValueError(
            "Expected what ke.datasets.from_table or ke.data.from_dataframe returned. Received: "
            f"{type(data).__name__}. Write ke.datasets.from_table(rows, label=...)"
        )
    if valid is None:
        raise ValueError(
            "Expected `valid`, raw rows to choose the best weights by. "
            "ke.datasets.from_table splits a table into rows for training, validation and test"
        )
    return data_of(data, valid, test)


def _digest(rows: Data) -> str:
    """SHA-256 of all encoded rows, shortened."""
    parts = []
    for split in (rows.train, rows.valid, rows.test):
        if not isinstance(split, Split):
            raise ValueError(
                "Expected rows in memory, as ke.datasets.from_table gives them. Received: "
                f"{type(split).__name__}. Name the dataset in the config of a run instead"
            )
        for name, values in [*sorted(split.columns.items()), ("", split.labels)]:
            parts.append(f"{name}\0{hash_bytes(np.ascontiguousarray(values).tobytes())}")
    return hash_text("\n".join(parts))[:16]
