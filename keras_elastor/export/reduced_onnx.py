"""ONNX models of fewer bits: embeddings in float16 or int8, matrices in int8."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.export.onnx_model import MODEL, save_onnx
from keras_elastor.utils.optional import import_optional

EMBEDDINGS = ("float32", "float16", "int8")
QUANTIZATIONS = (None, "int8")


def reduce_onnx(folder: Path, quantize: str | None, embeddings: str) -> None:
    """Replace the model of an artefact by one of fewer bits.

    Args:
        folder: Of the artefact.
        quantize: "int8" has the constant matrices that batches are multiplied by as 8 bits, by
            column, and what they are multiplied by scaled to 8 bits when it is there (dynamic
            quantization); None leaves them.
        embeddings: "float16" or "int8" has the rows of tables so, the latter with a scale for each
            row; "float32" leaves them.
    """
    onnx = import_optional("onnx", extra="export")
    model = onnx.load(folder / MODEL)
    if embeddings != "float32":
        _reduce_embeddings(model.graph, embeddings)
    if quantize is not None:
        model = _quantize(model)
    save_onnx(model, folder)


def _quantize(model: Any) -> Any:
    onnx = import_optional("onnx", extra="export")
    quantization = import_optional("onnxruntime.quantization", extra="export")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / MODEL
        quantization.quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            # Sums of 16 bits overflow on processors without VNNI otherwise.
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
            use_external_data_format=True,
        )
        return onnx.load(path)


def _reduce_embeddings(graph: Any, precision: str) -> None:
    """Read the rows of tables in fewer bits, and make float32 of those that were read."""
    onnx = import_optional("onnx", extra="export")
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    nodes, made = [], {}
    for node in graph.node:
        table = constants.get(node.input[0]) if node.input else None
        # Tables alone are gathered from, and by nothing but their rows.
        if (
            node.op_type != "Gather"
            or table is None
            or len(table.dims) != 2
            or table.data_type != onnx.TensorProto.FLOAT
            or set(readers[table.name]) != {"Gather"}
            or any(attribute.name == "axis" and attribute.i for attribute in node.attribute)
        ):
            nodes.append(node)
            continue
        if table.name not in made:
            made[table.name] = _reduced(onnx.numpy_helper.to_array(table), precision)
        _, ids = node.input
        nodes += _gathered(table.name, ids, node.output[0], precision)
    kept = [tensor for tensor in graph.initializer if tensor.name not in made]
    for name, arrays in made.items():
        for kind, array in arrays.items():
            kept.append(onnx.numpy_helper.from_array(array, f"{name}/{kind}"))
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


def _reduced(table: np.ndarray, precision: str) -> dict[str, np.ndarray]:
    """The arrays that stand for a table, by what they are."""
    if precision == "float16":
        largest = np.finfo(np.float16).max
        return {"rows": np.clip(table, -largest, largest).astype(np.float16)}
    scales = np.abs(table).max(axis=1, keepdims=True) / np.float32(127)
    rows = np.divide(table, scales, out=np.zeros_like(table), where=scales > 0)
    return {"rows": np.rint(rows).astype(np.int8), "scales": scales}


def _gathered(table: str, ids: str, output: str, precision: str) -> list[Any]:
    """Nodes that read rows of a reduced table as float32."""
    onnx = import_optional("onnx", extra="export")
    make, float_type = onnx.helper.make_node, onnx.TensorProto.FLOAT
    rows = make("Gather", [f"{table}/rows", ids], [f"{output}/rows"], axis=0)
    if precision == "float16":
        return [rows, make("Cast", [rows.output[0]], [output], to=float_type)]
    return [
        rows,
        make("Cast", [rows.output[0]], [f"{output}/numbers"], to=float_type),
        make("Gather", [f"{table}/scales", ids], [f"{output}/scales"], axis=0),
        make("Mul", [f"{output}/numbers", f"{output}/scales"], [output]),
    ]
