"""The wide part of token models: its logits are added, and every other path of a model knows it."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import random_batch, run_model_test
from tests.models.test_models import SCHEMA, make

TOKEN_MODELS = ["RankElastor", "RankMixer", "RankUp", "TokenFormer"]
FEATURES, LABELS = random_batch(SCHEMA)


def drawn(model):
    """Weights of which none is zero."""
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


@pytest.mark.parametrize("name", TOKEN_MODELS)
def test_logits_are_added(name):
    model = drawn(make(name, wide=["linear", "fm"]))
    plain = make(name)
    wide = [weight for weight in model.weights if weight.path.startswith("linear/")]
    shared = [weight for weight in model.weights if not weight.path.startswith("linear/")]
    assert wide
    assert [weight.name for weight in shared] == [weight.name for weight in plain.weights]
    for weight, value in zip(plain.weights, shared, strict=True):
        weight.assign(numpy(value))
    stages = {
        key: numpy(value)
        for key, value in model.intermediates(["encoder", "linear", "fm"])(FEATURES).items()
    }
    fields = stages["encoder"].astype("float64")
    pairs = sum(
        (fields[:, i] * fields[:, j]).sum(-1) for i in range(fields.shape[1]) for j in range(i)
    )
    np.testing.assert_allclose(stages["fm"][:, 0], pairs, rtol=1e-4, atol=1e-5)
    linear = model.get_layer("linear")
    np.testing.assert_allclose(stages["linear"], call(linear, FEATURES), rtol=1e-5)
    expected = call(plain, FEATURES) + stages["linear"] + stages["fm"]
    np.testing.assert_allclose(call(model, FEATURES), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("drawn_by_numpy")
def test_a_model_with_both_passes_the_matrix(tmp_path):
    def make_wide(**arguments):
        return make("RankMixer", **{"wide": ["linear", "fm"], **arguments})

    run_model_test(make_wide, SCHEMA, tmp_path)


def test_the_regularizer_holds_for_the_linear_part():
    model = make("RankMixer", wide="linear", encoder={"embeddings_regularizer": "l2"})
    kinds = {weight.path for weight in model.weights if weight.regularizer is not None}
    assert "linear/table/embeddings" in kinds


def test_layers_of_ones_own_and_several_tasks():
    schema = ke.FeatureSchema(SCHEMA.features, label=("click", "like"))
    wide = [
        ke.layers.LinearTerm(schema, 2, use_bias=True),
        ke.layers.PredictionHead(2, hidden_units=(4,)),
        "fm",
    ]
    model = drawn(make("RankElastor", schema, wide=wide))
    assert model.stage_names[-3:] == ["wide_0", "wide_1", "fm"]
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(call(again, FEATURES), call(model, FEATURES))


def test_growing_keeps_what_the_wide_part_knows():
    model = drawn(make("RankMixer", wide=[ke.layers.LinearTerm(SCHEMA), "fm"]))
    features = tuple(
        dataclasses.replace(feature, vocabulary_size=feature.vocabulary_size + 2)
        if hasattr(feature, "vocabulary_size")
        else feature
        for feature in SCHEMA.features
    )
    grown = ke.models.grow(model, dataclasses.replace(SCHEMA, features=features), False)
    np.testing.assert_allclose(call(grown, FEATURES), call(model, FEATURES), rtol=1e-6)


@pytest.mark.parametrize("name", TOKEN_MODELS)
def test_nothing_is_added_by_default(name):
    assert not {"linear", "fm", "wide_0"} & set(make(name).stage_names)


@pytest.mark.parametrize(
    ("wide", "parts"),
    [
        ("liner", ["'linear'"]),
        (["fm", "fm"], ["'fm' once"]),
        ([], ["not empty"]),
        (3, ["`wide`", "3 (of type int)"]),
        (keras.layers.Flatten(), ["(batch, 1)", "Flatten", "(None, 16)"]),
    ],
)
def test_bad_parts_are_named(wide, parts):
    with raises_value_error(*parts):
        make("RankMixer", wide=wide)
