"""RankMixer with sparse experts: what is trained, what is served, what is noticed."""

import warnings

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.models.tokens.rank_mixer import sparse_block
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import random_batch, run_model_test
from tests.layers.per_token.test_per_token_moe import DenseOnly
from tests.models.test_models import SCHEMA, SPARSE, make

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")
BINARY = keras.losses.BinaryCrossentropy(from_logits=True)


def make_sparse(experts=None, **overrides):
    experts = experts or ke.layers.PerTokenMoE(ke.layers.PerTokenFFN([8]), 2, seed=1)
    block = ke.layers.MixerBlock(
        mixing=ke.layers.Residual(ke.layers.TokenMixing()), ffn=ke.layers.Residual(experts)
    )
    tokenizer = ke.layers.SharedTokenizer(2, 6, (8,), dropout=0.0)
    decided = {"per_token_units": None, "num_tokens": None, "token_dim": None}
    return make("RankMixer", tokenizer=tokenizer, block=block, **decided, **overrides)


def experts_of(model, index=0):
    return model.get_layer(f"ffn_{index}").layer


@pytest.mark.slow
def test_passes_the_checks_of_every_model(tmp_path):
    run_model_test(lambda **kwargs: make_sparse(**kwargs), SCHEMA, tmp_path)


def test_the_penalty_is_part_of_the_loss_of_training_alone():
    # Without a drawn router, a row's loss is the same in every step of rate 0.
    experts = ke.layers.PerTokenMoE(
        num_experts=3, training_output="sparse", initial_penalty=0.1, penalty_range=(1e-3, 1.0)
    )
    model = make_sparse(experts)
    features, labels = random_batch(SCHEMA)
    model.compile(keras.optimizers.SGD(0.0), BINARY)
    task = model.evaluate(features, labels, verbose=0)
    first, second = (model.train_on_batch(features, labels) for _ in range(2))
    # 2 tokens of 3 gates of 1; all open, so that the second step's weight is 1.05 times as large.
    assert first - task == pytest.approx(0.1 * 2 * 3, rel=1e-4)
    assert second - task == pytest.approx(0.105 * 2 * 3, rel=1e-4)
    assert model.evaluate(features, labels, verbose=0) == pytest.approx(task, abs=1e-6)
    np.testing.assert_allclose(numpy(experts_of(model).penalty), 0.1 * 1.05**2, rtol=1e-5)


def test_predictions_are_those_of_the_serving_router():
    model = make_sparse()
    features, labels = random_batch(SCHEMA)
    model.compile(keras.optimizers.Adam(1e-2), BINARY)
    model.fit(features, labels, epochs=3, batch_size=4, verbose=0)
    served = model.predict(features, verbose=0)
    np.testing.assert_allclose(served, call(model, features), atol=1e-5)
    # The other router may be anything.
    for weight in experts_of(model).training_router.weights:
        weight.assign(np.full(weight.shape, 7.0))
    np.testing.assert_array_equal(model.predict(features, verbose=0), served)
    # Without gates nothing but the residual is left.
    experts_of(model).router.kernel.assign(np.zeros((2, 6, 2)))
    experts_of(model).router.bias.assign(np.full((2, 2), -1.0))
    stages = model.intermediates(["mixing_0", "ffn_0"]).predict(features, verbose=0)
    np.testing.assert_allclose(stages["ffn_0"], stages["mixing_0"], atol=1e-6)


def test_saving_keeps_what_was_noted_in_training(tmp_path):
    model = make_sparse()
    features, labels = random_batch(SCHEMA)
    model.compile(keras.optimizers.Adam(1e-2), BINARY)
    model.fit(features, labels, batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert numpy(experts_of(loaded).penalty) == numpy(experts_of(model).penalty) > 1e-5
    np.testing.assert_array_equal(
        numpy(experts_of(loaded).utilization), numpy(experts_of(model).utilization)
    )


def planted(rows, seed):
    """Clicks by user and item; both have a place in the logit of their own and one together."""
    rng = np.random.default_rng(seed)
    features = {"user": rng.integers(1, 12, rows), "item": rng.integers(1, 9, rows)}
    effects = np.random.default_rng(0).normal(size=(12, 9))
    logits = 2 * effects[features["user"], features["item"]]
    return features, (rng.random(rows) < 1 / (1 + np.exp(-logits))).astype("float32")


@pytest.mark.slow
def test_the_experts_are_as_active_as_asked_and_the_model_learns():
    schema = ke.FeatureSchema([ke.Categorical("user", 12), ke.Categorical("item", 9)], "click")
    encoder = {
        "embedding_dim": 8,
        "embeddings_initializer": keras.initializers.RandomNormal(0, 0.3),
    }
    experts = ke.layers.PerTokenMoE(ke.layers.PerTokenFFN([16]), 4, seed=0)
    norm = keras.layers.LayerNormalization(epsilon=1e-5)
    block = ke.layers.MixerBlock(
        ke.layers.Residual(ke.layers.TokenMixing(), post_norm=norm), ke.layers.Residual(experts)
    )
    model = ke.models.RankMixer(schema, token_dim=8, num_blocks=2, block=block, encoder=encoder)
    model.compile(keras.optimizers.Adam(1e-2), BINARY)
    features, labels = planted(128 * 300, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        watch = ke.analysis.ExpertCallback()
        model.fit(features, labels, batch_size=128, callbacks=[watch], verbose=0)
    frame = ke.analysis.expert_utilization(model)
    by_layer = frame.groupby("layer").active.mean()
    assert len(frame) == 2 * 2 * 4
    assert by_layer.between(0.125, 0.5).all()
    assert frame.groupby(["layer", "token"]).active.max().min() > 0.01
    features, labels = planted(2000, seed=2)
    share = labels.mean()
    constant = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert model.evaluate(features, labels, verbose=0) < 0.9 * constant


def test_a_router_that_does_not_learn_is_noticed():
    features, labels = random_batch(SCHEMA)
    watch = ke.analysis.ExpertCallback()
    # Only the penalty reaches this serving router, so that all gates close.
    lost = DenseOnly(
        ke.layers.PerTokenFFN([4]),
        2,
        adaptive=False,
        initial_penalty=1.0,
        utilization_momentum=0.5,
    )
    model = make_sparse(lost)
    model.compile(keras.optimizers.Adam(0.1), BINARY)
    with pytest.warns(UserWarning, match=r"'ffn_0': no expert of the tokens \["):
        model.fit(features, labels, batch_size=2, epochs=12, callbacks=[watch], verbose=0)
    frozen = ke.layers.PerTokenMoE(ke.layers.PerTokenFFN([4]), 2)
    model = make_sparse(frozen)
    experts_of(model).router.trainable = False
    model.compile(keras.optimizers.Adam(1e-2), BINARY)
    with pytest.warns(UserWarning, match="'ffn_0': the kernel of the serving router") as noticed:
        model.fit(features, labels, epochs=2, callbacks=[watch], verbose=0)
    assert [one.category for one in noticed].count(UserWarning) == 1


@pytest.mark.backend_free
def test_a_model_without_experts_has_no_utilization():
    with raises_value_error("PerTokenMoE", "DNN"):
        ke.analysis.expert_utilization(make("DNN"))


@pytest.mark.backend_free
def test_presets_are_as_wide_as_the_dense_model():
    for name, active_of in zip(sorted(SPARSE), (2, 4, 8), strict=True):
        arguments = ke.models.get_preset(name).arguments()
        dense = ke.models.get_preset("rank_mixer_1b").arguments()
        experts = arguments["block"].ffn.layer
        config = experts.expert["config"]
        assert experts.target_active == 1 / active_of
        assert experts.num_experts * config["hidden_units"][0] == 5504
        assert dense["block"].ffn.layer.hidden_units == (5504,)
        assert arguments["tokenizer"].get_config() == {
            **dense["tokenizer"].get_config(),
            "name": arguments["tokenizer"].name,
        }
    assert sparse_block((8,), 2, 0.5).ffn.layer.target_active == 0.5
