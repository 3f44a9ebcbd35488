"""A predictor as one ONNX graph, from raw rows to probabilities; made on PyTorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from keras_elastor.data.columns.all_columns import sources_of
from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.export.artefact import Artefact
from keras_elastor.export.graph_ops import Value
from keras_elastor.export.onnx_ops import ML_OPSET, OPSET, OnnxOps
from keras_elastor.export.raw_encoding import RawEncoder
from keras_elastor.export.raw_inputs import RawInput
from keras_elastor.export.torch_module import example_features, features_module
from keras_elastor.runs.predictor import Predictor
from keras_elastor.schema import Embedding, Sequence
from keras_elastor.utils.optional import import_optional

MODEL = "model.onnx"
_DATA = "model.onnx.data"
# Protocol buffers hold 2 GiB; weights above this lie in a file beside.
_LARGE_BYTES = 1 << 30
_ROWS = "rows"


def build_onnx(predictor: Predictor, artefact: Artefact, folder: Path) -> None:
    """Write `model.onnx` into a folder.

    Args:
        predictor: On the PyTorch backend.
        artefact: Names and kinds of the inputs and outputs.
        folder: An existing folder.
    """
    onnx = import_optional("onnx", extra="export")
    model = onnx.compose.add_prefix(model_graph(predictor), "model/")
    graph = model.graph
    ops = OnnxOps()
    inputs = {entry.name: Value(ops, entry.tensor, entry.dtype) for entry in artefact.inputs}
    by_name = {entry.name: entry for entry in artefact.inputs}
    features, wrong = RawEncoder(ops, predictor.preprocessor, by_name).encode(inputs)
    features = _for_all_rows(features, predictor.preprocessor, by_name)
    names = [entry.name for entry in graph.input]
    for name, feature in zip(names, features.values(), strict=True):
        ops.nodes.append(onnx.helper.make_node("Identity", [feature.node], [name]))
    before = len(ops.nodes)
    logits = Value(ops, graph.output[0].name, "float32")
    outputs = artefact.answers(logits, wrong)
    for name, answer in outputs.items():
        ops.nodes.append(onnx.helper.make_node("Identity", [answer.node], [name]))
    nodes = [*ops.nodes[:before], *graph.node, *ops.nodes[before:]]
    float_type = ops.tensor_type("float32")
    made = onnx.helper.make_graph(
        nodes,
        "keras_elastor",
        [
            onnx.helper.make_tensor_value_info(
                entry.tensor, ops.tensor_type(entry.dtype), _named_shape(entry)
            )
            for entry in artefact.inputs
        ],
        [onnx.helper.make_tensor_value_info(name, float_type, [_ROWS]) for name in outputs],
        [*ops.constants, *graph.initializer],
    )
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    whole = onnx.helper.make_model(
        made, opset_imports=opsets, ir_version=model.ir_version, functions=list(model.functions)
    )
    save_onnx(whole, folder)


def save_onnx(model: Any, folder: Path) -> None:
    """Write `model.onnx` into a folder, in place of an earlier one; large weights lie beside."""
    onnx = import_optional("onnx", extra="export")
    # Data is added to a file that is there.
    (folder / _DATA).unlink(missing_ok=True)
    path = folder / MODEL
    is_large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _LARGE_BYTES
    onnx.save(model, path, save_as_external_data=is_large, location=_DATA if is_large else None)
    onnx.checker.check_model(str(path))


def model_graph(predictor: Predictor) -> Any:
    """The model from features to logits, as PyTorch exports it, for any number of rows."""
    torch = import_optional("torch", extra="torch")
    import_optional("onnxscript", extra="export")
    features = example_features(predictor.preprocessor.schema)
    tensors = {name: torch.as_tensor(array) for name, array in features.items()}
    any_rows = {name: {0: torch.export.Dim.DYNAMIC} for name in tensors}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            features_module(predictor.model),
            (),
            kwargs={"features": tensors},
            dynamo=True,
            dynamic_shapes={"features": any_rows},
            input_names=list(tensors),
            output_names=["logits"],
            opset_version=OPSET,
            verbose=False,
            optimize=False,
        )
    _fold(program.model)
    model = program.model_proto
    _drop_idle_squeezes(model.graph)
    return model


def _fold(model: Any) -> None:
    """Compute what is constant, and drop what is idle or there twice.

    Not by PyTorch's `optimize=True`, which also takes what is added for 0 if it is below 1e-8
    (onnxscript 0.7), as the epsilon of RankElastor's norms is.
    """
    passes = import_optional("onnx_ir.passes.common", extra="export")
    optimizer = import_optional("onnxscript.optimizer", extra="export")
    passes.InlinePass()(model)
    optimizer.fold_constants(model)
    passes.RemoveUnusedNodesPass()(model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.DeduplicateInitializersPass()(model)
    passes.CommonSubexpressionEliminationPass()(model)
    passes.RemoveUnusedNodesPass()(model)
    passes.RemoveUnusedFunctionsPass()(model)
    passes.RemoveUnusedOpsetsPass()(model)


def _drop_idle_squeezes(graph: Any) -> None:
    """Squeezing an axis that is not of size 1 does nothing in PyTorch; in ONNX it is an error.

    Keras 3.15 squeezes what `ops.take` has taken.
    """
    to_array = import_optional("onnx", extra="export").numpy_helper.to_array
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in graph.value_info
    }
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Squeeze" and len(node.input) == 2 and node.input[1] in constants:
            axes = to_array(constants[node.input[1]]).reshape(-1).tolist()
            shape = shapes.get(node.input[0])
            if shape and any(shape[axis] > 1 for axis in axes):
                node.op_type = "Identity"
                del node.input[1:]


def _for_all_rows(
    features: dict[str, Value], preprocessor: Preprocessor, inputs: Mapping[str, RawInput]
) -> dict[str, Value]:
    """The features, those of the user alone repeated where they have one row for all candidates."""
    columns = preprocessor.columns
    others = set()
    for name, column in columns.items():
        sources = (name,) if column is None else sources_of(column)
        if not all(inputs[source].of_user for source in sources):
            others.add(name)
    found = dict(features)
    for feature in preprocessor.schema.features:
        if feature.name not in others:
            value = features[feature.name]
            like = features[min(others)]
            rank = 2 if isinstance(feature, Sequence | Embedding) else 1
            found[feature.name] = cast("OnnxOps", value.ops).repeat(value, like, rank)
    return found


def _named_shape(entry: RawInput) -> list[Any]:
    rows = f"{entry.tensor}_rows" if entry.of_user else _ROWS
    names = [rows, f"{entry.tensor}_width"]
    return [names[axis] if size is None else size for axis, size in enumerate(entry.shape)]


def ask_onnx(folder: Path, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The answers of an exported model, by the names of the outputs."""
    session = open_session(folder)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def open_session(folder: Path, threads: int = 0) -> Any:
    """A session of ONNX Runtime on the processor.

    Args:
        folder: Of the exported model.
        threads: Of one operation; 0 for all cores.
    """
    runtime = import_optional("onnxruntime", extra="serve")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return runtime.InferenceSession(
        str(Path(folder) / MODEL), options, providers=["CPUExecutionProvider"]
    )
