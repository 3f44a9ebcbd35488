"""Exported models answer what the predictor does, or are not written."""

import functools
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.export.artefact import Artefact
from keras_elastor.export.feeds import make_feeds
from keras_elastor.export.onnx_model import ask_onnx
from keras_elastor.export.sample_rows import sample_rows
from keras_elastor.export.verification import compare_answers
from keras_elastor.export.worker import ANSWERS, FEEDS, FORMATS, JOB, PREDICTOR, build_and_ask
from tests.export.recipes import all_columns, all_rows, small_predictor, vector_file, with_weights
from tests.models.test_models import SMALL

module = sys.modules["keras_elastor.export.export"]
on_torch = pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch makes it")
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow makes it"
)


@functools.cache
def predictor():
    return small_predictor(hidden_units=(4,), embedding_dim=2)


def in_this_process(monkeypatch, change=None):
    """Export without a process of its own, whose start takes many seconds."""

    def build(predictor, format, target, feeds):
        answers = build_and_ask(predictor, Artefact.load(target), target, feeds)
        return answers if change is None else change(answers)

    monkeypatch.setattr(module, "_in_own_process", build)


@on_torch
def test_onnx_answers_what_the_predictor_does(tmp_path, monkeypatch):
    in_this_process(monkeypatch)
    path = tmp_path / "model"
    found = ke.export(predictor(), path, format="onnx", rows=64)
    assert found.passed
    assert found.rows > 32
    assert json.loads((path / "verify.json").read_text())["max_difference"] == found.max_difference
    assert sorted(entry.name for entry in path.iterdir()) == [
        "artefact.json",
        "model.onnx",
        "verify.json",
    ]
    # One row, and others than were verified.
    for user in ("ann", "new", None):
        rows = {"user": [user], "item": ["y"], "price": [2.5], "history": ["x^z^new^y"]}
        feeds = make_feeds(Artefact.load(path).inputs, rows)
        expected = predictor().predict(rows)["click"]
        np.testing.assert_allclose(ask_onnx(path, feeds)["click"], expected, atol=1e-6)
    # An earlier artefact is replaced, anything else is not.
    ke.export(predictor(), path, format="onnx", rows=8)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="something else"):
        ke.export(predictor(), tmp_path / "other", format="onnx", rows=8)


@on_torch
def test_epsilons_of_norms_are_kept(tmp_path, monkeypatch):
    """As small as the 1e-12 of RankElastor's, which exporters take for nothing."""
    in_this_process(monkeypatch)
    made = small_predictor(hidden_units=(4,), embedding_dim=2, normalization="rms")
    for variable in made.model.trainable_variables:
        if "encoder" in variable.path or "bias" in variable.path:
            variable.assign(variable * 1e-6)
    assert ke.export(made, tmp_path / "model", rows=32).passed


@on_torch
def test_torch_program_answers_what_the_predictor_does(tmp_path, monkeypatch):
    in_this_process(monkeypatch)
    columns = [
        ke.data.CategoricalColumn("age", dtype="integer"),
        ke.data.NumericColumn("price", transform="quantile"),
        ke.data.SequenceColumn("numbers", 4, dtype="integer"),
        ke.data.DateColumn("seen", ["hour", "week"]),
    ]
    data = ke.data.from_dataframe(all_rows(50), recipe=ke.data.Recipe(columns, label="click"))
    model = with_weights(ke.models.DNN(data.schema, embedding_dim=2, hidden_units=(4,)))
    made = ke.Predictor(model, data.preprocessor)
    assert ke.export(made, tmp_path / "model", format="torch_export", rows=64).passed


@on_tensorflow
def test_saved_model_answers_what_the_predictor_does(tmp_path, monkeypatch):
    import tensorflow as tf

    in_this_process(monkeypatch)
    path = tmp_path / "model"
    assert ke.export(predictor(), path, format="saved_model", rows=64).passed
    signature = tf.saved_model.load(str(path / "1")).signatures["serving_default"]
    inputs = signature.structured_input_signature[1]
    assert {name: spec.dtype for name, spec in inputs.items()} == {
        "user": tf.string,
        "item": tf.string,
        "price": tf.float64,
        "history": tf.string,
    }
    tables = [entry.read_text() for entry in (path / "1" / "assets").iterdir()]
    assert any("ann\t" in text for text in tables)


@on_tensorflow
def test_every_kind_of_column_in_a_saved_model(tmp_path, monkeypatch):
    in_this_process(monkeypatch)
    recipe = ke.data.Recipe(
        all_columns(vector_file(tmp_path)), label="click", null_values=("NULL",), trim=True
    )
    data = ke.data.from_dataframe(all_rows(80), recipe=recipe)
    model = ke.models.LogisticRegression(data.schema)
    made = ke.Predictor(with_weights(model, 0.05), data.preprocessor)
    assert ke.export(made, tmp_path / "model", format="saved_model", rows=300).passed


@on_tensorflow
@pytest.mark.parametrize("format", ["litert", "openvino"])
def test_a_model_of_encoded_rows(tmp_path, monkeypatch, format):
    if format == "openvino":
        pytest.importorskip("openvino")
    in_this_process(monkeypatch)
    path = tmp_path / "model"
    assert ke.export(predictor(), path, format=format, rows=64).passed
    artefact = Artefact.load(path)
    shapes = {entry.name: (entry.kind, entry.shape) for entry in artefact.inputs}
    assert shapes == {
        "user": ("id", (None,)),
        "item": ("id", (None,)),
        "price": ("value", (None,)),
        "history": ("ids", (None, 3)),
    }
    # What is beside the model encodes other rows, and other numbers of them.
    preprocessor = ke.data.Preprocessor.load(path / "preprocessor")
    for rows in (
        {"user": ["ann"], "item": ["y"], "price": [2.5], "history": ["x^z^new^y"]},
        {"user": ["a", None], "item": ["y", ""], "price": [2.5, 0], "history": ["", "x"]},
    ):
        features = preprocessor.features(rows)
        feeds = {entry.tensor: features[entry.name] for entry in artefact.inputs}
        answers = FORMATS[format][1](path, feeds)["click"]
        np.testing.assert_allclose(answers, predictor().predict(rows)["click"], atol=1e-6)


def test_what_differs_is_not_written(tmp_path, monkeypatch):
    def build(predictor, format, target, feeds):
        (target / "model.onnx").write_text("half")
        answers = predictor.predict(feeds)
        answers["click"][3] += 2e-5
        return answers

    monkeypatch.setattr(module, "_in_own_process", build)
    with pytest.raises(ValueError, match=r"differ by 2e-05, more than 1e-05\. Row: \{'user'"):
        ke.export(predictor(), tmp_path / "model", rows=32)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_a_difference(tmp_path, monkeypatch, wrong):
    def build(predictor, format, target, feeds):
        return {"click": np.full(len(feeds["user"]), wrong)}

    monkeypatch.setattr(module, "_in_own_process", build)
    with pytest.raises(ValueError, match="differ by inf"):
        ke.export(predictor(), tmp_path / "model", rows=8)


def test_an_earlier_artefact_outlives_a_failed_export(tmp_path, monkeypatch):
    def fail(*arguments):
        raise ValueError("no")

    (tmp_path / "artefact.json").write_text("{}")
    monkeypatch.setattr(module, "_in_own_process", fail)
    with pytest.raises(ValueError, match="no"):
        ke.export(predictor(), tmp_path, rows=8)
    assert [entry.name for entry in tmp_path.iterdir()] == ["artefact.json"]


def test_wrong_arguments(tmp_path, monkeypatch):
    with pytest.raises(
        ValueError, match="one of onnx, saved_model, torch_export, litert, openvino"
    ):
        ke.export(predictor(), tmp_path / "model", format="pmml")
    with pytest.raises(ValueError, match="rows=0"):
        ke.export(predictor(), tmp_path / "model", rows=0)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"keras-elastor\[export\]"):
        ke.export(predictor(), tmp_path / "model")
    assert not list(tmp_path.iterdir())


@keras.saving.register_keras_serializable("tests")
class Unexportable(keras.layers.Layer):
    """Leaves the graph, which no format can follow."""

    def call(self, inputs):
        numpy = inputs.detach().numpy() if hasattr(inputs, "detach") else inputs.numpy()
        return keras.ops.convert_to_tensor(float(numpy.sum()) + numpy)


@on_torch
def test_a_layer_that_cannot_be_exported_is_named(tmp_path, monkeypatch):
    in_this_process(monkeypatch)
    data = ke.data.from_dataframe({"x": [1.5, 2.5, 4.5], "click": [0, 1, 1]}, label="click")

    class Sequential(keras.Model):
        def __init__(self):
            super().__init__()
            self.odd = Unexportable(name="odd")

        def call(self, features, training=False):
            return self.odd(features["x"][:, None])

    made = ke.Predictor(Sequential(), data.preprocessor)
    with pytest.raises(
        ValueError, match=r"Layer 'odd' \(Unexportable\) cannot be exported to onnx"
    ):
        ke.export(made, tmp_path / "model", rows=8)
    assert not list(tmp_path.iterdir())


TOKENS_AND_TASKS = {"RankMixer", "RankElastor", "RankUp", "MMoE", "PLE"}
TOKENS_AND_TASKS |= {"TokenFormer", "TokenFormer in windows", "RankMixer with a wide part"}
CASES = {
    **{name: (name, arguments) for name, arguments in SMALL.items()},
    "TokenFormer in windows": ("TokenFormer", {**SMALL["TokenFormer"], "windows": (3, 2)}),
    "RankMixer with a wide part": (
        "RankMixer",
        {**SMALL["RankMixer"], "wide": ["linear", "fm"], "encoder": {"embedding_dropout": 0.1}},
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tokens_and_tasks", [False, True])
@pytest.mark.parametrize("format", ["onnx", "saved_model"])
def test_every_model_from_weights_of_this_backend(tmp_path, format, tokens_and_tasks):
    """Many in one process of the format's backend, as each takes many seconds to start."""
    predictors = {}
    names = [name for name in CASES if (name in TOKENS_AND_TASKS) == tokens_and_tasks]
    for name in names:
        model, arguments = CASES[name]
        width = {} if model == "LogisticRegression" else {"embedding_dim": 4}
        made = small_predictor(model=model, **{**width, **arguments})
        predictors[name] = made
        made.save(tmp_path / name / PREDICTOR)
    artefact = Artefact.of(made.preprocessor, format, {})
    inputs = {entry.name: entry for entry in artefact.inputs}
    rows = sample_rows(made.preprocessor, inputs, 256)
    for name in names:
        artefact.save(tmp_path / name)
        feeds = {
            key: array.astype(str) if array.dtype == object else array
            for key, array in make_feeds(artefact.inputs, rows).items()
        }
        np.savez(tmp_path / name / FEEDS, **feeds)
        job = {"target": str(tmp_path / name), "debug": True}
        (tmp_path / name / JOB).write_text(json.dumps(job))
    code = (
        "import pathlib, sys; from keras_elastor.export.worker import main; "
        "[main(pathlib.Path(folder)) for folder in sys.argv[1:]]"
    )
    backend = {"onnx": "torch", "saved_model": "tensorflow"}[format]
    folders = [str(tmp_path / name) for name in names]
    done = subprocess.run(
        [sys.executable, "-c", code, *folders],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name, made in predictors.items():
        with np.load(tmp_path / name / ANSWERS) as answers:
            found = compare_answers(artefact, rows, 256, made.predict(rows), dict(answers))
        assert found.rows > 128
        assert found.max_difference < 1e-5, (name, found)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "saved_model"])
def test_in_a_process_of_its_own(tmp_path, format):
    found = ke.export(predictor(), tmp_path / "model", format=format)
    assert found.passed
    assert (tmp_path / "model" / "verify.json").is_file()


NUMPY_ONLY = """
import json, sys
HIDDEN = ["keras", "torch", "tensorflow", "jax", "keras_elastor", "polars"]
sys.modules.update(dict.fromkeys(HIDDEN))
import numpy as np, onnxruntime
artefact = json.load(open(sys.argv[1] + "/artefact.json"))
print([(entry["tensor"], entry["kind"]) for entry in artefact["inputs"]])
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
feeds = {
    "user": np.array(["ann", "new"], object),
    "item": np.array(["", "z"], object),
    "price": np.array([1.5, np.nan]),
    "history": np.array(["x^y", ""], object),
}
print(json.dumps(session.run(["click"], feeds)[0].tolist()))
"""


@on_torch
def test_asked_with_onnxruntime_and_numpy_alone(tmp_path, monkeypatch):
    in_this_process(monkeypatch)
    ke.export(predictor(), tmp_path / "model", rows=8)
    done = subprocess.run(
        [sys.executable, "-c", NUMPY_ONLY, str(tmp_path / "model")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    answers = json.loads(done.stdout.splitlines()[-1])
    rows = {
        "user": ["ann", "new"],
        "item": [None, "z"],
        "price": [1.5, None],
        "history": ["x^y", ""],
    }
    np.testing.assert_allclose(answers, predictor().predict(rows)["click"], atol=1e-6)
