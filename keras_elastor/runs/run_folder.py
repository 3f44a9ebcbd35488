"""The folder in which a run is kept."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.datasets.rows import Data
from keras_elastor.runs.checkpoint import Checkpoints
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.config_files import read_file
from keras_elastor.runs.errors import RunError
from keras_elastor.runs.tensorboard import Events
from keras_elastor.utils.files import (
    atomic_file,
    atomic_path,
    describe_versions,
    disk_errors,
    locked,
    make_folder,
    write_text,
)

PREPROCESSOR = "preprocessor"
"""Folder of the preprocessor, in the folder of a run."""

_SCHEMA = "schema.json"

# HDF5 takes about 2 KiB for each array, and 8 KiB for a file.
_NOTES_BYTES = 4096

_logger = logging.getLogger(__name__)


class RunFolder:
    """Files of a run.

    | file | what |
    |---|---|
    | `config.json`, `schema.json`, `versions.json` | what was run, on what, by what |
    | `preprocessor/` | what becomes of raw values, if known; see `Preprocessor.save` |
    | `metrics.jsonl` | one line for each evaluation |
    | `ranks.jsonl` | effective ranks while it trained, where the config asks for an `analysis` |
    | `best.weights.h5`, `last.weights.h5` | weights for `model.load_weights` |
    | `log.txt`, `tensorboard/` | what happened when; events where TensorBoard is installed |
    | `logits.npy` | logits for the test rows, or, without such, the validation rows |
    | `result.json`, `table.md` | metrics of the best weights; the run is finished |
    | `checkpoints/` | to continue; deleted when finished |

    Args:
        config: Config of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.path = Path(config.folder) / config.run_id
        self.checkpoints = Checkpoints(self.path / "checkpoints")
        self.events = Events(self.path / "tensorboard")

    def create(self, data: Data) -> None:
        """Write down what is run, in a folder that is locked.

        Raises:
            RunError: If the folder holds a run on other data.
            DiskError: If the disk refuses.
        """
        require_same_data(self.path, data)
        self.write_json("config.json", self.config.to_dict())
        self.write_json(_SCHEMA, json.loads(data.schema.to_json()))
        if data.preprocessor is not None and not (self.path / PREPROCESSOR).exists():
            data.preprocessor.save(self.path / PREPROCESSOR)
        versions = describe_versions()
        present = self.path / "versions.json"
        if not present.exists():
            self.write_json("versions.json", {"started": _now(), **versions})
        elif not versions.items() <= _read_json(present).items():
            _logger.warning("This run was started elsewhere or with other versions: %s", present)

    def write_text(self, name: str, text: str) -> None:
        """Write a file of the folder, all of it or nothing."""
        write_text(self.path / name, text)

    def write_json(self, name: str, value: Any) -> None:
        """Write plain values."""
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def write_evaluations(self, evaluations: Sequence[Mapping[str, Any]]) -> None:
        """Write the metrics of all evaluations so far, one line each."""
        self.write_text("metrics.jsonl", "".join(json.dumps(e) + "\n" for e in evaluations))

    def write_logits(self, logits: np.ndarray) -> None:
        """Write the logits of the rows that models are compared on."""
        with atomic_file(self.path / "logits.npy") as file:
            np.save(file, logits)

    def best_path(self, step: int) -> Path:
        """Weights that were best at that step, while the run is not finished."""
        return self.checkpoints.folder / f"best_{step:010d}.weights.h5"

    def save_weights(self, model: keras.Model, path: Path) -> None:
        """Write the weights of a model, all of them or nothing."""
        make_folder(path.parent)
        with atomic_path(path, _bytes_of_weights(model)) as temporary:
            model.save_weights(temporary, overwrite=True)

    def read_result(self) -> dict[str, Any] | None:
        """What a finished run has written; None while it is not finished."""
        path = self.path / "result.json"
        if not path.exists():
            return None
        result = _read_json(path)
        if not {"steps", "best_step", "metrics", "parameters"} == set(result):
            raise RunError(f"{path} is damaged: delete the folder to start anew")
        return result

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder; inside this context no other process runs in it. A killed one frees it.

        Raises:
            RuntimeError: If another process does.
            DiskError: If the disk refuses.
        """
        with locked(self.path):
            yield

    @contextlib.contextmanager
    def logging(self) -> Iterator[None]:
        """Inside this context, what the package logs goes into `log.txt`."""
        logger = logging.getLogger("keras_elastor")
        with disk_errors(self.path):
            handler = _LogFile(self.path / "log.txt", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        level = logger.level
        logger.addHandler(handler)
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            with contextlib.suppress(OSError):
                handler.close()


def _bytes_of_weights(model: keras.Model) -> int:
    """What a file of the weights takes at most, with the optimizer's state and HDF5's own notes."""
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *(optimizer.variables if optimizer else ())]
    values: int = sum(math.prod(v.shape) * (8 if "64" in v.dtype else 4) for v in variables)
    return values + _NOTES_BYTES * (len(variables) + 4)


class _LogFile(logging.FileHandler):
    """A log that may lose lines: a disk that refuses stops the run by what it cannot do without."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name of logging.
        """Print no traceback."""


def require_same_data(folder: Path, data: Data) -> None:
    """Raise RunError if a run was started on data of another schema or other ids."""
    schema = folder / _SCHEMA
    changed = []
    if schema.exists() and _read_json(schema) != json.loads(data.schema.to_json()):
        changed.append(schema)
    saved = folder / PREPROCESSOR
    if saved.exists() and (
        data.preprocessor is None or _read_preprocessor(saved) != data.preprocessor
    ):
        changed.append(saved)
    if changed:
        raise RunError(
            f"{changed[0]} differs from that of the dataset: the data have changed since this run "
            "was started. Give the data of the run, or delete its folder to start it anew"
        )


def _read_preprocessor(folder: Path) -> Preprocessor:
    try:
        return Preprocessor.load(folder)
    except (ValueError, FileNotFoundError) as error:
        raise RunError(f"{error}. The file is damaged: delete the folder to start anew") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_file(path)
    except ValueError as error:
        raise RunError(f"{error}. The file is damaged: delete the folder to start anew") from error


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
