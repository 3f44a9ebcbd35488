"""What the scripts in `benchmarks/` compute."""

import importlib.util
import pathlib

import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gradient_boosting_finds_what_features_tell():
    schema = ke.FeatureSchema(
        [
            ke.Categorical("few", 5),
            ke.Categorical("many", 300),
            ke.Sequence("history", 9, 4),
            ke.Embedding("vector", 2),
            ke.Numeric("noise"),
        ],
        group="user",
    )
    rng = np.random.default_rng(0)

    def split(rows, informative):
        """Rows whose label depends on one feature alone."""
        length = rng.integers(0, 5, rows)
        features = {
            "user": rng.integers(0, 20, rows),
            "few": rng.integers(1, 5, rows),
            "many": rng.integers(1, 300, rows),
            "history": np.where(np.arange(4) < length[:, None], 1, 0),
            "vector": rng.normal(size=(rows, 2)).astype("float32"),
            "noise": rng.normal(size=rows).astype("float32"),
        }
        positive = {
            # Neither first nor last: the trees must take the ids as categories.
            "few": np.isin(features["few"], (1, 3)),
            "many": features["many"] < 100,
            "history": length == 2,
            "vector": features["vector"][:, 1] > 0.5,
            "noise": np.zeros(rows, bool),
        }[informative]
        return ke.data.Split(features, (rng.random(rows) < 0.1 + 0.7 * positive).astype("float32"))

    floor = load("gradient_boosting").gradient_boosting_floor
    for informative, at_least in {"few": 0.8, "many": 0.8, "history": 0.75, "vector": 0.8}.items():
        train, test = split(2000, informative), split(1000, informative)
        scores = floor(schema, train, {"test": test})["test"]
        assert scores["auc"] > at_least, informative
        assert scores["logloss"] < 0.55
        assert set(scores) == {"auc", "logloss", "gauc"}
    scores = floor(schema, split(2000, "noise"), {"test": split(1000, "noise")})["test"]
    assert 0.4 < scores["auc"] < 0.6


def test_own_code_equals_that_of_libraries(tmp_path, monkeypatch, capsys):
    module = load("own_code")
    small = {"ROWS": 2000, "KNOWN": 3000, "PASSES": 1, "RESULTS": tmp_path / "own_code.csv"}
    for name, value in small.items():
        monkeypatch.setattr(module, name, value)
    module.main()
    lines = (tmp_path / "own_code.csv").read_text().splitlines()
    assert len(lines) == 1 + len(capsys.readouterr().out.splitlines()) == 10


def test_own_code_that_differs_is_an_error(tmp_path, monkeypatch):
    module = load("own_code")
    monkeypatch.setattr(module, "ROWS", 2000)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "own_code.csv")
    monkeypatch.setattr(module, "add_up", lambda parts: parts[0])
    monkeypatch.setattr(module, "KNOWN", 3000)
    with raises_value_error("add_up", "equal results"):
        module.main()
