"""The part of an ONNX graph between raw rows and features, asked by itself."""

import onnx
import onnxruntime

from keras_elastor.export.feeds import make_feeds
from keras_elastor.export.graph_ops import Value
from keras_elastor.export.onnx_ops import ML_OPSET, OPSET, OnnxOps
from keras_elastor.export.raw_encoding import RawEncoder
from keras_elastor.export.raw_inputs import raw_inputs


def encode_by_onnx(preprocessor, rows):
    """The features, and which rows are wrong, as ONNX Runtime computes them."""
    inputs = raw_inputs(preprocessor)
    ops = OnnxOps()
    raw = {name: Value(ops, entry.tensor, entry.dtype) for name, entry in inputs.items()}
    features, wrong = RawEncoder(ops, preprocessor, inputs).encode(raw)
    values = {**features, **({} if wrong is None else {"/wrong": wrong})}
    feeds = make_feeds(inputs.values(), rows)
    return ask(ops, raw, values, feeds, inputs)


def ask(ops, raw, values, feeds, inputs):
    make_info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        ops.nodes,
        "features",
        [
            make_info(
                value.node,
                ops.tensor_type(value.dtype),
                [
                    f"{name}{axis}" if size is None else size
                    for axis, size in enumerate(inputs[name].shape)
                ],
            )
            for name, value in raw.items()
        ],
        [make_info(value.node, ops.tensor_type(value.dtype), None) for value in values.values()],
        ops.constants,
    )
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return dict(zip(values, session.run(None, feeds), strict=True))
