"""Bad input to a model is an error that names it, whichever way it comes in."""

import signal

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


# --- every entry point ----------------------------------------------------------------------------


class Raise(keras.callbacks.Callback):
    """Raises at the end of the n-th batch, whatever is done with it."""

    def __init__(self, error, batch=0):
        super().__init__()
        self.error = error
        self.batch = batch

    def _raise(self, batch, logs=None):
        if batch == self.batch:
            raise self.error

    on_train_batch_end = on_test_batch_end = on_predict_batch_end = _raise


def interrupted_stream(good_batches):
    for _ in range(good_batches):
        yield make_batch()
    signal.raise_signal(signal.SIGINT)
    yield make_batch()


def check_alive(model, before=None):
    """Whatever one does with a model still works."""
    features, labels = make_batch()
    weights = model.get_weights()
    if before is not None:
        for weight, old in zip(weights, before, strict=True):
            np.testing.assert_array_equal(weight, old)
    assert np.isfinite(model.predict(features, verbose=0)).all()
    assert np.isfinite(model.evaluate(features, labels, verbose=0))
    assert np.isfinite(model.fit(features, labels, verbose=0).history["loss"]).all()
    assert np.isfinite(model.train_on_batch(features, labels))
    assert np.isfinite(model.test_on_batch(features, labels))
    assert np.isfinite(model.predict_on_batch(features)).all()


@pytest.mark.parametrize("good_batches", [0, 2])
@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_ctrl_c_while_reading_leaves_the_model_usable(model, method, good_batches):
    before = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        getattr(model, method)(interrupted_stream(good_batches), verbose=0)
    check_alive(model, before)


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_callbacks_that_raise_leave_the_model_usable(model, method):
    features, labels = make_batch()
    before = model.get_weights()
    for error in (KeyboardInterrupt(), RuntimeError("mine")):
        rows = (features, labels) if method == "evaluate" else (features,)
        with pytest.raises(type(error)):
            getattr(model, method)(
                *rows, batch_size=2, verbose=0, callbacks=[Raise(error, batch=1)]
            )
    check_alive(model, before)


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_a_wrong_id_in_a_stream_leaves_the_model_usable(model, method):
    features, labels = make_batch()
    before = model.get_weights()
    for good_batches in (0, 2):
        batches = [(features, labels)] * good_batches + [(spoil(features, "item", 9), labels)]
        with raises_value_error("'item'", "9"):
            getattr(model, method)((batch for batch in batches), verbose=0)
    check_alive(model, before)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch takes one step at a time")
def test_several_steps_at_once_survive_a_wrong_id():
    model = ke.models.FM(SCHEMA, embedding_dim=2)
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True), steps_per_execution=2)
    features, labels = make_batch()
    batches = [(features, labels)] * 3 + [(spoil(features, "item", 9), labels)]
    for method in (model.predict, model.evaluate, model.fit):
        with raises_value_error("'item'", "9"):
            method((batch for batch in batches), verbose=0)
    assert np.isfinite(model.get_weights()[0]).all()
    assert np.isfinite(model.predict(features, verbose=0)).all()


def interrupted(step):
    """The step, but Ctrl-C is pressed while it runs."""

    def run(state, iterator):
        outputs = step(state, iterator)
        signal.raise_signal(signal.SIGINT)
        return outputs

    return run


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="Only JAX deletes weights in a step")
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train", "test", "predict_one"])
def test_ctrl_c_within_a_step_waits_for_its_end(model, method, monkeypatch):
    features, labels = make_batch()
    model.train_on_batch(features, labels)
    before = model.get_weights()
    for kind in ("train", "test", "predict"):
        getattr(model, f"make_{kind}_function")()
        protected = getattr(model, f"{kind}_function")
        monkeypatch.setattr(protected, "_step", interrupted(protected._step))
    entry = {
        "train": lambda: model.train_on_batch(features, labels),
        "test": lambda: model.test_on_batch(features, labels),
        "predict_one": lambda: model.predict_on_batch(features),
        "fit": lambda: model.fit(features, labels, batch_size=2, verbose=0),
        "evaluate": lambda: model.evaluate(features, labels, batch_size=2, verbose=0),
        "predict": lambda: model.predict(features, batch_size=2, verbose=0),
    }[method]
    with pytest.raises(KeyboardInterrupt):
        entry()
    monkeypatch.undo()
    trains = method in ("fit", "train")
    same = all(map(np.array_equal, model.get_weights(), before))
    assert same != trains
    check_alive(model)


def test_weights_set_between_two_methods_survive_a_failure(model):
    features, labels = make_batch()
    model.train_on_batch(features, labels)
    new = [weight + 1 for weight in model.get_weights()]
    model.set_weights(new)
    with pytest.raises(KeyboardInterrupt):
        model.fit(interrupted_stream(0), verbose=0)
    check_alive(model, new)


def test_a_callback_that_predicts_and_fails_leaves_the_weights_reached(model):
    features, labels = make_batch()
    seen = []

    class PredictAndFail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            # Not `self.model`, which alone makes Keras give the variables their values.
            seen.append(model.predict(features, verbose=0))
            if batch:
                model.predict((part for part in [features, {}]), verbose=0)

    with raises_value_error("missing"):
        model.fit(features, labels, batch_size=2, verbose=0, callbacks=[PredictAndFail()])
    assert np.isfinite(seen).all()
    np.testing.assert_array_equal(model.predict(features, verbose=0), seen[1])
    check_alive(model)


NO_FEATURES = {
    "array": (np.ones((2, 3), "float32"), ["ndarray of shape (2, 3)", "dict"]),
    "list": ([np.ones(2), np.ones(2)], ["list of 2", "dict"]),
    "tuple": (make_batch(), ["tuple of 2", "`y`"]),
    "None": (None, ["NoneType", "dict"]),
    "text": ("train.csv", ["str", "dict"]),
    "number": (3, ["int", "dict"]),
}


@pytest.mark.parametrize("case", NO_FEATURES)
def test_what_is_no_dict_is_refused_before_anything_is_traced(model, case):
    x, words = NO_FEATURES[case]
    before = model.get_weights()
    for method in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with raises_value_error(*words):
            method(x, make_batch()[1])
    for predict in (model.predict, model.predict_on_batch):
        with raises_value_error(*words):
            predict(x)
    assert model.predict_function is None
    check_alive(model, before)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_encoded_columns_just_work(model, library):
    frames = pytest.importorskip(library)
    features, labels = make_batch()
    frame = frames.DataFrame({name: values.tolist() for name, values in features.items()})
    label = frames.Series(labels.tolist())
    expected = model.predict(features, verbose=0)
    np.testing.assert_array_equal(model.predict(frame, verbose=0), expected)
    np.testing.assert_array_equal(model.predict_on_batch(frame), model.predict_on_batch(features))
    assert model.evaluate(frame, label, verbose=0) == model.evaluate(features, labels, verbose=0)
    model.fit(frame, label, validation_data=(frame, label), verbose=0)
    with raises_value_error("'price'", "missing"):
        model.predict(frame[["item", "history"]], verbose=0)
    check_alive(model)


def test_no_rows_give_no_predictions(model):
    features, labels = make_batch(0)
    predictions = model.predict(features, verbose=0)
    assert predictions.shape == (0, 1)
    assert predictions.dtype == np.float32
    stages = model.intermediates().predict(features, verbose=0)
    assert {name: len(values) for name, values in stages.items()} == {
        "encoder": 0,
        "head_hidden_0": 0,
    }
    for method in (model.evaluate, model.train_on_batch, model.test_on_batch):
        with raises_value_error("at least one row", "0 rows"):
            method(features, labels)
    check_alive(model)
