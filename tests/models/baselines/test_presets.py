"""The presets of the baselines have the published sizes and build the published networks."""

import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

pytestmark = pytest.mark.usefixtures("without_drawing")

# Rows of all tables, padding and out-of-vocabulary included, as in BARS' logs.
CRITEO_X1_ROWS = 2_086_329
CRITEO_X4_ROWS = 910_747
AVAZU_X4_ROWS = 3_750_999
TAOBAOAD_X1_SIZES = {
    "userid": 403_958,
    "cms_segid": 99,
    "cms_group_id": 15,
    "final_gender_code": 4,
    "age_level": 9,
    "pvalue_level": 6,
    "shopping_level": 5,
    "occupation": 4,
    "new_user_class_level": 7,
    "adgroup_id": 246_851,
    "cate_id": 11_330,
    "campaign_id": 191_771,
    "customer": 132_136,
    "brand": 308_870,
    "pid": 4,
    "btag": 6,
}


def categorical(count, rows):
    """Features of two rows each; the first has the rest."""
    sizes = [rows - 2 * (count - 1)] + [2] * (count - 1)
    return [ke.Categorical(f"C{index}", size) for index, size in enumerate(sizes, start=1)]


def criteo_x1(rows=CRITEO_X1_ROWS):
    numeric = [ke.Numeric(f"I{index}") for index in range(1, 14)]
    return ke.FeatureSchema(numeric + categorical(26, rows))


def kuaivideo(users=10_002, items=632_406):
    """Visual vectors of 64 numbers arrive with the row, pooled where they are a history's."""
    return ke.FeatureSchema(
        [
            ke.Categorical("user_id", users),
            ke.Categorical("item_id", items),
            ke.Sequence("pos_items", items, 100, table="item_id"),
            ke.Sequence("neg_items", items, 100, table="item_id"),
            *(ke.Embedding(name, 64) for name in ("item_emb", "pos_items_emb", "neg_items_emb")),
        ]
    )


def taobaoad(sizes):
    shared = {"cate_his": "cate_id", "brand_his": "brand", "btag_his": "btag"}
    return ke.FeatureSchema(
        [
            *(ke.Categorical(name, size) for name, size in sizes.items()),
            ke.Numeric("price"),
            *(ke.Sequence(name, sizes[table], 50, table=table) for name, table in shared.items()),
        ]
    )


SCHEMAS = {
    "criteo_x1": (criteo_x1(), criteo_x1(52)),
    "criteo_x4": tuple(ke.FeatureSchema(categorical(39, rows)) for rows in (CRITEO_X4_ROWS, 78)),
    "avazu_x4": tuple(ke.FeatureSchema(categorical(24, rows)) for rows in (AVAZU_X4_ROWS, 48)),
    "kuaivideo_x1": (kuaivideo(), kuaivideo(2, 2)),
    "taobaoad_x1": (taobaoad(TAOBAOAD_X1_SIZES), taobaoad(dict.fromkeys(TAOBAOAD_X1_SIZES, 2))),
}
# Trainable weights in millions, as printed in BARS' logs.
PUBLISHED_MILLIONS = {
    "dcn_v2_criteo_x1": 22.02,
    "xdeepfm_criteo_x1": 23.46,
    "autoint_criteo_x1": 23.36,
    "autoint_plus_criteo_x1": 23.84,
    "dcn_v2_criteo_x4": 20.38,
    "dcn_v2_avazu_x4": 73.39,
    "dnn_kuaivideo_x1": 42.24,
    "dcn_v2_kuaivideo_x1": 42.65,
    "autoint_plus_kuaivideo_x1": 43.95,
    "dnn_taobaoad_x1": 41.93,
    "dcn_v2_taobaoad_x1": 43.58,
    "autoint_plus_taobaoad_x1": 42.05,
    "xdeepfm_taobaoad_x1": 43.56,
}
# To the last weight, where the log was at hand. FuxiCTR before version 2 did not count the padding
# row of a feature: the second number is how many weights such rows have.
PUBLISHED = {
    "logistic_regression_criteo_x1": (2_086_317, 26),
    "logistic_regression_criteo_x4": (910_709, 39),
    "fm_criteo_x1": (22_949_477, 26 * 11),
    "fm_criteo_x4": (15_482_037, 39 * 17),
    "fm_avazu_x4": (63_766_576, 24 * 17),
    "fm_taobaoad_x1": (43_057_715, 0),
    "wide_and_deep_criteo_x1": (23_429_477, 26 * 11),
    "wide_and_deep_avazu_x4": (76_544_576, 24 * 17),
    "mask_net_criteo_x1": (21_530_629, 26 * 10),
    "mask_net_criteo_x4": (20_358_077, 0),
    "mask_net_avazu_x4": (76_594_787, 0),
    "din_taobaoad_x1": (42_263_682, 0),
}


def build(name):
    """The preset with tiny vocabularies."""
    return ke.models.create(name, SCHEMAS["_".join(name.split("_")[-2:])][1])


def count_trainable(model, name):
    """Trainable weights with the published vocabularies, counted without making the tables."""
    full, _ = SCHEMAS["_".join(name.split("_")[-2:])]
    total = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    for layer in model.layers:
        if isinstance(layer, ke.layers.FeatureEncoder):
            for table, rows in layer.schema.table_sizes.items():
                total += (full[table].vocabulary_size - rows) * layer.embedding_dim
    return total


@pytest.mark.backend_free
def test_published_sizes_that_differ_differ_as_documented():
    # The published count of the DNN, 21.82 M, holds its MLP twice.
    mlp = (390 * 400 + 400) + 2 * (400 * 400 + 400) + 401
    ours = count_trainable(build("dnn_criteo_x1"), "dnn_criteo_x1")
    assert round((ours + mlp) / 1e6, 2) == 21.82
    # FuxiCTR's linear term has one weight per visual id, three times; ours one per number.
    ours = count_trainable(build("xdeepfm_kuaivideo_x1"), "xdeepfm_kuaivideo_x1")
    assert round((ours + 3 * (3_242_317 - 64)) / 1e6, 2) == 53.91
    ours = count_trainable(build("fm_kuaivideo_x1"), "fm_kuaivideo_x1")
    assert ours + 3 * (3_242_317 - 64) == 52_760_572
    # FuxiCTR's two attentions look at the visual vectors, too: 4 * 64 more inputs of 512 units.
    ours = count_trainable(build("din_kuaivideo_x1"), "din_kuaivideo_x1")
    assert ours + 2 * (4 * 64 * 512) == 43_032_835


@pytest.mark.parametrize(
    "name", [name for name in ke.models.list_presets() if ke.models.get_preset(name).published]
)
def test_every_preset_builds_in_the_published_size(name):
    preset, model = ke.models.get_preset(name), build(name)
    assert type(model) is preset.model
    assert 0.6 < preset.published["auc"] < 0.82
    assert preset.batch_size in (4096, 8192, 10000)
    size = count_trainable(model, name)
    if name in PUBLISHED:
        published, padding = PUBLISHED[name]
        assert size == published + padding
    if name in PUBLISHED_MILLIONS:
        assert round(size / 1e6, 2) == PUBLISHED_MILLIONS[name]


def test_every_published_size_is_of_a_preset():
    assert {*PUBLISHED, *PUBLISHED_MILLIONS} <= set(ke.models.list_presets())


@pytest.mark.parametrize("name", ke.models.list_presets("*_template"))
def test_every_template_builds(name):
    preset = ke.models.get_preset(name)
    assert type(ke.models.create(name, criteo_x1(52))) is preset.model
    assert not preset.published


def test_create_takes_models_and_presets():
    schema = ke.FeatureSchema(categorical(3, 9))
    assert isinstance(ke.models.create("DCNv2", schema), ke.models.DCNv2)
    assert isinstance(ke.models.create("rank_mixer", schema), ke.models.RankMixer)
    model = ke.models.create("dcn_v2_avazu_x4", schema, parallel_units=(8,))
    assert model.stage_names[-2:] == ["cross_3", "parallel"]
    assert model.get_layer("parallel").hidden_units == (8,)
    with raises_value_error("dcn_v2", "list_presets", "'DCNv3'"):
        ke.models.create("DCNv3", schema)


def test_lists_take_patterns():
    assert ke.models.list_models("*Mixer*") == ["rank_mixer"]
    assert ke.models.list_presets("dcn_v2_*") == [
        "dcn_v2_avazu_x4",
        "dcn_v2_criteo_x1",
        "dcn_v2_criteo_x4",
        "dcn_v2_kuaivideo_x1",
        "dcn_v2_taobaoad_x1",
    ]
