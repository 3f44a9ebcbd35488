"""A predictor as a SavedModel, from raw rows to probabilities; made on TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.export.artefact import Artefact
from keras_elastor.export.graph_ops import Value
from keras_elastor.export.raw_encoding import RawEncoder
from keras_elastor.export.tensorflow_ops import TensorFlowOps
from keras_elastor.runs.predictor import Predictor
from keras_elastor.utils.optional import import_optional

VERSION = "1"
"""Name of the folder of the SavedModel, as TensorFlow Serving looks for versions."""


def build_saved_model(predictor: Predictor, artefact: Artefact, folder: Path) -> None:
    """Write a SavedModel into the folder `1` of a folder.

    Args:
        predictor: On the TensorFlow backend.
        artefact: Names and kinds of the inputs and outputs.
        folder: An existing folder.
    """
    tf = import_optional("tensorflow", extra="tensorflow")
    model, preprocessor = predictor.model, predictor.preprocessor
    entries = {entry.name: entry for entry in artefact.inputs}
    with tempfile.TemporaryDirectory() as tables:
        module = tf.Module()
        module.variables_of_model = [variable.value for variable in model.variables]
        ops = TensorFlowOps(Path(tables))

        def answer(**tensors: Any) -> dict[str, Any]:
            ops.restart()
            raw = {
                name: Value(ops, tensors[entry.tensor], entry.dtype)
                for name, entry in entries.items()
            }
            features, wrong = RawEncoder(ops, preprocessor, entries).encode(raw)
            logits = model({name: value.node for name, value in features.items()}, training=False)
            answers = artefact.answers(Value(ops, logits, "float32"), wrong)
            return {name: value.node for name, value in answers.items()}

        signature = {
            entry.tensor: tf.TensorSpec(entry.shape, _dtype(tf, entry.dtype), name=entry.tensor)
            for entry in artefact.inputs
        }
        function = tf.function(answer, autograph=False).get_concrete_function(**signature)
        module.tables = ops.tables
        module.answer = function
        tf.saved_model.save(module, str(folder / VERSION), signatures={"serving_default": function})


def _dtype(tf: Any, dtype: str) -> Any:
    return tf.string if dtype == "str" else tf.as_dtype(dtype)


def ask_saved_model(folder: Path, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The answers of an exported model, by the names of the outputs."""
    tf = import_optional("tensorflow", extra="tensorflow")
    loaded = tf.saved_model.load(str(folder / VERSION))
    answers = loaded.signatures["serving_default"](
        **{name: tf.constant(array) for name, array in feeds.items()}
    )
    return {name: tensor.numpy() for name, tensor in answers.items()}
