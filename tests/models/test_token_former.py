"""TokenFormer: the stream, its positions, and what the candidate sees."""

import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import random_batch

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")
LENGTH = 6
SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("user", 9),
        ke.Sequence("items", 12, LENGTH, table="item"),
        ke.Categorical("item", 12),
        ke.Numeric("price"),
        ke.Sequence("kinds", 5, LENGTH, table="kind"),
        ke.Categorical("kind", 5),
    ]
)


def make(schema=SCHEMA, **options):
    options = {"embedding_dim": 3, "token_dim": 4, "windows": (5, 3), **options}
    model = ke.models.TokenFormer(schema, **options)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return model


def batch(rows=4):
    features, _ = random_batch(SCHEMA, batch=rows)
    features["items"] = np.random.default_rng(1).integers(1, 12, (rows, LENGTH)).astype("int32")
    return features


def with_length(features, length, side):
    """The first `length` events, with padding on a side or spread."""
    padded = dict(features)
    places = {
        "left": range(LENGTH - length, LENGTH),
        "right": range(length),
        "spread": np.sort(np.random.default_rng(0).permutation(LENGTH)[:length]),
    }[side]
    for name in ("items", "kinds"):
        padded[name] = np.zeros_like(features[name])
        padded[name][:, list(places)] = features[name][:, :length]
    return padded


def test_the_stream_by_hand():
    model = make(num_full_blocks=1, windows=(3,))
    features = with_length(batch(), 4, "right")
    stream = call(model.intermediates(["tokenizer"]), features)["tokenizer"]
    # user, price, <sep>, six events, <sep>, item, kind
    assert stream.shape == (4, 3 + 6 + 3, 4)
    encoder = model.get_layer("encoder")
    rows = numpy(encoder.table.embeddings).astype("float64")

    def look_up(table, ids):
        return rows[encoder.table.rows[table]][ids]

    field_tokens = model.get_layer("field_tokens")
    user = look_up("user", features["user"]) @ numpy(field_tokens.kernel)[0]
    np.testing.assert_allclose(stream[:, 0], user + numpy(field_tokens.bias)[0], atol=1e-4)
    for place, name in ((2, "first_separator"), (9, "second_separator")):
        expected = numpy(model.get_layer(name).tokens)[0]
        np.testing.assert_allclose(stream[:, place], np.tile(expected, (4, 1)), atol=1e-6)
    hidden, _, output = model.get_layer("event_tokens").layers
    for event in range(4):  # behind two of padding
        ids = (features[name][:, event] for name in ("items", "kinds"))
        x = np.concatenate([look_up(t, i) for t, i in zip(("item", "kind"), ids, strict=True)], 1)
        z = x @ numpy(hidden.kernel) + numpy(hidden.bias)
        x = z / (1 + np.exp(-z)) @ numpy(output.kernel) + numpy(output.bias)
        np.testing.assert_allclose(stream[:, 5 + event], x, rtol=1e-4, atol=1e-4)
    candidate = model.get_layer("candidate_tokens")
    kind = look_up("kind", features["kind"]) @ numpy(candidate.kernel)[1]
    np.testing.assert_allclose(stream[:, 11], kind + numpy(candidate.bias)[1], atol=1e-4)
    positions = call(model.get_layer("positions"), np.array([[0, 0, 1, 1, 1, 1]], "int32"))
    assert positions.tolist() == [[0, 0, 0, -1, -1, 1, 2, 3, 4, 7, 7, 7]]


@pytest.mark.parametrize("length", [0, 1, 4])
def test_padding_may_stand_anywhere(length):
    model, features = make(), batch()
    expected = call(model, with_length(features, length, "left"))
    assert np.isfinite(expected).all()
    for side in ("right", "spread"):
        logits = call(model, with_length(features, length, side))
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    # What a padded place holds besides does not count.
    padded = with_length(features, length, "left")
    padded["kinds"][padded["items"] == 0] = 3
    np.testing.assert_allclose(call(model, padded), expected, rtol=1e-4, atol=1e-5)


def test_the_candidate_changes_nothing_before_it():
    model, features = make(), batch()
    stages = model.intermediates(["block_1"])
    before = call(stages, features)["block_1"]
    other = {**features, "item": (features["item"] % 11 + 1).astype("int32")}
    after = call(stages, other)["block_1"]
    np.testing.assert_array_equal(after[:, :-2], before[:, :-2])
    assert (after[:, -2:] != before[:, -2:]).any((1, 2)).all()


def test_without_its_fields_a_sliding_block_is_one_that_does_not_see_them():
    model, features = make(num_full_blocks=1, windows=(3,)), batch()
    stages = call(model.intermediates(), features)
    assert stages["block_0"].shape[1] == 12
    assert stages["block_1"].shape[1] == 9
    block = model.get_layer("block_1")
    positions = np.tile(np.array([-1, -1, -1, 1, 2, 3, 4, 5, 6, 7, 7, 7], "int32"), (4, 1))
    masked = call(block, [stages["block_0"], positions])
    np.testing.assert_allclose(masked[:, 3:], stages["block_1"], rtol=1e-4, atol=1e-5)


@pytest.mark.backend_free
def test_candidates_histories_and_heads_can_be_chosen():
    joint = make(
        joint_candidate=True,
        candidate=["price", "item"],
        head=ke.layers.PredictionHead(1, hidden_units=[5]),
    )
    assert joint.get_layer("block_0").output.shape[1] == 3 + 6 + 2
    alone = make(histories=["items"])
    assert alone.get_layer("encoder").field_names == ["user", "item", "price", "kinds", "kind"]
    assert call(alone, batch()).shape == (4, 1)
    only = ke.FeatureSchema([SCHEMA["items"], SCHEMA["item"]])
    model = make(only, windows=(4,))
    assert model.get_layer("block_0").output.shape[1] == 6 + 2
    features = {name: batch()[name] for name in only.names}
    assert call(model, features).shape == (4, 1)


@pytest.mark.backend_free
@pytest.mark.usefixtures("without_drawing")
def test_parameters_are_those_of_the_formula():
    block = ke.layers.UnifiedInteraction(2, expansion=2)
    model = ke.models.TokenFormer(SCHEMA, 3, token_dim=8, block=block)
    blocks = 4 * (4 * 64 + 72 + 3 * 2 * 64 + 2 * 8)
    fields, candidate = 2 * (3 * 8 + 8), 2 * (3 * 8 + 8)
    events = 6 * 8 + 8 + 64 + 8
    assert model.count_dense_params() == blocks + fields + candidate + events + 2 * 8 + 8 + 9
    assert model.count_embedding_params() == 3 * (9 + 12 + 5 + 1)


@pytest.mark.backend_free
def test_windows_are_no_longer_than_what_they_see():
    assert [make(windows=None).get_layer(f"block_{i}").window for i in range(4)] == [
        None,
        None,
        9,
        9,
    ]
    for wrong in ((10,), (3, 3), (2, 3), (0,)):
        with raises_value_error("windows", "at most 9", str(list(wrong))):
            make(windows=wrong)
    with raises_value_error("at least one full block", "num_full_blocks=0"):
        make(num_full_blocks=0)
    with raises_value_error("`window`", "`windows`", "window=3"):
        make(block=ke.layers.UnifiedInteraction(window=3))


@pytest.mark.backend_free
def test_what_does_not_fit_is_named():
    with raises_value_error("Sequence features", "none", "[]"):
        ke.models.TokenFormer(ke.FeatureSchema([ke.Categorical("item", 3)]), candidate=["item"])
    with raises_value_error("items, kinds", "['item']"):
        make(histories=["item"])
    with raises_value_error("candidate", "user, item, price, kind", "['items']"):
        make(candidate=["items"])
    with raises_value_error("candidate", "share a table", "none"):
        ke.models.TokenFormer(ke.FeatureSchema([ke.Categorical("u", 3), ke.Sequence("h", 4, 3)]))
    lengths = ke.FeatureSchema([*SCHEMA.features, ke.Sequence("others", 12, 3, table="item")])
    with raises_value_error("one max_length", "items 6, kinds 6, others 3"):
        make(lengths)
