"""What features are worth: by hand, against scikit-learn, and of raw columns."""

import keras
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import keras_elastor as ke
from tests.assertions import raises_value_error

ROWS = 300
RNG = np.random.default_rng(0)
FEATURES = {
    "used": RNG.normal(size=ROWS).astype("float32"),
    "half": RNG.normal(size=ROWS).astype("float32"),
    "unused": RNG.normal(size=ROWS).astype("float32"),
}
LABELS = (FEATURES["used"] * 2 + FEATURES["half"] + RNG.normal(size=ROWS) > 0).astype("float32")
SCHEMA = ke.FeatureSchema([ke.Numeric(name) for name in FEATURES], label="click", group="user")
USERS = np.arange(ROWS, dtype="int32") % 20


@pytest.fixture(scope="module")
def model():
    """logit = 2 used + half, whatever `unused` is."""
    inputs = {name: keras.Input((), name=name) for name in FEATURES}
    logit = 2 * inputs["used"] + inputs["half"] + 0 * inputs["unused"]
    model = keras.Model(inputs, keras.ops.expand_dims(logit, -1))
    model.schema = SCHEMA
    return model


def split():
    return ke.data.Split(FEATURES, LABELS, group={"user": USERS})


def importance(model, **arguments):
    found = ke.analysis.feature_importance(model, split(), num_resamples=50, **arguments)
    return found.set_index("feature")


def logits(features):
    return 2 * features["used"] + features["half"]


@pytest.mark.parametrize("metric", ["auc", "logloss", "gauc"])
def test_importance_is_what_shuffling_costs(model, metric):
    def measure(scores):
        if metric == "gauc":
            return ke.metrics.group_auc(LABELS, scores, USERS)
        of = ke.metrics.exact_auc if metric == "auc" else ke.metrics.log_loss_from_logits
        return of(LABELS, scores)

    found = importance(model, metric=metric, repeats=3, seed=7)
    rng, sign = np.random.default_rng(7), -1 if metric == "logloss" else 1
    for name in FEATURES:
        orders = [rng.permutation(ROWS) for _ in range(3)]
        costs = [
            sign * (measure(logits(FEATURES)) - measure(logits({**FEATURES, name: part})))
            for part in (FEATURES[name][order] for order in orders)
        ]
        line = found.loc[name]
        assert line.importance == pytest.approx(np.mean(costs), abs=1e-6)
        assert line.standard_deviation == pytest.approx(np.std(costs, ddof=1), abs=1e-6)
        assert line.baseline == pytest.approx(measure(logits(FEATURES)), abs=1e-6)
    assert found.index.tolist() == ["used", "half", "unused"]
    assert found.low["half"] > 0
    assert found.low["used"] < found.importance["used"] < found.high["used"]
    # A column that the model does not look at is worth exactly nothing.
    assert found.loc["unused", ["importance", "low", "high"]].tolist() == [0, 0, 0]


@pytest.mark.backend_free
def test_importance_is_that_of_scikit_learn(model):
    inspection = pytest.importorskip("sklearn.inspection")
    columns = np.stack(list(FEATURES.values()), axis=1)

    class Scores:
        def fit(self, features, labels):
            return self

    def score(estimator, features, labels):
        named = dict(zip(FEATURES, features.T, strict=True))
        return ke.metrics.exact_auc(labels, logits(named))

    expected = inspection.permutation_importance(
        Scores(), columns, LABELS, scoring=score, n_repeats=40, random_state=0
    )
    found = importance(model, repeats=20)
    for index, name in enumerate(FEATURES):
        error = 4 * expected.importances_std[index] * (1 / 40 + 1 / 20) ** 0.5
        difference = found.importance[name] - expected.importances_mean[index]
        assert abs(difference) <= error + 1e-12
    assert found.standard_deviation["used"] == pytest.approx(expected.importances_std[0], rel=0.5)


def test_columns_that_tell_the_same_are_shuffled_together():
    schema = ke.FeatureSchema([ke.Numeric("one"), ke.Numeric("copy")], label="click")
    inputs = {name: keras.Input((), name=name) for name in schema.names}
    # Of two copies the model takes the larger one: each alone could be replaced.
    logit = keras.ops.maximum(inputs["one"], inputs["copy"])
    model = keras.Model(inputs, keras.ops.expand_dims(logit, -1))
    model.schema = schema
    rows = {"one": FEATURES["used"], "copy": FEATURES["used"]}
    arguments = {"repeats": 2, "num_resamples": 5}
    alone = ke.analysis.feature_importance(model, (rows, LABELS), **arguments)
    both = ke.analysis.feature_importance(
        model, (rows, LABELS), together=[("copy", "one")], **arguments
    )
    assert both.feature.tolist() == ["one + copy"]
    assert both.importance[0] > 1.5 * alone.importance.max() > 0


def test_joint_histories_are_shuffled_as_one_and_whole():
    histories = [ke.Sequence(name, 9, 3, table="item") for name in ("seen", "tags")]
    schema = ke.FeatureSchema([ke.Categorical("item", 9), *histories], label="click")
    model = ke.models.DNN(
        schema, 4, hidden_units=[4], encoder={"joint_histories": [("seen", "tags")]}
    )
    rng = np.random.default_rng(1)
    rows = {history.name: rng.integers(1, 9, (40, 3)) for history in histories}
    rows["item"] = rng.integers(1, 9, 40)
    batches = [({name: v[i : i + 10] for name, v in rows.items()}, np.arange(10) % 2)
               for i in range(0, 40, 10)]  # fmt: skip
    found = ke.analysis.feature_importance(model, batches, repeats=1, num_resamples=2, max_rows=25)
    assert sorted(found.feature) == ["item", "seen + tags"]
    assert found.standard_deviation.isna().all()


def test_a_predictor_is_asked_raw_rows(tmp_path):
    item = RNG.integers(0, 4, 200)
    frame = pd.DataFrame(
        {
            "item": [f"i{number}" for number in item],
            "color": RNG.choice(["red", "blue"], 200),
            "click": ((item > 1) ^ (RNG.random(200) < 0.1)).astype(int),
        }
    )
    data = ke.data.from_dataframe(frame, label="click")
    model = ke.models.LogisticRegression(data.schema)
    model.compile(optimizer=keras.optimizers.Adam(0.1))
    model.fit(data.train, epochs=3, batch_size=20, verbose=0)
    predictor = ke.Predictor(model, data.preprocessor)
    raw = ke.analysis.feature_importance(predictor, frame, num_resamples=20)
    assert raw.feature.tolist() == ["item", "color"]
    assert raw.low[0] > 0.2
    # Each raw column is one feature here: shuffled by the same orders they are worth the same.
    encoded = ke.analysis.feature_importance(model, data.train, num_resamples=20)
    pd.testing.assert_frame_equal(raw, encoded)
    figure = ke.analysis.plot_feature_importance(raw, tmp_path / "worth.png")
    assert isinstance(figure, Figure)
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.get_yticklabels()] == ["item", "color"]
    assert pd.read_csv(tmp_path / "worth.csv").feature.tolist() == ["item", "color"]


@pytest.mark.backend_free
def test_only_the_most_important_of_many_are_drawn():
    names = [f"feature {index}" for index in range(30)]
    lines = {"feature": names, "label": "click", "metric": "auc"}
    numbers = {"importance": np.linspace(1, 0, 30), "low": -0.1, "high": 1.1}
    figure = ke.analysis.plot_feature_importance(pd.DataFrame({**lines, **numbers}), most=5)
    assert len(figure.axes[0].get_yticklabels()) == 5
    assert "25 less important" in figure.axes[0].get_title()


@pytest.mark.backend_free
def test_wrong_arguments_are_named(model):
    rows = (FEATURES, LABELS)
    for arguments, words in (
        ({"metric": "acu"}, ["metric", "'acu'", "'auc'"]),
        ({"repeats": 0}, ["repeats=0"]),
        ({"together": [("used", "hlaf")]}, ["'hlaf'", "'half'"]),
        ({"metric": "gauc"}, ["group", "gauc"]),
    ):
        with raises_value_error(*words):
            ke.analysis.feature_importance(model, rows, **arguments)
    with raises_value_error("labels"):
        ke.analysis.feature_importance(model, [FEATURES])
