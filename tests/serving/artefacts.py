"""An exported model that no backend has to make: logits are a weighted sum of the features."""

import functools
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import onnx

import keras_elastor as ke
from keras_elastor.export import onnx_model
from keras_elastor.export.artefact import Artefact

WEIGHTS = {"user": 0.2, "item": -0.3, "price": 0.5, "history": 0.1}


class Weighted:
    """In the place of a predictor."""

    def __init__(self, preprocessor):
        self.preprocessor = preprocessor

    def predict(self, rows):
        features = self.preprocessor.features(rows)
        logits = sum(
            weight * features[name].reshape(len(features[name]), -1).sum(1, dtype=np.float64)
            for name, weight in WEIGHTS.items()
        )
        return {"click": 1 / (1 + np.exp(-logits))}


def weighted_graph(predictor):
    make, types = onnx.helper, onnx.TensorProto
    inputs, nodes, parts = [], [], []
    axes = onnx.numpy_helper.from_array(np.array([1]), "axes")
    constants = [axes]
    for name, weight in WEIGHTS.items():
        kind = types.FLOAT if name == "price" else types.INT32
        shape = ["rows", 3] if name == "history" else ["rows"]
        inputs.append(make.make_tensor_value_info(name, kind, shape))
        constants.append(onnx.numpy_helper.from_array(np.float32(weight), f"{name}_weight"))
        nodes.append(make.make_node("Cast", [name], [f"{name}_float"], to=types.FLOAT))
        column = f"{name}_float"
        if name == "history":
            nodes.append(make.make_node("ReduceSum", [column, "axes"], ["total"], keepdims=0))
            column = "total"
        nodes.append(make.make_node("Mul", [column, f"{name}_weight"], [f"{name}_part"]))
        parts.append(f"{name}_part")
    nodes.append(make.make_node("Sum", parts, ["sum"]))
    nodes.append(make.make_node("Unsqueeze", ["sum", "axes"], ["logits"]))
    output = make.make_tensor_value_info("logits", types.FLOAT, ["rows", 1])
    graph = make.make_graph(nodes, "weighted", inputs, [output], constants)
    return make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=10)


@functools.cache
def weighted_artefact():
    """The predictor, and the folder of its artefact."""
    recipe = ke.data.Recipe(
        [
            ke.data.CategoricalColumn("user"),
            ke.data.CategoricalColumn("item", dtype="integer"),
            ke.data.NumericColumn("price"),
            ke.data.SequenceColumn("history", 3, dtype="integer", table="item"),
        ],
        label="click",
    )
    rows = {
        "user": ["ann", "bob", "cat"],
        "item": [1, 2, 3],
        "price": [0.5, 1.0, 2.0],
        "history": [[1, 2], [3], []],
        "click": [0, 1, 0],
    }
    predictor = Weighted(ke.data.Preprocessor.fit(rows, recipe)[0])
    folder = Path(tempfile.mkdtemp(prefix="artefact_"))
    artefact = Artefact.of(predictor.preprocessor, "onnx", {})
    artefact.save(folder)
    with mock.patch.object(onnx_model, "model_graph", weighted_graph):
        onnx_model.build_onnx(predictor, artefact, folder)
    return predictor, folder
