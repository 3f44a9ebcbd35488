"""The folder in which a run is kept."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import logging
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_elastor.training.checkpoint import Checkpoints, atomic_file
from keras_elastor.training.config import RunConfig
from keras_elastor.training.errors import RunError, writing
from keras_elastor.training.parts import Data
from keras_elastor.version import __version__

_logger = logging.getLogger(__name__)

_PACKAGES = ("keras", "numpy", "tensorflow", "jax", "torch", "polars")


class RunFolder:
    """Files of a run.

    | file | what |
    |---|---|
    | `config.json`, `schema.json`, `versions.json` | what was run, on what, by what |
    | `vocabularies.json` | ids of the values of the dataset, where it has such |
    | `metrics.jsonl` | one line for each evaluation |
    | `best.weights.h5`, `last.weights.h5` | weights for `model.load_weights` |
    | `log.txt`, `tensorboard/` | what happened when; events where TensorBoard is installed |
    | `logits.npy` | logits for the test rows, or, without such, the validation rows |
    | `result.json`, `table.md` | metrics of the best weights; the run is finished |
    | `checkpoints/` | to continue; deleted when finished |

    Args:
        config: config of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.path = Path(config.folder) / config.run_id
        self.checkpoints = Checkpoints(self.path / "checkpoints")

    def create(self, data: Data) -> None:
        """Make the folder and write down what is run.

        Raises:
            RunError: the disk refuses, or the folder holds a run on data of another schema.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        text = data.schema.to_json()
        present = self.path / "schema.json"
        if present.exists() and json.loads(present.read_text()) != json.loads(text):
            raise RunError(
                f"{present} differs from the schema of the dataset: the data have changed since "
                "this run was started. Delete the folder to start it anew"
            )
        self.write_json("config.json", self.config.to_dict())
        self.write_text("schema.json", text + "\n")
        if data.vocabularies:
            configs = {name: words.get_config() for name, words in data.vocabularies.items()}
            self.write_json("vocabularies.json", configs)
        versions = _versions()
        present = self.path / "versions.json"
        if not present.exists():
            self.write_json("versions.json", {"started": _now(), **versions})
        elif not versions.items() <= json.loads(present.read_text()).items():
            _logger.warning("This run was started elsewhere or with other versions: %s", present)

    def write_text(self, name: str, text: str) -> None:
        """Write a file of the folder, all of it or nothing."""
        with atomic_file(self.path / name) as file:
            file.write(text.encode())

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
        # Keras insists on this end of a name.
        temporary = path.with_name(f".part_{path.name}")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                model.save_weights(temporary, overwrite=True)
                with open(temporary, "rb+") as file:
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise

    def read_result(self) -> dict[str, Any] | None:
        """What a finished run has written; None while it is not finished."""
        path = self.path / "result.json"
        if not path.exists():
            return None
        result: dict[str, Any] = json.loads(path.read_text())
        return result

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Inside this context no other process runs in this folder; a killed one frees it.

        Raises:
            RunError: another process does.
        """
        try:
            import fcntl
        except ImportError:  # Windows has none.
            yield
            return
        with writing(self.path):
            file = open(self.path / ".lock", "w")  # noqa: SIM115 - closed below.
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise RunError(f"Another process is running {self.path}. Wait until it ends") from error
        finally:
            file.close()

    @contextlib.contextmanager
    def logging(self) -> Iterator[None]:
        """Inside this context, what the package logs goes into `log.txt`."""
        logger = logging.getLogger("keras_elastor")
        with writing(self.path):
            handler = logging.FileHandler(self.path / "log.txt", encoding="utf-8")
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
            handler.close()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, Any]:
    versions = {"keras_elastor": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "backend": keras.backend.backend(),
        "machine": platform.platform(),
        "versions": versions,
    }
