"""Spaces against the models that they are for."""

import pytest

import keras_elastor as ke
from keras_elastor.tuning.space import read_space
from keras_elastor.tuning.trial import check_space, trial_config
from tests.backends import slow_but_on_pytorch

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("user", 1000),
        ke.Sequence("history", 500, 4, "item"),
        ke.Categorical("item", 500),
        ke.Numeric("price"),
    ]
)


def make_base(model, **arguments):
    return ke.runs.RunConfig.from_dict(
        {"dataset": {"name": "synthetic"}, "model": {"name": model, "arguments": arguments}}
    )


def check(model, space, **arguments):
    check_space(read_space(space), make_base(model, **arguments), SCHEMA)


@slow_but_on_pytorch
@pytest.mark.parametrize("model", ke.models.list_models())
def test_every_default_space_is_possible(model):
    space = ke.tuning.default_space(model, SCHEMA)
    # All its alternatives are tried by the slow test.
    check(model, {name: read_space({name: v})[name].extremes[:1] for name, v in space.items()})
    assert {"learning_rate", "batch_size"} <= space.keys()


@pytest.mark.slow
@pytest.mark.parametrize("model", [*ke.models.list_models(), "rank_elastor_avazu_dim16"])
def test_every_value_of_every_default_space_is_possible(model):
    check(model, ke.tuning.default_space(model, SCHEMA))


def test_the_space_of_a_token_model_has_legal_pairs_only():
    space = ke.tuning.default_space("rank_elastor", SCHEMA)
    assert {"num_blocks", "expansion", "embedding_dim", "dropout", "tokens"} <= space.keys()
    for tokens, width in space["tokens"]:
        assert width % tokens == 0
        assert all(len(SCHEMA.features) * dim % tokens == 0 for dim in space["embedding_dim"])


@pytest.mark.parametrize(
    ("model", "space", "message"),
    [
        ("dnn", {"hiden_units": [[4]]}, "'space of dnn.hiden_units'. Did you mean 'hidden_units'?"),
        ("fm", {"num_blocks": [1]}, "Unknown key 'space of fm.num_blocks'"),
        ("dnn", {"tokens": [[2, 4]]}, "Unknown key 'space of dnn.tokens'"),
        ("dnn", {"dropout": [0.1, 1.5]}, "'dropout': expected values that dnn can take. Received"),
        ("dnn", {"learning_rate": [-1.0]}, "expected `learning_rate` to be above 0"),
        ("dnn", {"batch_size": [0]}, "'batch_size': expected at least 1"),
        ("dnn", {"batch_size": [64.5]}, "'batch_size': expected an integer"),
        ("rank_mixer", {"tokens": [[4, 6]]}, "'tokens': expected values that rank_mixer can take"),
        ("rank_mixer", {"tokens": [4]}, "expected pairs [num_tokens, token_dim]"),
        ("rank_mixer", {"tokens": [[4, 8]], "token_dim": [8]}, "Expected `tokens`, pairs of both"),
        ("rank_elastor", {"embedding_dim": [8, 9], "tokens": [[8, 4]]}, "embedding_dim=9"),
    ],
)
def test_what_a_model_cannot_take_is_named(model, space, message):
    with pytest.raises(ValueError, match=r".+") as error:
        check(model, space)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_values_go_where_they_belong():
    base = make_base("rank_elastor", num_blocks=3)
    values = {"tokens": [2, 8], "patience": 1, "embedding_l2_lambda": 1e-3, "batch_size": 32}
    config = trial_config(base, values)
    assert config.model.arguments == {"num_blocks": 3, "num_tokens": 2, "token_dim": 8}
    assert (config.protocol.patience, config.protocol.embedding_l2_lambda) == (1, 1e-3)
    assert (config.batch_size, config.epochs) == (32, base.epochs)
    assert ke.runs.RunConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("model", "depth", "width", "expected"),
    [
        ("rank_mixer", 3, 16, {"num_blocks": 3, "token_dim": 16}),
        ("rank_elastor", None, 16, {"token_dim": 16}),
        ("dnn", 3, 8, {"hidden_units": [8, 8, 8]}),
        ("dnn", 2, None, {"hidden_units": [400, 400]}),
        ("dnn", None, 8, {"hidden_units": [8, 8, 8]}),
        ("dcn_v2", 2, 8, {"num_cross_layers": 2, "parallel_units": [8, 8, 8]}),
        ("dcn_v2", 2, None, {"num_cross_layers": 2}),
        ("wukong", 1, 8, {"num_blocks": 1, "block_units": [8, 8], "hidden_units": [8, 8]}),
        ("final_mlp", 1, 8, {"first_units": [8], "second_units": [8]}),
    ],
)
def test_depth_and_width(model, depth, width, expected):
    assert ke.tuning.scaled_arguments(model, depth, width) == expected


@pytest.mark.parametrize("model", ["fm", "logistic_regression", "rank_elastor_avazu_dim16", "dn"])
def test_what_cannot_be_scaled_is_refused(model):
    with pytest.raises(ValueError, match=r"xpected a model|Unknown model 'dn'"):
        ke.tuning.scaled_arguments(model, 2, 8)
