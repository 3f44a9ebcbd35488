"""Bad input to a model is an error that names it, whichever way it comes in."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("item", 9),
        ke.Sequence("history", 9, 3, table="item"),
        ke.Numeric("price"),
    ],
    label="click",
)


def make_batch(rows=6):
    features = {
        "item": np.arange(rows, dtype="int32"),
        "history": np.ones((rows, 3), "int32"),
        "price": np.ones(rows, "float32"),
    }
    return features, (np.arange(rows) % 2).astype("float32")


@pytest.fixture
def model():
    model = ke.models.DNN(SCHEMA, embedding_dim=4, hidden_units=(8,))
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def spoil(features, name, value):
    values = features[name].copy()
    values[(4, 1) if values.ndim == 2 else 4] = value
    return {**features, name: values}


VALUES = {
    "id beyond the vocabulary": ("item", 9, ["'item'", "row 4", "[0, 9)", "9"]),
    "negative id": ("item", -1, ["'item'", "row 4", "-1"]),
    "id in a history": ("history", 9, ["'history'", "row 4, position 1", "9"]),
    "negative id in a history": ("history", -2, ["'history'", "row 4, position 1", "-2"]),
    "NaN": ("price", np.nan, ["'price'", "row 4", "nan"]),
    "infinity": ("price", np.inf, ["'price'", "row 4", "inf"]),
}
FORMS = {
    "missing": (lambda f: {k: v for k, v in f.items() if k != "price"}, ["'price'", "missing"]),
    "extra": (lambda f: {**f, "shop": f["price"]}, ["'shop'", "not in the schema"]),
    "floats for ids": (lambda f: {**f, "item": f["price"]}, ["'item'", "integers", "float32"]),
    "words": (lambda f: {**f, "price": np.array(["a"] * 6)}, ["'price'", "numbers"]),
    "length": (lambda f: {**f, "history": f["history"][:, :2]}, ["'history'", "(rows, 3)"]),
}
BAD = {
    **{case: (lambda f, n=n, v=v: spoil(f, n, v), words) for case, (n, v, words) in VALUES.items()},
    **FORMS,
}


@pytest.mark.parametrize("case", BAD)
def test_arrays(model, case):
    make_bad, words = BAD[case]
    features, labels = make_batch()
    bad = make_bad(features)
    before = [np.array(weight) for weight in model.get_weights()]
    with raises_value_error(*words):
        model.fit(bad, labels, verbose=0)
    with raises_value_error(*words):
        model.predict(bad, verbose=0)
    with raises_value_error(*words):
        model.fit(features, labels, validation_data=(bad, labels), verbose=0)
    with raises_value_error(*words):
        ke.data.validate((bad, labels), SCHEMA)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("case", BAD)
def test_tf_data(model, case):
    tf = pytest.importorskip("tensorflow")
    make_bad, words = BAD[case]
    features, labels = make_batch()
    dataset = tf.data.Dataset.from_tensor_slices((make_bad(features), labels)).batch(6)
    with raises_value_error(*words):
        model.fit(dataset, verbose=0)
    with raises_value_error(*words):
        ke.data.validate(dataset, SCHEMA)


def test_wrong_labels(model):
    features, labels = make_batch()
    labels[2] = 0.5
    with raises_value_error("'click'", "row 2", "0.5"):
        model.fit(features, labels, verbose=0)


@pytest.mark.parametrize("name", ["missing", "extra", "floats for ids"])
def test_direct_call(model, name):
    make_bad, words = BAD[name]
    with raises_value_error(*words):
        model(make_bad(make_batch()[0]))
    with raises_value_error("dict", "ndarray"):
        model(np.ones((2, 3)))


@pytest.mark.parametrize(("name", "value"), [("item", 9), ("item", -1), ("history", 9)])
def test_direct_call_gives_nan_for_that_row_alone(model, name, value):
    logits = call(model, spoil(make_batch()[0], name, value))[:, 0]
    assert np.isnan(logits).tolist() == [False, False, False, False, True, False]


def test_empty_batch_and_batch_of_one(model):
    for rows in (0, 1):
        features, labels = make_batch(rows)
        assert ke.data.validate((features, labels), SCHEMA) == rows
        assert call(model, features).shape == (rows, 1)
    features, labels = make_batch(1)
    assert np.isfinite(model.fit(features, labels, verbose=0).history["loss"]).all()


def test_nothing_to_train_on_is_an_error(model):
    features, labels = make_batch(0)
    with raises_value_error("at least one row", "0 rows"):
        model.fit(features, labels, verbose=0)


@pytest.mark.parametrize("good_batches", [0, 1, 3])
def test_a_failed_training_leaves_the_model_usable(model, good_batches):
    tf = pytest.importorskip("tensorflow")
    features, labels = make_batch()
    bad = spoil(features, "item", 9)
    batches = [(features, labels)] * good_batches + [(bad, labels)]
    dataset = tf.data.Dataset.from_tensor_slices(
        (
            {name: np.concatenate([batch[0][name] for batch in batches]) for name in features},
            np.concatenate([batch[1] for batch in batches]),
        )
    ).batch(6)
    before = call(model, features)
    with raises_value_error("'item'"):
        model.fit(dataset, verbose=0)
    after = call(model, features)
    assert np.isfinite(after).all()
    assert np.array_equal(after, before) == (good_batches == 0)
    assert np.isfinite(model.fit(features, labels, verbose=0).history["loss"]).all()


def test_ctrl_c_leaves_the_model_usable(model):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    features, labels = make_batch()
    before = call(model, features)
    with pytest.raises(KeyboardInterrupt):
        model.fit(features, labels, verbose=0, callbacks=[Interrupt()])
    after = call(model, features)
    assert np.isfinite(after).all()
    assert not np.array_equal(after, before)
