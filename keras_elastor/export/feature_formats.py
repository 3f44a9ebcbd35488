"""A predictor in the formats that Keras exports to, from features to predictions.

LiteRT and OpenVINO have no tables of text: rows are encoded before, by the preprocessor beside the
model. Both are made on TensorFlow.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_elastor.export.artefact import Artefact
from keras_elastor.runs.predictor import Predictor
from keras_elastor.utils.optional import import_optional

LITERT, OPENVINO = "model.tflite", "model.xml"
PREPROCESSOR = "preprocessor"


def build_litert(predictor: Predictor, artefact: Artefact, folder: Path) -> None:
    """Write `model.tflite` into a folder: LiteRT's own operators only.

    Args:
        predictor: On the TensorFlow backend.
        artefact: Names of the inputs and outputs.
        folder: An existing folder.
    """
    tf = import_optional("tensorflow", extra="tensorflow")
    _build(
        predictor,
        artefact,
        folder / LITERT,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
    )


def build_openvino(predictor: Predictor, artefact: Artefact, folder: Path) -> None:
    """Write `model.xml` and `model.bin` into a folder; as `build_litert`."""
    import_optional("openvino", extra="openvino")
    _build(predictor, artefact, folder / OPENVINO)


def _build(predictor: Predictor, artefact: Artefact, file: Path, **options: Any) -> None:
    inputs = {
        entry.name: keras.Input(entry.shape[1:], dtype=entry.dtype, name=entry.tensor)
        for entry in artefact.inputs
    }
    logits = predictor.model(inputs)
    outputs = {
        output.tensor: _prediction(output.kind, logits[:, place])
        for place, output in enumerate(artefact.outputs)
    }
    named = {entry.tensor: inputs[entry.name] for entry in artefact.inputs}
    kind = "litert" if file.name == LITERT else "openvino"
    keras.Model(named, outputs).export(str(file), format=kind, verbose=False, **options)
    predictor.preprocessor.save(file.parent / PREPROCESSOR)


def _prediction(kind: str, logits: Any) -> Any:
    if kind == "value":
        return logits
    return keras.ops.sigmoid(logits) if kind == "probability" else keras.ops.exp(logits)


def ask_litert(folder: Path, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The answers of an exported model, by the names of the outputs."""
    tf = import_optional("tensorflow", extra="tensorflow")
    with warnings.catch_warnings():
        # TensorFlow has LiteRT's interpreter, and says that it will not for long.
        warnings.simplefilter("ignore")
        runner = tf.lite.Interpreter(str(folder / LITERT)).get_signature_runner()
    return dict(runner(**feeds))


def ask_openvino(folder: Path, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The answers of an exported model, by the names of the outputs."""
    openvino = import_optional("openvino", extra="openvino")
    # Bfloat16 is taken by default where the processor has it.
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.compile_model(str(folder / OPENVINO), "CPU", settings)
    answers = model(dict(feeds))
    return {name: answers[name] for output in model.outputs for name in output.names}
