import itertools

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.training.evaluation_callback import monitored_value
from tests.assertions import raises_value_error
from tests.backends import numpy


def make_schema():
    return ke.FeatureSchema([ke.Categorical("item", 20), ke.Numeric("price")])


def make_rows(count, seed=0):
    rng = np.random.default_rng(seed)
    features = {
        "item": rng.integers(1, 19, count).astype("int32"),
        "price": rng.normal(size=count).astype("float32"),
    }
    labels = rng.uniform(size=count) < 1 / (1 + np.exp(-features["price"]))
    return features, labels.astype("float32")


def make_model(protocol, **arguments):
    model = ke.models.DNN(
        make_schema(),
        embedding_dim=4,
        hidden_units=[8],
        encoder={"embeddings_regularizer": protocol.embeddings_regularizer},
        **arguments,
    )
    protocol.compile(model)
    return model


@pytest.fixture
def script(monkeypatch):
    """Replaces the exact evaluation by given AUCs."""

    def use(values):
        values = iter(values)
        monkeypatch.setattr(
            "keras_elastor.training.evaluation_callback.evaluate",
            lambda *arguments: {"auc": next(values), "logloss": 0.5},
        )

    return use


def fit(model, callback, epochs, steps=4):
    features, labels = make_rows(16 * steps)
    return model.fit(
        features, labels, batch_size=16, epochs=epochs, callbacks=[callback], verbose=0
    )


def test_lowers_the_rate_stops_and_restores(script):
    script([0.70, 0.72, 0.71, 0.73, 0.73, 0.72, 0.9])
    protocol = ke.training.FuxiCTRProtocol()
    model = make_model(protocol)
    callback = protocol.callback(make_rows(8))
    weights = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(model.get_weights())
    )
    features, labels = make_rows(64)
    history = model.fit(
        features, labels, batch_size=16, epochs=9, callbacks=[keep, callback], verbose=0
    )
    records = callback.evaluations
    assert [record["step"] for record in records] == [4, 8, 12, 16, 20, 24]
    assert [record["epoch"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert [record["gain"] for record in records] == [True, True, False, True, False, False]
    rates = [record["learning_rate"] for record in records]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5], rel=1e-6)
    assert history.history["val_auc"] == [0.70, 0.72, 0.71, 0.73, 0.73, 0.72]
    for best, now in zip(weights[3], model.get_weights(), strict=True):
        np.testing.assert_array_equal(best, now)
    assert any((a != b).any() for a, b in zip(weights[3], weights[5], strict=True))


def test_the_lowered_rate_is_the_one_that_trains(script):
    script([0.7, 0.6, 0.6])
    protocol = ke.training.FuxiCTRProtocol(learning_rate=0.5, learning_rate_factor=1e-6)
    model = make_model(protocol)
    weights = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()[0].copy())
    )
    features, labels = make_rows(64)
    callbacks = [keep, protocol.callback(make_rows(8))]
    model.fit(features, labels, batch_size=16, epochs=3, callbacks=callbacks, verbose=0)
    moved = [np.abs(after - before).max() for before, after in itertools.pairwise(weights)]
    assert moved[0] > 0.1
    assert 0 < moved[1] < 1e-4


def test_evaluates_every_few_steps_across_epochs(script):
    script([0.1, 0.2, 0.3])
    protocol = ke.training.FuxiCTRProtocol(evaluate_every=3)
    model = make_model(protocol)
    callback = protocol.callback(make_rows(8))
    history = fit(model, callback, epochs=2, steps=5)
    assert [record["step"] for record in callback.evaluations] == [3, 6, 9]
    assert [record["epoch"] for record in callback.evaluations] == [1, 2, 2]
    assert "val_auc" not in history.history


def test_stops_in_the_middle_of_an_epoch(script):
    script([0.7, 0.6, 0.5])
    protocol = ke.training.FuxiCTRProtocol(evaluate_every=1)
    model = make_model(protocol)
    callback = protocol.callback(make_rows(8))
    fit(model, callback, epochs=2, steps=5)
    assert callback.step == 3


def test_records_equal_an_evaluation_of_their_own():
    protocol = ke.training.FuxiCTRProtocol(monitor={"auc": 1, "logloss": -2})
    model = make_model(protocol)
    valid = make_rows(200, seed=1)
    callback = protocol.callback(valid)
    fit(model, callback, epochs=1)
    record, metrics = callback.evaluations[0], ke.evaluate(model, valid)
    assert {name: record[name] for name in metrics} == pytest.approx(metrics, abs=1e-6)
    assert record["monitor"] == record["auc"] - 2 * record["logloss"]


def test_a_model_trains_on_as_if_nothing_was_evaluated():
    """On JAX an evaluation inside of an epoch takes the state out of the loop and back."""

    def weights(every):
        keras.utils.set_random_seed(1)
        protocol = ke.training.FuxiCTRProtocol(
            evaluate_every=every, patience=99, learning_rate_factor=1.0
        )
        model = make_model(protocol)
        callback = protocol.callback(make_rows(50))
        callback.restore_best = lambda: None
        fit(model, callback, epochs=2)
        assert len(callback.evaluations) == (8 // every)
        return model.get_weights()

    for seldom, often in zip(weights(100), weights(1), strict=True):
        np.testing.assert_allclose(often, seldom, atol=1e-6)


def test_monitor_names_the_nearest_metric():
    with raises_value_error("auc, logloss, gauc", "'guac'", "Did you mean 'gauc'?"):
        monitored_value({"guac": 1}, {"auc": 0.7, "logloss": 0.4, "gauc": 0.6})


class TestCompile:
    def test_the_loss_holds_half_of_lambda(self):
        protocol = ke.training.FuxiCTRProtocol(embedding_l2_lambda=0.1)
        model = make_model(protocol)
        features, labels = make_rows(16)
        loss = model.test_on_batch(features, labels)
        encoder = model.get_layer("encoder")
        squares = sum(float((numpy(weight) ** 2).sum()) for weight in encoder.weights)
        task = ke.evaluate(model, (features, labels))["logloss"]
        assert float(np.asarray(loss)) == pytest.approx(task + 0.05 * squares, rel=1e-5)

    def test_the_optimizer(self):
        model = make_model(ke.training.FuxiCTRProtocol(0.25, max_gradient_norm=3))
        config = model.optimizer.get_config()
        assert config["epsilon"] == 1e-8
        assert config["global_clipnorm"] == 3
        assert config["learning_rate"] == 0.25

    def test_another_regularizer_is_refused(self):
        protocol = ke.training.FuxiCTRProtocol(embedding_l2_lambda=1e-3)
        model = ke.models.DNN(
            make_schema(), encoder={"embeddings_regularizer": keras.regularizers.L2(1e-3)}
        )
        with raises_value_error("embedding_l2_lambda=0.001", "protocol.embeddings_regularizer"):
            protocol.compile(model)


class TestOptions:
    def test_official_names(self):
        protocol = ke.training.FuxiCTRProtocol.from_official(
            {
                "model": "DNN",
                "learning_rate": 2e-3,
                "embedding_regularizer": 1e-5,
                "max_gradient_norm": 5.0,
                "eval_steps": 30,
                "early_stop_patience": 3,
                "monitor": {"AUC": 1, "logloss": -1},
                "optimizer": "Adam",
                "net_regularizer": 0,
            }
        )
        assert protocol == ke.training.FuxiCTRProtocol(
            2e-3, 1e-5, 5.0, monitor={"auc": 1, "logloss": -1}, evaluate_every=30, patience=3
        )

    def test_official_defaults(self):
        official = {"monitor": "AUC", "eval_steps": None}
        protocol = ke.training.FuxiCTRProtocol.from_official(official)
        assert protocol == ke.training.FuxiCTRProtocol()

    @pytest.mark.parametrize(
        ("name", "value"),
        [("optimizer", "sgd"), ("net_regularizer", 1e-6), ("reduce_lr_on_plateau", False)],
    )
    def test_another_training_is_refused(self, name, value):
        with raises_value_error(f"'{name}'", repr(value)):
            ke.training.FuxiCTRProtocol.from_official({name: value})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("learning_rate", 0),
            ("embedding_l2_lambda", -1),
            ("max_gradient_norm", 0),
            ("monitor", {}),
            ("evaluate_every", 0),
            ("patience", 0),
            ("min_delta", -1e-9),
            ("learning_rate_factor", 2),
            ("min_learning_rate", -1),
        ],
    )
    def test_wrong_values_are_named(self, name, value):
        with raises_value_error(f"`{name}`", f"{name}={value!r}"):
            ke.training.FuxiCTRProtocol(**{name: value})
