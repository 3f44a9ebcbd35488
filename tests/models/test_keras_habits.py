"""What people who know Keras write, works: splits and frames in `fit`, metrics by label."""

import keras
import numpy as np
import pandas as pd
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import numpy

ROWS = 64
RNG = np.random.default_rng(0)
SCHEMA = ke.FeatureSchema([ke.Categorical("item", 9), ke.Numeric("price")], "click", group="user")
FEATURES = {
    "item": RNG.integers(0, 9, ROWS).astype("int32"),
    "price": RNG.normal(size=ROWS).astype("float32"),
}
LABELS = RNG.integers(0, 2, ROWS).astype("float32")
WEIGHTS = RNG.uniform(0.5, 2, ROWS).astype("float32")
SPLIT = ke.data.Split(FEATURES, LABELS, WEIGHTS, {"user": np.arange(ROWS) % 7})


def make_model(schema=SCHEMA):
    keras.utils.set_random_seed(0)
    model = ke.models.FM(schema, embedding_dim=2)
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    return model


def trained_weights(*args, **kwargs):
    model = make_model()
    model.fit(*args, batch_size=32, shuffle=False, verbose=0, **kwargs)
    return np.concatenate([numpy(weight).reshape(-1) for weight in model.weights])


def test_a_split_is_its_features_labels_and_weights():
    expected = trained_weights(FEATURES, LABELS, sample_weight=WEIGHTS)
    np.testing.assert_array_equal(trained_weights(SPLIT, validation_data=SPLIT), expected)
    model = make_model()
    assert model.evaluate(SPLIT, verbose=0, return_dict=True) == model.evaluate(
        FEATURES, LABELS, sample_weight=WEIGHTS, verbose=0, return_dict=True
    )
    np.testing.assert_array_equal(
        model.predict(SPLIT, verbose=0), model.predict(FEATURES, verbose=0)
    )
    with raises_value_error("Split alone", "`y`"):
        model.fit(SPLIT, LABELS)


def test_a_frame_may_hold_the_label():
    expected = trained_weights(FEATURES, LABELS)
    frame = pd.DataFrame({**FEATURES, "click": LABELS})
    np.testing.assert_array_equal(trained_weights(frame), expected)
    with raises_value_error("label", "click"):
        make_model().fit(frame.drop(columns="click"))


def test_what_to_write_is_said():
    table = ke.data.from_dataframe(pd.DataFrame({"item": ["a", "b"], "click": [0, 1]}), "click")
    with raises_value_error("model.fit(data.train"):
        make_model(table.schema).fit(table)


def test_batches_hold_the_features_of_the_schema_and_the_group_where_it_is_asked_for():
    for features, *_ in SPLIT.dataset(32):
        assert list(features) == ["item", "price"]
    groups = [f["user"].numpy() for f, *_ in SPLIT.dataset(32, with_group=True)]
    np.testing.assert_array_equal(np.concatenate(groups), SPLIT.group["user"])
    model = make_model()
    exact = ke.evaluate(model, SPLIT)
    assert "gauc" in exact
    assert exact == ke.evaluate(model, SPLIT.dataset(32, with_group=True))
    with raises_value_error("with_group=True", "user"):
        ke.evaluate(model, SPLIT.dataset(32))


def test_an_own_model_over_the_tensors_of_another_sees_its_own_features():
    model = make_model()
    own = keras.Model(model.input, model.output * 2)
    batches = SPLIT.dataset(32)
    expected = 2 * model.predict(batches, verbose=0)
    # Keras would warn of names that differ, and permute the features.
    np.testing.assert_allclose(own.predict(batches, verbose=0), expected, rtol=1e-6)


TASKS = ke.FeatureSchema(
    [ke.Categorical("item", 9)], ("click", "like", ke.Label("seconds", "count"))
)
TASK_ROWS = ({"item": FEATURES["item"]}, np.stack([LABELS, 1 - LABELS, LABELS * 3], axis=1))


def test_metrics_of_one_task_are_reported_for_each_label(tmp_path):
    wide = {"embeddings_initializer": keras.initializers.RandomNormal(stddev=1.0)}
    model = ke.models.DNN(TASKS, 2, hidden_units=[4], encoder=wide)
    model.compile(
        loss=ke.losses.LabelLoss(TASKS.label_kinds),
        metrics=[ke.metrics.AUC(from_logits=True), ke.metrics.PoissonDeviance(from_logits=True)],
        weighted_metrics=ke.metrics.LogLoss(from_logits=True, name="cost"),
    )
    path = tmp_path / "best.keras"
    stop = keras.callbacks.EarlyStopping(monitor="val_auc_like", patience=1)
    keep = keras.callbacks.ModelCheckpoint(path, monitor="val_auc_like", save_best_only=True)
    history = model.fit(
        *TASK_ROWS, validation_data=TASK_ROWS, epochs=2, verbose=0, callbacks=[stop, keep]
    ).history
    names = {"auc_click", "auc_like", "deviance_seconds", "cost_click", "cost_like", "loss"}
    assert set(history) == names | {f"val_{name}" for name in names}
    # More is better: they have found out by themselves.
    assert stop.best == max(history["val_auc_like"])
    assert keep.best == max(history["val_auc_like"])
    kept = keras.models.load_model(path)
    measured = kept.evaluate(*TASK_ROWS, verbose=0, return_dict=True)
    exact = ke.evaluate(kept, TASK_ROWS)
    assert measured["auc_like"] == pytest.approx(exact["auc_like"], abs=1e-5)
    assert measured["cost_click"] == pytest.approx(exact["logloss_click"], abs=1e-5)
    assert measured["deviance_seconds"] == pytest.approx(exact["deviance_seconds"], abs=1e-4)


def test_a_metric_of_no_label_is_named():
    with raises_value_error("'deviance'", "'count'", "'binary'"):
        make_model().compile(metrics=[ke.metrics.PoissonDeviance(from_logits=True)])
    with pytest.warns(UserWarning, match="from_logits=True"):
        ke.models.DNN(TASKS, 2).compile(metrics=[ke.metrics.AUC()])
