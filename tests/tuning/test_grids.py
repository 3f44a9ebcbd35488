"""Scaling grids: what they try, and that nothing impossible is among it."""

import pytest

import keras_elastor as ke
from keras_elastor.tuning.grids import GRIDS, grid_points
from keras_elastor_command import make_parser

SCHEMA = ke.FeatureSchema([ke.Categorical(f"c{i}", 9) for i in range(6)])
# What the models of histories need.
WITH_HISTORY = ke.FeatureSchema(
    [*SCHEMA.features, ke.Categorical("item", 9), ke.Sequence("history", 9, 4, table="item")]
)


def make_run(**arguments):
    return ke.runs.RunConfig.from_dict(
        {
            "dataset": {"name": "synthetic"},
            "model": {"name": "rank_mixer", "arguments": {"embedding_dim": 4, **arguments}},
        }
    )


def test_a_grid_of_widths_has_one_depth():
    points = grid_points("width", ["rank_mixer"], make_run(num_tokens=4), SCHEMA)
    assert points == [{"model": "rank_mixer", "token_dim": width} for width in (4, 8, 12, 16)]
    run = make_run(num_tokens=2)
    points = grid_points("width", ["rank_mixer"], run, SCHEMA, [2, 6], [3])
    assert points == [
        {"model": "rank_mixer", "num_blocks": 3, "token_dim": width} for width in (2, 6)
    ]
    points = grid_points("width", ["dnn", "dcn_v2"], make_run(), SCHEMA, [2], [3])
    assert points == [
        {"model": "dnn", "hidden_units": [2] * 3},
        {"model": "dcn_v2", "num_cross_layers": 3, "parallel_units": [2] * 3},
    ]


def test_a_grid_of_depths_has_one_width():
    points = grid_points("depth", ["rank_elastor"], make_run(num_tokens=4), SCHEMA, [8])
    assert [point["num_blocks"] for point in points] == [1, 2, 3, 4]
    assert {point["token_dim"] for point in points} == {8}


def test_both_grow_in_pairs():
    run = make_run(num_tokens=2)
    points = grid_points("joint", ["rank_elastor"], run, SCHEMA, [2, 4], [1, 3])
    assert points == [
        {"model": "rank_elastor", "num_blocks": 1, "token_dim": 2},
        {"model": "rank_elastor", "num_blocks": 3, "token_dim": 4},
    ]


def check_default_widths(model):
    """Each point of a default grid makes a model, and it grows from point to point."""
    run = ke.runs.RunConfig.from_dict(
        {"dataset": {"name": "synthetic"}, "model": {"name": model}, "epochs": 1}
    )
    points = grid_points("width", [model], run, WITH_HISTORY)
    search = ke.tuning.Search(run, points=points[:2])
    data = ke.runs.Data(WITH_HISTORY, (), (), ())
    sizes = [trial.dense for trial in ke.tuning.plan(search, data)]
    assert len(sizes) == 2
    assert sizes[0] < sizes[1]


def test_no_impossible_size_is_proposed():
    check_default_widths("rank_mixer")


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", sorted({*ke.models.list_models()} - {"fm", "logistic_regression", "rank_mixer"})
)
def test_no_impossible_size_is_proposed_for_any_model(model):
    check_default_widths(model)


@pytest.mark.slow
def test_the_official_steps_have_the_official_sizes():
    """Of Criteo's seventh step the size is known; they never shrink."""
    schema = ke.FeatureSchema(
        [ke.Numeric(f"I{i}") for i in range(13)] + [ke.Categorical(f"C{i}", 9) for i in range(26)]
    )
    run = ke.runs.RunConfig.from_dict(
        {"dataset": {"name": "synthetic"}, "model": {"name": "rank_elastor"}}
    )
    points = grid_points("criteo", [], run, schema)
    assert [point["model"][-2:] for point in points] == [f"v{i}" for i in range(1, 8)]
    models = [ke.models.create(point["model"], schema) for point in points]
    sizes = [model.count_dense_params() for model in models]
    assert sizes[-1] == 10_972_731
    assert sizes == sorted(sizes)
    avazu = ke.FeatureSchema([ke.Categorical(f"C{i}", 9) for i in range(24)])
    last = grid_points("avazu", [], run, avazu)[-1]["model"]
    assert ke.models.create(last, avazu).count_dense_params() == 25_980_289


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("breadth", ["dnn"]), "Expected a grid: width, depth, joint, criteo, avazu. Received"),
        (("width", []), "Expected at least one model"),
        (("width", ["dnm"]), "Unknown model 'dnm'. Did you mean 'dnn'?"),
        (("width", ["fm"]), "'fm': expected a model with layers to scale"),
        (("width", ["dnn_criteo_x1"]), "a preset, whose layers are fixed"),
        (("width", ["dnn"], [4], [1, 2]), "has one depth: expected one or none"),
        (("joint", ["dnn"], [4], [1, 2]), "as many widths as depths"),
        (("width", ["rank_mixer"], [4, 5]), "expected values that rank_mixer can take"),
        (("criteo", [], [4]), "whose widths and depths are the official ones"),
    ],
)
def test_a_wrong_grid_is_named(arguments, message):
    grid, models, *sizes = arguments
    with pytest.raises(ValueError, match=r".+") as error:
        grid_points(grid, models, make_run(num_tokens=4), SCHEMA, *sizes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.backend_free
def test_the_command_knows_the_grids():
    for grid in GRIDS:
        assert make_parser().parse_args(["tune", "--grid", grid]).grid == grid
