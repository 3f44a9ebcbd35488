"""Checkpoints: the whole state of a training in one file, written at once or not at all."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_elastor.keras_compat.optimizer_state import build_optimizer
from keras_elastor.runs.errors import RunError
from keras_elastor.utils.files import atomic_file, make_folder

_KEPT = 2
_NAME = re.compile(r"step_(\d+)\.npz")

_logger = logging.getLogger(__name__)


def variables_of(model: keras.Model) -> list[Any]:
    """All that changes while a compiled model trains.

    Weights, states of random generators, the optimizer's moments, its step and learning rate, the
    sums of the metrics.
    """
    build_optimizer(model)
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


class Checkpoints:
    """The checkpoints of one run; the last two are kept.

    Args:
        folder: Where they lie; made with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, step: int, variables: Sequence[Any], state: dict[str, Any]) -> None:
        """Write a checkpoint and delete all but the last two.

        Args:
            step: Number of training steps so far.
            variables: Keras variables.
            state: What else there is, as plain values.

        Raises:
            DiskError: If the disk refuses; the checkpoints before are still there.
        """
        make_folder(self.folder)
        arrays: dict[str, Any] = {
            f"{i:05d}": to_numpy(variable) for i, variable in enumerate(variables)
        }
        text = json.dumps({**state, "dtypes": [str(array.dtype) for array in arrays.values()]})
        with atomic_file(self.folder / f"step_{step:010d}.npz") as file:
            np.savez(file, state=np.array(text), **arrays)
        for path in self.paths()[_KEPT:]:
            with contextlib.suppress(OSError):
                path.unlink()

    def paths(self) -> list[Path]:
        """The files, newest first."""
        return sorted(
            (path for path in self.folder.glob("step_*.npz") if _NAME.fullmatch(path.name)),
            reverse=True,
        )

    def load(
        self,
        variables: Sequence[Any],
        max_step: int | None = None,
        check: Callable[[dict[str, Any]], None] = lambda state: None,
    ) -> dict[str, Any] | None:
        """Fill variables from the newest checkpoint that is whole.

        A damaged one is passed over with a warning in the log.

        Args:
            variables: The variables that were saved, in the same order.
            max_step: Take no later checkpoint.
            check: Raises ValueError if a state cannot be used.

        Returns:
            The state that was saved; None if there is no checkpoint.

        Raises:
            RunError: If there are checkpoints, but none that is whole, or it is that of another
                model.
        """
        paths, reason = self.paths(), ""
        for path in paths:
            if max_step is not None and _step_of(path) > max_step:
                continue
            try:
                arrays, state = _read(path)
                check(state)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                _logger.warning("Checkpoint %s is damaged (%s): trying the one before", path, error)
                reason = f" ({error})"
                continue
            _assign(variables, arrays, path)
            return state
        if paths:
            raise RunError(
                f"None of the checkpoints in {self.folder} can be used{reason}. "
                "Delete the folder to start this run anew"
            )
        return None


def _step_of(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else 0


def to_numpy(variable: Any) -> np.ndarray:
    """The value of a variable; the sum of all replicas where each has a part of it."""
    # By a tensor: numpy does not get those parts, such as the total of a loss, out of TensorFlow.
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable)))


def _read(path: Path) -> tuple[list[np.ndarray], dict[str, Any]]:
    """All of a file; whatever is wrong with it raises."""
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
        if broken is not None:
            raise ValueError(f"wrong checksum of {broken}")
    with np.load(path) as file:
        state: dict[str, Any] = json.loads(str(file["state"]))
        dtypes = state.pop("dtypes")
        # numpy does not know the names of narrow floats and gives their bytes.
        arrays = [
            file[f"{i:05d}"].view(keras.backend.standardize_dtype(dtype))
            if file[f"{i:05d}"].dtype.kind == "V"
            else file[f"{i:05d}"]
            for i, dtype in enumerate(dtypes)
        ]
    return arrays, state


def _assign(variables: Sequence[Any], arrays: Sequence[np.ndarray], path: Path) -> None:
    expected = [tuple(variable.shape) for variable in variables]
    received = [array.shape for array in arrays]
    if expected != received:
        raise RunError(
            f"Checkpoint {path} is of another model: expected {len(expected)} variables, received "
            f"{len(received)}, or of other shapes. Delete the folder to start this run anew"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
