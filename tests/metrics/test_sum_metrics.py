"""LogLoss, NormalizedEntropy and Calibration against scikit-learn and by hand."""

import math

import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import numpy
from tests.metrics.test_exact import impressions

METRICS = [ke.metrics.LogLoss, ke.metrics.NormalizedEntropy, ke.metrics.Calibration]


def update(metric, labels, predictions, weights=None, batch_size=700):
    for start in range(0, len(labels), batch_size):
        rows = slice(start, start + batch_size)
        metric.update_state(
            labels[rows], predictions[rows], None if weights is None else weights[rows]
        )
    return float(numpy(metric.result()))


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype("float64")))


def expected_of(metric, labels, logits, weights):
    probabilities = sigmoid(logits)
    weights = np.ones(len(labels)) if weights is None else weights.astype("float64")
    loss = log_loss(labels, probabilities, sample_weight=weights)
    rate = np.average(labels, weights=weights)
    return {
        ke.metrics.LogLoss: loss,
        ke.metrics.NormalizedEntropy: loss
        / log_loss(labels, np.full(len(labels), rate), sample_weight=weights),
        ke.metrics.Calibration: np.dot(weights, probabilities) / np.dot(weights, labels),
    }[metric]


@pytest.mark.parametrize("metric", METRICS)
class TestAll:
    @pytest.mark.parametrize("rate", [0.3, 0.01])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("from_logits", [False, True])
    def test_values(self, metric, rate, weighted, from_logits):
        labels, logits = impressions(5000, rate)
        weights = np.random.default_rng(1).gamma(1.0, size=5000).astype("float32")
        weights = weights if weighted else None
        predictions = logits if from_logits else sigmoid(logits).astype("float32")
        value = update(metric(from_logits=from_logits), labels, predictions, weights)
        assert value == pytest.approx(expected_of(metric, labels, logits, weights), rel=2e-6)

    def test_columns_and_reset(self, metric):
        labels, logits = impressions(100, 0.3)
        instance = metric(from_logits=True)
        update(instance, labels, 1 - logits)
        instance.reset_state()
        value = update(instance, labels[:, None], logits[:, None])
        expected = expected_of(metric, labels, logits, None)
        assert value == pytest.approx(expected, rel=2e-6)

    def test_rows_of_weight_zero_do_not_count(self, metric):
        labels, logits = impressions(100, 0.3)
        weights = np.ones(100, "float32")
        labels[3], logits[4], weights[3:5] = 7, np.nan, 0
        value = update(metric(from_logits=True), labels, logits, weights)
        keep = weights > 0
        expected = expected_of(metric, labels[keep], logits[keep], None)
        assert value == pytest.approx(expected, rel=2e-6)

    @pytest.mark.parametrize(("label", "logit"), [(2, 0.0), (0, math.nan)])
    def test_a_row_that_cannot_be_counted_makes_nan(self, metric, label, logit):
        labels, logits = impressions(100, 0.3)
        instance = metric(from_logits=True)
        instance.update_state([label], [logit])
        assert math.isnan(update(instance, labels, logits))

    def test_nothing_seen_is_nan(self, metric):
        assert math.isnan(float(numpy(metric().result())))

    def test_several_tasks_are_refused(self, metric):
        with raises_value_error(metric.__name__, "one task", "(3, 2)"):
            metric().update_state(np.ones((3, 2)), np.ones((3, 2)))

    def test_config_and_training(self, metric):
        instance = metric(from_logits=True)
        revived = keras.metrics.deserialize(keras.metrics.serialize(instance))
        assert revived.get_config() == instance.get_config()
        labels, logits = impressions(256, 0.3)
        price = keras.Input((1,))
        model = keras.Model(price, price * 1.0)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile("sgd", loss, metrics=[instance])
        logs = model.evaluate(logits[:, None], labels[:, None], verbose=0, return_dict=True)
        expected = expected_of(metric, labels, logits, None)
        assert logs[instance.name] == pytest.approx(expected, rel=2e-6)


def test_sums_keep_what_float32_loses():
    """2^24 + 1 is no float32: a plain sum would stand still."""
    metric = ke.metrics.LogLoss(from_logits=True)
    metric.update_state([0], [0.0], [2.0**24])
    for _ in range(100):
        metric.update_state([0], [0.0], [1.0])
    weight = np.asarray(numpy(metric.totals))[1]
    assert weight == 2**24 + 100


def test_infinite_logits():
    metric = ke.metrics.LogLoss(from_logits=True)
    metric.update_state([1, 0], [np.inf, -np.inf])
    assert float(numpy(metric.result())) == 0
    metric.update_state([0], [np.inf])
    metric.update_state([0], [0.0])
    assert float(numpy(metric.result())) == math.inf
    metric = ke.metrics.LogLoss(from_logits=True)
    metric.update_state([0, 1], [np.inf, 0.0], [0.0, 1.0])
    assert float(numpy(metric.result())) == pytest.approx(math.log(2))


def test_normalized_entropy_of_the_mean_rate_is_one():
    labels, _ = impressions(1000, 0.2)
    predictions = np.full(1000, labels.mean(), "float32")
    assert update(ke.metrics.NormalizedEntropy(), labels, predictions) == pytest.approx(1, rel=1e-5)


def test_one_class_is_nan():
    ones = np.ones(5, "float32")
    assert math.isnan(update(ke.metrics.NormalizedEntropy(), ones, ones * 0.5))
    assert math.isnan(update(ke.metrics.Calibration(), ones * 0, ones * 0.5))


class TestCalibrationBuckets:
    def test_values(self):
        labels, logits = impressions(5000, 0.3)
        probabilities = sigmoid(logits)
        weights = np.random.default_rng(1).gamma(1.0, size=5000).astype("float32")
        metric = ke.metrics.Calibration(edges=[0.2, 0.6], from_logits=True)
        whole = update(metric, labels, logits, weights)
        assert whole == pytest.approx(np.dot(weights, probabilities) / np.dot(weights, labels))
        bounds = [0, 0.2, 0.6, 1]
        for bucket, low, high in zip(metric.buckets(), bounds[:-1], bounds[1:], strict=True):
            rows = (probabilities >= low) & (probabilities < high)
            predicted = np.average(probabilities[rows], weights=weights[rows])
            observed = np.average(labels[rows], weights=weights[rows])
            assert bucket == pytest.approx(
                {
                    "low": low,
                    "high": high,
                    "weight": weights[rows].sum(),
                    "predicted": predicted,
                    "observed": observed,
                    "calibration": predicted / observed,
                },
                rel=1e-5,
            )

    def test_empty_buckets_are_nan(self):
        metric = ke.metrics.Calibration(edges=[0.5])
        metric.update_state([0, 1], [0.7, 0.8])
        low, high = metric.buckets()
        assert low["weight"] == 0
        assert all(math.isnan(low[name]) for name in ("predicted", "observed", "calibration"))
        assert high["calibration"] == pytest.approx(1.5)

    @pytest.mark.parametrize("edges", [[0.5, 0.5], [0.0], [0.2, 1.0], [0.6, 0.4]])
    def test_wrong_edges(self, edges):
        with raises_value_error("edges", "rising", str(edges)):
            ke.metrics.Calibration(edges=edges)


@pytest.mark.parametrize(
    ("metric", "improves"),
    [
        (ke.metrics.AUC(num_bins=64), "up"),
        (ke.metrics.RelativeImprovement(0.6, num_bins=64), "up"),
        (ke.metrics.LogLoss(), "down"),
        (ke.metrics.NormalizedEntropy(), "down"),
        (ke.metrics.Calibration(), None),
    ],
)
def test_keras_knows_the_direction(metric, improves):
    """EarlyStopping with mode="auto" takes a change in the right direction for a gain."""
    price = keras.Input((1,))
    model = keras.Model(price, price * 1.0)
    model.compile("sgd", "mse", metrics=[metric])
    model.evaluate(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
    stopping = keras.callbacks.EarlyStopping(f"val_{metric.name}", patience=0)
    stopping.set_model(model)
    stopping.on_train_begin()
    if improves is None:
        with raises_value_error("mode='max'", metric.name):
            stopping.on_epoch_end(0, {f"val_{metric.name}": 0.5})
        return
    stopping.on_epoch_end(0, {f"val_{metric.name}": 0.5})
    better = 0.6 if improves == "up" else 0.4
    stopping.on_epoch_end(1, {f"val_{metric.name}": better})
    assert stopping.best == better
    stopping.on_epoch_end(2, {f"val_{metric.name}": 0.5})
    assert model.stop_training


class TestRelativeImprovement:
    def test_equals_the_formula(self):
        labels, logits = impressions(5000, 0.3)
        expected = (ke.metrics.exact_auc(labels, logits) - 0.5) / 0.2 - 1
        value = update(ke.metrics.RelativeImprovement(0.7, from_logits=True), labels, logits)
        assert value == pytest.approx(expected, abs=1e-4)
        assert ke.metrics.relative_improvement(0.74, 0.7) == pytest.approx(0.2)
        assert ke.metrics.relative_improvement(0.66, 0.7) == pytest.approx(-0.2)

    @pytest.mark.parametrize("baseline", [0.5, 0.3, 1.1, math.nan])
    def test_a_baseline_of_chance_is_refused(self, baseline):
        with raises_value_error("baseline_auc", str(baseline)):
            ke.metrics.RelativeImprovement(baseline)

    def test_config(self):
        metric = ke.metrics.RelativeImprovement(0.7, num_bins=64)
        revived = keras.metrics.deserialize(keras.metrics.serialize(metric))
        assert revived.get_config() == metric.get_config()


class TestGroupAUC:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_equals_the_metric_of_the_whole(self, weighted):
        labels, logits = impressions(5000, 0.2)
        rng = np.random.default_rng(1)
        groups = rng.integers(0, 300, 5000).astype("U4")
        weights = rng.integers(0, 3, 5000) if weighted else None
        expected = ke.metrics.group_auc(labels, logits, groups, weights)
        if weighted:
            repeat = lambda values: np.repeat(values, weights)  # noqa: E731
            rows = ke.metrics.group_auc(repeat(labels), repeat(logits), repeat(groups))
            assert rows == pytest.approx(expected, abs=1e-12)
        metric = ke.metrics.GroupAUC()
        metric.update_state([0, 1], [0.0, 1.0], ["x", "x"])
        metric.reset_state()
        for start in range(0, 5000, 999):
            rows = slice(start, start + 999)
            metric.update_state(
                keras.ops.convert_to_tensor(labels[rows]),
                keras.ops.convert_to_tensor(logits[rows][:, None]),
                groups[rows],
                None if weights is None else weights[rows],
            )
        assert metric.result() == pytest.approx(expected, abs=1e-12)
        assert metric.direction == "up"

    def test_no_group_of_both_classes_is_nan(self):
        metric = ke.metrics.GroupAUC()
        assert math.isnan(metric.result())
        metric.update_state([0, 1], [0.1, 0.2], [1, 2])
        assert math.isnan(metric.result())

    def test_bad_rows_are_named(self):
        with raises_value_error("groups", "1 for 2 labels"):
            ke.metrics.GroupAUC().update_state([0, 1], [0.1, 0.2], [1])
        with raises_value_error("scores", "nan in row 1"):
            ke.metrics.GroupAUC().update_state([0, 1], [0.1, np.nan], [1, 1])
