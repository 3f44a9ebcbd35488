"""ONNX artefacts with one row of the user, and with fewer bits."""

import functools
import json
import sys

import keras
import numpy as np
import onnx
import pytest

import keras_elastor as ke
from keras_elastor.export.artefact import Artefact
from keras_elastor.export.feeds import make_feeds
from keras_elastor.export.onnx_model import ask_onnx
from keras_elastor.export.reduced_onnx import reduce_onnx
from keras_elastor.export.worker import build_and_ask
from keras_elastor.serving.served_model import ServedModel
from tests.export.recipes import small_predictor

module = sys.modules["keras_elastor.export.export"]
on_torch = pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch makes it")


@functools.cache
def predictor():
    return small_predictor(hidden_units=(4,), embedding_dim=2)


@pytest.fixture
def in_this_process(monkeypatch):
    def build(predictor, format, target, feeds):
        return build_and_ask(predictor, Artefact.load(target), target, feeds)

    monkeypatch.setattr(module, "_in_own_process", build)


CANDIDATES = [{"item": "y", "price": 2.5}, {"item": "new", "price": 0.5}, {"item": None}]


@on_torch
def test_one_row_of_the_user_beside_many_candidates(tmp_path, in_this_process):
    path = tmp_path / "model"
    assert ke.export(predictor(), path, rows=32, user=["user", "history"]).passed
    inputs = {entry.name: entry for entry in Artefact.load(path).inputs}
    assert [name for name, entry in inputs.items() if entry.of_user] == ["user", "history"]
    user = {"user": "bob", "history": "x^z^z^y"}
    rows = [{**user, "price": None, **candidate} for candidate in CANDIDATES]
    expected = predictor().predict(rows)["click"]
    assert len(np.unique(expected)) == 3
    one = {"user": ["bob"], "history": ["x^z^z^y"]}
    each = {name: [row[name] for row in rows] for name in ("item", "price")}
    for columns in ({**one, **each}, {name: [row[name] for row in rows] for name in inputs}):
        answers = ask_onnx(path, make_feeds(inputs.values(), columns))["click"]
        np.testing.assert_allclose(answers, expected, atol=1e-6)
    served = ServedModel(path)
    answers = served.predict_candidates(user, CANDIDATES)["click"]
    np.testing.assert_allclose(answers, expected, atol=1e-6)
    # Columns that the export did not call the user's may be given once, too, and the other way.
    moved = [{**candidate, "history": "x^z^z^y"} for candidate in CANDIDATES]
    answers = served.predict_candidates({"user": "bob"}, moved)["click"]
    np.testing.assert_allclose(answers, expected, atol=1e-6)
    answers = served.predict_candidates({**user, "item": "y"}, [{"price": 2.5}, {"price": 0.5}])
    expected = predictor().predict([{**user, "item": "y", "price": price} for price in (2.5, 0.5)])
    np.testing.assert_allclose(answers["click"], expected["click"], atol=1e-6)


@on_torch
def test_fewer_bits_are_measured_on_a_sample(tmp_path, in_this_process):
    random = np.random.default_rng(0)
    sample = {
        "user": random.choice(["ann", "bob", "cat"], 200).tolist(),
        "item": random.choice(["x", "y", "z"], 200).tolist(),
        "price": random.gamma(1, 3, 200).tolist(),
        "history": ["x^y"] * 200,
        "click": random.integers(0, 2, 200).tolist(),
    }
    path = tmp_path / "model"
    options = {"quantize": "int8", "embeddings": "float16", "sample": sample}
    found = ke.export(predictor(), path, rows=32, **options)
    assert found.passed
    assert found.max_difference < found.reduced.max_difference < 0.05
    rows = {name: values for name, values in sample.items() if name != "click"}
    scores = predictor().predict(rows)["click"]
    before = ke.metrics.exact_auc(sample["click"], scores)
    answers = ask_onnx(path, make_feeds(Artefact.load(path).inputs, rows))["click"]
    assert found.reduced.auc_before == {"click": pytest.approx(before, abs=1e-6)}
    assert found.reduced.auc_after == {"click": ke.metrics.exact_auc(sample["click"], answers)}
    told = json.loads((path / "verify.json").read_text())["reduced"]
    assert told["auc_change"]["click"] == pytest.approx(
        found.reduced.auc_after["click"] - found.reduced.auc_before["click"]
    )
    kinds = {node.op_type for node in onnx.load(path / "model.onnx").graph.node}
    assert "MatMulInteger" in kinds
    assert not kinds & {"MatMul", "Gemm"}


TABLE = np.array([[0, 0, 0], [1, -0.5, 0.25], [1e-3, 2e-3, -1e-3], [70000, 1, 0]], "float32")


def table_model(folder):
    make, types = onnx.helper, onnx.TensorProto
    graph = make.make_graph(
        [make.make_node("Gather", ["table", "ids"], ["rows"])],
        "table",
        [make.make_tensor_value_info("ids", types.INT64, ["n"])],
        [make.make_tensor_value_info("rows", types.FLOAT, ["n", 3])],
        [onnx.numpy_helper.from_array(TABLE, "table")],
    )
    opsets = [make.make_opsetid("", 20)]
    onnx.save(make.make_model(graph, opset_imports=opsets, ir_version=10), folder / "model.onnx")


@pytest.mark.backend_free
def test_tables_of_fewer_bits_by_hand(tmp_path):
    feeds = {"ids": np.array([3, 0, 1, 2, 1])}
    whole = TABLE[feeds["ids"]]
    table_model(tmp_path)
    reduce_onnx(tmp_path, None, "float16")
    halves = whole.clip(-65504, 65504).astype("float16").astype("float32")
    np.testing.assert_array_equal(ask_onnx(tmp_path, feeds)["rows"], halves)
    table_model(tmp_path)
    reduce_onnx(tmp_path, None, "int8")
    scales = np.abs(whole).max(axis=1, keepdims=True) / 127
    found = ask_onnx(tmp_path, feeds)["rows"]
    assert (np.abs(found - whole) <= scales * 0.5001).all()
    np.testing.assert_allclose(found[2], [1, -64 / 127, 32 / 127], rtol=1e-6)
    (constant,) = (
        tensor
        for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer
        if list(tensor.dims) == [4, 3]
    )
    assert constant.data_type == onnx.TensorProto.INT8


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "int4"}, "`quantize` to be one of None, 'int8'"),
        ({"embeddings": "bfloat16"}, "'float32', 'float16', 'int8'"),
        ({"quantize": "int8"}, "Expected `sample`, raw rows with labels"),
        ({"format": "saved_model", "embeddings": "int8"}, 'format="onnx" with fewer bits'),
        ({"format": "saved_model", "user": ["user"]}, 'format="onnx" with columns of a user'),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        ke.export(None, tmp_path / "model", **options)


def test_columns_of_a_user_that_are_none(tmp_path):
    for user in (["user", "other"], ["user", "item", "price", "history"]):
        with pytest.raises(ValueError, match="`user` to name some, but not all, of the columns"):
            ke.export(predictor(), tmp_path / "model", user=user)
    assert not list(tmp_path.iterdir())
