"""The official experiments, by their options and by our presets, are the same networks.

Options: `config/model_config.yaml` of github.com/vasile-paskardlgm/RankElastor, commit 68e5f29.
"""

import json

import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.convert.options import _MODELS
from keras_elastor.convert.weights import _assignments
from tests.backends import call, numpy


def projection(width, kind, dropout, norm=True):
    options = {"hidden_units": [width], "activation": "relu", "trans_type": kind}
    return {**options, "dropout": dropout, "use_layer_norm": norm}


def network(units, expansion, activation="swiglu", norm=True):
    options = {"hidden_units": units, "dropout": 0.0, "activation": activation}
    return {**options, "expansion_rate": expansion, "use_layer_norm": norm}


SHARED = {"model": "UniMixer", "pred_head": "mlp", "interaction_ffn_type": "mlp", "use_opq": False}
CRITEO = {
    **SHARED,
    "num_numeric": 13,
    "vocabulary_sizes": [4] * 26,
    "embedding_regularizer": 1e-5,
    "mixing_type": 999,
    "Token_num": 26,
    "Token_dim": 30,
    "embedding_dim": 20,
    "use_tokenizer": True,
    "depth": 1,
    "proj_param": projection(500, "matrix", 0.1),
    "interaction_mlp_params": network([64, 64], 3.0),
}
AVAZU = {
    **SHARED,
    "num_numeric": 0,
    "vocabulary_sizes": [4] * 24,
    "embedding_regularizer": 0.0,
    "mixing_type": 999,
    "Token_num": 24,
    "Token_dim": 64,
    "embedding_dim": 64,
    "use_tokenizer": True,
    "depth": 5,
    "proj_param": projection(800, "vector", 0.0),
    "interaction_mlp_params": network([64], 3.0),
}
CRITEO_SCALING = [
    (1, 24, 1.5),
    (1, 24, 2.0),
    (2, 24, 2.0),
    (2, 24, 3.0),
    (2, 48, 3.0),
    (3, 48, 3.0),
    (4, 64, 3.0),
]
AVAZU_SCALING = [(1, 1.0), (2, 1.5), (2, 2.0), (3, 2.0), (3, 3.0), (4, 3.0), (5, 3.0)]
EXPERIMENTS = {
    "rank_elastor_criteo_dim10": {**CRITEO, "Token_num": 15, "Token_dim": 26, "embedding_dim": 10},
    "rank_elastor_criteo_dim20": CRITEO,
    **{
        f"rank_elastor_criteo_dim20_v{version}": {
            **CRITEO,
            "depth": depth,
            "interaction_mlp_params": network([width, width], expansion),
        }
        for version, (depth, width, expansion) in enumerate(CRITEO_SCALING, start=1)
    },
    "rank_elastor_criteo_dim20_fast": {
        **CRITEO,
        "mixing_type": 8881,
        "depth": 2,
        "interaction_mlp_params": network([24, 24], 3.0),
    },
    "rank_mixer_criteo_dim20_base": {
        **CRITEO,
        "Token_dim": 26,
        "mixing_type": 2,
        "depth": 2,
        "proj_param": projection(500, "matrix", 0.1, norm=False),
        "interaction_mlp_params": network([200, 200], 1.0, "gelu", norm=False),
    },
    "rank_elastor_avazu_dim16": {
        **AVAZU,
        "Token_dim": 16,
        "embedding_dim": 16,
        "depth": 4,
        "interaction_mlp_params": network([16], 3.0),
    },
    "rank_elastor_avazu_dim32": {
        **AVAZU,
        "Token_dim": 32,
        "embedding_dim": 32,
        "depth": 3,
        "use_tokenizer": False,
        "interaction_mlp_params": network([32], 3.0),
    },
    "rank_elastor_avazu_dim64": AVAZU,
    **{
        f"rank_elastor_avazu_dim64_v{version}": {
            **AVAZU,
            "depth": depth,
            "interaction_mlp_params": network([64], expansion),
        }
        for version, (depth, expansion) in enumerate(AVAZU_SCALING, start=1)
    },
    "rank_elastor_avazu_dim64_fast": {**AVAZU, "Token_dim": 48, "mixing_type": 8882},
    "rank_mixer_avazu_dim64_base": {
        **AVAZU,
        "Token_dim": 48,
        "mixing_type": 2,
        "proj_param": projection(800, "matrix", 0.0, norm=False),
        "interaction_mlp_params": network([400, 400], 1.0, "gelu", norm=False),
    },
}


def without_names(value):
    """A config without the names that Keras numbers."""
    if isinstance(value, dict):
        return {key: without_names(item) for key, item in value.items() if key != "name"}
    if isinstance(value, list | tuple):
        return [without_names(item) for item in value]
    return value


def layers_of(model):
    return {
        layer.name: without_names(json.loads(json.dumps(layer.get_config())))
        for layer in model.layers
    }


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_preset_is_the_official_experiment(name):
    by_options = _MODELS["UniMixer"](EXPERIMENTS[name])
    by_name = ke.models.create(name, by_options.schema)
    assert type(by_name) is type(by_options)
    assert layers_of(by_name) == layers_of(by_options)
    # Every weight has its official counterpart, and no two share one.
    sources = [source for assignment in _assignments(by_options) for source in assignment.sources]
    assert len(sources) == len(set(sources))
    assert len(list(_assignments(by_options))) == len(by_options.weights)


def test_every_official_preset_is_compared():
    paper = {name for name in ke.models.list_presets("rank_*") if "paper" in name}
    # Sizes of RankMixer's own paper, with and without sparse experts.
    published = {"rank_mixer_100m", *ke.models.list_presets("rank_mixer_1b*")}
    assert set(EXPERIMENTS) == set(ke.models.list_presets("rank_*")) - paper - published


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("name", ["rank_elastor_criteo_dim20_fast", "rank_elastor_avazu_dim16"])
def test_official_weights_fill_an_experiment(name):
    options = EXPERIMENTS[name]
    rng = np.random.default_rng(0)
    state = {
        source: rng.normal(scale=0.05, size=shape).astype("float32")
        for assignment in _assignments(_MODELS["UniMixer"](options))
        for source, shape in assignment.sources.items()
    }
    model = ke.convert.from_official(options, state)
    assert sum(value.size for value in state.values()) == model.count_params()
    inputs = {f"I{index}": np.ones(2, "float32") for index in range(1, options["num_numeric"] + 1)}
    count = len(options["vocabulary_sizes"])
    inputs |= {f"C{index}": np.array([1, 2], "int32") for index in range(1, count + 1)}
    assert np.isfinite(call(model, inputs)).all()
    bias = numpy(model.get_layer("head").logits.bias)
    np.testing.assert_array_equal(bias, state["pred.3.bias"])
