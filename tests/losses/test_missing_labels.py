"""Weights of tasks, and labels that a row may lack: no gradient, no metric."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import numpy

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")
ROWS = 48
RNG = np.random.default_rng(0)
FEATURES = {
    "item": (np.arange(ROWS, dtype="int32") % 9),
    "user_group": np.arange(ROWS, dtype="int32") % 3,
}
CLICKS = RNG.integers(0, 2, ROWS).astype("float32")
RATINGS = RNG.normal(3, 1, ROWS).astype("float32")
MISSING = RNG.random(ROWS) < 0.4
LABELS = np.stack([CLICKS, np.where(MISSING, np.nan, RATINGS)], 1).astype("float32")
CLICK = ke.Label("click", weight=3.0)
RATING = ke.Label("rating", "regression", weight=0.5, optional=True)


def make(label, group=None):
    keras.utils.set_random_seed(1)
    model = ke.models.FM(ke.FeatureSchema([ke.Categorical("item", 10)], label, group), 4)
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(2).normal(0, 0.4, variable.shape))
    return model


def rows(*names):
    return {name: FEATURES[name] for name in names}


def logits_of(model):
    return np.asarray(model.predict(rows("item"), verbose=0), np.float64)


def test_loss_by_hand():
    options = {"weights": [2, 0.5], "optional": [False, True]}
    loss = ke.losses.LabelLoss(["regression", "regression"], **options)
    by_row = ke.losses.LabelLoss(["regression", "regression"], **options, reduction="none")
    labels = np.array([[1.0, np.nan], [0.0, 4.0]], "float32")
    logits = np.array([[3.0, 9.0], [0.0, 2.0]], "float32")
    # Rows: (2 * 4 + 0) / 2 and (0 + 0.5 * 4) / 2.
    np.testing.assert_allclose(numpy(by_row(labels, logits)), [4.0, 1.0])
    assert float(loss(labels, logits)) == pytest.approx(2.5)


def test_fit_evaluate_and_exact_metrics_leave_out_what_is_missing():
    model = make((CLICK, RATING))
    z = logits_of(model)
    model.compile(keras.optimizers.SGD(0.0))
    found = model.evaluate(rows("item"), LABELS, return_dict=True, verbose=0)
    clicks = np.logaddexp(0, z[:, 0]) - CLICKS * z[:, 0]
    errors = np.where(MISSING, 0, (z[:, 1] - RATINGS) ** 2)
    assert found["loss"] == pytest.approx((3 * clicks + 0.5 * errors).sum() / 2 / ROWS, rel=1e-4)
    mse = errors.sum() / (~MISSING).sum()
    assert found["mse_rating"] == pytest.approx(mse, rel=1e-4)
    assert found["logloss_click"] == pytest.approx(clicks.mean(), rel=1e-4)
    exact = ke.evaluate(model, (rows("item"), LABELS))
    assert exact["mse_rating"] == pytest.approx(mse, rel=1e-5)
    trained = model.fit(rows("item"), LABELS, batch_size=ROWS, verbose=0).history
    assert trained["loss"] == [pytest.approx(found["loss"], rel=1e-4)]


def masked_by_hand(labels, logits):
    """The same loss of labels that are there for all rows, without those of `MISSING`."""
    there = ops.convert_to_tensor((~MISSING).astype("float32"))
    clicks = ops.softplus(logits[:, 0]) - labels[:, 0] * logits[:, 0]
    errors = there * ops.square(logits[:, 1] - labels[:, 1])
    return (3 * clicks + 0.5 * errors) / 2


def test_a_missing_label_has_no_gradient():
    trained = []
    for loss, labels in ((None, LABELS), (masked_by_hand, np.stack([CLICKS, RATINGS], 1))):
        model = make((CLICK, RATING))
        model.compile(keras.optimizers.SGD(0.1), **({} if loss is None else {"loss": loss}))
        model.fit(rows("item"), labels, batch_size=ROWS, shuffle=False, epochs=3, verbose=0)
        trained.append(model.get_weights())
    moved = 0
    for first, second, start in zip(*trained, make((CLICK, RATING)).get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)
        moved += int((first != start).sum())
    assert moved >= 2 * 9  # the linear weights of both tasks
    nothing = make(ke.Label("rating", "regression", optional=True))
    before = nothing.get_weights()
    nothing.compile(keras.optimizers.SGD(0.1))
    nothing.fit(rows("item"), np.full(ROWS, np.nan, "float32"), verbose=0)
    for first, second in zip(before, nothing.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_one_optional_click_in_groups_is_as_if_the_rows_were_not_there():
    labels = np.where(MISSING, np.nan, CLICKS).astype("float32")
    model = make(ke.Label("click", optional=True), group="user_group")
    model.compile()
    found = model.evaluate(rows("item"), labels, return_dict=True, verbose=0)
    exact = ke.evaluate(model, (rows("item", "user_group"), labels))
    there = {name: values[~MISSING] for name, values in rows("item", "user_group").items()}
    expected = ke.evaluate(model, (there, CLICKS[~MISSING]))
    assert exact == pytest.approx(expected, abs=1e-9)
    assert found["auc"] == pytest.approx(expected["auc"], abs=1e-3)
    assert found["logloss"] == pytest.approx(expected["logloss"], rel=1e-4)


def test_a_label_that_is_not_optional_is_never_missing():
    model = make(("click", RATING))
    model.compile()
    wrong = LABELS.copy()
    wrong[5, 0] = np.nan
    with raises_value_error("click", "nan", "row 5"):
        model.fit(rows("item"), wrong, verbose=0)
    with raises_value_error("Task 'click'", "nan", "row 5"):
        ke.evaluate(model, (rows("item"), wrong))
    with raises_value_error("'rating'", "may be missing", "LabelLoss"):
        model.compile(loss="binary_crossentropy")


def test_the_schema_keeps_weights_and_options(tmp_path):
    model = make((CLICK, RATING))
    schema = model.schema
    assert ke.FeatureSchema.from_json(schema.to_json()) == schema
    assert (schema.label_weights, schema.optional_labels) == ((3.0, 0.5), (False, True))
    model.compile()
    model.fit(rows("item"), LABELS, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.schema == schema
    assert loaded.loss.optional == (False, True)
    assert loaded.evaluate(rows("item"), LABELS, verbose=0) == pytest.approx(
        model.evaluate(rows("item"), LABELS, verbose=0), rel=1e-4
    )


@pytest.mark.backend_free
def test_what_is_no_weight_is_named():
    for wrong in (0, -1.0, float("inf"), True, "2"):
        with raises_value_error("Label 'x'", "weight", repr(wrong)):
            ke.Label("x", weight=wrong)
    with raises_value_error("`weights`", "2 tasks", "(1.0,)"):
        ke.losses.LabelLoss(["binary", "binary"], weights=[1.0])
