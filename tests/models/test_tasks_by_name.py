"""Losses, weights and metrics that `compile` is given by the names of the labels."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy

FEATURES = {"item": np.arange(1, 9, dtype="int32")}
CLICKS = np.array([1, 0, 1, 0, 1, 1, 0, 0], "float32")
RATINGS = np.array([5, 1, np.nan, 2, np.nan, 4, 3, 0], "float32")
LABELS = np.stack([CLICKS, RATINGS], axis=1)
LOSSES = {
    "rating": "mean_squared_error",
    "click": keras.losses.BinaryCrossentropy(from_logits=True),
}


def make_model():
    schema = ke.FeatureSchema(
        [ke.Categorical("item", 10)],
        label=("click", ke.Label("rating", "regression", weight=0.5, optional=True)),
    )
    keras.utils.set_random_seed(0)
    model = ke.models.DNN(schema, embedding_dim=4, hidden_units=[4])
    for weight in model.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    return model


def expected_losses(model):
    """Mean over all rows of each task, in float64."""
    logits = call(model, FEATURES).astype("float64")
    clicks = np.logaddexp(0, logits[:, 0]) - CLICKS * logits[:, 0]
    ratings = np.nan_to_num((logits[:, 1] - RATINGS) ** 2)
    return clicks.mean(), ratings.mean()


@pytest.mark.parametrize(
    ("weights", "click", "rating"),
    [(None, 1, 0.5), ({"rating": 3}, 1, 3), ({"click": 2.0, "rating": 0}, 2, 0)],
)
def test_the_loss_is_the_weighted_sum(weights, click, rating):
    model = make_model()
    arguments = {} if weights is None else {"loss_weights": weights}
    model.compile(loss=LOSSES, **arguments)
    logs = model.evaluate(FEATURES, LABELS, verbose=0, return_dict=True)
    clicks, ratings = expected_losses(model)
    np.testing.assert_allclose(logs["loss"], click * clicks + rating * ratings, rtol=1e-5)


def test_weights_by_name_go_with_the_losses_of_the_kinds():
    model = make_model()
    model.compile(loss_weights={"click": 4})
    clicks, ratings = expected_losses(model)
    logs = model.evaluate(FEATURES, LABELS, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["loss"], (4 * clicks + 0.5 * ratings) / 2, rtol=1e-5)


def test_metrics_have_the_name_of_their_label_and_leave_out_missing_ones():
    model = make_model()
    model.compile(
        loss=LOSSES,
        metrics={"rating": ["mae", keras.metrics.MeanSquaredError("mse")]},
        weighted_metrics={"click": ke.metrics.AUC(from_logits=True)},
    )
    logs = model.evaluate(FEATURES, LABELS, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "mean_absolute_error_rating", "mse_rating", "auc_click"}
    logits, has = call(model, FEATURES), ~np.isnan(RATINGS)
    errors = np.abs(logits[has, 1] - RATINGS[has])
    np.testing.assert_allclose(logs["mean_absolute_error_rating"], errors.mean(), rtol=1e-5)
    np.testing.assert_allclose(logs["mse_rating"], (errors**2).mean(), rtol=1e-5)
    expected = ke.metrics.exact_auc(CLICKS, logits[:, 0])
    np.testing.assert_allclose(logs["auc_click"], expected, atol=1e-6)


def test_without_metrics_each_task_has_those_of_its_kind():
    model = make_model()
    model.compile(loss=LOSSES)
    logs = model.evaluate(FEATURES, LABELS, verbose=0, return_dict=True)
    kinds = {"mse_rating", "mae_rating", "rmse_rating"}
    assert set(logs) == {"loss", "auc_click", "logloss_click", *kinds}


def test_a_missing_label_has_no_gradient(tmp_path):
    """What a row without a rating says of ratings changes nothing."""
    trained = []
    for rows in (slice(None), ~np.isnan(RATINGS)):
        model = make_model()
        model.compile(keras.optimizers.SGD(0.1), loss=LOSSES, loss_weights={"click": 0})
        features = {"item": FEATURES["item"][rows]}
        share = len(features["item"]) / 8
        model.optimizer.learning_rate = 0.1 * share
        model.train_on_batch(features, LABELS[rows])
        trained.append(model)
    for one, other in zip(trained[0].weights, trained[1].weights, strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), rtol=1e-5, atol=1e-6)
    assert all(np.isfinite(numpy(weight)).all() for weight in trained[0].weights)
    trained[0].save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    before, after = (
        one.evaluate(FEATURES, LABELS, verbose=0, return_dict=True) for one in (trained[0], loaded)
    )
    assert after == pytest.approx(before, rel=1e-6)


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "parts"),
        [
            ({"loss": {"click": "mse", "ratng": "mse"}}, ["click, rating", "'ratng'", "'rating'?"]),
            ({"loss": {"click": "mse"}}, ["every label", "none for 'rating'"]),
            ({"loss": {"click": "mse", "rating": "bce"}}, ["'rating' of kind 'regression'"]),
            ({"loss": LOSSES, "loss_weights": {"like": 1}}, ["`loss_weights`", "'like'"]),
            ({"loss": LOSSES, "loss_weights": {"click": -1}}, ["at least 0", "-1 for 'click'"]),
            ({"loss": "mse", "loss_weights": {"click": 1}}, ["`loss` by the names", "'mse'"]),
            ({"loss": LOSSES, "metrics": {"like": ["mse"]}}, ["`metrics`", "'like'"]),
        ],
    )
    def test_names_and_values_are_named(self, arguments, parts):
        with raises_value_error(*parts):
            make_model().compile(**arguments)

    def test_one_metric_for_two_labels(self):
        metric = keras.metrics.MeanSquaredError("mse")
        with raises_value_error("of its own", "'mse'", "'rating'"):
            make_model().compile(loss=LOSSES, metrics={"click": metric, "rating": metric})

    def test_probabilities_are_a_warning(self):
        losses = {**LOSSES, "click": "binary_crossentropy"}
        with pytest.warns(UserWarning, match="from_logits=True"):
            make_model().compile(loss=losses)

    def test_as_many_weights_as_losses(self):
        with raises_value_error("`weights`", "2 losses", "weights=(1,)"):
            ke.losses.TaskLoss(["mse", "mse"], weights=[1])
