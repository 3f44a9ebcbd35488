"""Every registered model passes the same checks; presets have the published sizes."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.models import registry
from keras_elastor.models.registry import find_model
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import random_batch, run_model_test

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("user", 12),
        ke.Categorical("item", 9),
        ke.Sequence("history", 9, 5, table="item"),
        ke.Numeric("price"),
    ],
    label="click",
    group="user",
)
SMALL = {
    "AutoInt": {"attention_dim": 8, "hidden_units": (8,), "use_linear": True},
    "DCNv2": {"parallel_units": (8,), "num_cross_layers": 2},
    "DIN": {"attention_units": (8,), "hidden_units": (8,)},
    "DLRM": {"bottom_units": (8,), "hidden_units": (8,)},
    "DNN": {"hidden_units": (8,)},
    "DeepFM": {"hidden_units": (8,)},
    "FM": {},
    "FinalMLP": {
        "first_units": (8,),
        "second_units": (4,),
        "num_heads": 2,
        "first_context": ("user",),
    },
    "GDCN": {"parallel_units": (8,), "num_cross_layers": 2},
    "LogisticRegression": {},
    "MMoE": {"num_experts": 2, "expert_units": (8,), "tower_units": ()},
    "MaskNet": {"serial_units": (8, 8)},
    "PLE": {"num_shared": 1, "num_own": 1, "expert_units": (8,), "tower_units": ()},
    "RankElastor": {"num_tokens": 2, "token_dim": 6},
    "RankMixer": {"num_tokens": 2, "token_dim": 6, "num_blocks": 1, "per_token_units": (8,)},
    "RankUp": {"num_tokens": 1, "num_blocks": 1},
    "TokenFormer": {"token_dim": 4, "num_full_blocks": 1, "windows": ()},
    "WideAndDeep": {"hidden_units": (8,)},
    "Wukong": {
        "num_blocks": 1,
        "interaction_tokens": 2,
        "linear_tokens": 3,
        "rank": 2,
        "block_units": (8,),
        "hidden_units": (8,),
    },
    "xDeepFM": {"cin_units": (3, 2), "hidden_units": (8,)},
}


def make(name, schema=SCHEMA, **overrides):
    width = {} if name == "LogisticRegression" else {"embedding_dim": 4}
    return ke.models.create(name, schema, **{**width, **SMALL[name], **overrides})


def criteo_schema():
    numeric = [ke.Numeric(f"I{index}") for index in range(1, 14)]
    return ke.FeatureSchema(numeric + [ke.Categorical(f"C{index}", 4) for index in range(1, 27)])


def avazu_schema():
    return ke.FeatureSchema([ke.Categorical(f"C{index}", 4) for index in range(1, 25)])


def test_every_registered_model_is_tested():
    assert {find_model(name).model.__name__ for name in ke.models.list_models()} == set(SMALL)


@pytest.mark.usefixtures("drawn_by_numpy")
@pytest.mark.parametrize("name", SMALL)
def test_model(name, tmp_path):
    run_model_test(lambda **kwargs: make(name, **kwargs), SCHEMA, tmp_path)


@pytest.mark.usefixtures("drawn_by_numpy")
@pytest.mark.parametrize("name", SMALL)
def test_several_tasks(name):
    schema = ke.FeatureSchema(SCHEMA.features, label=("click", "like", "share"))
    features, _ = random_batch(schema)
    assert call(make(name, schema), features).shape == (8, 3)


# Dense parameters of the official experiments, counted from the official definition.
OFFICIAL_SIZES = {
    "rank_elastor_criteo_dim10": 1_484_093,
    "rank_elastor_criteo_dim20": 3_681_981,
    "rank_elastor_criteo_dim20_v7": 10_972_731,
    "rank_mixer_criteo_dim20_base": 3_589_071,
    "rank_elastor_criteo_dim20_fast": 2_364_311,
    "rank_elastor_avazu_dim16": 1_870_209,
    "rank_elastor_avazu_dim32": 4_019_809,
    "rank_elastor_avazu_dim64": 25_980_289,
    "rank_mixer_avazu_dim64_base": 26_661_281,
    "rank_elastor_avazu_dim64_fast": 10_887_185,
}
SPARSE = {f"rank_mixer_1b_moe_{active_of}" for active_of in (2, 4, 8)}
HUGE = {"rank_mixer_100m", "rank_mixer_1b", *SPARSE}


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("name", [n for n in ke.models.list_presets("rank_*") if n not in HUGE])
def test_preset(name):
    schema = avazu_schema() if "avazu" in name else criteo_schema()
    model = ke.models.RankingModel.from_preset(name, schema=schema)
    assert type(model).__name__ == ("RankMixer" if "mixer" in name else "RankElastor")
    if name in OFFICIAL_SIZES:
        assert model.count_dense_params() == OFFICIAL_SIZES[name]
    # The official scaling studies end at the default size.
    if name == "rank_elastor_avazu_dim64_v7":
        assert model.count_dense_params() == OFFICIAL_SIZES["rank_elastor_avazu_dim64"]


def test_presets_are_complete():
    expected = {*OFFICIAL_SIZES, *HUGE, "rank_elastor_paper_criteo", "rank_elastor_paper_avazu"}
    expected |= {f"rank_elastor_criteo_dim20_v{version}" for version in range(1, 8)}
    expected |= {f"rank_elastor_avazu_dim64_v{version}" for version in range(1, 8)}
    assert set(ke.models.list_presets("rank_*")) == expected
    assert ke.models.list_presets("*Avazu_dim16") == ["rank_elastor_avazu_dim16"]


def published_size(num_blocks, tokens, token_dim, hidden, flat):
    ffn = tokens * (2 * token_dim * hidden + hidden + token_dim)
    norms = 2 * 2 * token_dim
    tokenizer = tokens * (-(-flat // tokens) * token_dim + token_dim)
    return num_blocks * (ffn + norms) + tokenizer + token_dim + 1


@pytest.mark.backend_free
@pytest.mark.usefixtures("without_drawing")
def test_rank_mixer_100m_has_the_published_size():
    # 300 features, as published.
    schema = ke.FeatureSchema([ke.Categorical(f"f{index}", 2) for index in range(300)])
    expected = published_size(2, 16, 768, 2112, 300 * 16)
    assert expected == pytest.approx(107e6, rel=0.03)
    model = ke.models.RankMixer.from_preset("rank_mixer_100m", schema=schema)
    assert model.count_dense_params() == expected


@pytest.mark.slow
@pytest.mark.usefixtures("without_drawing")
def test_rank_mixer_1b_has_the_published_size():
    schema = ke.FeatureSchema([ke.Categorical(f"f{index}", 2) for index in range(300)])
    expected = published_size(2, 32, 1536, 5504, 300 * 16)
    assert expected == pytest.approx(1.1e9, rel=0.03)
    model = ke.models.RankMixer.from_preset("rank_mixer_1b", schema=schema)
    assert model.count_dense_params() == expected


def test_preset_errors_say_what_to_do():
    with raises_value_error("rank_elastor_criteo_dim10", "list_presets", "'rank_elastor_criteo'"):
        ke.models.RankElastor.from_preset("rank_elastor_criteo", schema=SCHEMA)
    with raises_value_error("RankMixer", "ke.models.RankMixer.from_preset"):
        ke.models.RankElastor.from_preset("rank_mixer_criteo_dim20_base", schema=SCHEMA)


@pytest.mark.usefixtures("without_drawing")
def test_preset_arguments_can_be_overridden():
    model = ke.models.RankElastor.from_preset(
        "rank_elastor_criteo_dim10", schema=criteo_schema(), num_blocks=3
    )
    assert model.stage_names[-1] == "ffn_2"


def test_blocks_can_differ():
    mixed = [
        ke.layers.MixerBlock(ke.layers.Residual(mixing), ke.layers.PerTokenGLU())
        for mixing in (ke.layers.FullMixing(), ke.layers.TokenMixing())
    ]
    model = make("RankElastor", block=mixed)
    assert isinstance(model.get_layer("mixing_0").layer, ke.layers.FullMixing)
    assert isinstance(model.get_layer("mixing_1").layer, ke.layers.TokenMixing)


def test_blocks_do_not_start_equal():
    model = make("RankElastor", num_blocks=2)
    kernels = [
        keras.ops.convert_to_numpy(model.get_layer(f"mixing_{i}").layer.kernel.value)
        for i in (0, 1)
    ]
    assert (kernels[0] != kernels[1]).all()


@pytest.mark.usefixtures("drawn_by_numpy")
def test_many_blocks_of_one_template_stay_apart_when_loaded(tmp_path):
    """Keras takes what is cloned of one object while it loads a model for that object."""
    model = make("RankElastor", num_blocks=3)
    weights = model.get_weights()
    for generation in ("first", "second"):
        path = tmp_path / f"{generation}.keras"
        model.save(path)
        loaded = keras.models.load_model(path)
        assert loaded.get_config() == model.get_config()
        assert len({id(loaded.get_layer(f"ffn_{index}")) for index in range(3)}) == 3
        for value, expected in zip(loaded.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(value, expected)
        model = loaded


def test_arguments_that_contradict_are_named():
    tokenizer = ke.layers.SliceTokenizer(2, 6)
    block = ke.layers.MixerBlock(ke.layers.TokenMixing(), ke.layers.PerTokenGLU())
    with raises_value_error("`num_tokens`", "the tokenizer", "num_tokens=2"):
        ke.models.RankElastor(SCHEMA, num_tokens=2, tokenizer=tokenizer)
    with raises_value_error("`expansion`", "the block"):
        ke.models.RankElastor(SCHEMA, tokenizer=tokenizer, block=block, expansion=2.0)
    with raises_value_error("num_blocks", "3", "2 blocks"):
        ke.models.RankMixer(SCHEMA, tokenizer=tokenizer, block=[block, block], num_blocks=3)
    with raises_value_error("num_blocks", "0"):
        ke.models.RankMixer(SCHEMA, num_blocks=0)
    with raises_value_error("units=1", "click", "units=2"):
        ke.models.RankMixer(SCHEMA, head=ke.layers.PredictionHead(2))


def test_unknown_stages_are_named():
    with raises_value_error("encoder, tokenizer, mixing_0, ffn_0", "mixing_7"):
        make("RankElastor").intermediates(["mixing_7"])


def test_mixing_stage_is_before_the_norm():
    model = make("RankElastor")
    features, _ = random_batch(SCHEMA)
    stages = call(model.intermediates(), features)
    mixed = call(model.get_layer("mixing_0"), stages["tokenizer"])
    np.testing.assert_allclose(stages["mixing_0"], mixed, atol=1e-5)


def test_weights_of_one_seed_are_equal():
    def weights():
        keras.utils.set_random_seed(7)
        return make("RankElastor").get_weights()

    for first, second in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_model_knows_its_presets():
    presets = ke.models.DCNv2.presets
    assert sorted(presets) == ke.models.list_presets("dcn_v2_*")
    assert presets["dcn_v2_criteo_x1"] is ke.models.get_preset("dcn_v2_criteo_x1")
    assert not set(ke.models.DNN.presets) & set(presets)


def test_registering_a_name_twice_warns(monkeypatch):
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))
    monkeypatch.setattr(registry, "_PRESETS", dict(registry._PRESETS))
    with pytest.warns(UserWarning, match="model named 'dnn' already"):
        ke.models.register_model("dnn")(type("Other", (ke.models.DNN,), {}))
    assert registry.find_model("dnn").model.__name__ == "Other"
    with pytest.warns(UserWarning, match="preset named 'dnn_criteo_x1' already"):
        ke.models.register_preset("dnn_criteo_x1", registry.find_model("dnn").model, dict, "here")


def test_an_encoder_is_settings_or_a_template():
    regularizer = keras.regularizers.L2(0.5)
    initializer = keras.initializers.RandomNormal(stddev=0.3)
    settings = {"embeddings_regularizer": regularizer, "numeric_initializer": initializer}
    by_settings = make("DNN", encoder=settings, embedding_dim=6)
    template = ke.layers.FeatureEncoder(embedding_dim=6, **settings)
    by_template = make("DNN", encoder=template, embedding_dim=None)
    for model in (by_settings, by_template):
        for made in (model, type(model).from_config(model.get_config())):
            encoder = made.get_layer("encoder")
            assert encoder.embedding_dim == 6
            assert float(encoder.embeddings_regularizer.l2) == 0.5
            assert encoder.numeric_initializer.stddev == 0.3
    assert template.schema is None
    assert not template.built
    with raises_value_error("encoder", "embedding_dim", "6", "7"):
        make("DNN", encoder=template, embedding_dim=7)
    with raises_value_error("encoder", "'embeding_dim'", "embedding_dim"):
        make("DNN", encoder={"embeding_dim": 7})
    with raises_value_error("without schema", "item"):
        make("DNN", encoder=ke.layers.FeatureEncoder(SCHEMA))
    with raises_value_error("encoder=3"):
        make("DNN", encoder=3)


def test_settings_of_a_preset_s_encoder_are_replaced_one_by_one():
    schema = ke.FeatureSchema([ke.Categorical("item", 5)])
    pooling = ke.layers.SumPooling()
    model = ke.models.create("dnn_criteo_x4", schema, encoder={"history_pooling": pooling})
    encoder = model.get_layer("encoder")
    assert float(encoder.embeddings_regularizer.l2) == 5e-6
    assert "SumPooling" in str(encoder.history_pooling)


def test_only_the_hidden_layers_of_dlrm_are_normalized():
    schema = ke.FeatureSchema([ke.Numeric("price"), ke.Numeric("age"), ke.Categorical("item", 5)])
    model = ke.models.DLRM(schema, 3, bottom_units=[6], hidden_units=[4], normalization="batch")
    bottom = model.get_layer("bottom")
    hidden, norm, _, last, _ = bottom.layers
    norm.moving_mean.assign(np.linspace(-1, 1, 6))
    norm.moving_variance.assign(np.linspace(0.5, 2, 6))
    numbers = np.array([[0.3, -1.2], [2.0, 0.7]], "float32")
    x = numbers @ numpy(hidden.kernel) + numpy(hidden.bias)
    x = (x - np.linspace(-1, 1, 6)) / np.sqrt(np.linspace(0.5, 2, 6) + 1e-5)
    x = np.maximum(np.maximum(x, 0) @ numpy(last.kernel) + numpy(last.bias), 0)
    np.testing.assert_allclose(call(bottom, numbers), x, atol=1e-5)


def test_a_model_with_rates_and_activations_per_layer_survives_saving(tmp_path):
    model = make(
        "DNN",
        hidden_units=(8, 6),
        activation=[keras.layers.PReLU(), None],
        dropout=[0.1, 0.3],
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("head").dropout == [0.1, 0.3]
    inputs, _ = random_batch(SCHEMA)
    np.testing.assert_allclose(call(loaded, inputs), call(model, inputs), atol=1e-6)


def test_a_misspelt_argument_is_named():
    with pytest.raises(TypeError, match="Did you mean 'dropout'"):
        make("DNN", droput=0.3)
