"""Trainings by optimizers and losses of Keras, and protocols of one's own."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.training.protocol import make_protocol
from tests.assertions import raises_value_error
from tests.backends import numpy
from tests.training.test_protocol import fit, make_model, make_rows

COSINE = {"name": "cosine_decay", "initial_learning_rate": 0.01, "decay_steps": 8}


def make_dnn(seed):
    keras.utils.set_random_seed(seed)
    schema = ke.FeatureSchema([ke.Categorical("item", 20), ke.Numeric("price")])
    return ke.models.DNN(schema, embedding_dim=4, hidden_units=[8])


def test_names_and_arguments_become_optimizer_and_loss():
    protocol = ke.training.KerasProtocol(
        {"name": "adamw", "learning_rate": 0.02, "weight_decay": 0.1, "clipnorm": 2.0},
        {"name": "BinaryFocalCrossentropy", "gamma": 3},
    )
    optimizer, loss = protocol.make_optimizer(), protocol.make_loss()
    assert isinstance(optimizer, keras.optimizers.AdamW)
    config = optimizer.get_config()
    assert config["learning_rate"] == pytest.approx(0.02)
    assert (config["weight_decay"], config["clipnorm"]) == (0.1, 2.0)
    assert type(loss) is keras.losses.BinaryFocalCrossentropy
    assert (loss.get_config()["gamma"], loss.get_config()["from_logits"]) == (3, True)


def test_optimizers_of_this_package_have_names():
    protocol = ke.training.KerasProtocol("pytorch_adam")
    assert type(protocol.make_optimizer()) is ke.optimizers.PyTorchAdam


def test_trains_as_keras_does():
    """Weights after two epochs are those of `compile` and `fit` with the same parts."""
    weights = []
    features, labels = make_rows(64)
    for by_protocol in (True, False):
        model = make_dnn(3)
        if by_protocol:
            ke.training.KerasProtocol({"name": "sgd", "learning_rate": COSINE}).compile(model)
        else:
            schedule = keras.optimizers.schedules.CosineDecay(0.01, 8)
            loss = keras.losses.BinaryCrossentropy(from_logits=True)
            model.compile(keras.optimizers.SGD(schedule), loss)
        model.fit(features, labels, batch_size=16, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for actual, expected in zip(*weights, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_schedule_is_followed_and_never_assigned():
    protocol = ke.training.KerasProtocol({"name": "adam", "learning_rate": COSINE}, patience=9)
    model = make_dnn(0)
    protocol.compile(model)
    callback = protocol.callback(make_rows(50, seed=1))
    # Nothing gains, so that every evaluation would lower the rate.
    callback.plateau.best = 2.0
    fit(model, callback, epochs=2)
    rates = [evaluation["learning_rate"] for evaluation in callback.evaluations]
    expected = [0.01 * (1 + np.cos(np.pi * step / 8)) / 2 for step in (4, 8)]
    assert rates == pytest.approx(expected, abs=1e-8)
    schedule = numpy(keras.ops.convert_to_tensor(model.optimizer.learning_rate))
    assert float(schedule) == pytest.approx(0, abs=1e-8)


def test_a_rate_that_is_a_number_stays_without_a_factor():
    for factor, expected in ((None, 1e-3), (0.5, 2.5e-4)):
        arguments = {} if factor is None else {"learning_rate_factor": factor}
        protocol = ke.training.KerasProtocol(patience=9, **arguments)
        model = make_dnn(0)
        protocol.compile(model)
        callback = protocol.callback(make_rows(50, seed=1))
        callback.plateau.best = 2.0
        fit(model, callback, epochs=2)
        rate = float(numpy(model.optimizer.learning_rate))
        assert rate == pytest.approx(expected, rel=1e-6)


def test_a_schedule_that_would_be_lowered_is_refused_at_the_start():
    model = make_model(ke.training.FuxiCTRProtocol())
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 8)
    model.compile(keras.optimizers.Adam(schedule), keras.losses.BinaryCrossentropy(True))
    callback = ke.training.EvaluationCallback(make_rows(50), {"auc": 1})
    with raises_value_error("Adam with a schedule", "multiplies it by 0.1", "Plateau(factor=1)"):
        fit(model, callback, epochs=1)
    assert callback.step == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"optimizer": "adamm"}, ["'protocol.optimizer'", "'adamm'", "'Adam'"]),
        ({"optimizer": {"learning_rate": 1}}, ["'protocol.optimizer'", "expected a name"]),
        (
            {"optimizer": {"name": "adam", "learnin_rate": 1}},
            ["'protocol.optimizer.learnin_rate'", "'learning_rate'"],
        ),
        (
            {"optimizer": {"name": "adam", "learning_rate": {"name": "cosine_decai"}}},
            ["'protocol.optimizer.learning_rate'", "'CosineDecay'"],
        ),
        (
            {"optimizer": {"name": "adam", "learning_rate": {"name": "cosine_decay"}}},
            ["'protocol.optimizer.learning_rate' of cosine_decay", "decay_steps"],
        ),
        ({"loss": "binary_crossentropi"}, ["'protocol.loss'", "'BinaryCrossentropy'"]),
        (
            {"loss": {"name": "binary_crossentropy", "from_logits": False}},
            ["`loss`", "from_logits=true"],
        ),
        (
            {"optimizer": {"name": "adam", "learning_rate": COSINE}, "learning_rate_factor": 0.5},
            ["`learning_rate_factor`", "schedule", "0.5"],
        ),
    ],
)
def test_wrong_values_are_named(values, words):
    with raises_value_error(*words):
        make_protocol({"name": "keras", **values})


@pytest.fixture
def halving(monkeypatch):
    """A protocol of one's own, known while a test runs."""
    monkeypatch.setattr("keras_elastor.training.protocol._PROTOCOLS", {})

    @ke.training.register_protocol("halving")
    @dataclasses.dataclass(frozen=True)
    class Halving(ke.training.Protocol):
        learning_rate: float = 0.5

        @property
        def model_arguments(self):
            return {"embedding_dim": 3}

        def compile(self, model, **arguments):
            loss = keras.losses.BinaryCrossentropy(from_logits=True)
            model.compile(keras.optimizers.SGD(self.learning_rate), loss, **arguments)

    return Halving


def test_a_protocol_of_ones_own_runs(halving, tmp_path):
    from tests.runs.runs import make_config

    values = {"name": "halving", "learning_rate": 0.25, "patience": 1, "min_delta": 1}
    config = make_config(tmp_path, protocol={**values, "learning_rate_factor": 0.5})
    assert config.protocol == halving(0.25, patience=1, min_delta=1, learning_rate_factor=0.5)
    result = ke.runs.run(config)
    assert ke.runs.RunConfig.from_file(result.folder / "config.json") == config
    assert ke.runs.load_model(result.folder).get_layer("encoder").embedding_dim == 3
    assert result.steps == 20


def test_only_protocols_are_registered(halving):
    with pytest.raises(TypeError, match="dataclass"):
        ke.training.register_protocol("other")(type("Other", (halving,), {}))
    with pytest.warns(UserWarning, match="'halving' is replaced"):
        ke.training.register_protocol("halving")(halving)
    other = dataclasses.dataclass(frozen=True)(type("Other", (halving,), {}))
    with raises_value_error("Other", "register_protocol"):
        other().get_config()
