"""The package as a whole: what importing it needs, and that its documentation runs."""

import doctest
import importlib
import os
import pkgutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_elastor as ke

pytestmark = pytest.mark.usefixtures("traced_only")
OPTIONAL = {
    "apache_beam",
    "jax",
    "keras_tuner",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "sklearn",
    "starlette",
    "tensorflow",
    "tensorflow_datasets",
    "torch",
    "uvicorn",
    "yaml",
}
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(ke.__path__, prefix="keras_elastor.")
)


# In a fresh process every optional package but the backend is hidden, as if it was not installed.
# TensorFlow's own Keras integration needs none of them.
HIDING = """
import sys

sys.modules.update(dict.fromkeys(HIDDEN))
import numpy as np
import keras
import keras_elastor as ke

schema = ke.FeatureSchema([ke.Categorical("item", 5), ke.Numeric("price")])
model = ke.models.RankElastor(schema, embedding_dim=4)
model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
features = {"item": np.array([1, 2]), "price": np.array([0.5, 1.0])}
model.fit(features, np.array([0, 1]), verbose=0)
result = ke.evaluate(model, (features, np.array([0, 1])))
assert set(result) == {"auc", "logloss"}, result

import json
from keras_elastor.commands.names import FILE, known_names

advice = "python -m keras_elastor.commands.names writes it anew"
assert json.loads(FILE.read_text()) == known_names(), advice
assert not HIDDEN & {name.split(".")[0] for name, module in sys.modules.items() if module}
print("alone")
"""


def run_in_fresh_process(code, **environment):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_works_with_one_backend_and_nothing_else():
    backend = keras.backend.backend()
    hidden = OPTIONAL - {backend, "rich"} - ({"jax"} if backend == "tensorflow" else set())
    code = f"HIDDEN = {hidden!r}\n{HIDING}"
    assert run_in_fresh_process(code, KERAS_BACKEND=backend).endswith("alone")


# Their examples touch no backend.
BACKEND_FREE = ("keras_elastor.data", "keras_elastor.schema", "keras_elastor.label")
BACKEND_FREE += ("keras_elastor.datasets", "keras_elastor.utils", "keras_elastor.validation")
# Their examples train, or compile for long; the slow tests run them on the other backends.
LONG_BUT_ON_PYTORCH = ("keras_elastor.tuning", "keras_elastor.runs.own_table")
LONG_BUT_ON_PYTORCH += ("keras_elastor.layers.mixing.unified_interaction",)


def marks_of(name):
    if name.startswith(BACKEND_FREE):
        return [pytest.mark.backend_free]
    is_slow = name.startswith(LONG_BUT_ON_PYTORCH) and keras.backend.backend() != "torch"
    return [pytest.mark.slow] if is_slow else []


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks_of(name)) for name in MODULES])
def test_docstring_examples_run(name):
    module = importlib.import_module(name)
    names = {"ke": ke, "keras": keras, "np": np, "ops": keras.ops}
    result = doctest.testmod(module, extraglobs=names)
    assert result.failed == 0


@pytest.mark.parametrize(
    "package",
    [
        "analysis",
        "layers",
        "models",
        "metrics",
        "optimizers",
        "data",
        "datasets",
        "convert",
        "training",
        "runs",
        "tuning",
    ],
)
def test_every_public_name_is_documented_with_an_example(package):
    module = getattr(ke, package)
    without_example = {
        "HistoryPooling",
        "NumericEmbedding",
        "register_model",
        "register_preset",
        "Tokenizer",
        "RankingModel",
        "guard",
        "list_models",
        "list_presets",
    }
    without_example |= {"kuairand_pure", "KuaiRand", "DatasetNotFoundError", "SyntheticImpressions"}
    without_example |= {"load_official_weights", "exact_auc", "group_auc", "log_loss_from_logits"}
    without_example |= {"EncodedTable", "Manifest", "PublicDataset", "load"}
    without_example |= {"Comparison", "ComparedModel", "Data", "EvaluationCallback", "Named"}
    without_example |= {"NonFiniteLossError", "RunError", "RunInterruptedError", "RunResult"}
    without_example |= {"OutOfTimeError"}
    without_example |= {"load_data", "load_model", "predict_file", "register_protocol"}
    without_example |= {"RunAnalysis", "register_run_analysis", "Report", "report_runs"}
    without_example |= {"Execution", "PlannedTrial", "SearchResult", "Trial", "plan", "search"}
    for name in module.__all__:
        documentation = getattr(module, name).__doc__ or ""
        assert documentation, name
        if name not in without_example:
            assert ">>>" in documentation, name
