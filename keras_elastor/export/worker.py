"""The process that makes an exported model: `python -m keras_elastor.export.worker JOB`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import keras
import numpy as np

from keras_elastor.export.artefact import Artefact
from keras_elastor.export.feature_formats import (
    ask_litert,
    ask_openvino,
    build_litert,
    build_openvino,
)
from keras_elastor.export.onnx_model import ask_onnx, build_onnx
from keras_elastor.export.saved_model import ask_saved_model, build_saved_model
from keras_elastor.export.torch_program import ask_torch_program, build_torch_program
from keras_elastor.runs.predictor import Predictor
from keras_elastor.utils.files import write_text

JOB, PREDICTOR, FEEDS, ANSWERS, RESULT = (
    "job.json",
    "predictor",
    "feeds.npz",
    "answers.npz",
    "result.json",
)
"""Names in the folder that the process is given."""

Feeds = Mapping[str, np.ndarray]
Build = Callable[[Predictor, Artefact, Path], None]
Ask = Callable[[Path, Feeds], dict[str, np.ndarray]]

FORMATS: dict[str, tuple[Build, Ask]] = {
    "onnx": (build_onnx, ask_onnx),
    "saved_model": (build_saved_model, ask_saved_model),
    "torch_export": (build_torch_program, ask_torch_program),
    "litert": (build_litert, ask_litert),
    "openvino": (build_openvino, ask_openvino),
}


def build_and_ask(
    predictor: Predictor, artefact: Artefact, folder: Path, feeds: Feeds
) -> dict[str, np.ndarray]:
    """Write an exported model, and ask what was written.

    Args:
        predictor: On the backend of the format.
        artefact: What the model is asked and answers.
        folder: An existing folder.
        feeds: Tensors of the rows to ask.

    Raises:
        ValueError: If a layer cannot be exported; the message names it.
    """
    build, ask = FORMATS[artefact.kind]
    try:
        build(predictor, artefact, folder)
    except Exception as error:
        layer = _layer_of(error)
        if layer is None:
            raise
        reason = " ".join(str(_root(error)).split())[:300]
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) cannot be exported to "
            f"{artefact.kind}: {reason}"
        ) from error
    return ask(folder, feeds)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _layer_of(error: BaseException) -> keras.layers.Layer | None:
    """The innermost layer that was being called when an error was raised."""
    found = None
    traceback: TracebackType | None = _root(error).__traceback__
    while traceback is not None:
        owner = traceback.tb_frame.f_locals.get("self")
        if isinstance(owner, keras.layers.Layer) and not isinstance(owner, keras.Model):
            found = owner
        traceback = traceback.tb_next
    return found


def main(folder: Path) -> None:
    """Do what the files of a folder say, and leave the answers, or an error, there."""
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    result: dict[str, Any] = {}
    try:
        with np.load(folder / FEEDS) as arrays:
            feeds = {
                name: array.astype(object) if array.dtype.kind == "U" else array
                for name, array in arrays.items()
            }
        target = Path(job["target"])
        predictor = Predictor.load(folder / PREDICTOR)
        answers = build_and_ask(predictor, Artefact.load(target), target, feeds)
        np.savez(folder / ANSWERS, **answers)  # type: ignore[arg-type]
    except Exception as error:
        result = {"error": type(error).__name__, "message": " ".join(str(error).split())}
        if job["debug"]:
            raise
    finally:
        write_text(folder / RESULT, json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
