"""Gradient boosting: what it is fed, and that it is kept and compared as a model is."""

import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.runs import own_table
from keras_elastor.runs.gradient_boosting import GradientBoosting
from tests.assertions import raises_value_error
from tests.runs.runs import make_config

pytest.importorskip("sklearn")
pytestmark = pytest.mark.backend_free

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("few", 5),
        ke.Categorical("many", 400),
        ke.Sequence("history", 60, 4),
        ke.Embedding("vector", 2),
        ke.Numeric("price"),
    ],
    group="user",
)


def click(positive, rng):
    return rng.random(len(positive)) < positive


def split(rows, informative, seed, label=click):
    """Rows whose label depends on one feature alone."""
    rng = np.random.default_rng(seed)
    length = rng.integers(0, 5, rows)
    history = np.where(np.arange(4) < length[:, None], rng.integers(1, 60, (rows, 4)), 0)
    features = {
        "user": rng.integers(0, 20, rows),
        "few": rng.integers(1, 5, rows).astype("int32"),
        "many": rng.integers(1, 400, rows).astype("int32"),
        "history": history.astype("int32"),
        "vector": rng.normal(size=(rows, 2)).astype("float32"),
        "price": rng.normal(size=rows).astype("float32"),
    }
    is_good = {
        # Neither first nor last: the trees must take the ids as categories.
        "few": np.isin(features["few"], (1, 3)),
        # No order of the ids tells: each must be known by its mean label.
        "many": features["many"] * 7919 % 10 < 5,
        "length": length == 2,
        "vector": features["vector"][:, 1] > 0.5,
        "price": np.zeros(rows, bool),
    }[informative]
    return ke.data.Split(features, label(0.1 + 0.7 * is_good, rng).astype("float32"))


@pytest.mark.parametrize(
    ("informative", "at_least", "at_most"),
    [
        ("few", 0.8, 1.0),
        ("many", 0.75, 1.0),
        ("length", 0.78, 1.0),
        ("vector", 0.8, 1.0),
        ("price", 0.4, 0.6),
    ],
)
def test_it_finds_what_a_feature_tells(informative, at_least, at_most):
    sizes = (3000, 1000, 1000)
    splits = (split(size, informative, seed) for seed, size in enumerate(sizes))
    data = ke.runs.Data(SCHEMA, *splits)
    trees = GradientBoosting(SCHEMA, 0, {}).fit(data)
    scores = ke.evaluate(trees, data.test)
    assert at_least < scores["auc"] < at_most
    assert set(scores) == {"auc", "logloss", "gauc"}
    assert scores["logloss"] < 0.7


def test_what_it_is_fed():
    schema = ke.FeatureSchema(
        [ke.Categorical("few", 3), ke.Categorical("many", 300), ke.Sequence("seen", 9, 3)]
    )
    trees = GradientBoosting(schema, 0, {})
    features = {
        "few": np.array([1, 2, 1, 2]),
        "many": np.array([7, 7, 9, 9]),
        "seen": np.array([[5, 5, 2], [5, 0, 0], [0, 0, 0], [2, 5, 0]]),
    }
    labels = np.array([1.0, 1.0, 0.0, 0.0])
    ten_times = {name: np.concatenate([values] * 10) for name, values in features.items()}
    trees._matrix(ten_times, np.tile(labels, 10))
    found = trees._matrix(features)
    assert trees._are_categories().tolist() == [True, False, False, False, False]
    np.testing.assert_array_equal(found[:, 0], [1, 2, 1, 2])
    # Half of the labels are 1: means are drawn to one half a little, alike on both sides.
    assert found[0, 1] == found[1, 1] > 0.9
    np.testing.assert_allclose(found[0, 1] + found[2, 1], 1.0, rtol=1e-6)
    # The length, then how often 5, the most frequent value, and 2 stand there.
    np.testing.assert_array_equal(found[:, 2:], [[3, 2, 1], [1, 1, 0], [0, 0, 0], [2, 1, 1]])
    unseen = trees._matrix({**features, "many": np.full(4, 8)})
    assert unseen[0, 1] == pytest.approx(0.5)


def test_other_labels():
    def count(positive, rng):
        return rng.poisson(5 * positive)

    schema = ke.FeatureSchema(SCHEMA.features, label=ke.Label("plays", "count"))
    data = ke.runs.Data(schema, *(split(2000, "few", seed, count) for seed in range(3)))
    scores = ke.evaluate(GradientBoosting(schema, 0, {}).fit(data), data.test)
    mean = data.train.labels.mean()
    labels = data.test.labels
    assert scores["rmse"] < 0.95 * np.sqrt(np.mean((labels - mean) ** 2))
    soft = ke.FeatureSchema(SCHEMA.features, label=ke.Label("share", "soft"))
    with raises_value_error("share", "soft", "binary, regression or count"):
        GradientBoosting(soft, 0, {})
    with raises_value_error("max_leafs"):
        GradientBoosting(SCHEMA, 0, {"max_leafs": 3})


def test_weights_count():
    schema = ke.FeatureSchema([ke.Categorical("few", 3)])
    features = {"few": np.tile([1, 2], 200).astype("int32")}
    labels = np.tile([0, 0, 1, 1], 100).astype("float32")
    # As if half of the rows were not there: those of label 1 where few is 1.
    weights = np.where((features["few"] == 1) & (labels == 1), 1e-6, 1.0).astype("float32")
    one = ke.data.Split(features, labels, weights)
    trees = GradientBoosting(schema, 0, {}).fit(ke.runs.Data(schema, one, one, one))
    first, second = trees.predict_on_batch({"few": np.array([1, 2])})[:, 0]
    assert first < -3
    assert second == pytest.approx(0.0, abs=0.2)


class TestRuns:
    def test_it_is_kept_and_not_trained_again(self, tmp_path, monkeypatch):
        config = make_config(tmp_path, model={"name": "gradient_boosting"})
        result = ke.runs.run(config)
        assert result.parameters == {"trees": result.steps}
        assert set(result.metrics) == {"valid", "test"}
        data = ke.runs.load_data(config)
        logits = np.load(result.folder / "logits.npy")[:, 0]
        assert ke.metrics.exact_auc(data.test.labels, logits) == result.metrics["test"]["auc"]
        monkeypatch.setattr(GradientBoosting, "fit", None)
        assert ke.runs.run(config) == result
        with raises_value_error("gradient boosting", "not kept"):
            ke.runs.load_model(result.folder)

    def test_the_table_names_it(self, tmp_path):
        configs = [
            make_config(tmp_path, model={"name": name}, epochs=1)
            for name in ("gradient_boosting", "logistic_regression")
        ]
        found = ke.runs.compare(configs, [0], num_resamples=5)
        assert found.models[1].name == "logistic_regression"
        assert found.models[0].cells()["dense parameters"].endswith(" trees")

    def test_without_scikit_learn_it_is_left_out(self, monkeypatch, caplog):
        monkeypatch.setattr(own_table, "has_trees", lambda: False)
        assert own_table.default_models() == ["deep_fm", "dnn", "rank_elastor"]
        [record] = caplog.records
        assert "keras-elastor[trees]" in record.getMessage()
        assert own_table.default_models(floor=False) == ["deep_fm", "dnn", "rank_elastor"]
        monkeypatch.undo()
        assert own_table.default_models()[0] == "gradient_boosting"
