"""Losses and metrics: right by default, of shapes that agree, and never of logits by mistake."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_elastor as ke
from tests.checks import random_batch

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")

SCHEMA = ke.FeatureSchema([ke.Categorical("user", 12), ke.Numeric("price")], label="click")
FEATURES, LABELS = random_batch(SCHEMA)
WEIGHTS = np.linspace(0.1, 2, 8).astype("float32")


def make_model():
    keras.utils.set_random_seed(3)
    return ke.models.FM(SCHEMA, embedding_dim=2)


def squared_error(labels, logits):
    return ops.mean(ops.square(labels - logits))


class WeightedError(keras.metrics.Metric):
    """A metric as people write it: it trusts the shapes."""

    def __init__(self):
        super().__init__(name="error")
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        error = ops.square(y_true - y_pred)
        self.total.assign_add(ops.sum(error if sample_weight is None else error * sample_weight))

    def result(self):
        return self.total.value


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_own_losses_and_metrics_see_labels_shaped_like_logits(weights):
    logits = make_model().predict(FEATURES, verbose=0)
    errors = np.square(LABELS[:, None] - logits)
    weight = np.ones((8, 1)) if weights is None else weights[:, None]
    results = []
    for labels in (LABELS, LABELS[:, None]):
        model = make_model()
        model.compile(keras.optimizers.SGD(0.1), squared_error, weighted_metrics=[WeightedError()])
        scores = model.evaluate(
            FEATURES, labels, sample_weight=weights, return_dict=True, verbose=0
        )
        assert scores["error"] == pytest.approx(np.sum(errors * weight), rel=1e-5)
        if weights is None:
            assert scores["loss"] == pytest.approx(np.mean(errors), rel=1e-5)
        model.fit(FEATURES, labels, sample_weight=weights, verbose=0, shuffle=False)
        scores = model.train_on_batch(FEATURES, labels, sample_weight=weights, return_dict=True)
        results.append([scores["loss"], scores["error"], *model.get_weights()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_metric_of_weights_of_several_tasks():
    schema = ke.FeatureSchema(SCHEMA.features, label=("click", "like", "share"))
    features, labels = random_batch(schema)
    model = ke.models.FM(schema, embedding_dim=2)
    model.compile("sgd", "mse", weighted_metrics=[WeightedError()])
    logits = model.predict(features, verbose=0)
    scores = model.evaluate(features, labels, sample_weight=WEIGHTS, return_dict=True, verbose=0)
    expected = np.sum(np.square(labels - logits) * WEIGHTS[:, None])
    assert scores["error"] == pytest.approx(expected, rel=1e-5)
    model = ke.models.FM(schema, embedding_dim=2)
    model.compile()
    names = {f"{metric}_{label}" for metric in ("auc", "logloss") for label in schema.labels}
    assert set(model.evaluate(features, labels, return_dict=True, verbose=0)) == {"loss", *names}


def test_compile_alone_is_right():
    model = make_model()
    model.compile()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    scores = model.evaluate(FEATURES, LABELS, return_dict=True, verbose=0)
    logits = model.predict(FEATURES, verbose=0)[:, 0]
    logloss = np.mean(np.logaddexp(0, logits) - LABELS * logits)
    pairs = logits[LABELS == 1][:, None] - logits[LABELS == 0]
    assert scores["loss"] == pytest.approx(logloss, rel=1e-5)
    assert scores["logloss"] == pytest.approx(logloss, rel=1e-5)
    assert scores["auc"] == pytest.approx(np.mean(pairs > 0) + np.mean(pairs == 0) / 2, abs=1e-5)


def test_what_is_given_replaces_the_defaults(tmp_path):
    model = make_model()
    model.compile("sgd", "mse")
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert list(model.evaluate(FEATURES, LABELS, return_dict=True, verbose=0)) == ["loss"]
    model.compile(metrics=[ke.metrics.LogLoss(from_logits=True)])
    names = list(model.evaluate(FEATURES, LABELS, return_dict=True, verbose=0))
    assert names == ["logloss", "loss"] or names == ["loss", "logloss"]
    model.fit(FEATURES, LABELS, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, keras.optimizers.Adam)
    for one, other in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(one.value), ops.convert_to_numpy(other.value)
        )
    expected = model.evaluate(FEATURES, LABELS, return_dict=True, verbose=0)
    assert loaded.evaluate(FEATURES, LABELS, return_dict=True, verbose=0) == pytest.approx(expected)


WRONG = {
    "auc": ({"metrics": ["auc"]}, "keras.metrics.AUC(from_logits=True)"),
    "keras AUC": ({"metrics": [keras.metrics.AUC()]}, "keras.metrics.AUC(from_logits=True)"),
    "our AUC": ({"weighted_metrics": [ke.metrics.AUC()]}, "ke.metrics.AUC(from_logits=True)"),
    "accuracy": ({"metrics": ["accuracy"]}, "keras.metrics.BinaryAccuracy(threshold=0.0)"),
    "precision": ({"metrics": ["Precision"]}, "keras.metrics.Precision(thresholds=0.0)"),
    "loss": ({"loss": "binary_crossentropy"}, "keras.losses.BinaryCrossentropy(from_logits=True)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_probabilities_expected_of_logits_is_a_warning(case):
    arguments, words = WRONG[case]
    with pytest.warns(UserWarning, match="gives logits") as caught:
        make_model().compile(**arguments)
    assert words in str(caught[0].message)


@pytest.mark.parametrize(
    "metric",
    [
        "mse",
        squared_error,
        keras.metrics.AUC(from_logits=True),
        keras.metrics.Recall(thresholds=0.0),
        keras.metrics.BinaryAccuracy(threshold=0.0),
        ke.metrics.LogLoss(from_logits=True),
    ],
)
def test_metrics_of_logits_are_no_warning(metric):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_model().compile(metrics=[metric])
