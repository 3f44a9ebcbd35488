"""What was kept here is read by a fresh process of another backend."""

import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from tests.backends import next_backend

# One process is asked all three questions: to start it takes longest.
CODE = """
import json
import sys

import keras
import tensorflow as tf

hidden = []
tf.config.set_visible_devices = lambda devices, kind: hidden.append([devices, kind])

import numpy as np
import polars as pl

import keras_elastor as ke
from keras_elastor.utils.tensorflow import import_tensorflow

assert import_tensorflow() is tf
answers = {"hidden": list(hidden)}
folder = sys.argv[1]
with np.load(f"{folder}/batch.npz") as file:
    batch = dict(file)
model = keras.models.load_model(f"{folder}/model.keras")
answers["logits"] = model.predict(batch, verbose=0).tolist()
found = ke.Predictor.load(folder).predict(pl.read_parquet(f"{folder}/rows.parquet"))
answers["rates"] = {name: values.tolist() for name, values in found.items()}
print(json.dumps(answers))
"""
ROWS = pl.DataFrame(
    {
        "item": ["a", "b", "a", None, "c", "z"],
        "seen": [["b"], [], ["c", "a"], None, ["a", "b", "c"], ["z"]],
        "price": [1.5, None, -2.0, 0.0, 3.0, 0.5],
        "click": [1, 0, 0, 1, 0, 1],
        "like": [0, 0, 1, 1, 0, 0],
    }
)


def test_another_backend_reads_models_and_predictors_and_hides_accelerators(tmp_path):
    pytest.importorskip("tensorflow")
    data = ke.data.from_dataframe(ROWS, label=("click", "like"))
    model = ke.models.RankElastor(data.schema, embedding_dim=4, num_blocks=2)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) * 0.3 for w in model.get_weights()])
    predictor = ke.Predictor(model, data.preprocessor)
    predictor.save(tmp_path)
    batch = data.preprocessor.features(ROWS)
    np.savez(tmp_path / "batch.npz", **batch)
    ROWS.drop("click", "like").write_parquet(tmp_path / "rows.parquet")
    backend = next_backend()
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, tmp_path],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    answers = json.loads(result.stdout.splitlines()[-1])
    # Where TensorFlow only reads, it must not take the memory in which the backend computes.
    expected = [] if backend == "tensorflow" else [[[], "GPU"], [[], "TPU"]]
    assert answers["hidden"] == expected
    logits = model.predict(batch, verbose=0)
    np.testing.assert_allclose(answers["logits"], logits, rtol=1e-5, atol=1e-5)
    rates = predictor.predict(ROWS)
    assert list(answers["rates"]) == list(rates) == ["click", "like"]
    for name, values in rates.items():
        np.testing.assert_allclose(answers["rates"][name], values, atol=1e-5)
