"""`ke.export`: a predictor as one artefact that needs neither Keras nor this package."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.data.reading.raw_rows import Rows, to_polars
from keras_elastor.export.artefact import ARTEFACT, FEATURE_FORMATS, Artefact
from keras_elastor.export.dry_ops import DryOps
from keras_elastor.export.feeds import make_feeds
from keras_elastor.export.graph_ops import GraphOps, Value
from keras_elastor.export.onnx_model import ask_onnx
from keras_elastor.export.onnx_ops import OnnxOps
from keras_elastor.export.raw_encoding import RawEncoder
from keras_elastor.export.raw_inputs import raw_inputs
from keras_elastor.export.reduced_onnx import EMBEDDINGS, QUANTIZATIONS, reduce_onnx
from keras_elastor.export.sample_quality import SampleQuality
from keras_elastor.export.sample_rows import Columns, sample_rows
from keras_elastor.export.tensorflow_ops import TensorFlowOps
from keras_elastor.export.torch_ops import TorchOps
from keras_elastor.export.verification import (
    TOLERANCE,
    Reduction,
    Verification,
    compare_answers,
)
from keras_elastor.export.worker import ANSWERS, FEEDS, JOB, PREDICTOR, RESULT
from keras_elastor.runs.predictor import Predictor
from keras_elastor.utils.files import atomic_folder, write_text
from keras_elastor.utils.optional import import_optional

_OPS: dict[str, type[GraphOps]] = {
    "onnx": OnnxOps,
    "saved_model": TensorFlowOps,
    "torch_export": TorchOps,
}
_BACKENDS = {
    "onnx": "torch",
    "saved_model": "tensorflow",
    "torch_export": "torch",
    "litert": "tensorflow",
    "openvino": "tensorflow",
}
# What the exporting process imports, and the extra that installs it.
_NEEDED = {
    "onnx": (("torch", "torch"), ("onnx", "export"), ("onnxscript", "export")),
    "saved_model": (("tensorflow", "tensorflow"),),
    "torch_export": (("torch", "torch"),),
    "litert": (("tensorflow", "tensorflow"),),
    "openvino": (("tensorflow", "tensorflow"), ("openvino", "openvino")),
}
_ERRORS = {"ImportError": ImportError, "ModuleNotFoundError": ImportError, "OSError": OSError}


def export(
    predictor: Predictor,
    path: str | os.PathLike[str],
    format: str = "onnx",
    rows: int = 512,
    seed: int = 0,
    quantize: str | None = None,
    embeddings: str = "float32",
    sample: Rows | None = None,
    user: Sequence[str] = (),
) -> Verification:
    """Write a predictor as one artefact: raw rows in, probabilities out.

    Encoding is a part of it, as the predictor does it: what it answers is compared with
    `Predictor.predict` before it is written. The model is rebuilt on the backend that exports best,
    whichever it was trained on, in a process of its own.

    | format | file | asked by |
    |---|---|---|
    | "onnx" | `model.onnx`, standard operators only | ONNX Runtime |
    | "saved_model" | `1/`, with `serving_default` and a file for each table | TensorFlow, TensorFlow Serving |
    | "torch_export" | `model.pt2`; no column may be text | PyTorch |
    | "litert" | `model.tflite` for encoded rows, `preprocessor/` that encodes them | LiteRT |
    | "openvino" | `model.xml`, `model.bin` for encoded rows, `preprocessor/` | OpenVINO |

    Beside it are `artefact.json`, which says what the inputs and outputs are, and `verify.json`.

    Args:
        predictor: A trained model with its preprocessor.
        path: A new folder, or one of an earlier artefact, which is replaced.
        format: One of the table above. Default: "onnx".
        rows: Number of raw rows that are compared. Default: 512.
        seed: Of these rows. Default: 0.
        quantize: "int8" stores the matrices of an ONNX model as 8 bits, by column, and computes
            with them so (ONNX Runtime's dynamic quantization). Default: None, float32.
        embeddings: "float16" or "int8" (with a scale for each row) stores the tables of an ONNX
            model so. Default: "float32".
        sample: Raw rows with labels, on which the AUC before and after fewer bits is measured;
            `quantize` needs it. Default: None.
        user: Raw columns that are the same for all candidates of a user. An ONNX model takes one
            row of these beside any number of candidates, and reads them once. Default: none.

    Returns:
        What was compared: `max_difference`, `worst_row` and others, as in `verify.json`. It is of
        the float32 model; what fewer bits change after that is measured in `reduced`.

    Example:

    >>> rows = [{"item": "a", "click": 1}, {"item": "b", "click": 0}]
    >>> data = ke.data.from_dataframe(rows, label="click")
    >>> predictor = ke.Predictor(ke.models.LogisticRegression(data.schema), data.preprocessor)
    >>> ke.export(predictor, "click_model", format="onnx").passed  # doctest: +SKIP
    True

    Raises:
        ValueError: If a column or a layer cannot be expressed in the format, by its name; or if an
            answer differs by more than 1e-5, with the row. Nothing is written.
        FileExistsError: If the folder holds something else.
        ImportError: If a package is missing; the message says which.
        OSError: If the disk refuses to be written.
    """  # noqa: E501 - the rows of a table do not break
    if format not in _BACKENDS:
        raise ValueError(
            f"Expected `format` to be one of {', '.join(_BACKENDS)}. Received: format={format!r}"
        )
    if not isinstance(rows, int) or rows < 1:
        raise ValueError(f"Expected `rows` of at least 1. Received: rows={rows!r}")
    _check_options(format, quantize, embeddings, sample, user)
    for module, extra in _NEEDED[format]:
        import_optional(module, extra=extra)
    if format == "onnx":
        import_optional("onnxruntime", extra="export")
    preprocessor = predictor.preprocessor
    quality = None if sample is None else SampleQuality(predictor, sample)
    artefact = Artefact.of(preprocessor, format, predictor.card, user)
    if format in _OPS:
        require_expressible(preprocessor, artefact, _OPS[format])
    drawn = sample_rows(preprocessor, raw_inputs(preprocessor), rows, seed)
    columns, expected = _questions(predictor, drawn)
    if not columns:
        raise ValueError(
            f"Expected some of {rows} drawn rows to be right. The predictor refuses them all, so "
            "that there is nothing to compare. Draw more by `rows`"
        )
    feeds = _feeds(preprocessor, artefact, columns)
    with atomic_folder(path, ARTEFACT) as folder:
        artefact.save(folder)
        answers = _in_own_process(predictor, format, folder, feeds)
        found = compare_answers(artefact, columns, rows, expected, answers)
        _require_equal(path, found)
        if user:
            _require_equal(path, _compare_candidates(predictor, artefact, folder, columns))
        if (quantize, embeddings) != (None, "float32"):
            reduce_onnx(folder, quantize, embeddings)
            answers = ask_onnx(folder, feeds)
            after = compare_answers(artefact, columns, rows, expected, answers)
            reduced = Reduction(
                quantize,
                embeddings,
                after.max_difference,
                {} if quality is None else quality.before,
                {} if quality is None else quality.after(artefact, folder),
            )
            found = dataclasses.replace(found, reduced=reduced)
        found.save(folder)
    return found


def _questions(predictor: Predictor, columns: Columns) -> tuple[Columns, dict[str, np.ndarray]]:
    """Those of raw rows that the predictor has an answer to, and its answers; none without one."""
    if not next(iter(columns.values())):
        return {}, {}
    # Not `predict`, which warns of rows that are unlike those of training: these shall be.
    features, _ = predictor.preprocessor.encode(to_polars(columns))
    expected = predictor.predict_features(features)
    # A number that is too large for the network itself is no question either.
    kept = np.flatnonzero(np.all([np.isfinite(values) for values in expected.values()], axis=0))
    if not len(kept):
        return {}, {}
    chosen = {name: [values[row] for row in kept] for name, values in columns.items()}
    return chosen, {name: values[kept] for name, values in expected.items()}


def _feeds(
    preprocessor: Preprocessor, artefact: Artefact, columns: Columns
) -> dict[str, np.ndarray]:
    if artefact.kind not in FEATURE_FORMATS:
        return make_feeds(artefact.inputs, columns)
    features, _ = preprocessor.encode(to_polars(columns))
    return {entry.tensor: features[entry.name] for entry in artefact.inputs}


def _compare_candidates(
    predictor: Predictor, artefact: Artefact, folder: Path, columns: Columns
) -> Verification:
    """Compare the answers for the rows as candidates of one user, the user of the first row."""
    rows = len(next(iter(columns.values())))
    of_user = {entry.name for entry in artefact.inputs if entry.of_user}
    columns = {
        name: values[:1] * rows if name in of_user else values for name, values in columns.items()
    }
    columns, expected = _questions(predictor, columns)
    given = {name: values[:1] if name in of_user else values for name, values in columns.items()}
    answers = ask_onnx(folder, make_feeds(artefact.inputs, given))
    return compare_answers(artefact, columns, rows, expected, answers)


def _require_equal(path: str | os.PathLike[str], found: Verification) -> None:
    if not found.passed:
        raise ValueError(
            f"{path}: not written, as its answers differ by {found.max_difference:.3g}, more "
            f"than {TOLERANCE:g}. Row: {found.worst_row}. Expected: {found.expected}. "
            f"Received: {found.received}"
        )


def _check_options(
    format: str,
    quantize: str | None,
    embeddings: str,
    sample: Rows | None,
    user: Sequence[str],
) -> None:
    for argument, value, known in (
        ("quantize", quantize, QUANTIZATIONS),
        ("embeddings", embeddings, EMBEDDINGS),
    ):
        if value not in known:
            raise ValueError(
                f"Expected `{argument}` to be one of {', '.join(map(repr, known))}. Received: "
                f"{argument}={value!r}"
            )
    if format != "onnx" and (quantize, embeddings) != (None, "float32"):
        raise ValueError(
            f'Expected format="onnx" with fewer bits than float32. Received: format={format!r}, '
            f"quantize={quantize!r}, embeddings={embeddings!r}"
        )
    if format != "onnx" and user:
        raise ValueError(
            f'Expected format="onnx" with columns of a user. Received: format={format!r}, '
            f"user={user!r}"
        )
    if quantize is not None and sample is None:
        raise ValueError(
            "Expected `sample`, raw rows with labels, as `quantize` changes the AUC. Received: None"
        )


def require_expressible(
    preprocessor: Preprocessor, artefact: Artefact, kind: type[GraphOps]
) -> None:
    """Raise ValueError if the format cannot express a column."""
    ops = DryOps(kind)
    raw = {entry.name: Value(ops, None, entry.dtype) for entry in artefact.inputs}
    inputs = {entry.name: entry for entry in artefact.inputs}
    RawEncoder(ops, preprocessor, inputs).encode(raw)


def _in_own_process(
    predictor: Predictor, format: str, target: Path, feeds: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Make the artefact on the backend of the format, and ask it.

    Args:
        predictor: On any backend.
        format: Of the artefact.
        target: Folder to write, which holds `artefact.json`.
        feeds: Tensors of the rows to ask.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        predictor.save(folder / PREDICTOR)
        plain = {
            key: array.astype(str) if array.dtype == object else array
            for key, array in feeds.items()
        }
        np.savez(folder / FEEDS, **plain)  # type: ignore[arg-type]
        job: dict[str, Any] = {"target": str(target.resolve()), "debug": False}
        write_text(folder / JOB, json.dumps(job))
        environment = {
            **os.environ,
            "KERAS_BACKEND": _BACKENDS[format],
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # Where this process finds packages, that one does.
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        }
        command = [sys.executable, "-m", "keras_elastor.export.worker", str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if not (folder / RESULT).exists():
            last = " ".join(done.stderr.split())[-500:]
            raise RuntimeError(
                f"The exporting process ended with code {done.returncode} and no answer: {last}"
            )
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        if result:
            raise _ERRORS.get(result["error"], ValueError)(result["message"])
        with np.load(folder / ANSWERS) as arrays:
            return dict(arrays.items())
