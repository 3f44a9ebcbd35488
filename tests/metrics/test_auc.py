"""The streaming AUC against the exact one."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.metrics.test_exact import impressions


def streamed(labels, predictions, weights=None, batch_size=100_000, **options):
    """The metric's result after all batches."""
    metric = ke.metrics.AUC(**{"from_logits": True, **options})
    for start in range(0, len(labels), batch_size):
        rows = slice(start, start + batch_size)
        metric.update_state(
            labels[rows], predictions[rows], None if weights is None else weights[rows]
        )
    return float(metric.result())


def compiled(function):
    """The function as this backend compiles it."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    return function


class TestAccuracy:
    @pytest.mark.parametrize("rate", [0.5, 0.1, 0.01, 0.001])
    def test_within_1e_5_at_every_click_rate(self, rate):
        labels, logits = impressions(400_000, rate)
        exact = ke.metrics.exact_auc(labels, logits)
        assert streamed(labels, logits) == pytest.approx(exact, abs=2e-6)
        probabilities = 1 / (1 + np.exp(-logits.astype("float64")))
        streamed_probabilities = streamed(labels, probabilities, from_logits=False)
        assert streamed_probabilities == pytest.approx(exact, abs=1e-5)

    @pytest.mark.parametrize("rate", [0.5, 0.001])
    @pytest.mark.parametrize(
        ("centre", "spread"),
        [(0, 1e-3), (0, 1e-2), (-4, 4e-3), (-7, 1e-2), (0, 30)],
    )
    def test_within_1e_5_for_narrow_and_wide_logits(self, rate, centre, spread):
        labels, logits = impressions(300_000, rate)
        logits = centre + (logits - np.float32(logits.mean())) * np.float32(spread)
        exact = ke.metrics.exact_auc(labels, logits)
        assert streamed(labels, logits) == pytest.approx(exact, abs=1e-5)

    @pytest.mark.parametrize(("num_thresholds", "at_least"), [(200, 0.1), (2000, 1e-3)])
    def test_keras_own_is_far_off_where_clicks_are_rare(self, num_thresholds, at_least):
        labels, logits = impressions(400_000, 0.001)
        metric = keras.metrics.AUC(num_thresholds, from_logits=True)
        metric.update_state(labels, logits)
        exact = ke.metrics.exact_auc(labels, logits)
        assert abs(float(metric.result()) - exact) > at_least

    def test_skewed_logits_with_ties(self):
        rng = np.random.default_rng(0)
        labels, logits = impressions(300_000, 0.02)
        # Half of the rows share two thousand values, as those of frequent users do.
        tied = rng.random(len(logits)) < 0.5
        logits[tied] = rng.choice(logits, 2000)[rng.zipf(1.3, tied.sum()) % 2000]
        exact = ke.metrics.exact_auc(labels, logits)
        assert streamed(labels, logits) == pytest.approx(exact, abs=1e-5)

    def test_weights(self):
        labels, logits = impressions(300_000, 0.01)
        weights = np.random.default_rng(1).gamma(1.0, size=len(labels)).astype("float32")
        exact = ke.metrics.exact_auc(labels, logits, weights)
        assert streamed(labels, logits, weights) == pytest.approx(exact, abs=1e-5)
        assert abs(exact - ke.metrics.exact_auc(labels, logits)) > 1e-4

    def test_batches_change_nothing(self):
        labels, logits = impressions(20_000, 0.05)
        whole = streamed(labels, logits)
        assert streamed(labels, logits, batch_size=3333) == pytest.approx(whole, abs=1e-6)
        by_logit = np.argsort(logits)
        ordered = streamed(labels[by_logit], logits[by_logit], batch_size=2500)
        assert ordered == pytest.approx(whole, abs=1e-6)

    @given(st.lists(st.tuples(st.booleans(), st.integers(-20, 20)), min_size=8, max_size=8))
    @settings(deadline=None, max_examples=30)
    def test_separate_bins_are_exact(self, rows):
        labels = np.array([0, 1] + [int(label) for label, _ in rows])
        logits = np.array([0.0, 0.5] + [value * 0.5 for _, value in rows], "float32")
        exact = ke.metrics.exact_auc(labels, logits)
        assert streamed(labels, logits) == pytest.approx(exact, abs=3e-7)

    def test_more_bins_resolve_narrower_logits(self):
        labels, logits = impressions(200_000, 0.5)
        logits = logits * np.float32(5e-5)
        exact = ke.metrics.exact_auc(labels, logits)
        assert abs(streamed(labels, logits) - exact) > 1e-3
        assert streamed(labels, logits, num_bins=2**20) == pytest.approx(exact, abs=1e-5)

    def test_a_share_even_where_one_bin_holds_all(self):
        assert streamed(np.array([0, 1]), np.array([1e-6, 1.1e-4])) == 1.0
        assert streamed(np.array([1, 0]), np.array([1e-6, 1.1e-4])) == 0.0


class TestValues:
    def test_by_hand(self):
        metric = ke.metrics.AUC(from_logits=True)
        metric.update_state([0, 0, 1, 1], [-2.0, 0.5, 0.5, 1.0])
        assert float(metric.result()) == 0.875

    def test_all_tied(self):
        assert streamed(np.array([0, 1, 1]), np.full(3, -3.7)) == pytest.approx(0.5, abs=1e-6)

    def test_extreme_logits_keep_their_order(self):
        logits = [-np.inf, -1e5, -1e4, -1e3, 1e3, 1e4, 1e5, np.inf]
        for click in range(1, 8):
            labels = np.arange(8) == click
            assert streamed(labels, np.array(logits)) == pytest.approx(click / 7, abs=1e-6)

    def test_probabilities_from_0_to_1(self):
        metric = ke.metrics.AUC()
        metric.update_state([0, 0, 1, 0, 1], [0.0, 1e-30, 0.5, 1 - 1e-7, 1.0])
        assert float(metric.result()) == pytest.approx(5 / 6, abs=1e-6)

    @pytest.mark.parametrize("shape", [(4,), (4, 1)])
    @pytest.mark.parametrize("label_shape", [(4,), (4, 1)])
    @pytest.mark.parametrize("weight_shape", [(4,), (4, 1)])
    def test_shapes(self, shape, label_shape, weight_shape):
        metric = ke.metrics.AUC(from_logits=True)
        metric.update_state(
            np.reshape([0, 1, 0, 1], label_shape),
            np.reshape([1.0, 2.0, 3.0, 4.0], shape),
            np.reshape([3.0, 2.0, 5.0, 0.0], weight_shape),
        )
        assert float(metric.result()) == 0.375

    @pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float16", "float64"])
    def test_label_dtypes(self, dtype):
        assert streamed(np.array([0, 1, 0], dtype), np.array([1, 2, 3], "float16")) == 0.5

    def test_one_weight_for_all(self):
        metric = ke.metrics.AUC(from_logits=True)
        metric.update_state([0, 1, 0], [1.0, 2.0, 3.0], 0.25)
        assert float(metric.result()) == 0.5

    def test_an_empty_batch_adds_nothing(self):
        metric = ke.metrics.AUC(from_logits=True)
        metric.update_state([0, 1], [1.0, 2.0])
        metric.update_state(np.zeros((0,)), np.zeros((0, 1)))
        assert float(metric.result()) == 1.0

    def test_one_class_is_nan(self):
        metric = ke.metrics.AUC(from_logits=True)
        assert np.isnan(float(metric.result()))
        metric.update_state([1, 1], [1.0, 2.0])
        assert np.isnan(float(metric.result()))
        metric.update_state([0], [0.0])
        assert float(metric.result()) == 1.0

    @pytest.mark.parametrize(
        ("labels", "predictions", "from_logits"),
        [
            ([0, 1, 1], [0.1, np.nan, 0.3], True),
            ([0, 1, 1], [0.1, np.nan, 0.3], False),
            ([0, 1, 1], [0.1, 1.5, 0.3], False),
            ([0, 1, 1], [-0.5, 0.2, 0.3], False),
            ([0, 1, 2], [0.1, 0.2, 0.3], True),
            ([0, 1, 0.5], [0.1, 0.2, 0.3], True),
            ([0, 1, np.nan], [0.1, 0.2, 0.3], True),
        ],
    )
    def test_what_cannot_be_counted_makes_nan_until_reset(self, labels, predictions, from_logits):
        metric = ke.metrics.AUC(from_logits=from_logits)
        metric.update_state(labels, predictions)
        metric.update_state([0, 1], [0.1, 0.2])
        assert np.isnan(float(metric.result()))
        metric.reset_state()
        metric.update_state([0, 1], [0.1, 0.2])
        assert float(metric.result()) == 1.0

    def test_rows_without_weight_do_not_count(self):
        metric = ke.metrics.AUC(from_logits=True)
        metric.update_state([0, 1, -1, 0], [0.1, 0.2, 0.3, np.nan], [1.0, 1.0, 0.0, 0.0])
        assert float(metric.result()) == 1.0

    def test_refuses_several_tasks_and_unequal_lengths(self):
        metric = ke.metrics.AUC(from_logits=True)
        with raises_value_error(
            "one task", "y_pred", "(2, 3)", "ke.metrics.TaskMetric(metric, task=0)"
        ):
            metric.update_state(np.zeros(2), np.zeros((2, 3)))
        with raises_value_error("one task", "y_true", "(2, 3)"):
            metric.update_state(np.zeros((2, 3)), np.zeros(2))
        with raises_value_error("1 labels", "2 predictions"):
            metric.update_state(np.zeros(1), np.zeros(2))

    @pytest.mark.parametrize("num_bins", [0, 1, 1000, 2.0, -2])
    def test_refuses_a_wrong_number_of_bins(self, num_bins):
        with raises_value_error("num_bins", "power of two", repr(num_bins)):
            ke.metrics.AUC(num_bins=num_bins)


class TestInKeras:
    def test_config_round_trip(self):
        metric = ke.metrics.AUC(num_bins=1024, from_logits=True, name="area", dtype="float32")
        config = keras.saving.serialize_keras_object(metric)
        assert config["registered_name"] == "keras_elastor>AUC"
        copy = keras.saving.deserialize_keras_object(config)
        assert isinstance(copy, ke.metrics.AUC)
        assert copy.get_config() == metric.get_config()
        assert copy.get_config() == {
            "name": "area",
            "dtype": "float32",
            "num_bins": 1024,
            "from_logits": True,
        }

    def test_every_instance_has_the_same_name(self):
        assert [ke.metrics.AUC().name, ke.metrics.AUC().name] == ["auc", "auc"]

    @pytest.mark.parametrize("dtype", [None, "float16", "mixed_float16", "float64"])
    def test_float32_whatever_the_policy(self, dtype):
        keras.config.set_dtype_policy("mixed_float16")
        metric = ke.metrics.AUC(from_logits=True, dtype=dtype)
        labels, logits = impressions(50_000, 0.1)
        metric.update_state(labels, logits)
        assert {keras.backend.standardize_dtype(v.dtype) for v in metric.variables} == {"float32"}
        assert keras.backend.standardize_dtype(metric.result().dtype) == "float32"
        exact = ke.metrics.exact_auc(labels, logits)
        assert float(metric.result()) == pytest.approx(exact, abs=2e-6)

    def test_compiles(self):
        metric = ke.metrics.AUC(from_logits=True)
        update = compiled(metric.stateless_update_state)
        result = compiled(metric.stateless_result)
        labels, logits = impressions(50_000, 0.1)
        weights = np.random.default_rng(1).random(len(labels)).astype("float32")
        state = [ops.convert_to_tensor(variable) for variable in metric.variables]
        for start in (0, 25_000):
            rows = slice(start, start + 25_000)
            batch = [ops.convert_to_tensor(part[rows]) for part in (labels, logits, weights)]
            state = update(state, *batch)
        exact = ke.metrics.exact_auc(labels, logits, weights)
        assert float(result(state)) == pytest.approx(exact, abs=2e-6)

    def test_in_fit(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(3072, 4)).astype("float32")
        y = (x[:, 0] + rng.normal(size=3072) > 1).astype("float32")
        weights = rng.random(3072).astype("float32")
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[ke.metrics.AUC(from_logits=True)],
            weighted_metrics=[ke.metrics.AUC(from_logits=True, name="weighted_auc")],
        )
        history = model.fit(
            x, y, validation_data=(x, y, weights), batch_size=1024, epochs=2, verbose=0
        ).history
        logits = model.predict(x, verbose=0)
        exact = ke.metrics.exact_auc(y, logits)
        assert history["val_auc"][-1] == pytest.approx(exact, abs=1e-5)
        weighted = ke.metrics.exact_auc(y, logits, weights)
        assert history["val_weighted_auc"][-1] == pytest.approx(weighted, abs=1e-5)

    def test_early_stopping_looks_for_a_maximum(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(512, 4)).astype("float32")
        y = (x[:, 0] > 0).astype("float32")
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[ke.metrics.AUC(from_logits=True)],
        )
        stop = keras.callbacks.EarlyStopping(
            monitor="val_auc", patience=1, mode="auto", restore_best_weights=True
        )
        # Three epochs down the loss, then up again.
        turn = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: model.optimizer.learning_rate.assign(
                0.1 if epoch < 3 else -0.1
            )
        )
        fit = {"validation_data": (x, y), "epochs": 9, "batch_size": 128, "verbose": 0}
        aucs = model.fit(x, y, callbacks=[turn, stop], **fit).history["val_auc"]
        assert len(aucs) == 4
        assert aucs[0] < aucs[1] < aucs[2]
        assert aucs[3] < aucs[2]
        best = ke.metrics.exact_auc(y, model.predict(x, verbose=0))
        assert best == pytest.approx(aucs[2], abs=1e-5)

    def test_a_compiled_model_is_saved_with_it(self, tmp_path):
        x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
        y = np.arange(64) % 3 == 0
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[ke.metrics.AUC(from_logits=True)],
        )
        model.fit(x, y, verbose=0)
        before = model.evaluate(x, y, verbose=0, return_dict=True)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        after = loaded.evaluate(x, y, verbose=0, return_dict=True)
        assert after["auc"] == pytest.approx(before["auc"], abs=1e-6)
