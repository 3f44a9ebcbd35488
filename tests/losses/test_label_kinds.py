"""Soft labels, ratings and counts: loss, metrics, checks and predictions by the kind of a label."""

import keras
import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sklearn_metrics

import keras_elastor as ke
from tests.assertions import raises_value_error

KINDS = ("binary", "soft", "regression", "count")
RNG = np.random.default_rng(0)
ROWS = 64
LABELS = {
    "binary": RNG.integers(0, 2, ROWS).astype("float32"),
    "soft": RNG.random(ROWS).astype("float32"),
    "regression": RNG.normal(3, 2, ROWS).astype("float32"),
    "count": RNG.poisson(2, ROWS).astype("float32"),
}
WEIGHTS = RNG.choice([0.0, 0.5, 2.0], ROWS).astype("float32")
FEATURES = {"item": np.arange(ROWS, dtype="int32") % 9}
WRONG = {"binary": 0.5, "soft": 1.5, "regression": np.inf, "count": 2.5}


def make_model(*kinds):
    keras.utils.set_random_seed(1)
    label = tuple(ke.Label(kind, kind) for kind in kinds)
    schema = ke.FeatureSchema([ke.Categorical("item", 10)], label if len(kinds) > 1 else label[0])
    model = ke.models.FM(schema, embedding_dim=4)
    for variable in model.trainable_variables:
        variable.assign(RNG.normal(0, 0.4, variable.shape))
    return model


def logits_of(model):
    return np.asarray(model.predict(FEATURES, verbose=0), np.float64)


def losses_of(kind, labels, logits):
    if kind == "regression":
        return (labels - logits) ** 2
    if kind == "count":
        return np.exp(logits) - labels * logits
    return np.logaddexp(0, logits) - labels * logits


def expected_metrics(kind, labels, logits, weights):
    """By scikit-learn, but for soft labels, which it does not take."""
    if kind == "soft":
        losses = losses_of(kind, labels, logits)
        return {"logloss": np.average(losses, weights=weights)}
    if kind == "binary":
        probabilities = 1 / (1 + np.exp(-logits))
        return {
            "auc": sklearn_metrics.roc_auc_score(labels, logits, sample_weight=weights),
            "logloss": sklearn_metrics.log_loss(labels, probabilities, sample_weight=weights),
        }
    values = np.exp(logits) if kind == "count" else logits
    mse = sklearn_metrics.mean_squared_error(labels, values, sample_weight=weights)
    mae = sklearn_metrics.mean_absolute_error(labels, values, sample_weight=weights)
    if kind == "regression":
        return {"mse": mse, "mae": mae, "rmse": mse**0.5}
    deviance = sklearn_metrics.mean_poisson_deviance(labels, values, sample_weight=weights)
    return {"deviance": deviance, "mae": mae, "rmse": mse**0.5}


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("kind", KINDS)
def test_compile_alone_and_evaluate_measure_by_the_kind(kind, weights):
    model = make_model(kind)
    labels = LABELS[kind].astype(np.float64)
    logits = logits_of(model)[:, 0]
    rows = (FEATURES, LABELS[kind]) if weights is None else (FEATURES, LABELS[kind], weights)
    expected = expected_metrics(kind, labels, logits, weights)
    assert ke.evaluate(model, rows) == pytest.approx(expected, rel=1e-6)
    model.compile()
    found = model.evaluate(
        FEATURES, LABELS[kind], return_dict=True, verbose=0, sample_weight=weights
    )
    if weights is None:
        assert found["loss"] == pytest.approx(np.mean(losses_of(kind, labels, logits)), rel=1e-5)
        del found["loss"]
        # The exact ones of a rate are not among those of `fit`.
        known = {"deviance": expected.get("deviance")} if kind == "count" else expected
        assert found == pytest.approx(known, rel=1e-4)


def test_tasks_of_all_kinds_in_one_model(tmp_path):
    model = make_model(*KINDS)
    labels = np.stack([LABELS[kind] for kind in KINDS], axis=1)
    logits = logits_of(model)
    each = {
        kind: expected_metrics(kind, labels[:, task].astype(float), logits[:, task], None)
        for task, kind in enumerate(KINDS)
    }
    exact = {f"{name}_{kind}": v for kind, found in each.items() for name, v in found.items()}
    assert ke.evaluate(model, (FEATURES, labels)) == pytest.approx(exact, rel=1e-6)
    model.compile()
    scores = model.evaluate(FEATURES, labels, return_dict=True, verbose=0)
    losses = [losses_of(kind, labels[:, task], logits[:, task]) for task, kind in enumerate(KINDS)]
    assert scores.pop("loss") == pytest.approx(np.mean(losses), rel=1e-5)
    assert set(exact) - set(scores) == {"mae_count", "rmse_count"}
    assert scores == pytest.approx({name: exact[name] for name in scores}, rel=1e-4)
    model.compile(keras.optimizers.SGD(0.0))
    model.fit(FEATURES, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.schema.label_kinds == KINDS
    again = loaded.evaluate(FEATURES, labels, return_dict=True, verbose=0)
    again.pop("loss")
    assert again == pytest.approx(scores, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_training_finds_the_mean_label(kind):
    """The best constant prediction is the mean label, whatever the kind."""
    model = make_model(kind)
    model.compile(keras.optimizers.Adam(0.1))
    # All rows in each of 150 steps: one epoch takes less time than many.
    one_item = {"item": np.ones(150 * ROWS, "int32")}
    labels = np.tile(LABELS[kind], 150)
    model.fit(one_item, labels, batch_size=ROWS, shuffle=False, verbose=0)
    preprocessor = ke.data.Preprocessor.from_schema(model.schema)
    found = ke.Predictor(model, preprocessor).predict([{"item": 1}])[kind]
    assert found == pytest.approx(LABELS[kind].mean(), abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_labels_are_named_by_row(kind):
    model = make_model(kind)
    labels = LABELS[kind].copy()
    labels[7] = WRONG[kind]
    with raises_value_error("row 7", f"Received: {WRONG[kind]:g}"):
        ke.data.validate((FEATURES, labels), model.schema)
    with raises_value_error("row 7", f"Received: {WRONG[kind]:g}"):
        ke.evaluate(model, (FEATURES, labels))
    frame = pl.DataFrame({"item": FEATURES["item"], kind: labels})
    with raises_value_error("Row 7", f"column '{kind}'"):
        ke.data.from_dataframe(frame, label=ke.Label(kind, kind))


def test_wrong_labels_of_several_kinds_are_named_by_row_and_task():
    schema = make_model("binary", "count").schema
    labels = np.stack([LABELS["binary"], LABELS["count"]], axis=1)
    assert ke.data.validate((FEATURES, labels), schema) == ROWS
    labels[5, 1] = -1
    with raises_value_error("row 5, position 1", "count: a whole number", "Received: -1"):
        ke.data.validate((FEATURES, labels), schema)


def test_wrong_labels_in_a_stream_are_named():
    tf = pytest.importorskip("tensorflow")
    schema = make_model("binary", "count", "soft").schema
    labels = np.stack([LABELS["binary"], LABELS["count"], LABELS["soft"]], axis=1)
    batches = tf.data.Dataset.from_tensor_slices((FEATURES, labels)).batch(ROWS)
    assert sum(len(label) for _, label in ke.data.guard(batches, schema)) == ROWS
    labels[5, 2] = 1.25
    batches = tf.data.Dataset.from_tensor_slices((FEATURES, labels)).batch(ROWS)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"row 5, position 2.*Received: 1.25"):
        list(ke.data.guard(batches, schema))


def test_a_cross_entropy_of_a_rating_is_refused():
    model = make_model("regression")
    with raises_value_error("label 'regression'", "binary cross-entropy", "Leave `loss` out"):
        model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    with raises_value_error("label 'regression'", "cross-entropy"):
        ke.training.KerasProtocol().compile(model)
    ke.training.KerasProtocol(loss=None).compile(model)
    assert model.loss.name == "label_loss"


def test_an_unknown_kind_is_refused():
    with raises_value_error("'rating'", "binary, soft, regression, count", "'stars'"):
        ke.Label("rating", "stars")
    with raises_value_error("kinds", "'stars'"):
        ke.losses.LabelLoss(["stars"])


def test_binary_labels_are_written_as_before():
    schema = ke.FeatureSchema([ke.Numeric("x")], ke.Label("click"))
    assert schema == ke.FeatureSchema([ke.Numeric("x")], "click")
    assert schema.get_config()["label"] == "click"
    mixed = ke.FeatureSchema([ke.Numeric("x")], ("click", ke.Label("stars", "regression")))
    assert ke.FeatureSchema.from_json(mixed.to_json()) == mixed


def test_the_street_of_a_rating_and_a_count(tmp_path):
    """Recipe, prepare, load, fit, save, predict and predict_file agree on the kinds."""
    frame = pl.DataFrame(
        {
            "item": [f"i{number % 7}" for number in range(ROWS)],
            "stars": LABELS["regression"],
            "views": LABELS["count"].astype(int),
        }
    )
    frame.write_csv(tmp_path / "rows.csv")
    label = (ke.Label("stars", "regression"), ke.Label("views", "count"))
    recipe = ke.data.Recipe([ke.data.CategoricalColumn("item")], label=label)
    assert ke.data.Recipe.from_json(recipe.to_json()) == recipe
    files = {"train": tmp_path / "rows.csv"}
    manifest = ke.data.prepare(files, recipe, tmp_path / "prepared", progress=False)
    means = [LABELS["regression"].mean(), LABELS["count"].mean()]
    np.testing.assert_allclose(manifest.splits["train"].label_rates, means, rtol=1e-6)
    again = ke.data.prepare(files, recipe, tmp_path / "prepared", progress=False)
    assert again.schema.label_kinds == ("regression", "count")
    table = ke.data.from_dataframe(frame, recipe=recipe)
    batches = list(ke.data.load(tmp_path / "prepared", "train", batch_size=ROWS))
    np.testing.assert_array_equal(batches[0][1].numpy(), table.train.labels)
    np.testing.assert_array_equal(batches[0][0]["item"].numpy(), table.train.features["item"])
    model = ke.models.LogisticRegression(table.schema)
    predictor = ke.Predictor(model, table.preprocessor)
    predictor.save(tmp_path / "predictor")
    rows = ke.runs.predict_file(
        tmp_path / "predictor", tmp_path / "rows.csv", tmp_path / "out.parquet"
    )
    assert rows == ROWS
    written = pl.read_parquet(tmp_path / "out.parquet")
    logits = np.asarray(model.predict(table.train.features, verbose=0), np.float64)
    np.testing.assert_allclose(written["value_stars"], logits[:, 0], rtol=1e-5)
    np.testing.assert_allclose(written["rate_views"], np.exp(logits[:, 1]), rtol=1e-5)
